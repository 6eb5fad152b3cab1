"""The block diagram says what takes part in an update, and refuses what it does not know."""

from __future__ import annotations

import pytest
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from gan_lessons.diagrams import ADDITIONS, game_diagram
from gan_lessons.errors import InputError
from gan_lessons.plots import png


def words(ax: Axes) -> str:
    return " ".join(text.get_text() for text in ax.texts)


def learning(ax: Axes) -> list[bool]:
    """Whether G and D are filled, as those that learn are."""
    boxes = [each for each in ax.patches if isinstance(each, FancyBboxPatch)]
    return [each.get_facecolor()[:3] != (1, 1, 1) for each in boxes]


def test_each_update_shows_who_learns_and_what_takes_part() -> None:
    for_d, for_g = game_diagram().axes
    assert learning(for_d) == [False, True] and learning(for_g) == [True, False]
    assert "real x" in words(for_d) and "stops here" in words(for_d)
    assert "real x" not in words(for_g) and "stops here" not in words(for_g)


@pytest.mark.parametrize("addition", ADDITIONS)
def test_additions_are_drawn(addition: str) -> None:
    plain, more = png(game_diagram()), png(game_diagram(add=[addition]))
    assert plain != more


@pytest.mark.parametrize("update", ["d", "g"])
def test_one_update_alone(update: str) -> None:
    (ax,) = game_diagram(update).axes
    assert learning(ax) == [update == "g", update == "d"]


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="penalty"):
        game_diagram(add=["penalti"])
    with pytest.raises(InputError, match="both"):
        game_diagram("all")
