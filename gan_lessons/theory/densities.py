"""Two densities and their log ratio: at points, and on a grid to integrate over."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from gan_lessons.errors import InputError
from gan_lessons.theory.quadrature import Box, Integral, check_values, grid_axes, simpson

LogDensity = Callable[[Any], Any]  # points [n, dim] -> [n], -inf outside the support


def log_ratio(
    log_p: LogDensity, log_q: LogDensity, x: Float[Array | np.ndarray, "n dim"]
) -> Float[np.ndarray, "n"]:
    """log p(x) - log q(x); 0 where both densities are 0.

    Raises: InputError for a log density that is NaN, +inf or of another shape than [n].
    """
    return _difference(*_log_densities((log_p(x), log_q(x)), len(x)))


class DensityGrid:
    """Both densities on a grid over `box`, with their log ratio (0 where both vanish).

    Raises: InputError for an unusable box, a log density that is NaN, +inf or of the wrong shape,
    and a density whose mass in the box is off from 1 by more than 2 % (q only if `needs_q`).
    """

    def __init__(
        self, log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None, needs_q: bool = True
    ) -> None:
        self.axes, self.points = grid_axes(box, n)
        raw = [np.asarray(log_density(self.points)) for log_density in (log_p, log_q)]
        self.log_p, self.log_q = _log_densities(raw, len(self.points))
        # float32 has seven digits, of which the exponent of a density costs one; float64 fifteen.
        single = any(a.dtype == np.float32 for a in raw)
        self.rounding = 1e-6 if single else 1e-15
        self.grain = 2.0**-24 * float(np.abs(self.points).max()) * single  # of the points
        self.p, self.q = np.exp(self.log_p), np.exp(self.log_q)
        self.logit = _difference(self.log_p, self.log_q)
        self._check_mass("p", self.p)
        if needs_q:
            self._check_mass("q", self.q)

    def _check_mass(self, name: str, density: np.ndarray) -> None:
        mass = simpson(density, self.axes).value
        if not 0.98 <= mass <= 1.02:
            raise InputError(
                f"{name} integrates to {mass:.3g} over the box, not to 1; give log densities that "
                "are normalised, a box that holds them, and enough points n for narrow ones"
            )

    def integral(self, terms: np.ndarray, least: float = 0.0, most: float = math.inf) -> Integral:
        """The integral of `terms`, clipped to the range of the divergence."""
        value, error = simpson(terms, self.axes)
        if not math.isfinite(value):
            return Integral(min(max(value, least), most), error)
        rounding = self.rounding * (1 + abs(value)) + self.grain * self._variation(terms)
        return Integral(min(max(value, least), most), error + rounding)

    def _variation(self, terms: np.ndarray) -> float:
        """How much the integral changes, at most, for each unit that the points are off."""
        steps = [(axis[-1] - axis[0]) / (len(axis) - 1) for axis in self.axes]
        table = terms.reshape([len(axis) for axis in self.axes])
        rises = (np.abs(np.diff(table, axis=i)).sum() / step for i, step in enumerate(steps))
        return float(sum(rises) * math.prod(steps))


def weighted(weight: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    """weight * values, and 0 where the weight is 0, whatever the value."""
    return np.multiply(weight, values, where=weight > 0, out=np.zeros_like(weight))


def softplus(t: np.ndarray) -> np.ndarray:
    """log(1 + e^t); for a logit t, -log sigmoid(-t)."""
    return np.logaddexp(0, t)


def _log_densities(found: Sequence[Any], n: int) -> tuple[np.ndarray, np.ndarray]:
    log_p, log_q = (check_values(f"log_{k}", a, n) for k, a in zip("pq", found, strict=True))
    if math.inf in (log_p.max(initial=0), log_q.max(initial=0)):
        raise InputError("a log density is +inf somewhere: a point mass has no density")
    return log_p, log_q


def _difference(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(log_p - log_q, nan=0.0, posinf=math.inf, neginf=-math.inf)
