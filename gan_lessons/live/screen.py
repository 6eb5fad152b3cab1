"""A matplotlib figure that is drawn many times a second: artists made once, data set, blitted."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from gan_lessons.plots import STYLE

if TYPE_CHECKING:
    from gan_lessons.live.panels import Panel, View
    from gan_lessons.run import Run

# (inches wide, inches high, dots per inch): 930 pixels fit a notebook column on a 1366-pixel
# screen; for a projector the same text stands larger in a smaller figure with more dots.
SIZES = {"notebook": (9.3, 3.45, 100), "projector": (7.2, 2.9, 190)}


class Pixels(AxesImage):
    """An image on its axes like `imshow`'s, enlarged by Pillow: a tenth of the time a frame."""

    def __init__(
        self, ax: Axes, data: np.ndarray, low: float = 0.0, high: float = 1.0, **look: Any
    ) -> None:
        super().__init__(ax, norm=Normalize(low, high), **look)
        self.set_data(data)
        ax.add_image(self)
        self.set_extent(self.get_extent())  # the axes take its size
        self.set_clip_path(ax.patch)

    def make_image(
        self, renderer: Any, magnification: float = 1.0, unsampled: bool = False
    ) -> tuple[np.ndarray, float, float, None]:
        """What to draw, lowest row first, and where its lower left corner is on the screen."""
        x0, x1, y0, y1 = self.get_extent()
        corners = self.get_transform().transform([(x0, y0), (x1, y1)])
        (left, low), (right, high) = corners.round().astype(int).tolist()
        colours = self.to_rgba(self.get_array(), bytes=True)
        if (self.origin == "upper") == (low < high):
            colours = colours[::-1]
        wide, tall = abs(right - left), abs(high - low)
        much = wide >= 3 * colours.shape[1]  # less, and squares would come out unequal
        how = Image.Resampling.NEAREST if much else Image.Resampling.BILINEAR
        drawn = np.array(Image.fromarray(np.ascontiguousarray(colours)).resize((wide, tall), how))
        return drawn, min(left, right), min(low, high), None


class Screen:
    """The panels of a player in one figure.

    Panels are laid out on a grid of columns: each panel names its share of the width, and
    panels that stack (`Panel.half`) share a column in pairs.
    """

    def __init__(self, panels: Sequence[Panel], run: Run, size: str = "notebook") -> None:
        self.panels, self.run = panels, run
        mpl.rcParams.update(STYLE)
        width, height, dpi = SIZES[size]
        height *= max(panel.tall for panel in panels)
        self.figure = Figure(figsize=(width, height), dpi=dpi)
        self.canvas = FigureCanvasAgg(self.figure)
        columns = _columns(panels)
        grid = self.figure.add_gridspec(1, len(columns), width_ratios=[c[0].width for c in columns])
        for i, column in enumerate(columns):
            gap = max(panel.gap for panel in column)
            cells = grid[i].subgridspec(len(column), 1, hspace=gap)
            for panel, cell in zip(column, cells, strict=True):
                panel.artists = []
                panel.setup(self.figure.add_subplot(cell), run)
        self.figure.subplots_adjust(left=0.045, right=0.985, bottom=0.12, top=0.9, wspace=0.2)
        self.background: Any = None

    def blank(self) -> bytes:
        """An empty frame, as PNG: it keeps room until there is something to see."""
        buffer, (width, height) = io.BytesIO(), self.canvas.get_width_height()
        Image.new("L", (width, height), 255).save(buffer, "PNG")
        return buffer.getvalue()

    def draw(self, seen: Sequence[Any], view: View) -> np.ndarray:
        """Draw one frame from what each panel saw; pixels [height, width, 4], alpha last."""
        stale = False
        for panel, each in zip(self.panels, seen, strict=True):
            stale |= bool(panel.update(each, view))
        moving = [artist for panel in self.panels for artist in panel.artists]
        if self.background is None or stale:
            for artist in moving:
                artist.set_animated(True)
            self.canvas.draw()
            self.background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self.background)
        for artist in moving:
            if artist.get_visible():
                artist.axes.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())

    def frame(self, seen: Sequence[Any], view: View, crisp: bool = False) -> bytes:
        """One frame, encoded: JPEG while it moves, PNG for a still picture."""
        pixels, buffer = self.draw(seen, view), io.BytesIO()
        size = pixels.shape[1::-1]
        image = Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1)  # copies nothing
        if crisp:
            image.convert("RGB").save(buffer, "PNG", compress_level=1)
        else:
            image.save(buffer, "JPEG", quality=80)
        return buffer.getvalue()


def _columns(panels: Sequence[Panel]) -> list[list[Panel]]:
    columns: list[list[Panel]] = []
    for panel in panels:
        if panel.half and columns and columns[-1][0].half and len(columns[-1]) == 1:
            columns[-1].append(panel)
        else:
            columns.append([panel])
    return columns
