"""`gan-lessons lab`: JupyterLab on a reader's copies of the lessons, with this Python as kernel."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from gan_lessons import environment, interpreter
from gan_lessons.cli.checkout import become_in_checkout, tell_of_other_copies
from gan_lessons.cli.fail import UNUSABLE, fail, note
from gan_lessons.cli.lessons import OURS, freshen, lay_out, lesson_named, lessons_folder
from gan_lessons.errors import InputError
from gan_lessons.folders import home, made

START = "00_start_here.ipynb"


def lab_command(args: argparse.Namespace) -> int:
    """Lay out the copies, then become JupyterLab, showing the first lesson or the fresh one."""
    try:
        fresh = [lesson_named(text) for text in args.fresh]
    except InputError as error:
        return fail(error, UNUSABLE)
    environment.check_variables()
    tell_of_other_copies()
    for text in environment.set_aside():
        note(f"note: {text}")
    if not (interpreter.ROOT / "notebooks" / START).is_file():
        missing = interpreter.ROOT / "notebooks" / START
        raise InputError(f"{missing} is not there: this command needs a whole checkout")
    folder = lessons_folder()
    if folder.parent != interpreter.ROOT:
        ours = interpreter.ROOT / OURS
        note(f"note: {ours} cannot be written to: your lessons are in {folder}")
    _lay_out(folder, fresh)
    with environment.explained():
        _see_to_jupyter()
    options = _options(args, folder, (fresh or [START])[0])
    return become_in_checkout("jupyterlab", options, f"notebooks/{START}")


def _lay_out(folder: Path, fresh: list[str]) -> None:
    for name in fresh:
        if kept := freshen(folder, name):
            note(f"note: {name} is put anew; yours is now {kept.name}")
    for text in lay_out(folder):
        note(f"note: {text}")


def _see_to_jupyter() -> None:
    """Give Jupyter settings of ours, folders that it can write to, and kernels this package."""
    os.environ.pop("MPLBACKEND", None)  # figures belong on the page, not into windows
    # Otherwise a kernel that some other Python left in the home folder would be preferred.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Settings of our own (.jupyter/labconfig): no question about news covers the lesson.
    paths = [str(interpreter.ROOT / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    if environment.copy_that_kernels_load():
        paths = [str(interpreter.ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    _lend_folders()


def _lend_folders() -> None:
    """Have Jupyter write into a temporary folder what it cannot write where it usually does."""
    at_home, lent = home(), ""
    if at_home is None:
        lent = tempfile.mkdtemp(prefix="gan-lessons-")
        note(f"note: there is no home folder: Jupyter keeps its things in {lent}")
    if os.name != "nt":
        os.environ["HOME"] = lent or str(at_home)  # it may be empty
    from jupyter_core import paths

    folders = {
        "JUPYTER_CONFIG_DIR": paths.jupyter_config_dir(),
        "JUPYTER_DATA_DIR": paths.jupyter_data_dir(),
        "JUPYTER_RUNTIME_DIR": paths.jupyter_runtime_dir(),
        "IPYTHONDIR": os.environ.get("IPYTHONDIR") or os.path.expanduser("~/.ipython"),
    }
    for name, folder in folders.items():
        if not made(Path(folder)):
            lent = lent or tempfile.mkdtemp(prefix="gan-lessons-")
            os.environ[name] = os.path.join(lent, name.lower())
            note(f"note: {folder} cannot be written to: Jupyter uses {os.environ[name]} instead")


def _options(args: argparse.Namespace, folder: Path, lesson: str) -> list[str]:
    options = [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{quote(lesson)}",
        "--MultiKernelManager.default_kernel_name=python3",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    if args.port is not None:
        options += [f"--port={args.port}"]
    if args.no_browser:
        options += ["--no-browser"]
    if getattr(os, "geteuid", lambda: 1)() == 0:  # as in most containers
        options += ["--allow-root"]
    return options
