"""What every measure asks of the features that it is given."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_number

AnyArray = Array | np.ndarray
Features = Float[np.ndarray, "n d"]
LARGEST = 1e50  # the sixth power of such a number, which the kernel distance takes, is still finite


def check_features(features: object, least: int = 2) -> Features:
    """`features` as float64 [n, d].

    Raises: InputError for another rank, for fewer than `least` rows, for masked, complex or other
        entries than plain numbers, and for values that are not finite or beyond 1e50.
    """
    rows = check_reals("features", features)
    if rows.ndim != 2 or len(rows) < least or not rows.shape[1]:
        raise InputError(f"features must be [n, d] with at least {least} rows, not {rows.shape}")
    if not (np.abs(rows) <= LARGEST).all():  # written so that NaN fails too
        raise InputError(
            "features hold NaN, infinite or huge values (above 1e50); did the generator diverge?"
        )
    return rows


def check_reals(what: str, values: object) -> Float[np.ndarray, "*shape"]:
    """`values` as float64 of any shape; InputError for what are no plain numbers."""
    if np.ma.is_masked(values):
        raise InputError(f"{what} hold masked values, which would count; leave those rows out")
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "USc":  # text, though it may look like numbers, and complex
            return np.asarray(array, np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{what} must be an array of real numbers [n, d]")


def check_pair(a: object, b: object, least: int = 2) -> tuple[Features, Features]:
    """Two sets of features of the same d, each as `check_features` leaves it."""
    one, other = check_features(a, least), check_features(b, least)
    if one.shape[1] != other.shape[1]:
        raise InputError(
            f"rows of {one.shape[1]} and of {other.shape[1]} features cannot be compared; "
            "take both from the same extractor"
        )
    return one, other


def check_seed(seed: object) -> int:
    """`seed` as a whole number from 0 to 2^32, or `InputError`."""
    return int(check_number("seed", seed, 0, 2**32, integer=True))
