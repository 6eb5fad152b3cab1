"""Files that are downloaded once, verified and kept.

A file is looked for in the folder that GAN_LESSONS_DATA names (say, a classroom's, which may be
read-only), then in the user's cache, and only then on the net. Wherever it comes from, its SHA-256
must be right. (What people put there by hand in another packing: see `finding`.)
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from gan_lessons.errors import InputError, check_number
from gan_lessons.folders import our_cache

BLOCK = 1 << 16
TRIES = 10  # at one address, as long as each brings more of the file


@dataclass(frozen=True)
class Source:
    """A file on the net.

    Attributes:
        name: its path below the data folder, e.g. "mnist/train-images-idx3-ubyte.gz".
        urls: addresses to try, in this order.
        sha256: of the file, 64 hexadecimal digits.
        bytes: its length.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int


def cache_folder() -> Path:
    """Where downloads are kept: gan-lessons/data in XDG_CACHE_HOME, else in ~/.cache.

    For a user without a home it is in the folder for temporary files.
    """
    return our_cache("data") or Path(tempfile.gettempdir(), "gan-lessons", "data")


def classroom_folder() -> Path | None:
    """The folder (or file) that the environment variable GAN_LESSONS_DATA names, or None."""
    named = os.environ.get("GAN_LESSONS_DATA")
    return Path(os.path.expanduser(named)) if named else None


def fetch(source: Source, folder: Path | None = None, timeout: float = 20) -> Path:
    """The path of a good copy of `source`, downloaded into `folder` if there is none.

    Args:
        folder: in place of `cache_folder()`.
        timeout: seconds without any data after which an address counts as dead, .1 to 600.

    Raises: as `download`.
    """
    check_number("timeout", timeout, 0.1, 600)
    if room := classroom_folder():
        shared = room / source.name
        if _fits(shared, source):
            return shared
    path = (folder or cache_folder()) / source.name
    return path if _fits(path, source) else download(source, path, timeout)


def download(source: Source, path: Path, timeout: float = 20) -> Path:
    """`path`, with a good copy of `source` downloaded to it.

    A partial download is kept beside it as NAME.part and resumed, even by a later call. Several
    processes may fetch the same file at once: each writes a file of its own, and the last to finish
    replaces the others.

    Raises: InputError if no address delivers, with what to put where by hand, and if `path` cannot
        be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(source, path, timeout)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; free some space, or set "
            "XDG_CACHE_HOME to a folder of yours"
        ) from None
    return path


def _fits(path: Path, source: Source) -> bool:
    """Whether `path` is the right file; if it is another one, that is said."""
    try:
        if path.stat().st_size == source.bytes and _sha256(path) == source.sha256:
            return True
        say(f"{path} is damaged or another file, so it is not used")
    except OSError as error:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            say(f"{path} cannot be read: {error.strerror}")
    return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def say(text: str) -> None:
    print(text, file=sys.stderr)


# ---- the net


class _Failed(Exception):
    """One address did not deliver; the text says why."""


class _Misfit(_Failed):
    """What the address sends does not continue what was there already."""


def _download(source: Source, path: Path, timeout: float) -> None:
    failures = []
    with _own_part(path, timeout) as part:
        for url in source.urls:
            try:
                _from_address(source, url, part, timeout)
            except _Failed as reason:
                failures.append(f"{urlsplit(url).netloc} {reason}")
            else:
                os.replace(part, path)
                return
    raise InputError(
        f"could not fetch {source.name}: {'; '.join(failures)}. By hand: download "
        f"{source.urls[0]} ({source.bytes} bytes, sha256 {source.sha256}) and put it at {path}, "
        f"or at {source.name} in the folder that the environment variable GAN_LESSONS_DATA names"
    )


@contextlib.contextmanager
def _own_part(path: Path, timeout: float) -> Iterator[Path]:
    """A partial file of this process alone, begun with what an earlier attempt has left."""
    own = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    own.touch()
    for old in _left_over(path, timeout):
        with contextlib.suppress(OSError):
            os.replace(old, own)  # if two processes try this, one of them finds nothing
    try:
        yield own
    finally:
        with contextlib.suppress(FileNotFoundError):
            if own.stat().st_size:
                os.replace(own, path.with_name(f"{path.name}.part"))
            else:
                own.unlink()


def _left_over(path: Path, timeout: float) -> list[Path]:
    """Partial files that no process is writing to, the largest last.

    One that has not grown for longer than an address may stall was left by a killed process.
    """
    idle = []
    for part in path.parent.glob(f"{path.name}.*part"):
        with contextlib.suppress(OSError):
            state = part.stat()
            if part.name == f"{path.name}.part" or time.time() - state.st_mtime > 60 + timeout:
                idle.append((state.st_size, part))
    return [part for _, part in sorted(idle)]


def _from_address(source: Source, url: str, part: Path, timeout: float) -> None:
    """Fill `part` with the whole file from `url`, or raise _Failed."""
    for _ in range(TRIES):
        had = part.stat().st_size
        try:
            _receive(source, url, part, timeout)
            return
        except _Misfit:
            os.truncate(part, 0)
            if not had:
                raise
        except _Failed:
            if part.stat().st_size <= had:
                raise
    raise _Failed("breaks off again and again")


def _receive(source: Source, url: str, part: Path, timeout: float) -> None:
    """Append to `part` what it lacks, or start over if the server does not support ranges."""
    have = part.stat().st_size
    if have < source.bytes:
        headers = {"User-Agent": "gan-lessons"} | ({"Range": f"bytes={have}-"} if have else {})
        with _saying_why("cannot be reached", timeout):
            request = urllib.request.Request(url, headers=headers)
            answer = urllib.request.urlopen(request, timeout=timeout)
        with answer, part.open("ab") as file:
            if answer.status != 206:
                have = 0
                os.truncate(part, 0)
            _check_answer(answer, source, have)
            _copy(answer, file, source, have, timeout)
    if part.stat().st_size != source.bytes or _sha256(part) != source.sha256:
        raise _Misfit("sends another file: its checksum is wrong")


def _check_answer(answer: Any, source: Source, have: int) -> None:
    if have and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise _Misfit("sends another part than it was asked for")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and have + int(length) != source.bytes:
        raise _Misfit(f"offers a file of {have + int(length)} bytes instead of {source.bytes}")


def _copy(answer: Any, file: IO[bytes], source: Source, have: int, timeout: float) -> None:
    from tqdm import tqdm

    how: dict[str, Any] = {"unit": "B", "unit_scale": True, "delay": 2, "desc": source.name}
    with tqdm(total=source.bytes, initial=have, **how) as bar:
        while have < source.bytes:
            with _saying_why("breaks off", timeout):
                block = answer.read1(min(BLOCK, source.bytes - have))
            if not block:
                raise _Failed(f"breaks off after {have} of {source.bytes} bytes")
            file.write(block)
            have += len(block)
            bar.update(len(block))


@contextlib.contextmanager
def _saying_why(what: str, timeout: float) -> Iterator[None]:
    """Turn whatever the network can raise into _Failed."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        kind = _Misfit if error.code == 416 else _Failed  # 416: no such range
        gone = ": the file is no longer there" if error.code in (404, 410) else ""
        raise kind(f"answers {error.code} {error.reason}{gone}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise _Failed(f"sends nothing for {timeout:g} seconds") from None
        raise _Failed(f"{what} ({getattr(reason, 'strerror', None) or reason})") from None
