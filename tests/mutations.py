"""Damaged files for tests that feed a reader with what it does not expect."""

from __future__ import annotations

import numpy as np

NASTY = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\0")
MOST = 4096  # bytes that are added at once


def random_bytes(rng: np.random.Generator, most: int = 2048) -> bytes:
    """Between none and `most` bytes of noise."""
    return rng.bytes(int(rng.integers(0, most + 1)))


def mutations(rng: np.random.Generator, data: bytes) -> bytes:
    """`data` after one to four of: cut, flipped, inserted into, doubled, zeroed, spliced."""
    for _ in range(int(rng.integers(1, 5))):
        data = _damaged(rng, data)
    return data


def _damaged(rng: np.random.Generator, data: bytes) -> bytes:
    start, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    short = min(end, start + int(rng.integers(1, 9)))  # most fields of a format are that short
    piece = data[start : min(end, start + MOST)]
    match rng.integers(0, 8):
        case 0:
            return data[:start]
        case 1:
            return data[start:]
        case 2:
            at = min(start, len(data) - 1)
            bit = 1 << int(rng.integers(0, 8))
            return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] if data else b"?"
        case 3:
            return data[:start] + random_bytes(rng, 64) + data[start:]
        case 4:
            return data[:end] + piece + data[end:]
        case 5:
            return data[:start] + bytes(short - start) + data[short:]
        case 6:
            at = int(rng.integers(0, len(data) + 1))
            return data[:at] + piece + data[at + len(piece) :]
        case _:
            nasty = NASTY[int(rng.integers(0, len(NASTY)))]
            return data[:start] + nasty + data[start + len(nasty) :]
