"""Real images that need no network: handwritten digits and faces carried by two libraries.

A new set is one loader function and one line in `LOADERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from gan_lessons.distributions import Empirical
from gan_lessons.errors import InputError, check_choice, check_number


def as_floats(images: object) -> np.ndarray:
    """Any array of numbers as float32; InputError for text, objects or ragged lists."""
    try:
        return np.asarray(images, np.float32)
    except (TypeError, ValueError):
        raise InputError("images must be an array of numbers, all of the same size") from None


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Grey images with or without labels.

    Attributes:
        images: float32 [n, h, w] in [-1, 1], -1 is black; at least two; read-only.
        labels: class of each image, whole numbers [n] from 0, or None.
        name: for titles and messages.

    Raises: InputError on anything else.
    """

    images: Float[np.ndarray, "n h w"]
    labels: Int[np.ndarray, " n"] | None
    name: str

    def __post_init__(self) -> None:
        images = as_floats(self.images).copy()
        if images.ndim != 3 or len(images) < 2 or not images.size:
            raise InputError(f"images must be [n, h, w] with n at least 2, not {images.shape}")
        if not np.all(np.abs(images) <= 1):
            raise InputError("pixels must lie in [-1, 1]; scale 0..255 by images / 127.5 - 1")
        labels = None if self.labels is None else np.asarray(self.labels)
        if labels is not None and (
            labels.shape != images.shape[:1] or labels.dtype.kind not in "iu"
        ):
            raise InputError(f"give a whole number for each of the {len(images)} images, or None")
        images.setflags(write=False)
        object.__setattr__(self, "images", images)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.images.shape[1], self.images.shape[2]

    def distribution(self) -> Empirical:
        """The images as rows [n, h*w]; sampling draws rows with replacement."""
        return Empirical(self.images.reshape(len(self), -1), shape=self.shape)

    def stacks(self, layers: int = 3) -> Stacked:
        """`layers` images drawn independently make one example; see `Stacked`."""
        return Stacked(self.distribution().points, self.shape, layers)


@jax.tree_util.register_pytree_node_class
class Stacked(Empirical):
    """Rows [n, layers*h*w]: one independently drawn image after another.

    With ten classes and three layers there are 1,000 kinds of example, all about as likely,
    which makes missing modes countable (Metz et al. 2017, arXiv 1611.02163, with digits as
    colour channels). A fully connected network does not mind that the layers are shown one
    above another, as a picture [layers*h, w].

    Attributes:
        points: the images of one layer, [k, h*w].
        shape: (layers*h, w).

    Raises: InputError for layers that are not a whole number from 1 to 8.
    """

    def __init__(self, points: Any, shape: tuple[int, int], layers: int = 3) -> None:
        super().__init__(points, shape)
        count = int(check_number("layers", layers, 1, 8, integer=True))
        self.__dict__["shape"] = (count * shape[0], shape[1])

    def __repr__(self) -> str:
        return super().__repr__().replace("Empirical", "Stacked", 1)

    @property
    def dim(self) -> int:
        """layers * h * w."""
        return prod(self.shape or ())

    @property
    def layers(self) -> int:
        """Images in one example."""
        return self.dim // self.points.shape[-1]

    @property
    def extent(self) -> tuple[tuple[float, float], ...]:
        """The least and the largest value of each pixel, layer after layer."""
        return super().extent * self.layers

    def _sample(self, key: Array, n: int) -> Float[Array, "n dim"]:
        which = jax.random.randint(key, (n, self.layers), 0, len(self.points))
        return self.points[which].reshape(n, self.dim)


def digits(size: int = 8) -> ImageSet:
    """1,797 real handwritten digits with labels 0 to 9, embedded in scikit-learn.

    Size 8 is the original, 0..16 scaled to [-1, 1]. Size 28, for networks that expect MNIST's
    shape, holds no more detail: one pixel of black margin, cubic spline to 28x28, contrast
    times 1.6 about mid-grey so that the blurred strokes have edges again.

    Source: E. Alpaydin, C. Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI.
    Raises: InputError for a size other than 8 or 28.
    """
    return _digits(_allowed("digits", size, (8, 28)))


def faces(size: int = 25) -> ImageSet:
    """100 real faces without labels, embedded in scikit-image (first half of `lfw_subset`).

    Size 25 is the original, 0..1 scaled to [-1, 1]; size 28 is its cubic spline. A hundred
    faces are few: expect a generator to memorise rather than to generalise.

    Source: G. B. Huang et al. (2007), "Labeled Faces in the Wild", UMass report 07-49.
    Raises: InputError for a size other than 25 or 28.
    """
    return _faces(_allowed("faces", size, (25, 28)))


LOADERS: dict[str, Callable[..., ImageSet]] = {"digits": digits, "faces": faces}


def image_set(name: str, size: int | None = None) -> ImageSet:
    """The set called `name` in LOADERS, at its original size unless another is asked for.

    Raises: InputError for an unknown name (with the nearest known one) or size.
    """
    load = LOADERS[check_choice("image set", name, LOADERS)]
    return load() if size is None else load(size)


def _allowed(name: str, size: object, sizes: tuple[int, int]) -> int:
    if isinstance(size, (int, np.integer)) and size in sizes:
        return int(size)
    raise InputError(f"{name} come in size {sizes[0]} or {sizes[1]}, not {size!r}")


# The two libraries are imported where they are used: together they cost about a second.


@cache
def _digits(size: int) -> ImageSet:
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = data.images / 8 - 1
    if size == 28:
        margin = np.pad(pixels, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
        pixels = np.clip(1.6 * _resize(margin, size), -1, 1)
    return ImageSet(pixels, data.target.astype(np.int32), f"digits {size}x{size}")


@cache
def _faces(size: int) -> ImageSet:
    from skimage.data import lfw_subset

    pixels = 2 * lfw_subset()[:100] - 1
    return ImageSet(np.clip(_resize(pixels, size), -1, 1), None, f"faces {size}x{size}")


def _resize(images: Float[np.ndarray, "n h w"], size: int) -> Float[np.ndarray, "n size size"]:
    """Square images by cubic spline, pixels taken as areas; may overshoot the range."""
    from scipy.ndimage import zoom

    factor = size / images.shape[1]
    scale = (1, factor, factor)
    return zoom(images, scale, order=3, mode="nearest", grid_mode=True) if factor != 1 else images
