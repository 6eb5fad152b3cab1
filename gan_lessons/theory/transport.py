"""Wasserstein distances: how far the mass must be carried to turn one distribution into another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from gan_lessons.errors import InputError
from gan_lessons.theory.quadrature import Integral, Line, check_values, integrate

AnyArray = Array | np.ndarray
LARGEST_PROGRAMME = 100_000  # entries of a plan: a few seconds
LARGEST_PAIRING = 1_000_000  # likewise, where each point goes to one other: about a second
LARGEST = 1e150  # the square of such a number is still finite


def w1_samples(x: Float[AnyArray, "n"], y: Float[AnyArray, "m"]) -> float:
    """W1 between two samples on the line, [n] or [n, 1], in the samples' unit.

    The area between the two empirical distribution functions. For n = m that is the mean of
    |x_(i) - y_(i)|: the smallest goes to the smallest, and so on.

    Source: S. Vallender (1974); computed by scipy.stats.wasserstein_distance.
    Raises: InputError for empty samples, more than one column, NaN, infinity or beyond 1e150.
    """
    from scipy.stats import wasserstein_distance

    first, second = _sample("x", x), _sample("y", y)
    if first.shape[1] != 1 or second.shape[1] != 1:
        raise InputError("w1_samples is for the line; for more than one column use w1_plan")
    return float(wasserstein_distance(first[:, 0], second[:, 0]))


def w1_cdf(cdf_p: Line, cdf_q: Line, low: float, high: float, n: int = 20_001) -> Integral:
    """W1 on the line, the integral of |F_p - F_q| over [low, high], which must hold both.

    It is seen at `n` points: two steps between the same two of them look alike.

    Raises: InputError as `integrate`, and for what does not rise from 0 to 1 there, to within 2 %.
    """

    def carried(x: np.ndarray) -> np.ndarray:
        heights = [np.asarray(cdf(x), np.float64) for cdf in (cdf_p, cdf_q)]
        for name, height in zip("pq", heights, strict=True):
            _check_cdf(f"cdf_{name}", check_values(f"cdf_{name}", height, len(x)))
        return np.abs(heights[0] - heights[1])

    return integrate(carried, low, high, n)


def _check_cdf(name: str, height: np.ndarray) -> None:
    rises = (np.diff(height) > -1e-6).all()
    if not rises or abs(height[0]) > 0.02 or abs(height[-1] - 1) > 0.02:
        raise InputError(
            f"{name} must rise from 0 to 1 over [low, high], but goes from {height[0]:.3g} to "
            f"{height[-1]:.3g}{'' if rises else ' and falls on the way'}; give a distribution "
            "function, not a density, and limits that hold all of it"
        )


def w1_quantile(quantile_p: Line, quantile_q: Line, n: int = 20_001) -> Integral:
    """W1 on the line, the integral over u in (0, 1) of the distance of the quantile functions.

    Taken in t, where u = sigmoid(t), so that quantiles may run to infinity at both ends; the
    tails beyond |t| = 34 (1e-15 of the mass) are left out. Raises InputError as `integrate`.
    """
    from scipy.special import expit

    def carried(t: np.ndarray) -> np.ndarray:
        u = expit(t)
        slope = u * expit(-t)  # du/dt
        return np.abs(np.asarray(quantile_p(u)) - np.asarray(quantile_q(u))) * slope

    return integrate(carried, -34.0, 34.0, n)


class Transport(NamedTuple):
    """The cheapest way to carry one sample to another.

    Attributes:
        distance: W1, the mean distance that a unit of mass is carried.
        plan: [n, m], how much goes from x_i to y_j; the rows sum to x's weights.
    """

    distance: float
    plan: Float[np.ndarray, "n m"]


def w1_plan(
    x: Float[AnyArray, "n dim"],
    y: Float[AnyArray, "m dim"],
    weights_x: Float[AnyArray, "n"] | None = None,
    weights_y: Float[AnyArray, "m"] | None = None,
) -> Transport:
    """W1 (Euclidean) between weighted samples in any dimension, by Kantorovich's programme.

    Minimises sum_ij plan_ij |x_i - y_j| over plan >= 0 with the given row and column sums.
    Weights in any scale, equal if left out. As many points on both sides, all of one weight, are
    paired one to one.

    The distance is within 1e-6 of itself, checked against the bound of the dual programme.

    Source: L. Kantorovich (1942); solved by scipy.optimize, linprog or linear_sum_assignment.
    Raises: InputError for unusable samples or weights, for n * m above 100,000 (a million where
    the points are paired), and where the programme was not solved well enough.
    """
    from scipy.spatial.distance import cdist

    x, y = _sample("x", x), _sample("y", y)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"x and y must have the same number of columns, not {x.shape}, {y.shape}")
    n, m = len(x), len(y)
    sums_x, sums_y = _weights("weights_x", weights_x, n), _weights("weights_y", weights_y, m)
    paired = n == m and not np.ptp(sums_x) and not np.ptp(sums_y)
    most = LARGEST_PAIRING if paired else LARGEST_PROGRAMME
    if n * m > most:
        raise InputError(
            f"a plan from {n:,} to {m:,} points has {n * m:,} entries, above {most:,}; "
            "draw fewer points, or use w1_samples on the line"
        )
    cost = cdist(x, y)
    plan = _pairing(cost) if paired else _programme(cost, sums_x, sums_y)
    return Transport(float((plan * cost).sum()), plan)


def _pairing(cost: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    plan = np.zeros_like(cost)
    plan[linear_sum_assignment(cost)] = 1 / len(cost)
    return plan


def _programme(cost: np.ndarray, sums_x: np.ndarray, sums_y: np.ndarray) -> np.ndarray:
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    n, m = cost.shape
    rows = kron(eye_array(n), np.ones((1, m)))
    columns = kron(np.ones((1, n)), eye_array(m))
    # The last column's sum follows from all others, and the solver does better without it.
    equations = vstack([rows, columns]).tocsc()[:-1]
    sums = np.append(sums_x, sums_y)[:-1]
    scale = cost.max() or 1.0
    close = {f"{kind}_feasibility_tolerance": 1e-10 for kind in ("primal", "dual")}
    solved = linprog(
        cost.ravel() / scale, A_eq=equations, b_eq=sums, method="highs-ds", options=close
    )
    if not solved.success:
        raise InputError(f"the linear programme was not solved: {solved.message}")
    plan = np.maximum(solved.x, 0).reshape(n, m)
    # No plan is cheaper than what prices u_i + v_j <= cost_ij add up to.
    u = scale * solved.eqlin.marginals[:n]
    v = (cost - u[:, None]).min(axis=0)
    u = (cost - v[None]).min(axis=1)
    if (plan * cost).sum() > (1 + 1e-6) * (u @ sums_x + v @ sums_y) + 1e-12 * scale:
        raise InputError(
            "the linear programme was not solved to six digits: distances differ too much in size; "
            "leave out points that are far from all others"
        )
    return plan


def _sample(name: str, values: Any) -> np.ndarray:
    """`values` as float64 [n, dim] of usable size with n at least 1, or `InputError`."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of numbers, [n] or [n, dim]") from None
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"{name} must be [n] or [n, dim] and not empty, not {np.shape(values)}")
    if not (np.abs(array) <= LARGEST).all():  # written so that NaN fails too
        raise InputError(f"{name} holds NaN, infinite or huge values; did the generator diverge?")
    return array


def _weights(name: str, values: Any, n: int) -> np.ndarray:
    weights = np.ones(n) if values is None else np.asarray(values, np.float64)
    good = weights.shape == (n,) and np.isfinite(weights).all() and (weights >= 0).all()
    if not good or not weights.sum() > 0:
        raise InputError(f"{name} must be {n} numbers from 0, not all 0, one for each point")
    return weights / weights.sum()
