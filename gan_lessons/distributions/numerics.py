"""Small numerical tools that several distributions share."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int

LOG_2PI = math.log(2 * math.pi)


def as_real(x: Any) -> Array:
    """`x` in float32, or in float64 where JAX is told to use it."""
    return jnp.asarray(x, float)


def padded_box(low: np.ndarray, high: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The box from `low` to `high`, widened all round by an eighth of its longest side."""
    pad = float((high - low).max()) / 8 or 0.5
    return tuple((float(a) - pad, float(b) + pad) for a, b in zip(low, high, strict=True))


def pick(u: Float[Array, "n"], weights: np.ndarray) -> Int[Array, "n"]:
    """Index i with probability weights[i] / sum, from uniform numbers `u` in [0, 1)."""
    if not np.ptp(weights):
        return (u * len(weights)).astype(int)
    ends = np.cumsum(weights / weights.sum())[:-1]  # the last, 1, could be rounded below u
    return jnp.searchsorted(as_real(ends), u, side="right", method="compare_all")


def mixture_log_prob(
    x: Float[Array, "n dim"], centers: Any, stds: np.ndarray, weights: np.ndarray
) -> Float[Array, "n"]:
    """log sum_i w_i N(x; c_i, diag(s_i^2)), weights scaled to sum to 1."""
    z = (x[:, None] - as_real(centers)[None]) / as_real(stds)[None]
    scale = np.log(weights / weights.sum()) - np.log(stds).sum(-1) - LOG_2PI * x.shape[1] / 2
    return logsumexp(as_real(scale)[None] - 0.5 * jnp.sum(z * z, -1), axis=1)
