"""Lesson 04: what it says causes what, with and without the cause, on five seeds."""

from __future__ import annotations

import ast
import functools
from typing import Any

import numpy as np
import pytest

from tests.lessons.cells import defined_in
from tests.lessons.claims import assert_claim

SEEDS = range(5)
pytestmark = pytest.mark.usefixtures("as_in_a_readers_kernel")
GIVEN = (
    "far",
    "rates",
    "plain",
    "opening",
    "line_game",
    "paid",
    "ring",
    "uneven",
    "fair",
    "setups",
)


@functools.cache
def lesson() -> dict[str, Any]:
    """What the lesson's cells import, define and set up; nothing that they run."""
    names = defined_in("04_losses_you_can_train", sets_up)
    names["fast"] = lambda full, short: full  # claims are about the full length
    return names


def sets_up(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in GIVEN


def test_the_non_saturating_loss_moves_g_after_a_head_start_and_plain_minimax_does_not() -> None:
    alone = lesson()["alone"]
    stay, leave = ([alone(seed, name) for seed in SEEDS] for name in ("minimax", "non_saturating"))
    assert_claim(stay, leave, more_by=0.3)


def test_plain_steps_stay_with_the_saturating_loss_and_adam_sets_out() -> None:
    starts = [lesson()["head_start"](seed) for seed in SEEDS]
    play_on = lesson()["play_on"]
    adam, sgd = ([play_on(start, how, "minimax") for start in starts] for how in ("adam", "sgd"))
    assert_claim(adam, sgd, more_by=1)
    assert_claim([play_on(start, "sgd", "non_saturating") for start in starts], sgd, more_by=2)


def test_smoothing_both_sides_takes_the_non_saturating_pull_away_and_one_side_does_not() -> None:
    game_of, alone = lesson()["game_with_labels"], lesson()["trained_alone"]
    pulls = {}
    for name, pair in {"one": (0.1, 0.0), "both": (0.1, 0.1)}.items():
        game = game_of(*pair)
        pulls[name] = [alone(game, seed)[1] for seed in SEEDS]
    assert_claim(pulls["one"], pulls["both"], more_by=5)


def test_a_stiff_penalty_traps_some_critics_and_a_soft_one_none() -> None:
    run = lesson()["critic_run"]
    stiff, soft = (
        np.array([run(seed, 120, wgan_gp=weight).series("d_loss")[-20:].mean() for seed in SEEDS])
        for weight in (10.0, 1.0)
    )
    assert (stiff > 2).sum() >= 2 and (soft < -6).all()
    assert_claim(stiff, soft, more_by=2)


def test_without_a_bound_the_critics_loss_runs_away() -> None:
    run = lesson()["critic_run"]
    free, kept = (
        [-run(seed, 100, g_steps=0, **bound).series("d_loss")[-1] for seed in SEEDS]
        for bound in ({}, {"wgan_gp": 1.0})
    )
    assert_claim(free, kept, more_by=500)


def test_a_factor_of_ten_silences_the_saturating_loss_and_not_the_other() -> None:
    times = lesson()["times"]
    runs = [lesson()["near_minus_two"](seed) for seed in SEEDS]
    louder, deaf = (
        [times(10, run, name) / times(1, run, name) for run in runs]
        for name in ("non_saturating", "minimax")
    )
    assert_claim(louder, deaf, more_by=5)


def test_a_tiny_d_has_a_loss_near_two_log_two_and_its_g_hits_nothing() -> None:
    outcome = lesson()["outcome"]
    setups = ("uneven", "tiny D")
    good, tiny = (np.array([outcome(name, s, 1000) for s in SEEDS]) for name in setups)
    assert_claim(good[:, 3], tiny[:, 3], more_by=0.1)
    off = np.abs(tiny[:, 0] - 2 * np.log(2))
    assert (off < 0.05).sum() >= 4 and (good[:, 0] < 1.2).all()
