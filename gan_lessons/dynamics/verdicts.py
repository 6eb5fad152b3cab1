"""What becomes of a game: a verdict from its linearisation and from a long trajectory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gan_lessons.dynamics.steps import distance, spectral_radius, trajectory
from gan_lessons.errors import check_number


class LongRun(NamedTuple):
    """What becomes of a game in the long run.

    Attributes:
        word: what the long trajectory does: "converges" to the equilibrium, "orbits",
            "diverges", or comes to rest "elsewhere".
        radius: spectral radius of the update at the equilibrium; NaN without a Jacobian.
        nearby: what `radius` says of starts close to the equilibrium: "converges" below 1,
            "leaves" above it, "undecided" at 1 (to 1e-6) or NaN.
        distance: from the equilibrium at the end of the trajectory.
    """

    word: str
    radius: float
    nearby: str
    distance: float


def verdict(
    played: object, method: object, h: Any = 0.2, start: Any = (1.0, 1.0), steps: int = 4000
) -> LongRun:
    """Judge by the spectral radius and by `steps` steps (100 or more); all else as `trajectory`."""
    check_number("steps", steps, 100, 1_000_000, integer=True)
    path = np.asarray(trajectory(played, method, start, h, steps))
    radius, far = spectral_radius(played, method, h), distance(played, path)
    decided = abs(radius - 1) > 1e-6
    nearby = ("converges" if radius < 1 else "leaves") if decided else "undecided"
    return LongRun(_word(path, far, nearby), radius, nearby, float(far[-1]))


def _word(path: np.ndarray, far: np.ndarray, nearby: str) -> str:
    """Quarter by quarter: farther and farther, closer and closer, at rest, or none of these.

    Where the slopes saturate, w moves out by fits and starts: never to come back counts as farther.
    """
    half, last = len(far) // 2, len(far) - len(far) // 4
    reach = np.array([part.max() for part in np.array_split(far, 4)])
    grows = (reach[1:] > 1.02 * reach[:-1]).all() or far[half:].min() >= far[:half].max()
    if not np.isfinite(far).all() or (grows and far[-1] > 1e-3):
        return "diverges"
    shrinks = (reach[1:] < 0.98 * reach[:-1]).all() and far[-1] < far[0]
    if nearby != "leaves" and (shrinks or reach[-1] < 1e-3):
        return "converges"
    return "elsewhere" if np.ptp(path[last:], axis=0).max() < 1e-3 * reach[-1] else "orbits"
