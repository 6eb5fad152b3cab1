"""Spectral normalisation: layers that stretch no direction by more than one.

The kernel is divided by its largest singular value sigma, found by one power iteration a call:

    v <- W u / |W u|,   u <- W^T v / |W^T v|,   sigma = v^T W u

with u and v held fixed in the gradient. (Miyato et al. 2018, arXiv 1802.05957, algorithm 1.)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from gan_lessons.networks.layers import Conv


class SpectralLinear(nnx.Linear):
    """x W / sigma + b, where sigma is the largest singular value of W [n_in, n_out]."""

    def __init__(self, n_in: int, n_out: int, *, rngs: nnx.Rngs, **options: Any) -> None:
        super().__init__(n_in, n_out, rngs=rngs, **options)
        self.u = nnx.BatchStat(_unit(jax.random.normal(rngs.params(), (n_out,))))

    def __call__(self, inputs: Array, out_sharding: Any = None) -> Array:
        kernel = self.kernel[...]
        sigma, self.u[...] = power_iteration(kernel, self.u[...])
        out = inputs @ (kernel / sigma)
        return out + self.bias[...][None]  # type: ignore[index]


class SpectralConv(Conv):
    """A convolution whose kernel is divided by its largest singular value.

    The kernel [4, 4, n_in, n_out] counts as a matrix [16 * n_in, n_out] (section 2 and appendix A
    of the paper).
    """

    def __init__(self, n_in: int, n_out: int, *, rngs: nnx.Rngs, **options: Any) -> None:
        super().__init__(n_in, n_out, rngs=rngs, **options)
        self.u = nnx.BatchStat(_unit(jax.random.normal(rngs.params(), (n_out,))))

    def weights(self) -> Array:
        kernel = super().weights()
        sigma, self.u[...] = power_iteration(kernel.reshape(-1, kernel.shape[-1]), self.u[...])
        return kernel / sigma


def power_iteration(
    matrix: Float[Array, "n m"], u: Float[Array, "m"]
) -> tuple[Float[Array, ""], Float[Array, "m"]]:
    """The largest singular value of a matrix, as estimated from u, and an improved u."""
    fixed = lax.stop_gradient(matrix)
    v = _unit(fixed @ u)
    u = _unit(v @ fixed)
    return v @ matrix @ u, u


def _unit(vector: Array) -> Array:
    return vector / (jnp.linalg.norm(vector) + 1e-12)
