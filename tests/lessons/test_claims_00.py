"""Lesson 00: what brings the data to G, and what holds G there, is a D that is trained."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from gan_lessons.metrics import coverage_of
from gan_lessons.presets import preset
from gan_lessons.run import Run
from tests.lessons.claims import assert_claim

GAME = preset("five-modes")
SEEDS = range(8)
Scores = dict[str, list[tuple[float, float]]]


def score(samples: jax.Array) -> tuple[float, float]:
    found = coverage_of(GAME.config.data, samples)
    return float(found.held), float(found.high_quality)


@pytest.fixture(scope="module")
def played() -> Scores:
    """Modes held and the share of good samples, for each arm and seed."""
    arms = ("trained", "untaught", "frozen", "back", "never frozen")
    found: Scores = {arm: [] for arm in arms}
    for seed in SEEDS:
        for arm, knobs in (("trained", {}), ("untaught", {"d_steps": 0})):
            run = Run(GAME.config, GAME.knobs, seed)
            run.set(**knobs)
            run.advance(1500)
            found[arm].append(score(run.sample(20_000)))
            if arm == "trained":
                for then, steps in (("frozen", 0), ("back", 1)):
                    run.set(d_steps=steps)
                    run.advance(1000)
                    found[then].append(score(run.sample(20_000)))
                run.rewind(1500)
                run.set(d_steps=1)  # a change made at step 1,500 counts as made by then
                run.advance(1000)
                found["never frozen"].append(score(run.sample(20_000)))
    return found


def held(found: Scores, arm: str) -> list[float]:
    return [modes for modes, _ in found[arm]]


def good(found: Scores, arm: str) -> list[float]:
    return [share for _, share in found[arm]]


def test_training_d_brings_the_data_to_g(played: Scores) -> None:
    assert_claim(held(played, "trained"), held(played, "untaught"), more_by=3)
    assert_claim(good(played, "trained"), good(played, "untaught"), more_by=0.5)


def test_g_leaves_the_heaps_when_d_stops_and_comes_back_with_it(played: Scores) -> None:
    """Now and then a frozen D keeps G on most of the heaps: hence a share of the pairs."""
    assert_claim(held(played, "never frozen"), held(played, "frozen"), more_by=2, share=0.7)
    assert_claim(held(played, "back"), held(played, "frozen"), more_by=2, share=0.65)


def test_the_two_measures_can_fail() -> None:
    """One broad heap holds all modes, so `held` alone says little; `good` tells it from data."""
    real = GAME.config.data.sample(jax.random.key(1), 20_000)
    blob = real.mean(0, keepdims=True) + real.std(0, keepdims=True) * jax.random.normal(
        jax.random.key(2), real.shape
    )
    assert score(blob)[0] == score(real)[0] == 5
    assert score(blob)[1] < 0.5 and score(real)[1] > 0.98
    untrained = [score(Run(GAME.config, GAME.knobs, seed).sample(20_000)) for seed in SEEDS]
    assert np.max([share for _, share in untrained]) < 0.6
