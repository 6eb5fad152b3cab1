"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.networks.across import ACROSS, Closeness, batch_std
from gan_lessons.networks.base import ACTIVATIONS, ELEMENTWISE, INITIALIZERS, MOMENTUM, PIECES
from gan_lessons.networks.spectral import SpectralLinear
from gan_lessons.networks.waves import Waves

NORMS = ("none", "batch", "spectral")


@dataclass(frozen=True)
class MLP:
    """A fully connected network. What is given stands beside the input of the first layer.

    Attributes:
        hidden: widths of the hidden layers, each from 1 to 8192; may be empty.
        activation: name in ACTIVATIONS, after each hidden layer.
        output: name in ELEMENTWISE, after the last layer ("tanh" for images in [-1, 1]).
            A discriminator keeps "linear": every objective works on logits.
        scale: factor on the output, above 0; set it to the size of the data.
        init: "he" (He et al. 2015, arXiv 1502.01852), "lecun", "dcgan" (standard deviation .02),
            "orthogonal" (gain .8, Metz et al. 2017), or "ganlab".
        norm: "none", "batch" (Ioffe and Szegedy 2015, arXiv 1502.03167; before the activation of
            each hidden layer) or "spectral" (every layer, see `SpectralLinear`).
        dropout: share of each hidden layer set to 0 while training, [0, 1).
        across: what the last layer is told about the batch around a row: "none", its "std"
            (`batch_std`) or the row's "discrimination" (`Closeness`). For discriminators.
        fourier: number of random Fourier features of x beside the input of the first hidden
            layer, 0 to 1024; `band`: their lowest and highest frequency (see `Waves`).
        pack: rows that are judged together, as one, 1 to 16: [batch, n] -> [batch / pack, 1].
            For discriminators (PacGAN, Lin et al. 2018, arXiv 1712.04086).

    Raises: InputError on anything else.
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    output: str = "linear"
    scale: float = 1.0
    init: str = field(default="he", kw_only=True)
    norm: str = field(default="none", kw_only=True)
    dropout: float = field(default=0.0, kw_only=True)
    across: str = field(default="none", kw_only=True)
    fourier: int = field(default=0, kw_only=True)
    band: tuple[float, float] = field(default=(0.5, 25.0), kw_only=True)
    pack: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, (tuple, list)):
            raise InputError(f"hidden must be a tuple of widths like (64, 64), not {self.hidden!r}")
        what = "width of a hidden layer"
        widths = (int(check_number(what, each, 1, 8192, integer=True)) for each in self.hidden)
        object.__setattr__(self, "hidden", tuple(widths))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("output", self.output, ELEMENTWISE)
        check_choice("init", self.init, INITIALIZERS)
        check_choice("norm", self.norm, NORMS)
        check_choice("across", self.across, ACROSS)
        check_number("output scale", self.scale, 0, 1e6, above=True)
        check_number("dropout", self.dropout, 0, 0.99)
        for name, low, high in (("pack", 1, 16), ("fourier", 0, 1024)):
            count = check_number(name, getattr(self, name), low, high, integer=True)
            object.__setattr__(self, name, int(count))
        if self.fourier and not self.hidden:
            raise InputError("fourier needs a hidden layer to feed: give hidden a width or two")
        object.__setattr__(self, "band", _checked_band(self.band))

    @property
    def row_wise(self) -> bool:
        """Whether each row (or pack) is mapped independently of the rest of its batch."""
        return self.across == "none" and self.norm != "batch"

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs, given: Given = NOTHING) -> nnx.Module:
        """The network from [n, n_in], and what is given, to [n, n_out]."""
        return Dense(n_in, n_out, self, rngs, given.size)


def _checked_band(band: Any) -> tuple[float, float]:
    try:
        low, high = (float(check_number("band", each, 0, 1e6, above=True)) for each in band)
    except (TypeError, ValueError):
        raise InputError(f"band must be (low, high), not {band!r}") from None
    if low > high:
        raise InputError(f"band must rise, as in (0.5, 25), not {band!r}")
    return low, high


class Dense(nnx.Module):
    """x -> activation(... (x W1 + b1) ...) Wn + bn, then an output function and a scale."""

    def __init__(self, n_in: int, n_out: int, spec: MLP, rngs: nnx.Rngs, n_given: int = 0) -> None:
        self.spec = spec
        self.layers: Any = nnx.List()
        self.norms: Any = nnx.List()
        linear: Any = SpectralLinear if spec.norm == "spectral" else nnx.Linear
        pieces = PIECES if spec.activation == "maxout" else 1
        fan_in = (n_in + n_given) * spec.pack
        for width in spec.hidden:
            options = {"kernel_init": self._init(fan_in), "use_bias": spec.norm != "batch"}
            self.layers.append(linear(fan_in, width * pieces, rngs=rngs, **options))
            if spec.norm == "batch":
                self.norms.append(nnx.BatchNorm(width * pieces, momentum=MOMENTUM, rngs=rngs))
            fan_in = width
        seen = fan_in + ACROSS[spec.across]
        self.layers.append(linear(seen, n_out, rngs=rngs, kernel_init=self._init(seen)))
        first = pieces * next(iter(spec.hidden), n_out)
        waves = (n_in * spec.pack, first, spec.fourier, spec.band, rngs)
        self.waves = Waves(*waves) if spec.fourier else None
        self.dropout = nnx.Dropout(spec.dropout, rngs=rngs) if spec.dropout else None
        self.closeness = Closeness(fan_in, rngs) if spec.across == "discrimination" else None

    def _init(self, fan_in: int) -> Callable[..., Array]:
        if self.spec.init == "ganlab" and not self.layers:
            return nnx.initializers.variance_scaling(0.5 * fan_in, "fan_in", "normal")
        return INITIALIZERS[self.spec.init]

    def features(
        self, x: Float[Array, "batch n_in"], given: Float[Array, "batch k"] | None = None
    ) -> Float[Array, "packs n"]:
        """What the last layer sees: the last hidden layer, and `across` the batch where asked."""
        hidden = ACTIVATIONS[self.spec.activation]
        x = self._packed(x)
        waves = self.waves(x) if self.waves else None
        x = x if given is None else jnp.concatenate([x, self._packed(given)], axis=1)
        for i, layer in enumerate(list(self.layers)[:-1]):
            x = layer(x) + waves if i == 0 and waves is not None else layer(x)
            x = hidden(self.norms[i](x) if self.norms else x)
            x = self.dropout(x) if self.dropout else x
        if self.spec.across == "none":
            return x
        return jnp.concatenate([x, (self.closeness or batch_std)(x)], axis=1)

    def __call__(
        self, x: Float[Array, "batch n_in"], given: Float[Array, "batch k"] | None = None
    ) -> Float[Array, "packs n_out"]:
        out = self.layers[-1](self.features(x, given))
        return self.spec.scale * ACTIVATIONS[self.spec.output](out)

    def _packed(self, rows: Float[Array, "batch n"]) -> Float[Array, "packs wide"]:
        return rows.reshape(-1, self.spec.pack * rows.shape[1])
