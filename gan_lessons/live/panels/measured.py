"""What takes many samples to measure: quality of pictures, modes of stacked ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax import random
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from gan_lessons.errors import InputError, check_number
from gan_lessons.images import Stacked
from gan_lessons.live.panels.base import Panel, View, need_kind, samples_of
from gan_lessons.live.panels.over_time import Memory
from gan_lessons.live.panels.pictures import check_ema
from gan_lessons.live.pixels import Pixels
from gan_lessons.metrics import FeatureExtractor, FrechetMeter, StackCoverage, stack_coverage
from gan_lessons.plots import FAKE, GENERATOR, INK, REAL, bare
from gan_lessons.run import Run


class Measured(Panel):
    """Something measured on `n` samples, `every` steps apart, and remembered in between.

    With `ema` the moving average of G makes the samples (switch the knob of that name on).
    """

    remembers = True
    traced = False  # the samples are drawn on those few frames that need them
    n = 0

    def __init__(self, every: int, ema: bool) -> None:
        super().__init__()
        self.memory, self.ema = Memory(), ema
        self.every = int(check_number("every", every, 1, 1e6, integer=True))

    def setup(self, ax: Axes, run: Run) -> None:
        self.ax, self.run = ax, run
        check_ema(run.config, self.ema)

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        measured, step = self.memory.of(self.run), int(state.step)
        if all(abs(step - at) >= self.every for at in measured):
            return np.asarray(samples_of(config, state, random.key(5), self.n, self.ema))
        return None

    def known(self, seen: Any, view: View) -> dict[int, Any]:
        """What was measured up to the step that is shown, by step; never empty."""
        measured = self.memory.of(view.run)
        if seen is not None:
            measured[view.step] = self.measure(seen)
        steps = sorted(at for at in measured if at <= view.step) or [min(measured)]
        return {step: measured[step] for step in steps}

    def measure(self, fakes: Float[np.ndarray, "n dim"]) -> Any:
        """What the panel remembers of these samples."""
        raise NotImplementedError


class Quality(Measured):
    """The Fréchet distance in a classifier's features, measured as training goes on.

    `every` steps apart, each time on as many samples as the meter wants; the dotted line is what
    one half of the real pictures scores against the other. Lower is better.
    """

    half = True
    title = "Fréchet"

    def __init__(self, meter: FrechetMeter, every: int = 200, ema: bool = False) -> None:
        super().__init__(every, ema)
        self.meter, self.n = meter, meter.n

    def setup(self, ax: Axes, run: Run) -> None:
        need_kind(run.config, "pictures", "Quality")
        pixels = math.prod(run.config.data.shape)
        if (wanted := self.meter.extractor.pixels) != pixels:
            raise InputError(
                f"this meter measures pictures of {wanted} pixels, and the data has "
                f"{pixels}; make a FrechetMeter of the same image set"
            )
        super().setup(ax, run)
        self.line = self.moving(ax.plot([], [], ".-", color=GENERATOR, ms=4)[0])
        ax.axhline(self.meter.floor, color=REAL, lw=1, ls=":")
        ax.set(xlim=(0, 200), yscale="log", ylim=(self.meter.floor / 2, self.meter.floor * 500))
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        known = self.known(seen, view)
        values = [*known.values()]
        self.line.set_data([*known], values)
        self.text.set_text(f"{self.title} {values[-1]:.2f} (real: {self.meter.floor:.2f})")
        return self.rescale(view.step, max(values))

    def measure(self, fakes: Float[np.ndarray, "n dim"]) -> float:
        return self.meter(fakes)

    def rescale(self, step: int, worst: float) -> bool:
        """Widen the axes like those of the losses, seldom; True if they changed."""
        right, (low, high) = self.ax.get_xlim()[1], self.ax.get_ylim()
        wanted = 200 * 2 ** np.ceil(np.log2(max(step, 200) / 200))
        stale = bool(wanted > right or wanted < right / 2 or worst > high)
        if stale:
            self.ax.set(xlim=(0, wanted), ylim=(low, max(high, 3 * worst)))
        return stale


class StackModes(Measured):
    """How stacked pictures (`images.Stacked`) fall on their modes: a square each, white if empty.

    Counted on `n` samples by a classifier of single layers, `every` steps apart; a full square is
    as dark as twice a mode's share. Below it, what as many real stacks score.
    """

    half = True
    title = "modes"
    dark = LinearSegmentedColormap.from_list("modes", ["#fbe3d0", FAKE, INK])

    def __init__(
        self, extractor: FeatureExtractor, every: int = 100, n: int = 5000, ema: bool = False
    ) -> None:
        super().__init__(every, ema)
        self.n = int(check_number("n", n, 1, 1e6, integer=True))
        self.extractor = extractor

    def setup(self, ax: Axes, run: Run) -> None:
        data = run.config.data
        if not isinstance(data, Stacked):
            raise InputError(
                f"StackModes counts stacked pictures, not {data!r}; take image_set(...).stacks()"
            )
        if (pixels := data.dim // data.layers) != (wanted := self.extractor.pixels):
            raise InputError(
                f"this extractor knows pictures of {wanted} pixels, and the data stacks pictures "
                f"of {pixels}; train it on the same image set"
            )
        super().setup(ax, run)
        real = self.measure(np.asarray(data.sample(random.key(6), self.n)))
        count = len(real.counts)
        self.high = max(k for k in range(1, math.isqrt(count) + 1) if count % k == 0)
        dark = self.dark.with_extremes(bad="white")
        blank = np.zeros((self.high, count // self.high))
        self.sheet = self.moving(Pixels(ax, blank, high=2 * self.n / count, cmap=dark))
        bare(ax)
        ax.set_xlabel(f"of real stacks: {real.modes:,}, KL {real.kl:.2f}")
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        found = [*self.known(seen, view).values()][-1]
        counts = found.counts.reshape(self.high, -1)
        self.sheet.set_data(np.ma.masked_equal(counts, 0))
        self.text.set_text(f"{found.modes:,} of {found.counts.size:,} modes, KL {found.kl:.2f}")
        return False

    def measure(self, fakes: Float[np.ndarray, "n dim"]) -> StackCoverage:
        return stack_coverage(self.extractor, self.run.config.data.apart(fakes))
