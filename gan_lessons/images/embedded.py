"""Real images that come with two libraries, so that they need no network."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float

from gan_lessons.errors import InputError
from gan_lessons.images.sets import ImageSet

DIGIT_SIZES = (8, 16, 28, 32, 64)
FACE_SIZES = (8, 16, 25, 28, 32, 64)


def digits(size: int = 8) -> ImageSet:
    """1,797 real handwritten digits with labels 0 to 9, embedded in scikit-learn.

    Size 8 is the original, 0..16 scaled to [-1, 1]. The larger sizes (16, 28, 32, 64) are for
    networks that expect MNIST's shape and hold no more detail: with a black margin of one pixel,
    the picture is enlarged by a cubic spline, and the contrast is raised by 1.6 about mid-grey so
    that blurred strokes have edges again.

    Source: E. Alpaydin, C. Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI.
    Raises: InputError for a size not in DIGIT_SIZES.
    """
    return _digits(allowed_size("digits", size, DIGIT_SIZES))


def faces(size: int = 25) -> ImageSet:
    """100 real faces without labels, embedded in scikit-image (first half of `lfw_subset`).

    Size 25 is the original, 0..1 scaled to [-1, 1]; it is enlarged by a cubic spline (28, 32, 64)
    and made smaller by averaging (8, 16). A hundred faces are few: expect a generator to memorise
    rather than to generalise.

    Source: G. B. Huang et al. (2007), "Labeled Faces in the Wild", UMass report 07-49.
    Raises: InputError for a size not in FACE_SIZES.
    """
    return _faces(allowed_size("faces", size, FACE_SIZES))


def allowed_size(name: str, size: object, sizes: tuple[int, ...]) -> int:
    """`size` as an int if it is one of `sizes`, else InputError."""
    if isinstance(size, (int, np.integer)) and size in sizes:
        return int(size)
    known = ", ".join(map(str, sizes))
    raise InputError(f"{name} come in sizes {known}, not {size!r}; `resized` makes others")


# The two libraries are imported where they are used: together they take about a second.


@cache
def _digits(size: int) -> ImageSet:
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = data.images / 8 - 1
    if size != 8:
        margin = np.pad(pixels, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
        pixels = np.clip(1.6 * _enlarge(margin, size), -1, 1)
    return ImageSet(pixels, data.target, f"digits {size}x{size}")


@cache
def _faces(size: int) -> ImageSet:
    from skimage.data import lfw_subset

    pixels = 2 * lfw_subset()[:100] - 1
    name = f"faces {size}x{size}"
    if size < 25:
        return ImageSet(pixels, None, name).resized(size)
    return ImageSet(np.clip(_enlarge(pixels, size), -1, 1), None, name)


def _enlarge(images: Float[np.ndarray, "n h w"], size: int) -> Float[np.ndarray, "n size size"]:
    """Square images enlarged by a cubic spline, pixels taken as areas; may overshoot the range."""
    from scipy.ndimage import zoom

    factor = size / images.shape[1]
    scale = (1, factor, factor)
    return zoom(images, scale, order=3, mode="nearest", grid_mode=True) if factor != 1 else images
