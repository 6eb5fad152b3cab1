"""What a set of images is, and how it becomes a distribution to imitate."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int

from gan_lessons.distributions import Empirical, Paired
from gan_lessons.errors import InputError, check_number
from gan_lessons.images.checks import checked_labels, checked_names, checked_pixels
from gan_lessons.images.stacks import Stacked, StackedChannels


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images in grey or colour, with or without labels.

    Attributes:
        images: float32 [n, h, w] or [n, h, w, 3] in [-1, 1], where -1 is black; read-only. At
            least two, and not all the same: nothing can be learned or measured from one picture.
            A few blank ones among others are fine. Arrays of uint8 are read as 0..255
            (x / 127.5 - 1), arrays of bool as black and white, and the last axis of [n, h, w, 1]
            is dropped.
        labels: class of each image, whole numbers [n] from 0 to 999, kept as int32; or None.
        name: for titles and messages.
        class_names: what the labels mean, from class 0 on; may be empty.

    Raises: InputError for anything else; for pixels that all lie in [0, 1]: every real set has
        some darker than mid-grey, so these were scaled to 0..1; for bytes that do not reach 64,
        which were scaled to 0..1 or 0..16; and for [h, w, 3], which is one picture and no set.
    """

    images: Float[np.ndarray, "n h w *c"]
    labels: Int[np.ndarray, " n"] | None
    name: str
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images = checked_pixels(self.images)
        labels = None if self.labels is None else checked_labels(self.labels, len(images))
        for array in (images, labels):
            if array is not None:
                array.setflags(write=False)
        names = checked_names(self.class_names, 0 if labels is None else int(labels.max()) + 1)
        self.__dict__.update(images=images, labels=labels, class_names=names)

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
        """The images as rows [n, h*w*c], drawn with replacement.

        With `labels` each image's label is given to both players, one-hot [n, classes] (Mirza and
        Osindero 2014, arXiv 1411.1784).

        Raises: InputError where labels are asked for and there are none.
        """
        rows = self.images.reshape(len(self), -1)
        if not labels:
            return Empirical(rows, shape=self.shape)
        if self.labels is None:
            raise InputError(f"{self.name} has no labels; leave labels=False, or try digits()")
        return Paired(rows, np.eye(self.classes)[self.labels], shape=self.shape, about="label")

    def stacks(self, layers: int = 3, channels: bool = False) -> Stacked:
        """Examples of `layers` images each, drawn independently: see `Stacked`.

        With `channels` they are the channels of one picture: see `StackedChannels`.
        """
        kind = StackedChannels if channels else Stacked
        return kind(self.distribution().points, self.shape, layers)

    def resized(self, size: int) -> ImageSet:
        """The same set at size x size pixels, 4 to 512; the set itself if that is its size.

        By cubic interpolation, with pixels taken as areas. When images shrink, the kernel widens
        in proportion, so that fine stripes turn grey rather than into coarse stripes.

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
