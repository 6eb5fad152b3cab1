"""Schedules: which values act at a step, and what a knob that is moved on the way makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gan_lessons.errors import InputError
from gan_lessons.training.knob_sets import Knob, knobs_of

K = TypeVar("K")
NEARLY_NOTHING = 1e-12  # a learning rate that moves no float32 weight


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
