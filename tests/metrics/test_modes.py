"""Counting modes: perfect generators score the ceilings, and what is wrong with others shows."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lessons.distributions import Normal, WithBits
from gan_lessons.errors import InputError
from gan_lessons.images import digits, faces
from gan_lessons.metrics import (
    high_quality_ceiling,
    kl_floor,
    mode_coverage,
    stack_coverage,
    train_feature_extractor,
)

GRID = np.array(list(itertools.product((-4.0, -2.0, 0.0, 2.0, 4.0), repeat=2)), np.float32)
SIGMA = 0.05
quick = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def around(centres, width, n, seed=0):
    rng = np.random.default_rng(seed)
    centre = centres[rng.integers(len(centres), size=n)]
    noise = width * rng.standard_normal((n, centres.shape[1]))
    return centre + noise


cover = jax.jit(lambda samples, scale=1.0: mode_coverage(samples, scale * GRID, scale * SIGMA))


@quick
@given(seeds)
def test_a_perfect_generator_scores_the_ceilings(seed):
    found = cover(around(GRID, SIGMA, 2500, seed))
    assert found.modes == 25
    assert found.counts.sum() == 2500
    assert abs(found.high_quality - high_quality_ceiling(2)) < 5 * (0.011 / 2500) ** 0.5
    assert found.kl < 3.5 * kl_floor(25, 2500)  # 2 n KL is chi-square with 24 degrees
    assert found.std_ratio == pytest.approx(1, abs=0.08)


def test_pieces_of_a_latent_dealt_out_evenly_make_a_perfect_generator():
    """G(z, s) = centre of the mode that the signs s belong to + SIGMA z: slope SIGMA, no bridge."""
    rows = np.asarray(WithBits(Normal(2), 10).sample(jax.random.key(0), 20_000))
    piece = (rows[:, 2:] > 0) @ 2 ** np.arange(10)
    found = cover(GRID[piece % 25] + SIGMA * rows[:, :2])
    assert found.modes == 25
    assert abs(found.high_quality - high_quality_ceiling(2)) < 5 * (0.011 / 20_000) ** 0.5
    assert found.kl < 3.5 * kl_floor(25, 20_000) + (25 / 1024) ** 2
    assert found.std_ratio == pytest.approx(1, abs=0.03)


def test_kl_floor_is_the_mean_of_perfect_generators():
    many = jax.vmap(cover)(around(GRID, SIGMA, 200 * 1000).reshape(200, 1000, 2))
    assert float(many.kl.mean()) == pytest.approx(kl_floor(25, 1000), rel=0.1)
    assert kl_floor(25, 2500) == pytest.approx(0.0048)
    assert kl_floor(1, 10) == 0


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_std_ratio_measures_the_width_of_any_gaussian_through_the_cut(dim):
    centres = np.arange(4.0)[:, None] * np.ones((1, dim))
    measure = jax.jit(mode_coverage)
    for width in (0.1, 0.5, 1.0, 1.4):
        found = measure(around(centres, width * SIGMA, 20_000), centres, SIGMA)
        assert float(found.std_ratio) == pytest.approx(width, rel=0.05)


def test_strays_do_not_widen_the_modes():
    strays = np.random.default_rng(1).uniform(-5, 5, (250, 2))
    found = cover(np.concatenate([around(GRID, SIGMA / 2, 2500), strays]))
    assert float(found.std_ratio) == pytest.approx(0.5, abs=0.03)
    assert float(found.high_quality) == pytest.approx(10 / 11, abs=0.01)


@pytest.mark.parametrize(("modes", "n"), [(25, 2500), (1000, 26_000), (100, 150)])
def test_the_exact_kl_floor_is_the_mean_of_perfect_generators(modes, n):
    rng = np.random.default_rng(0)
    share = rng.multinomial(n, np.full(modes, 1 / modes), size=400) / n
    kl = np.sum(share * np.log(np.where(share > 0, modes * share, 1)), axis=1)
    floor = kl_floor(modes, n, exact=True)
    assert kl.mean() == pytest.approx(floor, abs=5 * kl.std() / 20)
    assert kl_floor(modes, n) <= floor or n < 10 * modes
    assert kl_floor(1, 10, exact=True) == pytest.approx(0, abs=1e-12)


def test_collapse_to_one_point():
    found = cover(jnp.broadcast_to(GRID[7], (100, 2)))
    assert found.modes == 1
    assert found.high_quality == 1
    assert found.std_ratio == 0
    assert float(found.kl) == pytest.approx(np.log(25), rel=1e-5)


def test_uniform_counts_have_no_divergence_and_near_misses_find_nothing():
    hits, misses = cover(jnp.asarray(GRID)), cover(jnp.asarray(GRID) + 3.1 * SIGMA)
    assert float(hits.kl) == pytest.approx(0, abs=1e-6)
    assert hits.modes == 25
    assert misses.modes == 0
    assert misses.high_quality == 0
    assert misses.counts.sum() == 25
    assert np.isnan(misses.std_ratio)


def test_diverged_samples_belong_to_no_mode():
    found = cover(jnp.asarray([[0.0, 0.0], [jnp.nan, 0.0], [jnp.inf, 0.0], [0.01, 0.0]]))
    assert found.modes == 1
    assert found.high_quality == 0.5
    assert found.counts.sum() == 2
    assert np.isnan(cover(jnp.full((3, 2), jnp.nan)).kl)


@quick
@given(seeds, st.floats(0.2, 40))
def test_order_and_scale_do_not_matter_and_bounds_hold(seed, spread):
    samples = around(GRID, spread * SIGMA, 300, seed)
    found, turned = cover(samples), cover(samples[::-1])
    double = cover(2 * samples, 2.0)
    for other in (turned, double):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-6), found, other)
    assert 0 <= found.modes <= 25
    assert 0 <= found.high_quality <= 1
    assert 0 <= found.kl <= np.log(25) + 1e-6
    no_width = round(300 * float(found.high_quality)) <= found.modes
    assert np.isnan(found.std_ratio) if no_width else 0 <= found.std_ratio <= 3


def test_ceiling_known_values():
    assert high_quality_ceiling(2, 3) == pytest.approx(1 - np.exp(-4.5))
    assert high_quality_ceiling(1, 1) == pytest.approx(0.6826895)


def test_what_cannot_be_counted_is_refused():
    two, modes = jnp.zeros((5, 2)), jnp.asarray(GRID)
    table: list[tuple[Any, ...]] = [
        (mode_coverage, two, None, 0.1),
        (mode_coverage, jnp.zeros((5, 3)), modes, 0.1),
        (mode_coverage, two, modes, 0.1, 0),
        (high_quality_ceiling, 0),
        (kl_floor, 8, 0),
        (kl_floor, 8, 10**9, True),
    ]
    for function, *bad in table:
        with pytest.raises(InputError):
            function(*bad)


# ---- stacks


def stacked(n: int, seed: int = 0) -> np.ndarray:
    return np.asarray(digits().stacks().sample(jax.random.key(seed), n))


def test_real_stacks_find_all_modes_with_kl_near_its_floor():
    extractor = train_feature_extractor(digits())
    assert extractor.accuracy is not None and extractor.accuracy > 0.97
    found = stack_coverage(extractor, stacked(26_000))
    floor = kl_floor(1000, 26_000, exact=True)
    assert floor == pytest.approx(0.0194, abs=2e-4)
    assert found.modes == 1000
    assert 0.85 * floor < found.kl < 1.25 * floor
    assert found.counts.sum() == 26_000


def test_collapsed_stacks_are_seen():
    extractor = train_feature_extractor(digits())
    one = stack_coverage(extractor, np.repeat(stacked(1), 500, axis=0))
    assert one.modes == 1 and np.count_nonzero(one.counts) == 1
    assert one.kl == pytest.approx(np.log(1000))
    half = stacked(20_000)[:, :64]
    alike = stack_coverage(extractor, np.tile(half, 3))  # all three layers the same digit
    assert alike.modes == 10
    assert alike.kl == pytest.approx(np.log(100), abs=0.01)


def test_a_stack_is_counted_where_its_layers_say():
    images, labels = digits().images, digits().labels
    assert labels is not None
    picked = [images[labels == kind][0].ravel() for kind in (4, 0, 7)]
    found = stack_coverage(train_feature_extractor(digits()), np.concatenate(picked)[None])
    assert found.counts[407] == 1 and found.modes == 1
    lost = np.concatenate([stacked(3), np.full((2, 192), np.nan, np.float32)])
    assert stack_coverage(train_feature_extractor(digits()), lost).counts.sum() == 3
    none = stack_coverage(train_feature_extractor(digits()), lost[3:])
    assert none.modes == 0 and np.isnan(none.kl)


def test_what_are_no_stacks_is_refused():
    extractor = train_feature_extractor(digits())
    for rows in (np.zeros((3, 100)), np.zeros(192), np.zeros((3, 0)), ["ink"]):
        with pytest.raises(InputError):
            stack_coverage(extractor, rows)
    with pytest.raises(InputError, match="labels"):
        stack_coverage(train_feature_extractor(faces()), np.zeros((2, 625)))
