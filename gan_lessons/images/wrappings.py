"""What is inside a file, however it was packed: gzip, bzip2, zip, tar, and one in another."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gan_lessons.errors import InputError

DEEPEST = 4  # wrappings around one content
LARGEST = 1 << 28  # bytes that one content or archive may unpack to
WORK = 1 << 30  # bytes that are read for one file, at all depths together
PRICE = 1 << 16  # that opening anything counts as, so that there cannot be too many
MEMBERS = 2000  # of one archive that are looked at

# What a broken or hostile file can raise. An encrypted zip raises RuntimeError, one that is packed
# in a way that Python does not know NotImplementedError.
ERRORS = (
    *(OSError, EOFError, ValueError, RuntimeError, OverflowError, MemoryError, IndexError),
    *(zlib.error, zipfile.BadZipFile, tarfile.TarError),
)
PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
ZIPPED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can ask for gigabytes of memory


class Stream(io.RawIOBase):
    """A file read forward, whose first bytes can be looked at, and that ends a bomb's unpacking.

    Attributes:
        head: up to 512 bytes that come first.
        size: its length, if that is known beforehand.
    """

    def __init__(self, file: IO[bytes], work: list[int], size: int | None) -> None:
        self.file, self.work, self.size, self.left = file, work, size, LARGEST
        work[0] -= PRICE
        self.head = self._rest = file.read(512)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        size = self.left + 1 if size < 0 else size
        have, self._rest = self._rest[:size], self._rest[size:]
        data = have + self.file.read(size - len(have))
        self.left -= len(data)
        self.work[0] -= len(data)
        if min(self.left, self.work[0]) < 0:
            raise ValueError("it unpacks to too many bytes")
        return data


def contents(path: Path) -> Iterator[tuple[str, Stream]]:
    """Name and stream of whatever is in the file at `path`: of itself, if it is not packed.

    Each stream is to be read before the next is asked for.

    Raises: one of ERRORS for a file that is broken, or unpacks to too much.
    """
    with path.open("rb") as file:
        yield from _inside(path.name, file, [WORK], 0, path.stat().st_size)


def _inside(
    name: str, file: IO[bytes], work: list[int], depth: int, size: int | None
) -> Iterator[tuple[str, Stream]]:
    stream = Stream(file, work, size)
    packer = next((PACKERS[magic] for magic in PACKERS if stream.head.startswith(magic)), None)
    if depth < DEEPEST and packer:
        with packer(io.BufferedReader(stream)) as unpacked:
            yield from _inside(name, unpacked, work, depth + 1, None)
    elif depth < DEEPEST and stream.head.startswith(b"PK\3\4"):
        whole = file if depth == 0 else io.BytesIO(stream.read())
        with zipfile.ZipFile(whole) as zipped:
            for info in zipped.infolist()[:MEMBERS]:
                if not info.is_dir() and info.compress_type in ZIPPED:
                    with zipped.open(info) as member:
                        yield from _inside(info.filename, member, work, depth + 1, info.file_size)
    elif depth < DEEPEST and stream.head[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|") as archive:
            for _, entry in zip(range(MEMBERS), archive, strict=False):
                if entry.isfile() and (inner := archive.extractfile(entry)):
                    yield from _inside(entry.name, inner, work, depth + 1, entry.size)
    else:
        yield name, stream


def content(path: Path, most: int) -> bytes:
    """The whole content of a file that holds one thing, packed or not, at most `most` bytes.

    Raises: InputError for a file that cannot be read, or holds more.
    """
    try:
        for _, stream in contents(path):
            data = stream.read(most + 1)
            if len(data) > most:
                raise ValueError(f"it holds more than {most} bytes")
            return data
        raise ValueError("it is an archive without files")
    except ERRORS as error:
        raise InputError(f"{path} cannot be read: {error}") from None
