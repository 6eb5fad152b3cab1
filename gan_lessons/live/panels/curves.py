"""What was measured in every step, as curves."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from gan_lessons import objectives
from gan_lessons.live.panels.base import Panel, View, is_gan, need_gan
from gan_lessons.plots import DISCRIMINATOR, FAINT, GENERATOR
from gan_lessons.run import Run

COLOURS = ((DISCRIMINATOR, "-"), (GENERATOR, "--"))


def _thin(y: np.ndarray, first: int, most: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """Means over equal stretches, so that a long curve stays quick to draw: (steps, values)."""
    if len(y) <= most:
        return first + np.arange(len(y)), y
    stretch = -(-len(y) // most)
    whole = len(y) // stretch * stretch
    steps = first + np.arange(0, whole, stretch) + stretch // 2
    return steps, y[:whole].reshape(-1, stretch).mean(axis=1)


class _Curves(Panel):
    """One or two metrics of a run over its steps; what was rewound away stays in grey."""

    half = True
    log = False

    def metrics(self, run: Run) -> dict[str, str]:
        """What to draw: the label of each metric, by its name."""
        raise NotImplementedError

    def setup(self, ax: Axes, run: Run) -> None:
        self.ax = ax
        self.names, labels = zip(*self.metrics(run).items(), strict=True)
        looks = COLOURS[: len(labels)]
        self.ghosts = [self.moving(ax.plot([], [], color=FAINT, lw=0.8)[0]) for _ in looks]
        self.lines = [self.moving(ax.plot([], [], color=c, ls=s)[0]) for c, s in looks]
        ax.set(xlim=(0, 200), ylim=(0.01, 10) if self.log else (0, 2))
        if self.log:
            ax.set_yscale("log")
        ax.legend(self.lines, labels, loc="upper right", ncols=2, borderaxespad=0)
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        tops, shown = [], []
        for line, ghost, name in zip(self.lines, self.ghosts, self.names, strict=True):
            x, y = _thin(view.series(name), 0)
            line.set_data(x, y)
            later_x, later_y = _thin(view.later(name), view.step)
            ghost.set_data(later_x, later_y)
            tops.append(later_x[-1] if len(later_x) else view.step)
            shown += [part for part in (y, later_y) if len(part)]
        return self.rescale(max(tops), shown)

    def rescale(self, last: int, shown: list[np.ndarray]) -> bool:
        """Grow (or after a reset shrink) the axes, seldom; True if they changed."""
        right = self.ax.get_xlim()[1]
        wanted = 200 * 2 ** np.ceil(np.log2(max(last, 1) / 200)) if last > 200 else 200
        stale = bool(wanted > right or wanted < right / 2)
        if stale:
            self.ax.set_xlim(0, wanted)
        if shown:
            stale |= self.rescale_y(np.concatenate(shown))
        return stale

    def rescale_y(self, y: np.ndarray) -> bool:
        low, high = self.ax.get_ylim()
        y = y[np.isfinite(y)]
        if self.log:
            y = np.maximum(y, 1e-8)
            bottom, top = np.quantile(y, [0.01, 0.99])
            if low <= bottom and top <= high:
                return False
            self.ax.set_ylim(min(low, bottom / 3), max(high, top * 3))
            return True
        bottom, top = np.quantile(y, [0.01, 0.99])
        if low <= bottom and top <= high and top - bottom > 0.1 * (high - low):
            return False
        pad = 0.35 * max(top - bottom, 0.2)
        wanted = (min(0.0, bottom - pad) if bottom >= -0.01 else bottom - pad, top + pad)
        if np.allclose(wanted, (low, high), rtol=0.15):
            return False
        self.ax.set_ylim(*wanted)
        return True


class Losses(_Curves):
    """What is minimised. For a GAN both losses, dotted where they would rest if G had won (p = q);
    for another learner its metrics called a loss, or the first two that it has."""

    title = "losses"

    def metrics(self, run: Run) -> dict[str, str]:
        if is_gan(run.config):
            return {"d_loss": "D", "g_loss": "G"}
        names = run.learner.metrics
        chosen = [name for name in names if "loss" in name] or [*names]
        return {name: name.replace("_", " ") for name in chosen[: len(COLOURS)]}

    def setup(self, ax: Axes, run: Run) -> None:
        super().setup(ax, run)
        looks = COLOURS if is_gan(run.config) else ()
        self.rest = [self.moving(ax.axhline(0, color=c, lw=0.9, ls=":")) for c, _ in looks]

    def update(self, seen: Any, view: View) -> bool:
        if self.rest:
            entry = objectives.OBJECTIVES.get(view.run.knobs.objective, view.run.config.losses)
            for line, level in zip(self.rest, rest_levels(entry), strict=True):
                line.set_ydata([level, level])
        return super().update(seen, view)


@functools.cache  # JAX would wait for the training that runs while a picture is drawn
def rest_levels(objective: objectives.Objective) -> tuple[float, float]:
    """(D's loss, G's loss) where p = q and every logit is 0: ln 4 and ln 2 for the log losses."""
    zero, rest = jnp.zeros(2), objective.equilibrium  # NaN for losses that nobody has worked out
    return rest, float(objective.g_loss(zero, zero)) if rest == rest else rest


class GradientNorms(_Curves):
    """How strongly each player of a GAN is pulled: the norm of its gradient, on a log scale."""

    title = "gradient norms"
    log = True

    def metrics(self, run: Run) -> dict[str, str]:
        need_gan(run.config, "GradientNorms")
        return {"grad_d": "D", "grad_g": "G"}
