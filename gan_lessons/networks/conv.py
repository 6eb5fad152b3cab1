"""Convolutional generators and discriminators.

Every layer halves or doubles the side of the picture with a 4x4 kernel and stride 2, as in DCGAN
(Radford et al. 2015, arXiv 1511.06434). Pictures come and go as rows [n, size * size * channels],
so the engine, the metrics and the panels treat them like any other data.
"""

from __future__ import annotations

from collections.abc import Callable
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
from gan_lessons.networks.base import ELEMENTWISE, INITIALIZERS, MOMENTUM, refuse_given
from gan_lessons.networks.layers import Conv, ConvTranspose
from gan_lessons.networks.spectral import SpectralConv


@dataclass(frozen=True)
class _Spec:
    """What generators and discriminators share; see there."""

    size: int = 28
    channels: int = 1
    widths: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    norm: str = "none"
    init: str = "he"

    def __post_init__(self) -> None:
        if not isinstance(self.widths, (tuple, list)) or not self.widths:
            raise InputError(
                f"widths must be a tuple of channels like (64, 128), not {self.widths!r}"
            )
        checked = (int(check_number("width", each, 1, 4096, integer=True)) for each in self.widths)
        object.__setattr__(self, "widths", tuple(checked))
        for name, low, high in (("size", 4, 256), ("channels", 1, 16)):
            value = check_number(name, getattr(self, name), low, high, integer=True)
            object.__setattr__(self, name, int(value))
        check_choice("activation", self.activation, ELEMENTWISE)
        check_choice("init", self.init, INITIALIZERS)
        if 2 ** len(self.widths) > self.size:
            raise InputError(
                f"{len(self.widths)} layers of stride 2 leave nothing of {self.size} pixels; "
                f"give widths at most {self.size.bit_length() - 1} entries"
            )

    @property
    def pixels(self) -> int:
        """Numbers in a picture: size * size * channels."""
        return self.size**2 * self.channels

    def _check_rows(self, numbers: int) -> None:
        if numbers != self.pixels:
            raise InputError(
                f"rows have {numbers} numbers, but pictures of {self.size}x{self.size}x"
                f"{self.channels} have {self.pixels}; set size and channels to those of the data"
            )


@dataclass(frozen=True)
class ConvGenerator(_Spec):
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
        self._check_rows(n_out)
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
            kernel_init=_initial(spec.init),
            use_bias=plain,
            rngs=rngs,
        )
        self.layers: Any = nnx.List()
        for i, (a, b) in enumerate(pairwise(widths)):
            bias = plain or (i == len(spec.widths) - 1 and not spec.norm_output)
            init = _initial(spec.init, 2.0)
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


@dataclass(frozen=True)
class ConvDiscriminator(_Spec):
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
        self._check_rows(n_in)
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
            init = _initial(spec.init)
            self.layers.append(layer(a, b, kernel_init=init, use_bias=not normed, rngs=rngs))
            if normed:
                self.norms.append(nnx.BatchNorm(b, momentum=MOMENTUM, rngs=rngs))
        self.dropout = nnx.Dropout(spec.dropout, rngs=rngs) if spec.dropout else None
        seen = spec.end**2 * spec.widths[-1] + (spec.across == "std")
        self.last = nnx.Linear(seen, 1, kernel_init=_initial(spec.init), rngs=rngs)
        self.classes = (
            nnx.Linear(given.size, seen, use_bias=False, kernel_init=_initial("lecun"), rngs=rngs)
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


def _initial(name: str, gain: float = 1.0) -> Callable[..., Array]:
    """An entry of INITIALIZERS, times `gain` where its width depends on the number of inputs.

    With stride 2 the 16 weights of a 4x4 kernel go to four different outputs, so an output of a
    transposed convolution has only a quarter of the inputs that the kernel's shape suggests.
    """
    scale = gain if name in ("he", "lecun") else 1.0
    return lambda *args: scale * INITIALIZERS[name](*args)
