"""The kernel distance: an unbiased comparison of two sets of features by their moments."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gan_lessons.errors import check_number
from gan_lessons.metrics.checks import Features, check_pair


def kernel_distance(
    features_a: Features, features_b: Features, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance (KID on Inception features): mean and standard deviation over subsets.

    The squared maximum mean discrepancy MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b) with
    k(x, y) = (x.y/d + 1)^3, where a sample is never compared with itself, so that the estimate is
    unbiased at any size. It compares all moments up to the third. For equal distributions it is 0
    on average, so it may come out negative. The standard deviation is that of a single subset, for
    a `size` well below the number of rows.

    Args:
        features_a, features_b: [n, d] each.
        subsets: how many times rows are drawn, from 1.
        size: rows in a subset, drawn without replacement, from 2 to the number of rows of the
            smaller set.
        seed: of the draws.

    Source: M. Binkowski et al. (2018), arXiv 1801.01401.
    Raises: InputError for features that do not fit, and for more rows in a subset than there are.
    """
    a, b = check_pair(features_a, features_b)
    subsets = int(check_number("subsets", subsets, 1, 1e6, integer=True))
    size = int(check_number("size of a subset", size, 2, min(len(a), len(b)), integer=True))
    rng, values = np.random.default_rng(seed), []
    for _ in range(subsets):
        some, others = (rng.choice(x, size, replace=False) for x in (a, b))
        values.append(_squared_mmd(some, others))
    return float(np.mean(values)), float(np.std(values))


def _squared_mmd(a: Features, b: Features) -> float:
    alike = sum(_mean_off_diagonal(_cubic(x, x)) for x in (a, b))
    return alike - 2 * float(_cubic(a, b).mean())


def _cubic(a: Features, b: Features) -> Float[np.ndarray, "n m"]:
    base = a @ b.T / a.shape[1] + 1
    return base * base * base  # many times faster than a power


def _mean_off_diagonal(kernel: Float[np.ndarray, "n n"]) -> float:
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))
