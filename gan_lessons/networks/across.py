"""What a discriminator's last layer can be told about the batch around a row."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.networks.base import INITIALIZERS


def batch_std(features: Float[Array, "batch n"]) -> Float[Array, "batch 1"]:
    """How much a batch varies: the standard deviation of each feature, averaged over features.

    One number, the same in every row. (Karras et al. 2018, arXiv 1710.10196, section 3, over the
    whole batch.) A small constant keeps the gradient finite where all rows are equal.
    """
    spread = jnp.sqrt(features.var(axis=0) + 1e-8).mean()
    return jnp.full_like(features[:, :1], 1) * spread


class Closeness(nnx.Module):
    """Minibatch discrimination: how close each row is to the rest of its batch.

    M_i = f(x_i) T in R^{kernels x size}; o(x_i)_b = sum_{j != i} exp(-|M_ib - M_jb|_1).
    (Salimans et al. 2016, arXiv 1606.03498, section 3.2.)
    """

    KERNELS, SIZE = 8, 4

    def __init__(self, n_in: int, rngs: nnx.Rngs) -> None:
        shape = (n_in, self.KERNELS * self.SIZE)
        self.maps = nnx.Param(INITIALIZERS["lecun"](rngs.params(), shape, jnp.float32))

    def __call__(self, features: Float[Array, "batch n"]) -> Float[Array, "batch kernels"]:
        m = (features @ self.maps[...]).reshape(-1, self.SIZE, self.KERNELS)
        # Adding SIZE slices is much faster than a sum over an axis of the four-dimensional array.
        slices = (m[:, i] for i in range(self.SIZE))
        distance = sum(jnp.abs(each[:, None] - each[None]) for each in slices)
        return jnp.exp(-distance).sum(axis=1) - 1  # without the row's closeness to itself


# How many numbers each choice of `across` adds to what the last layer sees.
ACROSS = {"none": 0, "std": 1, "discrimination": Closeness.KERNELS}
