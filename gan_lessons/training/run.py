"""A training run with a memory: curves, knob changes, snapshots; rewind to any step, exactly."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gan_lessons.errors import InputError, check_number
from gan_lessons.metrics import ModeCoverage, mode_coverage
from gan_lessons.training.keys import threefry_key
from gan_lessons.training.knob_sets import check_knob
from gan_lessons.training.learner import BLOCK, Chunk, State, learner_of
from gan_lessons.training.pace import Pace
from gan_lessons.training.runtime import give_back_memory, prepare, unwatched
from gan_lessons.training.schedules import acting, ended, turned
from gan_lessons.training.turns import Turns

_copy = jax.jit(lambda state: jax.tree.map(jnp.copy, state))
_coverage = jax.jit(mode_coverage)


class Run:
    """One game being played: state, knobs, and everything needed to go back.

    Works with any learner (`training.learner`). Every look and every change waits for the chunk
    that another thread may be training, so a run that plays can be asked at any moment.

    Args:
        config: a `Config`, or the config of another learner.
        knobs: of that learner, or a dict of some of them; the rest is as usual.
        seed: decides every bit, from 0 to 2^31 - 1.
        memory: bytes for snapshots (two are kept in any case); when they fill it, every second
            one is dropped, and going back replays a longer stretch.

    Attributes:
        config, knobs, seed: what decides the run, with the times at which knobs moved (`changes`).
        stopped: a sentence if training met a number that is not finite, else None.
        forgotten: the history as it was before the last `rewind`.
        snapshots: states kept on the way, by step.

    Raises: InputError for whatever the learner refuses.
    """

    def __init__(
        self, config: Any, knobs: Any = None, seed: int = 0, memory: int = 32 << 20
    ) -> None:
        if not hasattr(config, "learner"):
            raise InputError(
                f"a run is of a config, like Config(), not {config!r}; `preset(name).config` is one"
            )
        prepare()
        give_back_memory()
        self.config, self.memory = config, memory
        self.learner = learner_of(config)
        self.knobs, self.seed = self._accepted(knobs), seed
        self._turns = Turns()
        self._flight: Chunk | None = None
        self.reset()

    def _accepted(self, knobs: Any) -> Any:
        kind = self.learner.knobs
        made = kind(**(knobs or {})) if isinstance(knobs, dict) or knobs is None else knobs
        if not isinstance(made, kind):
            raise InputError(f"knobs must be {kind.__name__}(...) or a dict, not {knobs!r}")
        self.learner.check(self.config, made)
        return made

    def reset(self, seed: int | None = None) -> None:
        """Start over, from `seed` or the present one, with the knobs as they are."""
        with self._landed():
            seed = self.seed if seed is None else seed
            self._state = self.learner.init(self.config, seed)
            self.seed = seed
            self.stopped: str | None = None
            self.changes: list[tuple[int, Any]] = [(0, self.knobs)]
            self._rows = self._room(BLOCK)  # its first `step` rows count
            self._step = 0
            self._stride = 1
            self.forgotten = self._room(0)
            self.snapshots: dict[int, State] = {}
            self._remember()

    # ---- looking

    @contextlib.contextmanager
    def _landed(self) -> Iterator[None]:
        """Hold the run while no chunk is in flight."""
        with self._turns, unwatched():
            self._land()
            yield

    @property
    def state(self) -> State:
        """The present state. It is given away when training goes on: copy what is to be kept."""
        with self._landed():
            if any(leaf.is_deleted() for leaf in jax.tree.leaves(self._state)):
                self._state = self._replayed(self._step)  # an interrupt came at a bad moment
            return self._state

    @state.setter
    def state(self, state: State) -> None:
        """Go on from another state of the same shapes, for an experiment."""
        with self._landed():
            self._state = state
            self._remember()

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self._step

    @property
    def history(self) -> Float[np.ndarray, "steps metrics"]:
        """One row a step, columns in the order of `learner.metrics`."""
        return self._rows[: self._step]

    def series(self, name: str) -> Float[np.ndarray, "steps"]:
        """The history of one metric."""
        return self.history[:, self.learner.metrics.index(name)]

    @property
    def acting(self) -> Any:
        """The knobs as they act now: those of a schedule as far as it has come."""
        return acting(self.knobs, self._step)

    @property
    def ended(self) -> bool:
        """Whether there is a schedule and it is over."""
        return ended(self.knobs, self._step)

    def at(self, step: int) -> State:
        """The state after `step` steps (0 to the present step), recomputed where necessary."""
        with self._landed():
            return self._replayed(int(check_number("step", step, 0, self.step, integer=True)))

    def sample(self, n: int, seed: int = 0, **how: Any) -> Float[Array, "n dim"]:
        """`n` samples of the present model, the same randomness for the same `seed`.

        Args:
            how: what else the learner's `sample` takes; a GAN takes `ema=True` for the moving
                average of G, and `given`, what each sample shall go with.
        """
        n = int(check_number("the number of samples", n, 1, 1e8, integer=True))
        seed = int(check_number("seed", seed, 0, 2**31 - 1, integer=True))
        with self._landed():
            return self.learner.sample(self.config, self.state, threefry_key(seed), n, **how)

    def coverage(self, n: int = 2500, seed: int = 0) -> ModeCoverage:
        """Mode coverage of `n` samples, against the data's own weights.

        Raises: InputError if the data has no known modes.
        """
        data = self.config.data
        if data.modes is None or data.mode_std is None:
            raise InputError(f"{data!r} has no modes to count; try Ring() or Grid()")
        return _coverage(self.sample(n, seed), data.modes, data.mode_std, weights=data.mode_weights)

    # ---- moving

    def set(self, **knobs: Any) -> None:
        """Move knobs; from the next step on they act. InputError leaves all as they were.

        A knob that follows a schedule takes the value that is asked for now, wherever the
        schedule is (`training.knobs.turned`).
        """
        with self._landed():
            for name, value in knobs.items():
                check_knob(name, value, self.knobs)
            now = turned(self.knobs, self._step, **knobs)
            self.learner.check(self.config, now)
            if now == self.knobs:
                return
            self._state = self.learner.moved(self.state, self.knobs, now)
            self.knobs, self.stopped = now, None
            self.changes.append((self._step, now))
            self._remember()

    def advance(self, n: int) -> int:
        """Train up to `n` steps; fewer if a number was not finite (`stopped` says why).

        An interrupt loses the chunk under way and nothing else. Returns the steps taken.
        """
        n, start = int(check_number("n", n, 0, 1e12, integer=True)), self._step
        while (left := n - (self._step - start)) > 0 and self.stopped is None:
            try:
                with self.flying(min(left, BLOCK)):
                    pass
            except KeyboardInterrupt:
                self._flight = None
                self._state = self._replayed(self._step)
                raise
        return self._step - start

    @contextlib.contextmanager
    def flying(self, n: int) -> Iterator[Chunk]:
        """Train `n` steps (1 to BLOCK) while the block runs: `with run.flying(100): draw()`.

        The chunk lands when the block ends, whatever happens in it, or when the block looks at the
        run's state. Other threads wait.
        """
        with self._landed():
            self._flight = self.learner.advance(self.config, self.state, self.knobs, n)
            try:
                yield self._flight
            finally:
                self._land()

    def _land(self) -> None:
        """Wait for the chunk in flight, if there is one, and write it into the run."""
        chunk, self._flight = self._flight, None
        if chunk is None:
            return
        rows = np.asarray(chunk.history)[: int(chunk.done)]
        if not chunk.fine:
            end = self._step + len(rows)
            self.stopped = self.learner.explain(rows[-1], self.knobs, end)
            rows = rows[:-1]
        self._state = chunk.state
        self._write(rows)
        if self._step >= max(self.snapshots) + self._stride:
            self._remember()

    def restore(self, state: State, history: Float[np.ndarray, "steps metrics"]) -> None:
        """Take up a saved state and its history in place of what the run has done.

        It cannot go back behind the step that was saved.
        """
        with self._landed():
            self._rows, self._step = np.array(history, np.float32), len(history)
            self._state, self.stopped = self.learner.place(self.config, state), None
            self.changes = [(self._step, self.knobs)]
            self.snapshots = {}
            self._remember()

    def rewind(self, step: int) -> None:
        """Go back to the state after `step` steps, bit for bit, and forget what came later.

        Restores the nearest earlier snapshot and replays from there with the knobs of the time.
        """
        with self._landed():
            state, step = self.at(step), int(step)
            self.forgotten = self.history  # the old rows stay as they are, for whoever holds them
            self._rows, self._step = self.history[:step].copy(), step
            self.changes = [change for change in self.changes if change[0] <= step]
            self.knobs, self._state, self.stopped = self.changes[-1][1], state, None
            self.snapshots = {at: kept for at, kept in self.snapshots.items() if at <= step}
            self._remember()

    # ---- remembering

    def _room(self, rows: int) -> Float[np.ndarray, "rows metrics"]:
        return np.zeros((rows, len(self.learner.metrics)), np.float32)

    def _write(self, rows: Float[np.ndarray, "n metrics"]) -> None:
        end = self._step + len(rows)
        if end > len(self._rows):  # twice the room, so that a long run copies each row but once
            room = self._room(2 * end)
            room[: self._step] = self.history
            self._rows = room
        self._rows[self._step : end] = rows
        self._step = end

    def _remember(self) -> None:
        self.snapshots[self._step] = _copy(self._state)
        room = max(2, min(400, self.memory // _bytes(self._state)))
        if len(self.snapshots) > room:
            kept = sorted(self.snapshots)
            self.snapshots = {step: self.snapshots[step] for step in [*kept[::2], kept[-1]]}
            self._stride = max(1, kept[-1] // (room // 2))

    def _replayed(self, step: int) -> State:
        """The state after `step` steps, from the nearest snapshot before it."""
        now = max(at for at in self.snapshots if at <= step)
        state = _copy(self.snapshots[now])
        knobs = [moved for at, moved in self.changes if at <= now][-1]
        for at, moved in [change for change in self.changes if now < change[0] <= step]:
            state = self.learner.moved(self._trained(state, knobs, at - now), knobs, moved)
            now, knobs = at, moved
        return self._trained(state, knobs, step - now)

    def _trained(self, state: State, knobs: Any, n: int) -> State:
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            state = self.learner.advance(self.config, state, knobs, count).state
        return state


def _bytes(state: State) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state))


def train(
    config: Any,
    knobs: Any,
    steps: int,
    seed: int = 0,
    progress: Callable[[Run], None] | None = None,
) -> Run:
    """Train `steps` steps and return the run; `progress` is called after every chunk.

    An interrupt (the stop button, Ctrl-C) keeps what was trained and returns the run so far.
    """
    steps = int(check_number("steps", steps, 0, 1e12, integer=True))
    run = Run(config, knobs, seed, memory=8 << 20)  # seldom rewound
    pace = Pace(0.2)  # seconds: an interrupt is answered soon
    try:
        while run.step < steps and run.stopped is None:
            began = time.perf_counter()
            taken = run.advance(pace.next(steps - run.step))
            pace.learn(taken, time.perf_counter() - began)
            if progress:
                progress(run)
    except KeyboardInterrupt:
        print(f"interrupted after {run.step} steps; the run so far is kept")
    return run
