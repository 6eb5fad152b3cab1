"""Random Fourier features: what lets a small network see fine detail."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.networks.base import INITIALIZERS


class Waves(nnx.Module):
    """A linear layer on random Fourier features of the input: a sin(w.x), a cos(w.x), w fixed.

    There are `count` directions w, the same in every network; their lengths are evenly spaced on
    a logarithmic scale over `band`, in radians per unit of the input. A plain network learns fine
    detail last; with these features it need not. The amplitude a = .3 is ours: coarse shapes still
    come first, without which modes get lost. (Tancik et al. 2020, arXiv 2006.10739.)
    """

    AMPLITUDE = 0.3

    def __init__(
        self, n_in: int, n_out: int, count: int, band: tuple[float, float], rngs: nnx.Rngs
    ) -> None:
        towards = np.random.default_rng(0).normal(size=(n_in, count))
        low, high = band
        lengths = low * (high / low) ** ((np.arange(count) + 0.5) / count)
        directions = towards / np.linalg.norm(towards, axis=0) * lengths
        # A tuple, so that it is part of the module's definition: neither parameter nor state.
        self.directions = tuple(map(tuple, directions.tolist()))
        init = INITIALIZERS["he"]
        self.linear = nnx.Linear(2 * count, n_out, use_bias=False, kernel_init=init, rngs=rngs)

    def __call__(self, x: Float[Array, "batch n_in"]) -> Float[Array, "batch n_out"]:
        phase = x @ jnp.array(self.directions)
        waves = jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], axis=1)
        return self.linear(self.AMPLITUDE * waves)
