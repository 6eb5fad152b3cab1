"""Lesson 07: what makes modes go missing, each with the arm that has the cause and one without."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from scipy.spatial.distance import pdist

from gan_lessons import training
from gan_lessons.distributions import Normal, Ring, WithBits
from gan_lessons.metrics import mode_coverage
from gan_lessons.networks import MLP
from gan_lessons.training import Config, Knobs
from tests.lessons.claims import assert_claim

SEEDS = [0, 1, 2, 3, 4]
pytestmark = pytest.mark.usefixtures("as_in_a_readers_kernel")
RING = Ring(8, radius=1.0, std=0.08)
GAME = Config(
    data=RING,
    latent=WithBits(Normal(2), 3),
    generator=MLP((64,) * 3, "tanh"),
    discriminator=MLP((64,) * 3, "silu", fourier=32, band=(0.5, 16)),
    batch=128,
)
RECIPE = Knobs(
    lr_d=3e-3,
    lr_d_end=5e-4,
    lr_g=3e-3,
    lr_g_end=1e-4,
    decay_steps=1500,
    beta1=0.0,
    r1=0.2,
    r2=0.2,
    penalty_end=0.04,
)
FAR = Config(
    Ring(5, radius=4.0, std=0.32),
    Normal(2),
    MLP((64,) * 3, "tanh", scale=4.0),
    MLP((64,) * 3, "silu"),
    batch=128,
)
Scores = dict[str, np.ndarray]


def five(config: Config, knobs: Knobs, steps: int, states: Any = None) -> Any:
    states = training.init(config, SEEDS) if states is None else jax.tree.map(jnp.copy, states)
    return training.advance(config, states, knobs, steps).state


def draw(config: Config, states: Any, n: int = 2500) -> jax.Array:
    return jax.vmap(lambda state: training.sample(config, state, random.key(7), n))(states)


def scores(config: Config, states: Any) -> Scores:
    data: Any = config.data
    count = jax.jit(jax.vmap(lambda x: mode_coverage(x, data.modes, data.mode_std)))
    found = count(draw(config, states))
    return {
        name: np.asarray(getattr(found, name), float)
        for name in ("held", "high_quality", "kl", "std_ratio")
    }


@functools.cache
def ended(name: str) -> Any:
    """The five games of an arm at their end."""
    knobs = {"healthy": RECIPE, "hasty": replace(RECIPE, g_steps=20), "one step": RECIPE}[name]
    return five(GAME, knobs, {"healthy": 1500, "hasty": 600, "one step": 600}[name])


def test_the_reference_is_healthy() -> None:
    found = scores(GAME, ended("healthy"))
    assert (found["held"] == 8).all() and found["high_quality"].min() > 0.9
    assert found["kl"].max() < 0.02 and found["std_ratio"].min() > 0.75


def test_with_all_else_equal_more_steps_of_g_lose_modes_and_width() -> None:
    hasty, one = scores(GAME, ended("hasty")), scores(GAME, ended("one step"))
    assert_claim(-hasty["held"], -one["held"], more_by=1)
    assert_claim(hasty["kl"], one["kl"], more_by=0.2)
    assert_claim(-hasty["std_ratio"], -one["std_ratio"])


def test_the_birthday_test_finds_the_poorer_generators_without_knowing_the_modes() -> None:
    pairs = [
        [float((pdist(np.asarray(x)) < 0.02).sum()) for x in draw(GAME, ended(name), 2000)]
        for name in ("hasty", "healthy")
    ]
    assert_claim(pairs[0], pairs[1], more_by=pairs[1][0])


def test_a_frozen_d_loses_modes_and_one_that_goes_on_keeps_them() -> None:
    on = replace(RECIPE, lr_g=1e-3, decay_steps=0.0, lr_d_end=0.0, lr_g_end=0.0)
    kept = scores(GAME, five(GAME, on, 1000, ended("healthy")))
    lost = scores(GAME, five(GAME, replace(on, d_steps=0), 1000, ended("healthy")))
    assert_claim(-lost["held"], -kept["held"], share=0.75)


def test_on_far_heaps_a_mode_stays_missing_unless_d_has_gradient_penalties() -> None:
    early, penalties = five(FAR, Knobs(), 1000), Knobs(r1=3.0, r2=3.0)
    plain = [scores(FAR, states) for states in (early, five(FAR, Knobs(), 1000, early))]
    light = scores(FAR, five(FAR, penalties, 1000))
    assert_claim(scores(FAR, five(FAR, penalties, 500, early))["held"], plain[1]["held"])
    for found in plain:
        assert_claim(found["kl"], light["kl"], more_by=0.1)
        assert_claim(light["held"], found["held"])
