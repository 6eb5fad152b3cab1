"""A GAN at one moment, and what is measured of it in every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float, Int

METRICS = ("d_loss", "g_loss", "d_real", "d_fake", "grad_d", "grad_g", "penalty")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """One run at one moment. Each player's parameters are one flat vector.

    In a sweep every leaf has a leading axis, one row a run.
    """

    step: Int[Array, ""]
    key: Array
    g: Float[Array, "g_params"]
    d: Float[Array, "d_params"]
    opt_g: Any
    opt_d: Any
    rest_g: Any  # what a network keeps beside its parameters (batch statistics, dropout keys)
    rest_d: Any
    ema: Float[Array, "g_params"]
    ema_rest: Any  # the same average of rest_g
