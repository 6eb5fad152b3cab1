"""How samples are scored, and what a perfect generator would score."""

from __future__ import annotations

import numpy as np

from gan_lessons import metrics
from gan_lessons.distributions import Distribution
from gan_lessons.images import Stacked
from gan_lessons.papers.table import Measure


def of_points(data: Distribution, n: int) -> tuple[Measure, dict[str, float]]:
    """How `n` points are measured against data with modes, and what a perfect generator scores."""
    modes, std = data.modes, data.mode_std
    assert modes is not None and std is not None
    ceiling = metrics.high_quality_ceiling(data.dim)
    floor = metrics.kl_floor(len(modes), n, exact=True)
    perfect = {"modes": float(len(modes)), "high_quality": ceiling, "kl": floor, "std_ratio": 1.0}

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.mode_coverage(samples, modes, std)
        return {name: float(getattr(found, name)) for name in perfect}

    return measure, perfect


def of_stacks(data: Stacked, reader: metrics.FeatureExtractor) -> tuple[Measure, dict[str, float]]:
    """The same for STACK_SAMPLES stacks of images, whose classes `reader` tells apart."""
    modes = reader.classes**data.layers
    floor = metrics.kl_floor(modes, metrics.STACK_SAMPLES, exact=True)

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.stack_coverage(reader, data.apart(samples))
        return {"modes": found.modes, "kl": found.kl}

    return measure, {"modes": float(modes), "kl": floor}
