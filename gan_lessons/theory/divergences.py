"""Divergences between two densities, by quadrature: KL, Jensen-Shannon and their kin."""

from __future__ import annotations

import math

import numpy as np

from gan_lessons.errors import InputError
from gan_lessons.theory.densities import DensityGrid, LogDensity, softplus, weighted
from gan_lessons.theory.quadrature import Box, Integral, Line

LOG_2 = math.log(2)


def kl(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """KL(p||q), the integral of p log(p / q), in nats, from 0 to inf; 0 log 0 = 0.

    Infinite where q is 0 and p is not. Swap the arguments for the reverse divergence. The box
    must hold p; q may reach beyond it.

    Args:
        n: grid points along each side of the box, by default 4001 on the line, 401 in the plane.

    Source: S. Kullback, R. Leibler (1951).
    Raises: InputError for an unusable box, a density that is NaN or of the wrong shape, or a box
    that holds less than 98 % of p.
    """
    grid = DensityGrid(log_p, log_q, box, n, needs_q=False)
    return grid.integral(weighted(grid.p, grid.logit))


def js(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """Jensen-Shannon divergence, KL(p||m) / 2 + KL(q||m) / 2 with m = (p + q) / 2; 0 to log 2.

    Source: J. Lin (1991); Goodfellow et al. (2014), arXiv 1406.2661, eq. 6.
    Raises: InputError as `kl`, and for q as well.
    """
    grid = DensityGrid(log_p, log_q, box, n)
    from_p = weighted(grid.p, LOG_2 - softplus(-grid.logit))
    from_q = weighted(grid.q, LOG_2 - softplus(grid.logit))
    return grid.integral((from_p + from_q) / 2, most=LOG_2)


def total_variation(
    log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None
) -> Integral:
    """TV(p, q), half the integral of |p - q|, from 0 to 1. Raises InputError as `js`."""
    grid = DensityGrid(log_p, log_q, box, n)
    return grid.integral(np.abs(grid.p - grid.q) / 2, most=1.0)


def chi2(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """Pearson's chi^2(p||q), the integral of (p - q)^2 / q, from 0 to inf.

    Mao et al. (2017), arXiv 1611.04076, write the arguments in the other order.
    Raises: InputError as `js`.
    """
    grid = DensityGrid(log_p, log_q, box, n)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        size = -np.expm1(-np.abs(grid.logit))  # |p - q| / max(p, q)
        top = 2 * (np.log(size) + np.maximum(grid.log_p, grid.log_q))
        terms = np.where(size > 0, np.exp(top - grid.log_q), 0.0)
    return grid.integral(terms)


def hellinger2(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """Squared Hellinger distance, half the integral of (sqrt p - sqrt q)^2, from 0 to 1.

    The f-GAN table (Nowozin et al. 2016, arXiv 1606.00709) leaves out the half.
    Raises: InputError as `js`.
    """
    grid = DensityGrid(log_p, log_q, box, n)
    return grid.integral((np.sqrt(grid.p) - np.sqrt(grid.q)) ** 2 / 2, most=1.0)


def f_divergence(
    f: Line, log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None
) -> Integral:
    """The integral of q f(p / q) for a convex `f`, numbers [n] -> [n], with f(1) = 0.

    Where q is 0 and p is not, the integrand is p times the limit of f(u) / u, read off at huge u.
    KL is u log u, reverse KL -log u, total variation |u - 1| / 2.

    Source: S. Ali, S. Silvey (1966); Nowozin et al. (2016), arXiv 1606.00709, eq. 2.
    Raises: InputError as `js`, where f(1) is not 0, and where p / q or f overflows.
    """
    grid = DensityGrid(log_p, log_q, box, n)
    with np.errstate(all="ignore"):
        at_zero, slope = _landmarks(f)
        u = np.exp(np.clip(grid.logit, -690, 690))
        at_u = _within_reach(grid, np.asarray(f(u), np.float64))
        terms = np.where(u > 1, weighted(grid.p, at_u / u), weighted(grid.q, at_u))
        terms = np.where(grid.logit == math.inf, weighted(grid.p, slope), terms)
        terms = np.where(grid.logit == -math.inf, weighted(grid.q, at_zero), terms)
    return grid.integral(terms)


def _landmarks(f: Line) -> tuple[float, float]:
    """f(0), and the limit of f(u) / u for huge u; InputError unless f(1) = 0."""
    one, zero, tiny, half, far = np.asarray(f(np.array([1, 0, 1e-300, 1e150, 1e300])), np.float64)
    if not abs(one) < 1e-9:
        raise InputError(f"f must be 0 at 1, but f(1) is {one:g}")
    slope, before = far / 1e300, half / 1e150
    still_rising = abs(slope - before) > 1e-3 * (1 + abs(before))
    return (tiny if np.isnan(zero) else zero), (math.inf if still_rising else slope)


def _within_reach(grid: DensityGrid, at_u: np.ndarray) -> np.ndarray:
    """f(u), 0 where p / q overflows and both densities vanish; InputError if they do not."""
    beyond = np.isfinite(grid.logit) & (np.isinf(at_u) | (np.abs(grid.logit) > 690))
    if (grid.p + grid.q)[beyond].max(initial=0) > 1e-9:
        raise InputError("p / q is beyond what a float can hold; use kl, js and so on instead")
    return np.where(beyond, 0.0, at_u)
