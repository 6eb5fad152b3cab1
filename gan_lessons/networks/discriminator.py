"""Convolutional discriminators: from a picture to a logit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.networks.across import batch_std
from gan_lessons.networks.base import ELEMENTWISE, MOMENTUM, refuse_given
from gan_lessons.networks.conv import ConvSpec, initial
from gan_lessons.networks.layers import Conv
from gan_lessons.networks.spectral import SpectralConv


@dataclass(frozen=True)
class ConvDiscriminator(ConvSpec):
    """Pictures to one logit by one convolution for each width and a dense layer.

    With a label y given the logit is w.f(x) + b + V_y.f(x) / sqrt(n), where f(x) are the n
    numbers that the last layer sees and V_y is learned for each class: a projection discriminator
    (Miyato and Koyama 2018, arXiv 1802.05637, eq. 3). A picture given, of the same height and
    width, stands beside x as further channels (Isola et al. 2017, arXiv 1611.07004).

    Attributes:
        size, channels, init: as in `ConvGenerator`.
        widths: channels after each convolution.
        activation: name in ELEMENTWISE, after every convolution.
        norm: "none", "batch" (after every convolution but the first) or "spectral" (of every
            convolution, see `SpectralConv`).
        dropout: share of each hidden layer set to 0 while training, [0, 1).
        across: "none", or "std": the last layer is told how much the batch varies (`batch_std`).

    Raises: InputError on anything else.
    """

    widths: tuple[int, ...] = (64, 128)
    activation: str = "leaky_relu"
    dropout: float = 0.0
    across: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("norm", self.norm, ("none", "batch", "spectral"))
        check_choice("across", self.across, ("none", "std"))
        check_number("dropout", self.dropout, 0, 0.99)

    @property
    def end(self) -> int:
        """Pixels on a side after the last convolution: each halves, odd sides rounded up."""
        return ceil(self.size / 2 ** len(self.widths))

    @property
    def row_wise(self) -> bool:
        """Whether each picture is judged independently of the rest of its batch."""
        return self.norm != "batch" and self.across == "none"

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs, given: Given = NOTHING) -> nnx.Module:
        """The network from [n, n_in], and a label or a picture given, to [n, 1]."""
        self.check_rows(n_in)
        if n_out != 1:
            raise InputError(f"a discriminator gives one logit, not {n_out}")
        if given.kind == "numbers":
            raise refuse_given("a ConvDiscriminator", given, "it can judge a label or a picture")
        if given.kind == "picture" and given.shape[:2] != (self.size, self.size):
            raise refuse_given(
                "a ConvDiscriminator", given, f"x has {self.size}x{self.size} pixels"
            )
        return _Discriminate(self, given, rngs)


class _Discriminate(nnx.Module):
    """A picture -> half the side, layer by layer -> one logit."""

    def __init__(self, spec: ConvDiscriminator, given: Given, rngs: nnx.Rngs) -> None:
        self.spec = spec
        layer: Any = SpectralConv if spec.norm == "spectral" else Conv
        self.layers: Any = nnx.List()
        self.norms: Any = nnx.List()
        beside = given.size // spec.size**2 if given.kind == "picture" else 0
        for i, (a, b) in enumerate(pairwise((spec.channels + beside, *spec.widths))):
            normed = spec.norm == "batch" and i > 0  # never on the pixels themselves
            init = initial(spec.init)
            self.layers.append(layer(a, b, kernel_init=init, use_bias=not normed, rngs=rngs))
            if normed:
                self.norms.append(nnx.BatchNorm(b, momentum=MOMENTUM, rngs=rngs))
        self.dropout = nnx.Dropout(spec.dropout, rngs=rngs) if spec.dropout else None
        seen = spec.end**2 * spec.widths[-1] + (spec.across == "std")
        self.last = nnx.Linear(seen, 1, kernel_init=initial(spec.init), rngs=rngs)
        self.classes = (
            nnx.Linear(given.size, seen, use_bias=False, kernel_init=initial("lecun"), rngs=rngs)
            if given.kind == "label"
            else None
        )

    def features(
        self, x: Float[Array, "batch n_in"], given: Float[Array, "batch k"] | None = None
    ) -> Float[Array, "batch n"]:
        """What the last layer sees: the last maps in a row, and `across` the batch where asked."""
        spec, hidden = self.spec, ELEMENTWISE[self.spec.activation]
        x = _as_maps(x, spec.size)
        if given is not None and self.classes is None:
            x = jnp.concatenate([x, _as_maps(given, spec.size)], axis=3)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = hidden(self.norms[i - 1](x) if self.norms and i else x)
            x = self.dropout(x) if self.dropout else x
        x = x.reshape(len(x), -1)
        return x if spec.across == "none" else jnp.concatenate([x, batch_std(x)], axis=1)

    def __call__(
        self, x: Float[Array, "batch n_in"], given: Float[Array, "batch k"] | None = None
    ) -> Float[Array, "batch 1"]:
        seen = self.features(x, given)
        out = self.last(seen)
        if self.classes is None or given is None:
            return out
        label = self.classes(given) * seen
        return out + label.sum(axis=1, keepdims=True) / seen.shape[1] ** 0.5


def _as_maps(rows: Float[Array, "batch n"], size: int) -> Float[Array, "batch size size channels"]:
    return rows.reshape(-1, size, size, rows.shape[1] // size**2)
