"""One kind of error for everything a person can get wrong, and the checks that raise it."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """Something was given that cannot be used.

    The message is written for the person who gave it: what was wrong, what is
    allowed, what to try. Notebooks show that sentence alone, without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def nearest(name: object, allowed: Iterable[str]) -> str:
    """`"; did you mean 'hinge'?"` if a name close to `name` is allowed, else `""`."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_choice(what: str, name: object, allowed: Iterable[str]) -> str:
    """Return `name` if it is one of `allowed`, else raise with the nearest name."""
    allowed = list(allowed)
    if isinstance(name, str) and name in allowed:
        return name
    raise InputError(
        f"unknown {what} {name!r}{nearest(name, allowed)} (known: {', '.join(allowed)})"
    )


def check_number(
    what: str,
    value: object,
    low: float,
    high: float,
    *,
    integer: bool = False,
    above: bool = False,
) -> float:
    """Return `value` if it is a finite number in [low, high], else raise `InputError`.

    With `above` the lower end is excluded; with `integer` only whole numbers pass.
    """
    kind = "a whole number" if integer else "a number"
    span = f"{'above' if above else 'from'} {low:g} {'and at most' if above else 'to'} {high:g}"
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    good = math.isfinite(number) and not isinstance(value, (bool, str))
    good = good and (number > low if above else number >= low) and number <= high
    if not good or (integer and number != int(number)):
        raise InputError(f"{what} must be {kind} {span}, not {value!r}")
    return int(number) if integer else number


def known_keywords(cls: type[T]) -> type[T]:
    """Class decorator for a dataclass: an unknown keyword raises `InputError`, not TypeError."""
    made = cls.__init__
    names = [field.name for field in fields(cls) if field.init]  # type: ignore[arg-type]

    @functools.wraps(made)
    def __init__(self: Any, *args: Any, **given: Any) -> None:
        for name in given:
            check_choice(f"keyword of {cls.__name__}", name, names)
        if len(args) > len(names) or set(names[: len(args)]) & set(given):
            raise InputError(
                f"{cls.__name__} takes each of {', '.join(names)} once, by keyword best"
            )
        made(self, *args, **given)

    cls.__init__ = __init__  # type: ignore[assignment]
    return cls
