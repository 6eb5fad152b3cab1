"""Every measure against an independent reference: scales, offsets, few rows, copies, constants.

The references are written with differences of rows, with exact fractions, or by SciPy in another
way; each tolerance is what rounding of the input itself explains.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, norm, wasserstein_distance
from sklearn.neighbors import NearestNeighbors

from gan_lessons import metrics, theory
from gan_lessons.errors import InputError

SCALES, OFFSETS = (1e-6, 1e-3, 1.0, 1e3, 1e6), (0.0, 1.0, 1e3, 1e6)  # offsets in units of spread
KINDS = ("plain", "few rows", "copies", "constant columns", "two clusters")
PLACES = [*itertools.product(SCALES, OFFSETS)]
GRID = [*itertools.product(SCALES, OFFSETS, KINDS)]


def pair(scale, offset, kind, seed=0):
    """Two sets of rows of spread `scale`, `offset` spreads from 0, [n, 4] each."""
    n = 4 if kind == "few rows" else 24
    a, b = np.random.default_rng(seed).standard_normal((2, n, 4))
    b += 0.3
    if kind == "copies":
        a[1::3], b[::4] = a[::3], a[:6]
    if kind == "constant columns":
        a[:, 1:3] = b[:, 2:] = 0.1
    if kind == "two clusters":  # each tight, the offset between them
        a[::2] += offset
        b[::2] += offset
        return scale * a, scale * b
    return scale * (a + offset), scale * (b + offset)


def balls(real, fake, k):
    """Precision, recall, density and coverage from all distances."""
    far = [np.sort(cdist(x, x), axis=1)[:, k] for x in (real, fake)]
    gaps = cdist(real, fake)
    in_real, in_fake = gaps <= far[0][:, None], gaps <= far[1][None]
    shares = in_real.any(axis=0), in_fake.any(axis=1), in_real.sum(axis=0) / k, in_real.any(axis=1)
    return [share.mean() for share in shares]


@pytest.mark.parametrize(("scale", "offset", "kind"), GRID)
def test_neighbours_are_those_of_the_differences(scale, offset, kind):
    a, b = pair(scale, offset, kind)
    gaps, (found, places) = cdist(a, b), metrics.nearest_neighbours(a, b)
    np.testing.assert_allclose(found, gaps.min(axis=1), rtol=1e-14)
    np.testing.assert_allclose(gaps[np.arange(len(a)), places], found, rtol=1e-14)
    far = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(b).kneighbors(a)[0][:, 0]
    np.testing.assert_allclose(found, far, rtol=1e-14)
    measured = [*metrics.precision_recall(a, b, 2), *metrics.density_coverage(a, b, 2)]
    assert measured == pytest.approx(balls(a, b, 2), abs=1e-12)


@pytest.mark.parametrize(("scale", "offset", "kind"), GRID)
def test_frechet_is_that_of_the_centred_rows(scale, offset, kind):
    """In units of the spread, by the roots of the eigenvalues of the product of covariances."""
    a, b = pair(scale, offset, kind)
    found = metrics.frechet_distance(
        *metrics.gaussian_statistics(a), *metrics.gaussian_statistics(b)
    )
    (u, p), (v, q) = ((x.mean(axis=0), np.cov(x / scale, rowvar=False)) for x in (a, b))
    roots = np.sqrt(np.linalg.eigvals(p @ q).real.clip(0)).sum()
    expected = np.sum((u / scale - v / scale) ** 2) + np.trace(p + q) - 2 * roots
    assert found / scale**2 == pytest.approx(expected, abs=1e-6 * np.trace(p + q))


def exact_kernel(a, b):
    """The estimate in fractions, without any rounding."""
    a, b = ([[Fraction(x) for x in row] for row in rows] for rows in (a, b))

    def mean(x, y, same):
        values = [
            (sum(p * q for p, q in zip(r, s, strict=True)) / 4 + 1) ** 3
            for (i, r), (j, s) in itertools.product(enumerate(x), enumerate(y))
            if not (same and i == j)
        ]
        return sum(values) / len(values)

    return float(mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False))


@pytest.mark.parametrize(("scale", "offset", "kind"), GRID)
def test_the_kernel_distance_keeps_its_digits(scale, offset, kind):
    a, b = (rows[:6] for rows in pair(scale, offset, kind))
    found = metrics.kernel_distance(a, b, 1, len(a))[0]
    # Rounding is that of the terms that remain once what cancels is taken out.
    size = 1 + scale**2 * (1 + offset) ** 2
    terms = size * (scale**4 * offset**2 + scale**2 * size)
    if kind == "two clusters":  # the spread is the offset
        terms = size**3
    assert found == pytest.approx(exact_kernel(a, b), rel=1e-9, abs=1e-14 * terms)


@pytest.mark.parametrize(("scale", "offset", "kind"), GRID)
def test_copying_is_the_mann_whitney_test(scale, offset, kind):
    train, test = pair(scale, offset, kind)
    fake = pair(scale, offset, kind, seed=1)[0]
    found = metrics.data_copying(fake, train, test)
    gaps, usual = (cdist(rows, train).min(axis=1) for rows in (fake, test))
    nearer = np.sign(usual[None] - gaps[:, None])
    assert found.closer == pytest.approx(np.mean((nearer + 1) / 2), abs=1e-12)
    two_sided = mannwhitneyu(gaps, usual, method="asymptotic", use_continuity=False).pvalue
    assert 2 * norm.sf(abs(found.z)) == pytest.approx(two_sided, rel=1e-6)


@pytest.mark.parametrize(("scale", "offset"), PLACES)
def test_modes_are_counted_in_float64_where_they_come_so(scale, offset):
    rng, modes = np.random.default_rng(0), np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    which = rng.choice(3, 300, p=[0.7, 0.2, 0.1])
    offsets = rng.standard_normal((300, 2))
    samples = scale * (modes[which] + offsets + 100 * offset)
    found = metrics.mode_coverage(samples, scale * (modes + 100 * offset), scale, weights=[7, 2, 1])
    assert np.array_equal(found.counts, np.bincount(which))
    inside = (np.hypot(*offsets.T) <= 3).mean()
    assert float(found.high_quality) == pytest.approx(inside, abs=1e-6)
    share = np.bincount(which) / 300
    assert float(found.kl) == pytest.approx(
        np.sum(share * np.log(share / [0.7, 0.2, 0.1])), abs=2e-7
    )
    assert float(found.std_ratio) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("scale", "offset"), PLACES)
def test_transport_and_quadrature_far_from_0(scale, offset):
    rng = np.random.default_rng(0)
    x, y = scale * (rng.standard_normal(12) + offset), scale * (rng.standard_normal(7) + offset)
    by_hand = np.mean([np.abs(np.sort(x)[i // 7] - np.sort(y)[i // 12]) for i in range(84)])
    for found in (theory.w1_samples(x, y), theory.w1_plan(x, y).distance):
        assert found == pytest.approx(by_hand, rel=1e-6)
    low = scale * offset
    value, error = theory.integrate(lambda t: np.sin((t - low) / scale), low, low + scale)
    width = ((low + scale) - low) / scale  # as floats have it
    assert abs(value / scale - (1 - np.cos(width))) <= error / scale + 1e-15 * offset
    assert error / scale < 1e-10


def test_a_plan_is_right_or_refused_where_distances_differ_much_in_size():
    rng = np.random.default_rng(3)
    for far in (1.0, 1e2, 1e4, 1e6):
        x, y = (np.append(1e-3 * rng.random(n), far) for n in (9, 6))
        weights = np.append(np.ones(9), 1), np.append(np.full(6, 1.5), 1)
        try:
            found = theory.w1_plan(x, y, *weights).distance
        except InputError:
            assert far > 1e2
        else:
            assert found == pytest.approx(wasserstein_distance(x, y, *weights), rel=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_intervals_scale_and_shift(scale):
    values = np.array([1.0, 2.0, 4.0])
    mean, half = metrics.confidence_interval(values)
    for offset in OFFSETS:
        found = metrics.confidence_interval(scale * (values + offset))
        assert found == pytest.approx((scale * (mean + offset), scale * half), rel=1e-9)
    assert metrics.confidence_interval(np.full(5, scale))[1] == pytest.approx(0, abs=1e-15 * scale)


def test_the_inception_score_by_its_definition():
    rng = np.random.default_rng(0)
    for classes, rows in ((1, 2), (3, 2), (10, 40)):
        p = rng.dirichlet(np.full(classes, 0.2), rows)
        p[0] = np.eye(classes)[0]  # certain: all others are 0
        mean = p.mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log(p / mean), 0)
        expected = np.exp(terms.sum(axis=1).mean())
        assert metrics.inception_score(p, 1)[0] == pytest.approx(expected, rel=1e-12)
        half = (p * (1 + 4e-4)).astype(np.float32)  # as a rounded softmax leaves them
        assert metrics.inception_score(half, 1)[0] == pytest.approx(expected, rel=1e-6)


ROWS = np.random.default_rng(0).standard_normal((40, 3))
BEST = {"scale": 1e60, "complex": 1j, "NaN": np.nan}


@pytest.mark.parametrize("what", BEST)
def test_numbers_that_no_measure_can_use_are_refused(what):
    bad = BEST[what] * ROWS
    masked = np.ma.masked_greater(ROWS, 1)
    for measure in (
        *(metrics.nearest_neighbours, metrics.precision_recall, metrics.density_coverage),
        *(metrics.kernel_distance, metrics.frechet_at_infinity),
    ):
        for rows in (bad, masked, ROWS.astype(str)):
            with pytest.raises(InputError):
                measure(rows, ROWS)
    for rows in (bad, masked):
        with pytest.raises(InputError):
            metrics.gaussian_statistics(rows)


def test_what_says_nothing_is_refused_in_a_sentence():
    skew, flat = np.array([[1, 0.9], [0, 1]]), np.diag([1.0, -1.0])
    wide = np.random.default_rng(1).standard_normal((2, 100, 60))
    for refused in (
        lambda: metrics.confidence_interval([1.0]),
        lambda: metrics.confidence_interval(np.ones((5, 2))),
        lambda: metrics.inception_score(np.eye(10), 10),  # a row alone scores 1
        lambda: metrics.frechet_distance(np.zeros(2), skew, np.zeros(2), np.eye(2)),
        lambda: metrics.frechet_floor(flat, 100, 100),
        lambda: metrics.frechet_at_infinity(*wide, [20, 30, 50]),  # below the rank
        lambda: metrics.frechet_at_infinity(ROWS, ROWS),
        lambda: metrics.frechet_at_infinity(ROWS[:30], ROWS[10:]),
        lambda: metrics.frechet_at_infinity(ROWS, 2 * ROWS, 20),  # type: ignore[arg-type]
        lambda: metrics.frechet_at_infinity(ROWS, 2 * ROWS, seed=-1),
        lambda: metrics.kernel_distance(ROWS, ROWS, 1, 9, seed=0.5),  # type: ignore[arg-type]
        lambda: theory.w1_cdf(lambda x: np.exp(-x * x), lambda x: np.exp(-x * x), -9, 9),
        lambda: theory.w1_cdf(lambda x: x.clip(0, 1), lambda x: x.clip(0, 1), 0.5, 2),
    ):
        with pytest.raises(InputError):
            refused()


def test_the_line_to_infinity_in_every_form_of_its_sizes():
    a, b = np.random.default_rng(2).standard_normal((2, 200, 5))
    plain = metrics.frechet_at_infinity(a, b, [50, 100, 200])
    for sizes in (np.array([200, 50, 100]), (50.0, 100.0, 200.0, 50), range(50, 201, 50)):
        found = metrics.frechet_at_infinity(a, b, sizes)  # type: ignore[arg-type]
        assert set(plain.sizes) <= set(found.sizes) and list(found.sizes) == sorted(found.sizes)
    spread, shifted = 1e-6 * a, 1e-6 * (a + 1e6)
    small = metrics.frechet_at_infinity(spread, 1e-6 * b, [50, 100, 200])
    assert small.limit == pytest.approx(1e-12 * plain.limit, rel=1e-6)
    moved = metrics.frechet_at_infinity(shifted, 1e-6 * (b + 1e6), [50, 100, 200])
    assert moved.limit == pytest.approx(small.limit, abs=1e-6 * small.values[0])
    constant = np.hstack([a, np.full((200, 90), 0.1)]), np.hstack([b, np.full((200, 90), 0.1)])
    same = metrics.frechet_at_infinity(*constant, [50, 100, 200])  # 5 features vary, not 95
    assert same.limit == pytest.approx(plain.limit, abs=1e-9)


def test_the_line_takes_the_bias_away_as_far_as_it_says():
    limits, whole = [], []
    for seed in range(12):
        a, b = np.random.default_rng(seed).standard_normal((2, 160, 20))
        found = metrics.frechet_at_infinity(a, b, seed=seed)
        limits.append(found.limit)
        whole.append(found.values[-1])
    assert abs(np.mean(limits)) < 0.1 * np.mean(whole)


def test_gaussian_statistics_of_a_picture_that_never_changes():
    mean, cov = metrics.gaussian_statistics(np.full((7, 3), 0.1))
    assert np.allclose(mean, 0.1, rtol=1e-15) and np.abs(cov).max() < 1e-30
    assert jax.numpy.isfinite(metrics.frechet_distance(mean, cov, mean, cov))
