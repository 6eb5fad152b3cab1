"""Making an environment and installing the lessons into it, with pip's failures explained."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from gan_lessons import interpreter
from gan_lessons.interpreter import ROOT, version_text

LOCAL = ROOT / ".venv"
LOG = Path(sys.prefix) / "gan-lessons-install.log"
STEP = re.compile(
    r"^ *(Collecting [\w.-]+|Downloading [\w.]+|(?:Building|Preparing) [\w.-]+"
    r"|Installing (?:build dependencies|collected packages))",
    re.MULTILINE,
)
CAUSES = (
    ("No space left", "The disk is full: the packages need about 2 GB in {prefix}."),
    (
        "NewConnectionError|NameResolution|name resolution|Max retries|unreachable|timed out"
        "|Proxy|SSLError|CERTIFICATE|ConnectionError|Connection (?:refused|reset|aborted)",
        "The package index could not be reached. Check the network (and the proxy, if you are"
        " behind one): it is needed for this once, the lessons themselves run without it.",
    ),
    ("Permission denied", "{prefix} cannot be written to. Use a copy of the lessons of your own."),
    (
        "No matching distribution|not a supported wheel|Failed to build",
        "A package is not available for this Python ({version}, {machine})."
        " Python 3.11, 3.12 or 3.13 for a 64-bit machine is the safest choice.",
    ),
)


class Trouble(Exception):
    """What went wrong and what to do about it, for the person at the keyboard."""


def local_python() -> Path:
    """The interpreter of the checkout's own environment."""
    return LOCAL / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment_exists() -> bool:
    """Whether the checkout has an environment of its own that can be started."""
    return local_python().exists() and (LOCAL / "pyvenv.cfg").exists()


def make_environment() -> None:
    """Make `.venv` in the checkout."""
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise Trouble(advice_without_pip())
    import venv

    print(f"First start: making an environment for the lessons in {LOCAL}")
    try:
        links = os.name != "nt"
        venv.EnvBuilder(clear=True, symlinks=links, prompt="gan-lessons").create(str(LOCAL))
    except OSError as error:
        raise Trouble(f"the environment could not be made: {error}") from error


def advice_without_pip() -> str:
    """What to do where Python came, as Debian's can, without venv and pip."""
    package = "python{}.{}-venv".format(*sys.version_info)
    return (
        f"this Python ({sys.executable}) came without venv and pip. On Debian and Ubuntu"
        f" `sudo apt install {package}` adds them; elsewhere install Python anew."
        " Then give the same command again."
    )


def install(extra: str, lacks: list) -> None:
    """Install the checkout and what it `lacks` into the running interpreter's environment."""
    print(f"Installing what the lessons need into {sys.prefix}")
    print(f"  why: {lacks[0]}" + (f" (and {len(lacks) - 1} more)" if lacks[1:] else ""))
    print("  once, one to five minutes, some 300 MB; Ctrl-C stops it safely", flush=True)
    with under_way():
        if find_spec("pip") is None:
            run_logged(["ensurepip", "--upgrade"], advice_without_pip())
        target = f".[{extra}]" if extra else "."
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        run_logged(["pip", "install", *quiet, "--editable", target])
    print("Installed.")


@contextlib.contextmanager
def under_way() -> "Iterator[None]":
    """Set the mark of an installation, and leave it if the environment may be half changed."""
    try:
        mark = interpreter.MARK.open("a")
    except OSError as error:
        raise Trouble(f"this environment cannot be written to: {error}") from error
    ended_well = False
    try:
        with mark:
            wait_for_others(mark)
            yield
        ended_well = True
    finally:
        if ended_well or "Installing collected" not in log_text():
            with contextlib.suppress(FileNotFoundError):
                interpreter.MARK.unlink()


def wait_for_others(mark: "IO[str]") -> None:
    """Let another start that is installing here finish first."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("Another start is installing here; waiting for it to end")
        fcntl.flock(mark, fcntl.LOCK_EX)


def run_logged(module: list, advice: str = "") -> None:
    """Run `python -m MODULE ...`, its output going to a log, and show how far it is."""
    with LOG.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=str(ROOT),
            env={**os.environ, "PIP_USER": "0"},  # some sites set it, and it fails in environments
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            show_progress(process)
        finally:
            process.wait()  # after Ctrl-C too: pip receives it as well and tidies up
    if process.returncode:
        raise Trouble(advice or explain_failure(log_text()))


def show_progress(process: subprocess.Popen) -> None:
    """Show the time taken and the present step: one line in place, or a line every 15 seconds."""
    screen = sys.stdout.isatty()
    began = shown = time.monotonic()
    while process.poll() is None:
        time.sleep(0.25)
        now = time.monotonic()
        if now - shown > (0.5 if screen else 15):
            shown = now
            step = (STEP.findall(log_text()) or ["Starting"])[-1]
            line = f"  {now - began:3.0f} s  {step:<60.60}"
            print(line, end="\r" if screen else "\n", flush=True)
    if screen:
        print(" " * 70, end="\r")


def log_text() -> str:
    """The output of the installation so far."""
    return LOG.read_text(encoding="utf-8", errors="replace")


def explain_failure(log: str) -> str:
    """What a failure of pip means, in a sentence, followed by the last lines it printed."""
    import platform

    facts = {"prefix": sys.prefix, "version": version_text(), "machine": platform.machine()}
    causes = [advice.format(**facts) for pattern, advice in CAUSES if re.search(pattern, log)]
    lines = log.strip().splitlines()
    errors = [line for line in lines if "ERROR" in line] or lines
    words = "\n".join("  | " + line.strip() for line in errors[-3:])
    cause = "".join(causes[:1]) or "pip said:"
    ending = f"The whole output is in {LOG}. The same command goes on from here."
    return f"the installation failed. {cause}\n{words}\n{ending}"
