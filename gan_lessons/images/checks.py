"""Checks of pictures and labels that a user hands in, and hints at what to do about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gan_lessons.errors import InputError

MOST_CLASSES = 1000


def as_floats(images: Any, fresh: bool | None = None) -> np.ndarray:
    """Any array of numbers as float32, a copy if `fresh`; InputError for text or ragged lists."""
    try:
        return np.array(images, np.float32, copy=fresh, order="C")
    except (TypeError, ValueError):
        raise InputError(
            f"images must be an array of numbers, all of one size{_sizes(images)}"
        ) from None


def checked_pixels(given: Any) -> Float[np.ndarray, "n h w *c"]:
    """A fresh float32 array [n, h, w] or [n, h, w, 3] in [-1, 1], or InputError."""
    kind = getattr(given, "dtype", None)
    images = as_floats(given, fresh=True)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if not (images.ndim == 3 or images.shape[3:] == (3,)) or len(images) < 2 or not images.size:
        raise InputError(
            "images must be [n, h, w] in grey or [n, h, w, 3] in colour, n at least 2, "
            f"not {images.shape}{_layout_hint(images.shape)}"
        )
    if scale := {"uint8": 127.5, "bool": 0.5}.get(str(kind)):
        images /= scale
        images -= 1
    _check_values(images, scale is not None)
    return images


def checked_labels(given: Any, n: int) -> Int[np.ndarray, " n"]:
    """Labels of n images as int32, or InputError."""
    labels = np.asarray(given)
    whole = labels.shape == (n,) and labels.dtype.kind in "iu"
    if not whole or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise InputError(
            f"labels must be a whole number from 0 to {MOST_CLASSES - 1} for each of the {n} "
            "images, or None"
        )
    return labels.astype(np.int32)


def _check_values(images: np.ndarray, known_scale: bool) -> None:
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        bad = int(np.sum(~np.isfinite(images)))
        raise InputError(f"{bad} pixels are NaN or infinite; leave out the images that hold them")
    if not any((image != images[0]).any() for image in images):
        raise InputError("all images are the same, so there is nothing to learn; give others too")
    if low < -1 or high > 1 or (low >= 0 and not known_scale):
        raise InputError(
            f"pixels must lie in [-1, 1], from black to white, but they go from {low:g} to "
            f"{high:g}; {_scale_hint(low, high)}"
        )


def _scale_hint(low: float, high: float) -> str:
    if low < 0 or high > 65535:
        return f"try 2 * (images - {low:g}) / {high - low:g} - 1"
    if high <= 1:
        return "they look like 0..1: try 2 * images - 1"
    if high <= 255:
        return "they look like 0..255: try images / 127.5 - 1"
    return "they look like 16 bits, 0..65535: try images / 32767.5 - 1"


def _layout_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "; try images.reshape(-1, h, w), if these are rows and not a single image"
    if len(shape) == 4 and shape[3] in (2, 4):
        colours = "0" if shape[3] == 2 else ":3"
        return f"; drop the alpha channel by images[..., {colours}]"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "; channels come last: try images.transpose(0, 2, 3, 1)"
    return ""


def _sizes(images: Any) -> str:
    """`", but there are (8, 8) and (9, 8)"` for a list of unequal images, else `""`."""
    try:
        sizes = sorted({np.shape(image) for image in images})
    except (TypeError, ValueError):
        return ""
    more = f" and {len(sizes) - 2} more" if len(sizes) > 2 else ""
    return f", but there are {sizes[0]} and {sizes[1]}{more}" if len(sizes) > 1 else ""
