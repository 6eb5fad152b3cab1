"""Prices on the critic's gradient: R1, R2, the zero-centred penalty between them, and WGAN-GP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gan_lessons.errors import check_choice
from gan_lessons.objectives.losses import Logits, Scalar

Points = Float[Array, "batch dim"]
Critic = Callable[[Points], Logits]


def slope(critic: Critic, x: Points) -> Points:
    """The gradient of the critic with respect to each input: Float[batch, dim]."""
    return jax.grad(lambda points: critic(points).sum())(x)


def _half_mean_square(gradient: Points) -> Scalar:
    return 0.5 * (gradient**2).sum(axis=1).mean()


def between(real: Points, fake: Points, key: Array) -> Points:
    """Points drawn uniformly on the segments that join each real to one fake."""
    share = jax.random.uniform(key, (real.shape[0], 1))
    return share * real + (1 - share) * fake


# Where a gradient can be taken: (real, fake, key) -> points.
PLACES: dict[str, Callable[[Points, Points, Array], Points]] = {
    "real": lambda real, fake, key: real,
    "fake": lambda real, fake, key: fake,
    "between": between,
}


def _distance_from_one(gradient: Points) -> Scalar:
    # The norm has no gradient at 0: nudge it away, by far less than float32 can see near 1.
    return ((jnp.sqrt((gradient**2).sum(axis=1) + 1e-12) - 1) ** 2).mean()


@dataclass(frozen=True)
class Penalty:
    """A price on the critic's gradient: `of` what the gradient is `at` some points.

    Attributes:
        at: the points at which the gradient is taken, a name in PLACES.
        of: gradient at these points -> the penalty, before its weight.
        source: formula, authors, year, arXiv id.
    """

    at: str
    of: Callable[[Points], Scalar]
    source: str

    def __call__(self, critic: Critic, real: Points, fake: Points, key: Array) -> Scalar:
        return self.of(slope(critic, PLACES[self.at](real, fake, key)))


PENALTIES: dict[str, Penalty] = {
    "r1": Penalty(
        "real",
        _half_mean_square,
        "1/2 E_p ||grad_x D||^2 (Mescheder et al. 2018, arXiv 1801.04406, eq. 9)",
    ),
    "r2": Penalty(
        "fake",
        _half_mean_square,
        "1/2 E_q ||grad_x D||^2 (Mescheder et al. 2018, arXiv 1801.04406, eq. 10)",
    ),
    "zero_gp": Penalty(
        "between",
        _half_mean_square,
        "1/2 E ||grad_x D||^2 on interpolates (Thanh-Tung et al. 2019, arXiv 1902.03984)",
    ),
    "wgan_gp": Penalty(
        "between",
        _distance_from_one,
        "E (||grad_x D|| - 1)^2 on interpolates (Gulrajani et al. 2017, arXiv 1704.00028, eq. 3)",
    ),
}


def penalty(name: str) -> Penalty:
    """The penalty called `name`; InputError with the nearest name if there is none."""
    return PENALTIES[check_choice("penalty", name, PENALTIES)]
