"""Distributions: densities against quadrature and SciPy, samples against densities, bad input."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import logsumexp

from gan_lessons import distributions as ds
from gan_lessons.distributions import (
    DISTRIBUTIONS,
    NOTHING,
    Checkerboard,
    Distribution,
    Empirical,
    GanLabDisjoint,
    GanLabGaussians,
    GanLabLine,
    GanLabRing,
    Given,
    Grid,
    Lines,
    Mixture,
    Mixture1D,
    Normal,
    Paired,
    Ring,
    Spiral,
    SwissRoll,
    TruncatedNormal,
    TwoMoons,
    Uniform,
    distribution,
    latent,
)
from gan_lessons.errors import InputError

KEY = jax.random.key(0)
N = 20_000  # one number of samples everywhere, so that each program compiles once
UNEQUAL = Mixture(((-1.0, 0.0), (1.0, 0.5), (0.0, 2.0)), (0.2, 0.4, 0.3), (1, 5, 2))
CORNER = Lines((((0, 0), (1, 0)), ((1, 0), (1, 3))), std=0.1)
# A distribution with a density, and the step of a midpoint rule that resolves it.
DENSITIES = [
    (Normal(1), 0.05),
    (Normal(2), 0.1),
    (Uniform(1, -0.5, 1.0), 1 / 64),
    (Uniform(2), 1 / 64),
    (TruncatedNormal(1, mean=0.9, std=0.3), 1 / 256),
    (TruncatedNormal(2), 1 / 256),
    (Mixture1D((-2, 0, 3), (0.1, 0.5, 1.0), (0.2, 0.5, 0.3)), 0.05),
    (UNEQUAL, 0.05),
    (Ring(), 0.006),
    (Ring(1, 2.0, 0.2), 0.03),
    (Grid(), 0.03),
    (GanLabGaussians(), 0.02),
    (GanLabDisjoint(), 0.01),
    (GanLabLine(), 0.005),
    (GanLabRing(), 0.01),
    (CORNER, 0.05),
    (Checkerboard(), 1 / 64),
    (Checkerboard(3, 6.0), 1 / 32),
]
SAMPLE_ONLY = [TwoMoons(), Spiral(), SwissRoll(), Empirical(np.eye(3))]
ANALYTIC = [d for d, _ in DENSITIES] + SAMPLE_ONLY[:3] + [Mixture(((0.0,) * 5,), (1.0,))]


def label(value):
    """How a case is called; a function has no name that is the same in every run."""
    return None if callable(value) else str(value)


def box(d, step):
    """Cell borders per dimension, wider than the extent; a multiple of 8 cells."""
    sides = []
    for low, high in d.extent:
        low = math.floor((low - 0.25 * (high - low)) / step / 8) * 8
        high = math.ceil((high + (high - low * step) * 0.25) / step / 8) * 8
        sides.append(np.arange(low, high + 1) * step)
    return sides


def middles(sides):
    return np.stack(np.meshgrid(*((s[1:] + s[:-1]) / 2 for s in sides), indexing="ij"), -1)


def check_samples(d):
    """Samples have the right type and lie inside the extent."""
    x = np.asarray(d.sample(KEY, N))
    assert x.shape == (N, d.dim) and x.dtype == np.float32 and len(d.extent) == d.dim
    low, high = np.array(d.extent).T
    assert ((x >= low) & (x <= high)).all(1).mean() > 0.9995


@pytest.mark.parametrize(("d", "step"), DENSITIES, ids=label)
def test_density_integrates_to_one_and_agrees_with_the_samples(d, step):
    check_samples(d)
    x = np.asarray(d.sample(KEY, N), float)
    sides = box(d, step)
    grid = middles(sides)
    log_prob = d.log_prob(np.concatenate([grid.reshape(-1, d.dim), x]))  # one shape, one compile
    log_cells, log_x = np.split(np.asarray(log_prob, float), [-N])
    mass = np.exp(log_cells).reshape(grid.shape[:-1]) * step**d.dim
    assert mass.sum() == pytest.approx(1, abs=1e-4)

    counts = np.histogramdd(x, sides)[0]
    assert counts.sum() == N
    blocks = [part for size in mass.shape for part in (size // 8, 8)]
    inner = tuple(range(1, 2 * d.dim, 2))
    expected = mass.reshape(blocks).sum(inner).ravel() * N
    found = counts.reshape(blocks).sum(inner).ravel()
    assert found[expected < 1e-9].sum() == 0
    big = expected > 5
    chi2 = ((found - expected)[big] ** 2 / expected[big]).sum()
    assert stats.chi2.sf(chi2, max(big.sum() - 1, 1)) > 1e-3

    entropy = -(mass * np.log(mass / step**d.dim, where=mass > 0, out=0 * mass)).sum()
    assert -log_x.mean() == pytest.approx(entropy, abs=4 * log_x.std() / N**0.5 + 1e-3)


@pytest.mark.parametrize(
    ("d", "cdf"),
    [
        (Normal(1), stats.norm.cdf),
        (Uniform(1, -0.5, 1.0), stats.uniform(-0.5, 1.5).cdf),
        (TruncatedNormal(1, mean=0.9, std=0.3), stats.truncnorm(-3, 1 / 3, 0.9, 0.3).cdf),
        (
            Mixture1D((-2, 0, 3), (0.1, 0.5, 1.0), (0.2, 0.5, 0.3)),
            lambda x: stats.norm.cdf(x[:, None], (-2, 0, 3), (0.1, 0.5, 1.0)) @ (0.2, 0.5, 0.3),
        ),
    ],
    ids=label,
)
def test_one_dimensional_samples_pass_a_kolmogorov_smirnov_test(d, cdf):
    assert stats.kstest(np.asarray(d.sample(KEY, N))[:, 0], cdf).pvalue > 1e-3


def test_normal_and_truncated_normal_against_scipy():
    x = np.random.default_rng(0).uniform(0, 1, (50, 3))
    np.testing.assert_allclose(Normal(3).log_prob(x), stats.norm.logpdf(x).sum(1), rtol=1e-5)
    ours = TruncatedNormal(3, 0.2, 0.1, 0.0, 2.0).log_prob(x)
    theirs = stats.truncnorm(-2, 18, 0.2, 0.1).logpdf(x).sum(1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("k", "dim"), [(1, 1), (6, 2), (3, 5)])
def test_mixture_log_prob_against_scipy(k, dim):
    rng = np.random.default_rng(k)
    centers, stds, weights = rng.normal(size=(k, dim)), rng.uniform(0.1, 1, k), rng.uniform(1, 9, k)
    x = rng.normal(size=(20, dim))
    parts = [
        stats.multivariate_normal(c, s**2 * np.eye(dim)).logpdf(x)
        for c, s in zip(centers, stds, strict=True)
    ]
    expected = logsumexp(np.array(parts).T, axis=1, b=weights / weights.sum())
    parameters: dict[str, Any] = {"centers": centers, "stds": stds, "weights": weights}
    ours = Mixture(**parameters).log_prob(x)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_mixture_far_from_every_mode_is_finite():
    assert np.isfinite(Ring().log_prob(np.array([[1e3, -1e3]]))).all()
    slope = jax.jit(jax.grad(lambda x: Ring().log_prob(x).sum()))(jnp.full((1, 2), 50.0))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("d", [GanLabLine(), CORNER], ids=label)
def test_segments_against_the_integral_along_them(d):
    ends = np.array([[[0.8, 0.6], [0.05, 0.9]]]) if d == GanLabLine() else np.array(d.segments)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    points = np.array([[0.4, 0.75], [0.81, 0.6], [0.0, 0.95], [1.0, 0.1], [1.2, 3.2], [0.5, 0.8]])
    r = (np.arange(20_000)[:, None] + 0.5) / 20_000
    nodes = np.concatenate([start + r * (end - start) for start, end in ends])
    offsets = (points[:, None] - nodes) / d.std
    log_parts = -0.5 * (offsets**2).sum(-1) - math.log(2 * np.pi * d.std**2)
    share = np.repeat(lengths / lengths.sum() / 20_000, 20_000)
    expected = logsumexp(log_parts, axis=1, b=share)
    np.testing.assert_allclose(d.log_prob(points), expected, rtol=2e-5, atol=2e-4)


def test_line_density_is_finite_with_finite_slope_far_away():
    x = jnp.array([[5.0, 5.0], [-40.0, 3.0], [0.425, 0.75], [0.8, 0.6]])
    value, slope = jax.jit(jax.value_and_grad(lambda x: GanLabLine().log_prob(x).sum()))(x)
    assert np.isfinite(value) and np.isfinite(slope).all()


@pytest.mark.parametrize("x", [(0.8, 0.45), (0.5, 0.45), (0.62, 0.7), (1.1, 0.2), (0.2, 0.9)])
def test_ganlab_ring_density_against_adaptive_quadrature(x):
    def at(a):
        c = (0.5 + 0.3 * math.cos(a), 0.45 + 0.25 * math.sin(a))
        return stats.norm.logpdf(x, c, 0.025).sum()

    top = max(at(a) for a in np.linspace(0, 2 * np.pi, 2000))
    share, _ = integrate.quad(lambda a: math.exp(at(a) - top), 0, 2 * np.pi, limit=500, epsabs=1e-9)
    expected = top + math.log(share / (2 * np.pi))
    assert float(GanLabRing().log_prob(np.array([x]))[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("d", "mean", "cov"),
    [
        (GanLabLine(), (0.425, 0.75), ((0.046975, -0.01875), (-0.01875, 0.0076))),
        (GanLabGaussians(), (0.5, 0.55), ((0.04625, -0.03), (-0.03, 0.0475))),
        (GanLabRing(), (0.5, 0.45), ((0.045625, 0.0), (0.0, 0.031875))),
        (Ring(), (0, 0), ((0.5001, 0), (0, 0.5001))),
        (Grid(), (0, 0), ((8.0025, 0), (0, 8.0025))),
        (Uniform(2), (0, 0), ((1 / 3, 0), (0, 1 / 3))),
        (TwoMoons(1e-6), (0.5, 0.25), None),
    ],
    ids=label,
)
def test_means_and_covariances(d, mean, cov):
    x = np.asarray(d.sample(KEY, N), float)
    np.testing.assert_allclose(x.mean(0), mean, atol=5 * x.std() / N**0.5)
    if cov is not None:
        np.testing.assert_allclose(np.cov(x.T), cov, atol=0.02 * np.max(cov))


def test_ganlab_disjoint_has_thirds_in_the_right_places():
    d = GanLabDisjoint()
    assert d.modes.tolist() == [[0.35, 0.75], [0.75, 0.6], [0.45, 0.35]]
    x = np.asarray(d.sample(KEY, N))
    nearest = np.linalg.norm(x[:, None] - d.modes[None], axis=-1).argmin(1)
    assert stats.chisquare(np.bincount(nearest)).pvalue > 1e-3


def test_two_moons_are_two_half_circles():
    x = np.asarray(TwoMoons(1e-6).sample(KEY, N))
    upper = np.isclose(np.hypot(x[:, 0], x[:, 1]), 1, atol=1e-4) & (x[:, 1] > -1e-4)
    lower = np.isclose(np.hypot(x[:, 0] - 1, x[:, 1] - 0.5), 1, atol=1e-4) & (x[:, 1] < 0.5001)
    assert (upper | lower).all()
    assert upper.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("arms", [1, 5])
def test_spiral_arms_grow_with_the_angle(arms):
    x = np.asarray(Spiral(arms, turns=0.8, radius=3.0, std=1e-6).sample(KEY, 2000))
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi)
    arm = (angle - 0.8 * radius / 3) * arms
    away = radius > 0.01
    np.testing.assert_allclose(arm[away], np.round(arm[away]), atol=2e-3)
    counts = np.bincount(np.round(arm[away]).astype(int) % arms, minlength=arms)
    assert counts.min() > 0.85 * 2000 / arms
    assert radius.max() == pytest.approx(3, abs=0.02)


def test_swiss_roll_distance_is_in_proportion_to_the_angle():
    x = np.asarray(SwissRoll(radius=4.5, std=1e-6).sample(KEY, N))
    distance = np.hypot(*x.T)
    turns = distance / 2  # 2.25 turns at radius 4.5
    direction = (x[:, 0] + 1j * x[:, 1]) / distance
    np.testing.assert_allclose(np.exp(2j * np.pi * turns), direction, atol=1e-3)
    assert stats.kstest(turns, stats.uniform(0.75, 1.5).cdf).pvalue > 1e-3


@given(st.integers(1, 60), st.floats(0.1, 10))
@settings(deadline=None, max_examples=30)
def test_ring_has_as_many_distinct_modes_as_asked_at_equal_angles(k, radius):
    modes = Ring(k, radius).modes
    assert modes.shape == (k, 2)
    np.testing.assert_allclose(np.hypot(*modes.T), radius)
    assert len(np.unique(modes.round(6), axis=0)) == k
    angles = np.sort(np.mod(np.arctan2(modes[:, 1], modes[:, 0]) + 1e-9, 2 * np.pi))
    np.testing.assert_allclose(angles, 2 * np.pi * np.arange(k) / k, atol=1e-6)


def test_modes_and_their_widths():
    assert Grid().modes.shape == (25, 2)
    assert set(Grid().modes.ravel()) == {-4, -2, 0, 2, 4}
    assert (Ring().mode_std, Grid().mode_std, GanLabDisjoint().mode_std) == (0.01, 0.05, 0.025)
    assert Mixture1D((0, 1), (3, 4)).mode_std == pytest.approx(12.5**0.5)
    assert Mixture1D().modes.shape == (2, 1)
    for d in (*SAMPLE_ONLY, Normal(), Uniform(), Checkerboard(), GanLabRing(), Lines()):
        assert d.modes is None and d.mode_std is None


@pytest.mark.parametrize("d", [*SAMPLE_ONLY, ANALYTIC[-1]], ids=label)
def test_samples_have_the_right_type_and_lie_inside_the_extent(d):
    check_samples(d)


def test_sampling_under_jit_and_vmap_gives_the_same_numbers():
    several = [Normal(2), UNEQUAL, Ring(), CORNER, Checkerboard(), TruncatedNormal(2)]
    several.append(SAMPLE_ONLY[3])  # one for each way to sample, handed to jit as pytrees
    keys = jnp.stack([KEY, jax.random.key(1)])
    draw = jax.jit(lambda ds, keys: jax.vmap(lambda key: [d.sample(key, N) for d in ds])(keys))
    for d, many in zip(several, draw(several, keys), strict=True):
        assert np.array_equal(d.sample(KEY, N), d.sample(KEY, N))
        np.testing.assert_allclose(many[0], d.sample(KEY, N), atol=1e-5)
        assert not np.array_equal(many[0], many[1])


def test_equal_weights_use_every_mode_equally_and_unequal_ones_in_proportion():
    x = np.asarray(Ring().sample(KEY, N))
    nearest = np.linalg.norm(x[:, None] - Ring().modes[None], axis=-1).argmin(1)
    assert stats.chisquare(np.bincount(nearest)).pvalue > 1e-3
    rare = Mixture1D((0, 10, 20), (0.1,) * 3, (1, 1e-6, 3)).sample(KEY, N)
    assert (np.abs(np.asarray(rare) - 10) > 5).all()
    assert (np.asarray(rare) > 15).mean() == pytest.approx(0.75, abs=0.02)


def test_bits_are_fair_signs_independent_of_the_rest_and_of_each_other():
    d = ds.WithBits(Uniform(3), 4)
    rows = np.asarray(d.sample(KEY, N))
    assert rows.shape == (N, 7) and d.dim == len(d.extent) == 7
    pieces, counts = np.unique(rows[:, 3:], axis=0, return_counts=True)
    assert set(pieces.ravel()) == {-1.0, 1.0} and len(pieces) == 16
    assert stats.chisquare(counts).pvalue > 1e-3
    assert np.abs(np.corrcoef(rows.T)[:3, 3:]).max() < 5 / N**0.5
    assert distribution("with-bits") == ds.WithBits(Normal(2), 10)
    for bits in (0, 65, 2.5, "many"):
        with pytest.raises(InputError, match="bits of WithBits"):
            ds.WithBits(Normal(2), bits)  # type: ignore[arg-type]
    assert ds.WithBits("uniform") == ds.WithBits(Uniform())  # type: ignore[arg-type]
    assert ds.WithBits(3) == ds.WithBits(Normal(3))  # type: ignore[arg-type]
    with pytest.raises(InputError):
        ds.WithBits(None)  # type: ignore[arg-type]


def test_analytic_distributions_are_values():
    for d in ANALYTIC:
        again = eval(repr(d), vars(ds))
        assert again == d and hash(again) == hash(d) and type(again) is type(d)
        assert jax.tree.leaves(d) == []
        assert d != Normal(7)


def test_numbers_are_normalised():
    loose: dict[str, Any] = {"modes": 8.0, "radius": 1}
    assert Ring(**loose) == Ring() and hash(Ring(**loose)) == hash(Ring())
    loose = {"centers": [[0, 1]], "stds": np.array([2])}
    assert Mixture(**loose) == Mixture(((0.0, 1.0),), (2.0,))
    assert Ring(modes=5) != Ring(modes=6)


def test_every_name_makes_a_distribution_by_default():
    for name, kind in DISTRIBUTIONS.items():
        d = distribution(name)
        assert type(d) is kind and name == name.lower()
        assert d.has_density == kind.has_density
    assert {"ring", "grid", "two-moons", "spiral", "swiss-roll", "checkerboard"} < set(
        DISTRIBUTIONS
    )
    assert distribution(Ring(3)) == Ring(3)


def test_a_new_distribution_is_one_class(monkeypatch):
    monkeypatch.setitem(DISTRIBUTIONS, "dot", None)  # so that it is gone again afterwards

    @ds.named("dot")
    class Dot(ds.Distribution):
        radius: float = 1.0
        extent = ((-1.0, 1.0),) * 2

        def _sample(self, key, n):
            return jnp.full((n, 2), self.radius)

    assert (distribution("dot").sample(KEY, 3) == 1).all()
    with pytest.raises(InputError):
        Dot(radius=-1)
    with pytest.raises(InputError):
        Dot().log_prob(np.zeros((1, 2)))


def test_users_arrays_become_float32_and_only_their_rows_are_drawn():
    for dtype in (np.float64, np.float16, np.int64, np.uint8):
        points = np.arange(12).reshape(4, 3).astype(dtype)
        d = Empirical(points)
        x = d.sample(KEY, 40)
        assert d.points.dtype == x.dtype == jnp.float32 and d.dim == 3
        assert {tuple(row) for row in x.tolist()} <= {tuple(row) for row in points.tolist()}


def test_empirical_draws_every_row_equally_often():
    x = Empirical(np.arange(5)[:, None]).sample(KEY, 5000)
    assert stats.chisquare(np.bincount(np.asarray(x[:, 0], int))).pvalue > 1e-3


def test_empirical_is_a_pytree_with_one_leaf_and_equal_by_content():
    a, b = Empirical(np.eye(4), shape=(2, 2)), Empirical(np.eye(4).tolist(), shape=[2, 2])
    assert a == b and hash(a) == hash(b) and repr(a) == repr(b) and a.shape == (2, 2)
    assert a != Empirical(np.eye(4)) and a != Empirical(2 * np.eye(4), shape=(2, 2)) and a != 1
    (leaf,) = jax.tree.leaves(a)
    assert leaf.shape == (4, 4)
    doubled = jax.tree.map(lambda x: 2 * x, a)
    assert doubled.shape == (2, 2) and doubled == Empirical(2 * np.eye(4), shape=(2, 2))
    assert jax.jit(lambda d: len(repr(d)) + d.dim)(a) > 4  # printable while traced

    traced = []

    def draw(d, key):
        traced.append(d)
        return d.sample(key, 5)

    static = jax.jit(draw, static_argnums=0)
    assert (static(a, KEY) == static(b, KEY)).all()
    assert len(traced) == 1


def test_what_stands_for_a_distribution_and_for_a_latent():
    class Pictures:
        def distribution(self):
            return Empirical(np.eye(4), (2, 2))

    assert distribution("ring") == distribution(Ring) == Ring()
    assert distribution(np.eye(2)) == distribution([[1, 0], [0, 1]]) == Empirical(np.eye(2))
    assert distribution(Pictures()) == Empirical(np.eye(4), (2, 2))
    assert latent(3) == latent(np.int64(3)) == latent(Normal(3)) == Normal(3)
    assert latent("uniform") == latent(Uniform) == Uniform()
    for bad in (None, 5, 2.5, {"x": 1}, Paired, Pictures, Distribution, object(), "rings"):
        for find in (distribution, latent):
            if (find, bad) != (latent, 5):
                with pytest.raises(InputError):
                    find(bad)
    for bad in (0, -1, True, 10**6):
        with pytest.raises(InputError):
            latent(bad)


def test_data_say_what_they_are():
    def facts(d):
        return d.kind, d.shape, d.given

    assert facts(Normal(1)) == ("line", (1,), NOTHING)
    assert facts(Ring()) == facts(Empirical(np.eye(2))) == ("plane", (2,), NOTHING)
    assert facts(Normal(64)) == ("points", (64,), NOTHING)
    assert facts(Empirical(np.eye(64))) == ("points", (64,), NOTHING)
    assert facts(Empirical(np.eye(64), (64,))) == ("sounds", (64,), NOTHING)
    assert facts(Empirical(np.eye(64), (8, 8))) == ("pictures", (8, 8), NOTHING)
    assert facts(Empirical(np.eye(12), (2, 2, 3))) == ("pictures", (2, 2, 3), NOTHING)
    labels = Given("label", (2,))
    assert facts(Paired(np.eye(2), np.eye(2))) == ("plane", (2,), labels) and labels.size == 2
    pictures = Paired(np.eye(12), np.eye(12), (2, 2, 3), "picture")
    assert facts(pictures) == ("pictures", (2, 2, 3), Given("picture", (2, 2, 3)))
    masks = Paired(np.eye(12), np.eye(12)[:, :4], (2, 2, 3), "picture", (2, 2))
    assert masks.given == Given("picture", (2, 2)) and NOTHING.size == 0
    with pytest.raises(InputError, match="did you mean 'label'"):
        Given("labels")


EXAMPLES = np.arange(24.0).reshape(8, 3)
PAIRS = [
    Paired(EXAMPLES, np.eye(8)),
    Paired(EXAMPLES, 10 * EXAMPLES, about="numbers"),
    Paired(EXAMPLES.reshape(4, 6), -EXAMPLES.reshape(4, 6)[:, :4], (2, 3), "picture", (2, 2)),
]


@pytest.mark.parametrize("d", [Ring(), CORNER, SAMPLE_ONLY[3], *PAIRS], ids=label)
def test_a_batch_holds_what_sample_draws_with_what_is_given_of_each(d):
    x, conditions = d.batch(KEY, 200)
    assert np.array_equal(x, d.sample(KEY, 200))
    assert conditions.shape == (200, d.given.size) and conditions.dtype == jnp.float32
    assert np.array_equal(d.givens(KEY, 200), conditions)
    if d in PAIRS:
        assert np.array_equal(x, Empirical(d.points).sample(KEY, 200))
        rows = zip(d.points.tolist(), d.conditions.tolist(), strict=True)
        drawn = zip(x.tolist(), conditions.tolist(), strict=True)
        assert {(*a, *b) for a, b in drawn} == {(*a, *b) for a, b in rows}


def test_pairs_are_a_pytree_equal_by_content():
    a, b = (Paired(EXAMPLES, np.eye(8)) for _ in range(2))
    assert a == b and hash(a) == hash(b) and repr(a) == repr(b) and "label" in repr(a)
    others = [Empirical(EXAMPLES), Paired(EXAMPLES, np.eye(8)[::-1])]
    others += [Paired(EXAMPLES, np.eye(8), about="numbers")]
    assert a not in others and repr(a) not in map(repr, others)
    assert [leaf.shape for leaf in jax.tree.leaves(a)] == [(8, 3), (8, 8)]
    doubled = jax.tree.map(lambda x: 2 * x, a)
    assert doubled.given == a.given and (doubled.conditions == 2 * a.conditions).all()
    assert jax.jit(lambda d: len(repr(d)) + d.given.size)(a) > 8  # printable while traced


def test_pairs_that_do_not_fit():
    one_hot = np.eye(4)
    for bad in (
        {"given": one_hot[:3]},
        {"given": [0, 1, 2, 3]},
        {"given": 2 * one_hot},
        {"given": np.ones((4, 4))},
        {"given": one_hot * math.nan},
        {"given": None},
        {"given": one_hot, "about": "labels"},
        {"given": one_hot, "about": "nothing"},
        {"given": one_hot, "about": "picture", "given_shape": (4,)},
        {"given": one_hot, "about": "picture", "given_shape": (2, 3)},
        {"given": one_hot[:, :3], "about": "picture"},
        {"given": one_hot, "shape": (3, 3)},
    ):
        with pytest.raises(InputError):
            Paired(np.eye(4), **bad)


def test_empirical_with_constant_columns_still_has_a_box():
    assert all(low < high for low, high in Empirical(np.ones((3, 2))).extent)
    assert Empirical([[0.0, 5.0], [8.0, 5.0]]).extent == ((-1.0, 9.0), (4.0, 6.0))


def test_no_density_says_who_has_one():
    for d in SAMPLE_ONLY:
        assert not d.has_density
        with pytest.raises(InputError, match="ring"):
            d.log_prob(np.zeros((3, d.dim)))


UNUSABLE = [
    [[1.0, math.nan], [0.0, 1.0]],
    [[1.0, math.inf], [0.0, 1.0]],
    [[1e300, 0.0], [0.0, 1.0]],
    [1.0, 2.0, 3.0],
    np.zeros((4, 5, 5)),
    5.0,
    [[1.0, 2.0]],
    [],
    np.zeros((0, 2)),
    np.zeros((3, 0)),
    [["a", "b"], ["c", "d"]],
    np.array([[1, 2], [3, 4]], dtype=object),
    [[1.0, 2.0], [3.0]],
    [[1.0, None], [0.0, 1.0]],
    [[True, False], [False, True]],
    [[1j, 0], [0, 1]],
    None,
    {"x": 1},
]


def test_unusable_arrays():
    for points in UNUSABLE:
        for make in (Empirical, distribution):
            with pytest.raises(InputError):
                make(points)
    for shape in ((3, 3), (28,), 4, "22", (2.5, 1.6), (-2, -2), ()):
        with pytest.raises(InputError):
            Empirical(np.eye(4), shape)


NOT_STD = (0, -0.1, math.nan, math.inf, "thin", None, True)
NOT_COUNT = (0, -3, 2.5, math.nan, "8", None, 10**9)
REFUSED = (
    [(kind, {"std": x}) for kind in (Ring, Grid, TwoMoons, Spiral, Lines) for x in NOT_STD]
    + [(Ring, {"modes": k}) for k in NOT_COUNT]
    + [(Grid, {"side": k}) for k in NOT_COUNT]
    + [(Spiral, {"arms": k}) for k in NOT_COUNT]
    + [(Checkerboard, {"cells": k}) for k in NOT_COUNT]
    + [(kind, {"dim": k}) for kind in (Normal, Uniform, TruncatedNormal) for k in NOT_COUNT]
    + [
        (Ring, {"radius": -1}),
        (Ring, {"radius": math.nan}),
        (Grid, {"spacing": 0}),
        (Checkerboard, {"size": math.inf}),
        (Spiral, {"turns": 0}),
        (Uniform, {"low": 1.0, "high": 1.0}),
        (Uniform, {"low": 2.0}),
        (Uniform, {"high": math.nan}),
        (TruncatedNormal, {"mean": 50.0}),
        (TruncatedNormal, {"low": 3.0}),
        (Mixture1D, {"means": ()}),
        (Mixture1D, {"means": 1.0}),
        (Mixture1D, {"means": None}),
        (Mixture1D, {"means": (0.0, math.nan)}),
        (Mixture1D, {"means": (0.0, 1.0, 2.0)}),
        (Mixture1D, {"stds": (1.0, 0.0)}),
        (Mixture1D, {"weights": (1.0,)}),
        (Mixture1D, {"weights": (1.0, 0.0)}),
        (Mixture1D, {"weights": (1.0, -1.0)}),
        (Mixture1D, {"weights": "ab"}),
        (Mixture, {"centers": ((0.0, 1.0), (2.0,))}),
        (Mixture, {"centers": (0.0, 1.0)}),
        (Mixture, {"stds": (0.1, 0.1, 0.1)}),
        (Lines, {"segments": ()}),
        (Lines, {"segments": ((0.0, 0.0), (1.0, 1.0))}),
        (Lines, {"segments": (((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),)}),
        (Lines, {"segments": (((0.0, 0.0), (0.0, 0.0)),)}),
    ]
)  # fmt: skip


def test_bad_parameters():
    for kind, arguments in REFUSED:
        with pytest.raises(InputError):
            kind(**arguments)
    for n in (0, -1, 2.5, "many", None):
        for draw in (Ring().sample, Ring().batch, Ring().givens):
            with pytest.raises(InputError, match="number of samples"):
                draw(KEY, n)
    for shape in ((2,), (3, 3), (2, 2, 2), ()):
        with pytest.raises(InputError, match=r"\[n, 2\]"):
            Ring().log_prob(np.zeros(shape))


def test_unknown_name_suggests_the_nearest():
    meant = {"rings": "ring", "two_moons": "two-moons", "swissroll": "swiss-roll", "Grid": "grid"}
    for name, right in meant.items():
        with pytest.raises(InputError, match=f"did you mean '{right}'"):
            distribution(name)
