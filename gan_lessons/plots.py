"""One style for every figure: colours told apart by everyone, shapes as well as colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's colour-blind-safe palette. Real is always a blue disc, fake a vermilion triangle.
REAL, FAKE, GENERATOR, DISCRIMINATOR = "#0072B2", "#D55E00", "#D55E00", "#009E73"
ARROW, INK, FAINT = "#222222", "#333333", "#bbbbbb"
# D's verdict: white where it cannot tell, blue where it says real, orange where it says fake.
VERDICT = LinearSegmentedColormap.from_list("verdict", ["#f5b183", "#ffffff", "#8fc1e3"])

STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "text.hinting": "none",
}


def figure(width: float = 9.3, height: float = 3.4, dpi: int = 100) -> Figure:
    """An empty figure (inches, dots per inch) drawn by Agg, in a notebook or without one."""
    mpl.rcParams.update(STYLE)
    made = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(made)
    return made


def png(made: Figure) -> bytes:
    """The figure as PNG bytes."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png")
    return small_png(Image.open(buffer))


def small_png(image: Image.Image) -> bytes:
    """A picture as PNG with a palette of 256 colours: half the bytes, and no eye can tell."""
    kind, buffer = Image.Quantize.MAXCOVERAGE, io.BytesIO()
    palette = image.convert("RGB").quantize(256, kind, dither=Image.Dither.NONE)
    palette.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def show(made: Figure) -> None:
    """Show a figure below the cell (and in the committed notebook) as a PNG."""
    from IPython.display import Image, display

    width = int(made.get_figwidth() * 100)
    display(Image(png(made), width=width))


def tile(images: np.ndarray, columns: int, gap: int = 1, background: float = 1.0) -> np.ndarray:
    """Images [n, h, w] side by side in rows of `columns`, with a gap, as one array.

    Colour images [n, h, w, 3] in [-1, 1] come out in [0, 1], as matplotlib wants colours.
    """
    if images.ndim == 4:
        images, background = (np.clip(images, -1, 1) + 1) / 2, (background + 1) / 2
    n, height, width, *colour = images.shape
    rows = -(-n // columns)
    sides = rows * (height + gap) - gap, columns * (width + gap) - gap
    sheet = np.full((*sides, *colour), float(background))
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def bare(ax: Axes) -> None:
    """Take away ticks and frame, as for pictures."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def curves(ax: Axes, x: np.ndarray, lines: Sequence[tuple[np.ndarray, str, str]]) -> None:
    """Draw several labelled lines (y, label, colour) over one x, with a legend."""
    for y, label, colour in lines:
        ax.plot(x, y, color=colour, label=label)
    ax.legend()
