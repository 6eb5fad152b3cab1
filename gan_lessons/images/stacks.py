"""Several pictures drawn independently as one example: many modes that can be counted."""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from gan_lessons.distributions import Box, Empirical
from gan_lessons.errors import InputError, check_number

Rows = Float[Array | np.ndarray, "n dim"]


@jax.tree_util.register_pytree_node_class
class Stacked(Empirical):
    """Rows [n, layers*h*w] of several images, each drawn independently, one after another.

    With ten classes and three layers there are 1,000 kinds of example, all about equally likely,
    so that missing modes can be counted (Metz et al. 2017, arXiv 1611.02163, with digits as colour
    channels). To a fully connected network it makes no difference that the layers are shown one
    above another, as a picture [layers*h, w].

    Attributes:
        points: the images of one layer, [k, h*w].
        shape: (layers*h, w).

    Raises: InputError for layers that are not a whole number from 1 to 8.
    """

    def __init__(self, points: Any, shape: tuple[int, ...], layers: int = 3) -> None:
        super().__init__(points, shape)
        count = int(check_number("layers", layers, 1, 8, integer=True))
        self.__dict__["_shape"] = (count * shape[0], *shape[1:])  # of the stack, not of a layer

    @property
    def dim(self) -> int:
        """layers * h * w."""
        return prod(self.shape)

    @property
    def layers(self) -> int:
        """Images in one example."""
        return self.dim // self.points.shape[-1]

    @property
    def extent(self) -> Box:
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
    """The same, with the images as the channels of one picture: rows [n, h*w*layers].

    Three grey digits become the red, green and blue of one picture, which convolutions can look
    at. This is how the papers stack MNIST.

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
    def extent(self) -> Box:
        """The least and the largest value of each pixel, channel by channel."""
        one = super().extent[: self.points.shape[-1]]
        return tuple(each for each in one for _ in range(self.layers))

    def _sample(self, key: Array, n: int) -> Float[Array, "n dim"]:
        images = super()._sample(key, n).reshape(n, self.layers, -1)
        return images.swapaxes(1, 2).reshape(n, self.dim)

    def apart(self, rows: Rows) -> Rows:
        """Rows with one image after another, as `metrics.stack_coverage` takes them."""
        return rows.reshape(len(rows), -1, self.layers).swapaxes(1, 2).reshape(len(rows), -1)
