"""`gan-lessons doctor`: say what is there and what is wrong.

A check returns "ok", "note" or "wrong", and what it found. It imports what it looks at itself, so
that the others can speak where a package is missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from gan_lessons import __version__, environment, interpreter
from gan_lessons.cli import storage
from gan_lessons.cli.machine import BROWSERS, browser
from gan_lessons.errors import InputError
from gan_lessons.folders import home, writable

Finding = tuple[str, str]
NAMED = ("jax", "flax", "optax", "numpy", "matplotlib", "jupyterlab", "ipywidgets")


def doctor_command(args: argparse.Namespace) -> int:
    """Print one line for each check, and what is kept on this machine, or remove some of that.

    The exit status is 1 if something is wrong, or could not be removed.
    """
    if args.remove:
        return storage.remove(args.remove, args.yes)
    wrong = 0
    for check in CHECKS:
        sign, text = _examine(check)
        print(f"{sign:5}  {text.splitlines()[0]}", flush=True)
        wrong += sign == "wrong"
    for line in storage.lines():
        print(line)
    cure = "gan-lessons lab installs what is missing; put the rest right by hand"
    print(f"Wrong: {wrong} of {len(CHECKS)}; {cure}." if wrong else "All is well.")
    return int(wrong > 0)


def _examine(check: Any) -> Finding:
    name = check.__name__[1:]
    try:
        return check()
    except InputError as error:
        return "wrong", str(error)
    except ModuleNotFoundError as error:  # `_packages` reports it as wrong
        return "note", f"{name}: cannot be examined without {error.name}"
    except Exception as error:  # a broken installation can raise anything
        return "wrong", f"{name}: {type(error).__name__}: {error}"


def _python() -> Finding:
    good = sys.version_info >= interpreter.OLDEST
    needed = "needs {}.{} or newer".format(*interpreter.OLDEST)
    found = f"Python {interpreter.version_text()} ({needed}), {sys.executable}"
    return "ok" if good else "wrong", found


def _packages() -> Finding:
    if faults := interpreter.missing():
        more = f" (and {len(faults) - 3} more)" if faults[3:] else ""
        return "wrong", "; ".join(faults[:3]) + more
    found = interpreter.installed_versions()
    return "ok", "packages as required: " + ", ".join(f"{n} {found.get(n)}" for n in NAMED)


def _package() -> Finding:
    ours = interpreter.ROOT / "gan_lessons"
    found = f"gan_lessons {__version__} in {ours}"
    if other := environment.copy_that_kernels_load():
        cause = "PYTHONPATH leads there" if os.environ.get("PYTHONPATH") else "that is installed"
        return "wrong", f"{found}, but notebooks would import {other} ({cause})"
    if others := environment.other_copies():
        return "note", f"{found}; another version is in {', '.join(map(str, others))}"
    return "ok", found


def _variables() -> Finding:
    """The variables of JAX. What is wrong is taken away, so that the other checks can go on."""
    wrong, tries = [], 0
    while (fault := _fault()) and tries < 9:
        wrong.append(fault)
        os.environ.pop(fault.partition("=")[0], None)
        tries += 1
    notes = environment.set_aside()
    if wrong or notes:
        return "wrong" if wrong else "note", "; ".join(wrong + notes)
    return "ok", "no variable of JAX is in the way"


def _fault() -> str:
    try:
        environment.check_variables()
    except InputError as error:
        return str(error)
    return ""


def _backend() -> Finding:
    import jax

    from gan_lessons.training.devices import check_devices

    check_devices()
    kind, count = jax.default_backend(), len(jax.devices())
    text = f"JAX computes on {kind}: {count} device(s), {jax.devices()[0].device_kind}"
    if kind == "cpu" and shutil.which("nvidia-smi"):
        return "note", f"{text}; for the NVIDIA GPU here: pip install -e '.[gpu]'"
    return "ok", text


def _data() -> Finding:
    from gan_lessons.distributions import DISTRIBUTIONS
    from gan_lessons.images import LOADERS

    sets = ", ".join(f"{len(load())} {name}" for name, load in LOADERS.items())
    return "ok", f"data without a network: {sets}, {len(DISTRIBUTIONS)} distributions"


def _folders() -> Finding:
    if home() is None:
        return "note", "there is no home folder: nothing is cached, and `lab` lends Jupyter one"
    import jax
    from jupyter_core.paths import jupyter_runtime_dir

    from gan_lessons.training.runtime import prepare

    prepare()
    config: Any = jax.config
    runtime, cache = Path(jupyter_runtime_dir()), config.jax_compilation_cache_dir
    if not writable(runtime):
        return "note", f"Jupyter cannot write to {runtime}: `lab` lends it a temporary folder"
    if not (cache and os.access(cache, os.W_OK)):
        return "note", "there is no cache folder to write to: every start compiles anew"
    return "ok", f"compiled programs are kept in {cache}"


def _kernel() -> Finding:
    if home() is None:
        return "note", "there is no home folder to look for Jupyter's kernels in"
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    from jupyter_client.kernelspec import KernelSpecManager

    python = Path(KernelSpecManager().get_kernel_spec("python3").argv[0])
    if python.is_absolute() and python.parent != Path(sys.executable).parent:
        return "wrong", f"the Jupyter kernel python3 is another Python: {python}"
    return "ok", "the Jupyter kernel python3 is this Python"


def _lessons() -> Finding:
    folder = interpreter.ROOT / "notebooks"
    count = len(list(folder.glob("*.ipynb")))
    return "ok" if count else "note", f"{count} lesson(s) in {folder}"


def _browser() -> Finding:
    if path := browser():
        return "ok", f"a browser for the browser tests: {path}"
    return "note", f"no browser for the browser tests ({', '.join(BROWSERS)}): they are skipped"


def _log() -> Finding:
    from gan_lessons.live.log import log_path

    if (path := log_path()) is None:
        return "note", "there is no home folder: errors of players and figures are not kept"
    there = "" if path.exists() else " (none so far)"
    return "ok", f"errors of players and figures are kept in {path}{there}"


def _speed() -> Finding:
    from gan_lessons.presets import preset
    from gan_lessons.training.run import Run

    ring, began = preset("ring"), time.monotonic()
    run = Run(ring.config, ring.knobs)
    run.advance(1)
    compiled = time.monotonic()
    taken = run.advance(60)
    if run.stopped:
        return "wrong", run.stopped
    rate = f"{taken / (time.monotonic() - compiled):.0f} steps a second"
    return "ok", f"the ring trains: {rate}, after {compiled - began:.1f} s to compile"


CHECKS = (
    *(_python, _packages, _package, _variables, _backend, _data, _folders, _kernel),
    *(_lessons, _browser, _log, _speed),
)
