"""Balls around features, and copies: against brute force and what they are meant to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from gan_lessons.metrics import (
    data_copying,
    density_coverage,
    expected_coverage,
    nearest_neighbours,
    neighbours,
    precision_recall,
)

quick = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def gaps(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=2)


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
    monkeypatch.setattr(neighbours, "BLOCK", 1000)
    assert precision_recall(real, fake) + density_coverage(real, fake) == whole
    assert np.array_equal(nearest_neighbours(fake, real)[1], np.argmin(gaps(fake, real), axis=1))


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
