"""The GAN behind the protocol of `learner`: how it starts, what a knob asks, why it stops."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float

from gan_lessons.errors import check_number
from gan_lessons.training.config import Config
from gan_lessons.training.devices import check_jax, place
from gan_lessons.training.keys import threefry_key
from gan_lessons.training.knobs import Knobs
from gan_lessons.training.learner import Learner, register_learner
from gan_lessons.training.loop import advance, check, terms
from gan_lessons.training.optimizers import optimizer
from gan_lessons.training.players import players
from gan_lessons.training.sampling import sample
from gan_lessons.training.schedules import acting
from gan_lessons.training.state import METRICS, State


def init(config: Config, seed: int | Sequence[int] = 0) -> State:
    """A fresh run; with a sequence of seeds, a sweep of that many runs side by side.

    Raises: InputError if a seed is not a whole number from 0 to 2^31 - 1.
    """
    check_jax()
    one = isinstance(seed, (int, np.integer)) or not isinstance(
        seed, (list, tuple, range, np.ndarray)
    )
    seeds: Any = [seed] if one else seed
    checked = [int(check_number("seed", each, 0, 2**31 - 1, integer=True)) for each in seeds]
    if one:
        return place(config, _init(config, threefry_key(checked[0])))
    make = functools.partial(_init, config)
    return place(config, jax.vmap(make)(jax.vmap(threefry_key)(jnp.array(checked, jnp.uint32))))


@functools.partial(jax.jit, static_argnums=0)
def _init(config: Config, key: Array) -> State:
    run, key_g, key_d = random.split(key, 3)
    generator, discriminator = players(config)
    (g, rest_g), (d, rest_d) = generator.make(key_g), discriminator.make(key_d)
    rule = optimizer(config.optimizer, jnp.float32(0), jnp.float32(0), bool(config.unroll))
    start = jnp.zeros((), jnp.int32)
    average = g + 0, jax.tree.map(jnp.copy, rest_g)
    return State(start, run, g, d, rule.init(g), rule.init(d), rest_g, rest_d, *average)


def moved(state: State, before: Knobs, now: Knobs) -> State:
    """The state as the knobs move: a moving average that is switched on starts from G's weights."""
    if now.ema > 0 and not before.ema > 0:
        rest = jax.tree.map(jnp.copy, state.rest_g)
        return replace(state, ema=jnp.copy(state.g), ema_rest=rest)
    return state


def program(config: Config, knobs: Knobs) -> Hashable:
    """What decides which program trains: the config and the terms that are switched on."""
    return config, terms(config, knobs)


def explain_stop(row: Float[np.ndarray, "metrics"], knobs: Knobs, step: int) -> str:
    """Say in a sentence which knob probably made the numbers of `row` not finite at `step`."""
    seen, now = dict(zip(METRICS, row, strict=True)), acting(knobs, step)
    player = "d" if not np.isfinite(seen["grad_d"]) else "g"
    rate = getattr(now, f"lr_{player}")
    unbounded = now.objective in ("wasserstein", "hinge", "least_squares")
    held = now.clip or now.r1 or now.r2 or now.wgan_gp or now.zero_gp
    heavy = max(("r1", "r2", "zero_gp", "wgan_gp"), key=lambda name: getattr(now, name))
    if now.lr_d * getattr(now, heavy) > 1:
        cause = f"{heavy}={getattr(now, heavy):g} is too stiff for lr_d={now.lr_d:g}: lower one"
    elif unbounded and not held:
        cause = f"{now.objective!r} lets D grow without bound: add r1, wgan_gp or clip"
    else:
        cause = f"lr_{player}={rate:g} is probably too large: try {rate / 10:g}"
    who = "the discriminator" if player == "d" else "the generator"
    return f"stopped at step {step}: {who}'s numbers are no longer finite; {cause}, then rewind."


GAN = register_learner(
    Learner(
        name="gan",
        knobs=Knobs,
        metrics=METRICS,
        init=init,
        advance=advance,
        sample=sample,
        moved=moved,
        explain=explain_stop,
        check=check,
        program=program,
        place=place,
    )
)
