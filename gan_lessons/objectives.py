"""The game's payoff: losses of both players on logits, and the terms that can be added.

Notation, here and in every lesson: p is the density of the data, q that of the generator,
`real` and `fake` are the discriminator's logits on a real and a generated batch, and
sp(t) = log(1 + e^t) is softplus, so that -log sigmoid(t) = sp(-t) never overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import relu, softplus
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_choice

Logits = Float[Array, "batch"]
Scalar = Float[Array, ""]
Points = Float[Array, "batch dim"]
Critic = Callable[[Points], Logits]


@dataclass(frozen=True)
class Objective:
    """One choice of losses for the game.

    Attributes:
        name: how lessons and the command line call it.
        d_loss: (real, fake) -> what the discriminator minimises.
        g_loss: (real, fake) -> what the generator minimises.
        optimum: (log p, log q) -> the optimal logit at each point, or None without closed form.
        measures: which divergence the game then measures, in words and symbols.
        equilibrium: the discriminator's loss when q = p and it plays optimally.
        source: authors, year, arXiv id.
        log_loss: whether the logit is that of a probability (label smoothing applies).
        pairs_batch: whether one example's loss depends on the whole other batch.
        zero_sum: whether G's loss is minus D's, up to a term that G cannot change.
    """

    name: str
    d_loss: Callable[[Logits, Logits], Scalar]
    g_loss: Callable[[Logits, Logits], Scalar]
    optimum: Callable[[Array, Array], Array] | None
    measures: str
    equilibrium: float
    source: str
    log_loss: bool = False
    pairs_batch: bool = False
    zero_sum: bool = False

    def optimal_logit(self, log_p: Array, log_q: Array) -> Array:
        """The discriminator's best logit where the data has log density `log_p`, G `log_q`.

        Shapes: any, equal. Raises InputError where no pointwise closed form exists.
        """
        if self.optimum is None:
            raise InputError(
                f"{self.name!r} has no pointwise optimal discriminator: {self.measures}; "
                "try 'minimax', 'least_squares' or 'hinge'"
            )
        return self.optimum(log_p, log_q)


def _log_ratio(log_p: Array, log_q: Array) -> Array:
    return log_p - log_q


def _classify(real: Logits, fake: Logits) -> Scalar:
    """Binary cross-entropy, -E log D(x) - E log(1 - D(G(z))), from logits."""
    return softplus(-real).mean() + softplus(fake).mean()


LN2 = 0.6931471805599453

_ALL = (
    Objective(
        "minimax",
        d_loss=_classify,
        g_loss=lambda real, fake: -softplus(fake).mean(),
        optimum=_log_ratio,
        measures="2 JS(p, q) - log 4 (V at the optimal D)",
        equilibrium=2 * LN2,
        source="Goodfellow et al. 2014, arXiv 1406.2661, eq. 1",
        log_loss=True,
        zero_sum=True,
    ),
    Objective(
        "non_saturating",
        d_loss=_classify,
        g_loss=lambda real, fake: softplus(-fake).mean(),
        optimum=_log_ratio,
        measures="G's gradient at the optimal D is that of KL(q||p) - 2 JS(p, q)",
        equilibrium=2 * LN2,
        source="Goodfellow et al. 2014, arXiv 1406.2661, section 3",
        log_loss=True,
    ),
    Objective(
        "least_squares",
        d_loss=lambda real, fake: 0.5 * ((real - 1) ** 2).mean() + 0.5 * ((fake + 1) ** 2).mean(),
        g_loss=lambda real, fake: 0.5 * (fake**2).mean(),
        optimum=lambda log_p, log_q: jnp.tanh(0.5 * (log_p - log_q)),
        measures="Pearson chi^2(p + q || 2 q) / 2",
        equilibrium=1.0,
        source="Mao et al. 2017, arXiv 1611.04076, eq. 8, labels a = -1, b = 1, c = 0",
    ),
    Objective(
        "hinge",
        d_loss=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        g_loss=lambda real, fake: -fake.mean(),
        optimum=lambda log_p, log_q: jnp.sign(log_p - log_q),
        measures="total variation: D's loss is 2 - 2 TV(p, q)",
        equilibrium=2.0,
        source="Lim and Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957, eq. 16",
    ),
    Objective(
        "wasserstein",
        d_loss=lambda real, fake: fake.mean() - real.mean(),
        g_loss=lambda real, fake: -fake.mean(),
        optimum=None,
        measures="W1(p, q), if D is 1-Lipschitz (add clip, wgan_gp or r1)",
        equilibrium=0.0,
        source="Arjovsky et al. 2017, arXiv 1701.07875, eq. 2",
        zero_sum=True,
    ),
    Objective(
        "relativistic",
        d_loss=lambda real, fake: softplus(fake - real).mean(),
        g_loss=lambda real, fake: softplus(real - fake).mean(),
        optimum=_log_ratio,
        measures="JS between p x q and q x p: D's loss is log 2 - JS",
        equilibrium=LN2,
        source="Jolicoeur-Martineau 2018, arXiv 1807.00734 (paired); R3GAN, arXiv 2501.05441",
        pairs_batch=True,
    ),
    Objective(
        "relativistic_average",
        d_loss=lambda real, fake: (
            softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()
        ),
        g_loss=lambda real, fake: (
            softplus(real.mean() - fake).mean() + softplus(real - fake.mean()).mean()
        ),
        optimum=None,
        measures="a divergence of p and q whose critic depends on both batch means",
        equilibrium=2 * LN2,
        source="Jolicoeur-Martineau 2018, arXiv 1807.00734, section 4",
        pairs_batch=True,
    ),
)

OBJECTIVES: dict[str, Objective] = {entry.name: entry for entry in _ALL}
NAMES: tuple[str, ...] = tuple(OBJECTIVES)


def objective(name: str) -> Objective:
    """The objective called `name`; InputError with the nearest name if there is none."""
    return OBJECTIVES[check_choice("objective", name, NAMES)]


def index(name: str) -> int:
    """The number of objective `name`: what the `objective` knob carries into a jitted step."""
    return NAMES.index(check_choice("objective", name, NAMES))


def d_slopes(
    which: Array, real: Logits, fake: Logits, smoothing: Array | float = 0.0
) -> tuple[Scalar, tuple[Logits, Logits]]:
    """The discriminator's loss and its slope at each logit: (loss, (at real, at fake)).

    `which` is the objective's number, traced, so that it can be switched while training.
    One-sided label smoothing s in [0, 1) moves the real label from 1 to 1 - s, for objectives
    on probabilities: (1 - s) sp(-r) + s sp(r) = sp(-r) + s r (Salimans et al. 2016,
    arXiv 1606.03498, section 3.4).
    """
    each = [jax.value_and_grad(entry.d_loss, (0, 1)) for entry in _ALL]
    loss, (on_real, on_fake) = lax.switch(which, each, real, fake)
    applies = jnp.array([entry.log_loss for entry in _ALL])[which]
    smoothing = jnp.where(applies, smoothing, 0.0)
    return loss + smoothing * real.mean(), (on_real + smoothing / real.size, on_fake)


def g_slopes(which: Array, real: Logits, fake: Logits) -> tuple[Scalar, Logits]:
    """The generator's loss under objective number `which`, and its slope at each fake logit."""
    return lax.switch(which, [jax.value_and_grad(entry.g_loss, 1) for entry in _ALL], real, fake)


def g_ahead(which: Array, real: Logits, fake: Logits) -> Scalar:
    """What G minimises where its move changes D's verdict on real examples too (unrolling).

    In a zero-sum game minus D's loss, whole: the term on real examples no longer drops out.
    """
    losses = [
        (lambda real, fake, d=entry.d_loss: -d(real, fake)) if entry.zero_sum else entry.g_loss
        for entry in _ALL
    ]
    return lax.switch(which, losses, real, fake)


def slope(critic: Critic, x: Points) -> Points:
    """The gradient of the critic with respect to each input: Float[batch, dim]."""
    return jax.grad(lambda points: critic(points).sum())(x)


def _half_mean_square(gradient: Points) -> Scalar:
    return 0.5 * (gradient**2).sum(axis=1).mean()


def between(real: Points, fake: Points, key: Array) -> Points:
    """Points drawn uniformly on the segments that join each real to one fake."""
    share = jax.random.uniform(key, (real.shape[0], 1))
    return share * real + (1 - share) * fake


def _distance_from_one(gradient: Points) -> Scalar:
    # The norm has no gradient at 0: nudge it away, by far less than float32 can see near 1.
    return ((jnp.sqrt((gradient**2).sum(axis=1) + 1e-12) - 1) ** 2).mean()


@dataclass(frozen=True)
class Penalty:
    """A price on the critic's gradient: `of` what the gradient is `at` some points.

    Attributes:
        at: (real, fake, key) -> the points at which the gradient is taken.
        of: gradient at these points -> the penalty, before its weight.
        source: formula, authors, year, arXiv id.
    """

    at: Callable[[Points, Points, Array], Points]
    of: Callable[[Points], Scalar]
    source: str

    def __call__(self, critic: Critic, real: Points, fake: Points, key: Array) -> Scalar:
        return self.of(slope(critic, self.at(real, fake, key)))


PENALTIES: dict[str, Penalty] = {
    "r1": Penalty(
        lambda real, fake, key: real,
        _half_mean_square,
        "1/2 E_p ||grad_x D||^2 (Mescheder et al. 2018, arXiv 1801.04406, eq. 9)",
    ),
    "r2": Penalty(
        lambda real, fake, key: fake,
        _half_mean_square,
        "1/2 E_q ||grad_x D||^2 (Mescheder et al. 2018, arXiv 1801.04406, eq. 10)",
    ),
    "zero_gp": Penalty(
        between,
        _half_mean_square,
        "1/2 E ||grad_x D||^2 on interpolates (Thanh-Tung et al. 2019, arXiv 1902.03984)",
    ),
    "wgan_gp": Penalty(
        between,
        _distance_from_one,
        "E (||grad_x D|| - 1)^2 on interpolates (Gulrajani et al. 2017, arXiv 1704.00028, eq. 3)",
    ),
}


def penalty(name: str) -> Penalty:
    """The penalty called `name`; InputError with the nearest name if there is none."""
    return PENALTIES[check_choice("penalty", name, PENALTIES)]
