"""Any figure with sliders, switches and points to drag, drawn by one worker."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from IPython import display as ipython
from matplotlib.figure import Figure
from PIL import Image

from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.live.canvas import Canvas
from gan_lessons.live.display import has_front_end
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.goals import Goal, Goals
from gan_lessons.live.inputs import Choice, Point, Slider, Toggle
from gan_lessons.live.sheet import Sheet
from gan_lessons.live.stage import Stage
from gan_lessons.live.wishes import Drag, Pause, Play, Resize, Turn, Wish
from gan_lessons.plots import small_png
from gan_lessons.training.devices import check_devices
from gan_lessons.training.runtime import prepare

PICTURE = 0.05  # seconds from one picture to the next while it plays
REST = 0.25  # seconds without a move until the picture is sent once more, without loss
POLL = 0.05  # seconds from one look at a front end that does not keep up to the next
BEHIND = 2  # pictures that a slow front end may lag before we stop sending

Values = dict[str, Any]


class Explorer:
    """A figure that follows its controls.

    Shown as the last line of a cell it is live: drag a slider, or a `Point` on the picture.
    Its projector button draws all of it half as large again. Without a front end (nbconvert,
    tests) it leaves one still picture.

    Args:
        build: makes axes and artists on an empty figure, once; artists that move get
            `animated=True`. Returns update(**values), which sets their data, and returns True if
            anything else changed (limits, titles), so that all is drawn anew. Or returns
            (update, advance): while it plays, `advance()` and then `update` are called in turn.
        size: width and height in inches, at 100 dots per inch.
        still: how often `advance` is called before a still picture.
        goals: what to find out (`Goal`); each is asked with the drawn values after every picture.
        controls: by the names of update's arguments.

    Attributes:
        drawn: the values that the last picture shows.
        message: what was last said on the page.

    Raises: InputError if `update` does not take the controls by their names.
    """

    def __init__(
        self,
        build: Callable[[Figure], Any],
        *,
        size: tuple[float, float] = (9.3, 3.4),
        still: int = 0,
        goals: Sequence[Goal] = (),
        **controls: Slider | Toggle | Choice | Point,
    ) -> None:
        prepare()
        check_devices()
        self.controls, self.still = controls, still
        self.canvas = Canvas(build, size)
        self.figure = self.canvas.figure
        self._points = {name: c for name, c in controls.items() if isinstance(c, Point)}
        self._wanted: Values = {name: control.value for name, control in controls.items()}
        self._check_controls()
        self.drawn: Values = {}
        self.message = ""
        self.goals = Goals(goals)
        self._fresh = self._rough = False  # a picture is due; the last one was sent with loss
        self._press, self._held = 0.0, ""
        self.front_end = FrontEnd(BEHIND)
        self.stage = Stage(self, "gan-explorer", self.front_end)
        self.sheet: Sheet | None = None
        self._paging = threading.RLock()  # while it comes onto the page, or leaves it

    def _check_controls(self) -> None:
        try:
            inspect.signature(self.canvas.update).bind(**self._wanted)
        except TypeError as error:
            names = ", ".join(self._wanted) or "none"
            raise InputError(f"update must take the controls ({names}) by name: {error}") from None
        last = len(self.figure.axes) - 1
        for name, point in self._points.items():
            check_number(f"axes of {name}", point.axes, 0, last, integer=True)

    # ---- what a person, or a script, can ask for; each call but `picture` returns at once

    def values(self, **given: Any) -> Values:
        """Set some values (InputError if one is not allowed) and return all that are wanted."""
        checked = {}
        for name, value in given.items():
            check_choice("control", name, self.controls)
            checked[name] = self.controls[name].check(name, value)
        if checked:
            self.stage.ask(Turn(checked))
        return self.wanted

    @property
    def wanted(self) -> Values:
        """All values, as they will be when what was asked for is done."""
        pending = (
            self.stage.pending
        )  # first: what is done meanwhile is then counted twice, not missed
        values = dict(self._wanted)
        for wish in pending:
            if isinstance(wish, Turn):
                values.update(wish.values)
        return values

    @property
    def playing(self) -> bool:
        """Whether it plays once everything that was asked for is done."""
        return self.stage.playing

    def play(self) -> None:
        """Call `advance` again and again, and show what comes of it."""
        if not self.canvas.playable:
            raise InputError("nothing to play: build returned no advance function")
        self.front_end.greet()
        self.stage.ask(Play())

    def pause(self) -> None:
        """Stop after the call of `advance` that is under way."""
        self.stage.ask(Pause())

    def wait(self, timeout: float = 60.0) -> None:
        """Block until everything asked for has been done; TimeoutError after `timeout` seconds."""
        self.stage.wait(timeout)

    def picture(self) -> bytes:
        """The figure with the present values, as PNG."""
        self.wait()
        return small_png(Image.fromarray(self._draw()))

    def close(self) -> None:
        """Stop the worker and take the figure off the page."""
        with self._paging:
            self.stage.close()
            self.front_end.close()
            sheet, self.sheet = self.sheet, None
            if sheet:
                sheet.close()

    # ---- showing

    def _ipython_display_(self) -> None:
        if not has_front_end():
            self._draw()  # as on a page, `advance` comes after an `update`
            for _ in range(self.still if self.canvas.playable else 0):
                self.canvas.advance()
            width = round(100 * self.figure.get_figwidth())
            ipython.display(ipython.Image(self.picture(), width=width))
            self.goals.show_still()
            return
        with self._paging:
            if self.sheet is None:
                self.front_end.connect()
                self.sheet = Sheet(self)
                self.sheet.stand_at(self.wanted)
                self._send(crisp=True)
            self.stage.show(self.sheet.box)
            self.tell()

    def tell(self) -> None:
        """Have the page show whether it plays."""
        if sheet := self.sheet:
            sheet.tell()

    def say(self, message: str) -> None:
        """Show a sentence on the page."""
        self.message = message
        if sheet := self.sheet:
            sheet.say(message)

    # ---- the worker; nothing below runs in another thread, but for a first or a still picture

    def fulfil(self, wish: Wish) -> None:
        """Do what one wish asks."""
        self._fresh = True
        match wish:
            case Turn(values):
                self._wanted.update(values)
            case Drag(places):
                self._follow(places)
            case Resize(dpi):
                self.canvas.dpi = dpi

    def turn(self, fresh: bool) -> float | None:
        """Advance once if it plays, and send the picture that is due.

        While it is not on a page nothing is drawn.
        """
        if fresh and self.sheet and not self.stage.hurried:
            self.sheet.stand_at(self._wanted)
        if self.stage.on:
            self.canvas.advance()
        if self.sheet and self._due():
            fresh, self._fresh, self._rough = self._fresh, False, False  # not again if it raises
            self._send(crisp=not (fresh or self.stage.on))
            if fresh:
                self.say("")
        if self.stage.on:
            return 0.0
        return POLL if self.sheet and (self._fresh or self._rough) else None

    def _due(self) -> bool:
        since = time.monotonic() - self.front_end.sent_at
        due = since > PICTURE if self.stage.on else self._fresh or (self._rough and since > REST)
        return due and self.front_end.keeps_up

    def _follow(self, places: tuple[float, ...]) -> None:
        """Move the point that was nearest to the press to where the finger is now."""
        press, *rest = places
        began, now = (np.reshape(rest, (2, 2)) * [1, -1] + [0, 1]) * self.figure.bbox.size
        if press != self._press:
            self._press, self._held = press, self._point_at(began)
        if self._held:
            point = self._points[self._held]
            at = self._axes(point).transData.inverted().transform(now)
            self._wanted[self._held] = point.nearest(*at)

    def _point_at(self, pixel: np.ndarray) -> str:
        """The name of the point that lies nearest to a pixel, on axes around it; "" if none."""
        near = {}
        for name, point in self._points.items():
            if (ax := self._axes(point)).bbox.contains(*pixel):
                gap = ax.transData.transform(self._wanted[name]) - pixel
                near[name] = float(np.hypot(*gap))
        return min(near, key=near.__getitem__, default="")

    def _axes(self, point: Point) -> Any:
        return self.figure.axes[point.axes]

    def _send(self, crisp: bool) -> None:
        picture = Image.fromarray(self._draw())
        if sheet := self.sheet:
            sheet.show(picture, crisp)
            self._rough = not crisp
            self.front_end.count()
            self.front_end.ask()
            if self.goals.look(self.drawn):
                sheet.show_goals()

    def _draw(self) -> np.ndarray:
        """Draw the figure for the present values; pixels [height, width, 3]."""
        values = dict(self._wanted)
        pixels = self.canvas.draw(values)
        self.drawn = values
        return pixels
