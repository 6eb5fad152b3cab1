"""Losses together with their slopes at the logits, for an objective that is chosen while it runs.

`which` is the objective's number, traced, so that it can be switched without compiling again. An
objective of the reader's own, where there is one, comes after the registered ones.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from gan_lessons.objectives.losses import OBJECTIVES, Logits, Objective, Scalar


def entries(own: Objective | None = None) -> tuple[Objective, ...]:
    """All objectives in the order of their numbers."""
    return (*OBJECTIVES.values(), *([own] if own else []))


def d_slopes(
    which: Array,
    real: Logits,
    fake: Logits,
    smoothing: Array | float = 0.0,
    own: Objective | None = None,
) -> tuple[Scalar, tuple[Logits, Logits]]:
    """The discriminator's loss and its slope at each logit: (loss, (at real, at fake)).

    One-sided label smoothing s in [0, 1) moves the real label from 1 to 1 - s, for objectives
    on probabilities: (1 - s) sp(-r) + s sp(r) = sp(-r) + s r (Salimans et al. 2016,
    arXiv 1606.03498, section 3.4).
    """
    known = entries(own)
    each = [jax.value_and_grad(entry.d_loss, (0, 1)) for entry in known]
    loss, (on_real, on_fake) = lax.switch(which, each, real, fake)
    applies = jnp.array([entry.log_loss for entry in known])[which]
    smoothing = jnp.where(applies, smoothing, 0.0)
    return loss + smoothing * real.mean(), (on_real + smoothing / real.size, on_fake)


def g_slopes(
    which: Array, real: Logits, fake: Logits, own: Objective | None = None
) -> tuple[Scalar, Logits]:
    """The generator's loss under objective number `which`, and its slope at each fake logit."""
    each = [jax.value_and_grad(entry.g_loss, 1) for entry in entries(own)]
    return lax.switch(which, each, real, fake)


def g_ahead(which: Array, real: Logits, fake: Logits, own: Objective | None = None) -> Scalar:
    """What G minimises where its move changes D's verdict on real examples too (unrolling).

    In a zero-sum game that is minus the whole of D's loss, because the term on real examples no
    longer drops out.
    """
    losses = [
        (lambda real, fake, d=entry.d_loss: -d(real, fake)) if entry.zero_sum else entry.g_loss
        for entry in entries(own)
    ]
    return lax.switch(which, losses, real, fake)
