"""Games with few parameters against closed forms, finite differences and known distances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lessons import dynamics
from gan_lessons.dynamics import GAMES, INTEGRATORS, Dirac, Linear, steps
from gan_lessons.errors import InputError
from gan_lessons.objectives import NAMES

SMOOTH = [name for name, method in INTEGRATORS.items() if method.smooth]
every_game = pytest.mark.parametrize("name", GAMES)


def roots(middle: float, square: float) -> np.ndarray:
    """middle ± sqrt(square), complex."""
    return middle + np.array([1, -1]) * np.sqrt(complex(square))


def same_set(given: np.ndarray, wanted: np.ndarray, tol: float = 1e-6) -> bool:
    def order(z: complex) -> tuple[float, float]:
        return round(z.real, 5), round(z.imag, 5)

    return np.allclose(sorted(given, key=order), sorted(wanted, key=order), atol=tol)


# ---- fields


@every_game
def test_fields_and_jacobians_agree_with_finite_differences(name: str) -> None:
    for w in np.random.default_rng(0).normal(size=(5, 2)):
        sides = [dynamics.vector_field(name, w + step) for step in 1e-6 * np.eye(2)]
        back = [dynamics.vector_field(name, w - step) for step in 1e-6 * np.eye(2)]
        slopes = (np.array(sides) - np.array(back)).T / 2e-6
        assert np.allclose(dynamics.jacobian(name, w), slopes, atol=1e-6)


def test_the_dirac_gan_is_the_published_one() -> None:
    for theta, psi in np.random.default_rng(1).normal(size=(9, 2)):
        slope = 1 / (1 + np.exp(psi * theta))  # f'(psi theta)
        assert np.allclose(
            dynamics.vector_field("gan", (theta, psi)), [-slope * psi, slope * theta]
        )
        assert np.allclose(dynamics.vector_field("wgan", (theta, psi)), [-psi, theta])
        assert np.allclose(
            dynamics.vector_field("non_saturating", (theta, psi)),
            [-psi / (1 + np.exp(-psi * theta)), slope * theta],
        )


@pytest.mark.parametrize("objective", NAMES)
def test_the_field_is_minus_the_slope_of_the_losses(objective: str) -> None:
    game, w, h = Dirac(objective, r1=0.4, noise=0.3), np.array([0.6, -0.5]), 1e-3
    around = jnp.float32(w[:, None] + h * np.array([[1, -1, 0, 0], [0, 0, 1, -1]]))
    g, d = jax.jit(jax.vmap(game.losses))(*around)
    slopes = jnp.stack([g[0] - g[1], d[2] - d[3]]) / (2 * h)
    assert np.allclose(dynamics.vector_field(game, w), -slopes, atol=2e-3)


def test_noise_is_gaussian_enough() -> None:
    z = np.random.default_rng(0).normal(size=(2, 1_000_000))
    logit = -0.8 * (0.5 + 0.7 * z[1])
    slopes = 1 / (1 + np.exp(-logit))  # of sp at the fake logits
    exact = np.mean(slopes) * -0.8
    assert abs(dynamics.vector_field(Dirac(noise=0.7), (0.5, 0.8))[0] - exact) < 3e-3


def test_the_place_of_the_data_only_shifts_the_game() -> None:
    shifted = dynamics.trajectory(Dirac(r1=0.3, place=2.0), "alternating", (3.0, 1.0))
    plain = dynamics.trajectory(Dirac(r1=0.3), "alternating", (1.0, 1.0))
    assert np.allclose(shifted - np.array([2.0, 0.0]), plain)
    assert np.allclose(
        dynamics.distance(Dirac(place=2.0), shifted), dynamics.distance("gan", plain)
    )


# ---- eigenvalues in continuous time


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bilinear", [1j, -1j]),
        ("gan", [0.5j, -0.5j]),
        ("non_saturating", [0.5j, -0.5j]),
        ("relativistic", [0.5j, -0.5j]),
        ("wgan", [1j, -1j]),
        ("wgan_clip", [1j, -1j]),
        ("hinge", [1j, -1j]),
        ("least_squares", [0, 0]),
        ("gan_r1_critical", [-0.5, -0.5]),
    ],
)
def test_eigenvalues_by_name(name: str, wanted: list[complex]) -> None:
    assert same_set(dynamics.eigenvalues(name), wanted)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 3))
def test_eigenvalues_by_formula(weight: float) -> None:
    forms = {
        Dirac(r1=weight): roots(-weight / 2, weight**2 / 4 - 1 / 4),
        Dirac("non_saturating", r1=weight): roots(-weight / 2, weight**2 / 4 - 1 / 4),
        Dirac("wasserstein", r1=weight): roots(-weight / 2, weight**2 / 4 - 1),
        Dirac(noise=weight): roots(-(weight**2) / 4, (weight**4 - 4) / 16),
        Dirac(consensus=weight): roots(-weight / 4, -1 / 4),
        Dirac(decay=weight): roots(-weight, -1 / 4),
    }
    for game, wanted in forms.items():
        assert same_set(dynamics.eigenvalues(game), wanted), game


def test_no_jacobian_no_eigenvalues() -> None:
    assert np.isnan(dynamics.eigenvalues("wgan_gp")).all()
    assert np.isfinite(dynamics.eigenvalues("wgan_gp", at=(0.3, 0.7))).all()
    assert np.isnan(dynamics.spectral_radius("wgan_gp", "simultaneous", 0.1))
    assert np.isnan(dynamics.step_eigenvalues("gan", "adam", 0.1)).all()


# ---- eigenvalues of steps


def radius(game: object, method: str, h: object) -> float:
    return dynamics.spectral_radius(game, method, h)


@pytest.mark.parametrize("h", [0.05, 0.2, 0.5, 0.9, 1.3])
def test_radii_of_steps_by_formula(h: float) -> None:
    assert radius("gan", "simultaneous", h) == pytest.approx(np.sqrt(1 + h**2 / 4), abs=1e-6)
    assert radius("bilinear", "simultaneous", h) == pytest.approx(np.sqrt(1 + h**2), abs=1e-6)
    assert radius("bilinear", "extragradient", h) == pytest.approx(
        np.sqrt(1 - h**2 + h**4), abs=1e-6
    )
    flow = 1 + 1j * h - h**2 / 2 - 1j * h**3 / 6 + h**4 / 24
    assert radius("bilinear", "runge_kutta", h) == pytest.approx(abs(flow), abs=1e-6)
    assert radius("gan", "consensus", h) == pytest.approx(abs(1 - h / 4 + 1j * h / 2), abs=1e-6)
    for method, beta in (("momentum", 0.5), ("negative_momentum", -0.5)):
        z = np.roots([1, -(1 + beta + 1j * h), beta])
        assert radius("bilinear", method, h) == pytest.approx(np.abs(z).max(), abs=1e-6)
    z = np.roots([1, -(1 + 2j * h), 1j * h])
    assert radius("bilinear", "optimistic", h) == pytest.approx(np.abs(z).max(), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 0.99), st.floats(0.5, 1.5))
def test_r1_is_stable_up_to_four_gamma(gamma: float, share: float) -> None:
    stable = radius(Dirac(r1=gamma), "simultaneous", 4 * gamma * share) < 1
    assert stable == (share < 1) or abs(share - 1) < 1e-6


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 8), st.floats(0.1, 8))
def test_alternating_steps_lie_on_the_circle_up_to_four(h_g: float, h_d: float) -> None:
    found = radius("gan", "alternating", (h_g, h_d))
    if h_g * h_d < 15.99:
        assert found == pytest.approx(1, abs=1e-6)
    elif h_g * h_d > 16.01:
        assert found > 1
    assert radius("gan", "alternating", 4.1) == pytest.approx(1.5625, abs=1e-6)


def test_optimism_is_stable_below_one_over_root_three() -> None:
    edge = 1 / np.sqrt(3)
    assert radius("bilinear", "optimistic", 0.999 * edge) < 1
    assert radius("bilinear", "optimistic", 1.001 * edge) > 1
    assert radius("bilinear", "optimistic", 0.5) == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert (
        radius("bilinear", "extragradient", 0.999) < 1 < radius("bilinear", "extragradient", 1.001)
    )


def test_negative_momentum_helps_only_in_turns() -> None:
    for h in (0.05, 0.2, 0.8):
        assert radius("bilinear", "negative_momentum", h) > 1
        assert radius("bilinear", "alternating_negative", h) < 1


@pytest.mark.parametrize("method", SMOOTH)
def test_a_trajectory_shrinks_as_the_radius_says(method: str) -> None:
    heavy = [Dirac(r1=0.2, noise=0.5, consensus=0.3)] if method == "simultaneous" else []
    for game in ("gan", "gan_r1", *heavy):  # all but the heavy one share a compiled program
        h, n = (0.5, 0.7), 60
        path = dynamics.trajectory(game, method, (1e-7, 1e-7), h)[: n + 1]
        far = dynamics.distance(game, path)
        rate = (far[n // 2 :].max() / far[: n // 2].max()) ** (2 / n)
        assert rate == pytest.approx(radius(game, method, h), abs=0.03)


# ---- trajectories


@pytest.mark.parametrize(
    ("game", "simultaneous", "alternating"),
    [
        ("gan", 3.10, 1.42),
        ("non_saturating", 0.640, 0.284),
        ("wgan_clip", 1.00, 1.02),
        ("wgan_gp", 1.80, 1.22),
        ("gan_r1", 2.6e-6, 2.3e-7),
        ("gan_r1_critical", 9.5e-22, 7.5e-17),
        ("consensus", 2.6e-10, 1.7e-11),
    ],
)
def test_distances_after_500_steps(game: str, simultaneous: float, alternating: float) -> None:
    for method, wanted in (("simultaneous", simultaneous), ("alternating", alternating)):
        path = dynamics.trajectory(game, method, (1.0, 1.0), 0.2, 500)
        assert path.shape == (501, 2)
        assert dynamics.distance(game, path)[-1] == pytest.approx(wanted, rel=0.02)


def test_steps_one_by_one() -> None:
    def v(w: np.ndarray) -> np.ndarray:
        return np.array([-w[1], w[0]])

    w, h, zero = np.array([1.0, 0.5]), 0.3, np.zeros(2)
    theta = w + h * v(w) * [1, 0]
    second = w + h * (2 * v(w) - zero)
    wanted = {
        "simultaneous": [w + h * v(w)],
        "alternating": [theta + h * v(theta) * [0, 1]],
        "extragradient": [w + h * v(w + h * v(w))],
        "optimistic": [second, second + h * (2 * v(second) - v(w))],
        "momentum": [w + h * v(w), w + h * v(w) + h * (0.5 * v(w) + v(w + h * v(w)))],
        "adam": [w + h * np.sign(v(w))],
        "consensus": [w + h * (v(w) - w)],  # J^T J is the identity
    }
    for method, points in wanted.items():
        path = dynamics.trajectory("bilinear", method, w, h, len(points))
        assert np.allclose(path[1:], points), method


def test_runge_kutta_follows_the_flow() -> None:
    path = dynamics.trajectory("bilinear", "runge_kutta", (1.0, 0.0), 0.01, 628)
    t = 0.01 * np.arange(629)
    assert np.allclose(path, np.stack([np.cos(t), np.sin(t)], 1), atol=1e-8)


def test_momentum_in_turns_moves_each_player_once() -> None:
    path = dynamics.trajectory("bilinear", "alternating_negative", (1.0, 0.5), 0.3, 2)
    m_g, m_d, theta, psi = 0.0, 0.0, 1.0, 0.5
    for point in path[1:]:
        m_g = -0.5 * m_g - psi
        theta += 0.3 * m_g
        m_d = -0.5 * m_d + theta
        psi += 0.3 * m_d
        assert np.allclose(point, [theta, psi])


# ---- verdicts


@pytest.mark.parametrize(
    ("game", "method", "word", "nearby"),
    [
        ("gan", "simultaneous", "diverges", "leaves"),
        ("gan", "alternating", "orbits", "undecided"),
        ("gan", "runge_kutta", "orbits", "undecided"),
        ("gan", "extragradient", "converges", "converges"),
        ("gan", "optimistic", "converges", "converges"),
        ("gan", "alternating_negative", "converges", "converges"),
        ("bilinear", "momentum", "diverges", "leaves"),
        ("non_saturating", "simultaneous", "orbits", "leaves"),
        ("non_saturating", "alternating", "converges", "undecided"),
        ("least_squares", "simultaneous", "elsewhere", "undecided"),
        ("wgan_gp", "runge_kutta", "orbits", "undecided"),
        ("wgan_clip", "simultaneous", "orbits", "leaves"),
        ("gan_r1", "simultaneous", "converges", "converges"),
        ("gan_r1", "adam", "orbits", "undecided"),
        (Dirac(place=1.0, decay=0.1), "simultaneous", "elsewhere", "converges"),
    ],
)
def test_verdicts(game: object, method: str, word: str, nearby: str) -> None:
    seen = dynamics.verdict(game, method)
    assert (seen.word, seen.nearby) == (word, nearby)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 2), st.floats(0.05, 6))
def test_radius_and_trajectory_agree_under_r1(gamma: float, h: float) -> None:
    seen = dynamics.verdict(Dirac(r1=gamma), "simultaneous", h, start=(0.01, 0.01))
    if seen.radius < 0.99:
        assert seen.word == "converges"
    if seen.radius > 1.01:
        assert seen.word != "converges"


# ---- precision, transformations


def test_nothing_is_left_switched_on() -> None:
    dynamics.trajectory("gan", "alternating", steps=3)
    assert jnp.ones(2).dtype == jnp.float32
    assert dynamics.vector_field("gan", (1, 1)).dtype == np.float64


def test_it_can_be_traced() -> None:
    inside = jax.jit(lambda w: dynamics.vector_field("gan_r1", w))(jnp.ones(2))
    assert inside.dtype == jnp.float32
    assert np.allclose(inside, dynamics.vector_field("gan_r1", (1.0, 1.0)), atol=1e-6)

    def end(gamma: jax.Array, h: jax.Array) -> jax.Array:
        path = dynamics.trajectory(Dirac(r1=gamma), "simultaneous", (1.0, 1.0), h, 30)
        return (path[-1] ** 2).sum()

    slope = jax.grad(end, argnums=(0, 1))(0.3, 0.2)
    for by, moved in zip(slope, ((1e-4, 0), (0, 1e-4)), strict=True):
        up, down = (end(0.3 + s * moved[0], 0.2 + s * moved[1]) for s in (1, -1))
        assert by == pytest.approx(float(up - down) / 2e-4, rel=1e-3)


def test_weights_move_without_compiling_anew() -> None:
    dynamics.trajectory(Dirac(r1=0.1), "simultaneous", steps=50)
    before = steps._trajectory._cache_size()
    for weight in (0.2, 0.3, 7):
        dynamics.trajectory(Dirac(r1=weight), "simultaneous", (0.3, weight), weight / 9, 50)
    assert steps._trajectory._cache_size() <= before + 1  # a whole number has a type of its own


def test_a_linear_game_is_its_matrix() -> None:
    matrix = np.array([[-1.0, 2.0], [0.5, 0.3]])
    assert np.allclose(dynamics.jacobian(Linear(matrix), (0.2, 0.3)), matrix)
    assert same_set(dynamics.eigenvalues(Linear(matrix)), np.linalg.eigvals(matrix))


# ---- what people get wrong


REFUSED: dict[str, list[Callable[..., object]]] = {
    "did you mean": [
        lambda: dynamics.vector_field("gann", (1, 1)),
        lambda: dynamics.trajectory("gan", "alternate"),
        lambda: Dirac("hing"),
    ],
    "unknown game": [lambda: dynamics.spectral_radius(3, "adam", 0.1)],
    "step size": [
        partial(dynamics.trajectory, "gan", "adam", h=h)
        for h in (-0.1, float("nan"), "0.1", (0.1, 0.0), (0.1, 0.1, 0.1))
    ],
    "2 finite numbers": [
        partial(dynamics.trajectory, "gan", "adam", start=start)
        for start in ((1, 1, 1), "here", (1, float("inf")))
    ],
    "steps": [
        lambda: dynamics.trajectory("gan", "adam", steps=0),
        lambda: dynamics.verdict("gan", "adam", steps=10),
    ],
    "2 by 2": [lambda: Linear(((1, 2, 3), (4, 5, 6))), lambda: Linear("game")],
    "r1": [lambda: Dirac(r1=-1)],
    "clip": [lambda: Dirac(clip=0)],
    "noise": [lambda: Dirac(noise=float("nan"))],
}


def test_bad_input_is_refused_in_a_sentence() -> None:
    for said, calls in REFUSED.items():
        for call in calls:
            with pytest.raises(InputError, match=said) as caught:
                call()
            assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
