"""Closed forms for two Gaussians on the line."""

from __future__ import annotations

import math

from gan_lessons.errors import check_number


def kl_gaussians(m1: float, s1: float, m2: float, s2: float) -> float:
    """KL(N(m1, s1^2) || N(m2, s2^2)) = log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2.

    In nats, from 0. Raises InputError for standard deviations not above 0.
    """
    _check_stds(s1, s2)
    return math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


def hellinger2_gaussians(m1: float, s1: float, m2: float, s2: float) -> float:
    """1 - sqrt(2 s1 s2 / (s1^2 + s2^2)) exp(-(m1 - m2)^2 / (4 (s1^2 + s2^2))), from 0 to 1.

    Raises InputError for standard deviations not above 0.
    """
    _check_stds(s1, s2)
    total = s1**2 + s2**2
    return 1 - math.sqrt(2 * s1 * s2 / total) * math.exp(-((m1 - m2) ** 2) / (4 * total))


def w1_gaussians(m1: float, s1: float, m2: float, s2: float) -> float:
    """W1 between N(m1, s1^2) and N(m2, s2^2): the mean of |a + b Z|, a = m1 - m2, b = s1 - s2.

    The optimal plan pairs equal quantiles, m + s Z with one Z for both. The mean is |a| where the
    widths agree, else |b| sqrt(2 / pi) exp(-a^2 / (2 b^2)) + a erf(a / (|b| sqrt 2)).

    Raises InputError for standard deviations not above 0.
    """
    _check_stds(s1, s2)
    a, b = m1 - m2, abs(s1 - s2)
    if b == 0:
        return abs(a)
    bell = b * math.sqrt(2 / math.pi) * math.exp(-((a / b) ** 2) / 2)
    return bell + a * math.erf(a / (b * math.sqrt(2)))


def _check_stds(*stds: float) -> None:
    for std in stds:
        check_number("a standard deviation", std, 0, 1e150, above=True)
