"""A matplotlib figure that is drawn many times a second: artists made once, data set, blitted."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gan_lessons.live.log import keep_traceback
from gan_lessons.live.looks import Failure
from gan_lessons.live.panels.base import Panel, View
from gan_lessons.live.style import HINTING, styled
from gan_lessons.plots import INK, bare
from gan_lessons.run import Run

# (inches wide, inches high, dots per inch): 930 pixels fit a notebook column on a 1366-pixel
# screen; for a projector the same text stands larger in a smaller figure with more dots.
SIZES = {"notebook": (9.3, 3.45, 100), "projector": (7.2, 2.9, 190)}


class Screen:
    """The panels of a player in one figure.

    Panels are laid out on a grid of columns: each panel names its share of the width, and
    panels that stack (`Panel.half`) share a column in pairs. A panel that raises while it is drawn
    is replaced by a sentence in its own place (`stopped`), and the others go on.

    Args:
        forgiving: whether a panel that cannot be set up is stopped too; if not, it raises.
    """

    def __init__(
        self, panels: Sequence[Panel], run: Run, size: str = "notebook", forgiving: bool = False
    ) -> None:
        self.panels, self.stopped = panels, dict[int, str]()
        width, height, dpi = SIZES[size]
        height *= max((panel.tall for panel in panels), default=1.0)
        self.background: Any = None
        with styled():
            self.figure = Figure(figsize=(width, height), dpi=dpi)
            self.canvas = FigureCanvasAgg(self.figure)
            self.axes = [self.figure.add_subplot(cell) for cell in _cells(self.figure, panels)]
            self.figure.subplots_adjust(left=0.045, right=0.985, bottom=0.12, top=0.9, wspace=0.2)
            for i, panel in enumerate(panels):
                panel.artists = []
                try:
                    panel.setup(self.axes[i], run)
                except Exception as error:
                    if not forgiving:
                        raise
                    self.stop(i, error)

    def blank(self) -> bytes:
        """An empty frame, as PNG: it keeps room until there is something to see."""
        buffer, (width, height) = io.BytesIO(), self.canvas.get_width_height()
        Image.new("L", (width, height), 255).save(buffer, "PNG")
        return buffer.getvalue()

    def draw(self, seen: Sequence[Any], view: View) -> np.ndarray:
        """Draw one frame from what each panel saw; pixels [height, width, 4], alpha last."""
        for i, found in enumerate(seen):
            if i not in self.stopped and self._update(i, found, view):
                self.background = None
        if self.background is None:
            self._draw_background()
        self.canvas.restore_region(self.background)
        if not self._draw_moving():  # one of them has just stopped
            self._draw_background()
            self.canvas.restore_region(self.background)
            self._draw_moving()
        return np.asarray(self.canvas.buffer_rgba())

    def frame(self, seen: Sequence[Any], view: View, crisp: bool = False) -> bytes:
        """One frame, encoded: JPEG while it moves, PNG for a still picture."""
        pixels, buffer = self.draw(seen, view), io.BytesIO()
        size = (pixels.shape[1], pixels.shape[0])
        image = Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1)  # copies nothing
        if crisp:
            image.convert("RGB").save(buffer, "PNG", compress_level=1)
        else:
            image.save(buffer, "JPEG", quality=80)
        return buffer.getvalue()

    # ---- one panel at a time

    def _update(self, i: int, found: Any, view: View) -> bool:
        if isinstance(found, Failure):
            self.stop(i, found.error)
            return True
        return bool(self._try(i, self.panels[i].update, found, view))

    def _draw_moving(self) -> bool:
        """Draw all that moves; whether no panel raised."""
        before = len(self.stopped)
        with styled(HINTING):
            for i in self._alive():
                self._try(i, _draw_artists, self.panels[i].artists)
        return len(self.stopped) == before

    def _draw_background(self) -> None:
        for panel in self.panels:
            for artist in panel.artists:
                artist.set_animated(True)
        with styled():
            try:
                self.canvas.draw()
            except Exception:
                for i in self._alive():
                    self._try(i, self.axes[i].draw, self.canvas.get_renderer())
                self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def _alive(self) -> list[int]:
        return [i for i in range(len(self.panels)) if i not in self.stopped]

    def _try(self, i: int, act: Callable[..., Any], *args: Any) -> Any:
        """Do something for one panel, and stop it if that raises."""
        try:
            return act(*args)
        except Exception as error:
            self.stop(i, error)
            return True

    def stop(self, i: int, error: Exception) -> None:
        """Show the error in the place of panel number `i` from now on."""
        keep_traceback(error, f"panel {type(self.panels[i]).__name__}")
        self.stopped[i] = f"this panel stopped: {type(error).__name__}: {error}"
        self.panels[i].artists, self.background = [], None
        with styled():
            _write(self.axes[i], self.stopped[i])


def _write(ax: Axes, sentence: str) -> None:
    """Put a sentence in place of everything that was on the axes."""
    ax.clear()
    bare(ax)
    width = max(20, round(ax.bbox.width / ax.figure.dpi * 14))
    text = "\n".join(textwrap.wrap(sentence, width, max_lines=8, placeholder=" …"))
    ax.text(
        0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=INK
    ).set_parse_math(False)


def _draw_artists(artists: Sequence[Any]) -> None:
    for artist in artists:
        if artist.get_visible():
            artist.axes.draw_artist(artist)


def _cells(figure: Figure, panels: Sequence[Panel]) -> list[Any]:
    """A place on the figure for each panel."""
    columns = _columns(panels)
    grid = figure.add_gridspec(
        1, len(columns) or 1, width_ratios=[c[0].width for c in columns] or None
    )
    cells: list[Any] = []
    for i, column in enumerate(columns):
        gap = max(panel.gap for panel in column)
        cells += [*grid[i].subgridspec(len(column), 1, hspace=gap)]
    return cells


def _columns(panels: Sequence[Panel]) -> list[list[Panel]]:
    columns: list[list[Panel]] = []
    for panel in panels:
        if panel.half and columns and columns[-1][0].half and len(columns[-1]) == 1:
            columns[-1].append(panel)
        else:
            columns.append([panel])
    return columns
