"""Mixtures of Gaussians: on a ring, on a grid, anywhere."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from gan_lessons.distributions.base import Box, Distribution, named
from gan_lessons.distributions.numerics import as_real, mixture_log_prob, padded_box, pick
from gan_lessons.errors import InputError, check_number


class _GaussianMixture(Distribution):
    """A mixture of Gaussians with diagonal covariances."""

    has_density = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_grain()

    def _check_grain(self) -> None:
        centers, stds, _ = self._table()
        grain = np.spacing(np.abs(centers).astype(np.float32))
        if (grain > stds).any():
            raise InputError(
                f"{self!r} has modes that hold no two different numbers in float32, which has "
                "seven digits; take a larger std, or modes nearer to 0"
            )

    @abc.abstractmethod
    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        """Centres [k, dim]; standard deviations that broadcast to them; weights, [k] or one."""

    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        centers, stds, weights = self._parts()
        return centers, np.broadcast_to(stds, centers.shape), np.broadcast_to(weights, len(centers))

    @property
    def dim(self) -> int:
        return self.modes.shape[1]

    @property
    def modes(self) -> np.ndarray:
        return self._table()[0]

    @property
    def mode_std(self) -> float:
        stds = self._table()[1]
        return float(np.sqrt(np.mean(stds**2)) if np.ptp(stds) else stds[0, 0])

    @property
    def mode_weights(self) -> np.ndarray | None:
        weights = self._table()[2]
        return weights / weights.sum() if np.ptp(weights) else None

    @property
    def modes_apart(self) -> bool:
        """No centre within ten standard deviations of another, and float32 resolves a mode.

        A sample then is nearest to another mode than its own once in 10^6.
        """
        centers, stds, _ = self._table()
        grain = np.spacing(np.abs(centers).max().astype(np.float32))
        if np.ptp(stds) or stds[0, 0] < 10 * grain:
            return False
        return len(centers) == 1 or _nearest_gap(centers) > 10 * stds[0, 0]

    @property
    def extent(self) -> Box:
        centers, stds, _ = self._table()
        return padded_box((centers - 4 * stds).min(0), (centers + 4 * stds).max(0))

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        centers, stds, weights = self._table()
        mode_key, noise_key = random.split(key)
        mode = pick(random.uniform(mode_key, (n,)), weights)
        noise = random.normal(noise_key, (n, centers.shape[1]))
        spread = as_real(stds)[mode] if np.ptp(stds) else float(stds[0, 0])
        return as_real(centers)[mode] + spread * noise

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        return mixture_log_prob(x, *self._table())


def _nearest_gap(centers: np.ndarray) -> float:
    """The distance between the two centres that are nearest to each other."""
    from scipy.spatial import KDTree

    return float(KDTree(centers).query(centers, 2)[0][:, 1].min())


@named("ring")
class Ring(_GaussianMixture):
    """`modes` equal Gaussians on a circle, at angles 2 pi k / modes; the number is kept as `count`.

    `modes=8, radius=1, std=.01` is the ring of PacGAN (Lin et al. 2018, arXiv 1712.04086).
    """

    count: int
    radius: float
    std: float

    def __init__(self, modes: int = 8, radius: float = 1.0, std: float = 0.01) -> None:
        # Written out because the attribute `modes` is the array of centres, as everywhere.
        count = check_number("modes of Ring", modes, 1, 10_000, integer=True)
        self.__dict__.update(count=count, radius=radius, std=std)
        self.__post_init__()

    def __repr__(self) -> str:
        return f"Ring(modes={self.count}, radius={self.radius}, std={self.std})"

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        angle = 2 * np.pi * np.arange(self.count) / self.count
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], 1), self.std, 1.0


@named("grid")
class Grid(_GaussianMixture):
    """`side` x `side` equal Gaussians, `spacing` apart, centred on 0.

    The defaults are the grid of PacGAN (Lin et al. 2018, arXiv 1712.04086).
    """

    side: int = 5
    spacing: float = 2.0
    std: float = 0.05

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        line = (np.arange(self.side) - (self.side - 1) / 2) * self.spacing
        return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2), self.std, 1.0


class _FreeMixture(_GaussianMixture):
    """A mixture with its parts given one by one; weights on any scale, equal if left out."""

    stds: tuple[float, ...]
    weights: tuple[float, ...] | None

    def __post_init__(self) -> None:
        Distribution.__post_init__(self)
        parts = {name: len(value) for name, value in vars(self).items() if value is not None}
        if len(set(parts.values())) > 1:
            raise InputError(
                f"all of them need one entry for each mode, but their lengths are {parts}"
            )
        self._check_grain()

    def _spread(self) -> tuple[np.ndarray, Any]:
        return np.array(self.stds)[:, None], self.weights or 1.0


@named("mixture-1d")
class Mixture1D(_FreeMixture):
    """Gaussians on a line: one mean, std and (optional) weight each; samples are [n, 1]."""

    means: tuple[float, ...] = (-1.5, 1.5)
    stds: tuple[float, ...] = (0.5, 0.5)
    weights: tuple[float, ...] | None = None

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array(self.means)[:, None], *self._spread()


@named("mixture")
class Mixture(_FreeMixture):
    """Round Gaussians in any dimension: centres (k rows of dim), one std and weight for each."""

    centers: tuple[tuple[float, ...], ...] = ((-1.0, 0.0), (1.0, 0.0))
    stds: tuple[float, ...] = (0.25, 0.25)
    weights: tuple[float, ...] | None = None

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array(self.centers), *self._spread()


@named("ganlab-gaussians")
class GanLabGaussians(_GaussianMixture):
    """GAN Lab's two Gaussians, one round, one tall (Kahng et al. 2018, arXiv 1809.01587)."""

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array([[0.3, 0.7], [0.7, 0.4]]), np.array([[0.1, 0.1], [0.05, 0.2]]), 1.0


@named("ganlab-disjoint")
class GanLabDisjoint(_GaussianMixture):
    """GAN Lab's three separate Gaussians (Kahng et al. 2018, arXiv 1809.01587)."""

    def _parts(self) -> tuple[np.ndarray, Any, Any]:
        return np.array([[0.35, 0.75], [0.75, 0.6], [0.45, 0.35]]), 0.025, 1.0
