"""The best that D can do against a fixed generator, and what the game is worth then."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from gan_lessons.objectives import objective
from gan_lessons.theory.densities import DensityGrid, LogDensity, log_ratio, softplus, weighted
from gan_lessons.theory.divergences import js
from gan_lessons.theory.quadrature import Box, Integral, check_values


def optimal_discriminator(
    log_p: LogDensity, log_q: LogDensity, x: Float[Array | np.ndarray, "n dim"]
) -> Float[np.ndarray, "n"]:
    """D*(x) = p(x) / (p(x) + q(x)) = sigmoid(log p - log q), from 0 to 1.

    Where both densities are 0 every D is optimal, and this says 1/2.

    Source: Goodfellow et al. (2014), arXiv 1406.2661, proposition 1.
    Raises: InputError as `log_ratio`.
    """
    return np.exp(-softplus(-log_ratio(log_p, log_q, x)))


def optimal_logit(
    name: str, log_p: LogDensity, log_q: LogDensity, x: Float[Array | np.ndarray, "n dim"]
) -> Float[np.ndarray, "n"]:
    """The optimal output of D at each point under the objective called `name`.

    Raises: InputError for an unknown objective, or one without a pointwise optimum.
    """
    logit: Any = log_ratio(log_p, log_q, x)
    return np.asarray(objective(name).optimal_logit(logit, np.zeros_like(logit)), np.float64)


def value(
    log_p: LogDensity, log_q: LogDensity, logit: LogDensity, box: Box, n: int | None = None
) -> Integral:
    """V(D, G), the integral of p log D + q log(1 - D) for D = sigmoid(logit), at most 0.

    `logit` is a function of points [n, dim] -> [n].

    Source: Goodfellow et al. (2014), arXiv 1406.2661, eq. 1.
    Raises: InputError as `js`, also for a `logit` that gives NaN or the wrong shape.
    """
    grid = DensityGrid(log_p, log_q, box, n)
    t = check_values("logit", logit(grid.points), len(grid.points))
    terms = -weighted(grid.p, softplus(-t)) - weighted(grid.q, softplus(t))
    return grid.integral(terms, least=-math.inf)


def v_star(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """V(D*, G) = 2 JS(p, q) - log 4, from -log 4 to 0.

    Source: Goodfellow et al. (2014), arXiv 1406.2661, theorem 1.
    Raises: InputError as `js`.
    """
    found = js(log_p, log_q, box, n)
    return Integral(2 * found.value - math.log(4), 2 * found.error)
