"""Differentiable augmentation: D never sees a picture as it is, and G learns through the change."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float


def augment(
    key: Array, rows: Float[Array, "n dim"], shape: tuple[int, ...], strength: float | Array = 1.0
) -> Float[Array, "n dim"]:
    """Brightness, translation and cutout, drawn anew for every picture; differentiable in `rows`.

    At strength s in [0, 1], a number from U(-s/2, s/2) is added to all pixels of a picture; it is
    shifted by up to s/8 of each side, its border pixels repeated; and a rectangle of s/2 of each
    side, at a random place, is filled with grey (0). Real and fake pictures need the same
    treatment, in D's update and in G's. (Zhao et al. 2020, arXiv 2006.10738, where the border is
    filled with grey instead.)

    Args:
        rows: pictures, pixels in [-1, 1].
        shape: of a picture, (h, w) or (h, w, channels).
        strength: s.
    """
    images = rows.reshape(-1, *(*shape, 1)[:3])
    keys = random.split(key, 3)
    images = images + strength * random.uniform(
        keys[0], (len(rows), 1, 1, 1), minval=-0.5, maxval=0.5
    )
    images = _shifted(keys[1], images, strength / 8)
    return (images * _holes(keys[2], images, strength / 2)).reshape(rows.shape)


def _shifted(key: Array, images: Float[Array, "n h w c"], share: float | Array) -> Array:
    """Each picture shifted by whole pixels, up to `share` of its sides."""
    (n, *sides, _), keys = images.shape, random.split(key)
    rows, columns = (_selection(k, n, side, share) for k, side in zip(keys, sides, strict=True))
    # Products with 0-1 matrices are as fast as a gather, and so are their gradients.
    return jnp.einsum("nij,njkc,nlk->nilc", rows, images, columns)


def _selection(key: Array, n: int, side: int, share: float | Array) -> Array:
    """Matrices [n, side, side] with a one in row i at the place that pixel i comes from."""
    reach = jnp.round(share * side)
    shift = jnp.round(random.uniform(key, (n, 1), minval=-1.0, maxval=1.0) * reach)
    source = jnp.clip(jnp.arange(side, dtype=jnp.float32)[None] + shift, 0, side - 1)
    return jax.nn.one_hot(source.astype(jnp.int32), side)


def _holes(key: Array, images: Float[Array, "n h w c"], share: float | Array) -> Array:
    """Masks [n, h, w, 1]: 0 in a rectangle of `share` of each side, 1 elsewhere."""
    n, *sides, _ = images.shape
    inside = []
    for key_side, side in zip(random.split(key), sides, strict=True):
        centre = random.uniform(key_side, (n, 1), maxval=float(side))
        middle = jnp.arange(side, dtype=jnp.float32)[None] + 0.5
        inside.append(jnp.abs(middle - centre) < share * side / 2)
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    return 1 - hole[..., None].astype(images.dtype)
