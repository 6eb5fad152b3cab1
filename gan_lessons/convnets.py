"""Convolutional generators and discriminators, as specs beside `networks.MLP`.

Every layer halves or doubles the side of the picture with a 4x4 kernel and stride 2, as in DCGAN
(Radford et al. 2015, arXiv 1511.06434). Pictures come and go as rows [n, size * size * channels],
so the engine, the metrics and the panels treat them like any other data. With `labels` above 0
that many numbers, a one-hot label, stand behind the pixels and behind the latents: G passes on the
label that it was given, and D judges picture and label together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.convolution import Conv, ConvTranspose
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.networks import (
    ELEMENTWISE,
    INITIALIZERS,
    MOMENTUM,
    batch_std,
    power_iteration,
    unit,
)


def _initial(name: str, gain: float = 1.0) -> Callable[..., Array]:
    """An entry of INITIALIZERS; `gain` corrects those that go by the number of inputs.

    Stride 2 spreads the 16 weights of a 4x4 kernel over four outputs, so an output of a
    transposed convolution has only a quarter of the inputs that its kernel's shape tells.
    """
    scale = gain if name in ("he", "lecun") else 1.0
    return lambda *args: scale * INITIALIZERS[name](*args)


class SpectralConv(Conv):
    """A convolution with its kernel divided by its largest singular value as a matrix.

    The kernel [4, 4, in, out] counts as a matrix [16 * in, out]; one power iteration a call, as
    in `networks.SpectralLinear` (Miyato et al. 2018, arXiv 1802.05957, section 2 and appendix A).
    """

    def __init__(self, n_in: int, n_out: int, *, rngs: nnx.Rngs, **options: Any) -> None:
        super().__init__(n_in, n_out, rngs=rngs, **options)
        self.u = nnx.BatchStat(unit(nnx.initializers.normal(1.0)(rngs.params(), (n_out,))))

    def weights(self) -> Array:
        kernel = super().weights()
        sigma, self.u[...] = power_iteration(kernel.reshape(-1, kernel.shape[-1]), self.u[...])
        return kernel / sigma


@dataclass(frozen=True)
class _Spec:
    """What generators and discriminators share; see there."""

    size: int = 28
    channels: int = 1
    widths: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    norm: str = "none"
    init: str = "he"
    labels: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.widths, (tuple, list)) or not self.widths:
            raise InputError(
                f"widths must be a tuple of channels like (64, 128), not {self.widths!r}"
            )
        checked = (int(check_number("width", each, 1, 4096, integer=True)) for each in self.widths)
        object.__setattr__(self, "widths", tuple(checked))
        for name, low, high in (("size", 4, 256), ("channels", 1, 16), ("labels", 0, 1000)):
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

    def _fits(self, rows: int) -> None:
        if rows != self.pixels + self.labels:
            labels = f" and {self.labels} for the label" if self.labels else ""
            raise InputError(
                f"rows have {rows} numbers, but pictures of {self.size}x{self.size}x"
                f"{self.channels} have {self.pixels}{labels}; set size, channels and labels to "
                "those of the data"
            )


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

    def __call__(self, z: Float[Array, "batch n_in"]) -> Float[Array, "batch n_out"]:
        spec, hidden = self.spec, ELEMENTWISE[self.spec.activation]
        x = self.first(z).reshape(-1, spec.start, spec.start, spec.widths[0])
        for i, layer in enumerate(self.layers):
            x = layer(hidden(self.norms[i](x) if self.norms else x))
        x = self.norms[-1](x) if spec.norm_output else x
        cut = (x.shape[1] - spec.size) // 2
        x = x[:, cut : cut + spec.size, cut : cut + spec.size]
        rows = ELEMENTWISE[spec.output](x).reshape(len(z), -1)
        return jnp.concatenate([rows, z[:, z.shape[1] - spec.labels :]], axis=1)


@dataclass(frozen=True)
class ConvGenerator(_Spec):
    """Latents to pictures by one dense layer and one transposed convolution for each width.

    Attributes:
        size: pixels on a side, 4 to 256. The dense layer makes maps of ceil(size / 2^layers); what
            the last layer has too much is cut off at the border.
        channels: 1 for grey, 3 for colour.
        widths: channels after the dense layer and after every layer but the last.
        activation: name in ELEMENTWISE, before every transposed convolution.
        norm: "none" or "batch", after the dense layer and every layer but the last.
        init: as in `networks.MLP`.
        labels: number of classes, 0 without.
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
        """Whether each picture is made by itself, without a look at its batch."""
        return self.norm != "batch"

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs) -> nnx.Module:
        """The network from rows of `n_in` latents (labels included) to rows of `n_out` numbers."""
        self._fits(n_out)
        return _Generate(n_in, self, rngs)


class _Discriminate(nnx.Module):
    """A picture -> half the side, layer by layer -> one logit."""

    def __init__(self, spec: ConvDiscriminator, rngs: nnx.Rngs) -> None:
        self.spec = spec
        layer: Any = SpectralConv if spec.norm == "spectral" else Conv
        self.layers: Any = nnx.List()
        self.norms: Any = nnx.List()
        for i, (a, b) in enumerate(pairwise((spec.channels, *spec.widths))):
            normed = spec.norm == "batch" and i > 0  # never on the pixels themselves
            init = _initial(spec.init)
            self.layers.append(layer(a, b, kernel_init=init, use_bias=not normed, rngs=rngs))
            if normed:
                self.norms.append(nnx.BatchNorm(b, momentum=MOMENTUM, rngs=rngs))
        self.dropout = nnx.Dropout(spec.dropout, rngs=rngs) if spec.dropout else None
        seen = spec.end**2 * spec.widths[-1] + (spec.across == "std")
        self.last = nnx.Linear(seen, 1, kernel_init=_initial(spec.init), rngs=rngs)
        self.classes = (
            nnx.Linear(spec.labels, seen, use_bias=False, kernel_init=_initial("lecun"), rngs=rngs)
            if spec.labels
            else None
        )

    def features(self, x: Float[Array, "batch n_in"]) -> Float[Array, "batch n"]:
        """What the last layer sees: the last maps in a row, and `across` the batch where asked."""
        spec, hidden = self.spec, ELEMENTWISE[self.spec.activation]
        x = x[:, : spec.pixels].reshape(-1, spec.size, spec.size, spec.channels)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = hidden(self.norms[i - 1](x) if self.norms and i else x)
            x = self.dropout(x) if self.dropout else x
        x = x.reshape(len(x), -1)
        return x if spec.across == "none" else jnp.concatenate([x, batch_std(x)], axis=1)

    def __call__(self, x: Float[Array, "batch n_in"]) -> Float[Array, "batch 1"]:
        seen = self.features(x)
        out = self.last(seen)
        if self.classes is None:
            return out
        # A label is no picture: penalties and noise must not reach through it.
        label = nnx.one_hot(x[:, self.spec.pixels :].argmax(axis=1), self.spec.labels)
        return out + (self.classes(label) * seen).sum(axis=1, keepdims=True) / len(seen[0]) ** 0.5


@dataclass(frozen=True)
class ConvDiscriminator(_Spec):
    """Pictures to one logit by one convolution for each width and a dense layer.

    With labels the logit is w.f(x) + b + V_y.f(x) / sqrt(n), f(x) the n numbers that the last
    layer sees and V_y learned for each class: a projection discriminator (Miyato and Koyama 2018,
    arXiv 1802.05637, eq. 3).

    Attributes:
        size, channels, init, labels: as in `ConvGenerator`.
        widths: channels after each convolution.
        activation: name in ELEMENTWISE, after every convolution.
        norm: "none", "batch" (after every convolution but the first) or "spectral" (of every
            convolution, see `SpectralConv`).
        dropout: share of each hidden layer set to 0 while training, [0, 1).
        across: "none", or "std": the last layer is told how much the batch varies
            (`networks.batch_std`).

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
        """Whether each picture is judged by itself, without a look at its batch."""
        return self.norm != "batch" and self.across == "none"

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs) -> nnx.Module:
        """The network from rows of `n_in` numbers to [batch, 1]; `n_out` must be 1."""
        self._fits(n_in)
        if n_out != 1:
            raise InputError(f"a discriminator gives one logit, not {n_out}")
        return _Discriminate(self, rngs)


Pair = tuple[ConvGenerator, ConvDiscriminator]


def dcgan(size: int = 28, channels: int = 1, labels: int = 0) -> Pair:
    """DCGAN's two networks for pictures of 8, 16, 28, 32 or 64 pixels, or any size from 8 to 256.

    Batch normalisation in both players, but neither on what G puts out nor on what D takes in;
    ReLU in G, leaky ReLU in D; weights start at N(0, .02^2). At 64 pixels the widths are those of
    the authors' code: 512, 256, 128, 64; each halving of the side leaves out the widest layer.
    (Radford et al. 2015, arXiv 1511.06434, section 3.)
    """
    size = int(check_number("size", size, 8, 256, integer=True))
    layers = max(2, size.bit_length() - 3)  # down to maps of 4 to 7 pixels on a side
    wide = tuple(64 * 2**i for i in range(layers))
    shared: dict[str, Any] = {"norm": "batch", "init": "dcgan", "labels": labels}
    return (
        ConvGenerator(size, channels, wide[::-1], "relu", **shared),
        ConvDiscriminator(size, channels, wide, "leaky_relu", **shared),
    )


def small(size: int = 28, channels: int = 1, labels: int = 0) -> Pair:
    """A quarter of `dcgan`'s widths, one layer more, and no batch normalisation.

    What R1 and R2 tame instead. The last layer's maps have 2 to 4 pixels on a side, so that D sees
    the whole picture at once: with a layer less the same game learns several times slower.
    """
    g, d = dcgan(size, channels, labels)
    wide = (*(width // 4 for width in d.widths), d.widths[-1] // 2)
    changes: dict[str, Any] = {"activation": "silu", "norm": "none", "init": "he"}
    return replace(g, widths=wide[::-1], **changes), replace(d, widths=wide, **changes)
