"""The games: vector fields of two parameters, by name or put together from their terms."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gan_lessons import objectives
from gan_lessons.dynamics.base import Game, Point, is_off, traced_dataclass, with_consensus
from gan_lessons.dynamics.inputs import check_finite, is_traced
from gan_lessons.errors import check_choice, check_number

NOISE = 34  # points of noise; a Fibonacci lattice (34, 21) spreads pairs of them evenly
_normal = np.array([NormalDist().inv_cdf((i + 0.5) / NOISE) for i in range(NOISE)])
_ON_FAKE = _normal / _normal.std()  # so that the variance is exactly 1
_ON_REAL = _ON_FAKE[(21 * np.arange(NOISE)) % NOISE]


@traced_dataclass
class Linear(Game):
    """v(w) = matrix w, with a matrix [2, 2]; near an equilibrium every smooth game is like this.

    The default is the bilinear game, min over theta and max over psi of theta psi.

    Raises: InputError if the matrix is not [2, 2] and finite.
    """

    matrix: Any = ((0.0, -1.0), (1.0, 0.0))

    def __post_init__(self) -> None:
        check_finite("matrix", self.matrix, (2, 2), "((0, -1), (1, 0))")

    def field(self, w: Point) -> Point:
        return jnp.asarray(self.matrix, w.dtype) @ w


@traced_dataclass
class Dirac(Game):
    """The Dirac-GAN: all real data at one point, G makes one point theta, D(x) = psi x.

    As published, the payoff is f(psi theta) + f(0) with f(t) = -log(1 + e^-t): psi x is the
    logit of *fake*. Our objectives take logits of *real*, here -psi x; with "minimax" the two are
    the same game. All weights are at least 0, and 0 switches a term off.

    Attributes:
        objective: a name in `gan_lessons.objectives`.
        r1: gamma in D's penalty gamma/2 psi^2. D's slope is psi everywhere, so R1, R2 and every
            zero-centred gradient penalty are the same here.
        gp, target: D's penalty gp/2 (|psi| - target)^2: WGAN-GP, which wants the slope `target`.
        noise: standard deviation of the instance noise on real and fake points.
        consensus: gamma in v - gamma grad ||v||^2 / 2 (Mescheder et al. 2017, arXiv 1705.10461).
        decay: weight decay of both players, v - decay w.
        clip: |psi| is cut at `clip` after every step; inf never cuts.
        place: where the data lies; then D(x) = psi (x - place).

    Source: L. Mescheder, A. Geiger, S. Nowozin (2018), arXiv 1801.04406, definition 2.1.
    Raises: InputError for an unknown objective or a weight out of range.
    """

    objective: str = "minimax"
    r1: float = 0.0
    gp: float = 0.0
    target: float = 1.0
    noise: float = 0.0
    consensus: float = 0.0
    decay: float = 0.0
    clip: float = float("inf")
    place: float = 0.0

    def __post_init__(self) -> None:
        check_choice("objective", self.objective, objectives.NAMES)
        for name, value in list(vars(self).items())[1:]:
            if not is_traced(value) and (name, value) != ("clip", np.inf):
                low = -1e6 if name == "place" else 0
                check_number(name, value, low, 1e6, above=name == "clip")

    @property
    def equilibrium(self) -> tuple[float, float]:  # type: ignore[override]
        return (self.place, 0.0)

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        return self.gp == 0 or self.target == 0

    def losses(self, theta: Array, psi: Array) -> tuple[Array, Array]:
        """(what G minimises, what D minimises), the mean over the noise."""
        payoff = objectives.objective(self.objective)
        at_real, at_fake = jnp.zeros((1,), theta.dtype), (theta - self.place)[None]
        if not is_off(self.noise):
            at_real = at_real + self.noise * jnp.asarray(_ON_REAL, theta.dtype)
            at_fake = at_fake + self.noise * jnp.asarray(_ON_FAKE, theta.dtype)
        real, fake = -psi * at_real, -psi * at_fake
        penalty = self.r1 * psi**2 + self.gp * (jnp.abs(psi) - self.target) ** 2
        return payoff.g_loss(real, fake), payoff.d_loss(real, fake) + penalty / 2

    def downhill(self, w: Point) -> Point:
        """Each player goes down its own loss: the field without consensus and weight decay."""
        g = jax.grad(lambda theta: self.losses(theta, w[1])[0])(w[0])
        d = jax.grad(lambda psi: self.losses(w[0], psi)[1])(w[1])
        return -jnp.stack([g, d])

    def field(self, w: Point) -> Point:
        if is_off(self.consensus):
            v = self.downhill(w)
        else:
            v = with_consensus(self.downhill, w, self.consensus)
        return v - self.decay * w

    def project(self, w: Point) -> Point:
        return w.at[1].set(jnp.clip(w[1], -self.clip, self.clip))


GAMES: dict[str, Game] = {
    "bilinear": Linear(),
    "gan": Dirac(),
    "non_saturating": Dirac("non_saturating"),
    "relativistic": Dirac("relativistic"),
    "least_squares": Dirac("least_squares"),
    "hinge": Dirac("hinge"),
    "wgan": Dirac("wasserstein"),
    "wgan_clip": Dirac("wasserstein", clip=1.0),
    "wgan_gp": Dirac("wasserstein", gp=0.7),
    "wgan_r1": Dirac("wasserstein", r1=1.0),
    "gan_r1": Dirac(r1=0.3),
    "gan_r1_critical": Dirac(r1=1.0),
    "non_saturating_r1": Dirac("non_saturating", r1=0.3),
    "instance_noise": Dirac(noise=1.0),
    "consensus": Dirac(consensus=1.0),
    "weight_decay": Dirac(decay=0.1),
}


def game(spec: object) -> Game:
    """A `Game` from its name in `GAMES`, or the game itself; InputError for anything else."""
    return spec if isinstance(spec, Game) else GAMES[check_choice("game", spec, GAMES)]
