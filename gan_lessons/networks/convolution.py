"""Convolutions with a 4x4 kernel and stride 2, the only ones in these lessons, fast on a CPU too.

Three functions do all the work, and each is the derivative of the other two:

    convolve(x, k)_i = sum_a x_(2i+a-1) k_a        pictures to half their side
    spread(y, k)_j = sum_(2i+a-1=j) y_i k_a^T      back to twice the side: `convolve` transposed
    correlate(x, y)_a = sum_i x_(2i+a-1)^T y_i     the gradient of <convolve(x, k), y> in k

(written in one dimension; in two, i and a are pairs). All of them can be differentiated in reverse
mode any number of times.

XLA's plain convolution is fast on a CPU. Its two transposes, which are what gradients need, are up
to 50 times slower inside a compiled loop, so here they are written as plain convolutions as well:

- Seen as blocks of 2x2 pixels with 4c channels, a picture is convolved by a 2x2 kernel with
  stride 1. Hence `spread` is a plain convolution from pixels to blocks.
- If examples and channels change places, `correlate` is a plain convolution of x with y.

Pictures with few channels are an exception: there one matrix product with all taps side by side is
faster than either.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Float

THIN = 4  # up to this many channels a matrix product is faster than a convolution
WIDE = 2**11  # from n_in * n_out = WIDE on, `spread` computes the picture's border separately
NAMES = ("NHWC", "HWIO", "NHWC")  # dimensions of picture, kernel and result
Size = tuple[int, ...]
Picture = Float[Array, "n height width n_in"]
Half = Float[Array, "n half_height half_width n_out"]
Kernel = Float[Array, "4 4 n_in n_out"]


@jax.custom_vjp
def convolve(x: Picture, kernel: Kernel) -> Half:
    """The convolution of x with a kernel, stride 2: sum_a x_(2i+a-1) k_a."""
    return _convolve(x, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def spread(y: Half, kernel: Kernel, size: Size) -> Picture:
    """The transpose of `convolve` for pictures of that size: sum_(2i+a-1=j) y_i k_a^T."""
    return _spread(y, kernel, size)


@jax.custom_vjp
def correlate(x: Picture, y: Half) -> Kernel:
    """The gradient of <convolve(x, k), y> in the kernel k: sum_i x_(2i+a-1)^T y_i."""
    return _correlate(x, y)


def halved(size: Size) -> Size:
    """Height and width after a convolution: half, rounded up."""
    return -(-size[0] // 2), -(-size[1] // 2)


# ---- derivatives


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


# ---- how each is computed


@sequential_vmap
def _convolve(x: Picture, kernel: Kernel) -> Half:
    if x.shape[3] > THIN:
        return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)
    rows = _patches(x) @ kernel.reshape(-1, kernel.shape[3])
    return rows.reshape(len(x), *halved(x.shape[1:3]), -1)


def _patches(x: Picture) -> Float[Array, "positions sixteen_n_in"]:
    """The 4x4 pixels that meet the kernel at each position of the result, as one row each.

    The picture is padded with zeros as "SAME" asks: one pixel before it, one or two behind.
    """
    n, height, width, c = x.shape
    h, w = halved((height, width))
    padded = jnp.pad(x, ((0, 0), (1, 2 * h + 1 - height), (1, 2 * w + 1 - width), (0, 0)))
    blocks = padded.reshape(n, h + 1, 2, w + 1, 2 * c)
    places = [(row, pair) for row in range(4) for pair in range(2)]
    parts = [blocks[:, row // 2 :, row % 2, pair:][:, :h, :w] for row, pair in places]
    return jnp.concatenate([part.reshape(n * h * w, 2 * c) for part in parts], axis=1)


def _spread(y: Half, kernel: Kernel, size: Size) -> Picture:
    @sequential_vmap
    def spread(y: Half, kernel: Kernel) -> Picture:
        thin = kernel.shape[2] <= THIN or 1 in y.shape[1:3]
        return (_spread_thin if thin else _spread_blocks)(y, kernel)[:, : size[0], : size[1]]

    return spread(y, kernel)


def _spread_thin(y: Half, kernel: Kernel) -> Picture:
    """`spread` by one matrix product: each pixel of y makes four blocks, and overlaps add up."""
    (n, h, w, n_out), c = y.shape, kernel.shape[2]
    product = y.reshape(n * h * w, n_out) @ kernel.reshape(16 * c, n_out).T
    parts, blocks = product.reshape(n, h, w, 2, 2, 2, 2 * c), jnp.zeros((n, h + 1, w + 1, 2, 2 * c))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        padding = ((0, 0), (a, 1 - a), (b, 1 - b), (0, 0), (0, 0))
        blocks = blocks + jnp.pad(parts[:, :, :, a, :, b], padding)
    return _pixels(blocks.reshape(n, h + 1, w + 1, 2, 2, c))[:, 1:-1, 1:-1]


def _spread_blocks(y: Half, kernel: Kernel) -> Picture:
    """`spread` by a plain convolution with a 2x2 kernel, from pixels of y to blocks of 2x2 pixels.

    Half of each block on the border (three quarters of each corner) falls outside the picture.
    The part inside, a line of pixels along each side, depends on one line of y only. With many
    channels it is faster to compute those four lines separately than to throw so much away.
    """
    c, n_out = kernel.shape[2:]
    taps = kernel.reshape(2, 2, 2, 2, c, n_out).transpose(0, 2, 5, 1, 3, 4)
    taps = taps.reshape(2, 2, n_out, 4 * c)
    taps = jnp.stack([jnp.stack([taps[a, b] for b in (1, 0)]) for a in (1, 0)])
    wide = c * n_out >= WIDE
    padding = "VALID" if wide else ((1, 1), (1, 1))
    blocks = lax.conv_general_dilated(y, taps, (1, 1), padding, dimension_numbers=NAMES)
    inner = _pixels(blocks.reshape(*blocks.shape[:3], 2, 2, c))
    if not wide:
        return inner[:, 1:-1, 1:-1]
    top, bottom = _edge(y[:, 0], kernel[1]), _edge(y[:, -1], kernel[2])
    left, right = _edge(y[:, :, 0], kernel[:, 1]), _edge(y[:, :, -1], kernel[:, 2])
    middle = jnp.concatenate([left[:, 1:-1, None], inner, right[:, 1:-1, None]], axis=2)
    return jnp.concatenate([top[:, None], middle, bottom[:, None]], axis=1)


def _pixels(blocks: Float[Array, "n rows columns 2 2 c"]) -> Picture:
    """Blocks of 2x2 pixels laid out as a picture."""
    n, rows, columns, _, _, c = blocks.shape
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * rows, 2 * columns, c)


def _edge(y: Float[Array, "n w n_out"], kernel: Float[Array, "4 n_in n_out"]) -> Array:
    """`spread` in one dimension, [n, 2w, n_in]."""
    (n, w, n_out), c = y.shape, kernel.shape[1]
    padded = jnp.pad(y, ((0, 0), (1, 1), (0, 0)))
    pairs = jnp.concatenate([padded[:, :-1], padded[:, 1:]], axis=2)
    taps = jnp.concatenate([kernel[2:], kernel[:2]], axis=2)
    blocks = pairs.reshape(n * (w + 1), 2 * n_out) @ taps.reshape(2 * c, 2 * n_out).T
    return blocks.reshape(n, 2 * w + 2, c)[:, 1:-1]


@sequential_vmap
def _correlate(x: Picture, y: Half) -> Kernel:
    """A plain convolution: the examples are its channels, and y with holes is its kernel."""
    (_, height, width, n_in), (_, h, w, n_out) = x.shape, y.shape
    if n_in <= THIN:
        return (_patches(x).T @ y.reshape(-1, n_out)).reshape(4, 4, n_in, n_out)
    padding = ((1, 2 * h + 1 - height), (1, 2 * w + 1 - width))
    x, y = x.transpose(3, 1, 2, 0), y.transpose(1, 2, 0, 3)
    kernel = lax.conv_general_dilated(
        x, y, (1, 1), padding, rhs_dilation=(2, 2), dimension_numbers=NAMES
    )
    return kernel.transpose(1, 2, 0, 3)
