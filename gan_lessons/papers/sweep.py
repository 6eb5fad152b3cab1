"""Some seeds of one recipe trained together, looked at on their way, and saved now and then."""

from __future__ import annotations

import functools
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_lessons import training
from gan_lessons.errors import InputError
from gan_lessons.metrics import coverage_of
from gan_lessons.papers.ledger import SEEN
from gan_lessons.presets import Preset
from gan_lessons.training import checkpoints
from gan_lessons.training.pace import Pace

SAVE = 15.0  # seconds after which a sweep under way is saved
LOOK = 2500  # samples of each look


@dataclass(frozen=True)
class Outcome:
    """One trained run; each of its looks is [step, *SEEN]."""

    seed: int
    state: training.State
    seconds: float
    looks: list[list[float]]


class Sweep:
    """Seeds of one recipe under way, taken up where an earlier process was interrupted.

    Args:
        devices: over how many devices the seeds are shared out.
        looks: how often each run is looked at on its way.
        folder: where it is saved while it is under way.
    """

    def __init__(
        self, recipe: Preset, seeds: Sequence[int], devices: int, looks: int, folder: Path
    ) -> None:
        self.recipe, self.seeds, self.folder = recipe, list(seeds), folder
        self.config = replace(recipe.config, devices=devices)
        self._due = {-(-recipe.steps * i // looks) for i in range(1, looks + 1)}
        self._looks: list[Any] = []  # [step, *SEEN of each run]
        self.step, self._spent = 0, 0.0
        try:
            there = bool(checkpoints.saved(folder)) and self._resumed()
        except InputError as error:
            print(f"{error}; these runs begin anew", file=sys.stderr)
            there = False
        if not there:
            self._state = training.init(self.config, self.seeds)

    def _resumed(self) -> bool:
        like = jax.eval_shape(lambda: training.init(self.config, self.seeds))
        last = checkpoints.load(self.folder, like, self.config)
        self._state = training.place(self.config, last.state)
        self._looks = np.asarray(last.history["looks"]).tolist()
        self.step, self._spent = last.step, last.knobs["seconds"]
        return True

    def save(self) -> None:
        """Write a checkpoint of all runs."""
        also, looks = {"seconds": self._spent}, {"looks": np.array(self._looks)}
        checkpoints.save(self.folder, self._state, self.config, also, looks, self.step, keep=2)

    def train(self) -> Iterator[int]:
        """Train to the end; yields the steps just taken, of all runs together."""
        pace, saved = Pace(), time.monotonic()
        while self.step < self.recipe.steps:
            yield self._advance(pace) * len(self.seeds)
            if time.monotonic() - saved > SAVE:
                self.save()
                saved = time.monotonic()

    def _advance(self, pace: Pace) -> int:
        left = self.recipe.steps - self.step
        n = pace.next(left, *(at - self.step for at in self._due if at > self.step))
        began = time.monotonic()
        chunk = training.advance(self.config, self._state, self.recipe.knobs, n)
        self._state, alive = jax.block_until_ready(chunk.state), bool(np.any(chunk.fine))
        took = time.monotonic() - began
        pace.learn(n, took)
        taken = n if alive else left  # where every run has diverged, all is done
        self.step, self._spent = self.step + taken, self._spent + took
        if self.step in self._due:
            see = _look(self.recipe.config, bool(self.recipe.knobs.ema))
            self._looks.append([self.step, *np.ravel(see(self._state)).tolist()])
        return taken

    def outcomes(self) -> Iterator[Outcome]:
        """The runs, one by one, on the first device."""
        for i, seed in enumerate(self.seeds):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], self._state)
            looks = [[at, *np.reshape(seen, (-1, len(SEEN)))[i]] for at, *seen in self._looks]
            seconds = round(self._spent / len(self.seeds), 2)
            yield Outcome(seed, jax.device_put(one, jax.devices()[0]), seconds, looks)

    def discard(self) -> None:
        """Remove what was saved under way."""
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.lru_cache(maxsize=8)
def _look(config: training.Config, ema: bool) -> Any:
    """SEEN of LOOK samples of each run of a sweep: State -> [runs, len(SEEN)]."""

    def see(state: training.State) -> Any:
        x = training.sample(config, state, jax.random.key(1), LOOK, ema=ema)
        found = coverage_of(config.data, x)
        return jnp.stack([jnp.asarray(getattr(found, name), float) for name in SEEN])

    return jax.jit(jax.vmap(see))
