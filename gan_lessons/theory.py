"""What the theorems say, in numbers: optimal discriminators, divergences, Wasserstein distances.

p is the density of the data, q that of the generator. A density is given by its natural log, as
a function of points [n, dim] -> [n]; `Distribution.log_prob` is one. Everything is computed in
float64 by NumPy, so a NumPy log density keeps all its digits (JAX's have about seven).

    p, q = Mixture1D((0.0,), (1.0,)), Mixture1D((1.0,), (1.0,))
    js(p.log_prob, q.log_prob, ((-8, 9),))  # Integral(value=0.111421, error=1e-06)

Integrals run over a box, ((low, high),) on the line or ((x0, x1), (y0, y1)) in the plane; their
error estimate does not include what lies outside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_number
from gan_lessons.objectives import objective

AnyArray = Array | np.ndarray
LogDensity = Callable[[Any], Any]  # points [n, dim] -> [n], -inf outside the support
Line = Callable[[Any], Any]  # numbers [n] -> [n]
Box = Sequence[Sequence[float]] | Sequence[float]
LOG_2 = math.log(2)
LARGEST_PLAN = 100_000  # variables of the linear programme: a few seconds


# ---- quadrature


class Integral(NamedTuple):
    """An integral: its `value`, and an `error` that it is off by at most (rounding included).

    `float(integral)` is the value. An infinite integral has error 0.
    """

    value: float
    error: float

    def __float__(self) -> float:
        return self.value


def integrate(f: Line, low: float, high: float, n: int = 4001) -> Integral:
    """The integral of `f`, numbers [n] -> [n], from `low` to `high` by Simpson's composite rule.

    `n` points, rounded up to 4 k + 1. In each panel of four intervals the rule is applied twice,
    with four intervals and with two; twice the sum of the differences is the error, which
    also bounds the error of a kink or a jump of a straight line, though not of both in one panel.

    Raises: InputError where low < high does not hold, or `f` gives NaN or the wrong shape.
    """
    (axis,), _ = _axes(((low, high),), n)
    return _simpson(_numbers("f", f(axis), axis.shape), (axis,))


def integrate_2d(f: LogDensity, box: Box, n: int = 401) -> Integral:
    """The integral of `f`, points [n * n, 2] -> [n * n], over a box; otherwise as `integrate`."""
    axes, points = _axes(box, n)
    if len(axes) != 2:
        raise InputError("the box of integrate_2d must be ((x0, x1), (y0, y1))")
    return _simpson(_numbers("f", f(points), points.shape[:1]), axes)


def _axes(box: Box, n: int | None) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """The grid's axes, and its points [n^dim, dim]."""
    try:
        ends = np.atleast_2d(np.asarray(box, np.float64))
    except (TypeError, ValueError):
        ends = np.empty(0)
    good = ends.shape in ((1, 2), (2, 2)) and np.isfinite(ends).all()
    if not good or not (ends[:, 0] < ends[:, 1]).all():
        raise InputError(
            f"box must be ((low, high),) or ((x0, x1), (y0, y1)) of finite numbers with "
            f"low < high, not {box!r}; a distribution's `extent` is one"
        )
    count = check_number("n", n or (4001, 401)[len(ends) - 1], 5, (2e6, 2001)[len(ends) - 1])
    axes = tuple(np.linspace(a, b, 4 * math.ceil((count - 1) / 4) + 1) for a, b in ends)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    return axes, points


def _numbers(what: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """`values` as float64 of `shape`, without NaN."""
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise InputError(f"{what} must give one number a point, {shape}, not {array.shape}")
    if np.isnan(array).any():
        raise InputError(f"{what} gives NaN at {np.isnan(array).sum()} of {array.size} points")
    return array


_RULES = np.array([[1, 4, 2, 4, 1], [2, 0, 8, 0, 2]]) / 12


def _simpson(values: np.ndarray, axes: tuple[np.ndarray, ...]) -> Integral:
    if np.isinf(values).any():
        return Integral(_infinite(values), 0.0)
    fine = coarse = values.reshape([len(axis) for axis in axes])
    for axis in axes:  # contracts the first axis and puts its panels last: each in turn
        nodes = np.arange(0, len(axis) - 1, 4)[:, None] + np.arange(5)
        rules = _RULES * (axis[4] - axis[0])
        fine = np.einsum("ij...,j->...i", fine[nodes], rules[0])
        coarse = np.einsum("ij...,j->...i", coarse[nodes], rules[1])
    rounding = 1e-15 * np.abs(fine).sum()
    return Integral(float(fine.sum()), float(2 * np.abs(fine - coarse).sum() + rounding))


def _infinite(values: np.ndarray) -> float:
    if values.max() == -values.min():
        raise InputError("the integrand is +inf at some points and -inf at others: no value")
    return math.inf if values.max() == math.inf else -math.inf


# ---- divergences


def kl(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """KL(p||q), the integral of p log(p / q), in nats, from 0 to inf; 0 log 0 = 0.

    Infinite where q is 0 and p is not. Swap the arguments for the reverse divergence. The box
    must hold p, q may reach beyond it. `n`: points along each side (4001 on the line, 401 in
    the plane).

    Source: S. Kullback, R. Leibler (1951).
    Raises: InputError for an unusable box, a density that is NaN or of wrong shape, or a box that
    does not hold all but 2 % of p.
    """
    grid = _Grid(log_p, log_q, box, n, needs_q=False)
    return grid.integral(_weighted(grid.p, grid.logit))


def js(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """Jensen-Shannon divergence, KL(p||m) / 2 + KL(q||m) / 2 with m = (p + q) / 2; 0 to log 2.

    Source: J. Lin (1991); Goodfellow et al. (2014), arXiv 1406.2661, eq. 6.
    Raises: InputError as `kl`, for q too.
    """
    grid = _Grid(log_p, log_q, box, n)
    from_p = _weighted(grid.p, LOG_2 - _softplus(-grid.logit))
    from_q = _weighted(grid.q, LOG_2 - _softplus(grid.logit))
    return grid.integral((from_p + from_q) / 2, most=LOG_2)


def total_variation(
    log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None
) -> Integral:
    """TV(p, q), half the integral of |p - q|, from 0 to 1. Raises InputError as `js`."""
    grid = _Grid(log_p, log_q, box, n)
    return grid.integral(np.abs(grid.p - grid.q) / 2, most=1.0)


def chi2(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """Pearson's chi^2(p||q), the integral of (p - q)^2 / q, from 0 to inf.

    Mao et al. (2017), arXiv 1611.04076, write the arguments in the other order.
    Raises: InputError as `js`.
    """
    grid = _Grid(log_p, log_q, box, n)
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
    grid = _Grid(log_p, log_q, box, n)
    return grid.integral((np.sqrt(grid.p) - np.sqrt(grid.q)) ** 2 / 2, most=1.0)


def f_divergence(
    f: Line, log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None
) -> Integral:
    """The integral of q f(p / q) for a convex `f`, numbers [n] -> [n], with f(1) = 0.

    Where q is 0 and p is not, p times the limit of f(u) / u counts; it is read off at huge u.
    KL is u log u, reverse KL -log u, total variation |u - 1| / 2.

    Source: S. Ali, S. Silvey (1966); Nowozin et al. (2016), arXiv 1606.00709, eq. 2.
    Raises: InputError as `js`, where f(1) is not 0, and where p / q or f overflows.
    """
    grid = _Grid(log_p, log_q, box, n)
    with np.errstate(all="ignore"):
        at_zero, slope = _landmarks(f)
        u = np.exp(np.clip(grid.logit, -690, 690))
        at_u = _within_reach(grid, np.asarray(f(u), np.float64))
        terms = np.where(u > 1, _weighted(grid.p, at_u / u), _weighted(grid.q, at_u))
        terms = np.where(grid.logit == math.inf, _weighted(grid.p, slope), terms)
        terms = np.where(grid.logit == -math.inf, _weighted(grid.q, at_zero), terms)
    return grid.integral(terms)


def _landmarks(f: Line) -> tuple[float, float]:
    """f(0), and the limit of f(u) / u for huge u; InputError unless f(1) = 0."""
    one, zero, tiny, half, far = np.asarray(f(np.array([1, 0, 1e-300, 1e150, 1e300])), np.float64)
    if not abs(one) < 1e-9:
        raise InputError(f"f must be 0 at 1, but f(1) is {one:g}")
    slope, before = far / 1e300, half / 1e150
    still_rising = abs(slope - before) > 1e-3 * (1 + abs(before))
    return (tiny if np.isnan(zero) else zero), (math.inf if still_rising else slope)


def _within_reach(grid: _Grid, at_u: np.ndarray) -> np.ndarray:
    """f(u) with 0 where u is beyond floats but in both tails; InputError where it matters."""
    beyond = np.isfinite(grid.logit) & (np.isinf(at_u) | (np.abs(grid.logit) > 690))
    if (grid.p + grid.q)[beyond].max(initial=0) > 1e-9:
        raise InputError("p / q is beyond what a float can hold; use kl, js and so on instead")
    return np.where(beyond, 0.0, at_u)


class _Grid:
    """Both densities on the grid, with their log ratio (0 where both vanish)."""

    def __init__(
        self, log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None, needs_q: bool = True
    ) -> None:
        self.axes, self.points = _axes(box, n)
        raw = [np.asarray(log_density(self.points)) for log_density in (log_p, log_q)]
        self.log_p, self.log_q = _log_densities(raw, len(self.points))
        # Seven digits, of which the density's exponent costs one, or fifteen.
        self.rounding = 1e-6 if any(a.dtype == np.float32 for a in raw) else 1e-15
        self.p, self.q = np.exp(self.log_p), np.exp(self.log_q)
        self.logit = _difference(self.log_p, self.log_q)
        for name, density in (("p", self.p), ("q", self.q))[: 1 + needs_q]:
            self._check_mass(name, density)

    def _check_mass(self, name: str, density: np.ndarray) -> None:
        mass = _simpson(density, self.axes).value
        if not 0.98 <= mass <= 1.02:
            raise InputError(
                f"{name} integrates to {mass:.3g} over the box, not to 1; give log densities that "
                "are normalised, a box that holds them, and enough points n for narrow ones"
            )

    def integral(self, terms: np.ndarray, least: float = 0.0, most: float = math.inf) -> Integral:
        """The integral of `terms`, held to the range of the divergence."""
        value, error = _simpson(terms, self.axes)
        rounding = self.rounding * (1 + abs(value)) if math.isfinite(value) else 0.0
        return Integral(min(max(value, least), most), error + rounding)


def _log_densities(found: Sequence[Any], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Both log densities in float64; InputError for a wrong shape, NaN or +inf."""
    log_p, log_q = (_numbers(f"log_{k}", a, (n,)) for k, a in zip("pq", found, strict=True))
    if math.inf in (log_p.max(initial=0), log_q.max(initial=0)):
        raise InputError("a log density is +inf somewhere: a point mass has no density")
    return log_p, log_q


def log_ratio(
    log_p: LogDensity, log_q: LogDensity, x: Float[AnyArray, "n dim"]
) -> Float[np.ndarray, "n"]:
    """log p(x) - log q(x); 0 where both densities are 0, and nothing is known.

    Raises: InputError for a log density that is NaN, +inf or of another shape than [n].
    """
    return _difference(*_log_densities((log_p(x), log_q(x)), len(x)))


def _difference(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(log_p - log_q, nan=0.0, posinf=math.inf, neginf=-math.inf)


def _weighted(weight: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    """weight * values, and 0 where the weight is 0, whatever the value."""
    return np.multiply(weight, values, where=weight > 0, out=np.zeros_like(weight))


def _softplus(t: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, t)


# ---- the discriminator


def optimal_discriminator(
    log_p: LogDensity, log_q: LogDensity, x: Float[AnyArray, "n dim"]
) -> Float[np.ndarray, "n"]:
    """D*(x) = p(x) / (p(x) + q(x)) = sigmoid(log p - log q), from 0 to 1.

    Where both densities are 0 every D is optimal, and this says 1/2.
    Source: Goodfellow et al. (2014), arXiv 1406.2661, proposition 1.
    Raises: InputError as `log_ratio`.
    """
    return np.exp(-_softplus(-log_ratio(log_p, log_q, x)))


def optimal_logit(
    name: str, log_p: LogDensity, log_q: LogDensity, x: Float[AnyArray, "n dim"]
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

    `logit` is a function of points [n, dim] -> [n]. Raises: InputError as `js`, for it too.
    """
    grid = _Grid(log_p, log_q, box, n)
    t = _numbers("logit", logit(grid.points), grid.p.shape)
    terms = -_weighted(grid.p, _softplus(-t)) - _weighted(grid.q, _softplus(t))
    return grid.integral(terms, least=-math.inf)


def v_star(log_p: LogDensity, log_q: LogDensity, box: Box, n: int | None = None) -> Integral:
    """V(D*, G) = 2 JS(p, q) - log 4, from -log 4 to 0 (arXiv 1406.2661, theorem 1)."""
    found = js(log_p, log_q, box, n)
    return Integral(2 * found.value - 2 * LOG_2, 2 * found.error)


# ---- Wasserstein distances


def w1_samples(x: Float[AnyArray, "n"], y: Float[AnyArray, "m"]) -> float:
    """W1 between two samples on the line, [n] or [n, 1], in the samples' unit.

    The area between the two empirical distribution functions, by sorting. For n = m that is the
    mean of |x_(i) - y_(i)|: the smallest goes to the smallest, and so on.

    Source: S. Vallender (1974).
    Raises: InputError for empty samples, more than one column, NaN or infinity.
    """
    first, second = (_sample(name, a)[:, 0] for name, a in (("x", x), ("y", y)))
    if any(np.ndim(a) == 2 and np.shape(a)[1] != 1 for a in (x, y)):
        raise InputError("w1_samples sorts on a line; for more than one column use w1_plan")
    first, second, places = np.sort(first), np.sort(second), np.sort(np.append(first, second))
    below = [np.searchsorted(a, places[:-1], side="right") / len(a) for a in (first, second)]
    return float(np.abs(below[0] - below[1]) @ np.diff(places))


def w1_cdf(cdf_p: Line, cdf_q: Line, low: float, high: float, n: int = 20_001) -> Integral:
    """W1 on the line, the integral of |F_p - F_q| over [low, high], which must hold both."""
    return integrate(lambda x: np.abs(np.asarray(cdf_p(x)) - np.asarray(cdf_q(x))), low, high, n)


def w1_quantile(quantile_p: Line, quantile_q: Line, n: int = 20_001) -> Integral:
    """W1 on the line, the integral over u in (0, 1) of the distance of the quantile functions.

    Taken in t, where u = sigmoid(t), so that quantiles may run to infinity at both ends; the
    tails beyond |t| = 34 (1e-15 of the mass) are left out. Raises InputError as `integrate`.
    """

    def apart(t: np.ndarray) -> np.ndarray:
        u = np.exp(-_softplus(-t))
        return (
            np.abs(np.asarray(quantile_p(u)) - np.asarray(quantile_q(u)))
            * u
            * np.exp(-_softplus(t))
        )

    return integrate(apart, -34.0, 34.0, n)


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
    Weights in any scale, equal if left out.

    Source: L. Kantorovich (1942); solved by HiGHS through scipy.optimize.linprog.
    Raises: InputError for unusable samples or weights, or n * m above 100,000.
    """
    x, y = _sample("x", x), _sample("y", y)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"x and y must have the same number of columns, not {x.shape}, {y.shape}")
    n, m = len(x), len(y)
    if n * m > LARGEST_PLAN:
        raise InputError(
            f"a plan from {n:,} to {m:,} points has {n * m:,} entries, above {LARGEST_PLAN:,}; "
            "draw fewer points, or use w1_samples on the line"
        )
    cost = np.linalg.norm(x[:, None] - y[None], axis=2)
    sums = np.append(_weights("weights_x", weights_x, n), _weights("weights_y", weights_y, m))
    plan = _cheapest(cost, sums)
    return Transport(float((plan * cost).sum()), plan)


def _cheapest(cost: np.ndarray, sums: np.ndarray) -> np.ndarray:
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    n, m = cost.shape
    rows = kron(eye_array(n), np.ones((1, m)))
    columns = kron(np.ones((1, n)), eye_array(m))
    # The last column's sum follows from the others: left out, for the solver's sake.
    solved = linprog(
        cost.ravel() / (cost.max() or 1), A_eq=vstack([rows, columns]).tocsc()[:-1], b_eq=sums[:-1]
    )
    if not solved.success:
        raise InputError(f"the linear programme was not solved: {solved.message}")
    return np.maximum(solved.x, 0).reshape(n, m)


def _sample(name: str, values: Any) -> np.ndarray:
    """`values` as finite float64 [n, dim] with n at least 1."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of numbers, [n] or [n, dim]") from None
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"{name} must be [n] or [n, dim] and not empty, not {np.shape(values)}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values; did the generator diverge?")
    return array


def _weights(name: str, values: Any, n: int) -> np.ndarray:
    weights = np.ones(n) if values is None else np.asarray(values, np.float64)
    good = weights.shape == (n,) and np.isfinite(weights).all() and (weights >= 0).all()
    if not good or not weights.sum() > 0:
        raise InputError(f"{name} must be {n} numbers from 0, not all 0, one for each point")
    return weights / weights.sum()


# ---- closed forms for Gaussians on the line


def _check_stds(*stds: float) -> None:
    for std in stds:
        check_number("a standard deviation", std, 0, 1e150, above=True)


def kl_gaussians(m1: float, s1: float, m2: float, s2: float) -> float:
    """KL(N(m1, s1^2) || N(m2, s2^2)) = log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2.

    In nats, from 0. Raises InputError for standard deviations not above 0.
    """
    _check_stds(s1, s2)
    return math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


def hellinger2_gaussians(m1: float, s1: float, m2: float, s2: float) -> float:
    """1 - sqrt(2 s1 s2 / (s1^2 + s2^2)) exp(-(m1 - m2)^2 / (4 (s1^2 + s2^2))), 0 to 1."""
    _check_stds(s1, s2)
    total = s1**2 + s2**2
    return 1 - math.sqrt(2 * s1 * s2 / total) * math.exp(-((m1 - m2) ** 2) / (4 * total))


def w1_gaussians(m1: float, s1: float, m2: float, s2: float) -> float:
    """W1 between N(m1, s1^2) and N(m2, s2^2): the mean of |a + b Z|, a = m1 - m2, b = s1 - s2.

    For quantile functions m + s Z of the same Z. |a| where the widths agree, else
    |b| sqrt(2 / pi) exp(-a^2 / (2 b^2)) + a erf(a / (|b| sqrt 2)).
    """
    _check_stds(s1, s2)
    a, b = m1 - m2, abs(s1 - s2)
    if b == 0:
        return abs(a)
    bell = b * math.sqrt(2 / math.pi) * math.exp(-((a / b) ** 2) / 2)
    return bell + a * math.erf(a / (b * math.sqrt(2)))
