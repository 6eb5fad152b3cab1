"""How the samples fall on the modes of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import random
from matplotlib.axes import Axes

from gan_lessons.errors import InputError
from gan_lessons.live.panels.base import Panel, View, samples_of
from gan_lessons.metrics import coverage_of, perfect_coverage
from gan_lessons.plots import FAKE, REAL
from gan_lessons.run import Run


class Coverage(Panel):
    """How the samples fall on the modes, counted now; the line is a perfect model's share.

    That is the true weight of each mode or, where modes touch, the share of real samples that are
    nearest to it (`metrics.perfect_coverage`). A mode is held if a quarter of its fair share of
    samples lies within three standard deviations of it: one stray sample does not do.
    """

    half = True
    title = "modes"
    samples = 1000

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        key = random.fold_in(random.key(3), state.step)
        fake = samples_of(config, state, key, self.samples)
        return coverage_of(config.data, fake)

    def setup(self, ax: Axes, run: Run) -> None:
        modes = run.config.data.modes
        if modes is None:
            raise InputError(
                f"Coverage counts modes, and {run.config.data!r} has none; leave it out"
            )
        self.heights = np.zeros(2 * len(modes) - 1)  # every other one is a gap between two bars
        edges = (np.arange(len(modes))[:, None] + [-0.4, 0.4]).ravel()
        self.bars = self.moving(ax.stairs(self.heights, edges, fill=True, color=FAKE))
        shares = perfect_coverage(run.config.data, self.samples).shares
        if np.ptp(shares):
            ax.hlines(shares, edges[::2] - 0.1, edges[1::2] + 0.1, color=REAL, lw=1.5, ls="--")
        else:
            ax.axhline(shares[0], color=REAL, lw=1, ls="--")
        ax.set(ylim=(0, 2.2 * shares.max()), xlim=(-0.6, len(modes) - 0.4), xticks=[])
        ax.set_ylabel("share")
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        share = np.asarray(seen.counts) / max(int(np.asarray(seen.counts).sum()), 1)
        self.heights[::2] = share
        self.bars.set_data(self.heights)
        quality = f"{100 * float(seen.high_quality):.0f} % within 3σ"
        self.text.set_text(f"{int(seen.held)} of {len(share)} modes held, {quality}")
        return False
