"""What whatever learns has in common: a named tuple of functions, and no base class.

A config, a frozen and hashable dataclass, names its learner in its attribute `learner`. Runs, the
player, the command line, checkpoints and the panels that only need samples know a learner by
this protocol alone. To add one, write the functions and call `register_learner` (an example of
sixty lines stands in tests/line_learner.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from gan_lessons.errors import check_choice

State = Any  # a pytree of arrays; its attribute `step`, Int[], counts the steps taken


class Chunk(NamedTuple):
    """What one call of `advance` gives back, still on the device.

    `history[:done]` holds a row of metrics a step (a row a step and run in a sweep); `fine` says
    of each run whether it was finite to the end. The last row of a run that was not is the step
    that failed, and its state is the one before that step.
    """

    state: State
    history: Float[Array, "block metrics"]
    done: Int[Array, ""]
    fine: Array


def _unmoved(state: State, before: Any, now: Any) -> State:
    return state


def _anything_goes(config: Any, knobs: Any) -> None:
    return None


def _one_program(config: Any, knobs: Any) -> Hashable:
    return config


def _where_it_is(config: Any, state: State) -> State:
    return state


def _no_idea(row: Any, knobs: Any, step: int) -> str:
    return f"stopped at step {step}: the numbers are no longer finite; rewind and go slower."


class Learner(NamedTuple):
    """One way to learn to sample.

    Attributes:
        name: what a config's attribute `learner` says.
        knobs: the class of its knobs (see `training.knobs`).
        metrics: names of the columns of a run's history.
        init: (config, seed) -> a fresh state; its pytree has the step in `.step`.
        advance: (config, state, knobs, n) -> Chunk after `n` steps, 1 to BLOCK. The state is
            donated: whoever gave it must not use it again. Same arguments, same bits.
        sample: (config, state, key, n) -> Float[n, dim], fresh samples of the model.
        moved: (state, before, now) -> what a turned knob asks of a state.
        explain: (row, knobs, step) -> a sentence that says which knob is the likely cause of a
            `row` of metrics that is not finite.
        check: (config, knobs) -> raises InputError for whatever `advance` would refuse.
        program: (config, knobs) -> a value that is new where something new has to compile.
        place: (config, state) -> the state on the devices where the config trains it.
    """

    name: str
    knobs: type
    metrics: tuple[str, ...]
    init: Callable[[Any, int], State]
    advance: Callable[[Any, State, Any, int], Chunk]
    sample: Callable[..., Float[Array, "n dim"]]
    moved: Callable[[State, Any, Any], State] = _unmoved
    explain: Callable[[Any, Any, int], str] = _no_idea
    check: Callable[[Any, Any], None] = _anything_goes
    program: Callable[[Any, Any], Hashable] = _one_program
    place: Callable[[Any, State], State] = _where_it_is


BLOCK = 2048  # most steps that one call of `advance` takes, and the rows of history it returns
LEARNERS: dict[str, Learner] = {}


def register_learner(learner: Learner) -> Learner:
    """Make a learner known by its name; a later one of the same name takes its place."""
    LEARNERS[learner.name] = learner
    return learner


def learner_of(config: Any) -> Learner:
    """The learner that a config names; InputError for a config that names none."""
    return LEARNERS[check_choice("learner", getattr(config, "learner", None), LEARNERS)]
