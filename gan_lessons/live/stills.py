"""A run as one picture, where nothing moves: cells without a front end, and the command line."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from gan_lessons.live.looks import Looks
from gan_lessons.live.panels.base import Panel, View
from gan_lessons.live.screen import Screen
from gan_lessons.live.suits import suits
from gan_lessons.plots import small_png
from gan_lessons.run import Run


def snapshot(run: Run, panels: Sequence[Panel] | None = None) -> bytes:
    """The present step of a run as PNG, by the panels that suit a still picture of its data."""
    panels = suits(run.config).stills if panels is None else panels
    seen = Looks(panels, run.config)(run.state, run.knobs)
    return palette_png(Screen(panels, run).frame(seen, View(run, run.step), crisp=True))


def palette_png(frame: bytes) -> bytes:
    """A frame as a smaller PNG."""
    return small_png(Image.open(io.BytesIO(frame)))


def stops_on_the_way(panels: Sequence[Panel], start: int, end: int) -> list[int]:
    """When a still picture has to look at the run on its way, for panels that remember."""
    if not any(panel.remembers for panel in panels):
        return []
    early = {0, 50, 100, *range(200, end, max(200, end // 15))}
    return sorted(stop for stop in early if start <= stop < end)
