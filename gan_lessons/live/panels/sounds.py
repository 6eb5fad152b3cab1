"""Sounds, as curves over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import random
from matplotlib.axes import Axes

from gan_lessons.live.panels.base import Panel, View, need_kind, samples_of
from gan_lessons.plots import FAKE, REAL
from gan_lessons.run import Run


class Sounds(Panel):
    """A few generated waveforms from fixed randomness, below as many real ones; any learner."""

    title = "sounds"
    shown = 4

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        return samples_of(config, state, random.key(11), self.shown)

    def setup(self, ax: Axes, run: Run) -> None:
        data = run.config.data
        need_kind(run.config, "sounds", "Sounds")
        real = np.asarray(data.sample(random.key(8), self.shown))
        lows, highs = np.array(data.extent).T
        middle = 0.5 * (lows.min() + highs.max())
        self.scale = 0.8 / max(highs.max() - lows.min(), 1e-9)
        self.shift = np.arange(self.shown)[:, None] - self.scale * middle
        time = np.arange(data.dim)
        ax.plot(time, (self.scale * real + self.shift + self.shown).T, color=REAL, lw=0.8)
        self.lines = [
            self.moving(ax.plot(time, 0 * time, color=FAKE, lw=0.8)[0]) for _ in range(self.shown)
        ]
        ax.set(xlim=(0, data.dim - 1), ylim=(-0.6, 2 * self.shown - 0.4), xlabel="sample")
        ticks = (0.5 * (self.shown - 1), 1.5 * self.shown - 0.5)
        ax.set_yticks(ticks, ["generated", "real"], rotation=90, va="center")
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        for line, y in zip(self.lines, self.scale * np.asarray(seen) + self.shift, strict=True):
            line.set_ydata(y)
        return False
