"""The formats in which image sets are published: MNIST's IDX, and CIFAR-10's binary batches."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from gan_lessons.errors import InputError
from gan_lessons.images.wrappings import LARGEST, content

RECORD = 1 + 3 * 32 * 32  # bytes of a label and its picture in CIFAR-10


def idx_shape(head: bytes) -> tuple[int, ...] | None:
    """The shape that the first bytes of IDX data claim, or None if they are none.

    The format (LeCun 1998): two zero bytes, 8 for unsigned bytes, the number of axes (here 1 to
    4), their lengths as big-endian 32-bit numbers, then the data.
    """
    axes = head[3] if len(head) > 3 else 0
    if head[:3] != b"\0\0\x08" or not 1 <= axes <= 4 or len(head) < 4 + 4 * axes:
        return None
    return tuple(np.frombuffer(head, ">u4", axes, 4).tolist())


def idx_length(shape: tuple[int, ...]) -> int:
    """Bytes of IDX data of this shape, with what stands before them."""
    return 4 + 4 * len(shape) + prod(shape)


def read_idx(file: Path | bytes) -> UInt8[np.ndarray, "..."]:
    """The array in an IDX file of bytes, or in the content of one; see `idx_shape`.

    The file may be packed, by gzip as published or in another way.

    Raises: InputError for anything else, and where lengths and data do not agree.
    """
    data, where = (file, "it") if isinstance(file, bytes) else (content(file, LARGEST), str(file))
    shape = idx_shape(data[:20])
    if shape is None:
        raise InputError(f"{where} cannot be read: it does not start as IDX data do")
    if len(data) != (length := idx_length(shape)):
        raise InputError(
            f"{where} cannot be read: it claims to hold {length} bytes, but has {len(data)}"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def read_cifar(batches: Sequence[bytes]) -> tuple[UInt8[np.ndarray, "n 32 32 3"], np.ndarray]:
    """Images and labels [n] of the contents of some of CIFAR-10's binary batches, in this order.

    The format (Krizhevsky 2009): records of 3,073 bytes: label, then red, green and blue, row by
    row.

    Raises: InputError for contents that are no whole number of records.
    """
    if not batches or any(len(batch) % RECORD for batch in batches):
        raise InputError(f"a batch of CIFAR-10 consists of records of {RECORD} bytes")
    records = np.concatenate([np.frombuffer(each, np.uint8) for each in batches])
    records = records.reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
