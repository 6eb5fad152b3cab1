"""Inception score, Frechet and kernel distance, against closed forms, SciPy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm
from scipy.stats import t
from sklearn.metrics.pairwise import polynomial_kernel

from gan_lessons.errors import InputError
from gan_lessons.metrics import (
    confidence_interval,
    data_copying,
    density_coverage,
    expected_coverage,
    frechet_at_infinity,
    frechet_distance,
    frechet_floor,
    gaussian_statistics,
    inception_score,
    kernel_distance,
    nearest_neighbours,
    precision_recall,
)

quick = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def fid(a, b):
    return frechet_distance(*gaussian_statistics(a), *gaussian_statistics(b))


# ---- inception score


def test_inception_score_of_the_two_extremes():
    assert inception_score(np.full((50, 10), 0.1)) == pytest.approx((1, 0))
    assert inception_score(np.tile(np.eye(10), (5, 1)), splits=1) == pytest.approx((10, 0))
    one_each = inception_score(np.eye(7), splits=1)
    assert one_each == pytest.approx((7, 0))  # one picture a class is enough


@quick
@given(st.integers(2, 12), st.floats(0.01, 0.99))
def test_inception_score_of_a_classifier_with_known_doubt(classes, sure):
    """Each class equally often; p(y|x) is `sure` on one class and even on the others."""
    p = np.full((classes, classes), (1 - sure) / (classes - 1))
    np.fill_diagonal(p, sure)
    doubt = -sure * np.log(sure) - (1 - sure) * np.log((1 - sure) / (classes - 1))
    score, spread = inception_score(p, splits=1)
    assert score == pytest.approx(classes * np.exp(-doubt))
    assert spread == 0
    as_logits = inception_score(np.log(p) + 3, splits=1, logits=True)
    assert as_logits[0] == pytest.approx(score)


@quick
@given(seeds, st.integers(1, 20))
def test_inception_score_stays_in_its_range_whatever_the_order(seed, splits):
    logits = 5 * normal(seed, 60, 6)
    score, spread = inception_score(logits, splits, logits=True)
    assert 1 <= score <= 6
    assert 0 <= spread <= 5
    whole = inception_score(logits, 1, logits=True)
    turned = inception_score(logits[::-1, ::-1], 1, logits=True)
    assert whole == pytest.approx(turned)
    shifted = inception_score(logits + 1000, 1, logits=True)
    assert whole == pytest.approx(shifted)


def test_the_bias_of_the_inception_score():
    labels = np.random.default_rng(0).integers(10, size=(400, 90))
    scores = [inception_score(np.eye(10)[row], 1)[0] for row in labels]
    assert np.mean(scores) == pytest.approx(10 * np.exp(-9 / 180), rel=0.01)


# ---- Frechet distance


@quick
@given(seeds, st.integers(1, 8))
def test_frechet_against_scipys_matrix_square_root(seed, dim):
    a, b = normal(seed, 2, 4 * dim + 8, dim)
    b = 1.5 * b @ normal(seed + 1, dim, dim) + 0.3
    (u, p), (v, q) = gaussian_statistics(a), gaussian_statistics(b)
    expected = np.sum((u - v) ** 2) + np.trace(p + q - 2 * sqrtm(p @ q).real)
    assert fid(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@quick
@given(seeds, st.integers(2, 8), st.integers(1, 8))
def test_frechet_of_singular_covariances(seed, dim, rank):
    """The trace of (A B)^(1/2) is the sum of the roots of the eigenvalues of A B."""
    rng = np.random.default_rng(seed)
    (a, b), (u, v) = rng.standard_normal((2, dim, rank)), rng.standard_normal((2, dim))
    a, b = a @ a.T, b @ b.T
    measured = frechet_distance(u, a, v, b)
    roots = np.sqrt(np.linalg.eigvals(a @ b).real.clip(0))
    expected = np.sum((u - v) ** 2) + np.trace(a + b) - 2 * roots.sum()
    assert measured == pytest.approx(expected, abs=1e-5)
    assert measured == pytest.approx(frechet_distance(v, b, u, a))
    assert frechet_distance(u, a, u, a) == pytest.approx(0, abs=1e-9)


def test_frechet_with_fewer_samples_than_features_is_exact():
    """Two rows span a line: the distance is that of two Gaussians on two lines."""
    a, b = np.zeros((2, 50)), np.zeros((2, 50))
    a[:, 3], b[:, 7], b[:, 9] = (-1, 1), (-3, 3), 5
    assert fid(a, b) == pytest.approx(2 + 18 + 25)  # variances 2 and 18, nothing in common
    b[:, 3] = b[:, 7]
    b[:, 7] = 0
    assert fid(a, b) == pytest.approx((np.sqrt(2) - np.sqrt(18)) ** 2 + 25)


def test_frechet_of_pictures_that_are_all_the_same():
    black, real = np.full((9, 4), -1.0), normal(0, 30, 4)
    mean, cov = gaussian_statistics(real)
    assert fid(black, real) == pytest.approx(np.sum((mean + 1) ** 2) + np.trace(cov))
    assert fid(black, black) == 0


@pytest.mark.parametrize("spread", [np.ones(8), np.array([4.0, 2, 1, 0.5, 0.1, 0, 0, 0])])
def test_the_floor_is_what_a_perfect_generator_scores(spread):
    pairs = [(np.sqrt(spread) * normal([i, 0], 300, 8), i) for i in range(150)]
    scores = [fid(a, np.sqrt(spread) * normal([i, 1], 500, 8)) for a, i in pairs]
    assert np.mean(scores) == pytest.approx(frechet_floor(np.diag(spread), 300, 500), rel=0.06)


def test_the_floor_in_many_dimensions():
    floor = frechet_floor(np.eye(64), 2000, 2000)
    assert floor == pytest.approx(64 * 69 / 4 / 1000)
    assert fid(*normal(0, 2, 2000, 64)) == pytest.approx(floor, rel=0.05)
    assert frechet_floor(np.zeros((3, 3)), 10, 10) == 0


def test_infinity_takes_the_bias_away():
    a, b = normal(1, 2, 1500, 12)
    b[:, 0] += 0.5
    found = frechet_at_infinity(a, b)
    assert found.values[-1] > 0.25 + 0.02
    assert abs(found.limit - 0.25) < 0.5 * (found.values[-1] - 0.25)
    assert found.slope == pytest.approx(frechet_floor(np.eye(12), 2, 2) * 2, rel=0.5)
    assert found.sizes[0] == 375 and found.sizes[-1] == 1500
    same = frechet_at_infinity(a, b, [500, 750], seed=3)
    assert same.sizes.tolist() == [500, 750]
    assert same.limit == frechet_at_infinity(a, b, [750, 500, 500], seed=3).limit


def test_a_line_through_two_sizes_is_drawn_by_hand():
    a, b = normal(2, 2, 600, 5)
    found = frechet_at_infinity(a, b, [300, 600])
    low, high = found.values
    assert found.limit == pytest.approx(2 * high - low)


# ---- kernel distance


def one_kid(a, b):
    """The unbiased estimate by scikit-learn's kernel."""
    d = a.shape[1]
    inside = []
    for x in (a, b):
        k = polynomial_kernel(x, degree=3, gamma=1 / d, coef0=1)
        inside.append((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))
    return sum(inside) - 2 * polynomial_kernel(a, b, degree=3, gamma=1 / d, coef0=1).mean()


@quick
@given(seeds, st.integers(1, 6), st.integers(2, 30))
def test_kernel_distance_against_scikit_learn(seed, dim, n):
    a, b = normal(seed, 2, n, dim)
    mean, spread = kernel_distance(a, b + 0.5, subsets=3, size=n)
    assert mean == pytest.approx(one_kid(a, b + 0.5), rel=1e-6, abs=1e-9)
    assert spread == pytest.approx(0, abs=1e-9)  # every subset is everything


def test_kernel_distance_is_a_difference_of_moments():
    """In one dimension (xy + 1)^3 has the features 1, sqrt(3) x, sqrt(3) x^2, x^3."""
    a, b = normal(0, 20_000, 1), 0.5 + 1.2 * normal(1, 20_000, 1)
    first, second, third = 0.5, 1.44 + 0.25 - 1, 0.5**3 + 3 * 0.5 * 1.44
    expected = 3 * first**2 + 3 * second**2 + third**2
    measured, spread = kernel_distance(a, b, 40, 1000)
    assert abs(measured - expected) < 3 * spread / np.sqrt(20)


def test_kernel_distance_is_unbiased_and_may_be_negative():
    values = [kernel_distance(*normal(i, 2, 50, 8), 1, 50)[0] for i in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert min(values) < 0 < max(values)
    a, b = normal(1, 2, 90, 8)
    assert kernel_distance(a, b, 5, 20, seed=4) == kernel_distance(a, b, 5, 20, seed=4)


def test_kernel_distance_of_pictures_that_are_all_the_same():
    assert kernel_distance(np.zeros((20, 3)), np.zeros((20, 3)), 2, 10) == (0, 0)
    one, other = np.zeros((20, 3)), np.ones((20, 3))
    assert kernel_distance(one, other, 2, 10)[0] == pytest.approx(1 + 8 - 2)


# ---- the packages that papers use


def waves(start):
    """90 rows of 6 features, the same on every machine."""
    return np.sin(np.arange(start, start + 540) ** 1.5).reshape(90, 6)


def test_against_torch_fidelity():
    """Expected: its release 0.4.0 on these features."""
    real, fake = waves(0), 0.8 * waves(1000) + 0.3
    assert fid(real, fake) == pytest.approx(0.6367761458909564)
    assert kernel_distance(real, fake, 1, 90)[0] == pytest.approx(0.21772985187692395)
    assert inception_score(3 * real, 1, logits=True)[0] == pytest.approx(1.9709245090348333)
    assert precision_recall(real, fake, 3) == pytest.approx((0.8333333135, 0.4444444478))


def test_against_the_authors_of_density_and_coverage():
    """Expected: their package, prdc 0.2, on these features."""
    real, fake = waves(0), 0.8 * waves(1000) + 0.3
    assert precision_recall(real, fake, 5) == pytest.approx((1, 0.7444444444))
    assert density_coverage(real, fake, 5) == pytest.approx((0.9355555556, 0.9333333333))


# ---- certainty


def test_confidence_interval_covers_as_often_as_it_says():
    means, halves = np.transpose([confidence_interval(row) for row in normal(0, 2000, 5)])
    assert np.mean(np.abs(means) < halves) == pytest.approx(0.95, abs=0.015)
    values = [1.0, 2.0, 4.0]
    low, high = t.interval(0.9, 2, np.mean(values), np.std(values, ddof=1) / 3**0.5)
    mean, half = confidence_interval(values, 0.9)
    assert (mean - half, mean + half) == pytest.approx((low, high))


# ---- what is refused

X = normal(0, 20, 4)
NAN = np.nan


def test_what_does_not_fit_is_refused():
    for measure in (
        *(kernel_distance, precision_recall, density_coverage),
        *(frechet_at_infinity, nearest_neighbours),
    ):
        for bad in (X[:, :3], X[0], np.zeros((0, 4)), X * NAN, "ink", [[1], [1, 2]], None):
            with pytest.raises(InputError):
                measure(X, bad)
    table: list[tuple[Any, ...]] = [
        *((inception_score, p) for p in (X, np.full((5, 2), 0.4), np.eye(4) * NAN)),
        (inception_score, np.eye(4), 5),
        (kernel_distance, X, X, 5, 21),
        (kernel_distance, X, X, 0, 5),
        (precision_recall, X, X[:3]),
        (precision_recall, X, X, 0),
        (density_coverage, X[:5], X),
        (expected_coverage, 5, 10, 5),
        (expected_coverage, 10, 0),
        *((gaussian_statistics, x) for x in (X[:1], X[0], X * NAN)),
        (frechet_distance, np.zeros(2), np.eye(2), np.zeros(3), np.eye(3)),
        (frechet_distance, np.zeros(2), np.eye(2), np.zeros(2), np.eye(2) * NAN),
        (frechet_floor, np.eye(2) * NAN, 10, 10),
        (frechet_floor, np.ones(3), 10, 10),
        (frechet_floor, np.eye(2), 1, 10),
        (frechet_at_infinity, X, X, [5]),
        (frechet_at_infinity, X, X, [5, 30]),
        (data_copying, X, X[:, :3], X),
        *((confidence_interval, x) for x in ([1.0], [1.0, np.inf], np.array(["ink", 2.0]))),
        (confidence_interval, [1.0, 2.0], 1),
    ]
    for function, *bad in table:
        with pytest.raises(InputError):
            function(*bad)


@quick
@given(arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6)))
def test_no_nan_in_silence(features):
    real = normal(0, 12, 3)
    found = [*precision_recall(real, features), *density_coverage(features, real)]
    found += [*kernel_distance(real, features, 2, 6), fid(real, features)]
    found += [*data_copying(features, real, real), frechet_at_infinity(features, real).limit]
    assert np.isfinite(found).all()
