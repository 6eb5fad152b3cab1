"""What the fields of a distribution and the arrays of examples may hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan_lessons.distributions.handed import as_numbers
from gan_lessons.errors import InputError, check_number

TINY, HUGE = 1e-6, 1e6  # sizes in this range keep float32 densities finite
# The range of a field with this name, after the depth of its nested tuples (0: a plain number).
# Where the limits are whole numbers, so must the value be.
LIMITS: dict[str, tuple[int, float, float]] = {
    "dim": (0, 1, 65536),
    "side": (0, 1, 100),
    "arms": (0, 1, 100),
    "cells": (0, 1, 64),
    "bits": (0, 1, 64),
    "turns": (0, TINY, 100.0),
    **dict.fromkeys(("radius", "spacing", "size", "std"), (0, TINY, HUGE)),
    **dict.fromkeys(("low", "high", "mean"), (0, -HUGE, HUGE)),
    **dict.fromkeys(("stds", "weights"), (1, TINY, HUGE)),
    "means": (1, -HUGE, HUGE),
    "centers": (2, -HUGE, HUGE),
    "segments": (3, -HUGE, HUGE),
}


def check_field(owner: str, name: str, value: object) -> Any:
    """`value` as a plain number or as nested tuples, within the limits of the field `name`."""
    rank, low, high = LIMITS[name]
    if rank:
        return _tuples(check_array(f"{name} of {owner}", value, rank, low, high).tolist())
    return check_number(f"{name} of {owner}", value, low, high, integer=isinstance(low, int))


def check_array(what: str, value: object, rank: int, low: float, high: float) -> np.ndarray:
    """`value` as a NumPy array of `rank` with all entries in [low, high], or `InputError`."""
    array = check_numbers(what, value, rank, low, high)
    return array.astype(np.promote_types(array.dtype, np.float32))


def check_numbers(what: str, value: object, rank: int, low: float, high: float) -> np.ndarray:
    """The same in the type that `value` has, so that whole numbers stay exact."""
    array = as_numbers(what, value)
    if array.dtype == bool:
        raise InputError(f"{what} must be numbers, not true or false; try x.astype(float)")
    if array.ndim != rank or array.size == 0:
        hint = "; try x[:, None] for one dimension, x.reshape(len(x), -1) for images"
        raise InputError(
            f"{what} must have {rank} dimension(s) and not be empty, but the shape is {array.shape}"
            + (hint if rank == 2 else "")
        )
    wide = array.astype(np.promote_types(array.dtype, np.float32), copy=False)  # float16 ends early
    bad = np.argwhere(~((wide >= low) & (wide <= high)))  # written so that NaN is bad too
    if len(bad):
        raise InputError(
            f"{what} must be numbers from {low:g} to {high:g}, but {len(bad)} of {array.size} "
            f"are not, the first at {bad[0].tolist()}: {array[tuple(bad[0])]}"
        )
    return array


def _tuples(nested: Any) -> Any:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested
