"""Lesson 01: what it says causes what, with and without the cause, on five seeds."""

from __future__ import annotations

import ast
import functools
from typing import Any

import jax
import numpy as np
import pytest
from jax import random

from tests.lessons.cells import defined_in
from tests.lessons.claims import assert_claim

SEEDS = range(5)
pytestmark = pytest.mark.usefixtures("as_in_a_readers_kernel")


@functools.cache
def lesson() -> dict[str, Any]:
    """What the lesson's cells import and define, and its data."""
    return defined_in("01_learning_to_sample", lambda node: "Mixture1D(means" in ast.unparse(node))


def test_for_sixty_rounds_the_start_decides_the_shares_of_samples_that_follow_the_classifier() -> (
    None
):
    share = lesson()["share_at_the_end"]
    ends = {start: [share(start, seed, 60) for seed in SEEDS] for start in (0.2, 0.5, 0.8)}
    assert_claim(ends[0.8], ends[0.5], more_by=0.15)
    assert_claim(ends[0.5], ends[0.2], more_by=0.15)


def test_in_the_long_run_the_data_decide_the_shares() -> None:
    share = lesson()["share_at_the_end"]
    for start, towards in ((0.2, 1), (0.8, -1)):
        early, late = ([towards * share(start, seed, n) for seed in SEEDS] for n in (60, 1500))
        assert_claim(late, early, more_by=0.08)


def test_the_start_decides_where_reverse_kl_ends_and_not_where_kl_does() -> None:
    descend = lesson()["descend"]

    def spread(which: int, seed: int) -> float:
        starts = random.uniform(random.key(seed), (8, 2), minval=-1) * np.array([2.2, 0.4])
        ends = jax.jit(jax.vmap(lambda start: descend(which, start)))(starts)[:, -1, 0]
        return float(np.ptp(ends))

    reverse, forward = ([spread(which, seed) for seed in SEEDS] for which in (1, 0))
    assert_claim(reverse, forward, more_by=1)


def test_turns_bring_a_curve_nearer_in_w1_and_not_in_js() -> None:
    theory, wind = lesson()["theory"], lesson()["wind"]

    def w1(turns: int, seed: int) -> float:
        rng = np.random.default_rng(seed)
        data, fake = rng.normal(size=(400, 2)), wind(rng.uniform(size=400), turns)
        return theory.w1_plan(data, fake).distance

    def js(turns: int, blur: float, seed: int) -> float:
        return lesson()["js_of_curve"](turns, blur, 200, np.random.default_rng(seed))

    assert_claim([w1(1, seed) for seed in SEEDS], [w1(9, seed) for seed in SEEDS], more_by=0.25)
    sharp = [js(9, 0.001, seed) for seed in SEEDS]
    assert_claim(sharp, [js(9, 0.1, seed) for seed in SEEDS], more_by=0.4)
    assert min(sharp) > 0.6  # against log 2 = .693, as for the curve of one turn
