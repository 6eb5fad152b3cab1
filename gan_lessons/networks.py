"""Generators and discriminators in `flax.nnx`, described by small hashable specs.

A spec says what to build (`MLP(hidden=(64, 64))`); the training room adds the sizes of the
latent and of the data. A new architecture is one spec class with `build(n_in, n_out, rngs)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_choice, check_number


class Network(Protocol):
    """What a config asks of a network spec, beside being frozen and hashable."""

    @property
    def row_wise(self) -> bool:
        """Whether each row (or pack) is mapped by itself, without a look at its batch."""

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs) -> nnx.Module:
        """The network with `n_in` inputs and `n_out` outputs, weights drawn from `rngs`."""


ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "linear": lambda x: x,
}


def maxout(x: Float[Array, "batch wide"]) -> Float[Array, "batch narrow"]:
    """The largest of PIECES linear maps, unit by unit (Goodfellow et al. 2013, arXiv 1302.4389)."""
    return x.reshape(len(x), PIECES, -1).max(axis=1)


ACTIVATIONS = ELEMENTWISE | {"maxout": maxout}

# Initial weights. "ganlab" is that tool's own choice (its first layer: see `Dense`).
INITIALIZERS: dict[str, Callable[..., Array]] = {
    "he": nnx.initializers.variance_scaling(2.0, "fan_in", "normal"),
    "lecun": nnx.initializers.variance_scaling(1.0, "fan_in", "normal"),
    "ganlab": nnx.initializers.variance_scaling(1.0, "fan_in", "normal"),
    "dcgan": nnx.initializers.normal(0.02),
    "orthogonal": nnx.initializers.orthogonal(0.8),
}
NORMS = ("none", "batch", "spectral")
PIECES = 5  # linear maps of which a maxout unit takes the largest
MOMENTUM = 0.95  # of the running means that batch normalisation uses when it does not train


class SpectralLinear(nnx.Linear):
    """x W / sigma + b, sigma the largest singular value of W, by one power iteration a call.

    u <- W^T v / |W^T v|, v <- W u / |W u|, sigma = v^T W u, with u and v held fixed in the
    gradient. (Miyato et al. 2018, arXiv 1802.05957, algorithm 1.)
    """

    def __init__(self, n_in: int, n_out: int, *, rngs: nnx.Rngs, **options: Any) -> None:
        super().__init__(n_in, n_out, rngs=rngs, **options)
        self.u = nnx.BatchStat(unit(jax.random.normal(rngs.params(), (n_out,))))

    def __call__(self, inputs: Array, out_sharding: Any = None) -> Array:
        kernel = self.kernel[...]
        sigma, self.u[...] = power_iteration(kernel, self.u[...])
        out = inputs @ (kernel / sigma)
        return out + self.bias[...][None]  # type: ignore[index]


def power_iteration(matrix: Array, u: Array) -> tuple[Array, Array]:
    """The largest singular value of a matrix [n, m], from a guess u [m], and a better guess."""
    fixed = lax.stop_gradient(matrix)
    v = unit(fixed @ u)
    u = unit(v @ fixed)
    return v @ matrix @ u, u


def unit(vector: Array) -> Array:
    """The vector at length 1."""
    return vector / (jnp.linalg.norm(vector) + 1e-12)


class Waves(nnx.Module):
    """A linear layer on random Fourier features of the input: a sin(w.x), a cos(w.x), w fixed.

    `count` directions, the same in every network; their lengths are spread evenly in logarithm
    over `band`, in radians per unit of the input. A plain network learns fine detail last;
    given waves, it need not. The amplitude a = .3 is ours: coarse shapes still come first, without
    which modes get lost. (Tancik et al. 2020, arXiv 2006.10739.)
    """

    AMPLITUDE = 0.3

    def __init__(
        self, n_in: int, n_out: int, count: int, band: tuple[float, float], rngs: nnx.Rngs
    ) -> None:
        towards = np.random.default_rng(0).normal(size=(n_in, count))
        low, high = band
        lengths = low * (high / low) ** ((np.arange(count) + 0.5) / count)
        directions = towards / np.linalg.norm(towards, axis=0) * lengths
        self.directions = tuple(map(tuple, directions.tolist()))  # fixed: no parameter, no state
        init = INITIALIZERS["he"]
        self.linear = nnx.Linear(2 * count, n_out, use_bias=False, kernel_init=init, rngs=rngs)

    def __call__(self, x: Float[Array, "batch n_in"]) -> Float[Array, "batch n_out"]:
        phase = x @ jnp.array(self.directions)
        waves = jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], axis=1)
        return self.linear(self.AMPLITUDE * waves)


def batch_std(features: Float[Array, "batch n"]) -> Float[Array, "batch 1"]:
    """How much a batch varies: the standard deviation of each feature, averaged over features.

    One number, the same in every row. (Karras et al. 2018, arXiv 1710.10196, section 3, over the
    whole batch.) The small constant keeps the gradient finite where a batch is a single point.
    """
    spread = jnp.sqrt(features.var(axis=0) + 1e-8).mean()
    return jnp.full_like(features[:, :1], 1) * spread


class Closeness(nnx.Module):
    """Minibatch discrimination: how close each row is to the rest of its batch.

    M_i = f(x_i) T in R^{kernels x size}; o(x_i)_b = sum_{j != i} exp(-|M_ib - M_jb|_1).
    (Salimans et al. 2016, arXiv 1606.03498, section 3.2.)
    """

    KERNELS, SIZE = 8, 4

    def __init__(self, n_in: int, rngs: nnx.Rngs) -> None:
        shape = (n_in, self.KERNELS * self.SIZE)
        self.maps = nnx.Param(INITIALIZERS["lecun"](rngs.params(), shape, jnp.float32))

    def __call__(self, features: Float[Array, "batch n"]) -> Float[Array, "batch kernels"]:
        m = (features @ self.maps[...]).reshape(-1, self.SIZE, self.KERNELS)
        pieces = (m[:, i] for i in range(self.SIZE))  # far quicker than a sum over an axis
        apart = sum(jnp.abs(piece[:, None] - piece[None]) for piece in pieces)
        return jnp.exp(-apart).sum(axis=1) - 1  # without the row itself


# What the last layer is told of the batch, and in how many numbers.
ACROSS = {"none": 0, "std": 1, "discrimination": Closeness.KERNELS}


class Dense(nnx.Module):
    """x -> activation(... (x W1 + b1) ...) Wn + bn, then an output function and a scale."""

    def __init__(self, n_in: int, n_out: int, spec: MLP, rngs: nnx.Rngs) -> None:
        self.spec = spec
        self.layers: Any = nnx.List()
        self.norms: Any = nnx.List()
        linear: Any = SpectralLinear if spec.norm == "spectral" else nnx.Linear
        pieces = PIECES if spec.activation == "maxout" else 1
        fan_in = n_in * spec.pack
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

    def features(self, x: Float[Array, "batch n_in"]) -> Float[Array, "packs n"]:
        """What the last layer sees: the last hidden layer, `across` the batch where asked."""
        hidden = ACTIVATIONS[self.spec.activation]
        x = x.reshape(-1, self.spec.pack * x.shape[1])
        for i, layer in enumerate(list(self.layers)[:-1]):
            x = layer(x) + self.waves(x) if self.waves and not i else layer(x)
            x = hidden(self.norms[i](x) if self.norms else x)
            x = self.dropout(x) if self.dropout else x
        if self.spec.across == "none":
            return x
        return jnp.concatenate([x, (self.closeness or batch_std)(x)], axis=1)

    def __call__(self, x: Float[Array, "batch n_in"]) -> Float[Array, "packs n_out"]:
        out = self.layers[-1](self.features(x))
        return self.spec.scale * ACTIVATIONS[self.spec.output](out)


@dataclass(frozen=True)
class MLP:
    """A fully connected network.

    Attributes:
        hidden: widths of the hidden layers, each from 1 to 8192; may be empty.
        activation: name in ACTIVATIONS, after each hidden layer.
        output: name in ACTIVATIONS, after the last layer ("tanh" for images in [-1, 1]).
            A discriminator keeps "linear": every objective works on logits.
        scale: factor on the output, above 0; set it to the size of the data.
        init: "he" (He et al. 2015, arXiv 1502.01852), "lecun", "dcgan" (standard deviation .02),
            "orthogonal" (gain .8, Metz et al. 2017), or "ganlab".
        norm: "none", "batch" (Ioffe and Szegedy 2015, arXiv 1502.03167; before the activation of
            each hidden layer) or "spectral" (every layer, see `SpectralLinear`).
        dropout: share of each hidden layer set to 0 while training, [0, 1).
        across: what the last layer is told of the batch around a row: "none", its "std"
            (`batch_std`) or the row's "discrimination" (`Closeness`). For discriminators.
        fourier: number of random Fourier features beside the input of the first hidden layer, 0
            to 1024; `band`: from which to which frequency (see `Waves`).
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
        pack = check_number("pack", self.pack, 1, 16, integer=True)
        object.__setattr__(self, "pack", int(pack))
        fourier = check_number("fourier", self.fourier, 0, 1024, integer=True)
        object.__setattr__(self, "fourier", int(fourier))
        if self.fourier and not self.hidden:
            raise InputError("fourier needs a hidden layer to feed: give hidden a width or two")
        self._check_band()

    def _check_band(self) -> None:
        try:
            low, high = (
                float(check_number("band", each, 0, 1e6, above=True)) for each in self.band
            )
        except (TypeError, ValueError):
            raise InputError(f"band must be (low, high), not {self.band!r}") from None
        if low > high:
            raise InputError(f"band must rise, as in (0.5, 25), not {self.band!r}")
        object.__setattr__(self, "band", (float(low), float(high)))

    @property
    def row_wise(self) -> bool:
        """Whether each row (or pack) is judged by itself, without a look at its batch."""
        return self.across == "none" and self.norm != "batch"

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs) -> nnx.Module:
        """The network with `n_in` inputs and `n_out` outputs, weights drawn from `rngs`."""
        return Dense(n_in, n_out, self, rngs)


def parameter_count(module: nnx.Module) -> int:
    """How many numbers training adjusts in `module`."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
