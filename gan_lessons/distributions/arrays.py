"""The user's own data: arrays of examples, alone or with what is known of each."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from gan_lessons.distributions.base import GIVEN_KINDS, Batch, Box, Distribution, Given
from gan_lessons.distributions.checks import check_array, check_numbers
from gan_lessons.distributions.handed import as_numbers, as_single
from gan_lessons.distributions.numerics import padded_box
from gan_lessons.errors import InputError, check_choice

LARGEST = 1e18  # the square of such a number is still finite in float32


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False, repr=False, init=False)
class Empirical(Distribution):
    """The user's own data: `sample` draws rows with replacement, there is no density.

    Rows that float32 makes equal are counted and printed; see `as_single` for what is refused.

    A pytree with one leaf, `points`; compared and hashed by content. Rows whose shape has two or
    three sides are pictures, with one side they are sounds, and without a shape points.

    Args:
        points: int or float array [n, dim] of at least two rows, kept as float32.
        shape: what one row is, such as (28, 28) for pictures or (64,) for sounds; its product
            must be dim.

    Raises:
        InputError: NaN, infinite or masked values, strings, dates, objects, wrong rank, fewer than
            two rows, and rows that only differ in digits that float32 does not keep.
    """

    points: Float[Array, "n dim"]
    _shape: tuple[int, ...] | None  # as it was given

    def __init__(self, points: Any, shape: Sequence[int] | None = None) -> None:
        rows = check_numbers("points", points, rank=2, low=-LARGEST, high=LARGEST)
        if len(rows) < 2:
            raise InputError("points must have at least two rows, one for each example, not one")
        sides = None if shape is None else _sides("shape", shape, rows.shape[1])
        self.__dict__.update(points=jnp.asarray(as_single("points", rows)), _shape=sides)

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        return (self.points,), self._shape

    @classmethod
    def tree_unflatten(cls, shape: Any, leaves: Any) -> Empirical:
        self = object.__new__(cls)  # unchecked: inside a transformation leaves can be anything
        self.__dict__.update(points=leaves[0], _shape=shape)
        return self

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the content: the same on every machine."""
        return hashlib.sha256(self._content()).hexdigest()

    def _content(self) -> bytes:
        return f"{self.points.shape}{self._shape}".encode() + np.asarray(self.points).tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Empirical) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        traced = not isinstance(self.points, jax.Array) or isinstance(self.points, jax.core.Tracer)
        content = self.points if traced else f"{self.points.shape} sha256 {self.digest[:12]}"
        return f"{type(self).__name__}(<{content}>, shape={self._shape})"

    @property
    def dim(self) -> int:
        return self.points.shape[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape or (self.dim,)

    @property
    def kind(self) -> str:
        return "sounds" if self._shape and len(self._shape) == 1 else super().kind

    @property
    def extent(self) -> Box:
        points = np.asarray(self.points)
        return padded_box(points.min(0), points.max(0))

    def _which(self, key: PRNGKeyArray, n: int) -> Int[Array, "n"]:
        return jax.random.randint(key, (n,), 0, len(self.points))

    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        return self.points[self._which(key, n)]


@jax.tree_util.register_pytree_node_class
class Paired(Empirical):
    """Examples, each with what both players may know of it: a label, a picture, some numbers.

    A row and its given are always drawn together (Mirza and Osindero 2014, arXiv 1411.1784, with
    labels; Isola et al. 2017, arXiv 1611.07004, with pictures).

    Args:
        points, shape: as for `Empirical`.
        given: int or float array [n, k], one row for each of `points`.
        about: what a row of `given` is: "label" (one-hot), "picture" or "numbers".
        given_shape: of one row of `given`, (k,) if left out; for a picture (h, w) or (h, w, c),
            by default the `shape` of the points.

    Raises:
        InputError: as `Empirical`, and for a `given` that does not fit the points or `about`.
    """

    conditions: Float[Array, "n k"]

    def __init__(
        self,
        points: Any,
        given: Any,
        shape: Sequence[int] | None = None,
        about: str = "label",
        given_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__(points, shape)
        check_choice("kind of given", about, GIVEN_KINDS[1:])
        rows = _conditions(given, len(self.points), about)
        size = rows.shape[1]
        if given_shape is None:
            given_shape = self.shape if about == "picture" and size == self.dim else (size,)
        sides = _sides("given_shape", given_shape, size)
        if about == "picture" and len(sides) not in (2, 3):
            raise InputError(f"the given_shape of a picture is (h, w) or (h, w, c), not {sides}")
        conditions = jnp.asarray(as_single("given", rows))
        self.__dict__.update(conditions=conditions, given=Given(about, sides))

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        return (self.points, self.conditions), (self._shape, self.given)

    @classmethod
    def tree_unflatten(cls, known: Any, leaves: Any) -> Paired:
        self = object.__new__(cls)
        self.__dict__.update(points=leaves[0], conditions=leaves[1])
        self.__dict__.update(_shape=known[0], given=known[1])
        return self

    def _content(self) -> bytes:
        head = f"{self.given}".encode()
        return super()._content() + head + np.asarray(self.conditions).tobytes()

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, given={self.given})"

    def _batch(self, key: PRNGKeyArray, n: int) -> Batch:
        which = self._which(key, n)
        return Batch(self.points[which], self.conditions[which])


def _conditions(given: Any, n: int, about: str) -> np.ndarray:
    """`given` as an array [n, k] that fits what it is about, or `InputError`."""
    if about == "label" and as_numbers("labels", given).ndim == 1:
        raise InputError("labels must be one-hot rows [n, classes]; try np.eye(classes)[labels]")
    rows = check_numbers("given", given, rank=2, low=-LARGEST, high=LARGEST)
    if len(rows) != n:
        raise InputError(f"there are {n} points, but {len(rows)} rows of given")
    if about == "label" and np.any((rows.max(1) != 1) | ((rows != 0).sum(1) != 1)):
        raise InputError("a label must be one-hot: a 1 at its class and 0 elsewhere")
    return rows


def _sides(what: str, shape: Any, size: int) -> tuple[int, ...]:
    """`shape` as a tuple of whole numbers whose product is `size`, or `InputError`."""
    sides = check_array(what, shape, rank=1, low=1, high=65536).tolist()
    if any(side % 1 for side in sides) or math.prod(sides) != size:
        raise InputError(f"{what} {shape} does not fit rows of {size} numbers")
    return tuple(map(int, sides))
