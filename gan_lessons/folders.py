"""Where the suite keeps things on a machine: caches, the log; safe where there is no home folder.

Standard library only.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

NAME = "gan-lessons"
PROGRESS = "progress.json"  # what a learner answered, for who wishes it kept (`exercises.progress`)


def home() -> Path | None:
    """The user's home folder; None where no variable and no list of users names one.

    `os.path.expanduser` would answer "~" there, and a folder of that name would be made.
    """
    given = os.environ.get("HOME", "")
    if os.path.isabs(given):
        return Path(given)
    try:
        if os.name == "nt":
            return Path.home()
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (ImportError, KeyError, RuntimeError):
        return None


def our_cache(name: str) -> Path | None:
    """The folder `name` among our caches: in XDG_CACHE_HOME, else in ~/.cache; None without a home.

    As the standard says, a relative path in the variable does not count.
    """
    return _ours("XDG_CACHE_HOME", ".cache", name)


def our_state() -> Path | None:
    """Where logs go: in XDG_STATE_HOME, else in ~/.local/state; None without a home."""
    return _ours("XDG_STATE_HOME", os.path.join(".local", "state"), "")


def _ours(variable: str, usual: str, name: str) -> Path | None:
    given = os.environ.get(variable, "")
    if os.path.isabs(given):
        return Path(given, NAME, name)
    at_home = home()
    return at_home and at_home / usual / NAME / name


def writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, after it has been made itself if need be."""
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def made(folder: Path) -> bool:
    """Make a folder, if it is not there, and say whether files can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
