"""What a GAN imitates and what it starts from: things to sample, most with an exact density.

    ring = Ring(modes=8)
    x = ring.sample(jax.random.key(0), 256)  # [256, 2], cheap inside a jitted step
    ring.log_prob(x)  # [256], in nats

`distribution("two-moons")` finds one by name. To add one, write a class with `_sample` (and
`_log_prob`, with `has_density = True`) under `@register("its-name")`.
"""

from __future__ import annotations

import abc
import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jax.scipy.special import log_ndtr, logsumexp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from gan_lessons.errors import InputError, check_choice, check_number

TINY, HUGE = 1e-6, 1e6  # sizes between these keep float32 densities finite
LOG_2PI = math.log(2 * math.pi)
# What a field of this name may hold: numbers in a range, whole ones where the limits are whole;
# for tuples their depth stands first.
LIMITS: dict[str, tuple[int, float, float]] = {
    "dim": (0, 1, 65536),
    "side": (0, 1, 100),
    "arms": (0, 1, 100),
    "cells": (0, 1, 64),
    "bits": (0, 1, 64),
    "turns": (0, TINY, 100.0),
    **dict.fromkeys(("radius", "spacing", "size", "std"), (0, TINY, HUGE)),
    **dict.fromkeys(("low", "high", "mean"), (0, -HUGE, HUGE)),
    **dict.fromkeys(("stds", "weights"), (1, TINY, HUGE)),
    "means": (1, -HUGE, HUGE),
    "centers": (2, -HUGE, HUGE),
    "segments": (3, -HUGE, HUGE),
}
Box = tuple[tuple[float, float], ...]


class Distribution(abc.ABC):
    """A distribution over rows of `dim` numbers.

    The analytic ones are frozen dataclasses of plain numbers: hashable, `repr` reconstructs
    them, and JAX treats them as static, so they pass through `jit` as they are.

    Attributes:
        dim: numbers in one row.
        has_density: whether `log_prob` is known exactly.
        modes: centres of the modes, [k, dim], or None where modes are not a finite set.
        mode_std: standard deviation of a mode (the root mean square where they differ), or None.
        extent: (low, high) for each dimension: holds all but about 1e-4 of the mass; to plot in.
    """

    has_density: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, value in tuple(vars(self).items()):
            if name == "latent":  # of a latent with something added: a name will do
                self.__dict__[name] = distribution(value)
            if name in LIMITS and not (name == "weights" and value is None):
                self.__dict__[name] = _checked(f"{name} of {type(self).__name__}", name, value)

    @property
    def dim(self) -> int:
        return 2

    @property
    def modes(self) -> np.ndarray | None:
        return None

    @property
    def mode_std(self) -> float | None:
        return None

    @property
    @abc.abstractmethod
    def extent(self) -> Box: ...

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        """Draw `n` rows; `n` is a Python int (static under `jit`) of at least 1."""
        count = check_number("the number of samples", n, 1, 2**31 - 1, integer=True)
        return _sample(self, key, int(count))

    def log_prob(self, x: Float[Array | np.ndarray, "n dim"]) -> Float[Array, "n"]:
        """Natural log of the density at each row of `x`; -inf outside the support.

        Raises:
            InputError: there is no closed density, or `x` is not [n, dim].
        """
        name = type(self).__name__
        if not self.has_density:
            known = ", ".join(key for key, kind in DISTRIBUTIONS.items() if kind.has_density)
            raise InputError(f"{name} has samples but no exact density; these have one: {known}")
        if jnp.ndim(x) != 2 or jnp.shape(x)[1] != self.dim:
            raise InputError(f"{name} wants points [n, {self.dim}], not of shape {jnp.shape(x)}")
        return _log_prob(self, _real(x))

    @abc.abstractmethod
    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]: ...

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        raise NotImplementedError


@functools.partial(jax.jit, static_argnums=2, inline=True)
def _sample(d: Distribution, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
    return d._sample(key, n)


@functools.partial(jax.jit, inline=True)
def _log_prob(d: Distribution, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
    return d._log_prob(x)


DISTRIBUTIONS: dict[str, type[Distribution]] = {}
D = TypeVar("D", bound=Distribution)


@dataclass_transform(frozen_default=True)
def register(name: str) -> Callable[[type[D]], type[D]]:
    """Class decorator: a frozen dataclass, static to JAX, found by `distribution(name)`."""

    def decorate(cls: type[D]) -> type[D]:
        DISTRIBUTIONS[name] = jax.tree_util.register_static(dataclass(frozen=True)(cls))
        return cls

    return decorate


def distribution(spec: object) -> Distribution:
    """A `Distribution` from a name in `DISTRIBUTIONS`, a `Distribution`, or an array [n, dim].

    Raises:
        InputError: an unknown name (the nearest is suggested) or an unusable array.
    """
    if isinstance(spec, Distribution):
        return spec
    if isinstance(spec, str):
        return DISTRIBUTIONS[check_choice("distribution", spec, DISTRIBUTIONS)]()
    return Empirical(spec)


# ---- checks and small tools


def _real(x: Any) -> Array:
    return jnp.asarray(x, float)  # float32, or float64 where JAX is told to use it


def _array(what: str, value: object, rank: int, low: float, high: float) -> np.ndarray:
    """`value` as a NumPy array of `rank` with all entries in [low, high], or `InputError`."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be an array of numbers with rows of equal length") from None
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise InputError(f"{what} must be plain numbers (int or float), not dtype {array.dtype}")
    if array.ndim != rank or array.size == 0:
        hint = "; try x[:, None] for one dimension, x.reshape(len(x), -1) for images"
        raise InputError(
            f"{what} must have {rank} dimension(s) and not be empty, but the shape is {array.shape}"
            + (hint if rank == 2 else "")
        )
    array = array.astype(np.promote_types(array.dtype, np.float32))
    bad = np.argwhere(~((array >= low) & (array <= high)))  # NaN compares false
    if len(bad):
        raise InputError(
            f"{what} must be numbers from {low:g} to {high:g}, but {len(bad)} of {array.size} "
            f"are not, the first at {bad[0].tolist()}: {array[tuple(bad[0])]}"
        )
    return array


def _checked(what: str, name: str, value: object) -> Any:
    rank, low, high = LIMITS[name]
    if rank:
        return _tuples(_array(what, value, rank, low, high).tolist())
    return check_number(what, value, low, high, integer=isinstance(low, int))


def _tuples(nested: Any) -> Any:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested


def _box(low: np.ndarray, high: np.ndarray) -> Box:
    """The box from `low` to `high`, wider by an eighth of its longest side all round."""
    pad = float((high - low).max()) / 8 or 0.5
    return tuple((float(a) - pad, float(b) + pad) for a, b in zip(low, high, strict=True))


def _pick(u: Float[Array, "n"], weights: np.ndarray) -> Int[Array, "n"]:
    """Index i with probability weights[i] / sum, from uniforms `u` in [0, 1)."""
    if not np.ptp(weights):
        return (u * len(weights)).astype(int)
    ends = np.cumsum(weights / weights.sum())[:-1]  # without the last: rounding cannot pass it
    return jnp.searchsorted(_real(ends), u, side="right", method="compare_all")


def _mixture_log_prob(
    x: Float[Array, "n dim"], centers: Any, stds: np.ndarray, weights: np.ndarray
) -> Float[Array, "n"]:
    """log sum_i w_i N(x; c_i, diag(s_i^2)), weights scaled to sum to 1."""
    z = (x[:, None] - _real(centers)[None]) / _real(stds)[None]
    scale = np.log(weights / weights.sum()) - np.log(stds).sum(-1) - LOG_2PI * x.shape[1] / 2
    return logsumexp(_real(scale)[None] - 0.5 * jnp.sum(z * z, -1), axis=1)


# ---- priors: what the generator starts from


@register("normal")
class Normal(Distribution):
    """The standard normal N(0, I) in `dim` dimensions."""

    dim: int = 2
    has_density = True

    @property
    def extent(self) -> Box:
        return ((-4.0, 4.0),) * self.dim

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        return random.normal(key, (n, self.dim))

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        return -0.5 * jnp.sum(x * x, 1) - self.dim * LOG_2PI / 2


class _Cube(Distribution):
    """Independent coordinates, each in [low, high]."""

    has_density = True
    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.float32(self.high) <= np.float32(self.low):
            raise InputError(f"high ({self.high:g}) must be above low ({self.low:g})")

    @property
    def extent(self) -> Box:
        return _box(np.full(self.dim, self.low), np.full(self.dim, self.high))

    def _inside(self, x: Float[Array, "n dim"], log_density: Array) -> Float[Array, "n"]:
        inside = jnp.all((x >= self.low) & (x <= self.high), axis=1)
        return jnp.where(inside, log_density, -jnp.inf)


@register("uniform")
class Uniform(_Cube):
    """Uniform on the cube [low, high]^dim."""

    dim: int = 2
    low: float = -1.0
    high: float = 1.0

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        return random.uniform(key, (n, self.dim), minval=self.low, maxval=self.high)

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        return self._inside(x, _real(-self.dim * math.log(self.high - self.low)))


@register("truncated-normal")
class TruncatedNormal(_Cube):
    """N(mean, std^2) on [low, high], independent per coordinate; the defaults are GAN Lab's noise.

    Raises:
        InputError: also if [low, high] holds less than a thousandth of the untruncated bell.
    """

    dim: int = 2
    mean: float = 0.5
    std: float = 0.25
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._mass < 1e-3:
            raise InputError(
                f"[{self.low:g}, {self.high:g}] holds almost none of a normal with mean "
                f"{self.mean:g} and std {self.std:g}; move the mean or widen the interval"
            )

    @property
    def _ends(self) -> tuple[float, float]:
        return (self.low - self.mean) / self.std, (self.high - self.mean) / self.std

    @property
    def _mass(self) -> float:
        low, high = (math.erfc(-end / math.sqrt(2)) / 2 for end in self._ends)
        return high - low

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        noise = random.truncated_normal(key, *self._ends, (n, self.dim))
        return jnp.clip(self.mean + self.std * noise, self.low, self.high)

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        z = (x - self.mean) / self.std
        scale = self.dim * (math.log(self.std * self._mass) + LOG_2PI / 2)
        return self._inside(x, -0.5 * jnp.sum(z * z, 1) - scale)


@jax.tree_util.register_static
@dataclass(frozen=True)
class WithLabels(Distribution):
    """Latents with a class label: rows [z, one-hot y], y drawn in proportion to `weights`.

    For a generator that is told which class to make (Mirza and Osindero 2014, arXiv 1411.1784).
    Give it the class frequencies of the data, or D can tell fakes by their labels alone.
    """

    latent: Distribution
    weights: tuple[float, ...]

    @property
    def dim(self) -> int:
        return self.latent.dim + len(self.weights)

    @property
    def extent(self) -> Box:
        return (*self.latent.extent, *[(0.0, 1.0)] * len(self.weights))

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        key_z, key_y = random.split(key)
        labels = random.categorical(key_y, jnp.log(jnp.array(self.weights)), shape=(n,))
        return self.given(self.latent.sample(key_z, n), labels)

    def given(self, z: Float[Array, "n z"], labels: Int[Array, "n"]) -> Float[Array, "n dim"]:
        """Latents z with labels of one's own choice, whole numbers from 0."""
        return jnp.concatenate([z, jax.nn.one_hot(labels, len(self.weights))], axis=1)


@register("with-bits")
class WithBits(Distribution):
    """Latents in 2^bits separate pieces: rows [z, s], each of the signs s fair, -1 or 1.

    A continuous generator maps a latent space in one piece to samples in one piece: from mode to
    mode there is a bridge of bad samples. From piece to piece it can jump. Nobody tells it what
    the signs mean. (Discrete codes: Chen et al. 2016, arXiv 1606.03657. What one piece costs:
    Khayatkhoei et al. 2018, arXiv 1806.00880; Tanielian et al. 2020, arXiv 2006.04596.)

    Raises: InputError for a `latent` that is no distribution, or `bits` that are not a whole
    number from 1 to 64.
    """

    latent: Distribution = Normal(2)
    bits: int = 10

    @property
    def dim(self) -> int:
        return self.latent.dim + self.bits

    @property
    def extent(self) -> Box:
        return (*self.latent.extent, *[(-1.0, 1.0)] * self.bits)

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        key_z, key_s = random.split(key)
        signs = random.rademacher(key_s, (n, self.bits), jnp.float32)
        return jnp.concatenate([self.latent.sample(key_z, n), signs], axis=1)


# ---- mixtures of Gaussians


class _GaussianMixture(Distribution):
    """A mixture of Gaussians with diagonal covariances."""

    has_density = True

    @abc.abstractmethod
    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        """Centres [k, dim]; standard deviations that broadcast to them; weights, [k] or one."""

    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        centers, stds, weights = self._parts()
        return centers, np.broadcast_to(stds, centers.shape), np.broadcast_to(weights, len(centers))

    @property
    def dim(self) -> int:
        return self.modes.shape[1]

    @property
    def modes(self) -> np.ndarray:
        return self._table()[0]

    @property
    def mode_std(self) -> float:
        stds = self._table()[1]
        return float(np.sqrt(np.mean(stds**2)) if np.ptp(stds) else stds[0, 0])

    @property
    def extent(self) -> Box:
        centers, stds, _ = self._table()
        return _box((centers - 4 * stds).min(0), (centers + 4 * stds).max(0))

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        centers, stds, weights = self._table()
        mode_key, noise_key = random.split(key)
        mode = _pick(random.uniform(mode_key, (n,)), weights)
        noise = random.normal(noise_key, (n, centers.shape[1]))
        spread = _real(stds)[mode] if np.ptp(stds) else float(stds[0, 0])
        return _real(centers)[mode] + spread * noise

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        return _mixture_log_prob(x, *self._table())


@register("ring")
class Ring(_GaussianMixture):
    """`modes` equal Gaussians on a circle, at angles 2 pi k / modes; kept as `count`.

    `modes=8, radius=1, std=.01` is the ring of PacGAN (Lin et al. 2018, arXiv 1712.04086).
    """

    count: int
    radius: float
    std: float

    def __init__(self, modes: int = 8, radius: float = 1.0, std: float = 0.01) -> None:
        # Written out because the attribute `modes` is the array of centres, as everywhere.
        count = check_number("modes of Ring", modes, 1, 10_000, integer=True)
        self.__dict__.update(count=count, radius=radius, std=std)
        self.__post_init__()

    def __repr__(self) -> str:
        return f"Ring(modes={self.count}, radius={self.radius}, std={self.std})"

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        angle = 2 * np.pi * np.arange(self.count) / self.count
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], 1), self.std, 1.0


@register("grid")
class Grid(_GaussianMixture):
    """`side` x `side` equal Gaussians, `spacing` apart, centred on 0.

    The defaults are the grid of PacGAN (Lin et al. 2018, arXiv 1712.04086).
    """

    side: int = 5
    spacing: float = 2.0
    std: float = 0.05

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        line = (np.arange(self.side) - (self.side - 1) / 2) * self.spacing
        return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2), self.std, 1.0


class _FreeMixture(_GaussianMixture):
    """A mixture whose parts are given one by one, the weights in any scale or left out (equal)."""

    stds: tuple[float, ...]
    weights: tuple[float, ...] | None

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = {name: len(value) for name, value in vars(self).items() if value is not None}
        if len(set(parts.values())) > 1:
            raise InputError(f"each mode needs one entry in all of them, not {parts}")

    def _spread(self) -> tuple[np.ndarray, Any]:
        return np.array(self.stds)[:, None], self.weights or 1.0


@register("mixture-1d")
class Mixture1D(_FreeMixture):
    """Gaussians on a line: one mean, std and (optional) weight each; samples are [n, 1]."""

    means: tuple[float, ...] = (-1.5, 1.5)
    stds: tuple[float, ...] = (0.5, 0.5)
    weights: tuple[float, ...] | None = None

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array(self.means)[:, None], *self._spread()


@register("mixture")
class Mixture(_FreeMixture):
    """Round Gaussians in any dimension: centres (k rows of dim), one std and weight for each."""

    centers: tuple[tuple[float, ...], ...] = ((-1.0, 0.0), (1.0, 0.0))
    stds: tuple[float, ...] = (0.25, 0.25)
    weights: tuple[float, ...] | None = None

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array(self.centers), *self._spread()


@register("ganlab-gaussians")
class GanLabGaussians(_GaussianMixture):
    """GAN Lab's two Gaussians, one round, one tall (Kahng et al. 2018, arXiv 1809.01587)."""

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array([[0.3, 0.7], [0.7, 0.4]]), np.array([[0.1, 0.1], [0.05, 0.2]]), 1.0


@register("ganlab-disjoint")
class GanLabDisjoint(_GaussianMixture):
    """GAN Lab's three separate Gaussians (Kahng et al. 2018, arXiv 1809.01587)."""

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array([[0.35, 0.75], [0.75, 0.6], [0.45, 0.35]]), 0.025, 1.0


# ---- curves with Gaussian noise


class _Curve(Distribution):
    """Points along a curve in the plane, plus N(0, std^2) on each coordinate."""

    std: float

    @abc.abstractmethod
    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        """The point before which a share `u` in [0, 1) of the mass lies."""

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        place_key, noise_key = random.split(key)
        curve = self._curve(random.uniform(place_key, (n,)))
        return curve + self.std * random.normal(noise_key, (n, 2))

    @property
    def extent(self) -> Box:
        with jax.ensure_compile_time_eval():
            curve = np.asarray(self._curve(jnp.linspace(0.0, 1.0, 2048, endpoint=False)))
        return _box(curve.min(0) - 4 * self.std, curve.max(0) + 4 * self.std)


@register("two-moons")
class TwoMoons(_Curve):
    """Two interleaved half circles of radius 1, as in scikit-learn's `make_moons`."""

    std: float = 0.05

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        lower = u >= 0.5
        x, y = jnp.cos(2 * jnp.pi * u), jnp.sin(2 * jnp.pi * u)  # the lower half is turned by pi
        return jnp.stack([jnp.where(lower, 1 + x, x), jnp.where(lower, 0.5 + y, y)], 1)


@register("spiral")
class Spiral(_Curve):
    """`arms` Archimedean spirals, each `turns` times round the origin out to `radius`."""

    arms: int = 2
    turns: float = 1.5
    radius: float = 2.0
    std: float = 0.05

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        arm = jnp.floor(u * self.arms)
        out = jnp.sqrt(u * self.arms - arm)  # the root spreads the points evenly along an arm
        angle = 2 * jnp.pi * (self.turns * out + arm / self.arms)
        return self.radius * out[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)


@register("swiss-roll")
class SwissRoll(_Curve):
    """The rolled-up sheet of scikit-learn's `make_swiss_roll` from the side, scaled to `radius`.

    The angle is uniform from 1.5 pi to 4.5 pi and the distance from 0 grows with it.
    """

    radius: float = 2.0
    std: float = 0.05

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        turn = (1 + 2 * u) / 3
        angle = 4.5 * jnp.pi * turn
        return self.radius * turn[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)


@register("ganlab-ring")
class GanLabRing(_Curve):
    """GAN Lab's ellipse (.5 + .3 cos a, .45 + .25 sin a), a uniform, noise .025 (arXiv 1809.01587).

    The density is an integral over a whole period. 128 equal steps of `a` are closer together
    than the noise is wide, where the error of the sum is below that of float32.
    """

    std = 0.025
    has_density = True

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        angle = 2 * jnp.pi * u
        return jnp.stack([0.5 + 0.3 * jnp.cos(angle), 0.45 + 0.25 * jnp.sin(angle)], 1)

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        nodes = self._curve(jnp.arange(128) / 128)
        return _mixture_log_prob(x, nodes, np.full((128, 2), self.std), np.ones(128))


class _Segments(_Curve):
    """Straight segments, points uniform by length, smeared with Gaussian noise.

    A segment of length L gives N(across; 0, s^2) (F(along / s) - F((along - L) / s)) / L, with
    F the normal distribution function, `along` and `across` measured from its start.
    """

    has_density = True

    @abc.abstractmethod
    def _ends(self) -> np.ndarray:
        """Start and end of each segment, [k, 2, 2]."""

    def _pieces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts [k, 2], directions [k, 2] of length 1, lengths [k]."""
        start, end = np.moveaxis(self._ends(), 1, 0)
        length = np.linalg.norm(end - start, axis=1)
        return start, (end - start) / np.maximum(length, TINY)[:, None], length

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        start, direction, length = self._pieces()
        piece = _pick(u, length)
        passed = _real(np.cumsum(length) - length)
        along = u * float(length.sum()) - passed[piece]
        return _real(start)[piece] + along[:, None] * _real(direction)[piece]

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        start, direction, length = self._pieces()
        offset = (x[:, None] - _real(start)[None]) / self.std
        along = jnp.sum(offset * _real(direction)[None], -1)
        across = jnp.sum(offset * _real(direction[:, ::-1] * [1, -1])[None], -1)
        inner = _log_ndtr_difference(along, along - _real(length / self.std)[None])
        scale = math.log(self.std * length.sum()) + LOG_2PI / 2
        return logsumexp(inner - 0.5 * across**2, axis=1) - scale


def _log_ndtr_difference(a: Array, b: Array) -> Array:
    """log(F(a) - F(b)) for a > b, taken in the lower tail, where F keeps its digits."""
    upper = b > 0
    a, b = jnp.where(upper, -b, a), jnp.where(upper, -a, b)
    return log_ndtr(a) + jnp.log(-jnp.expm1(log_ndtr(b) - log_ndtr(a)))


@register("lines")
class Lines(_Segments):
    """Straight segments ((x0, y0), (x1, y1)); by default two parallel ones of length 2.

    Raises:
        InputError: also for a segment shorter than a tenth of `std`.
    """

    segments: tuple[tuple[tuple[float, ...], ...], ...] = (
        ((-1.0, -1.0), (-1.0, 1.0)),
        ((1.0, -1.0), (1.0, 1.0)),
    )
    std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._ends().shape[1:] != (2, 2):
            raise InputError("each of the segments of Lines must be ((x0, y0), (x1, y1))")
        if self._pieces()[2].min() < self.std / 10:
            raise InputError("a segment is shorter than a tenth of std; a Mixture suits points")

    def _ends(self) -> np.ndarray:
        return np.array(self.segments)


@register("ganlab-line")
class GanLabLine(_Segments):
    """GAN Lab's line (.8 - .75 r, .6 + .3 r), r uniform on [0, 1], noise .01 (arXiv 1809.01587)."""

    std = 0.01

    def _ends(self) -> np.ndarray:
        return np.array([[[0.8, 0.6], [0.05, 0.9]]])


# ---- the rest


@register("checkerboard")
class Checkerboard(Distribution):
    """Uniform on the dark fields of a `cells` x `cells` board with sides of length `size`.

    The board is centred on 0; the field at its lower left is dark.
    """

    cells: int = 4
    size: float = 4.0
    has_density = True

    @property
    def extent(self) -> Box:
        half = np.full(2, self.size / 2)
        return _box(-half, half)

    def _dark(self) -> np.ndarray:
        field = np.indices((self.cells, self.cells)).reshape(2, -1).T
        return field[field.sum(1) % 2 == 0]

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        field_key, place_key = random.split(key)
        dark = self._dark()
        field = _real(dark)[_pick(random.uniform(field_key, (n,)), np.ones(len(dark)))]
        edge = 2e-7 * self.cells  # rounding must not carry a point over the border
        place = random.uniform(place_key, (n, 2), minval=edge, maxval=1 - edge)
        return ((field + place) / self.cells - 0.5) * self.size

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        field = jnp.floor((x / self.size + 0.5) * self.cells)
        on_board = jnp.all((field >= 0) & (field < self.cells), axis=1)
        dark = on_board & (jnp.sum(field, 1) % 2 == 0)
        area = len(self._dark()) * (self.size / self.cells) ** 2
        return jnp.where(dark, _real(-math.log(area)), -jnp.inf)


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False, repr=False, init=False)
class Empirical(Distribution):
    """The user's own data: `sample` draws rows with replacement, there is no density.

    A pytree with one leaf, `points`; equal (and hashed) by content.

    Args:
        points: int or float array [n, dim] of at least two rows, kept as float32.
        shape: what one row is, e.g. (28, 28) for images; its product must be dim.

    Raises:
        InputError: NaN or infinite values, strings, objects, wrong rank, fewer than two rows.
    """

    points: Float[Array, "n dim"]
    shape: tuple[int, ...] | None

    def __init__(self, points: Any, shape: Sequence[int] | None = None) -> None:
        rows = _array("points", points, rank=2, low=-1e18, high=1e18)  # squares stay finite
        if len(rows) < 2:
            raise InputError("points must have at least two rows, one for each example, not one")
        if shape is not None:
            sides = _array("shape", shape, rank=1, low=1, high=65536).tolist()
            if any(side % 1 for side in sides) or math.prod(sides) != rows.shape[1]:
                raise InputError(f"shape {shape} does not fit rows of {rows.shape[1]} numbers")
            shape = tuple(map(int, sides))
        self.__dict__.update(points=jnp.asarray(rows.astype(np.float32)), shape=shape)

    def tree_flatten(self) -> tuple[tuple[Any], Any]:
        return (self.points,), self.shape

    @classmethod
    def tree_unflatten(cls, shape: Any, leaves: Any) -> Empirical:
        self = object.__new__(cls)  # unchecked: inside a transformation leaves can be anything
        self.__dict__.update(points=leaves[0], shape=shape)
        return self

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the points and shapes: the same on every machine."""
        head = f"{self.points.shape}{self.shape}".encode()
        return hashlib.sha256(head + np.asarray(self.points).tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Empirical) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        traced = not isinstance(self.points, jax.Array) or isinstance(self.points, jax.core.Tracer)
        content = self.points if traced else f"{self.points.shape} sha256 {self.digest[:12]}"
        return f"{type(self).__name__}(<{content}>, shape={self.shape})"

    @property
    def dim(self) -> int:
        return self.points.shape[-1]

    @property
    def extent(self) -> Box:
        points = np.asarray(self.points)
        return _box(points.min(0), points.max(0))

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        return self.points[random.randint(key, (n,), 0, len(self.points))]
