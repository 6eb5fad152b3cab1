"""The figure of an explorer: built once, updated with values, blitted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gan_lessons.live.style import HINTING, styled

DESK, PROJECTOR = 100, 150  # dots per inch


class Canvas:
    """A figure that `build` fills, drawn by one thread at a time.

    Attributes:
        update: sets the artists to some values, by name.
        playable: whether `advance` moves something on.
        dpi: dots per inch of the next picture.
    """

    def __init__(self, build: Callable[[Figure], Any], size: tuple[float, float]) -> None:
        with styled():
            self.figure = Figure(figsize=size, dpi=DESK, layout="constrained")
            self.canvas = FigureCanvasAgg(self.figure)
            built = build(self.figure)
        self.update, self._advance = built if isinstance(built, tuple) else (built, None)
        self.playable = self._advance is not None
        self.dpi = DESK
        self._background: Any = None
        self._drawing = threading.RLock()

    def advance(self) -> None:
        """Move on, as the figure's author has it."""
        with self._drawing:
            self._advance()

    def draw(self, values: dict[str, Any]) -> np.ndarray:
        """Draw the figure for some values; pixels [height, width, 3]."""
        with self._drawing:
            resized = self.dpi != self.figure.dpi
            self.figure.set_dpi(self.dpi)
            if self.update(**values) or resized or self._background is None:
                self._draw_background()
            self.canvas.restore_region(self._background)
            with styled(HINTING):
                for artist in self._moving:
                    self.figure.draw_artist(artist)
            return np.array(self.canvas.buffer_rgba())[..., :3]

    def _draw_background(self) -> None:
        with styled():
            self.canvas.draw()
        self.figure.set_layout_engine("none")  # from now on the axes stay where they are
        self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        moving = self.figure.findobj(lambda artist: artist.get_animated())
        self._moving = sorted(moving, key=lambda artist: artist.get_zorder())
