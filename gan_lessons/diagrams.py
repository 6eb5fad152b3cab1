"""The game as a block diagram: who hands what to whom, and where gradients flow and stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from gan_lessons.errors import check_choice
from gan_lessons.plots import DISCRIMINATOR, FAKE, INK, REAL, figure

# What a lesson may add to the plain game; each is drawn where it acts.
ADDITIONS = ("given", "noise", "penalty", "average")
UPDATES = ("both", "d", "g")

Point = tuple[float, float]


def game_diagram(update: str = "both", add: Sequence[str] = ()) -> Figure:
    """The two players, what they hand to each other, and the way of the gradients.

    Solid arrows carry batches, dashed ones gradients; a bar is where a gradient stops.

    Args:
        update: whose update is drawn: "d", "g", or "both" beside each other.
        add: any of "given" (what both players see beside x), "noise" (on what D sees), "penalty"
            (on D's slope at real samples), "average" (of G's weights, from which one samples).

    Raises: InputError for another update or addition.
    """
    shown = ("d", "g") if check_choice("update", update, UPDATES) == "both" else (update,)
    for each in add:
        check_choice("addition", each, ADDITIONS)
    made = figure(9.3, 2.5 if len(shown) == 2 else 3.0)
    grid = made.subplots(1, len(shown), squeeze=False)[0]
    for ax, who in zip(grid, shown, strict=True):
        _draw_update(ax, who, frozenset(add))
    return made


def _draw_update(ax: Axes, who: str, add: frozenset[str]) -> None:
    """One player's update: forward in black, backward in the colour of who learns."""
    ax.set(xlim=(0, 10), ylim=(0.1, 4.1), aspect="equal")
    ax.axis("off")
    titles = {"d": "D's update: G's weights stay", "g": "G's update: D's weights stay"}
    ax.set_title(titles[who], color=DISCRIMINATOR if who == "d" else FAKE)
    _box(ax, (2.9, 1.0), "G", FAKE, learns=who == "g")
    _box(ax, (7.0, 2.1), "D", DISCRIMINATOR, learns=who == "d")
    _forward(ax, (0.75, 1.0), (2.2, 1.0))
    ax.text(0.5, 1.0, "z", ha="center", va="center", color=INK, fontsize=12, style="italic")
    ax.text(0.5, 0.38, "latent", ha="center", va="center", color=INK)
    _forward(ax, (3.6, 1.0), (6.3, 1.85))
    ax.text(4.45, 1.72, "fake x = G(z)", ha="center", va="center", color=FAKE)
    if who == "d":
        _forward(ax, (2.9, 3.3), (6.3, 2.4))
        ax.text(2.05, 3.3, "data", ha="center", va="center", color=REAL)
        ax.text(4.9, 3.3, "real x", ha="center", va="center", color=REAL)
    _forward(ax, (7.7, 2.1), (8.75, 2.1))
    ax.text(8.2, 2.35, "logits", ha="center", va="center", color=INK)
    loss = {"d": "D's\nloss", "g": "G's\nloss"}[who]
    ax.text(9.3, 2.1, loss, ha="center", va="center", color=INK, weight="bold")
    _backward(ax, (9.2, 1.55), (7.55, 1.45), DISCRIMINATOR if who == "d" else FAKE, bend=-0.35)
    if who == "d":
        _backward(ax, (6.4, 1.66), (5.85, 1.5), DISCRIMINATOR, bend=0)
        _stop(ax, (5.78, 1.68), DISCRIMINATOR)
        ax.text(5.7, 0.75, "the gradient stops here", ha="center", color=DISCRIMINATOR)
    else:
        _backward(ax, (6.4, 1.45), (3.65, 0.75), FAKE, bend=-0.25)
        ax.text(6.6, 0.45, "through D, to G's weights", ha="center", color=FAKE)
        ax.text(4.9, 3.3, "no real sample takes part", ha="center", va="center", color="#767676")
    _additions(ax, who, add)


def _additions(ax: Axes, who: str, add: frozenset[str]) -> None:
    if "given" in add:
        ax.text(7.0, 3.95, "given (a label ...)", ha="center", va="center", color=INK)
        _forward(ax, (7.0, 3.75), (7.0, 2.85))
        ax.text(2.9, 2.45, "given", ha="center", va="center", color=INK)
        _forward(ax, (2.9, 2.25), (2.9, 1.6))
    if "noise" in add:
        ax.text(5.9, 2.75, "+ noise", ha="center", va="center", color=INK, weight="bold")
    if "penalty" in add and who == "d":
        ax.text(9.0, 3.5, "+ γ/2 |∇ₓ D|²", ha="center", va="center", color=DISCRIMINATOR)
        _forward(ax, (9.1, 3.25), (9.3, 2.75))
    if "average" in add and who == "g":
        ax.text(1.4, 2.2, "average of G's\nweights: samples\nare made with it", ha="center",
                va="center", color=FAKE, fontsize=8)  # fmt: skip


def _box(ax: Axes, centre: Point, name: str, colour: str, learns: bool) -> None:
    x, y = centre
    look: dict[str, Any] = {"fc": colour if learns else "white", "ec": colour, "lw": 2}
    shape = FancyBboxPatch((x - 0.6, y - 0.45), 1.2, 0.9, "round,pad=0.1,rounding_size=0.2", **look)
    ax.add_patch(shape)
    ink = "white" if learns else colour
    ax.text(x, y, name, ha="center", va="center", color=ink, fontsize=15, weight="bold")


def _forward(ax: Axes, start: Point, end: Point) -> None:
    ax.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=INK, lw=1.3)
    )


def _backward(ax: Axes, start: Point, end: Point, colour: str, bend: float) -> None:
    bow = f"arc3,rad={bend}"
    look: dict[str, Any] = {
        "ls": (0, (3, 2)),
        "lw": 1.8,
        "color": colour,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=13, connectionstyle=bow, **look
        )
    )


def _stop(ax: Axes, at: Point, colour: str) -> None:
    """A bar across the arrow from G to D."""
    x, y = at
    ax.plot([x - 0.12, x + 0.12], [y + 0.36, y - 0.36], color=colour, lw=4, solid_capstyle="butt")
