"""Knobs: what moves while it trains. Each stands in one place, with all that is known of it.

Ranges, menus, sliders, `--set`, help texts and the README's list are read off these descriptions.
A learner of your own declares its knobs in the same way:

    @knob_set
    class MyKnobs:
        rate: float = knob(1e-2, 0, 10, "rate", "Learning rate", above=True)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gan_lessons.errors import InputError, check_choice, check_number, known_keywords
from gan_lessons.objectives import NAMES, OWN

# Where a slider can stand; the value that a game starts with joins them, exactly as it is.
WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_DIGITS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
RATES = (*(float(f"{digit}e{power}") for power in range(-5, 0) for digit in _DIGITS), 1.0)
SHARES = tuple(number / 20 for number in range(21))
DECAYS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
COUNTS = tuple(range(11))
NEARLY_NOTHING = 1e-12  # a learning rate that moves no float32 weight


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


_weight: Callable[..., Any] = functools.partial(knob, low=0, high=1e4, stops=WEIGHTS, term=True)
_share: Callable[..., Any] = functools.partial(knob, low=0, high=1)
_priced: Callable[..., Any] = functools.partial(_weight, 0.0, end="penalty_end", share=True)


@knob_set
class Knobs:
    """What moves while a GAN trains, without compiling and without starting over.

    A rate x with a partner `x_end` decays by a cosine from x to x_end over `decay_steps` steps;
    penalties and noise decay likewise, to a share of what they were. `decay_steps=0` keeps all.
    Any knob may also be an array with one value for each run of a sweep.

    Raises: InputError for an unknown keyword. Values are checked where they are used
    (`check_knobs`), because JAX puts arrays in their place.
    """

    objective: str = choice(
        "non_saturating", (*NAMES, OWN), "objective", "What the two players are paid"
    )
    lr_d: float = knob(
        *(1e-3, 0, 10, "D's rate", "Learning rate of the discriminator"),
        above=True,
        stops=RATES,
        end="lr_d_end",
    )
    lr_g: float = knob(
        *(1e-3, 0, 10, "G's rate", "Learning rate of the generator"),
        above=True,
        stops=RATES,
        end="lr_g_end",
    )
    lr_d_end: float = knob(0.0, 0, 10, help="Where D's rate ends")
    lr_g_end: float = knob(0.0, 0, 10, help="Where G's rate ends")
    decay_steps: float = knob(0.0, 0, 1e9, help="Length of the schedule in steps; 0 for none")
    beta1: float = knob(0.5, -0.999, 0.9999, "β₁", "Adam's momentum", stops=SHARES[:-1])
    beta2: float = knob(
        *(0.99, 0, 0.999999, "β₂", "Decay of the second moment (Adam, RMSProp)"), stops=DECAYS
    )
    d_steps: int = knob(1, 0, 100, "D steps", "Updates of D in each step", stops=COUNTS, whole=True)
    g_steps: int = knob(1, 0, 100, "G steps", "Updates of G in each step", stops=COUNTS, whole=True)
    r1: float = _priced(label="R1", help="Weight γ of the penalty on D's gradient at real points")
    r2: float = _priced(
        label="R2", help="Weight γ of the penalty on D's gradient at generated points"
    )
    zero_gp: float = _priced(
        label="zero-GP", help="Weight γ of the zero-centred penalty between real and fake"
    )
    wgan_gp: float = _priced(label="WGAN-GP", help="Weight λ of the WGAN gradient penalty")
    penalty_end: float = _share(1.0, help="Share of the four weights above after the schedule")
    clip: float = _weight(0.0, label="clip", help="Bound on D's weights (0: none)")
    noise: float = _weight(
        *(0.0,),
        label="noise",
        help="Standard deviation of the instance noise on D's inputs",
        end="noise_end",
        share=True,
    )
    noise_end: float = _share(1.0, help="Share of the noise after the schedule")
    label_smoothing: float = knob(
        *(0.0, 0, 0.999, "smooth", "One-sided label smoothing: the real label is 1 minus this"),
        stops=SHARES[:11],
    )
    ema: float = knob(
        *(0.0, 0, 0.99999, "averaging", "Decay of the moving average of G's weights (0: none)"),
        stops=DECAYS,
        term=True,
    )
    feature_matching: float = _share(
        *(0.0,),
        label="features",
        help="Share of G's loss that compares D's mean features",
        stops=SHARES,
        term=True,
    )
    augment: float = _share(
        *(0.0,),
        label="augment",
        help="How much the pictures that D sees are moved, brightened and cut",
        stops=SHARES,
        term=True,
    )
    l1: float = _weight(
        0.0, label="L1", help="Weight in G's loss of the mean |fake - real| over pairs"
    )
    l2: float = _weight(
        0.0, label="L2", help="Weight in G's loss of the mean (fake - real)² over pairs"
    )


KNOBS = knobs_of(Knobs)


# ---- checks


def check_knob(name: str, value: Any, of: Any = Knobs) -> None:
    """Raise InputError unless `value` (or each entry of an array) fits the knob called `name`."""
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


# ---- schedules


def cosine_decay(step: Array, decay_steps: Array) -> Array:
    """What is left at `step` of a cosine decay over `decay_steps` steps: from 1 to 0, then 0.

    (1 + cos(pi min(step / decay_steps, 1))) / 2; always 1 if decay_steps = 0.
    (Loshchilov and Hutter 2017, arXiv 1608.03983, eq. 5.)
    """
    share = jnp.minimum(step.astype(jnp.float32) / jnp.maximum(decay_steps, 1), 1)
    return jnp.where(decay_steps > 0, (1 + jnp.cos(jnp.pi * share)) / 2, 1)


def annealed(start: Array, end: Array, left: Array) -> Array:
    """Between `start` (left = 1) and `end` (left = 0), both hit exactly."""
    return left * start + (1 - left) * end


def at_share(knobs: K, left: Any) -> K:
    """The knobs that act where the share `left` of the schedule is left; also for arrays."""
    acts = {}
    for name, each in knobs_of(knobs).items():
        if each.end:
            start, end = getattr(knobs, name), getattr(knobs, each.end)
            acts[name] = annealed(start, start * end if each.share else end, left)
    return replace(knobs, **acts)  # type: ignore[type-var]


def share_left(knobs: Any, step: int) -> Any:
    """What is left of the schedule at `step`, a number (an array where the knobs are)."""
    length = np.asarray(getattr(knobs, "decay_steps", 0.0), np.float64)
    share = np.minimum(step / np.maximum(length, 1), 1)
    left = np.where(length > 0, (1 + np.cos(np.pi * share)) / 2, 1.0)
    return left if left.ndim else float(left)


def acting(knobs: K, step: int) -> K:
    """The values that act at `step`: those of a schedule as far as it has come."""
    return at_share(knobs, share_left(knobs, step))


def ended(knobs: Any, step: int) -> bool:
    """Whether there is a schedule and it is over at `step`, in every run."""
    length = np.asarray(getattr(knobs, "decay_steps", 0.0))
    return bool(np.all((length > 0) & (step >= length)))


def turned(knobs: K, step: int, **moves: Any) -> K:
    """The knobs after somebody moves some of them at `step`, so that each acts at once.

    A knob that follows a schedule gets a start (and an end, unless that is a share) such that the
    value asked for acts now and goes on falling in proportion. That cannot be done at the end of a
    schedule, where nothing of the start is left: there the schedule is dropped, every knob stays
    at the value that acts, and so does the one that was moved. Whoever moves the schedule itself
    (`decay_steps`, an `..._end`) gets literally what is asked for.
    """
    known = knobs_of(knobs)
    ends = {each.end for each in known.values()} | {"decay_steps"}
    if ends & set(moves) or not np.any(getattr(knobs, "decay_steps", 0)):
        return replace(knobs, **moves)  # type: ignore[type-var]
    left = share_left(knobs, step)
    rescaled: dict[str, Any] = {}
    for name, value in moves.items():
        each = known[name]
        rescaled |= _rescaled(each, knobs, left, value) if each.end else {name: value}
    if all(_fits(known[name], value) for name, value in rescaled.items()):
        return replace(knobs, **rescaled)  # type: ignore[type-var]
    kept = at_share(knobs, left)
    frozen = {  # a rate that has decayed to 0, which no rate can be, becomes as good as 0
        name: NEARLY_NOTHING
        for name, each in known.items()
        if each.above and np.all(np.asarray(getattr(kept, name)) <= each.low)
    }
    return replace(kept, **{**frozen, "decay_steps": 0.0, **moves})  # type: ignore[type-var]


def _rescaled(each: Knob, knobs: Any, left: Any, value: Any) -> dict[str, Any]:
    """The start (and end) of one knob for which `value` acts now; NaN where there is none."""
    off = each.share and not np.any(getattr(knobs, each.name))
    probe = replace(knobs, **{each.name: 1.0}) if off else knobs
    start, acts = getattr(probe, each.name), getattr(at_share(probe, left), each.name)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.asarray(value, np.float64) / np.asarray(acts, np.float64)
        scaled = {each.name: value if np.all(start == acts) else _plain(factor * start)}
        if not each.share:
            scaled[each.end] = _plain(factor * getattr(knobs, each.end))
    return scaled


def _plain(value: Any) -> Any:
    return value if np.ndim(value) else float(value)


def _fits(each: Knob, value: Any) -> bool:
    try:
        each.check(value)
    except InputError:
        return False
    return True
