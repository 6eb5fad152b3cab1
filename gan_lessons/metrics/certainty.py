"""How sure is a mean of a few runs?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gan_lessons.errors import InputError, check_number
from gan_lessons.metrics.checks import check_features, check_reals


def confidence_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean of independent values (say, of five seeds) and half the width of its interval.

    The half width is t s / sqrt(n), where s is the standard deviation and t the quantile of
    Student's distribution with n - 1 degrees of freedom. If the values are normally distributed,
    the interval covers the true mean with probability `level`.

    Raises: InputError for fewer than two values, which say nothing of their spread, for more than
        one column, for values that are not finite, and for a level that is not between 0 and 1.
    """
    from scipy.stats import t

    level = check_number("level", level, 0, 0.999999, above=True)
    x = check_reals("values", values)
    if x.ndim != 1 or len(x) < 2:
        raise InputError(
            f"an interval needs two values or more [n], not an array of shape {x.shape}; one value "
            "says nothing of the spread"
        )
    x = check_features(x[:, None])[:, 0]
    half = t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean()), float(half)
