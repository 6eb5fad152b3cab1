"""Integrals on the line and in the plane by Simpson's rule, with a bound on their error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_lessons.errors import InputError, check_number

Line = Callable[[Any], Any]  # numbers [n] -> [n]
Plane = Callable[[Any], Any]  # points [n, 2] -> [n]
Box = Sequence[Sequence[float]] | Sequence[float]
Axes = tuple[np.ndarray, ...]
# Weights of five equally spaced values: the rule on four intervals, and on two twice as wide.
RULES = np.array([[1, 4, 2, 4, 1], [2, 0, 8, 0, 2]]) / 12


class Integral(NamedTuple):
    """An integral: its `value`, and an `error` that bounds how far off it is, rounding included.

    `float(integral)` is the value. An infinite integral has error 0.
    """

    value: float
    error: float

    def __float__(self) -> float:
        return self.value


def integrate(f: Line, low: float, high: float, n: int = 4001) -> Integral:
    """The integral of `f`, numbers [n] -> [n], from `low` to `high` by Simpson's composite rule.

    `n` points, rounded up to 4 k + 1. In each panel of four intervals the rule is applied twice,
    with four intervals and with two; twice the sum of the differences is the error. It also
    bounds the error for a straight line with a kink or a jump, though not with both in one panel.

    Raises: InputError where low < high does not hold, or `f` gives NaN or the wrong shape.
    """
    (axis,), _ = grid_axes(((low, high),), n)
    return simpson(check_values("f", f(axis), len(axis)), (axis,))


def integrate_2d(f: Plane, box: Box, n: int = 401) -> Integral:
    """The integral of `f`, points [n * n, 2] -> [n * n], over a box; otherwise as `integrate`."""
    axes, points = grid_axes(box, n)
    if len(axes) != 2:
        raise InputError("the box of integrate_2d must be ((x0, x1), (y0, y1))")
    return simpson(check_values("f", f(points), len(points)), axes)


def grid_axes(box: Box, n: int | None) -> tuple[Axes, np.ndarray]:
    """The axes of a grid with at least `n` points a side, and its points [n^dim, dim].

    By default 4001 points on the line and 401 a side in the plane.
    """
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
    usual, most = ((4001, 2e6), (401, 2001))[len(ends) - 1]
    count = check_number("n", n or usual, 5, most)
    axes = tuple(np.linspace(a, b, 4 * math.ceil((count - 1) / 4) + 1) for a, b in ends)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    return axes, points


def check_values(what: str, values: Any, n: int) -> np.ndarray:
    """`values` as float64 [n] without NaN, or `InputError`."""
    array = np.asarray(values, np.float64)
    if array.shape != (n,):
        raise InputError(f"{what} must give one number a point, {(n,)}, not {array.shape}")
    if np.isnan(array).any():
        raise InputError(f"{what} gives NaN at {np.isnan(array).sum()} of {array.size} points")
    return array


def simpson(values: np.ndarray, axes: Axes) -> Integral:
    """The integral of what takes these `values` at the points of the grid."""
    if np.isinf(values).any():
        return Integral(_infinite(values), 0.0)
    fine = coarse = values.reshape([len(axis) for axis in axes])
    for (
        axis
    ) in axes:  # sums over the first axis and moves its panels last, so that the next is first
        nodes = np.arange(0, len(axis) - 1, 4)[:, None] + np.arange(5)
        rules = RULES * ((axis[-1] - axis[0]) / len(nodes))  # axis[4] - axis[0] rounds far from 0
        fine = np.einsum("ij...,j->...i", fine[nodes], rules[0])
        coarse = np.einsum("ij...,j->...i", coarse[nodes], rules[1])
    rounding = 1e-15 * np.abs(fine).sum()
    return Integral(float(fine.sum()), float(2 * np.abs(fine - coarse).sum() + rounding))


def _infinite(values: np.ndarray) -> float:
    if values.max() == -values.min():
        raise InputError("the integrand is +inf at some points and -inf at others: no value")
    return math.inf if values.max() == math.inf else -math.inf
