"""What a set of images is, and how it becomes a distribution to imitate."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from gan_lessons.distributions import Empirical
from gan_lessons.errors import InputError, check_number

MOST_CLASSES = 1000
Rows = Float[Array | np.ndarray, "n dim"]


def as_floats(images: Any, fresh: bool | None = None) -> np.ndarray:
    """Any array of numbers as float32; InputError for text, objects or ragged lists."""
    try:
        return np.array(images, np.float32, copy=fresh, order="C")
    except (TypeError, ValueError):
        raise InputError(
            f"images must be an array of numbers, all of one size{_sizes(images)}"
        ) from None


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Grey or colour images with or without labels.

    Attributes:
        images: float32 [n, h, w] or [n, h, w, 3] in [-1, 1], -1 is black; read-only. At least
            two, and not all the same: nothing can be learned or measured from one picture. A
            few blank ones among others are fine. Given as uint8 they are read as 0..255
            (x / 127.5 - 1), as bool as black and white, and a last axis of 1 is dropped.
        labels: class of each image, whole numbers [n] from 0 to 999, kept as int32; or None.
        name: for titles and messages.
        class_names: what the labels mean, from class 0 on; may be empty.

    Raises: InputError on anything else. Pixels that are all in [0, 1] are refused too: no real
        set has none darker than mid-grey, so they were scaled to 0..1.
    """

    images: Float[np.ndarray, "n h w *c"]
    labels: Int[np.ndarray, " n"] | None
    name: str
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images = _pixels(self.images)
        labels = None if self.labels is None else _classes(self.labels, len(images))
        for array in (images, labels):
            if array is not None:
                array.setflags(write=False)
        self.__dict__.update(images=images, labels=labels)
        if labels is not None and 0 < len(self.class_names) < self.classes:
            raise InputError(f"{len(self.class_names)} class names for {self.classes} classes")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width) in pixels, or (height, width, 3) in colour."""
        return self.images.shape[1:]

    @property
    def classes(self) -> int:
        """The largest label plus one, or the number of class names; 0 without labels."""
        return 0 if self.labels is None else max(int(self.labels.max()) + 1, len(self.class_names))

    def distribution(self, labels: bool = False) -> Empirical:
        """The images as rows [n, h*w*c]; sampling draws rows with replacement.

        With `labels` as `Labelled`: each row goes on with its label, one-hot.

        Raises: InputError where labels are asked for and there are none.
        """
        rows = self.images.reshape(len(self), -1)
        if not labels:
            return Empirical(rows, shape=self.shape)
        if self.labels is None:
            raise InputError(f"{self.name} has no labels; leave labels=False, or try digits()")
        one_hot = np.eye(self.classes, dtype=np.float32)[self.labels]
        return Labelled(np.concatenate([rows, one_hot], axis=1), self.shape)

    def stacks(self, layers: int = 3, channels: bool = False) -> Stacked:
        """`layers` images drawn independently make one example; see `Stacked`.

        With `channels` as the colours of one picture: see `StackedChannels`.
        """
        kind = StackedChannels if channels else Stacked
        return kind(self.distribution().points, self.shape, layers)

    def resized(self, size: int) -> ImageSet:
        """The same set at size x size pixels, 4 to 512; itself where nothing changes.

        Cubic interpolation, pixels taken as areas. Made smaller, the kernel grows with the step,
        so that fine stripes turn grey instead of into coarse ones.

        Raises: InputError for another size, or images that are not square.
        """
        size = int(check_number("image size", size, 4, 512, integer=True))
        if self.shape[0] != self.shape[1]:
            raise InputError(f"only square images can be resized, not {self.shape}; crop them")
        if self.shape[0] == size:
            return self
        shape = (len(self), size, size, *self.shape[2:])
        images = np.asarray(jax.image.resize(self.images, shape, "cubic", antialias=True))
        images = np.clip(images, -1, 1)
        images.setflags(write=False)
        other = copy.copy(self)
        other.__dict__["images"] = images
        return other


@jax.tree_util.register_pytree_node_class
class Labelled(Empirical):
    """Rows [n, h*w*c + classes]: the pixels of an image, then its label, one-hot.

    A discriminator that sees such rows judges image and label together (Mirza and Osindero
    2014, arXiv 1411.1784), if the generator is told the label of what it makes.

    Attributes:
        points: the rows.
        shape: of the pixels alone, (h, w) or (h, w, 3).

    Raises: InputError for rows that do not end in a one-hot label.
    """

    def __init__(self, points: Any, shape: tuple[int, ...]) -> None:
        super().__init__(points)
        self.__dict__["_shape"] = tuple(map(int, shape))
        labels = np.asarray(self.points)[:, self.pixels :]
        if not labels.size or np.any(labels.max(1) != 1) or np.any(np.abs(labels).sum(1) != 1):
            raise InputError(f"rows must be {self.pixels} pixels and then a one-hot label")

    @property
    def pixels(self) -> int:
        """Numbers in an image, h * w * c."""
        return prod(self.shape or ())

    @property
    def classes(self) -> int:
        """Length of the one-hot label."""
        return self.dim - self.pixels

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """How frequent each class is; they sum to 1."""
        labels = np.asarray(self.points[:, self.pixels :], np.float64)
        return tuple(labels.mean(axis=0).tolist())


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

    def __init__(self, points: Any, shape: tuple[int, ...], layers: int = 3) -> None:
        super().__init__(points, shape)
        count = int(check_number("layers", layers, 1, 8, integer=True))
        self.__dict__["_shape"] = (count * shape[0], *shape[1:])

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

    def apart(self, rows: Rows) -> Rows:
        """Rows with one image after another, as `metrics.stack_coverage` takes them."""
        return rows


@jax.tree_util.register_pytree_node_class
class StackedChannels(Stacked):
    """The same with the images as the channels of one picture: rows [n, h*w*layers].

    Three grey digits are the red, green and blue of a picture that convolutions can look at. This
    is how the papers stack MNIST.

    Attributes:
        shape: (h, w, layers).

    Raises: InputError for images that have colours already.
    """

    def __init__(self, points: Any, shape: tuple[int, ...], layers: int = 3) -> None:
        super().__init__(points, shape, layers)
        if len(shape) != 2:
            raise InputError(f"channels are for grey images, not {shape}; leave channels=False")
        self.__dict__["_shape"] = (*shape, self.layers)

    @property
    def extent(self) -> tuple[tuple[float, float], ...]:
        """The least and the largest value of each pixel, all its channels in turn."""
        one = super().extent[: self.points.shape[-1]]
        return tuple(each for each in one for _ in range(self.layers))

    def _sample(self, key: Array, n: int) -> Float[Array, "n dim"]:
        images = super()._sample(key, n).reshape(n, self.layers, -1)
        return images.swapaxes(1, 2).reshape(n, self.dim)

    def apart(self, rows: Rows) -> Rows:
        """Rows with one image after another, as `metrics.stack_coverage` takes them."""
        return rows.reshape(len(rows), -1, self.layers).swapaxes(1, 2).reshape(len(rows), -1)


# ---- checks of what a user hands in


def _pixels(given: Any) -> np.ndarray:
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
    """`", but there are (8, 8) and (9, 8)"` for a list of unequal images, else nothing."""
    try:
        sizes = sorted({np.shape(image) for image in images})
    except (TypeError, ValueError):
        return ""
    more = f" and {len(sizes) - 2} more" if len(sizes) > 2 else ""
    return f", but there are {sizes[0]} and {sizes[1]}{more}" if len(sizes) > 1 else ""


def _classes(given: Any, n: int) -> np.ndarray:
    labels = np.asarray(given)
    whole = labels.shape == (n,) and labels.dtype.kind in "iu"
    if not whole or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise InputError(
            f"labels must be a whole number from 0 to {MOST_CLASSES - 1} for each of the {n} "
            "images, or None"
        )
    return labels.astype(np.int32)
