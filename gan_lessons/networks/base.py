"""What a network spec is, and the names that all specs share: activations and initial weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError

MOMENTUM = 0.95  # of the running means that batch normalisation uses once training is over
PIECES = 5  # linear maps of which a maxout unit takes the largest


class Network(Protocol):
    """A frozen, hashable description of a network, from which any number can be built."""

    @property
    def row_wise(self) -> bool:
        """Whether each row (or pack of rows) is mapped independently of the rest of its batch."""

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs, given: Given = NOTHING) -> nnx.Module:
        """A module from [n, n_in] to [n, n_out], its weights drawn from `rngs`.

        It is called as `module(x)`, or as `module(x, given)` with `given` [n, k] where
        `given.size` k is above 0. Raises InputError for sizes that it cannot have, and for a
        `given` that it cannot use: no network ignores one silently.
        """


def maxout(x: Float[Array, "batch wide"]) -> Float[Array, "batch narrow"]:
    """The largest of PIECES linear maps, unit by unit (Goodfellow et al. 2013, arXiv 1302.4389)."""
    return x.reshape(len(x), PIECES, -1).max(axis=1)


ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "linear": lambda x: x,
}
ACTIVATIONS = ELEMENTWISE | {"maxout": maxout}

# Initial weights. "ganlab" is GAN Lab's own choice; its first layer differs (see `Dense`).
INITIALIZERS: dict[str, Callable[..., Array]] = {
    "he": nnx.initializers.variance_scaling(2.0, "fan_in", "normal"),
    "lecun": nnx.initializers.variance_scaling(1.0, "fan_in", "normal"),
    "ganlab": nnx.initializers.variance_scaling(1.0, "fan_in", "normal"),
    "dcgan": nnx.initializers.normal(0.02),
    "orthogonal": nnx.initializers.orthogonal(0.8),
}


def refuse_given(what: str, given: Given, why: str) -> InputError:
    """The error for a network that has no use for what its data's batches hold beside x."""
    return InputError(
        f"{what} cannot use a given {given.kind} of shape {given.shape}: {why}; an MLP takes "
        "anything, and a module of your own whatever you make of it"
    )


def parameter_count(module: nnx.Module) -> int:
    """How many numbers training adjusts in `module`."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
