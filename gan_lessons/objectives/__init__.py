"""What the two players are paid: losses on logits, and prices on the critic's gradient.

Notation, here and in every lesson: p is the density of the data, q that of the generator,
`real` and `fake` are the discriminator's logits on a real and a generated batch, and
sp(t) = log(1 + e^t) is softplus, so that -log sigmoid(t) = sp(-t) never overflows.
"""

from gan_lessons.objectives.losses import (
    NAMES,
    OBJECTIVES,
    Logits,
    Objective,
    Scalar,
    index,
    objective,
)
from gan_lessons.objectives.own import OWN, own_objective
from gan_lessons.objectives.penalties import (
    PENALTIES,
    PLACES,
    Critic,
    Penalty,
    Points,
    between,
    penalty,
    slope,
)
from gan_lessons.objectives.slopes import d_slopes, g_ahead, g_slopes

__all__ = [
    "NAMES",
    "OBJECTIVES",
    "OWN",
    "PENALTIES",
    "PLACES",
    "Critic",
    "Logits",
    "Objective",
    "Penalty",
    "Points",
    "Scalar",
    "between",
    "d_slopes",
    "g_ahead",
    "g_slopes",
    "index",
    "objective",
    "own_objective",
    "penalty",
    "slope",
]
