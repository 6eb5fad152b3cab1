"""Lesson 05: what it says causes what, with and without the cause, on five seeds or starts."""

from __future__ import annotations

import ast
import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jax.random import key

from gan_lessons import dynamics, training
from gan_lessons.dynamics import Dirac
from gan_lessons.networks import MLP
from gan_lessons.run import train
from gan_lessons.training import Knobs
from tests.lessons.cells import defined_in
from tests.lessons.claims import assert_claim

SEEDS = range(5)
pytestmark = pytest.mark.usefixtures("as_in_a_readers_kernel")
STARTS = [np.random.default_rng(seed).normal(size=2) for seed in SEEDS]


@functools.cache
def lesson() -> dict[str, Any]:
    """What the lesson's cells import and define; of what they run, the network's data."""
    return defined_in("05_dynamics_of_a_game", _sets_up)


def _sets_up(node: ast.stmt) -> bool:
    wanted = {"layers", "ring_of_four", "ways", "fresh"}
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in wanted


def left(game: Any, method: str, start: Any, h: float = 0.2, steps: int = 4000) -> float:
    """The distance at the end, as a share of that at the start."""
    far = dynamics.distance(game, dynamics.trajectory(game, method, start, h, steps))
    return float(far[-1] / far[0])


def test_looking_ahead_converges_where_plain_steps_leave_or_orbit() -> None:
    for method in ("extragradient", "optimistic", "alternating_negative"):
        ahead = [left("gan", method, start) for start in STARTS]
        for plain in ("simultaneous", "alternating"):
            assert_claim([left("gan", plain, start) for start in STARTS], ahead, more_by=0.9)


def test_the_mean_of_an_orbit_is_near_the_centre_and_its_points_are_not() -> None:
    points, means = [], []
    for start in STARTS:
        path = np.asarray(dynamics.trajectory("gan", "alternating", start, 0.2, 4000))
        points.append(np.linalg.norm(path[-1]) / np.linalg.norm(start))
        means.append(np.linalg.norm(path.mean(0)) / np.linalg.norm(start))
    assert_claim(points, means, more_by=0.9)


def test_noise_makes_an_orbit_grow_and_a_pull_keeps_it_small() -> None:
    noisy_game = lesson()["noisy_game"]

    def late(seed: int, **how: Any) -> float:
        path = noisy_game(100, seed=seed, **how)[-1000:]
        return float(np.sqrt((path**2).sum(-1).mean()))

    orbits = [late(seed) for seed in SEEDS]
    assert_claim(orbits, [late(seed, batch=np.inf) for seed in SEEDS], more_by=1)
    assert_claim(orbits, [late(seed, gamma=0.3) for seed in SEEDS], more_by=2)
    assert_claim(orbits, [late(seed, ahead=True) for seed in SEEDS], more_by=2)


def test_adam_orbits_at_a_radius_in_proportion_to_its_step() -> None:
    late_radius = lesson()["late_radius"]
    for game in ("gan", "gan_r1"):
        short, long = (
            [late_radius(game, "adam", h, seed) for seed in SEEDS] for h in (0.0125, 0.025)
        )
        assert_claim(np.divide(long, 1.8), short)  # more than 1.8 times as far out
        assert_claim(short, np.divide(long, 2.2))  # and less than 2.2 times
    plain = [late_radius("gan_r1", "simultaneous", 0.0125, seed) for seed in SEEDS]
    assert_claim(short, plain, more_by=0.05)


def test_wgan_gp_stays_bounded_without_coming_to_rest() -> None:
    def reach(game: Any) -> list[float]:
        paths = [dynamics.trajectory(game, "simultaneous", w, 0.02, 40_000) for w in STARTS]
        return [float(np.abs(np.asarray(path)[-5000:, 0]).max()) for path in paths]

    none, wgan_gp, r1 = (reach(game) for game in ("wgan", "wgan_gp", "wgan_r1"))
    assert_claim(none, wgan_gp, more_by=5)
    assert_claim(wgan_gp, r1, more_by=1)
    assert_claim(reach(Dirac("wasserstein", gp=2.1)), wgan_gp, more_by=0.5)  # at rest elsewhere


def test_an_average_of_weights_is_nearer_to_the_data_than_the_weights() -> None:
    measure, way = lesson()["now_and_averaged"], lesson()["ways"]["WGAN-GP"]
    both = [measure(way, seed, steps=1000) for seed in SEEDS]
    now, averaged, _ = np.transpose(both)
    assert_claim(now, averaged, share=0.9)
    assert np.min(now - averaged) > 0.01  # in one run


def test_r1_moves_the_pairs_of_a_network_to_the_left_and_one_loss_does_not_turn() -> None:
    names = lesson()
    small = replace(
        names["ring_of_four"], generator=MLP((8, 8), "tanh"), discriminator=MLP((8, 8), "silu")
    )
    knobs = Knobs("non_saturating", lr_d=3e-3, lr_g=3e-3, r1=0.3, r2=0.3)
    runs = [train(small, knobs, 1000, seed=seed) for seed in SEEDS]
    names["G"], names["D"] = training.players(small)
    names["rest_of"] = runs[0].state
    names["z"], names["x"] = small.latent.sample(key(0), 256), small.data.sample(key(1), 256)
    plain, priced, turning, control = [], [], [], []
    for run in runs:
        w = names["weights_of"](run)
        J, new_J = (
            np.asarray(names["jacobian"](w, g), float) for g in np.float32([[0, 0], [0.3, 0]])
        )
        spectra = np.linalg.eig(J), np.linalg.eig(new_J)
        value, _, shift = names["predicted_and_measured"](J, new_J, *spectra, pairs=1)[0]
        plain.append(value.real)
        priced.append((value + shift).real)
        turning.append(names["turning"](J))
        control.append(names["turning"](np.asarray(names["one_loss_jacobian"](w), float)))
    assert np.min(np.subtract(plain, priced)) > 0.02, (plain, priced)  # in one run
    assert_claim(plain, priced, share=0.75)
    assert_claim(turning, control, more_by=1)
