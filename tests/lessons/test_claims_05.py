"""Lesson 05: what it says causes what, with and without the cause, on five seeds or starts."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from gan_lessons import dynamics
from gan_lessons.dynamics import Dirac
from tests.lessons.claims import assert_claim
from tests.notebooks import FOLDER, read

SEEDS = range(5)
STARTS = [np.random.default_rng(seed).normal(size=2) for seed in SEEDS]


@pytest.fixture(autouse=True)
def as_in_a_readers_kernel() -> Iterator[None]:
    """A lesson may broadcast; the rest of the tests may not."""
    with jax.numpy_rank_promotion("allow"):
        yield


@functools.cache
def lesson() -> dict[str, Any]:
    """What the lesson's cells import and define; of what they run, the network's data."""
    names: dict[str, Any] = {}
    wanted = {"ring_of_four", "ways", "fresh"}
    for cell in read(FOLDER / "05_dynamics_of_a_game.ipynb").cells:
        if cell.cell_type == "code":
            kept = [n for n in ast.parse(cell.source).body if _defines(n, wanted)]
            exec(compile(ast.Module(kept, []), "lesson 05", "exec"), names)
    return names


def _defines(node: ast.stmt, wanted: set[str]) -> bool:
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Name) and node.targets[0].id in wanted
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)


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
    both = [lesson()["now_and_averaged"](lesson()["ways"]["WGAN-GP"], seed) for seed in SEEDS]
    now, averaged, _ = np.transpose(both)
    assert_claim(now, averaged)
    assert np.min(now - averaged) > 0.01  # in one run
