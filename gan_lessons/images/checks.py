"""Checks of pictures and labels that a user hands in, and hints at what to do about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from gan_lessons.distributions.handed import as_numbers
from gan_lessons.errors import InputError

MOST_CLASSES = 1000
DARK = 64  # of 255: bytes that never reach it are on another scale, or a set of black pictures


def as_floats(images: Any, fresh: bool | None = None) -> np.ndarray:
    """Any array of numbers as float32, a copy if `fresh`; InputError for text or ragged lists."""
    return _floats(_numbers(images), fresh)


def checked_pixels(given: Any) -> Float[np.ndarray, "n h w *c"]:
    """A fresh float32 array [n, h, w] or [n, h, w, 3] in [-1, 1], or InputError."""
    numbers = _numbers(given)
    shape = numbers.shape[:3] if numbers.shape[3:] == (1,) else numbers.shape
    # With a last axis so short these are the channels of one picture.
    flat = numbers.ndim == 3 and shape[2] <= 4 and shape[1] > shape[2]
    if not (len(shape) == 3 or shape[3:] == (3,)) or flat or shape[0] < 2 or not numbers.size:
        raise InputError(
            "images must be [n, h, w] in grey or [n, h, w, 3] in colour, n at least 2, "
            f"not {shape}{_layout_hint(shape)}"
        )
    if len(shape) == 3 and shape[0] == 3:
        print(
            f"three grey images of {shape[1]}x{shape[2]}; if these are the channels of one in "
            "colour, give at least two such images, [n, h, w, 3]"
        )
    known_scale = numbers.dtype in (np.uint8, bool)
    if numbers.dtype == np.uint8:
        _check_bytes(int(numbers.max()))
    images = _floats(numbers, True).reshape(shape)
    if known_scale:
        images /= 127.5 if numbers.dtype == np.uint8 else 0.5
        images -= 1
    _check_values(images, known_scale)
    return images


def checked_labels(given: Any, n: int) -> Int[np.ndarray, " n"]:
    """Labels of n images as int32, or InputError."""
    if _texts(given):
        raise InputError(
            "labels must be whole numbers, not texts; try kinds, labels = np.unique(labels, "
            "return_inverse=True), with kinds as the class names"
        )
    numbers = as_numbers("labels", given)
    whole = numbers.shape == (n,) and numbers.dtype.kind in "iu"
    if not whole or numbers.min() < 0 or numbers.max() >= MOST_CLASSES:
        raise InputError(
            f"labels must be a whole number from 0 to {MOST_CLASSES - 1} for each of the {n} "
            f"images, or None{_labels_hint(numbers, n)}"
        )
    return numbers.astype(np.int32)


def checked_names(names: Any, classes: int) -> tuple[str, ...]:
    """What the labels mean, as a tuple of texts that is empty or covers all classes."""
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise InputError(f"class names must be a list of texts, one for each class, not {names!r}")
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"class names must be texts, but they are {list(names)[:5]}")
    if 0 < len(names) < classes:
        raise InputError(f"{len(names)} class names for {classes} classes")
    return tuple(map(str, names))


def _numbers(images: Any) -> Shaped[np.ndarray, "..."]:
    """As `as_numbers`, and of images that are not of one size the sizes are named."""
    try:
        return as_numbers("images", images)
    except InputError:
        if sizes := _sizes(images):
            raise InputError(f"images must all be of one size{sizes}") from None
        raise


def _floats(numbers: np.ndarray, fresh: bool | None) -> np.ndarray:
    with np.errstate(over="ignore"):  # what becomes infinite is refused as such
        return np.array(numbers, np.float32, copy=fresh, order="C")


def _check_bytes(high: int) -> None:
    if high <= 1:
        raise InputError(
            "bytes mean 0..255, but these are only 0 and 1, nearly the same black; for black and "
            "white try images.astype(bool)"
        )
    if high < DARK:
        raise InputError(
            f"bytes mean 0..255, but the brightest of these is {high}, nearly black; if {high} is "
            f"white, try images / {high / 2:g} - 1, and if they are meant to be so dark, "
            "images / 127.5 - 1"
        )


def _check_values(images: np.ndarray, known_scale: bool) -> None:
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        bad = int(np.sum(~np.isfinite(images)))
        raise InputError(f"{bad} pixels are NaN or infinite; leave out the images that hold them")
    if not any((image != images[0]).any() for image in images):
        raise InputError("all images are the same, so there is nothing to learn; give others too")
    # A little below 0 is what resizing of 0..1 leaves; a set in [-1, 1] has some real darkness.
    if low < -1 or high > 1 or (low > -0.1 and not known_scale):
        raise InputError(
            f"pixels must lie in [-1, 1], from black to white, but they go from {low:g} to "
            f"{high:g}; {_scale_hint(low, high)}"
        )


def _scale_hint(low: float, high: float) -> str:
    if low <= -0.1 or high > 65535:
        return f"try 2 * (images - {low:g}) / {high - low:g} - 1"
    if high <= 1.1:
        clip = "np.clip(2 * images - 1, -1, 1)" if low < 0 or high > 1 else "2 * images - 1"
        return f"they look like 0..1: try {clip}"
    for top in (16, 255, 65535):
        if high <= top:
            bits = "16 bits, " if top > 255 else ""
            return f"they look like {bits}0..{top}: try images / {top / 2:g} - 1"
    raise AssertionError


def _layout_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "; try images.reshape(-1, h, w), if these are rows and not a single image"
    if len(shape) == 3 and shape[2] <= 4:
        return (
            f"; one image of {shape[0]}x{shape[1]} is no set, and if these are {shape[0]} grey "
            f"images {shape[2]} wide, try images[..., None]"
        )
    if len(shape) == 4 and shape[3] in (2, 4):
        colours = "0" if shape[3] == 2 else ":3"
        return f"; drop the alpha channel by images[..., {colours}]"
    if len(shape) == 4 and shape[1] in (1, 3, 4):
        return "; channels come last: try images.transpose(0, 2, 3, 1)"
    return ""


def _labels_hint(labels: np.ndarray, n: int) -> str:
    if labels.ndim == 2 and len(labels) == n:
        one = labels.shape[1] == 1
        return "; try labels.ravel()" if one else "; try labels.argmax(axis=1), if they are one-hot"
    if labels.shape != (n,):
        return f"; their shape is {labels.shape}"
    if labels.dtype.kind == "b" or (labels.dtype.kind == "f" and not (labels % 1).any()):
        return "; try labels.astype(int)"
    return f"; they go from {labels.min()} to {labels.max()}"


def _texts(labels: Any) -> bool:
    try:
        array = np.asarray(labels)
    except Exception:  # whatever is wrong with it is said elsewhere
        return False
    return array.size > 0 and isinstance(array.flat[0], (str, bytes))


def _sizes(images: Any) -> str:
    """`", but there are (8, 8) and (9, 8)"` for a list of unequal images, else `""`."""
    try:
        sizes = sorted({np.shape(image) for image in images})
    except (TypeError, ValueError):
        return ""
    more = f" and {len(sizes) - 2} more" if len(sizes) > 2 else ""
    return f", but there are {sizes[0]} and {sizes[1]}{more}" if len(sizes) > 1 else ""
