"""What a generator starts from: simple distributions in any number of dimensions."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from gan_lessons.distributions.base import Box, Distribution, named
from gan_lessons.distributions.numerics import LOG_2PI, as_real, padded_box
from gan_lessons.distributions.specs import distribution
from gan_lessons.errors import InputError


def latent(spec: object) -> Distribution:
    """The latent distribution that `spec` stands for: a whole number d is `Normal(d)`.

    Everything else is taken as `distribution` takes it, and raises as it does.
    """
    whole = isinstance(spec, (int, np.integer)) and not isinstance(spec, bool)
    return Normal(int(spec)) if whole else distribution(spec)  # type: ignore[call-overload]


@named("normal")
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
        return padded_box(np.full(self.dim, self.low), np.full(self.dim, self.high))

    def _inside(self, x: Float[Array, "n dim"], log_density: Array) -> Float[Array, "n"]:
        inside = jnp.all((x >= self.low) & (x <= self.high), axis=1)
        return jnp.where(inside, log_density, -jnp.inf)


@named("uniform")
class Uniform(_Cube):
    """Uniform on the cube [low, high]^dim."""

    dim: int = 2
    low: float = -1.0
    high: float = 1.0

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        return random.uniform(key, (n, self.dim), minval=self.low, maxval=self.high)

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        return self._inside(x, as_real(-self.dim * math.log(self.high - self.low)))


@named("truncated-normal")
class TruncatedNormal(_Cube):
    """N(mean, std^2) on [low, high] in each coordinate; the defaults are GAN Lab's noise.

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


@named("with-bits")
class WithBits(Distribution):
    """Latents in 2^bits separate pieces: rows [z, s], each of the signs s fair, -1 or 1.

    A continuous generator maps a connected latent space to connected samples, so that bad samples
    bridge the gaps between modes. From one piece of a latent space to another it can jump. What
    the signs mean is left to the generator. (Discrete codes: Chen et al. 2016, arXiv 1606.03657.
    What a connected latent space costs: Khayatkhoei et al. 2018, arXiv 1806.00880; Tanielian et
    al. 2020, arXiv 2006.04596.)

    Args:
        latent: what z is drawn from; a name or a number of dimensions will do.
        bits: how many signs.

    Raises: InputError for an unusable `latent`, or `bits` that are not a whole number from 1 to
    64.
    """

    latent: Distribution = Normal(2)
    bits: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self.__dict__["latent"] = latent(self.latent)

    @property
    def dim(self) -> int:
        return self.latent.dim + self.bits

    @property
    def extent(self) -> Box:
        return (*self.latent.extent, *[(-1.0, 1.0)] * self.bits)

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        key_z, key_s = random.split(key)
        signs = random.rademacher(key_s, (n, self.bits), float)
        return jnp.concatenate([self.latent.sample(key_z, n), signs], axis=1)
