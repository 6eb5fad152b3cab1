"""A figure with sliders: callbacks store what is wanted, one worker computes and draws."""

from __future__ import annotations

import html
import inspect
import io
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import ipywidgets as widgets
import matplotlib as mpl
import numpy as np
from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure
from PIL import Image

from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.live.display import cell_id, has_front_end, take_away
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.pad import Choice, Pad, Point, Slider, Toggle
from gan_lessons.plots import STYLE, figure, small_png

PICTURE = 0.05  # seconds from one picture to the next while it plays
REST = 0.25  # seconds without a move until the picture is sent once more, without loss
BEHIND = 2  # pictures that a slow front end may lag before we stop sending
PLAY, PAUSE = ("Play", "play"), ("Pause", "pause")  # label, icon
DESK, PROJECTOR = 100, 150  # dots per inch

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
        controls: by the names of update's arguments.

    Raises: InputError if `update` does not take the controls by their names.
    """

    _shown: ClassVar[list[Explorer]] = []

    def __init__(
        self,
        build: Callable[[Figure], Any],
        *,
        size: tuple[float, float] = (9.3, 3.4),
        still: int = 0,
        **controls: Slider | Toggle | Choice | Point,
    ) -> None:
        self.controls, self.still = controls, still
        self.name = getattr(build, "__qualname__", type(build).__name__)
        self._points = {name: c for name, c in controls.items() if isinstance(c, Point)}
        self.figure = figure(*size)
        with mpl.rc_context(STYLE):
            built = build(self.figure)
        self._update, self._advance = built if isinstance(built, tuple) else (built, None)
        self._wanted: Values = {name: control.value for name, control in controls.items()}
        self._check_controls()
        self.drawn: Values = {}  # the values that the last picture shows
        self.playing, self.message = False, ""
        self._background: Any = None
        self._dpi = DESK
        self._drawing, self._bell = threading.RLock(), threading.Condition(threading.RLock())
        self._fresh = self._rough = self._closed = False
        self._drag: list[float] | None = None  # what the pad told last, until it is followed
        self._press, self._held = 0.0, ""
        self._setter = 0  # the thread that is setting widgets, whose callbacks ask for nothing
        self.front_end = FrontEnd(BEHIND)
        self.worker: threading.Thread | None = None
        self.box: Any = None
        self.button: Any = None

    def _check_controls(self) -> None:
        try:
            inspect.signature(self._update).bind(**self._wanted)
        except TypeError as error:
            names = ", ".join(self._wanted) or "none"
            raise InputError(f"update must take the controls ({names}) by name: {error}") from None
        last = len(self.figure.axes) - 1
        for name, point in self._points.items():
            check_number(f"axes of {name}", point.axes, 0, last, integer=True)

    # What a person, or a script, can ask for. Each call but `picture` returns at once.

    def values(self, **given: Any) -> Values:
        """Set some values (InputError if one is not allowed) and return all that are wanted."""
        checked = {}
        for name, value in given.items():
            check_choice("control", name, self.controls)
            checked[name] = self.controls[name].check(name, value)
        self._want(checked)
        if self.box and checked:
            self._show_values(checked)
        return dict(self._wanted)

    def play(self) -> None:
        """Call `advance` again and again, and show what comes of it."""
        if self._advance is None:
            raise InputError("nothing to play: build returned no advance function")
        self.front_end.greet()
        self._play(True)
        self._want({})

    def pause(self) -> None:
        """Stop after the call of `advance` that is under way."""
        self._play(False)
        self._want({})

    def picture(self) -> bytes:
        """The figure with the present values, as PNG."""
        return small_png(Image.fromarray(self._draw(dict(self._wanted))))

    def close(self) -> None:
        """Stop the worker and take the figure off the page."""
        self._closed, self.playing = True, False
        with self._bell:
            self._bell.notify_all()
        if self.worker and self.worker is not threading.current_thread():
            self.worker.join(timeout=10)
        self.front_end.close()
        if self.box:
            take_away(self.box)
        if self in self._shown:
            self._shown.remove(self)

    # Showing.

    def _ipython_display_(self) -> None:
        from IPython.display import Image as Picture
        from IPython.display import display

        if not has_front_end():
            self._draw(dict(self._wanted))  # as on a page, `advance` comes after an `update`
            for _ in range(self.still if self._advance else 0):
                self._advance()
            display(Picture(self.picture(), width=round(100 * self.figure.get_figwidth())))
            return
        self._replace_former()
        self._make_widgets()
        self._send(crisp=True)
        display(self.box)

    def _replace_former(self) -> None:
        """Close what an earlier run of this cell has shown."""
        shell = get_ipython()
        self.cell, self.run = cell_id() or self.name, getattr(shell, "execution_count", None)
        for other in list(self._shown):
            if other is self or (other.cell == self.cell and other.run != self.run):
                other.close()
        self._closed = False
        self._shown.append(self)

    def _make_widgets(self) -> None:
        self.inputs = {name: each.widgets(name) for name, each in self.controls.items()}
        for name, made in self.inputs.items():
            for widget in made:
                widget.observe(self._moved(name), "value")
        self.image = widgets.Image(layout={"width": "100%", "grid_area": "picture", "margin": "0"})
        self.note = widgets.HTML()
        self.front_end.connect()
        self.big = widgets.ToggleButton(value=False, description="projector", tooltip="Larger")
        self.big.layout.width = "84px"
        self.big.observe(lambda _: self._resize(), "value")
        row = widgets.HBox([*self._buttons(), *itertools.chain(*self.inputs.values()), self.big])
        row.layout.flex_flow = "row wrap"
        self.page = widgets.GridBox([self.image, *self._pads()])
        self.page.layout.grid_template_areas = '"picture"'
        self.box = widgets.VBox([row, self.page, self.note])
        self.box.add_class("gan-explorer")
        self._fit_page()

    def _fit_page(self) -> None:
        """Room for one pixel of the page a pixel of the picture; less if the page is narrow."""
        wide = round(self._dpi * self.figure.get_figwidth())
        self.page.layout.width, self.page.layout.max_width = f"{wide}px", "100%"
        self.box.layout.max_width = f"{wide + 10}px"

    def _buttons(self) -> list[Any]:
        if self._advance is None:
            return []
        self.button = widgets.Button(tooltip="Go on, or stop", button_style="primary")
        self.button.layout.width = "92px"
        self.button.on_click(lambda _: self.pause() if self.playing else self.play())
        self._play(False)
        return [self.button]

    def _pads(self) -> list[Any]:
        if not self._points:
            return []
        self.pad = Pad(layout={"grid_area": "picture", "margin": "0"})
        self.pad.observe(self._dragged, "drag")
        return [self.pad]

    # What arrives in other threads: store it, ring the bell, return.

    def _want(self, values: Values) -> None:
        with self._bell:
            self._wanted.update(values)
            self._fresh = True
            if self.box and not self._closed and not (self.worker and self.worker.is_alive()):
                self.worker = threading.Thread(target=self._work, name="gan-explorer", daemon=True)
                self.worker.start()
            self._bell.notify_all()

    def _moved(self, name: str) -> Callable[[Any], None]:
        def store(_: Any) -> None:
            new = [widget.value for widget in self.inputs[name]]
            if threading.get_ident() != self._setter:
                self._want({name: tuple(new) if len(new) > 1 else new[0]})

        return store

    def _resize(self) -> None:
        self._dpi = PROJECTOR if self.big.value else DESK
        self._fit_page()
        self._want({})

    def _dragged(self, change: Any) -> None:
        with self._bell:
            self._drag = change.new
        self._want({})

    def _play(self, on: bool) -> None:
        self.playing = on
        if self.button:
            self.button.description, self.button.icon = PAUSE if on else PLAY

    def _show_values(self, values: Values) -> None:
        self._setter = threading.get_ident()
        for name, value in values.items():
            parts = value if name in self._points else (value,)
            for widget, part in zip(self.inputs[name], parts, strict=True):
                widget.value = part
        self._setter = 0

    # The worker. Nothing below runs in another thread, but for the first picture.

    def _work(self) -> None:
        while self._wait():
            try:
                self._turn()
            except Exception as error:
                self._play(False)
                self._rough = False  # or the same would be tried again at once
                name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
                self._say(f"{name}{error}")

    def _wait(self) -> bool:
        """Sleep until there is something to do; False when all is over."""
        with self._bell:
            while not (self._closed or self.playing or self._due()):
                self._bell.wait(0.05 if self._fresh or self._rough else None)
        return not self._closed

    def _due(self) -> bool:
        rested = self._rough and time.monotonic() - self.front_end.sent_at > REST
        return (self._fresh or rested) and self.front_end.keeps_up

    def _turn(self) -> None:
        fresh, self._fresh = self._fresh, False
        if self.playing and not self._go_on():
            self._fresh |= fresh
            return
        self._follow_drag()
        self._send(crisp=not (fresh or self.playing))
        if fresh:
            self._say("")

    def _go_on(self) -> bool:
        """Advance once; whether it is time for a picture."""
        with self._drawing:
            self._advance()
        if self.front_end.deserted:
            self._play(False)
            self._say("paused: nobody seems to be watching; press Play to go on")
        return time.monotonic() - self.front_end.sent_at > PICTURE and self.front_end.keeps_up

    def _follow_drag(self) -> None:
        """Move the point that was nearest to the press to where the finger is now."""
        drag, self._drag = self._drag, None
        if drag is None:
            return
        press, *places = drag
        began, now = (np.reshape(places, (2, 2)) * [1, -1] + [0, 1]) * self.figure.bbox.size
        if press != self._press:
            self._press, self._held = press, self._point_at(began)
        if self._held:
            point = self._points[self._held]
            at = self._axes(point).transData.inverted().transform(now)
            moved = {self._held: point.nearest(*at)}
            with self._bell:
                self._wanted.update(moved)
            self._show_values(moved)

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
        picture, buffer = Image.fromarray(self._draw(dict(self._wanted))), io.BytesIO()
        if crisp:
            picture.save(buffer, "PNG", compress_level=1)
        else:
            picture.save(buffer, "JPEG", quality=85)
        with self.image.hold_sync():
            self.image.format = "png" if crisp else "jpeg"
            self.image.value = buffer.getvalue()
        self._rough = not crisp
        self.front_end.count()
        self.front_end.ask()

    def _say(self, message: str) -> None:
        if message != self.message:
            self.message, self.note.value = message, html.escape(message)

    # Drawing, by one thread at a time.

    def _draw(self, values: Values) -> np.ndarray:
        """Draw the figure for some values; pixels [height, width, 3]."""
        with self._drawing:
            resized = self._dpi != self.figure.dpi
            self.figure.set_dpi(self._dpi)
            if self._update(**values) or resized or self._background is None:
                self._draw_background()
            self.figure.canvas.restore_region(self._background)
            for artist in self._moving:
                self.figure.draw_artist(artist)
            self.drawn = values
            return np.array(self.figure.canvas.buffer_rgba())[..., :3]

    def _draw_background(self) -> None:
        with mpl.rc_context(STYLE):
            self.figure.canvas.draw()
        self.figure.set_layout_engine("none")  # from now on the axes stay where they are
        self._background = self.figure.canvas.copy_from_bbox(self.figure.bbox)
        moving = self.figure.findobj(lambda artist: artist.get_animated())
        self._moving = sorted(moving, key=lambda artist: artist.get_zorder())
