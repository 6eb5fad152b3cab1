"""The Frechet distance: how far apart are two sets of features, each taken as one Gaussian?

NumPy in float64 on features [n, d], whoever made them (see `features`). On few samples the
distance is too large: print `frechet_floor` beside it, or go to infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gan_lessons.errors import InputError, check_number
from gan_lessons.metrics.checks import Features, check_features, check_pair, check_reals, check_seed

LARGEST = 1e100  # of a covariance; the product of two such numbers is still finite


def gaussian_statistics(
    features: Features,
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Mean and unbiased covariance of the rows, in float64.

    Raises: as `check_features`.
    """
    rows = check_features(features)
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def frechet_distance(
    mean_a: Float[np.ndarray, " d"],
    cov_a: Float[np.ndarray, "d d"],
    mean_b: Float[np.ndarray, " d"],
    cov_b: Float[np.ndarray, "d d"],
) -> float:
    """Squared 2-Wasserstein distance of two Gaussians, from 0, in squared feature units.

    |mean_a - mean_b|^2 + Tr(A) + Tr(B) - 2 Tr((A B)^(1/2)). The last trace is computed as the sum
    of the singular values of A^(1/2) B^(1/2), which is real and exact even if A and B are singular
    (fewer samples than features, or images that are all the same); the usual matrix square root
    of A B turns complex there.

    Source: D. Dowson, B. Landau (1982); M. Heusel et al. (2017), arXiv 1706.08500, equation 6.
    Good to about 1e-15 of the traces, not of the distance: that of two sets with variance 1 which
    nearly agree is lost in rounding below 1e-14 or so.

    Raises: InputError for shapes that do not fit, values that are not finite or beyond 1e100 (means
        1e50), and for what is no covariance: not symmetric, or with negative eigenvalues.
    """
    a, b = check_covariance(cov_a), check_covariance(cov_b)
    u, v = check_reals("means", mean_a), check_reals("means", mean_b)
    if u.ndim != 1 or u.shape != v.shape or not a.shape == b.shape == 2 * u.shape:
        raise InputError("give two means [d] and two covariances [d, d] of the same d")
    if not (np.abs([u, v]) <= LARGEST**0.5).all():  # written so that NaN fails too
        raise InputError("means must be finite, and not beyond 1e50")
    cross = np.linalg.norm(_root(a) @ _root(b), "nuc")
    return max(0.0, float(np.sum((u - v) ** 2) + np.trace(a) + np.trace(b) - 2 * cross))


def check_covariance(covariance: object) -> Float[np.ndarray, "d d"]:
    """`covariance` in float64; InputError for what is none, rounding of float32 allowed for."""
    sigma = check_reals("covariances", covariance)
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or not sigma.size:
        raise InputError(f"a covariance must be [d, d], not {sigma.shape}")
    if not (np.abs(sigma) <= LARGEST).all():
        raise InputError("a covariance must be finite, and not beyond 1e100")
    close = 1e-5 * np.abs(sigma).max()
    if (np.abs(sigma - sigma.T) > close).any() or np.linalg.eigvalsh(sigma)[0] < -close:
        raise InputError(
            "a covariance must be symmetric with no negative eigenvalue; `gaussian_statistics` "
            "makes one from features"
        )
    return (sigma + sigma.T) / 2


def _root(matrix: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """The symmetric square root; eigenvalues that rounding has made negative count as zero."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def frechet_floor(covariance: Float[np.ndarray, "d d"], n: int, m: int) -> float:
    """The mean Frechet distance between n and m samples of the same Gaussian: above 0.

    (1/n + 1/m) (sum_i s_i + 1/2 sum_ij s_i s_j / (s_i + s_j) + 1/4 sum_i s_i), where s are the
    eigenvalues of the covariance. The first sum is what the error of the means adds, and exact;
    the others are what the error of the covariances adds, to first order in 1/n, so take n and m
    well above d. For features that are only roughly Gaussian the floor is only rough. For
    N(0, I_d) it is (1/n + 1/m) d (d + 5) / 4.

    Source: own derivation (lesson 12), from the second derivative of the Bures distance; that the
    bias depends on the generator is the point of M. Chong, D. Forsyth (2020), arXiv 1911.07023.
    Raises: InputError for what is no finite covariance, and for fewer than two samples.
    """
    sigma = check_covariance(covariance)
    share = sum(1 / check_number("number of samples", x, 2, 1e12, integer=True) for x in (n, m))
    s = np.maximum(np.linalg.eigvalsh(sigma), 0)
    sums = s[:, None] + s[None]
    pairs = np.sum(s[:, None] * (s[None] / np.where(sums > 0, sums, 1)))
    return float(share * (1.25 * s.sum() + pairs / 2))


class FrechetLimit(NamedTuple):
    """What `frechet_at_infinity` finds.

    Attributes:
        limit: the line at 1/n = 0, in squared feature units; noise may push it slightly below 0.
        slope: of the line: the distance at n is about limit + slope / n.
        sizes: the values of n that were tried [points].
        values: the mean distance at each of them [points].
    """

    limit: float
    slope: float
    sizes: Int[np.ndarray, " points"]
    values: Float[np.ndarray, " points"]


def frechet_at_infinity(
    features_a: Features,
    features_b: Features,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
) -> FrechetLimit:
    """The Frechet distance that infinitely many samples would have, from a straight line in 1/n.

    For each n, both sets are cut into disjoint pieces of n rows, as many as they hold; the mean
    distance over the pairs of pieces is one point of the line. (The paper cuts the fakes only and
    keeps the bias of a reference of fixed size, which matters when the real set is as small as
    ours.) The sets must be independent samples.

    What is found is an estimate, and a part of the bias stays in it: the smaller the smallest n is,
    in units of the rank r (the number of features that vary independently, d at most), the more.
    Measured on normal features, up to a quarter of the bias stayed near n = r, and 5 to 14 % at
    n = 2 r. Below r the points leave the line, and this refuses.

    Args:
        features_a, features_b: [n, d] each, at least 8 rows.
        sizes: the values of n to try, two or more different ones from max(2, r) to the number of
            rows of the smaller set; by default eight from a quarter of that number (or 2 r, if that
            is more) to all of it, evenly spaced in 1/n.
        seed: of the shuffle that decides which rows are in a piece.

    Source: M. Chong, D. Forsyth (2020), arXiv 1911.07023.
    Raises: InputError for features that do not fit, for sizes out of range, where there are fewer
        rows than the line needs, and for two sets that share rows.
    """
    a, b = check_pair(features_a, features_b, least=8)
    rng, most = np.random.default_rng(check_seed(seed)), min(len(a), len(b))
    _check_independent(a, b)
    tried = _sizes(sizes, most, _rank(a, b))
    a, b = rng.permutation(a), rng.permutation(b)
    values = np.array([_mean_distance(a, b, n, most) for n in tried])
    slope, limit = np.polyfit(1 / tried, values, 1)
    return FrechetLimit(float(limit), float(slope), tried, values)


def _sizes(sizes: Sequence[int] | None, most: int, rank: int) -> Int[np.ndarray, " points"]:
    """The sizes to try, rising; InputError unless they make a line."""
    if sizes is None:
        least = 2 * rank if 3 * rank < most else rank
        parts = np.linspace(1, np.clip(most / max(least, 1), 1, 4), 8)
        sizes = [max(int(most / part), min(rank, most)) for part in parts]
    if not isinstance(sizes, Iterable) or np.ndim(sizes) != 1:  # type: ignore[arg-type]
        raise InputError(f"sizes must be two numbers of rows or more, not {sizes!r}")
    checked = (check_number("size of a piece", n, 2, most, integer=True) for n in sizes)
    tried = np.array(sorted(set(map(int, checked))))
    if len(tried) < 2 or tried[0] < rank:
        raise InputError(
            f"the line needs two different sizes or more, from {max(2, rank)} to {most} rows: "
            f"{rank} features vary, and below that many rows it is none; give more rows, or fewer "
            "features"
        )
    return tried


def _rank(a: Features, b: Features) -> int:
    """How many features vary independently in the two sets together."""
    both = np.concatenate([a - a.mean(axis=0), b - b.mean(axis=0)])
    # A constant that has no exact mean leaves rounding behind, which does not vary.
    both[:, np.ptp(a, axis=0) + np.ptp(b, axis=0) == 0] = 0
    return int(np.linalg.matrix_rank(both))


def _check_independent(a: Features, b: Features) -> None:
    """Refuse sets that share more rows than repeat within them, as discrete features do."""
    one, other = ({row.tobytes() for row in rows} for rows in (a, b))
    shared = len(one & other)
    if shared > 0.01 * min(len(a), len(b)) + len(a) - len(one) + len(b) - len(other):
        raise InputError(
            f"{shared} rows are in both sets, so the distance vanishes as pieces grow and the line "
            "says nothing; give independent samples"
        )


def _mean_distance(a: Features, b: Features, n: int, most: int) -> float:
    """Mean Frechet distance over the pairs of disjoint pieces of n rows."""
    pieces = [slice(start, start + n) for start in range(0, most - n + 1, n)]
    pairs = ((gaussian_statistics(a[piece]), gaussian_statistics(b[piece])) for piece in pieces)
    return float(np.mean([frechet_distance(*one, *other) for one, other in pairs]))
