"""What a game is: a vector field of two parameters that can change without recompiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform

import jax
from jaxtyping import Array, Float

Point = Float[Array, "2"]
Field = Callable[[Point], Point]


class Game:
    """What is played: write `field` in a subclass under `@traced_dataclass`.

    Attributes:
        equilibrium: (theta, psi) where G has copied the data and D cannot tell the two apart.
        smooth: whether the field has a Jacobian there.
    """

    equilibrium: tuple[float, float] = (0.0, 0.0)
    smooth: bool = True

    def field(self, w: Point) -> Point:
        """The direction in which both players want to go at w."""
        raise NotImplementedError

    def project(self, w: Point) -> Point:
        """What is done to w after every step; nothing, as a rule."""
        return w


def _compiled_for(name: str, value: Any) -> bool:
    """Whether another value means another program: names, and costly terms switched off."""
    return isinstance(value, str) or (name in ("noise", "consensus") and is_off(value))


def is_off(weight: Any) -> bool:
    """Whether a term with this weight may be left out; a traced weight may be anything."""
    return isinstance(weight, (int, float)) and weight == 0


G = TypeVar("G", bound=Game)


@dataclass_transform(frozen_default=True)
def traced_dataclass(cls: type[G]) -> type[G]:
    """Class decorator: a frozen dataclass whose numbers may change without recompiling."""
    frozen: Any = dataclass(frozen=True)(cls)
    names = [entry.name for entry in fields(frozen)]

    def flatten(game: Any) -> tuple[list[Any], tuple[tuple[str, Any], ...]]:
        fixed = tuple((n, getattr(game, n)) for n in names if _compiled_for(n, getattr(game, n)))
        return [getattr(game, n) for n in names if n not in dict(fixed)], fixed

    def unflatten(fixed: tuple[tuple[str, Any], ...], numbers: Any) -> Any:
        game = object.__new__(frozen)  # no checks: JAX puts in tracers and placeholders
        traced = [n for n in names if n not in dict(fixed)]
        game.__dict__.update(fixed, **dict(zip(traced, numbers, strict=True)))
        return game

    jax.tree_util.register_pytree_node(frozen, flatten, unflatten)
    return frozen


def with_consensus(field: Field, w: Point, gamma: Any) -> Point:
    """v - gamma grad ||v||^2 / 2 = v - gamma (Dv)^T v."""
    v, pull = jax.vjp(field, w)
    return v - gamma * pull(v)[0]
