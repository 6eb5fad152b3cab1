"""What moves one knob: a slider with named stops, or a menu, and the value that acts beside it."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from gan_lessons.objectives import OWN
from gan_lessons.training import Knob


class Dial:
    """The widgets of one knob.

    The slider has named stops, because a page that snaps a value to steps sends it back, and that
    would change the game. A value that a schedule has brought between two stops is told by the
    readout, and the handle stands at the stop that is nearest.

    Attributes:
        box: what goes on the page.
        slider: what a person moves; its `value` is the knob's.
        touched: when a person last moved it (`time.monotonic`).
    """

    def __init__(self, knob: Knob, now: Any) -> None:
        self.touched = float("-inf")
        look = {
            "description": knob.label,
            "tooltip": knob.help,
            "style": {"description_width": "66px"},
            "layout": widgets.Layout(width="auto", flex="1 1 auto"),
        }
        self.readout = widgets.Label(layout=widgets.Layout(width="58px"))
        if knob.choices:
            self.stops: list[Any] = [name for name in knob.choices if name != OWN or name == now]
            self.slider = widgets.Dropdown(options=_named(self.stops), value=now, **look)
        else:
            self.stops = sorted({*knob.stops, now})
            options = [(f"{stop:g}", stop) for stop in self.stops]
            self.slider = widgets.SelectionSlider(options=options, value=now, readout=False, **look)
        self.say(now)
        parts = [self.slider] if knob.choices else [self.slider, self.readout]
        self.box = widgets.HBox(parts, layout=widgets.Layout(width="306px", align_items="center"))

    def say(self, value: Any) -> None:
        """Have the readout tell a value."""
        if not isinstance(value, str):
            self.readout.value = f"{value:g}" if value in self.stops else f"{value:.3g}"

    def stand_at(self, value: Any) -> None:
        """Show a value, at the stop that is nearest to it."""
        if isinstance(value, str):
            if value not in self.stops:
                self.stops.append(value)
                self.slider.options = _named(self.stops)
            self.slider.value = value
            return
        self.slider.value = min(self.stops, key=lambda stop: abs(stop - value))
        self.say(value)


def _named(names: list[str]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), name) for name in names]
