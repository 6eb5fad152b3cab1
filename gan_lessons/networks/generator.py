"""Convolutional generators: from a latent to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError, check_choice
from gan_lessons.networks.base import ELEMENTWISE, MOMENTUM, refuse_given
from gan_lessons.networks.conv import ConvSpec, initial
from gan_lessons.networks.layers import ConvTranspose


@dataclass(frozen=True)
class ConvGenerator(ConvSpec):
    """Latents to pictures by one dense layer and one transposed convolution for each width.

    A label (or any numbers) given stands beside the latent. (Mirza and Osindero 2014,
    arXiv 1411.1784.)

    Attributes:
        size: pixels on a side, 4 to 256. The dense layer makes maps of ceil(size / 2^layers)
            pixels on a side; whatever the last layer makes too much is cropped at the border.
        channels: 1 for grey, 3 for colour.
        widths: channels after the dense layer and after every layer but the last.
        activation: name in ELEMENTWISE, before every transposed convolution.
        norm: "none" or "batch", after the dense layer and every layer but the last.
        init: as in `MLP`.
        output: name in ELEMENTWISE, of the last layer.
        norm_output: batch normalisation after the last layer too (which DCGAN's authors advise
            against).

    Raises: InputError on anything else.
    """

    output: str = "tanh"
    norm_output: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("norm", self.norm, ("none", "batch"))
        check_choice("output", self.output, ELEMENTWISE)
        if self.norm_output and self.norm == "none":
            raise InputError('norm_output needs norm="batch"')

    @property
    def start(self) -> int:
        """Pixels on a side after the dense layer."""
        return ceil(self.size / 2 ** len(self.widths))

    @property
    def row_wise(self) -> bool:
        """Whether each picture is made independently of the rest of its batch."""
        return self.norm != "batch"

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs, given: Given = NOTHING) -> nnx.Module:
        """The network from [n, n_in], and a label or numbers given, to [n, n_out]."""
        self.check_rows(n_out)
        if given.kind == "picture":
            raise refuse_given("a ConvGenerator", given, "it starts from numbers, not from pixels")
        return _Generate(n_in + given.size, self, rngs)


class _Generate(nnx.Module):
    """z -> a small square of maps -> twice the side, layer by layer -> a picture."""

    def __init__(self, n_in: int, spec: ConvGenerator, rngs: nnx.Rngs) -> None:
        self.spec = spec
        widths = (*spec.widths, spec.channels)
        plain = spec.norm == "none"
        self.first = nnx.Linear(
            n_in,
            spec.start**2 * widths[0],
            kernel_init=initial(spec.init),
            use_bias=plain,
            rngs=rngs,
        )
        self.layers: Any = nnx.List()
        for i, (a, b) in enumerate(pairwise(widths)):
            bias = plain or (i == len(spec.widths) - 1 and not spec.norm_output)
            init = initial(spec.init, 2.0)
            self.layers.append(ConvTranspose(a, b, kernel_init=init, use_bias=bias, rngs=rngs))
        normed = [] if plain else [*widths[: None if spec.norm_output else -1]]
        self.norms: Any = nnx.List(
            nnx.BatchNorm(width, momentum=MOMENTUM, rngs=rngs) for width in normed
        )

    def __call__(
        self, z: Float[Array, "batch n_in"], given: Float[Array, "batch k"] | None = None
    ) -> Float[Array, "batch n_out"]:
        spec, hidden = self.spec, ELEMENTWISE[self.spec.activation]
        z = z if given is None else jnp.concatenate([z, given], axis=1)
        x = self.first(z).reshape(-1, spec.start, spec.start, spec.widths[0])
        for i, layer in enumerate(self.layers):
            x = layer(hidden(self.norms[i](x) if self.norms else x))
        x = self.norms[-1](x) if spec.norm_output else x
        cut = (x.shape[1] - spec.size) // 2
        x = x[:, cut : cut + spec.size, cut : cut + spec.size]
        return ELEMENTWISE[spec.output](x).reshape(len(z), -1)
