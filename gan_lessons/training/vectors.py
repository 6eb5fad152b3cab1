"""Small pieces of arithmetic that a step is made of."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def reconstruction(power: int, real: Array, fake: Array) -> Array:
    """mean |fake - real|^power over all pairs (i, i) of a batch and all coordinates.

    A term in G's loss where G's answer has a right one beside it (Isola et al. 2017,
    arXiv 1611.07004, eq. 3, power 1). Where the pairs are drawn independently it pulls every
    sample to the median (1) or the mean (2) of the data.
    """
    return (jnp.abs(fake - real) ** power).mean()


def flat(tree: Any) -> Float[Array, "size"]:
    """All leaves end to end, in the order of `ravel_pytree`.

    Each leaf is written into its place. XLA would fuse a concatenation with the update that reads
    it, into masked loads and stores that are up to 20 times slower, depending on where buffers
    lie. Under `vmap` this becomes a scatter and costs a tenth of a step, so sweeps do not use it.
    """
    leaves = jax.tree.leaves(tree)
    whole, at = jnp.zeros(sum(leaf.size for leaf in leaves)), 0
    for leaf in leaves:
        whole = lax.dynamic_update_slice(whole, leaf.reshape(-1), (at,))
        at += leaf.size
    return whole


def averaged(decay: Array, average: Any, now: Any) -> Any:
    """decay * average + (1 - decay) * now, leaf by leaf; whole numbers and keys are now's."""

    def mix(old: Array, new: Array) -> Array:
        number = jnp.issubdtype(new.dtype, jnp.floating)
        return decay * old + (1 - decay) * new if number else new

    return jax.tree.map(mix, average, now)
