"""Generators and discriminators in `flax.nnx`, described by small hashable specs.

A spec says what to build (`MLP(hidden=(64, 64))`); the training room adds the sizes of the
latent and of the data. A new architecture is one spec class with `build(n_in, n_out, rngs)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_choice, check_number

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "linear": lambda x: x,
}

# Standard deviation of a weight = gain / sqrt(fan-in). "ganlab" is that tool's own choice.
GAINS = {"he": 2.0**0.5, "lecun": 1.0, "ganlab": 1.0}


class Dense(nnx.Module):
    """x -> activation(... (x W1 + b1) ...) Wn + bn, then an output function and a scale."""

    def __init__(self, sizes: tuple[int, ...], spec: MLP, rngs: nnx.Rngs) -> None:
        gain = GAINS[spec.init] ** 2
        first = 0.5 * sizes[0] if spec.init == "ganlab" else gain
        scales = (first, *(gain for _ in sizes[2:]))
        self.layers = nnx.List(
            nnx.Linear(
                n_in,
                n_out,
                kernel_init=nnx.initializers.variance_scaling(scale, "fan_in", "normal"),
                rngs=rngs,
            )
            for n_in, n_out, scale in zip(sizes[:-1], sizes[1:], scales, strict=True)
        )
        self.spec = spec

    def __call__(self, x: Float[Array, "batch n_in"]) -> Float[Array, "batch n_out"]:
        hidden = ACTIVATIONS[self.spec.activation]
        for layer in self.layers[:-1]:
            x = hidden(layer(x))
        return self.spec.scale * ACTIVATIONS[self.spec.output](self.layers[-1](x))


@dataclass(frozen=True)
class MLP:
    """A fully connected network.

    Attributes:
        hidden: widths of the hidden layers, each from 1 to 8192; may be empty.
        activation: name in ACTIVATIONS, after each hidden layer.
        output: name in ACTIVATIONS, after the last layer ("tanh" for images in [-1, 1]).
            A discriminator keeps "linear": every objective works on logits.
        scale: factor on the output, above 0; set it to the size of the data.
        init: "he" (He et al. 2015, arXiv 1502.01852), "lecun", or "ganlab".

    Raises: InputError on anything else.
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    output: str = "linear"
    scale: float = 1.0
    init: str = field(default="he", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, (tuple, list)):
            raise InputError(f"hidden must be a tuple of widths like (64, 64), not {self.hidden!r}")
        what = "width of a hidden layer"
        widths = (int(check_number(what, each, 1, 8192, integer=True)) for each in self.hidden)
        object.__setattr__(self, "hidden", tuple(widths))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("output", self.output, ACTIVATIONS)
        check_choice("init", self.init, GAINS)
        check_number("output scale", self.scale, 0, 1e6, above=True)

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs) -> nnx.Module:
        """The network with `n_in` inputs and `n_out` outputs, weights drawn from `rngs`."""
        return Dense((n_in, *self.hidden, n_out), self, rngs)


def parameter_count(module: nnx.Module) -> int:
    """How many numbers training adjusts in `module`."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
