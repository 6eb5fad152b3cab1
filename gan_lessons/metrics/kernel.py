"""The kernel distance: an unbiased comparison of two sets of features by their moments."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gan_lessons.errors import check_number
from gan_lessons.metrics.checks import Features, check_pair, check_seed


def kernel_distance(
    features_a: Features, features_b: Features, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance (KID on Inception features): mean and standard deviation over subsets.

    The squared maximum mean discrepancy MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b) with
    k(x, y) = (x.y/d + 1)^3, where a sample is never compared with itself, so that the estimate is
    unbiased at any size. It compares all moments up to the third, about 0: shifted by c, which is
    far from 0, both sets are about |c|^4/d^2 times as far apart. For equal distributions it is 0
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
    rng, values = np.random.default_rng(check_seed(seed)), []
    for _ in range(subsets):
        some, others = (rng.choice(x, size, replace=False) for x in (a, b))
        values.append(_squared_mmd(some, others))
    return float(np.mean(values)), float(np.std(values))


def _squared_mmd(a: Features, b: Features) -> float:
    """The estimate, from what the kernel leaves once all terms that cancel are taken out.

    About a common centre c, x = c + u, the base x.y/d + 1 is L + G where L = s + p(x) + p(y),
    s = |c|^2/d + 1, p(x) = c.u/d and G = u.v/d. Parts of L^3 that depend on x alone or on y alone
    cancel in the MMD, and would drown it in rounding far from 0; 3 p(x) p(y) (L + s) remains.
    """
    centre = (a.mean(axis=0) + b.mean(axis=0)) / 2
    s = centre @ centre / a.shape[1] + 1
    one, other = ((x - centre, (x - centre) @ centre / a.shape[1]) for x in (a, b))
    alike = sum(_mean_off_diagonal(_rest(x, x, s)) for x in (one, other))
    return alike - 2 * float(_rest(one, other, s).mean())


Side = tuple[Features, Float[np.ndarray, " n"]]  # rows about the centre, and p of each


def _rest(one: Side, other: Side, s: float) -> Float[np.ndarray, "n m"]:
    (u, p), (v, q) = one, other
    g = u @ v.T / u.shape[1]
    line = s + p[:, None] + q[None]
    return g * (3 * line * (line + g) + g * g) + 3 * p[:, None] * q[None] * (line + s)


def _mean_off_diagonal(kernel: Float[np.ndarray, "n n"]) -> float:
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))
