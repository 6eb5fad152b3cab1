"""The file formats in which image sets are published: MNIST's IDX, and CIFAR-10's binary one."""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gan_lessons.errors import InputError

LARGEST = 1 << 28  # bytes that a file may unpack to


def read_idx(path: Path) -> UInt8[np.ndarray, "..."]:
    """The array in a gzipped IDX file of bytes.

    The format (LeCun 1998): two zero bytes, 8 for unsigned bytes, the number of axes (here 1 to
    4), their lengths as big-endian 32-bit numbers, then the data.

    Raises: InputError for anything else, and where lengths and data do not agree.
    """
    with _unpacking(path), gzip.open(path) as file:
        zero, kind, axes = np.frombuffer(file.read(4), ">u2,u1,u1")[0].tolist()
        if (zero, kind) != (0, 8) or not 1 <= axes <= 4:
            raise ValueError("it does not start as IDX data do")
        shape = np.frombuffer(_exactly(file, 4 * axes), ">u4").tolist()
        data = _exactly(file, prod(shape))
        if file.read(1):
            raise ValueError(f"it holds more than the {prod(shape)} bytes that it claims")
        return data.reshape(shape)


def read_cifar(path: Path, split: str) -> tuple[UInt8[np.ndarray, "n 32 32 3"], np.ndarray]:
    """Images and labels [n] of one split of CIFAR-10's binary version.

    The format (Krizhevsky 2009): a .tar.gz with data_batch_1.bin to data_batch_5.bin and
    test_batch.bin, of records of 3,073 bytes: label, then red, green and blue, row by row.

    Raises: InputError for anything else.
    """
    wanted = "data_batch_" if split == "train" else "test_batch"
    with _unpacking(path), tarfile.open(path, "r|gz") as archive:
        batches = {
            member.name: _exactly(archive.extractfile(member), member.size)
            for member in archive
            if member.isfile() and Path(member.name).name.startswith(wanted)
        }
        if not batches:
            raise ValueError(f"it holds no file called {wanted}...")
        records = np.concatenate([batches[name] for name in sorted(batches)]).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def _exactly(file: Any, count: int) -> UInt8[np.ndarray, " count"]:
    """The next `count` bytes of `file`, which may have been packed very small."""
    if count > LARGEST:
        raise ValueError(f"it claims to hold {count} bytes")
    data = file.read(count)
    if len(data) != count:
        raise ValueError(f"it holds fewer than the {count} bytes that it claims")
    return np.frombuffer(data, np.uint8)


@contextlib.contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, IndexError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
