"""What a person can move in an explorer: sliders, switches, menus, and points on a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np

from gan_lessons.errors import InputError, check_choice, check_number


@dataclass(frozen=True)
class Slider:
    """A number from `low` to `high`; a whole one if `low`, `value` and `step` are ints.

    With `log` (then low > 0) the slider is spaced evenly in log10, and so is `step`. Raises
    InputError for a value outside.
    """

    low: float
    high: float
    value: float
    label: str = ""
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        check_number("low", self.low, 1e-12 if self.log else -1e12, 1e12)
        check_number("high", self.high, self.low, 1e12, above=True)
        self.check("value", self.value)

    @property
    def whole(self) -> bool:
        return all(isinstance(each, int) for each in (self.low, self.value, self.step))

    def check(self, name: str, value: Any) -> float:
        return check_number(name, value, self.low, self.high, integer=self.whole)

    def widgets(self, name: str) -> list[Any]:
        kind = widgets.IntSlider if self.whole else widgets.FloatSlider
        low, high, step = self.low, self.high, self.step or self._round_step()
        if self.log:  # the front end moves a value that is off the slider's steps: start at it
            kind, step = widgets.FloatLogSlider, self.step or 0.05
            low, at, high = np.log10([self.low, self.value, self.high]).tolist()
            low = at - math.floor((at - low) / step + 1e-9) * step
        made = kind(value=self.value, min=low, max=high, step=step, **_look(name, self.label))
        made.readout_format = "d" if self.whole else ".3g"
        return [made]

    def _round_step(self) -> float:
        """1, 2 or 5 times a power of ten, about a hundredth of the span, and finer if `value` is
        between two steps: the front end would move it, and send that back."""
        span = self.high - self.low
        unit = 10.0 ** math.floor(math.log10(span / 100))
        steps = [unit * each for each in (10, 5, 2, 1, 0.5, 0.2, 0.1)]
        near = min(steps, key=lambda step: abs(step - span / 100))
        off = {step: abs(math.remainder(self.value - self.low, step)) / step for step in steps}
        return next((step for step in steps if step <= near and off[step] < 1e-6), near)


@dataclass(frozen=True)
class Toggle:
    """Yes or no."""

    value: bool
    label: str = ""

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise InputError(f"{name} must be True or False, not {value!r}")
        return bool(value)

    def widgets(self, name: str) -> list[Any]:
        return [widgets.Checkbox(value=self.value, indent=False, **_look(name, self.label))]


@dataclass(frozen=True)
class Choice:
    """One of some names, `value` at first; underscores are shown as spaces."""

    options: tuple[str, ...]
    value: str
    label: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def check(self, name: str, value: Any) -> str:
        return check_choice(name, value, self.options)

    def widgets(self, name: str) -> list[Any]:
        options = [(option.replace("_", " "), option) for option in self.options]
        return [widgets.Dropdown(options=options, value=self.value, **_look(name, self.label))]


@dataclass(frozen=True)
class Point:
    """A point (x, y) to be dragged on axes number `axes`; it has two sliders as well.

    `low` and `high` bound both coordinates, or are pairs.
    """

    value: tuple[float, float]
    low: float | tuple[float, float] = -1.0
    high: float | tuple[float, float] = 1.0
    label: str = ""
    axes: int = 0

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def sliders(self, name: str) -> list[Slider]:
        lows, highs = (np.broadcast_to(each, 2).tolist() for each in (self.low, self.high))
        labels = [f"{self.label or name} {axis}" for axis in "xy"]
        return [Slider(*each) for each in zip(lows, highs, self.value, labels, strict=True)]

    def check(self, name: str, value: Any) -> tuple[float, float]:
        if np.shape(value) != (2,):
            raise InputError(f"{name} must be two numbers, like (0.5, 1), not {value!r}")
        x, y = (s.check(name, v) for s, v in zip(self.sliders(name), value, strict=True))
        return x, y

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The place inside the bounds that is nearest to (x, y)."""
        return tuple(np.clip((x, y), self.low, self.high).tolist())

    def widgets(self, name: str) -> list[Any]:
        return [made for slider in self.sliders(name) for made in slider.widgets(name)]


def _look(name: str, label: str) -> dict[str, Any]:
    text = label or name.replace("_", " ")
    look = {"description": text, "tooltip": text, "style": {"description_width": "initial"}}
    return look | {"layout": {"width": "306px"}}
