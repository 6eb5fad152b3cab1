"""An explorer's widgets. Callbacks only put a wish into the queue and return."""

from __future__ import annotations

import html
import io
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import ipywidgets as widgets
from PIL import Image

from gan_lessons.live.canvas import DESK, PROJECTOR, Canvas
from gan_lessons.live.display import take_away
from gan_lessons.live.goals import Goals
from gan_lessons.live.inputs import Choice, Point, Slider, Toggle
from gan_lessons.live.pad import Pad
from gan_lessons.live.stage import Stage
from gan_lessons.live.wishes import Drag, Resize, Turn

PLAY, PAUSE = ("Play", "play"), ("Pause", "pause")  # label, icon


class ExplorerOnPage(Protocol):
    """What the sheet needs of an explorer."""

    stage: Stage
    canvas: Canvas
    controls: dict[str, Slider | Toggle | Choice | Point]
    goals: Goals

    @property
    def playing(self) -> bool: ...
    def play(self) -> None: ...
    def pause(self) -> None: ...


class Sheet:
    """Everything that is on the page for one explorer."""

    def __init__(self, explorer: ExplorerOnPage) -> None:
        self.explorer = explorer
        self._lock = threading.RLock()
        self._ours: int | None = None  # the thread that is moving widgets to where they belong
        self.closed = False
        self.inputs = {name: each.widgets(name) for name, each in explorer.controls.items()}
        for name, made in self.inputs.items():
            for widget in made:
                widget.observe(self._moved(name), "value")
        self.image = widgets.Image(layout={"width": "100%", "grid_area": "picture", "margin": "0"})
        self.note = widgets.HTML()
        self.tasks = widgets.HTMLMath(explorer.goals.page())
        self.big = widgets.ToggleButton(value=False, description="projector", tooltip="Larger")
        self.big.layout.width = "84px"
        self.big.observe(self._resize, "value")
        self.button = self._play_button()
        self.pad = self._drag_pad()
        inputs = itertools.chain(*self.inputs.values())
        row = widgets.HBox([*filter(None, [self.button]), *inputs, self.big])
        row.layout.flex_flow = "row wrap"
        self.page = widgets.GridBox([self.image, *filter(None, [self.pad])])
        self.page.layout.grid_template_areas = '"picture"'
        self.box = widgets.VBox([row, self.page, self.note, self.tasks])
        self.box.add_class("gan-explorer")
        self._fit_page(DESK)

    def _play_button(self) -> Any:
        if not self.explorer.canvas.playable:
            return None
        button = widgets.Button(description=PLAY[0], icon=PLAY[1], tooltip="Go on, or stop")
        button.button_style, button.layout.width = "primary", "92px"
        button.on_click(lambda _: self._toggle())
        return button

    def _drag_pad(self) -> Any:
        if not any(isinstance(each, Point) for each in self.explorer.controls.values()):
            return None
        pad = Pad(layout={"grid_area": "picture", "margin": "0"})
        pad.observe(self._dragged, "drag")
        return pad

    def _fit_page(self, dpi: int) -> None:
        """Room for one pixel of the page a pixel of the picture; less if the page is narrow."""
        wide = round(dpi * self.explorer.canvas.figure.get_figwidth())
        self.page.layout.width, self.page.layout.max_width = f"{wide}px", "100%"
        self.box.layout.max_width = f"{wide + 10}px"

    # What a person does.

    def _toggle(self) -> None:
        if self.explorer.playing:
            self.explorer.pause()
        else:
            self.explorer.play()

    def _moved(self, name: str) -> Callable[[Any], None]:
        def ask(_: Any) -> None:
            new = [widget.value for widget in self.inputs[name]]
            if not self.closed and threading.get_ident() != self._ours:
                self.explorer.stage.ask(Turn({name: tuple(new) if len(new) > 1 else new[0]}))

        return ask

    def _resize(self, _: Any) -> None:
        dpi = PROJECTOR if self.big.value else DESK
        self._fit_page(dpi)
        self.explorer.stage.ask(Resize(dpi))

    def _dragged(self, change: Any) -> None:
        self.explorer.stage.ask(Drag(tuple(change.new)))

    # What is shown.

    def stand_at(self, values: Mapping[str, Any]) -> None:
        """Move the inputs to these values."""
        with self._lock:
            self._ours = threading.get_ident()
            for name, value in values.items():
                parts = value if len(self.inputs[name]) > 1 else (value,)
                for widget, part in zip(self.inputs[name], parts, strict=True):
                    widget.value = part
            self._ours = None

    def tell(self) -> None:
        """Show whether it plays."""
        with self._lock:
            if self.button:
                self.button.description, self.button.icon = PAUSE if self.explorer.playing else PLAY

    def say(self, message: str) -> None:
        """Show a sentence below the picture."""
        self.note.value = html.escape(message)

    def show_goals(self) -> None:
        """Show which tasks are done."""
        self.tasks.value = self.explorer.goals.page()

    def show(self, picture: Image.Image, crisp: bool) -> None:
        """Put a picture on the page: PNG if it is to be crisp, else JPEG."""
        buffer = io.BytesIO()
        if crisp:
            picture.save(buffer, "PNG", compress_level=1)
        else:
            picture.save(buffer, "JPEG", quality=85)
        with self.image.hold_sync():
            self.image.format = "png" if crisp else "jpeg"
            self.image.value = buffer.getvalue()

    def close(self) -> None:
        """Take everything off the page."""
        self.closed = True
        take_away(self.box)
