"""A training run with a memory: curves, knob changes, snapshots; rewind to any step, exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float

from gan_lessons import training
from gan_lessons.errors import InputError, check_number
from gan_lessons.metrics import ModeCoverage, mode_coverage
from gan_lessons.training import BLOCK, METRICS, Chunk, Config, Knobs, State

_copy = jax.jit(lambda state: jax.tree.map(jnp.copy, state))
_coverage = jax.jit(mode_coverage)


def _bytes(state: State) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state))


def _averaging(state: State, before: Knobs, now: Knobs) -> State:
    """`state` as the knobs move: a moving average that is switched on starts from G's weights."""
    if now.ema > 0 and not before.ema > 0:
        rest = jax.tree.map(jnp.copy, state.rest_g)
        return replace(state, ema=jnp.copy(state.g), ema_rest=rest)
    return state


class Run:
    """One game being played: state, knobs, and everything needed to go back.

    Attributes:
        config, knobs, seed: what decides the run, with the times at which knobs moved (`changes`).
        state: the present `State`.
        stopped: a sentence if training met a number that is not finite, else None.
        forgotten: the history as it was before the last `rewind`.
        snapshots: states kept on the way, by step.

    Snapshots are kept within `memory` bytes: when they fill it, every second one is dropped.
    """

    def __init__(
        self, config: Config, knobs: Knobs | None = None, seed: int = 0, memory: int = 96 << 20
    ) -> None:
        self.config, self.memory = config, memory
        self.seed, self.knobs = seed, training.check_knobs(knobs or Knobs())
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Start over, from `seed` or the present one, with the knobs as they are."""
        seed = self.seed if seed is None else seed
        self.state = training.init(self.config, seed)
        self.seed = seed
        self.stopped: str | None = None
        self.changes: list[tuple[int, Knobs]] = [(0, self.knobs)]
        self._rows = np.zeros((BLOCK, len(METRICS)), np.float32)  # room; the first `step` count
        self._step = 0
        self._stride = 1
        self.forgotten = np.zeros((0, len(METRICS)), np.float32)
        self.snapshots: dict[int, State] = {}
        self._remember()

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self._step

    @property
    def history(self) -> Float[np.ndarray, "steps metrics"]:
        """One row a step, columns in the order of `METRICS`."""
        return self._rows[: self._step]

    def _write(self, rows: Float[np.ndarray, "n metrics"]) -> None:
        end = self._step + len(rows)
        if end > len(self._rows):  # twice the room, so that a long run copies each row but once
            room = np.zeros((2 * end, len(METRICS)), np.float32)
            room[: self._step] = self.history
            self._rows = room
        self._rows[self._step : end] = rows
        self._step = end

    def series(self, name: str) -> Float[np.ndarray, "steps"]:
        """The history of one metric."""
        return self.history[:, METRICS.index(name)]

    def set(self, **knobs: Any) -> None:
        """Move knobs; from the next step on they hold. InputError leaves all as they were."""
        for name, value in knobs.items():
            training.check_knob(name, value)
        moved = training.check_knobs(replace(self.knobs, **knobs))
        if moved == self.knobs:
            return
        self.state = _averaging(self.state, self.knobs, moved)
        self.knobs, self.stopped = moved, None
        at, before = self.changes[-1]
        if at == self.step and before.ema == moved.ema:  # an average's start must replay
            self.changes.pop()
        self.changes.append((self.step, moved))
        self._remember()

    def advance(self, n: int) -> int:
        """Train up to `n` steps; fewer if a number was not finite (`stopped` says why).

        An interrupt loses the chunk under way and nothing else.
        """
        start = self.step
        try:
            while (left := n - (self.step - start)) > 0 and self.stopped is None:
                self.land(self.launch(min(left, BLOCK)))
        except KeyboardInterrupt:
            self.state = self.at(self.step)  # the present one was given away, or is ahead
            raise
        return self.step - start

    def launch(self, n: int) -> Chunk:
        """Start training `n` steps (1 to BLOCK) and return at once, while the device works.

        Until `land` has been called with what this returns, nothing else may be asked of the run.
        """
        return training.advance(self.config, self.state, self.knobs, n)

    def land(self, chunk: Chunk) -> None:
        """Wait for a launched chunk and write it into the run."""
        self.state = chunk.state
        rows = np.asarray(chunk.history)[: int(chunk.done)]
        if not chunk.fine:
            self.stopped = diagnose(rows[-1], self.knobs, self.step + len(rows))
            rows = rows[:-1]
        self._write(rows)
        if self.step >= max(self.snapshots) + self._stride:
            self._remember()

    def _remember(self) -> None:
        self.snapshots[self.step] = _copy(self.state)
        room = max(8, min(400, self.memory // _bytes(self.state)))
        if len(self.snapshots) > room:
            kept = sorted(self.snapshots)
            self.snapshots = {step: self.snapshots[step] for step in [*kept[::2], kept[-1]]}
            self._stride = max(1, kept[-1] // (room // 2))

    def rewind(self, step: int) -> None:
        """Go back to the state after `step` steps, bit for bit, and forget what came later.

        Restores the nearest earlier snapshot and replays from there with the knobs of the time.
        """
        state, step = self.at(step), int(step)
        self.forgotten = self.history  # the old rows stay as they are, for whoever holds them
        self._rows, self._step = self.history[:step].copy(), step
        self.changes = [change for change in self.changes if change[0] <= step]
        self.knobs, self.state, self.stopped = self.changes[-1][1], state, None
        self.snapshots = {at: kept for at, kept in self.snapshots.items() if at <= step}
        self._remember()

    def at(self, step: int) -> State:
        """The state after `step` steps (0 to the present step), recomputed where necessary."""
        step = int(check_number("step", step, 0, self.step, integer=True))
        now = max(at for at in self.snapshots if at <= step)
        state = _copy(self.snapshots[now])
        knobs = [moved for at, moved in self.changes if at <= now][-1]
        for at, moved in [change for change in self.changes if now < change[0] <= step]:
            state = _averaging(self._replay(state, knobs, at - now), knobs, moved)
            now, knobs = at, moved
        return self._replay(state, knobs, step - now)

    def _replay(self, state: State, knobs: Knobs, n: int) -> State:
        for start in range(0, n, BLOCK):
            state = training.advance(self.config, state, knobs, min(BLOCK, n - start)).state
        return state

    def sample(self, n: int, seed: int = 0, ema: bool = False) -> Float[Array, "n dim"]:
        """`n` samples of the present generator, the same latents for the same `seed`.

        With `ema` those of its moving average (see the knob of that name).
        """
        return training.sample(self.config, n, self.state, random.key(seed), ema)

    def coverage(self, n: int = 2500, seed: int = 0) -> ModeCoverage:
        """Mode coverage of `n` samples; InputError if the data has no known modes."""
        data = self.config.data
        if data.modes is None or data.mode_std is None:
            raise InputError(f"{data!r} has no modes to count; try Ring() or Grid()")
        return _coverage(self.sample(n, seed), data.modes, data.mode_std)


def train(
    config: Config,
    knobs: Knobs,
    steps: int,
    seed: int = 0,
    progress: Callable[[Run], None] | None = None,
) -> Run:
    """Train `steps` steps and return the run; `progress` is called after every chunk.

    An interrupt (the stop button, Ctrl-C) keeps what was trained and returns the run so far.
    """
    run, chunk = Run(config, knobs, seed), 32
    try:
        while run.step < steps and run.stopped is None:
            began = time.perf_counter()
            run.advance(min(chunk, steps - run.step))
            quick = time.perf_counter() - began < 0.2  # so that an interrupt is answered soon
            chunk = min(BLOCK, 2 * chunk) if quick else max(1, chunk // 2)
            if progress:
                progress(run)
    except KeyboardInterrupt:
        print(f"interrupted after {run.step} steps; the run so far is kept")
    return run


def diagnose(row: Float[np.ndarray, "metrics"], knobs: Knobs, step: int) -> str:
    """Say in a sentence which knob probably made the numbers of `row` not finite."""
    seen = dict(zip(METRICS, row, strict=True))
    player = "d" if not np.isfinite(seen["grad_d"]) else "g"
    rate = getattr(knobs, f"lr_{player}")
    unbounded = knobs.objective in ("wasserstein", "hinge", "least_squares")
    held = knobs.clip or knobs.r1 or knobs.r2 or knobs.wgan_gp or knobs.zero_gp
    heavy = max(("r1", "r2", "zero_gp", "wgan_gp"), key=lambda name: getattr(knobs, name))
    if knobs.lr_d * getattr(knobs, heavy) > 1:
        cause = f"{heavy}={getattr(knobs, heavy):g} is too stiff for lr_d={knobs.lr_d:g}: lower one"
    elif unbounded and not held:
        cause = f"{knobs.objective!r} lets D grow without bound: add r1, wgan_gp or clip"
    else:
        cause = f"lr_{player}={rate:g} is probably too large: try {rate / 10:g}"
    who = "the discriminator" if player == "d" else "the generator"
    return f"stopped at step {step}: {who}'s numbers are no longer finite; {cause}, then rewind."
