"""Points along curves in the plane, with Gaussian noise."""

from __future__ import annotations

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from gan_lessons.distributions.base import Box, Distribution, named
from gan_lessons.distributions.numerics import mixture_log_prob, padded_box


class NoisyCurve(Distribution):
    """Points along a curve in the plane, plus N(0, std^2) on each coordinate."""

    std: float

    @abc.abstractmethod
    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        """The point that a share `u` in [0, 1) of the mass lies before."""

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        place_key, noise_key = random.split(key)
        curve = self._curve(random.uniform(place_key, (n,)))
        return curve + self.std * random.normal(noise_key, (n, 2))

    @property
    def extent(self) -> Box:
        with jax.ensure_compile_time_eval():
            curve = np.asarray(self._curve(jnp.linspace(0.0, 1.0, 2048, endpoint=False)))
        return padded_box(curve.min(0) - 4 * self.std, curve.max(0) + 4 * self.std)


@named("two-moons")
class TwoMoons(NoisyCurve):
    """Two interleaved half circles of radius 1, as in scikit-learn's `make_moons`."""

    std: float = 0.05

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        lower = u >= 0.5
        x, y = jnp.cos(2 * jnp.pi * u), jnp.sin(2 * jnp.pi * u)  # the lower half is turned by pi
        return jnp.stack([jnp.where(lower, 1 + x, x), jnp.where(lower, 0.5 + y, y)], 1)


@named("spiral")
class Spiral(NoisyCurve):
    """`arms` Archimedean spirals, each winding `turns` times round the origin out to `radius`."""

    arms: int = 2
    turns: float = 1.5
    radius: float = 2.0
    std: float = 0.05

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        arm = jnp.floor(u * self.arms)
        out = jnp.sqrt(u * self.arms - arm)  # the root spreads the points about evenly along an arm
        angle = 2 * jnp.pi * (self.turns * out + arm / self.arms)
        return self.radius * out[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)


@named("swiss-roll")
class SwissRoll(NoisyCurve):
    """The rolled-up sheet of scikit-learn's `make_swiss_roll` from the side, scaled to `radius`.

    The angle is uniform from 1.5 pi to 4.5 pi, and the distance from the origin grows with it.
    """

    radius: float = 2.0
    std: float = 0.05

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        turn = (1 + 2 * u) / 3
        angle = 4.5 * jnp.pi * turn
        return self.radius * turn[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)


@named("ganlab-ring")
class GanLabRing(NoisyCurve):
    """GAN Lab's ellipse (.5 + .3 cos a, .45 + .25 sin a), a uniform, noise .025 (arXiv 1809.01587).

    The density is an integral of a smooth function over a whole period, so a sum over equal steps
    converges fast: with 128, closer together than the noise is wide, it is exact to float32.
    """

    std = 0.025
    has_density = True

    def _curve(self, u: Float[Array, "n"]) -> Float[Array, "n 2"]:
        angle = 2 * jnp.pi * u
        return jnp.stack([0.5 + 0.3 * jnp.cos(angle), 0.45 + 0.25 * jnp.sin(angle)], 1)

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        nodes = self._curve(jnp.arange(128) / 128)
        return mixture_log_prob(x, nodes, np.full((128, 2), self.std), np.ones(128))
