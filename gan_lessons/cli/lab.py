"""`gan-lessons lab`: JupyterLab on the lessons, with this Python as its kernel."""

from __future__ import annotations

import argparse
import os

from gan_lessons import interpreter
from gan_lessons.cli.checkout import become_in_checkout

START = "00_start_here.ipynb"


def lab_command(args: argparse.Namespace) -> int:
    """Become JupyterLab, showing the first lesson."""
    # Otherwise a kernel that some other Python left in the home folder would be preferred.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Settings of our own (.jupyter/labconfig): no question about news covers the lesson.
    paths = [str(interpreter.ROOT / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    return become_in_checkout("jupyterlab", _options(args), f"notebooks/{START}")


def _options(args: argparse.Namespace) -> list[str]:
    options = [
        f"--ServerApp.root_dir={interpreter.ROOT / 'notebooks'}",
        f"--LabApp.default_url=/lab/tree/{START}",
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
