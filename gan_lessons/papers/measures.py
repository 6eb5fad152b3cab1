"""How samples are scored, and what a perfect generator would score."""

from __future__ import annotations

from functools import reduce

import numpy as np

from gan_lessons import metrics
from gan_lessons.distributions import Distribution
from gan_lessons.images import Stacked
from gan_lessons.papers.table import Measure


def of_points(data: Distribution, n: int) -> tuple[Measure, dict[str, float]]:
    """How `n` points are measured against data with modes, and what a perfect generator scores.

    Both know the true weights; see `metrics.perfect_coverage` for what is exact and what measured.
    """
    ideal = metrics.perfect_coverage(data, n)
    perfect = {
        "modes": float(round(ideal.modes)),
        "high_quality": ideal.high_quality,
        "kl": ideal.kl,
        "std_ratio": ideal.std_ratio,
    }

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.coverage_of(data, samples)
        return {name: float(getattr(found, name)) for name in perfect}

    return measure, perfect


def of_stacks(data: Stacked, reader: metrics.FeatureExtractor) -> tuple[Measure, dict[str, float]]:
    """The same for STACK_SAMPLES stacks of images, whose classes `reader` tells apart.

    As in the papers the divergence is that from equally likely modes. What a perfect generator
    scores is exact: the classes are as frequent as `reader` finds them among the real images, and
    the layers are drawn independently.
    """
    n, modes = metrics.STACK_SAMPLES, reader.classes**data.layers
    classes = np.bincount(reader.logits(data.points).argmax(axis=1), minlength=reader.classes)
    shares = reduce(np.multiply.outer, [classes / classes.sum()] * data.layers).ravel()
    real = shares[shares > 0]
    floor = metrics.kl_floor(len(real), n, exact=True, weights=real)
    kl = floor + float(real @ np.log(modes * real))
    found = float(round(-np.expm1(n * np.log1p(-real)).sum())) if len(real) > 1 else 1.0

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.stack_coverage(reader, data.apart(samples))
        return {"modes": found.modes, "kl": found.kl}

    return measure, {"modes": found, "kl": kl}
