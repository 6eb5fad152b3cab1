"""What every panel is: one view of a run. `see` is traced JAX, `update` only sets artists.

A panel of your own is one class: `see(config, state, knobs)` computes on the device what it
shows, `setup(ax, run)` makes the artists once, `update(seen, view)` sets their data and returns
True if axes changed, so that the background must be drawn again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes

from gan_lessons.errors import InputError
from gan_lessons.run import Run
from gan_lessons.training import learner_of


class View(NamedTuple):
    """What a panel may know of the run: the run itself, and the step that is being shown."""

    run: Run
    step: int

    def series(self, name: str) -> Float[np.ndarray, "steps"]:
        """One metric, up to the step that is shown."""
        return self.run.series(name)[: self.step]

    def later(self, name: str) -> Float[np.ndarray, "steps"]:
        """What follows the step that is shown, when scrubbing or after a rewind."""
        known = max(self.run.history, self.run.forgotten, key=len)
        return known[self.step :, self.run.learner.metrics.index(name)]


class Panel:
    """Base class.

    Attributes:
        width: share of the figure's width.
        half: whether two such panels share a column, one above the other.
        gap: between two that are stacked, as a share of their height.
        tall: how much taller than usual the whole figure should be.
        remembers: whether it shows the past too, and must see the run on the way.
        traced: whether `see` is compiled; if not, it is called as it is, with real arrays.
        artists: what moves, drawn anew in every frame.
    """

    width = 1.0
    half = False
    gap = 0.62
    tall = 1.0
    remembers = False
    traced = True
    title = ""

    def __init__(self) -> None:
        self.artists: list[Any] = []

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        """What to show, computed on the device; no Python branching on values where `traced`.

        `knobs` are arrays. Those that switch a term on are traced only where they are not 0.
        """
        return ()

    def setup(self, ax: Axes, run: Run) -> None:
        """Make all artists; InputError if the panel cannot show this run."""
        raise NotImplementedError

    def update(self, seen: Any, view: View) -> bool:
        """Set the artists' data; True if anything else changed, such as limits of axes."""
        raise NotImplementedError

    def caption(self, ax: Axes) -> Any:
        """A title that may change from frame to frame."""
        text = ax.text(0, 1.02, self.title, transform=ax.transAxes, va="bottom", weight="bold")
        return self.moving(text)

    def moving(self, artist: Any) -> Any:
        """Note an artist as one that moves."""
        self.artists.append(artist)
        return artist


# ---- what a panel needs


def is_gan(config: Any) -> bool:
    """Whether there are a generator and a discriminator to look at."""
    return getattr(config, "learner", "") == "gan"


def need_gan(config: Any, panel: str) -> None:
    """Raise InputError unless the config is a GAN's."""
    if not is_gan(config):
        raise InputError(
            f"{panel} looks into a GAN's generator and discriminator, and here the learner is "
            f"{config.learner!r}; take Samples, Losses or Coverage"
        )


def need_kind(config: Any, kind: str, panel: str) -> None:
    """Raise InputError unless the data is of this kind (`Distribution.kind`)."""
    if config.data.kind != kind:
        raise InputError(
            f"{panel} is for {_KINDS[kind]}, and {config.data!r} has {_KINDS[config.data.kind]}; "
            "leave `panels` out to get those that suit it"
        )


_KINDS = {
    "line": "numbers on a line",
    "plane": "points in the plane",
    "points": "points in more than two dimensions",
    "pictures": "pictures",
    "sounds": "sounds",
    "rows": "rows of a table",
}


def samples_of(config: Any, state: Any, key: Array, n: int, ema: bool = False) -> Array:
    """`n` samples of any learner's model, [n, dim]; with `ema` of a GAN's averaged G."""
    how = {"ema": True} if ema else {}
    return learner_of(config).sample(config, state, key, n, **how)
