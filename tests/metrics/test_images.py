"""Metrics of images, against closed forms, SciPy, scikit-learn, and what they are meant to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm
from scipy.stats import t
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from gan_lessons import metrics
from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet, digits
from gan_lessons.metrics import (
    FeatureExtractor,
    FrechetMeter,
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
from gan_lessons.metrics import neighbours as balls

quick = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def fid(a, b):
    return frechet_distance(*gaussian_statistics(a), *gaussian_statistics(b))


# Inception score -------------------------------------------------------------------------


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


# Frechet distance ------------------------------------------------------------------------


@quick
@given(seeds, st.integers(1, 8))
def test_frechet_against_scipys_matrix_square_root(seed, dim):
    a, b = normal(seed, 2, 4 * dim + 8, dim)
    b = 1.5 * b @ normal(seed + 1, dim, dim) + 0.3
    (u, p), (v, q) = gaussian_statistics(a), gaussian_statistics(b)
    expected = np.sum((u - v) ** 2) + np.trace(p + q - 2 * sqrtm(p @ q).real)
    assert fid(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


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


# Kernel distance -------------------------------------------------------------------------


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


# The packages that papers use ------------------------------------------------------------


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


# Neighbours ------------------------------------------------------------------------------


def by_brute_force(real, fake, k):
    """The four numbers by scikit-learn's neighbours, ball by ball."""

    def radii(x):
        return NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(x).kneighbors(x)[0][:, k]

    gaps = np.linalg.norm(real[:, None] - fake[None], axis=2)
    in_real, in_fake = gaps <= radii(real)[:, None], gaps <= radii(fake)[None]
    precision, recall = in_real.any(axis=0).mean(), in_fake.any(axis=1).mean()
    return precision, recall, in_real.sum(axis=0).mean() / k, in_real.any(axis=1).mean()


@quick
@given(seeds, st.integers(1, 5), st.integers(6, 40), st.integers(6, 40), st.integers(1, 8))
def test_balls_against_brute_force(seed, k, n, m, dim):
    real, fake = normal(seed, n, dim), 0.3 + 1.3 * normal(seed + 1, m, dim)
    found = precision_recall(real, fake, k) + density_coverage(real, fake, k)
    assert found == pytest.approx(by_brute_force(real, fake, k))


def test_blocks_change_nothing(monkeypatch):
    real, fake = normal(0, 300, 6), normal(1, 200, 6)
    whole = precision_recall(real, fake) + density_coverage(real, fake)
    monkeypatch.setattr(balls, "BLOCK", 1000)
    assert precision_recall(real, fake) + density_coverage(real, fake) == whole
    assert np.array_equal(nearest_neighbours(fake, real)[1], np.argmin(gaps(fake, real), axis=1))


def gaps(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=2)


@quick
@given(seeds, st.floats(0.01, 100), st.floats(-50, 50))
def test_balls_do_not_mind_order_scale_or_place(seed, scale, shift):
    real, fake = normal(seed, 2, 60, 4)
    plain = precision_recall(real, fake) + density_coverage(real, fake)
    real, fake = (scale * x[::-1, [2, 0, 3, 1]] + shift for x in (real, fake))
    assert precision_recall(real, fake) + density_coverage(real, fake) == pytest.approx(plain)


def test_expected_coverage_and_density_of_equal_distributions():
    assert expected_coverage(10_000, 10_000, 5) == pytest.approx(0.96877, abs=1e-5)
    assert expected_coverage(6, 1, 5) == pytest.approx(5 / 6)
    pairs = [normal(i, 2, 100, 5) for i in range(60)]
    found = np.array([density_coverage(*pair) for pair in pairs])
    assert found.mean(axis=0) == pytest.approx([1, expected_coverage(100, 100)], rel=0.02)
    some = np.mean([density_coverage(a, b[:30], 3).coverage for a, b in pairs])
    assert some == pytest.approx(expected_coverage(100, 30, 3), rel=0.03)


def test_a_thousand_dimensions_against_themselves():
    """10,000 rows by the authors' code: .477 .471 1.056 .974, by ours .473 .474 .988 .966."""
    real, fake = normal(0, 2, 1000, 1000)
    assert precision_recall(real, fake, 5) == pytest.approx((0.6, 0.6), abs=0.08)
    density, coverage = density_coverage(real, fake)
    assert density == pytest.approx(1, abs=0.2)
    assert coverage == pytest.approx(expected_coverage(1000, 1000), abs=0.03)


def test_an_outlier_fools_precision_but_hardly_density():
    real, fake = normal(0, 200, 2), 8 + 0.1 * normal(1, 200, 2)
    assert precision_recall(real, fake).precision == 0
    real[0] = 16
    assert precision_recall(real, fake).precision == 1
    assert density_coverage(real, fake).density == pytest.approx(1 / 5)
    assert density_coverage(real, fake).coverage == pytest.approx(1 / 200)


def test_where_all_pictures_are_the_same_only_copies_are_near():
    same, off = np.full((20, 7), 0.1), np.full((20, 7), 0.1 + 1e-3)
    assert precision_recall(same, same) == (1, 1)
    assert density_coverage(same, same) == (20 / 5, 1)
    assert precision_recall(same, off) == (0, 0)
    assert density_coverage(same, off) == (0, 0)
    mixed = np.concatenate([same, normal(0, 20, 7)])
    assert precision_recall(mixed, same).precision == 1


def test_copies_are_told_from_new_samples():
    train, test, new = normal(0, 3, 300, 6)
    fair = data_copying(new, train, test)
    assert fair.closer == pytest.approx(0.5, abs=0.1) and abs(fair.z) < 3
    copies = data_copying(train[:200], train, test)
    assert copies.closer == 1 and copies.z < -10
    near = data_copying(train + 0.05 * normal(5, 300, 6), train, test)
    assert near.closer > 0.95
    far = data_copying(3 * new, train, test)
    assert far.closer < 0.2 and far.z > 3
    half = data_copying(np.concatenate([train[:150], new[:150]]), train, test)
    assert half.closer == pytest.approx(0.75, abs=0.07)
    both = data_copying(train[:9], train, train[9:])
    assert both == (0.5, 0)  # all distances are 0: ties


def test_nearest_neighbours_of_copies_are_the_copies():
    rows = normal(0, 50, 3) + 1e4
    distances, places = nearest_neighbours(rows[::-1], rows)
    assert np.array_equal(places, np.arange(50)[::-1])
    assert np.array_equal(distances, np.zeros(50))


# Certainty -------------------------------------------------------------------------------


def test_confidence_interval_covers_as_often_as_it_says():
    means, halves = np.transpose([confidence_interval(row) for row in normal(0, 2000, 5)])
    assert np.mean(np.abs(means) < halves) == pytest.approx(0.95, abs=0.015)
    values = [1.0, 2.0, 4.0]
    low, high = t.interval(0.9, 2, np.mean(values), np.std(values, ddof=1) / 3**0.5)
    mean, half = confidence_interval(values, 0.9)
    assert (mean - half, mean + half) == pytest.approx((low, high))


# Bad input -------------------------------------------------------------------------------

X = normal(0, 20, 4)


@pytest.mark.parametrize("measure", [kernel_distance, precision_recall, density_coverage,
                                     frechet_at_infinity, nearest_neighbours])  # fmt: skip
@pytest.mark.parametrize(
    "bad", [X[:, :3], X[0], np.zeros((0, 4)), np.full((20, 4), np.nan), "ink", [[1], [1, 2]], None]
)
def test_features_that_do_not_fit_are_refused(measure, bad):
    with pytest.raises(InputError):
        measure(X, bad)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: inception_score(X),
        lambda: inception_score(np.full((5, 2), 0.4)),
        lambda: inception_score(np.eye(4), splits=5),
        lambda: inception_score(np.eye(4) * np.nan),
        lambda: kernel_distance(X, X, size=21),
        lambda: kernel_distance(X, X, subsets=0, size=5),
        lambda: precision_recall(X, X[:3]),
        lambda: precision_recall(X, X, k=0),
        lambda: density_coverage(X[:5], X),
        lambda: expected_coverage(5, 10, 5),
        lambda: expected_coverage(10, 0),
        lambda: frechet_floor(np.eye(2) * np.nan, 10, 10),
        lambda: frechet_floor(np.ones(3), 10, 10),
        lambda: frechet_floor(np.eye(2), 1, 10),
        lambda: frechet_at_infinity(X, X, [5]),
        lambda: frechet_at_infinity(X, X, [5, 30]),
        lambda: data_copying(X, X[:, :3], X),
        lambda: confidence_interval([1.0]),
        lambda: confidence_interval([1.0, np.inf]),
        lambda: confidence_interval(np.array(["ink", 2.0])),
        lambda: confidence_interval([1.0, 2.0], level=1),
    ],
)
def test_bad_input_is_refused(bad):
    with pytest.raises(InputError):
        bad()


@quick
@given(arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6)))
def test_no_nan_in_silence(features):
    real = normal(0, 12, 3)
    found = [*precision_recall(real, features), *density_coverage(features, real)]
    found += [*kernel_distance(real, features, 2, 6), fid(real, features)]
    found += [*data_copying(features, real, real), frechet_at_infinity(features, real).limit]
    assert np.isfinite(found).all()


# Extractors and the meter ----------------------------------------------------------------


def coloured(n=60, seed=0):
    """Two kinds of colour pictures: red at the top, or blue at the bottom."""
    rng = np.random.default_rng(seed)
    labels, images = np.arange(n) % 2, rng.uniform(-1, -0.5, (n, 6, 5, 3))
    images[labels == 0, :3, :, 0] += 1
    images[labels == 1, 3:, :, 2] += 1
    return images.astype(np.float32), labels


@pytest.mark.parametrize("labels", [True, False])
def test_colour_pictures(labels):
    images, kinds = coloured()
    meter = FrechetMeter(ImageSet(images, kinds if labels else None, "colours"))
    fresh, kinds = coloured(seed=1)
    assert meter.extractor.pixels == 90
    assert meter.accuracy == (1 if labels else None)
    assert meter(fresh) == pytest.approx(meter(fresh.reshape(60, -1)))
    assert meter(fresh[kinds == 0]) > 5 * meter(fresh)
    assert meter(fresh[..., ::-1]) > 5 * meter(fresh)  # red and blue exchanged


def test_any_function_can_be_the_extractor():
    def bright(rows):
        return np.stack([np.asarray(rows).mean(axis=1), np.asarray(rows).std(axis=1)], axis=1)

    meter = FrechetMeter(digits(), extractor=FeatureExtractor(bright, 64))
    images = digits().images
    assert meter(images) < 0.01 < meter(-images)
    assert meter.accuracy is None
    with pytest.raises(InputError, match="labels"):
        meter.extractor.logits(images)


def test_pixels_from_0_to_255_are_told():
    meter = FrechetMeter(digits())
    with pytest.raises(InputError, match="255"):
        meter(127.5 * (digits().images[:50] + 1))
    wild = 3 * digits().images[:50]  # a generator without tanh may do this
    assert np.isfinite(meter(wild))


def test_one_picture_repeated_has_a_distance():
    meter = FrechetMeter(digits())
    black = np.full((50, 8, 8), -1.0)
    assert np.isfinite(meter(black)) and meter(black) > 20 * meter.floor


def test_a_large_set_is_seen_more_than_once(monkeypatch):
    monkeypatch.setattr(metrics.features, "LEAST_STEPS", 1)
    fit, steps = metrics.features._fit, []

    def short(*arguments):
        steps.append(arguments[3])
        return fit(*arguments[:3], 5)

    monkeypatch.setattr(metrics.features, "_fit", short)
    few = ImageSet(digits().images[:300], np.asarray(digits().labels)[:300], "few")
    metrics.train_feature_extractor(few)
    assert steps == [3 * 240 // 128]
