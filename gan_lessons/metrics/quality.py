"""How alike are two heaps of features? Inception score, Frechet and kernel distance, and how sure.

All of it is NumPy in float64 on features [n, d], whoever made them (see `features`). Each number
has a value that a perfect generator reaches on as many samples: print that beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gan_lessons.errors import InputError, check_number

Features = Float[np.ndarray, "n d"]


def check_features(features: object, least: int = 2) -> Features:
    """`features` as float64 [n, d].

    Raises: InputError for another rank, fewer than `least` rows, or values that are not finite.
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


def gaussian_statistics(
    features: Features,
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Mean and unbiased covariance of the rows, in float64.

    Raises: InputError for another rank, fewer than two rows, or values that are not finite.
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

    |mean_a - mean_b|^2 + Tr(A) + Tr(B) - 2 Tr((A B)^(1/2)). The last trace is the sum of the
    singular values of A^(1/2) B^(1/2), which is real and exact for singular A and B too (fewer
    samples than features, or images that are all the same), where the usual matrix square root
    of A B turns complex.

    Source: D. Dowson, B. Landau (1982); M. Heusel et al. (2017), arXiv 1706.08500, equation 6.
    Raises: InputError where the shapes do not fit or a value is not finite.
    """
    a, b, u, v = (np.asarray(x, np.float64) for x in (cov_a, cov_b, mean_a, mean_b))
    if u.ndim != 1 or u.shape != v.shape or not a.shape == b.shape == 2 * u.shape:
        raise InputError("give two means [d] and two covariances [d, d] of the same d")
    if not all(np.isfinite(x).all() for x in (a, b, u, v)):
        raise InputError("means and covariances must be finite")
    cross = np.linalg.norm(_root(a) @ _root(b), "nuc")
    return max(0.0, float(np.sum((u - v) ** 2) + np.trace(a) + np.trace(b) - 2 * cross))


def _root(matrix: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Symmetric square root; eigenvalues that rounding made negative count as zero."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def frechet_floor(covariance: Float[np.ndarray, "d d"], n: int, m: int) -> float:
    """Frechet distance of n samples from m samples of the same Gaussian, on average, above 0.

    (1/n + 1/m) (sum_i s_i + 1/2 sum_ij s_i s_j / (s_i + s_j) + 1/4 sum_i s_i), with s the
    eigenvalues of the covariance: what the error of the means adds (exact), and what that of the
    covariances adds (to first order in 1/n, so take n and m well above d). Features that are
    Gaussian only roughly have this floor only roughly. For N(0, I_d): (1/n + 1/m) d (d + 5) / 4.

    Source: own derivation (lesson 12), from the second derivative of the Bures distance; that the
    bias depends on the generator is the point of M. Chong, D. Forsyth (2020), arXiv 1911.07023.
    Raises: InputError for what is no finite covariance, or fewer than two samples.
    """
    sigma = np.asarray(covariance, np.float64)
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or not np.isfinite(sigma).all():
        raise InputError(f"covariance must be finite and [d, d], not {sigma.shape}")
    share = sum(1 / check_number("number of samples", x, 2, 1e12, integer=True) for x in (n, m))
    s = np.maximum(np.linalg.eigvalsh(sigma), 0)
    sums = s[:, None] + s[None]
    pairs = np.sum(np.outer(s, s) / np.where(sums > 0, sums, 1))
    return float(share * (1.25 * s.sum() + pairs / 2))


class FrechetLimit(NamedTuple):
    """What `frechet_at_infinity` finds.

    Attributes:
        limit: the line at 1/n = 0, in squared feature units; noise may take it a little below 0.
        slope: of the line; the distance at n is about limit + slope / n.
        sizes: the n that were tried [points].
        values: mean distance at each of them [points].
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
    """The Frechet distance of infinitely many samples, from a straight line in 1/n.

    Both sets are cut into as many disjoint pieces of n rows as they hold; the mean distance of
    the pairs of pieces is one point of the line. (The paper cuts the fakes only and keeps the
    bias of a reference of fixed size, which matters where the real set is as small as ours.) The
    line is good for n well above d; below, the points bend.

    Args:
        features_a, features_b: [n, d] each.
        sizes: the n to try, two or more different ones from 2 to the rows of the smaller set;
            by default eight from a quarter of them to all, evenly spaced in 1/n.
        seed: which rows meet.

    Source: M. Chong, D. Forsyth (2020), arXiv 1911.07023.
    Raises: InputError for features that do not fit, or sizes out of range.
    """
    a, b = check_pair(features_a, features_b, least=8)
    rng, most = np.random.default_rng(seed), min(len(a), len(b))
    if sizes is None:
        sizes = [int(most / part) for part in np.linspace(1, 4, 8)]
    checked = (check_number("size of a piece", n, 2, most, integer=True) for n in sizes)
    tried = np.array(sorted(set(map(int, checked))))
    if len(tried) < 2:
        raise InputError("a line needs two different sizes or more")
    a, b = rng.permutation(a), rng.permutation(b)
    values = np.array([_mean_distance(a, b, n, most) for n in tried])
    slope, limit = np.polyfit(1 / tried, values, 1)
    return FrechetLimit(float(limit), float(slope), tried, values)


def _mean_distance(a: Features, b: Features, n: int, most: int) -> float:
    """Mean Frechet distance of the pairs of disjoint pieces of n rows."""
    pieces = [slice(start, start + n) for start in range(0, most - n + 1, n)]
    pairs = ((gaussian_statistics(a[piece]), gaussian_statistics(b[piece])) for piece in pieces)
    return float(np.mean([frechet_distance(*one, *other) for one, other in pairs]))


def kernel_distance(
    features_a: Features, features_b: Features, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance (KID on Inception features): mean and standard deviation over subsets.

    The squared maximum mean discrepancy MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b) with
    k(x, y) = (x.y/d + 1)^3, where a sample never meets itself: unbiased at any size. It compares
    all moments up to the third; 0 on average for equal distributions, so it may come out
    negative. The standard deviation is that of one subset, for `size` well below the rows.

    Args:
        features_a, features_b: [n, d] each.
        subsets: how many times rows are drawn, from 1.
        size: rows in a subset, drawn without repetition, from 2 to the rows of the smaller set.
        seed: which rows are drawn.

    Source: M. Binkowski et al. (2018), arXiv 1801.01401.
    Raises: InputError for features that do not fit, or more rows in a subset than there are.
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
    return base * base * base  # many times as fast as a power


def _mean_off_diagonal(kernel: Float[np.ndarray, "n n"]) -> float:
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))


def inception_score(
    probabilities: Float[np.ndarray, "n classes"],
    splits: int = 10,
    logits: bool = False,
    seed: int = 0,
) -> tuple[float, float]:
    """exp E_x KL(p(y|x) || p(y)), from 1 to the number of classes K; mean and std over splits.

    The exponential of how many nats a picture tells about its label. 1: the classifier says the
    same of every picture. K: it is certain of each, and all classes are equally frequent; for
    that, one picture a class is enough. It never looks at real pictures. With n samples in a
    split a sure classifier's score is too low by a factor of about exp(-(K - 1) / 2n).

    Args:
        probabilities: [n, classes], a classifier's p(y|x) of each fake; rows sum to 1.
        splits: into how many equal parts the shuffled rows are cut, from 1 to n.
        logits: whether the rows are logits instead.
        seed: of the shuffle.

    Source: T. Salimans et al. (2016), arXiv 1606.03498.
    Raises: InputError for rows that are no probabilities, or more splits than rows.
    """
    p = check_features(probabilities, 1)
    parts = int(check_number("splits", splits, 1, len(p), integer=True))
    if logits:
        p = np.exp(p - p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    if np.any(p < 0) or np.any(np.abs(p.sum(axis=1) - 1) > 1e-3):
        raise InputError("rows must be probabilities that sum to 1; for logits say logits=True")
    shuffled = np.random.default_rng(seed).permutation(p)
    scores = [math.exp(_information(part)) for part in np.array_split(shuffled, parts)]
    return float(np.mean(scores)), float(np.std(scores))


def _information(p: Float[np.ndarray, "n classes"]) -> float:
    """Mutual information I(x; y) in nats: mean over rows of KL(row || mean row)."""
    from scipy.special import xlogy

    mean = p.mean(axis=0)
    return max(0.0, float(xlogy(p, p).sum(axis=1).mean() - xlogy(mean, mean).sum()))


def confidence_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean of independent values (say, of five seeds) and half the width of its interval.

    t s / sqrt(n), with s the standard deviation and t Student's for n - 1 degrees of freedom:
    the interval covers the true mean with probability `level` if the values are normal.

    Raises: InputError for fewer than two values, values that are not finite, or a level that is
    not between 0 and 1.
    """
    from scipy.stats import t

    level = check_number("level", level, 0, 0.999999, above=True)
    x = check_features(np.reshape(np.asarray(values, object), (-1, 1)))[:, 0]
    half = t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean()), float(half)
