"""Paths as people type them, locks between processes, and files that are written whole or not."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from gan_lessons.errors import InputError

TEMPORARY = ".saving-"  # how the name of a file begins that is being written


def typed_path(text: str | os.PathLike[str], what: str = "a path") -> Path:
    """The absolute path that somebody means by `text`; a leading `~` is the home folder.

    Raises: InputError where it is empty or holds a NUL byte, and for the home of an unknown user.
    """
    try:
        given = os.fspath(text)
        path = os.path.expanduser(given) if isinstance(given, str) else ""
    except TypeError:
        given = path = ""
    if not path.strip() or "\0" in path:
        raise InputError(f"{what} must be the path of a file or folder, not {text!r}")
    if path.startswith("~"):
        name = path.split(os.sep)[0]
        raise InputError(f"{what} {given!r} starts with {name}, and there is no home of that user")
    return Path(os.path.abspath(path))


@contextlib.contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file `path` while the block runs; the value is whether it is held.

    If another process (or another part of this one) holds it, the block runs without it, or, with
    `wait`, later. A lock ends with its process, however that ends; the file stays. Where the file
    system knows no locks (some network folders) nobody is kept out.

    Raises: OSError where the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = _locked(handle, wait)
        if held and os.name == "posix":  # on Windows a locked file cannot be read by others
            os.truncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield held
    finally:
        os.close(handle)


def _locked(handle: int, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return _locked_on_windows(handle, wait)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        pass
    return True


def _locked_on_windows(handle: int, wait: bool) -> bool:
    import msvcrt  # closing the file gives the lock back

    while True:
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore
            return True
        except OSError:  # LK_LOCK tries for ten seconds
            if not wait:
                return False


def holder(path: Path) -> str:
    """Who holds the lock file `path`, as " (process 1234)", or "" if that cannot be known."""
    try:
        number = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return f" (process {number})" if number.isdecimal() else ""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file such that at any moment the old one is there or the new one, whole.

    It is written under another name, forced to the disk and renamed.

    Raises: OSError where it cannot be written; the old one is untouched then.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # gone if all went well
            temporary.unlink()
    if os.name == "posix":  # elsewhere a folder cannot be opened
        with contextlib.suppress(OSError):  # the data are safe, and the new name as good as
            handle = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def tidy(folder: Path) -> None:
    """Remove what `write_whole` left half-written in a process that was killed.

    Only for who holds the folder's lock.
    """
    for leftover in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            leftover.unlink()
