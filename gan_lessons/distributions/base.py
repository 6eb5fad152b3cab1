"""What every distribution is: a batch of examples on request, a density where one is known.

To add a distribution, write a class with `extent` and `_sample` (and `_log_prob`, with
`has_density = True`) under `@named("its-name")`.
"""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from gan_lessons.distributions.checks import LIMITS, check_field
from gan_lessons.distributions.numerics import as_real
from gan_lessons.errors import InputError, check_choice, check_number

Box = tuple[tuple[float, float], ...]
GIVEN_KINDS = ("nothing", "label", "picture", "numbers")


class Batch(NamedTuple):
    """Examples, with what both players may know about each.

    Attributes:
        x: the examples, float32 [n, dim].
        given: what is known of each of them, float32 [n, k]; no columns where nothing is.
    """

    x: Float[Array, "n dim"]
    given: Float[Array, "n k"]


@dataclass(frozen=True)
class Given:
    """What the rows of a batch's `given` hold.

    Attributes:
        kind: "nothing", "label" (one-hot), "picture" or "numbers".
        shape: of one row's given, such as (10,) for ten classes or (28, 28) for a picture.

    Raises: InputError for an unknown kind.
    """

    kind: str = "nothing"
    shape: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        check_choice("kind of given", self.kind, GIVEN_KINDS)

    @property
    def size(self) -> int:
        """Numbers in one row: the product of `shape`."""
        return math.prod(self.shape)


NOTHING = Given()


class Distribution(abc.ABC):
    """A distribution over rows of `dim` numbers.

    The analytic ones are frozen dataclasses of plain numbers: they are hashable, their `repr`
    rebuilds them, and JAX takes them as static, so they can be handed to a jitted function.

    Attributes:
        dim: numbers in one row.
        shape: of one example; (dim,) unless the rows are pictures, say (28, 28).
        kind: what the examples are: "line" (one number), "plane" (two), "points" (more),
            "pictures", "sounds" or "rows".
        given: what comes with each example (nothing, as a rule); see `Batch`.
        has_density: whether `log_prob` is known exactly.
        modes: the centres of the modes, [k, dim], or None where there is no finite set of them.
        mode_std: standard deviation of a mode (the root mean square where they differ), or None.
        mode_weights: how likely each mode is, [k], summing to 1; None where all are alike, or there
            are none.
        modes_apart: whether the modes are known to be round Gaussians, all of width `mode_std`,
            that do not touch, so that formulas for their counts hold.
        extent: (low, high) for each dimension, to plot in; it holds all but about 1e-4 of the mass.
    """

    has_density: ClassVar[bool] = False
    given: Given = NOTHING

    def __post_init__(self) -> None:
        for name, value in tuple(vars(self).items()):
            if name in LIMITS and not (name == "weights" and value is None):
                self.__dict__[name] = check_field(type(self).__name__, name, value)

    @property
    def dim(self) -> int:
        return 2

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def kind(self) -> str:
        if len(self.shape) in (2, 3):
            return "pictures"
        return {1: "line", 2: "plane"}.get(self.dim, "points")

    @property
    def modes(self) -> np.ndarray | None:
        return None

    @property
    def mode_std(self) -> float | None:
        return None

    @property
    def mode_weights(self) -> np.ndarray | None:
        return None

    @property
    def modes_apart(self) -> bool:
        return False

    @property
    @abc.abstractmethod
    def extent(self) -> Box: ...

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
        """Draw `n` rows; `n` is a Python int (static under `jit`) of at least 1."""
        return _sample(self, key, _count(n))

    def batch(self, key: PRNGKeyArray, n: int) -> Batch:
        """Draw the same `n` rows as `sample` does with this key, each with its `given`."""
        return _batch(self, key, _count(n))

    def givens(self, key: PRNGKeyArray, n: int) -> Float[Array, "n k"]:
        """Draw `n` rows of `given` alone, as often as they occur in the data."""
        return _givens(self, key, _count(n))

    def log_prob(self, x: Float[Array | np.ndarray, "n dim"]) -> Float[Array, "n"]:
        """Natural log of the density at each row of `x`; -inf outside the support.

        Raises:
            InputError: there is no closed density, or `x` is not [n, dim].
        """
        name = type(self).__name__
        if not self.has_density:
            known = ", ".join(key for key, kind in DISTRIBUTIONS.items() if kind.has_density)
            raise InputError(f"{name} has samples but no exact density; these have one: {known}")
        if jnp.ndim(x) != 2 or jnp.shape(x)[1] != self.dim:
            raise InputError(f"{name} wants points [n, {self.dim}], not of shape {jnp.shape(x)}")
        return _log_prob(self, as_real(x))

    @abc.abstractmethod
    def _sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]: ...

    def _batch(self, key: PRNGKeyArray, n: int) -> Batch:
        return Batch(self._sample(key, n), jnp.zeros((n, self.given.size), jnp.float32))

    def _log_prob(self, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
        raise NotImplementedError


def _count(n: object) -> int:
    return int(check_number("the number of samples", n, 1, 2**31 - 1, integer=True))


@functools.partial(jax.jit, static_argnums=2, inline=True)
def _sample(d: Distribution, key: PRNGKeyArray, n: int) -> Float[Array, "n dim"]:
    return d._sample(key, n)


@functools.partial(jax.jit, static_argnums=2, inline=True)
def _batch(d: Distribution, key: PRNGKeyArray, n: int) -> Batch:
    return d._batch(key, n)


@functools.partial(jax.jit, static_argnums=2, inline=True)
def _givens(d: Distribution, key: PRNGKeyArray, n: int) -> Float[Array, "n k"]:
    return d._batch(key, n).given  # the compiler leaves out what is not returned


@functools.partial(jax.jit, inline=True)
def _log_prob(d: Distribution, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
    return d._log_prob(x)


DISTRIBUTIONS: dict[str, type[Distribution]] = {}
D = TypeVar("D", bound=Distribution)


@dataclass_transform(frozen_default=True)
def named(name: str) -> Callable[[type[D]], type[D]]:
    """Class decorator: a frozen dataclass, static to JAX, that `distribution(name)` finds."""

    def decorate(cls: type[D]) -> type[D]:
        DISTRIBUTIONS[name] = jax.tree_util.register_static(dataclass(frozen=True)(cls))
        return cls

    return decorate
