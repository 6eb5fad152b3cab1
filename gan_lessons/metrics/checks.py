"""What every measure asks of the features that it is given."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float

from gan_lessons.errors import InputError

AnyArray = Array | np.ndarray
Features = Float[np.ndarray, "n d"]


def check_features(features: object, least: int = 2) -> Features:
    """`features` as float64 [n, d].

    Raises: InputError for another rank, for fewer than `least` rows, and for values that are not
        finite.
    """
    try:
        rows = np.asarray(features, np.float64)
    except (TypeError, ValueError):
        raise InputError("features must be an array of numbers [n, d]") from None
    if rows.ndim != 2 or len(rows) < least or not rows.shape[1]:
        raise InputError(f"features must be [n, d] with at least {least} rows, not {rows.shape}")
    if not np.isfinite(rows).all():
        raise InputError("features hold NaN or infinite values; did the generator diverge?")
    return rows


def check_pair(a: object, b: object, least: int = 2) -> tuple[Features, Features]:
    """Two sets of features of the same d, each as `check_features` leaves it."""
    one, other = check_features(a, least), check_features(b, least)
    if one.shape[1] != other.shape[1]:
        raise InputError(
            f"rows of {one.shape[1]} and of {other.shape[1]} features cannot be compared; "
            "take both from the same extractor"
        )
    return one, other
