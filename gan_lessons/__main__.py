"""`python3 -m gan_lessons COMMAND`: see to the environment, then run the command.

This file imports the standard library only and is written in a Python that 3.6 can read, so that
any `python3` gets a sentence and no traceback. Each start is in one of four states and does
the one thing that leads to the next:

1. this interpreter has all that pyproject.toml asks for: run the command;
2. it lacks something and is in an environment: install that here, start again;
3. the checkout has a `.venv`: start again in it;
4. otherwise: make `.venv`, start again in it.

Nothing is remembered but a mark that lies in the environment while an installation is under way:
what is installed is read off the environment itself, at every start, in a few milliseconds.
"""

import contextlib
import operator
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
LOCAL = ROOT / ".venv"
MARK = Path(sys.prefix) / "gan-lessons-installing"
LOG = Path(sys.prefix) / "gan-lessons-install.log"
OLDEST = (3, 11)
TRIED = "GAN_LESSONS_JUST_INSTALLED"  # set for one restart, so that no start can go in circles

COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
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
        "A package is not to be had for this Python ({version}, {machine})."
        " Python 3.11, 3.12 or 3.13 for a 64-bit machine is the safest choice.",
    ),
)


class Trouble(Exception):
    """What went wrong and what to do about it, for the person at the keyboard."""


def main(argv: "list | None" = None) -> int:
    """Run one command line; returns its exit status (the console script calls this too)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        prepare(arguments)
    except Trouble as trouble:
        print(f"gan-lessons: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 1
    from gan_lessons.cli import main as command

    return command(arguments)


def prepare(argv: list) -> None:
    """Return where the command can run; else get one step nearer and start again."""
    extra = "test" if argv[:1] == ["test"] else ""
    tried = os.environ.pop(TRIED, "")
    lacks = missing(extra)
    if not lacks:
        return
    if tried:
        raise Trouble(f"pip ended well, and yet {'; '.join(lacks)}. Its log: {LOG}")
    inside = in_environment()
    if not inside and local_python().exists() and (LOCAL / "pyvenv.cfg").exists():
        restart(local_python(), argv)
    check_version()
    if inside and installs(argv):
        install(extra, lacks)
        os.environ[TRIED] = "1"
        restart(sys.executable, argv)
    if installs(argv):
        make_environment()
        restart(local_python(), argv)


def installs(argv: list) -> bool:
    """Help and `doctor` look and tell; every other command may install what it needs."""
    return bool(argv) and argv[0] != "doctor" and not {"-h", "--help", "--version"} & set(argv)


def restart(python: "str | Path", argv: list) -> None:
    """Become `python -m gan_lessons ...`; does not return."""
    command = [str(python), "-m", "gan_lessons", *argv]
    sys.stdout.flush()
    if os.name == "nt":  # execv there returns to the shell before the new program has ended
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


# What is there


def missing(extra: str = "") -> list:
    """What pyproject.toml and its `extra` ask for and this interpreter lacks, a phrase each."""
    if not PYPROJECT.is_file():  # not a checkout: pip put us here, and saw to the rest
        return []
    if sys.version_info < OLDEST:
        return [f"Python {version_text()} is too old"]
    found = distributions()
    faults = [fault(requirement, found) for requirement in wanted(extra)]
    if MARK.exists():
        faults.append("an installation was begun and has not ended")
    if not any(same(entry, ROOT) for entry in sys.path[1:]):
        faults.append("this checkout is not installed, so notebooks could not import it")
    return [text for text in faults if text]


def wanted(extra: str) -> list:
    """The requirements of the project and of one of its extras, as they are written."""
    import tomllib

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])


def distributions() -> dict:
    """Version of every installed distribution, read from folder names (fast: no file is opened)."""
    found = {}
    for folder in reversed([Path(entry) for entry in sys.path if os.path.isdir(entry)]):
        for entry in folder.glob("*.dist-info"):
            name, _, version = entry.name[: -len(".dist-info")].partition("-")
            found[plain(name)] = version
    return found


def fault(requirement: str, found: dict) -> str:
    """Why the installed distributions do not meet `name>=1,<2`, or an empty string."""
    name, window = re.findall(r"^([\w.-]+)(?:\[.*\])?([^;]*)", requirement)[0]
    version = found.get(plain(name))
    if version is None:
        return f"{name} is not installed"
    for sign, bound in re.findall(r"([<>=!]+)\s*([\d.]+)", window):
        if not COMPARE[sign](release(version), release(bound)):
            return f"{name} is {version}, which is not {window.strip()}"
    return ""


def plain(name: str) -> str:
    """A distribution's name in the one spelling that pip compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version: str) -> tuple:
    """`"2.13.0+cpu"` as `(2, 13)`: numbers only, without the zeros at the end."""
    numbers = [int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version)[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def same(one: str, other: Path) -> bool:
    """Whether both are one folder."""
    return os.path.isdir(one) and os.path.samefile(one, str(other))


def in_environment() -> bool:
    """Whether this is a virtual or a conda environment (conda's base is left alone)."""
    prefix = Path(sys.prefix)
    conda = (prefix / "conda-meta").is_dir() and not (prefix / "condabin").is_dir()
    return conda or sys.prefix != sys.base_prefix


def local_python() -> Path:
    """The interpreter of the checkout's own environment."""
    return LOCAL / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version_text() -> str:
    """The running Python's version, as people write it."""
    return "{}.{}.{}".format(*sys.version_info)


# What is made


def make_environment() -> None:
    """Make `.venv` in the checkout."""
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise Trouble(no_pip())
    print(f"First start: making an environment of its own for the lessons in {LOCAL}")
    import venv

    try:
        links = os.name != "nt"
        venv.EnvBuilder(clear=True, symlinks=links, prompt="gan-lessons").create(str(LOCAL))
    except OSError as error:
        raise Trouble(f"the environment could not be made: {error}") from error


def check_version() -> None:
    """Refuse a Python that is too old."""
    if sys.version_info < OLDEST:
        needed = "Python {}.{} or newer is needed".format(*OLDEST)
        raise Trouble(f"{needed}, and {sys.executable} is {version_text()}. {newer_python()}")


def newer_python() -> str:
    """Which newer Python to type instead, if one is at hand."""
    from shutil import which

    for name in ("python3.13", "python3.12", "python3.11"):
        if which(name) and not subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL):
            return f"You have one: type `{name} -m gan_lessons ...` instead."
    return "Install one, and start it by its name, as in `python3.13 -m gan_lessons ...`."


def no_pip() -> str:
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
            run_logged(["ensurepip", "--upgrade"], no_pip())
        target = f".[{extra}]" if extra else "."
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        run_logged(["pip", "install", *quiet, "--editable", target])
    print("Installed.")


@contextlib.contextmanager
def under_way() -> "Iterator[None]":
    """Hold the mark of an installation; it stays if the environment may be left half changed."""
    try:
        mark = MARK.open("a")
    except OSError as error:
        raise Trouble(f"this environment cannot be written to: {error}") from error
    ended_well = False
    try:
        with mark:
            wait_for_others(mark)
            yield
        ended_well = True
    finally:
        if ended_well or "Installing collected" not in said():
            with contextlib.suppress(FileNotFoundError):
                MARK.unlink()


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
    """Run `python -m MODULE ...` with its words in a log, and one line about where it is."""
    with LOG.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=str(ROOT),
            env={**os.environ, "PIP_USER": "0"},  # some sites set it, and it fails in environments
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            follow(process)
        finally:
            process.wait()  # after Ctrl-C too: pip hears it and puts down what it holds
    if process.returncode:
        raise Trouble(advice or explain(said()))


def follow(process: subprocess.Popen) -> None:
    """Show how long it has taken and what it does: a line in place, or one in 15 seconds."""
    screen = sys.stdout.isatty()
    began = shown = time.monotonic()
    while process.poll() is None:
        time.sleep(0.25)
        now = time.monotonic()
        if now - shown > (0.5 if screen else 15):
            shown = now
            step = (STEP.findall(said()) or ["Starting"])[-1]
            line = f"  {now - began:3.0f} s  {step:<60.60}"
            print(line, end="\r" if screen else "\n", flush=True)
    if screen:
        print(" " * 70, end="\r")


def said() -> str:
    """All that the installation has said so far."""
    return LOG.read_text(encoding="utf-8", errors="replace")


def explain(log: str) -> str:
    """What pip's failure means, in a sentence, with its own last words."""
    import platform

    facts = {"prefix": sys.prefix, "version": version_text(), "machine": platform.machine()}
    causes = [advice.format(**facts) for pattern, advice in CAUSES if re.search(pattern, log)]
    lines = log.strip().splitlines()
    errors = [line for line in lines if "ERROR" in line] or lines
    words = "\n".join("  | " + line.strip() for line in errors[-3:])
    cause = "".join(causes[:1]) or "pip said:"
    ending = f"All it said is in {LOG}. The same command goes on from here."
    return f"the installation failed. {cause}\n{words}\n{ending}"


if __name__ == "__main__":
    sys.exit(main())
