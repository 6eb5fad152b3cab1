"""Panels that remember: the same pictures at several moments of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import random
from matplotlib.axes import Axes

from gan_lessons import training
from gan_lessons.live.panels.base import View, is_gan, samples_of
from gan_lessons.live.panels.pictures import PictureSheet
from gan_lessons.run import Run


class Memory:
    """What a panel kept at some steps of a run; forgets what was rewound or reset away."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.seed = 0
        self.kept: dict[int, Any] = {}

    def of(self, run: Run) -> dict[int, Any]:
        """What was kept of this run, by step."""
        if run is not self.run or run.seed != self.seed:
            self.run, self.seed, self.kept = run, run.seed, {}
        self.kept = {at: value for at, value in self.kept.items() if at <= run.step}
        return self.kept


class OverTime(PictureSheet):
    """The same eight latents at step 0, about 50, 100, 200, 400, ... and, in the last row, now."""

    title = "the same z over time"
    remembers = True
    first = 50

    def __init__(self, rows: int = 8, ema: bool = False) -> None:
        super().__init__(rows, ema)
        self.memory = Memory()

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        n = self.across(config)
        if not is_gan(config):
            return samples_of(config, state, random.key(11), n)
        z, given = config.latent.sample(random.key(11), n), config.data.givens(random.key(14), n)
        return training.generate(config, state, z, given, self.ema)

    def setup(self, ax: Axes, run: Run) -> None:
        super().setup(ax, run)
        look: Any = {"ha": "right", "va": "center", "fontsize": 8}
        self.labels = [self.moving(ax.text(-0.12, i + 0.5, "", **look)) for i in range(self.rows)]

    def milestone(self, step: int) -> int:
        """How many of the moments 50, 100, 200, 400, ... are behind `step`."""
        return 0 if step < self.first else 1 + int(np.log2(step / self.first))

    def update(self, seen: Any, view: View) -> bool:
        now, kept = np.asarray(seen), self.memory.of(view.run)
        if view.step in kept or all(self.milestone(view.step) != self.milestone(s) for s in kept):
            kept[view.step] = now
        past = sorted(step for step in kept if step < view.step)
        # More moments than rows: the first, the last, and some in between.
        shown = np.linspace(0, len(past) - 1, min(len(past), self.rows - 1)).round().astype(int)
        steps = [past[i] for i in shown]
        self.lay(np.concatenate([*(kept[step] for step in steps), now]))
        names = [*map(str, steps), "now", *[""] * self.rows]
        for label, name in zip(self.labels, names, strict=False):
            label.set_text(name)
        return False
