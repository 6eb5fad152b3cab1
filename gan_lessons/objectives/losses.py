"""Both players' losses, one `Objective` each, on logits (notation: see the package)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import jax.numpy as jnp
from jax.nn import relu, softplus
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_choice

Logits = Float[Array, "batch"]
Scalar = Float[Array, ""]


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
        trace: of an objective of the reader's own, what its losses compute: two are equal if
            their traces are, so that a loss that was written anew compiles anew.
    """

    name: str
    d_loss: Callable[[Logits, Logits], Scalar] = field(compare=False)
    g_loss: Callable[[Logits, Logits], Scalar] = field(compare=False)
    optimum: Callable[[Array, Array], Array] | None = field(default=None, compare=False)
    measures: str = ""
    equilibrium: float = field(default=math.nan, compare=False)  # NaN does not equal itself
    source: str = ""
    log_loss: bool = False
    pairs_batch: bool = False
    zero_sum: bool = False
    trace: str = field(default="", repr=False)

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
