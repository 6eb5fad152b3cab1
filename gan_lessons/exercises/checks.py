"""Checks: what an answer is compared with, and by which rule."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from types import EllipsisType
from typing import Any

from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.exercises.answers import (
    Outcome,
    as_array,
    attempt,
    compare_numbers,
    is_blank,
    key_of,
    quote,
)

Options = Mapping[Any, str] | Sequence[str]


@dataclass(frozen=True)
class Check:
    """How an answer is judged.

    Attributes:
        rule: judges an answer against `expected`, or against a typical mistake.
        expected: the right answer.
        kind: what a learner is told to hand in.
        options: texts of the options by key, if the answer is a choice.
        typed: whether the answer can be typed into a field.
    """

    rule: Callable[[Any, Any], Outcome]
    expected: Any
    kind: str
    options: Mapping[str, str] | None = None
    typed: bool = False


def close_to(expected: Any, tol: float = 1e-3) -> Check:
    """A number or array, real or complex, within `tol` times the largest magnitude in `expected`.

    `tol` is in (0, 1]; it is absolute if `expected` is all zeros. Infinities must agree.
    Raises InputError if `expected` is not numeric.
    """
    tol, array = check_number("tol", tol, 0, 1, above=True), attempt(as_array, expected)
    if isinstance(array, Exception):
        raise InputError(f"close_to needs a number or an array, not {quote(expected)}")
    kind = f"an array of shape {array.shape}" if array.shape else "a number, like `2.5` or `5/2`"
    return Check(
        lambda answer, wanted: compare_numbers(answer, wanted, tol), expected, kind, typed=True
    )


def same_function(reference: Callable[..., Any], at: Sequence[Any], tol: float = 1e-3) -> Check:
    """A function that does what `reference` does at every point of `at` (`tol` as in `close_to`).

    A point is a tuple of arguments, or a single argument. A function that returns nothing, or
    raises NotImplementedError, counts as not attempted. Raises InputError without a function or
    without points.
    """
    tol = check_number("tol", tol, 0, 1, above=True)
    points = [point if isinstance(point, tuple) else (point,) for point in at]
    if not callable(reference) or not points:
        raise InputError("same_function needs a function and at least one point in `at`")

    def rule(answer: Any, wanted: Callable[..., Any]) -> Outcome:
        if not callable(answer):
            return f"{quote(answer)} is not a function"
        outcomes = (_compare_at(point, answer, wanted, tol) for point in points)
        return next((outcome for outcome in outcomes if outcome is not True), True)

    names = attempt(lambda: ", ".join(inspect.signature(reference).parameters))
    return Check(rule, reference, f"a function of `{names if isinstance(names, str) else 'x'}`")


def _compare_at(
    point: tuple[Any, ...], answer: Callable[..., Any], wanted: Callable[..., Any], tol: float
) -> Outcome:
    # Each gets a copy, because a learner's function may write to its arguments.
    given, right = (attempt(f, *copy.deepcopy(point)) for f in (answer, wanted))
    if is_blank(given) or isinstance(given, NotImplementedError):
        return ...
    place = ", ".join(map(quote, point))
    if isinstance(given, Exception):
        return type(given) is type(right) or f"your function raised {quote(given)} at {place}"
    outcome = False if isinstance(right, Exception) else compare_numbers(given, right, tol)
    reason = f": {outcome}" if isinstance(outcome, str) else ""
    return outcome is True or f"at {place} your function gives {quote(given)}{reason}"


def one_of(options: Options, right: Any) -> Check:
    """A choice: `options` maps keys to texts (a list gets a, b, c, ...); `right` is a key."""
    keyed = keyed_options(options)
    kind = "one of " + ", ".join(f"`{key}`" for key in keyed)

    def rule(answer: Any, wanted: Any) -> Outcome:
        known = key_of(answer) in keyed
        return key_of(answer) == key_of(wanted) if known else f"{quote(answer)} is not an option"

    return Check(rule, check_choice("option", key_of(right), keyed), kind, keyed)


def own_check(function: Callable[[Any], Any], solution: Any) -> Check:
    """A check made of a plain function; typical mistakes are recognised by their value."""
    if is_blank(solution):
        raise InputError("an exercise with its own check function needs a solution")

    def rule(answer: Any, wanted: Any) -> Outcome:
        if wanted is not solution:
            return key_of(answer) == key_of(wanted) or compare_numbers(answer, wanted, 1e-3)
        outcome = function(answer)
        return outcome if isinstance(outcome, (str, EllipsisType)) else bool(outcome)

    return Check(rule, solution, "a function" if callable(solution) else type(solution).__name__)


def keyed_options(options: Options) -> dict[str, str]:
    """Texts by key; a list gets the keys a, b, c, ..."""
    pairs = (
        options.items()
        if isinstance(options, Mapping)
        else zip(ascii_lowercase, options, strict=False)
    )
    keyed = {key_of(key): text for key, text in pairs}
    if len(keyed) < 2 or len(keyed) != len(options):
        raise InputError("options must be two or more (a list: at most 26) with distinct keys")
    return keyed
