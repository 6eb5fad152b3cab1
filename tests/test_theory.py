"""Divergences, transport and optimal discriminators against closed forms and known bounds."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from gan_lessons import theory
from gan_lessons.distributions import Mixture, Mixture1D, Normal, Uniform
from gan_lessons.errors import InputError
from gan_lessons.objectives import OBJECTIVES

quick = settings(deadline=None, max_examples=25)
means = st.floats(-3, 3)
widths = st.floats(0.2, 3)
LINE = ((-40.0, 40.0),)
PLANE = ((-9.0, 11.0), (-9.0, 11.0))
# Sizes of hypothesis's samples stay small: what is tested is exact.
samples = st.lists(st.floats(-100, 100), min_size=1, max_size=12)
DIVERGENCES = (
    theory.kl, theory.js, theory.total_variation, theory.chi2, theory.hellinger2
)  # fmt: skip


def gaussian(mean, std):
    """The log density of N(mean, std^2 I) in float64, in any dimension."""
    centre = np.atleast_1d(np.asarray(mean, float))

    def log_density(x):
        z = (x - centre) / std
        return -(z**2).sum(axis=1) / 2 - len(centre) * math.log(std * math.sqrt(2 * math.pi))

    return log_density


def uniform(low, high):
    def log_density(x):
        inside = ((x >= low) & (x <= high)).all(axis=1)
        return np.where(inside, -x.shape[1] * math.log(high - low), -np.inf)

    return log_density


def blend(log_p, log_q, share):
    return lambda x: np.logaddexp(math.log(share) + log_p(x), math.log1p(-share) + log_q(x))


# ---- quadrature


@pytest.mark.parametrize(
    ("f", "low", "high", "truth"),
    [
        (np.sin, 0.0, math.pi, 2.0),
        (np.exp, -1.0, 2.0, math.exp(2) - math.exp(-1)),
        (lambda x: x**3, 0.0, 2.0, 4.0),
        (lambda x: np.abs(x - 0.3), 0.0, 1.0, (0.09 + 0.49) / 2),
        (lambda x: np.sqrt(x), 0.0, 1.0, 2 / 3),
        (lambda x: (x > 1 / math.pi).astype(float), 0.0, 1.0, 1 - 1 / math.pi),
        (lambda x: np.cos(40 * x), 0.0, 1.0, math.sin(40) / 40),
    ],
)
def test_the_error_estimate_bounds_the_error(f, low, high, truth):
    for n in (41, 400, 4001):
        value, error = theory.integrate(f, low, high, n)
        assert abs(value - truth) <= error
        assert error < 30 / n


@quick
@given(
    st.floats(0.05, 0.95),
    st.sampled_from([0, 1]),
    st.floats(-5, 5),
    st.floats(-5, 5),
    st.integers(5, 300),
)
def test_the_error_estimate_bounds_it_for_any_jump_or_kink_of_a_line(at, power, size, slope, n):
    truth = size * (1 - at) ** (1 + power) / (1 + power) + slope / 2
    found = theory.integrate(lambda x: size * (x - at) ** power * (x > at) + slope * x, 0, 1, n)
    assert abs(found.value - truth) <= found.error + 1e-12


def test_integrals_in_the_plane():
    box = ((0.0, 1.0), (0.0, 2.0))
    smooth = theory.integrate_2d(lambda x: x[:, 0] ** 3 * x[:, 1], box)
    assert float(smooth) == smooth.value == pytest.approx(0.5, rel=1e-12)
    disc = theory.integrate_2d(lambda x: ((x**2).sum(axis=1) < 1).astype(float), box)
    assert abs(disc.value - math.pi / 4) <= disc.error < 0.02
    oblong = theory.integrate_2d(lambda x: np.exp(-(x**2).sum(axis=1)), ((-9, 9), (-7, 8)), n=201)
    assert oblong.value == pytest.approx(math.pi, rel=1e-9)


# ---- Gaussians, closed forms


@pytest.mark.parametrize(("m", "known"), [(1, 0.111421), (2, 0.336831), (3, 0.526777)])
def test_js_of_shifted_gaussians(m, known):
    found = theory.js(gaussian(0, 1), gaussian(m, 1), LINE)
    assert found.value == pytest.approx(known, abs=5e-7)
    assert found.error < 1e-6
    assert theory.v_star(gaussian(0, 1), gaussian(m, 1), LINE).value == pytest.approx(
        2 * known - math.log(4), abs=1e-6
    )


@quick
@given(means, widths, means, widths)
def test_gaussians_on_the_line(m1, s1, m2, s2):
    p, q = gaussian(m1, s1), gaussian(m2, s2)
    close = {"rel": 1e-5, "abs": 1e-9}
    for found, truth in (
        (theory.kl(p, q, LINE), theory.kl_gaussians(m1, s1, m2, s2)),
        (theory.kl(q, p, LINE), theory.kl_gaussians(m2, s2, m1, s1)),
        (theory.hellinger2(p, q, LINE), theory.hellinger2_gaussians(m1, s1, m2, s2)),
    ):
        assert found.value == pytest.approx(truth, **close)
        assert abs(found.value - truth) <= found.error + 1e-13
    w1 = theory.w1_gaussians(m1, s1, m2, s2)
    by_quantile = theory.w1_quantile(lambda u: m1 + s1 * ndtri(u), lambda u: m2 + s2 * ndtri(u))
    by_cdf = theory.w1_cdf(lambda x: ndtr((x - m1) / s1), lambda x: ndtr((x - m2) / s2), *LINE[0])
    assert by_quantile.value == pytest.approx(w1, rel=1e-4, abs=1e-9)
    assert by_cdf.value == pytest.approx(w1, rel=1e-4, abs=1e-9)


@quick
@given(st.floats(0.05, 4), widths)
def test_gaussians_of_one_width(m, s):
    p, q = gaussian(0, s), gaussian(m, s)
    apart, truth = theory.total_variation(p, q, LINE, n=20_001), 2 * ndtr(m / (2 * s)) - 1
    assert apart.value == pytest.approx(truth, rel=1e-4)
    assert abs(apart.value - truth) <= apart.error
    if m / s < 5:
        exact = math.expm1((m / s) ** 2)
        assert theory.chi2(p, q, LINE).value == pytest.approx(exact, rel=1e-4)
    assert theory.w1_gaussians(0, s, m, s) == m


def test_gaussians_in_the_plane():
    p, q = gaussian((0, 0), 1), gaussian((1, 2), 1)
    assert theory.kl(p, q, PLANE).value == pytest.approx(2.5, rel=1e-6)
    line = theory.js(gaussian(0, 1), gaussian(math.sqrt(5), 1), LINE)
    assert theory.js(p, q, PLANE).value == pytest.approx(line.value, rel=1e-6)
    apart = theory.total_variation(p, q, PLANE)
    truth = 2 * ndtr(math.sqrt(5) / 2) - 1
    assert apart.value == pytest.approx(truth, rel=1e-4)
    assert abs(apart.value - truth) <= apart.error


def test_densities_of_the_package_are_good_to_five_digits():
    p, q = Mixture1D((0.0,), (1.0,)), Mixture1D((2.0,), (0.5,))
    found = theory.kl(p.log_prob, q.log_prob, LINE)
    assert found.value == pytest.approx(theory.kl_gaussians(0, 1, 2, 0.5), rel=1e-5)
    assert abs(found.value - theory.kl_gaussians(0, 1, 2, 0.5)) <= found.error
    plane = theory.kl(Normal().log_prob, Mixture(((1.0, 0.0),), (1.0,)).log_prob, PLANE)
    assert plane.value == pytest.approx(0.5, rel=1e-5)


# ---- properties


@quick
@given(means, widths, means, widths)
def test_divergences_keep_their_ranges(m1, s1, m2, s2):
    p, q = gaussian(m1, s1), gaussian(m2, s2)
    kl, js, tv, chi2, hellinger = (d(p, q, LINE).value for d in DIVERGENCES)
    assert 0 <= js <= math.log(2)
    assert 0 <= hellinger <= tv + 1e-4 <= 1 + 1e-4
    assert tv <= math.sqrt(2 * hellinger) + 1e-4
    assert 2 * tv**2 <= kl + 1e-3  # Pinsker
    assert kl <= math.log1p(chi2) * (1 + 1e-6) + 1e-9
    for symmetric in (theory.js, theory.total_variation, theory.hellinger2):
        assert symmetric(q, p, LINE).value == pytest.approx(symmetric(p, q, LINE).value, abs=1e-9)
    for divergence in DIVERGENCES:
        assert divergence(p, p, LINE).value == pytest.approx(0, abs=1e-12)


@quick
@given(means, widths, st.floats(0.05, 1))
def test_noise_hides_differences(m, s, noise):
    """Data processing: adding the same noise to both brings no divergence up."""
    blurred = [math.hypot(std, noise) for std in (1, s)]
    for divergence in DIVERGENCES[:3]:
        before = divergence(gaussian(0, 1), gaussian(m, s), LINE)
        after = divergence(gaussian(0, blurred[0]), gaussian(m, blurred[1]), LINE)
        assert after.value <= before.value + before.error + after.error


@quick
@given(means, widths)
def test_divergences_do_not_see_a_change_of_unit(m, s):
    wide = ((-400.0, 400.0),)
    for divergence in DIVERGENCES[:3]:
        before = divergence(gaussian(0, 1), gaussian(m, s), LINE)
        after = divergence(gaussian(5, 10), gaussian(10 * m + 5, 10 * s), wide)
        assert after.value == pytest.approx(before.value, abs=before.error + after.error + 1e-9)


@pytest.mark.parametrize(
    ("f", "named"),
    [
        (lambda u: u * np.log(u), theory.kl),
        (lambda u: -np.log(u), lambda p, q, box: theory.kl(q, p, box)),
        (lambda u: np.abs(u - 1) / 2, theory.total_variation),
        (lambda u: (u - 1) ** 2, theory.chi2),
        (lambda u: (np.sqrt(u) - 1) ** 2 / 2, theory.hellinger2),
        (lambda u: (u * np.log(u) - (u + 1) * np.log((u + 1) / 2)) / 2, theory.js),
    ],
)
def test_any_f_gives_what_its_name_gives(f, named):
    box = ((-10.0, 10.0),)
    for p, q in (
        (gaussian(0, 1), gaussian(1, 2)),
        (gaussian(0, 0.3), gaussian(3, 0.3)),
        (uniform(0, 1), gaussian(0, 1)),
        (gaussian(0, 1), uniform(0, 1)),
        (uniform(0, 2), uniform(1, 3)),
    ):
        general, special = theory.f_divergence(f, p, q, box), named(p, q, box)
        assert general.value == pytest.approx(special.value, rel=1e-9, abs=1e-12)


# ---- the edges


def test_disjoint_supports():
    p, q = uniform(0, 1), uniform(2, 3)
    box = ((-1.0, 4.0),)
    assert theory.kl(p, q, box) == (math.inf, 0.0)
    assert theory.chi2(p, q, box).value == math.inf
    for divergence, most in (
        (theory.js, math.log(2)), (theory.total_variation, 1), (theory.hellinger2, 1)
    ):  # fmt: skip
        found = divergence(p, q, box)
        assert abs(found.value - most) <= found.error < 0.01


def test_kl_needs_only_the_support_of_p():
    found = theory.kl(uniform(0, 1), uniform(0, 2), ((-0.5, 1.5),))
    assert abs(found.value - math.log(2)) <= found.error < 0.01
    assert theory.kl(uniform(0, 2), uniform(0, 1), ((-0.5, 2.5),)).value == math.inf


def test_nothing_overflows_far_apart():
    p, q = gaussian(-10, 0.1), gaussian(10, 0.1)
    assert theory.kl(p, q, LINE).value == pytest.approx(20_000, rel=1e-6)
    assert theory.chi2(p, q, LINE).value == math.inf
    assert theory.js(p, q, LINE).value == pytest.approx(math.log(2), rel=1e-9)
    for f in (lambda u: u * np.log(u), lambda u: (u - 1) ** 2):
        with pytest.raises(InputError, match="instead"):
            theory.f_divergence(f, p, q, LINE)


def test_the_plane_has_edges_too():
    found = theory.kl(Uniform().log_prob, Normal().log_prob, ((-2, 2), (-2, 2)), n=801)
    truth = 2 * (math.log(math.sqrt(2 * math.pi) / 2) + 1 / 6)
    assert abs(found.value - truth) <= found.error < 0.05


# ---- the discriminator


def test_the_optimal_discriminator():
    p, q = gaussian(0, 1), gaussian(1, 1)
    x = np.array([[-400.0], [0.5], [2.0], [400.0]])
    assert theory.optimal_discriminator(p, q, x) == pytest.approx(
        [1, 0.5, 1 / (1 + math.exp(1.5)), 0]
    )
    nowhere = theory.optimal_discriminator(uniform(0, 1), uniform(1, 2), np.array([[5.0], [0.5]]))
    assert nowhere.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("name", [name for name, o in OBJECTIVES.items() if o.optimum])
def test_optimal_logits_are_those_of_the_objectives(name):
    p, q = Mixture1D((0.0,), (1.0,)), Mixture1D((1.0,), (2.0,))
    x = np.linspace(-3, 3, 7)[:, None]
    expected = OBJECTIVES[name].optimal_logit(p.log_prob(x), q.log_prob(x))
    found = theory.optimal_logit(name, p.log_prob, q.log_prob, x)
    assert found == pytest.approx(np.asarray(expected), abs=1e-5)


def test_v_is_best_at_the_optimal_discriminator():
    p, q = gaussian(0, 1), gaussian(1, 2)
    best = theory.value(p, q, lambda x: theory.log_ratio(p, q, x), LINE)
    star = theory.v_star(p, q, LINE)
    assert best.value == pytest.approx(star.value, abs=best.error + star.error)
    for other in (lambda x: 0 * x[:, 0], lambda x: x[:, 0], lambda x: -1000 * x[:, 0]):
        assert theory.value(p, q, other, LINE).value < best.value
    blind = theory.value(p, q, lambda x: jnp.zeros(len(x)), LINE)
    assert blind.value == pytest.approx(-math.log(4))


def test_v_of_a_certain_discriminator():
    p, q = uniform(0, 1), uniform(2, 3)
    certain = lambda x: np.where(x[:, 0] < 1.5, np.inf, -np.inf)  # noqa: E731
    assert theory.value(p, q, certain, ((-1.0, 4.0),)).value == 0
    assert theory.value(q, p, certain, ((-1.0, 4.0),)).value == -math.inf


# ---- Wasserstein


@quick
@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_equal_sizes_pair_in_order(n, seed):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    in_order = np.abs(np.sort(x) - np.sort(y)).mean()
    assert theory.w1_samples(x, y) == pytest.approx(in_order)
    assert theory.w1_samples(jnp.asarray(x)[:, None], y) == pytest.approx(in_order, rel=1e-5)


@quick
@given(samples, samples)
def test_plans_cost_what_sorting_says(x, y):
    found = theory.w1_plan(x, y)
    assert found.distance == pytest.approx(theory.w1_samples(x, y), rel=1e-6, abs=1e-6)
    assert found.plan.sum(axis=1) == pytest.approx(np.full(len(x), 1 / len(x)))
    assert found.plan.sum(axis=0) == pytest.approx(np.full(len(y), 1 / len(y)))


def test_plans_with_weights_in_the_plane():
    x, y = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [4.0, 4.0]])
    found = theory.w1_plan(x, y, weights_x=[3, 1], weights_y=[1, 1])
    assert found.plan == pytest.approx(np.array([[0.5, 0.25], [0, 0.25]]), abs=1e-9)
    assert found.distance == pytest.approx(0.5 + 0.25 * math.hypot(4, 4) + 0.25 * 5)
    far = theory.w1_plan(x + 1e6, x, None, [1, 1]).distance
    assert far == pytest.approx(1e6 * math.sqrt(2), rel=1e-6)


def test_pairs_are_found_as_by_the_linear_programme():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, 2))
    paired = theory.w1_plan(x, y)
    twice = theory.w1_plan(np.repeat(x, 2, axis=0), y, [1, 1] * 20)  # not square: a programme
    assert paired.distance == pytest.approx(twice.distance, rel=1e-9)
    assert sorted(np.flatnonzero(paired.plan) // 20) == list(range(20))
    many = rng.normal(size=(400, 2))  # a programme would be too large
    assert theory.w1_plan(many, many + np.array([3.0, 4.0])).distance == pytest.approx(5)


def test_samples_come_near_the_closed_form():
    rng = np.random.default_rng(1)
    found = theory.w1_samples(rng.normal(size=40_000), 1 + 2 * rng.normal(size=30_000))
    assert found == pytest.approx(theory.w1_gaussians(0, 1, 1, 2), abs=0.05)


# ---- what is wrong is said


GOOD = gaussian(0, 1)
BOXES: list = [
    ((1, -1),),
    ((0, 0),),
    ((0, math.nan),),
    ((0, math.inf),),
    ((0, 1),) * 3,
    "box",
    None,
]
BOXES += [((0, 1, 2),), ()]
REFUSED = {
    "low < high": [lambda box=box: theory.js(GOOD, GOOD, box) for box in BOXES]
    + [lambda: theory.integrate(np.sin, 1, 0)],
    "integrates to": [
        lambda: theory.js(GOOD, gaussian(60, 1), LINE),
        lambda: theory.js(lambda x: GOOD(x) + 1, GOOD, LINE),
        lambda: theory.js(gaussian(0.005, 1e-4), GOOD, LINE),
    ],
    "NaN": [
        lambda: theory.js(lambda x: np.full(len(x), np.nan), GOOD, LINE),
        lambda: theory.integrate(lambda x: np.full_like(x, np.nan), 0, 1),
        lambda: theory.w1_quantile(lambda u: np.full_like(u, np.nan), ndtri),
        lambda: theory.w1_samples([1, math.nan], [1]),
        lambda: theory.w1_plan([1e200], [1]),
    ],
    "one number a point": [
        lambda: theory.js(lambda x: x, GOOD, LINE),
        lambda: theory.integrate(lambda x: 1.0, 0, 1),
        lambda: theory.value(GOOD, GOOD, lambda x: x, LINE),
    ],
    "point mass": [lambda: theory.js(GOOD, lambda x: np.full(len(x), np.inf), LINE)],
    "no value": [lambda: theory.integrate(lambda x: np.where(x > 0, np.inf, -np.inf), -1, 1)],
    "n must be": [
        lambda: theory.integrate(np.sin, 0, 1, n=3),
        lambda: theory.integrate_2d(lambda x: x[:, 0], ((0, 1), (0, 1)), n=10**6),
    ],
    "integrate_2d": [lambda: theory.integrate_2d(lambda x: x[:, 0], ((0, 1),))],
    "0 at 1": [lambda: theory.f_divergence(lambda u: u, GOOD, GOOD, LINE)],
    "minimax": [
        lambda: theory.optimal_logit("wasserstein", GOOD, GOOD, np.zeros((2, 1))),
        lambda: theory.optimal_logit("minmax", GOOD, GOOD, np.zeros((2, 1))),
    ],
    "not empty": [lambda: theory.w1_samples([], [1]), lambda: theory.w1_samples(3.0, [1])],
    "array of numbers": [lambda: theory.w1_samples("abc", [1])],
    "column": [
        lambda: theory.w1_samples(np.zeros((3, 2)), [1]),
        lambda: theory.w1_plan(np.zeros((3, 2)), np.zeros((3, 1))),
    ],
    "entries": [
        lambda: theory.w1_plan(np.zeros((1000, 2)), np.zeros((999, 2))),
        lambda: theory.w1_plan(np.zeros((1001, 2)), np.zeros((1001, 2))),
    ],
    "one for each point": [
        lambda: theory.w1_plan([1, 2], [1, 2], weights_x=[1, -1]),
        lambda: theory.w1_plan([1, 2], [1, 2], weights_x=[0, 0]),
        lambda: theory.w1_plan([1, 2], [1, 2], weights_y=[1, 1, 1]),
        lambda: theory.w1_plan([1, 2], [1, 2], weights_y=[1, math.nan]),
    ],
    "standard deviation": [
        lambda: theory.kl_gaussians(0, 0, 0, 1),
        lambda: theory.w1_gaussians(0, 1, 0, -1),
        lambda: theory.hellinger2_gaussians(0, 1, 0, math.nan),
    ],
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_in_a_sentence(words):
    for call in REFUSED[words]:
        with pytest.raises(InputError, match=words):
            call()
