"""A GAN as it is used: samples of G, verdicts of D."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random
from jaxtyping import Array, Float

from gan_lessons.errors import InputError
from gan_lessons.networks import MLP
from gan_lessons.training.config import Config
from gan_lessons.training.players import players
from gan_lessons.training.state import State

# Most samples that G makes at once: a convolutional one may need 5 MB for each.
PORTION, PORTION_OF_MAPS = 1024, 32


def sample(
    config: Config,
    state: State,
    key: Array,
    n: int,
    given: Float[Array, "n k"] | None = None,
    ema: bool = False,
) -> Float[Array, "n dim"]:
    """`n` fresh samples of G; with `ema` of the moving average of its weights.

    What is given with each is drawn as often as the data have it, unless `given` says what.
    """
    return _sample(config, n, ema, state, key, given)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _sample(config: Config, n: int, ema: bool, state: State, key: Array, given: Any) -> Array:
    if given is None and config.data.given.size:
        key, key_given = random.split(key)
        given = config.data.givens(key_given, n)
    return generate(config, state, config.latent.sample(key, n), given, ema)


def generate(
    config: Config,
    state: State,
    z: Float[Array, "n latent"],
    given: Float[Array, "n k"] | None = None,
    ema: bool = False,
) -> Float[Array, "n dim"]:
    """G(z, given); with `ema` by the moving average of G's weights and statistics.

    Raises: InputError where `given` is missing, or has another size than in the data.
    """
    g, rest = (state.ema, state.ema_rest) if ema else (state.g, state.rest_g)
    return _generate(config, g, rest, z, _fitting(config, len(z), given))


def _fitting(config: Config, n: int, given: Any) -> Array:
    """`given` for n examples as float32 [n, k]; InputError if it does not fit the data."""
    wanted = config.data.given
    if given is None and not wanted.size:
        return jnp.zeros((n, 0), jnp.float32)
    if given is None or jnp.shape(given) != (n, wanted.size):
        there = "nothing" if given is None else f"an array of shape {jnp.shape(given)}"
        raise InputError(
            f"these data go with a {wanted.kind}: give [{n}, {wanted.size}] of what is given, "
            f"not {there}; `data.givens(key, n)` draws some"
        )
    return jnp.asarray(given, jnp.float32)


@functools.partial(jax.jit, static_argnums=0)
def _generate(config: Config, g: Array, rest: Any, z: Array, given: Array) -> Array:
    generator = players(config)[0]
    answer = functools.partial(generator.answer, generator.unravel(g), rest)
    portion = PORTION if isinstance(config.generator, MLP) else PORTION_OF_MAPS
    whole = (len(z) - 1) // portion * portion
    if whole <= 0:
        return answer(z, given)
    portions = [
        each[:whole].reshape(whole // portion, portion, each.shape[1]) for each in (z, given)
    ]
    parts = lax.map(lambda each: answer(*each), tuple(portions))
    return jnp.concatenate([parts.reshape(whole, -1), answer(z[whole:], given[whole:])])


def discriminate(
    config: Config,
    state: State,
    x: Float[Array, "n dim"],
    given: Float[Array, "n k"] | None = None,
) -> Float[Array, "n"]:
    """D's logit at each point; a D that judges packs sees a pack of copies of the point.

    A D that looks `across` its batch takes these n points for the batch.
    Raises: InputError where D is shown what is given, and `given` is missing or does not fit.
    """
    fitting = _fitting(config, len(x), given) if config.d_given.size else jnp.zeros((len(x), 0))
    return _discriminate(config, state, x, fitting)


@functools.partial(jax.jit, static_argnums=0)
def _discriminate(config: Config, state: State, x: Array, given: Array) -> Array:
    discriminator = players(config)[1]
    packs = [jnp.repeat(each, config.pack, axis=0) for each in (x, given)]
    return discriminator.answer(discriminator.unravel(state.d), state.rest_d, *packs)[:, 0]
