"""The two convolutional layers of these lessons: a kernel of 4x4, and stride 2.

Same parameters and same numbers as `flax.nnx.Conv` and `flax.nnx.ConvTranspose` with
kernel_size=(4, 4), strides=(2, 2), padding="SAME". On a GPU or TPU they call XLA's convolution and
its gradients; on a CPU what `convolution` puts in their place, which is many times faster there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_choice
from gan_lessons.networks.convolution import NAMES, Half, Kernel, Picture, convolve, spread

FORMS = ("auto", "native", "cpu")
LECUN = nnx.initializers.lecun_normal()  # the default of `flax.nnx`


class Conv(nnx.Module):
    """y = x * kernel + bias: [n, h, w, n_in] -> [n, ceil(h/2), ceil(w/2), n_out].

    The same as `flax.nnx.Conv` with kernel 4x4, stride 2, padding "SAME" and the same `kernel`
    [4, 4, n_in, n_out] and `bias` [n_out].

    Args:
        n_in, n_out: channels of the pictures that come in and go out.
        rngs: where the initial weights are drawn from.
        use_bias: whether there is a bias (batch normalisation makes it superfluous).
        kernel_init: as for `flax.nnx.Conv`.
        form: "auto", "native" (XLA's convolution and its own gradients) or "cpu".

    Raises: InputError if `form` is none of FORMS, or when called on anything but
        [n, h, w, n_in].
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rngs: nnx.Rngs,
        use_bias: bool = True,
        kernel_init: Callable[..., Array] = LECUN,
        form: str = "auto",
    ) -> None:
        self.n_in, self.form = n_in, check_choice("form", form, FORMS)
        shape = (4, 4, n_in, n_out)
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape, jnp.float32))
        self.bias: Any = nnx.Param(jnp.zeros(n_out)) if use_bias else None

    def __call__(self, x: Picture) -> Half:
        _check_picture(x, self.n_in)
        y = self.apply(x, self.weights())
        return y if self.bias is None else y + self.bias[...].reshape(1, 1, 1, -1)

    def weights(self) -> Kernel:
        """The kernel that the next call uses."""
        return self.kernel[...]

    def apply(self, x: Picture, kernel: Kernel) -> Half:
        """The convolution of x with that kernel."""
        if not on_cpu(self.form):
            return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)
        return convolve(x, kernel)


class ConvTranspose(Conv):
    """The way back, [n, h, w, n_in] -> [n, 2h, 2w, n_out]: each pixel spreads over 4x4 pixels.

    The same as `flax.nnx.ConvTranspose` with kernel 4x4, stride 2, padding "SAME" and the same
    `kernel` [4, 4, n_in, n_out] and `bias` [n_out]. Arguments and errors as in `Conv`.
    """

    def apply(self, x: Array, kernel: Kernel) -> Array:
        """The transposed convolution of x with that kernel."""
        if not on_cpu(self.form):
            return lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)
        return spread(x, _flipped(kernel), (2 * x.shape[1], 2 * x.shape[2]))


def on_cpu(form: str) -> bool:
    """Whether `form` means the CPU's form here: asked for, or left open on a CPU."""
    return form == "cpu" or (form == "auto" and jax.default_backend() == "cpu")


def _check_picture(x: Array, n_in: int) -> None:
    if x.ndim != 4 or x.shape[3] != n_in or 0 in x.shape:
        raise InputError(
            f"a convolution takes pictures [n, height, width, {n_in}], not an array of shape "
            f"{tuple(x.shape)}; rows become pictures by x.reshape(-1, height, width, {n_in})"
        )


def _flipped(kernel: Kernel) -> Float[Array, "4 4 n_out n_in"]:
    """The kernel rotated by 180 degrees, with input and output channels exchanged.

    Not by [::-1]: XLA 0.10 aborts on some second derivatives of a reversal.
    """
    rows = jnp.stack([kernel[i] for i in (3, 2, 1, 0)])
    return jnp.stack([rows[:, i] for i in (3, 2, 1, 0)], axis=1).swapaxes(2, 3)
