"""What a perfect generator scores when its modes are counted, whatever the data."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from gan_lessons.distributions import Distribution
from gan_lessons.errors import InputError, check_number
from gan_lessons.metrics.checks import AnyArray
from gan_lessons.metrics.modes import ModeCoverage, high_quality_ceiling, kl_floor, mode_coverage

DRAWS, WORK = 16, 3e8  # draws of real samples at most, and distances to modes in all of them


class PerfectCoverage(NamedTuple):
    """The means of `ModeCoverage` over samples of the data itself; K is the number of modes.

    Attributes:
        modes, high_quality, kl, std_ratio: as in `ModeCoverage`.
        shares: of the samples, nearest to each mode [K].
        measured: whether these are measured on real samples; if not, they are exact.
    """

    modes: float
    high_quality: float
    kl: float
    std_ratio: float
    shares: Float[np.ndarray, " K"]
    measured: bool


def perfect_coverage(data: Distribution, n: int) -> PerfectCoverage:
    """What `n` samples of the data itself score on average, with the usual radius.

    Exact where the modes are round, of one width and do not touch (`Distribution.modes_apart`),
    whatever their weights. Elsewhere measured: the mean over up to 16 draws of `n` real samples,
    the same in every call. Modes that touch exchange samples, so that the divergence from the true
    weights is above 0 there even for endless real samples, and a generator may score less.

    Raises: InputError for data without modes, and unless `n` is a whole number from 1.
    """
    n = int(check_number("samples", n, 1, 1e7, integer=True))
    if data.modes is None or data.mode_std is None:
        raise InputError(f"{data!r} has no modes to count; try Ring() or Grid()")
    return (_by_formula if data.modes_apart else _by_measuring)(data, n)


def coverage_of(data: Distribution, samples: Float[AnyArray, "n d"]) -> ModeCoverage:
    """`mode_coverage` of samples against this distribution's own modes, width and weights."""
    assert data.mode_std is not None
    return mode_coverage(samples, data.modes, data.mode_std, weights=data.mode_weights)


def _by_formula(data: Distribution, n: int) -> PerfectCoverage:
    k = len(data.modes)  # type: ignore[arg-type]
    weights, ceiling = data.mode_weights, high_quality_ceiling(data.dim)
    shares = np.full(k, 1 / k) if weights is None else weights
    found = -np.expm1(n * np.log1p(-shares * ceiling)).sum()  # each at least once
    floor = kl_floor(k, n, exact=True, weights=weights)
    return PerfectCoverage(float(found), ceiling, floor, 1.0, shares, measured=False)


@lru_cache(maxsize=32)
def _by_measuring(data: Distribution, n: int) -> PerfectCoverage:
    measure = jax.jit(lambda x: coverage_of(data, x))
    draws = int(np.clip(WORK / (n * len(data.modes)), 1, DRAWS))  # type: ignore[arg-type]
    keys = jax.random.split(jax.random.key(21), draws)
    seen = [measure(data.sample(key, n)) for key in keys]
    modes, quality, kl, width = (
        float(np.mean([getattr(each, name) for each in seen]))
        for name in ("modes", "high_quality", "kl", "std_ratio")
    )
    counts = np.sum([each.counts for each in seen], axis=0)
    return PerfectCoverage(modes, quality, kl, width, counts / counts.sum(), measured=True)
