"""Convolutions with a 4x4 kernel and stride 2, the only ones in these lessons, quick on a CPU too.

Same parameters and numbers as `flax.nnx.Conv` and `flax.nnx.ConvTranspose` with kernel_size=(4, 4),
strides=(2, 2), padding="SAME". On a GPU or TPU they call XLA's own convolution and its transposes.
On a CPU only the plain convolution is quick; its transposes, which are the gradients, are up to 50
times slower in a compiled loop. There, what is slow is written as something that is quick.

Three functions do all the work, and each is the derivative of the other two:

    convolve(x, k)_i = sum_a x_(2i+a-1) k_a        pictures to half their side
    spread(y, k)_j = sum_(2i+a-1=j) y_i k_a^T      back to twice the side: `convolve` transposed
    correlate(x, y)_a = sum_i x_(2i+a-1)^T y_i     the slope of <convolve(x, k), y> in k

(in one dimension; i and a are pairs in two). All can be differentiated in reverse again and again.

The first trick is to see 2x2 pixels as one block of 4c channels: a 4x4 kernel with stride 2 is then
a 2x2 kernel with stride 1, and `spread` a plain convolution that makes blocks. The second is to let
examples and channels change places: then `correlate` is a plain convolution of x with y.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_choice

FORMS = ("auto", "native", "cpu")
LECUN = nnx.initializers.lecun_normal()  # what `flax.nnx` starts from
THIN = 4  # up to so many channels, one product with all taps side by side is quicker
WIDE = 2**11  # from so many pairs of channels on, a transposed convolution makes its edges apart
NAMES = ("NHWC", "HWIO", "NHWC")  # of the dimensions of picture, kernel and result
Size = tuple[int, ...]
Picture = Float[Array, "n height width n_in"]
Half = Float[Array, "n half_height half_width n_out"]
Kernel = Float[Array, "4 4 n_in n_out"]


def halved(size: Size) -> Size:
    """Height and width after a convolution: half, rounded up."""
    return -(-size[0] // 2), -(-size[1] // 2)


def _native_convolve(x: Picture, kernel: Kernel) -> Half:
    return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)


def _seen(x: Picture) -> Float[Array, "positions sixteen_n_in"]:
    """What meets the kernel at each position of the result, in the order of the kernel's numbers.

    The picture stands in a frame of zeros, one pixel wide before and one or two behind it: the
    padding "SAME".
    """
    n, height, width, c = x.shape
    h, w = halved((height, width))
    framed = jnp.pad(x, ((0, 0), (1, 2 * h + 1 - height), (1, 2 * w + 1 - width), (0, 0)))
    blocks = framed.reshape(n, h + 1, 2, w + 1, 2 * c)
    places = [(row, pair) for row in range(4) for pair in range(2)]
    parts = [blocks[:, row // 2 :, row % 2, pair:][:, :h, :w] for row, pair in places]
    return jnp.concatenate([part.reshape(n * h * w, 2 * c) for part in parts], axis=1)


def _turned(kernel: Kernel) -> Float[Array, "4 4 n_out n_in"]:
    """Turned by half a circle, and with the channels in and out exchanged.

    Not by [::-1]: XLA 0.10 aborts on some second derivatives that hold a reversal.
    """
    rows = jnp.stack([kernel[i] for i in (3, 2, 1, 0)])
    return jnp.stack([rows[:, i] for i in (3, 2, 1, 0)], axis=1).swapaxes(2, 3)


@sequential_vmap
def _cpu_convolve(x: Picture, kernel: Kernel) -> Half:
    if x.shape[3] > THIN:
        return _native_convolve(x, kernel)
    rows = _seen(x) @ kernel.reshape(-1, kernel.shape[3])
    return rows.reshape(len(x), *halved(x.shape[1:3]), -1)


def _pixels(blocks: Float[Array, "n rows columns 2 2 c"]) -> Picture:
    """Blocks of 2x2 pixels side by side."""
    n, rows, columns, _, _, c = blocks.shape
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * rows, 2 * columns, c)


def _edge(y: Float[Array, "n w n_out"], kernel: Float[Array, "4 n_in n_out"]) -> Array:
    """`spread` in one dimension, [n, 2w, n_in]."""
    (n, w, n_out), c = y.shape, kernel.shape[1]
    framed = jnp.pad(y, ((0, 0), (1, 1), (0, 0)))
    pairs = jnp.concatenate([framed[:, :-1], framed[:, 1:]], axis=2)
    taps = jnp.concatenate([kernel[2:], kernel[:2]], axis=2)
    blocks = pairs.reshape(n * (w + 1), 2 * n_out) @ taps.reshape(2 * c, 2 * n_out).T
    return blocks.reshape(n, 2 * w + 2, c)[:, 1:-1]


def _spread_blocks(y: Half, kernel: Kernel) -> Picture:
    """A plain convolution with a 2x2 kernel, from pixels of y to blocks of 2x2 pixels.

    Blocks on the border are half, or three quarters, outside of the picture. What is inside, a
    line on each side, sees but one line of y: from some width on it is quicker to make it apart.
    """
    c, n_out = kernel.shape[2:]
    taps = kernel.reshape(2, 2, 2, 2, c, n_out).transpose(0, 2, 5, 1, 3, 4)
    taps = taps.reshape(2, 2, n_out, 4 * c)
    taps = jnp.stack([jnp.stack([taps[a, b] for b in (1, 0)]) for a in (1, 0)])
    wide = c * n_out >= WIDE
    frame = "VALID" if wide else ((1, 1), (1, 1))
    blocks = lax.conv_general_dilated(y, taps, (1, 1), frame, dimension_numbers=NAMES)
    inner = _pixels(blocks.reshape(*blocks.shape[:3], 2, 2, c))
    if not wide:
        return inner[:, 1:-1, 1:-1]
    top, bottom = _edge(y[:, 0], kernel[1]), _edge(y[:, -1], kernel[2])
    left, right = _edge(y[:, :, 0], kernel[:, 1]), _edge(y[:, :, -1], kernel[:, 2])
    middle = jnp.concatenate([left[:, 1:-1, None], inner, right[:, 1:-1, None]], axis=2)
    return jnp.concatenate([top[:, None], middle, bottom[:, None]], axis=1)


def _spread_thin(y: Half, kernel: Kernel) -> Picture:
    """The same by one product: each pixel of y makes four blocks, and those that meet add up."""
    (n, h, w, n_out), c = y.shape, kernel.shape[2]
    made = y.reshape(n * h * w, n_out) @ kernel.reshape(16 * c, n_out).T
    parts, blocks = made.reshape(n, h, w, 2, 2, 2, 2 * c), jnp.zeros((n, h + 1, w + 1, 2, 2 * c))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        frame = ((0, 0), (a, 1 - a), (b, 1 - b), (0, 0), (0, 0))
        blocks = blocks + jnp.pad(parts[:, :, :, a, :, b], frame)
    return _pixels(blocks.reshape(n, h + 1, w + 1, 2, 2, c))[:, 1:-1, 1:-1]


def _cpu_spread(y: Half, kernel: Kernel, size: Size) -> Picture:
    @sequential_vmap
    def spread(y: Half, kernel: Kernel) -> Picture:
        thin = kernel.shape[2] <= THIN or 1 in y.shape[1:3]
        return (_spread_thin if thin else _spread_blocks)(y, kernel)[:, : size[0], : size[1]]

    return spread(y, kernel)


@sequential_vmap
def _cpu_correlate(x: Picture, y: Half) -> Kernel:
    """A convolution too, with the examples as its channels and y, holes between, as its kernel."""
    (_, height, width, n_in), (_, h, w, n_out) = x.shape, y.shape
    if n_in <= THIN:
        return (_seen(x).T @ y.reshape(-1, n_out)).reshape(4, 4, n_in, n_out)
    frame = ((1, 2 * h + 1 - height), (1, 2 * w + 1 - width))
    x, y = x.transpose(3, 1, 2, 0), y.transpose(1, 2, 0, 3)
    kernel = lax.conv_general_dilated(
        x, y, (1, 1), frame, rhs_dilation=(2, 2), dimension_numbers=NAMES
    )
    return kernel.transpose(1, 2, 0, 3)


@jax.custom_vjp
def convolve(x: Picture, kernel: Kernel) -> Half:
    """The convolution of x with a kernel, stride 2: sum_a x_(2i+a-1) k_a."""
    return _cpu_convolve(x, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def spread(y: Half, kernel: Kernel, size: Size) -> Picture:
    """The transpose of `convolve` for pictures of that size: sum_(2i+a-1=j) y_i k_a^T."""
    return _cpu_spread(y, kernel, size)


@jax.custom_vjp
def correlate(x: Picture, y: Half) -> Kernel:
    """The slope of <convolve(x, k), y> in the kernel k: sum_i x_(2i+a-1)^T y_i."""
    return _cpu_correlate(x, y)


def _convolve_back(seen: tuple[Array, Array], dy: Half) -> tuple[Picture, Kernel]:
    x, kernel = seen
    return spread(dy, kernel, x.shape[1:3]), correlate(x, dy)


def _spread_back(size: Size, seen: tuple[Array, Array], dx: Picture) -> tuple[Half, Kernel]:
    y, kernel = seen
    return convolve(dx, kernel), correlate(dx, y)


def _correlate_back(seen: tuple[Array, Array], dk: Kernel) -> tuple[Picture, Half]:
    x, y = seen
    return spread(y, dk, x.shape[1:3]), convolve(x, dk)


convolve.defvjp(lambda x, kernel: (convolve(x, kernel), (x, kernel)), _convolve_back)
spread.defvjp(lambda y, kernel, size: (spread(y, kernel, size), (y, kernel)), _spread_back)
correlate.defvjp(lambda x, y: (correlate(x, y), (x, y)), _correlate_back)


def on_cpu(form: str) -> bool:
    """Whether `form` means the CPU's form here: asked for, or left open on a CPU."""
    return form == "cpu" or (form == "auto" and jax.default_backend() == "cpu")


def _check_picture(x: Array, n_in: int) -> None:
    if x.ndim != 4 or x.shape[3] != n_in or 0 in x.shape:
        raise InputError(
            f"a convolution takes pictures [n, height, width, {n_in}], not an array of shape "
            f"{tuple(x.shape)}; rows become pictures by x.reshape(-1, height, width, {n_in})"
        )


class Conv(nnx.Module):
    """y = x * kernel + bias: [n, h, w, n_in] -> [n, ceil(h/2), ceil(w/2), n_out].

    Kernel 4x4, stride 2, padding "SAME"; the same as `flax.nnx.Conv` with the same `kernel`
    [4, 4, n_in, n_out] and `bias` [n_out].

    Args:
        n_in, n_out: channels of the pictures that come and go.
        rngs: where the first weights are drawn from.
        use_bias: whether there is a bias (not needed before batch normalisation).
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

    def weights(self) -> Kernel:
        """The kernel that the next call uses."""
        return self.kernel[...]

    def __call__(self, x: Picture) -> Half:
        _check_picture(x, self.n_in)
        return self.biased(self.apply(x, self.weights()))

    def apply(self, x: Picture, kernel: Kernel) -> Half:
        return (convolve if on_cpu(self.form) else _native_convolve)(x, kernel)

    def biased(self, y: Array) -> Array:
        return y if self.bias is None else y + self.bias[...].reshape(1, 1, 1, -1)


class ConvTranspose(Conv):
    """The way back, [n, h, w, n_in] -> [n, 2h, 2w, n_out]: each pixel spreads over 4x4 pixels.

    The same as `flax.nnx.ConvTranspose` with kernel 4x4, stride 2, padding "SAME" and the same
    `kernel` [4, 4, n_in, n_out] and `bias` [n_out]. Arguments and errors as in `Conv`.
    """

    def apply(self, x: Array, kernel: Kernel) -> Array:
        if not on_cpu(self.form):
            return lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)
        return spread(x, _turned(kernel), (2 * x.shape[1], 2 * x.shape[2]))
