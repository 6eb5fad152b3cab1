"""Every objective against its divergence, by quadrature; penalties against closed forms."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from scipy.optimize import minimize_scalar
from scipy.special import erf

from gan_lessons import objectives
from gan_lessons.errors import InputError
from gan_lessons.objectives import NAMES, OBJECTIVES, PENALTIES, objective

JS = {1: 0.111421, 2: 0.336831, 3: 0.526777}  # N(0, 1) against N(m, 1), SCIENCE section 3
POINTWISE = ("minimax", "non_saturating", "least_squares", "hinge")
PAIRED = ("relativistic", "relativistic_average")
KEY = jax.random.key(0)
quick = settings(deadline=None, max_examples=25)
few = settings(deadline=None, max_examples=8)


def normal(x, mean=0.0, std=1.0):
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))


def bells(m, n=4000):
    """Midpoints symmetric about m/2, where p = q; the width of a cell; log p and log q there."""
    edges = np.linspace(m / 2 - 10, m / 2 + 10, n + 1)
    x = (edges[1:] + edges[:-1]) / 2
    return x, 20 / n, normal(x), normal(x, m)


def best_logit(name, log_p, log_q):
    log_p, log_q = jnp.asarray(log_p, jnp.float32), jnp.asarray(log_q, jnp.float32)
    return objective(name).optimal_logit(log_p, log_q)


@jax.jit
def single(real, fake):
    """Every objective's (d_loss, g_loss) of one real and one fake logit, over pairs of them."""
    losses = [jax.vmap(loss) for each in OBJECTIVES.values() for loss in (each.d_loss, each.g_loss)]
    return jnp.stack([loss(real[:, None], fake[:, None]) for loss in losses])


def losses(name, real, fake, player=0):
    """One player's loss of each pair of logits, in float64."""
    rows = single(jnp.asarray(real, jnp.float32), jnp.asarray(fake, jnp.float32))
    return np.asarray(rows[2 * NAMES.index(name) + player], np.float64)


def expected(name, logit, p, q, player=0):
    """E_p E_q of a loss that is a sum over real and over fake; p, q are masses at the points."""
    zero = np.zeros_like(logit)
    at_real, at_fake = losses(name, logit, zero, player), losses(name, zero, logit, player)
    return p @ at_real + q @ at_fake - losses(name, zero[:1], zero[:1], player)[0]


def divergence(name, m):
    """What D's loss should be at its optimum, from formulas that share no code with ours."""
    _, h, log_p, log_q = bells(m)
    p, q = np.exp(log_p), np.exp(log_q)
    if name == "least_squares":
        return 1 - 0.5 * h * ((p - q) ** 2 / (p + q)).sum()
    if name == "hinge":
        return 2 - 2 * erf(m / (2 * math.sqrt(2)))
    return math.log(4) - 2 * JS[m]


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("name", POINTWISE)
def test_discriminator_loss_at_its_optimum_is_the_divergence(name, m):
    _, h, log_p, log_q = bells(m)
    logit = np.asarray(best_logit(name, log_p, log_q))
    found = expected(name, logit, h * np.exp(log_p), h * np.exp(log_q))
    assert found == pytest.approx(divergence(name, m), abs=4e-6)


def pair_masses(m, n=400):
    """p(x) q(y) on a grid of pairs, and the log ratio at each point."""
    _, h, log_p, log_q = bells(m, n)
    return h * h * np.exp(log_p)[:, None] * np.exp(log_q)[None], log_p - log_q


def relativistic_loss(logit, masses):
    pairs = np.broadcast_arrays(logit[:, None], logit[None])
    values = losses("relativistic", *(side.ravel() for side in pairs))
    return masses.ravel() @ values


@pytest.mark.parametrize("m", [1, 2, 3])
def test_relativistic_loss_at_its_optimum_is_log_2_less_js_of_the_pairs(m):
    a, ratio = pair_masses(m)
    b = a.T  # q(x) p(y)
    half = 0.5 * (a + b)
    js = 0.5 * (a * np.log(a / half) + b * np.log(b / half)).sum()
    assert relativistic_loss(ratio, a) == pytest.approx(math.log(2) - js, abs=4e-6)
    shifted = np.asarray(best_logit("relativistic", ratio, 0 * ratio)) + 3.0
    assert relativistic_loss(shifted, a) == pytest.approx(math.log(2) - js, abs=4e-6)


@few
@given(st.floats(-2, 2), st.floats(0.2, 3), st.sampled_from([-1.0, -0.1, 0.1, 1.0]))
def test_no_other_relativistic_critic_does_better(shift, frequency, size):
    masses, ratio = pair_masses(2, 100)
    x = bells(2, 100)[0]
    other = ratio + size * np.sin(frequency * x + shift)
    assert relativistic_loss(other, masses) >= relativistic_loss(ratio, masses) - 1e-6


@pytest.mark.parametrize("m", [1, 2, 3])
def test_wasserstein_with_a_lipschitz_critic_measures_the_distance(m):
    x, h, log_p, log_q = bells(m)
    found = expected("wasserstein", -x, h * np.exp(log_p), h * np.exp(log_q))
    assert found == pytest.approx(-m, abs=1e-5)


@pytest.mark.parametrize("name", POINTWISE)
@few
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_optimal_logit_is_the_pointwise_optimum(name, log_p, log_q):
    p, q = math.exp(log_p), math.exp(log_q)
    grid = np.linspace(-8, 8, 1601)
    zero = np.zeros_like(grid)
    cost = p * losses(name, grid, zero) + q * losses(name, zero, grid)
    best = best_logit(name, log_p, log_q)[None]
    ours = p * losses(name, best, zero[:1]) + q * losses(name, zero[:1], best)
    assert ours[0] <= cost.min() + 1e-6 * (1 + abs(cost.min()))
    if abs(log_p - log_q) > 0.1:  # where p = q every logit in [-1, 1] serves the hinge
        assert float(best[0]) == pytest.approx(grid[cost.argmin()], abs=0.06)


@jax.jit
def smoothed(logit, smoothing):
    """The minimax loss of D on a real and on a fake example alone, up to a constant."""
    t, zero, which = logit[None], jnp.zeros(1), jnp.int32(objectives.index("minimax"))
    return [objectives.d_slopes(which, *pair, smoothing)[0] for pair in ((t, zero), (zero, t))]


@quick
@given(st.floats(0.02, 0.98), st.floats(0, 0.9))
def test_smoothing_moves_the_optimum_to_a_share_of_the_data(data, smoothing):
    """D* = (1 - s) p / (p + q), with p = data and q = 1 - data."""

    def cost(logit):
        real, fake = smoothed(np.float32(logit), np.float32(smoothing))
        return float(data * real + (1 - data) * fake)

    found = minimize_scalar(cost, bounds=(-9, 9), method="bounded").x
    assert 1 / (1 + math.exp(-found)) == pytest.approx((1 - smoothing) * data, abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_at_equilibrium_nothing_is_left_to_gain(name):
    """Where q = p, D's best is a constant logit, and its loss is the stated reference line."""
    entry = objective(name)
    zero = jnp.zeros(6)
    assert float(entry.d_loss(zero, zero)) == pytest.approx(entry.equilibrium, abs=1e-6)
    slope = jax.grad(lambda logit: entry.d_loss(logit, logit))(zero)
    assert jnp.allclose(slope, 0, atol=1e-7)
    if entry.optimum is not None:
        assert float(best_logit(name, -1.3, -1.3)) == 0


@pytest.mark.parametrize("name", ["wasserstein", "relativistic_average"])
def test_where_there_is_no_closed_optimum_one_is_told(name):
    with pytest.raises(InputError, match=name):
        objective(name).optimal_logit(jnp.zeros(3), jnp.zeros(3))


# ---- gradients


def batch(seed, n=6, scale=1.7):
    return scale * jax.random.normal(jax.random.key(seed), (n,))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_against_finite_differences(name):
    entry = objective(name)
    both = jax.jit(lambda real, fake: (entry.d_loss(real, fake), entry.g_loss(real, fake)))
    check_grads(both, (batch(1), batch(2)), 1, ["rev"], atol=1e-2, rtol=1e-2, eps=1e-2)


LOGITS = [(1e4, 1e4), (1e4, -1e4), (-1e4, 1e4), (-1e4, -1e4), (0.0, 1e4), (-1e4, 0.0)]


@jax.jit
def values_and_gradients(which, real, fake):
    d = objectives.d_slopes(which, real, fake, 0.1)
    return d, objectives.g_slopes(which, real, fake)


@pytest.mark.parametrize("name", NAMES)
def test_huge_logits_give_finite_losses_and_gradients(name):
    which = jnp.int32(objectives.index(name))
    mixed = jnp.array([1e4, -1e4, 0.0, 3.0])
    cases = [(jnp.full(4, real), jnp.full(4, fake)) for real, fake in LOGITS]
    for real, fake in [*cases, (mixed, mixed), (mixed, -mixed), (mixed, jnp.roll(mixed, 1))]:
        for leaf in jax.tree.leaves(values_and_gradients(which, real, fake)):
            assert np.all(np.isfinite(leaf)), (real, fake)


@pytest.mark.parametrize("name", PAIRED)
def test_relativistic_losses_see_only_differences(name):
    entry, real, fake = objective(name), batch(3), batch(4)
    for loss in (entry.d_loss, entry.g_loss):
        assert float(loss(real + 5, fake + 5)) == pytest.approx(float(loss(real, fake)), rel=1e-5)
    # The players want the opposite, so swapping the batches swaps the losses.
    assert float(entry.g_loss(real, fake)) == pytest.approx(float(entry.d_loss(fake, real)))


def test_relativistic_average_compares_with_the_other_mean():
    real, fake = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0, -4.0])
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    by_hand = -np.log(sigmoid(real - fake.mean())).mean()
    by_hand -= np.log(1 - sigmoid(fake - real.mean())).mean()
    entry = objective("relativistic_average")
    found = entry.d_loss(jnp.asarray(real, jnp.float32), jnp.asarray(fake, jnp.float32))
    assert float(found) == pytest.approx(by_hand, rel=1e-6)


# A generator x = a + b z, so that q = N(a, b^2), against p, a mixture of two Gaussians.
Z = np.linspace(-9, 9, 3001)
MASS = np.exp(normal(Z)) * (Z[1] - Z[0])
THETA = np.array([0.4, 0.8])


def log_data(x, exp=np.exp, log=np.log):
    return log(0.6 * exp(normal(x, -0.7, 0.9)) + 0.4 * exp(normal(x, 1.5, 1.2)))


def kl_and_js(theta):
    """KL(q||p) and JS(p, q) by quadrature in float64."""
    x = np.linspace(-14, 14, 20001)
    h, log_p, log_q = x[1] - x[0], log_data(x), normal(x, *theta)
    log_half = np.logaddexp(log_p, log_q) - math.log(2)
    p, q = np.exp(log_p), np.exp(log_q)
    js = 0.5 * (p * (log_p - log_half) + q * (log_q - log_half)).sum() * h
    return np.array([(q * (log_q - log_p)).sum() * h, js])


@pytest.mark.parametrize(("name", "kl", "js"), [("minimax", 0, 2), ("non_saturating", 1, -2)])
def test_generator_gradient_at_the_optimal_discriminator(name, kl, js):
    """With D* frozen: that of 2 JS where it saturates, of KL(q||p) - 2 JS where it does not."""

    def generator_loss(theta):
        x = theta[0] + theta[1] * Z.astype(np.float32)
        frozen = log_data(x, jnp.exp, jnp.log) - normal(x, *THETA.tolist())
        each = jax.vmap(objective(name).g_loss)(0 * frozen[:, None], frozen[:, None])
        return (MASS.astype(np.float32) * each).sum()

    found = jax.jit(jax.grad(generator_loss))(jnp.asarray(THETA, jnp.float32))
    step = 1e-4 * np.eye(2)
    wanted = [(kl_and_js(THETA + s) - kl_and_js(THETA - s)) @ [kl, js] / 2e-4 for s in step]
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


def test_saturating_means_no_gradient_where_the_discriminator_wins():
    sure = jnp.full(4, -30.0)
    slopes = {name: jax.grad(objective(name).g_loss, 1)(sure, sure) for name in POINTWISE[:2]}
    assert jnp.abs(slopes["minimax"]).max() < 1e-12
    np.testing.assert_allclose(slopes["non_saturating"], -0.25, rtol=1e-6)


# ---- by number and by name


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None, None, None))
def by_number(which, real, fake, smoothing):
    d = objectives.d_slopes(which, real, fake, smoothing)[0]
    return d, objectives.g_slopes(which, real, fake)[0]


def test_losses_by_number_are_those_by_name():
    real, fake = batch(5), batch(6)
    d, g = by_number(jnp.arange(len(NAMES)), real, fake, 0.0)
    for name in NAMES:
        at = objectives.index(name)
        assert float(d[at]) == pytest.approx(float(objective(name).d_loss(real, fake)), rel=1e-6)
        assert float(g[at]) == pytest.approx(float(objective(name).g_loss(real, fake)), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_are_the_gradients_of_the_losses(name):
    """With label smoothing s the loss on probabilities grows by s times the mean real logit."""
    real, fake, entry = batch(5), batch(6), objective(name)
    (_, at_logits), (_, at_fake) = values_and_gradients(objectives.index(name), real, fake)
    extra = 0.1 * entry.log_loss

    def d_loss(real, fake):
        return entry.d_loss(real, fake) + extra * real.mean()

    for found, wanted in zip(at_logits, jax.grad(d_loss, (0, 1))(real, fake), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(at_fake, jax.grad(entry.g_loss, 1)(real, fake), rtol=1e-5, atol=1e-7)


def test_smoothing_touches_only_losses_on_probabilities():
    real, fake, which = batch(5), batch(6), jnp.arange(len(NAMES))
    smooth, plain = (by_number(which, real, fake, amount)[0] for amount in (0.25, 0.0))
    moved = {name for name, a, b in zip(NAMES, smooth, plain, strict=True) if a != b}
    assert moved == {"minimax", "non_saturating"}
    assert float(smooth[0] - plain[0]) == pytest.approx(0.25 * float(real.mean()), rel=1e-4)


def test_only_paired_losses_make_the_generator_look_at_real_data():
    real, fake = batch(5), batch(6)
    for name in NAMES:
        slope = jax.grad(objective(name).g_loss, 0)(real, fake)
        assert objective(name).pairs_batch == bool(jnp.any(slope != 0)) == (name in PAIRED)


@pytest.mark.parametrize("wrong", ["non_saturatin", "Hinge", "wasserstain", "", 3, None, ["hinge"]])
@pytest.mark.parametrize("ask", [objective, objectives.index])
def test_unknown_objectives(ask, wrong):
    with pytest.raises(InputError, match="unknown objective"):
        ask(wrong)


@pytest.mark.parametrize(
    ("ask", "wrong", "meant"),
    [
        (objective, "non-saturating", "non_saturating"),
        (objectives.index, "wasserstien", "wasserstein"),
        (objective, "least_square", "least_squares"),
        (objectives.penalty, "wgangp", "wgan_gp"),
        (objectives.penalty, "r_1", "r1"),
    ],
)
def test_the_nearest_name_is_suggested(ask, wrong, meant):
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        ask(wrong)


# ---- penalties

REAL = jax.random.normal(jax.random.key(7), (16, 3))
FAKE = 2 * jax.random.normal(jax.random.key(8), (16, 3)) + 1


@quick
@given(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3))
def test_penalties_of_a_linear_critic(weights):
    w = jnp.array(weights, jnp.float32)
    square = float(np.square(np.array(weights)).sum())
    for name in ("r1", "r2", "zero_gp"):
        found = PENALTIES[name](lambda x: x @ w, REAL, FAKE, KEY)
        assert float(found) == pytest.approx(square / 2, rel=1e-5, abs=1e-9)
    found = PENALTIES["wgan_gp"](lambda x: x @ w, REAL, FAKE, KEY)
    assert float(found) == pytest.approx((math.sqrt(square) - 1) ** 2, rel=1e-4, abs=5e-6)


CURVE = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]], np.float32)


def bowl(x):
    """D(x) = x A x / 2, whose slope at x is A x."""
    return 0.5 * ((x @ CURVE) * x).sum(1)


def squares(points):
    return (np.asarray(points, np.float64) @ CURVE) ** 2 @ np.ones(3)


def test_penalties_of_a_quadratic_critic():
    mixed = objectives.between(REAL, FAKE, KEY)
    at = {"r1": REAL, "r2": FAKE, "zero_gp": mixed}
    for name, points in at.items():
        found = float(PENALTIES[name](bowl, REAL, FAKE, KEY))
        assert found == pytest.approx(0.5 * squares(points).mean(), rel=1e-5), name
    found = float(PENALTIES["wgan_gp"](bowl, REAL, FAKE, KEY))
    assert found == pytest.approx(((np.sqrt(squares(mixed)) - 1) ** 2).mean(), rel=1e-5)


def test_interpolates_lie_uniformly_on_the_segments():
    real, fake = jnp.zeros((4000, 2)), jnp.ones((4000, 2)) * jnp.array([[1.0, -2.0]])
    points = objectives.between(real, fake, KEY)
    np.testing.assert_allclose(points[:, 1], -2 * points[:, 0], rtol=1e-6)
    counts, _ = np.histogram(points[:, 0], bins=10, range=(0, 1))
    assert counts.sum() == 4000
    assert ((counts - 400) ** 2 / 400).sum() < 28  # chi-square with 9 degrees, 0.999


def critic_penalty(name, weights):
    def critic(x):
        return jnp.tanh(x @ weights["in"]) @ weights["out"]

    return PENALTIES[name](critic, REAL, FAKE, KEY)


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_of_penalties_against_finite_differences(name):
    weights = {"in": jnp.array(CURVE), "out": jnp.array([1.0, -0.5, 0.8])}
    penalty = jax.jit(lambda weights: critic_penalty(name, weights))
    check_grads(penalty, (weights,), 1, ["rev"], atol=1e-2, rtol=1e-2, eps=1e-2)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_flat_critic_has_a_finite_penalty_and_gradient(name):
    value, slope = jax.value_and_grad(lambda w: critic_penalty(name, w))(
        {"in": jnp.zeros((3, 3)), "out": jnp.zeros(3)}
    )
    assert float(value) == pytest.approx(1 if name == "wgan_gp" else 0, abs=1e-5)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope))
