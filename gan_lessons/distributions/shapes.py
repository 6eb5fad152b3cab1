"""Straight segments with noise, and the checkerboard: shapes whose density is exact."""

from __future__ import annotations

import abc
import math

import jax.numpy as jnp
import numpy as np
from jax import random
from jax.scipy.special import log_ndtr, logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

from gan_lessons.distributions.base import Box, Distribution, named
from gan_lessons.distributions.checks import TINY
from gan_lessons.distributions.curves import NoisyCurve
from gan_lessons.distributions.numerics import LOG_2PI, as_real, padded_box, pick
from gan_lessons.errors import InputError


class _Segments(NoisyCurve):
    """Points uniform along straight segments, plus Gaussian noise.

    A segment of length L has density N(across; 0, s^2) (F(along / s) - F((along - L) / s)) / L,
    with F the normal distribution function and `along` and `across` measured from its start.
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
        piece = pick(u, length)
        passed = as_real(np.cumsum(length) - length)
        along = u * float(length.sum()) - passed[piece]
        return as_real(start)[piece] + along[:, None] * as_real(direction)[piece]

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        start, direction, length = self._pieces()
        offset = (x[:, None] - as_real(start)[None]) / self.std
        along = jnp.sum(offset * as_real(direction)[None], -1)
        across = jnp.sum(offset * as_real(direction[:, ::-1] * [1, -1])[None], -1)
        inner = _log_ndtr_difference(along, along - as_real(length / self.std)[None])
        scale = math.log(self.std * length.sum()) + LOG_2PI / 2
        return logsumexp(inner - 0.5 * across**2, axis=1) - scale


def _log_ndtr_difference(a: Array, b: Array) -> Array:
    """log(F(a) - F(b)) for a > b, computed in the lower tail, where F loses no digits."""
    upper = b > 0
    a, b = jnp.where(upper, -b, a), jnp.where(upper, -a, b)
    return log_ndtr(a) + jnp.log(-jnp.expm1(log_ndtr(b) - log_ndtr(a)))


@named("lines")
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
            raise InputError("a segment is shorter than a tenth of std; for points use a Mixture")

    def _ends(self) -> np.ndarray:
        return np.array(self.segments)


@named("ganlab-line")
class GanLabLine(_Segments):
    """GAN Lab's line (.8 - .75 r, .6 + .3 r), r uniform on [0, 1], noise .01 (arXiv 1809.01587)."""

    std = 0.01

    def _ends(self) -> np.ndarray:
        return np.array([[[0.8, 0.6], [0.05, 0.9]]])


@named("checkerboard")
class Checkerboard(Distribution):
    """Uniform on the dark fields of a `cells` x `cells` board whose sides have length `size`.

    The board is centred on the origin; its lower left field is dark.
    """

    cells: int = 4
    size: float = 4.0
    has_density = True

    @property
    def extent(self) -> Box:
        half = np.full(2, self.size / 2)
        return padded_box(-half, half)

    def _dark(self) -> np.ndarray:
        field = np.indices((self.cells, self.cells)).reshape(2, -1).T
        return field[field.sum(1) % 2 == 0]

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        field_key, place_key = random.split(key)
        dark = self._dark()
        field = as_real(dark)[pick(random.uniform(field_key, (n,)), np.ones(len(dark)))]
        edge = 2e-7 * self.cells  # rounding must not carry a point over the border
        place = random.uniform(place_key, (n, 2), minval=edge, maxval=1 - edge)
        return ((field + place) / self.cells - 0.5) * self.size

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        field = jnp.floor((x / self.size + 0.5) * self.cells)
        on_board = jnp.all((field >= 0) & (field < self.cells), axis=1)
        dark = on_board & (jnp.sum(field, 1) % 2 == 0)
        area = len(self._dark()) * (self.size / self.cells) ** 2
        return jnp.where(dark, as_real(-math.log(area)), -jnp.inf)
