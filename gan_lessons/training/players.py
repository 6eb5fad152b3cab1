"""The two networks as pure functions of a flat parameter vector.

Splitting and merging an `nnx` module around each call of a jitted function costs more than a small
network does; done once per trace, it costs nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from gan_lessons.distributions import Given
from gan_lessons.errors import InputError
from gan_lessons.networks import Network
from gan_lessons.training.config import Config


class FlatNetwork(NamedTuple):
    """A network without its numbers.

    The functions take the parameters (a pytree, see `unravel`), what the network keeps beside
    them, a batch of rows, and what is given with each row, where anything is.

    Attributes:
        make: key -> (flat parameters, the rest), freshly drawn.
        apply: as it trains -> (output, the rest afterwards).
        answer: as it is used, with running means and without dropout -> output.
        features: what its last layer sees, as it trains.
        unravel: flat parameters -> pytree.
        size: number of parameters.
        row_wise: whether it maps each row by itself: no batch statistics, no dropout.
    """

    make: Callable[[Array], tuple[Array, Any]]
    apply: Callable[..., tuple[Array, Any]]
    answer: Callable[..., Array]
    features: Callable[..., Array]
    unravel: Callable[[Array], Any]
    size: int
    row_wise: bool


def _shown(x: Array, given: Array | None) -> tuple[Array, ...]:
    """The arguments of a module: without `given` where nothing is given."""
    return (x,) if given is None or not given.shape[1] else (x, given)


def flat_network(spec: Network, n_in: int, n_out: int, given: Given) -> FlatNetwork:
    """The network that `spec` describes, for rows of `n_in` numbers to rows of `n_out`."""

    def build(rngs: nnx.Rngs) -> nnx.Module:
        return spec.build(n_in, n_out, rngs, given)

    pieces: tuple[Any, ...] = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))), nnx.Param, ...)
    graphdef, params, kept = pieces
    zeros, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.zeros(leaf.shape, "f4"), params))

    def make(key: Array) -> tuple[Array, Any]:
        split: tuple[Any, ...] = nnx.split(build(nnx.Rngs(key)), nnx.Param, ...)
        return ravel_pytree(split[1])[0], split[2]

    def module(params: Any, rest: Any) -> Any:
        return nnx.merge(graphdef, params, rest, copy=True)

    def apply(params: Any, rest: Any, x: Array, given: Array | None = None) -> tuple[Array, Any]:
        out = (trained := module(params, rest))(*_shown(x, given))
        split: tuple[Any, ...] = nnx.split(trained, nnx.Param, ...)
        return out, split[2]

    def answer(params: Any, rest: Any, x: Array, given: Array | None = None) -> Array:
        modes = {"deterministic": True, "use_running_average": True}
        used = nnx.view(module(params, rest), raise_if_not_found=False, **modes)
        return used(*_shown(x, given))

    def features(params: Any, rest: Any, x: Array, given: Array | None = None) -> Array:
        seen = getattr(module(params, rest), "features", None)
        if seen is None:
            raise InputError(
                "feature_matching compares what the last layer of D sees: give your discriminator "
                "a method features(x), or set feature_matching to 0"
            )
        return seen(*_shown(x, given))

    alone = spec.row_wise and not jax.tree.leaves(kept)
    return FlatNetwork(make, apply, answer, features, unravel, zeros.size, alone)


@functools.lru_cache(maxsize=64)
def players(config: Config) -> tuple[FlatNetwork, FlatNetwork]:
    """(generator, discriminator) of a config."""
    data = config.data
    return (
        flat_network(config.generator, config.latent.dim, data.dim, data.given),
        flat_network(config.discriminator, data.dim, 1, config.d_given),
    )
