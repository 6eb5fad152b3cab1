"""What a knob is, and a set of them: all that is known of a knob stands where it is declared.

    @knob_set
    class MyKnobs:
        rate: float = knob(1e-2, 0, 10, "rate", "Learning rate", above=True)

Ranges, menus, sliders, `--set` and help texts are read off these descriptions (`knobs_of`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from gan_lessons.errors import check_choice, check_number, known_keywords


@dataclass(frozen=True)
class Knob:
    """All that is known of one knob.

    Attributes:
        name: of the field that holds it.
        low, high: the range; with `above` the lower end is excluded.
        whole: whether only whole numbers are allowed.
        choices: the names to choose from, for a knob that is a name; else empty.
        label, help: what a person reads beside its slider, and when pointing at it.
        stops: where its slider can stand; empty for a knob without a slider.
        term: whether a value above 0 switches a term on, which then has to be compiled in.
        end: the name of the knob that this one decays to, or "".
        share: whether `end` is a share of this knob's value and not a value itself.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    label: str = ""
    help: str = ""
    stops: Sequence[float] = ()
    above: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()
    term: bool = False
    end: str = ""
    share: bool = False

    @property
    def slider(self) -> bool:
        """Whether a page shows something to move for it."""
        return bool(self.stops or self.choices)

    def check(self, value: Any) -> None:
        """Raise InputError unless `value` (a number, a name, or an array of them) is allowed."""
        many = isinstance(value, (np.ndarray, jax.Array, list, tuple))
        for each in np.ravel(value).tolist() if many else [value]:
            if self.choices:
                check_choice(
                    self.name, str(each) if isinstance(each, np.str_) else each, self.choices
                )
            else:
                check_number(
                    self.name, each, self.low, self.high, integer=self.whole, above=self.above
                )


def knob(
    start: float, low: float, high: float, label: str = "", help: str = "", **more: Any
) -> Any:
    """The field of a knob that is a number from `low` to `high`; `more` as in `Knob`."""
    told = {"low": low, "high": high, "label": label, "help": help, **more}
    return field(default=start, metadata={"knob": told})


def choice(start: str, choices: Sequence[str], label: str, help: str) -> Any:
    """The field of a knob that is one of some names."""
    told = {"choices": tuple(choices), "label": label, "help": help}
    return field(default=start, metadata={"knob": told})


K = TypeVar("K")


@dataclass_transform(frozen_default=True)
def knob_set(cls: type[K]) -> type[K]:
    """Class decorator: a frozen dataclass of knobs, a pytree, that refuses unknown keywords."""
    return known_keywords(jax.tree_util.register_dataclass(dataclass(frozen=True)(cls)))


@functools.cache
def _described(cls: type) -> MappingProxyType[str, Knob]:
    return MappingProxyType({f.name: Knob(f.name, **f.metadata["knob"]) for f in fields(cls)})


def knobs_of(knobs: Any) -> MappingProxyType[str, Knob]:
    """The descriptions of all knobs of a set (an instance or its class), by name."""
    return _described(knobs if isinstance(knobs, type) else type(knobs))


# ---- checks


def check_knob(name: str, value: Any, of: Any) -> None:
    """Raise InputError unless `value` fits the knob called `name` of a set (or its class)."""
    known = knobs_of(of)
    known[check_choice("knob", name, known)].check(value)


def check_knobs(knobs: K) -> K:
    """Return `knobs` if every one is in its range, else raise InputError."""
    for name, each in knobs_of(knobs).items():
        each.check(getattr(knobs, name))
    return knobs


def traced(knobs: K) -> K:
    """The knobs as arrays, names as their numbers: what a jitted step takes."""

    def array(each: Knob) -> np.ndarray:
        value = getattr(knobs, each.name)
        if each.choices:
            number = np.vectorize(lambda name: each.choices.index(str(name)), otypes=[np.int32])
            return number(value)
        return np.asarray(value, np.int32 if each.whole else np.float32)

    changes: dict[str, Any] = {name: array(each) for name, each in knobs_of(knobs).items()}
    return replace(knobs, **changes)  # type: ignore[type-var]


def switched_on(knobs: Any) -> frozenset[str]:
    """Names of the terms that these knobs switch on, in any run of a sweep."""
    terms = [name for name, each in knobs_of(knobs).items() if each.term]
    return frozenset(name for name in terms if np.any(np.asarray(getattr(knobs, name)) > 0))
