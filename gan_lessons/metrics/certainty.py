"""How sure is a mean of a few runs?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gan_lessons.errors import check_number
from gan_lessons.metrics.checks import check_features


def confidence_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean of independent values (say, of five seeds) and half the width of its interval.

    The half width is t s / sqrt(n), where s is the standard deviation and t the quantile of
    Student's distribution with n - 1 degrees of freedom. If the values are normally distributed,
    the interval covers the true mean with probability `level`.

    Raises: InputError for fewer than two values, for values that are not finite, and for a level
        that is not between 0 and 1.
    """
    from scipy.stats import t

    level = check_number("level", level, 0, 0.999999, above=True)
    x = check_features(np.reshape(np.asarray(values, object), (-1, 1)))[:, 0]
    half = t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean()), float(half)
