"""A player's widgets. Callbacks only call its asking methods, which return at once."""

from __future__ import annotations

import contextlib
import html
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import ipywidgets as widgets

from gan_lessons.errors import InputError
from gan_lessons.live.dials import Dial
from gan_lessons.live.display import take_away
from gan_lessons.live.goals import Goals
from gan_lessons.live.screen import SIZES, Screen
from gan_lessons.run import Run
from gan_lessons.training import ended, knobs_of

SPEEDS: dict[str, float | None] = {
    "1 step/s": 1.0,
    "5 steps/s": 5.0,
    "30 steps/s": 30.0,
    "200 steps/s": 200.0,
    "1,000 steps/s": 1000.0,
    "full speed": None,
}
PLAY, PAUSE = ("Play", "play"), ("Pause", "pause")  # label, icon
FOLLOW = 1.0  # seconds between the moves of sliders that follow a schedule
HELD = 1.5  # seconds for which a slider that somebody has moved follows nothing


class PlayerOnPage(Protocol):
    """What the controls need of a player."""

    run: Run
    screen: Screen
    size: str
    cursor: int | None
    message: str
    goals: Goals

    @property
    def rate(self) -> float: ...
    @property
    def playing(self) -> bool: ...
    @property
    def training(self) -> bool: ...
    @property
    def settled(self) -> bool: ...
    @property
    def acting(self) -> Any: ...
    @property
    def shown_step(self) -> int: ...
    def play(self) -> None: ...
    def pause(self) -> None: ...
    def step(self, who: str = "both") -> None: ...
    def reset(self, seed: int | None = None) -> None: ...
    def set(self, **knobs: Any) -> None: ...
    def set_speed(self, steps_per_second: float | None) -> None: ...
    def scrub(self, index: int) -> None: ...
    def complain(self, sentence: str) -> None: ...
    def resize(self, size: str) -> None: ...


class Controls:
    """Everything that is on the page for one player: what it shows follows from the player.

    The worker shows pictures; whoever asks for something has the label of Play and the status
    follow at once.
    """

    def __init__(self, player: PlayerOnPage, names: Sequence[str]) -> None:
        self.player = player
        # Never without a picture: Chromium does not show the next one of an image that had none
        # if it comes while the cell is out of sight, as when a whole lesson is run at once.
        blank, layout = player.screen.blank(), widgets.Layout(max_width="100%")
        self.image = widgets.Image(value=blank, format="png", layout=layout)
        self._fit_image(player.size)
        self.status, self.message = widgets.HTML(), widgets.HTML()
        self.tasks = widgets.HTMLMath(player.goals.page())
        known = [each for each in knobs_of(player.run.knobs).values() if each.slider]
        self.dials = {each.name: Dial(each, getattr(player.acting, each.name)) for each in known}
        self.knobs = {name: dial.slider for name, dial in self.dials.items()}
        for name, slider in self.knobs.items():
            slider.observe(self._moved(name), "value")
        self._lock = threading.RLock()  # while one thread derives a label and shows it
        self._ours: int | None = None  # the thread that is moving widgets to where they belong
        self._state, self._followed = "", 0.0
        self.closed = False
        self.box = widgets.VBox(
            [
                self._buttons(),
                *self._sliders(names),
                self._history(),
                self._lines(),
                self.image,
                self.tasks,
            ],
            layout=widgets.Layout(max_width=_width(player.size)),
        )
        self.box.add_class("gan-player")
        self.tell()

    # What is on the page.

    def _buttons(self) -> Any:
        player = self.player
        self.play = self._button(PLAY[0], "Train, or stop training", self._toggle, "92px")
        self.play.icon = PLAY[1]
        self.play.button_style = "primary"
        self.seed = widgets.BoundedIntText(
            value=player.run.seed,
            min=0,
            max=2**31 - 1,
            description="seed",
            tooltip="Decides weights and all randomness",
            style={"description_width": "32px"},
            layout=widgets.Layout(width="110px"),
        )
        reset = self._button("reset", "Start over from the seed", self._reset)
        self.speed = widgets.SelectionSlider(
            options=list(SPEEDS),
            value="full speed",
            description="speed",
            tooltip="Slow motion to full speed",
            style={"description_width": "40px"},
            layout=widgets.Layout(width="200px"),
        )
        self.speed.observe(self._speed, "value")
        self.big = widgets.ToggleButton(
            value=player.size == "projector",
            description="projector",
            tooltip="Larger text, readable from the back of the room",
            layout=widgets.Layout(width="84px"),
        )
        self.big.observe(self._resize, "value")
        return _row([self.play, *self._steps(), reset, self.seed, self.speed, self.big])

    def _button(self, label: str, tip: str, act: Callable[[], None], width: str = "76px") -> Any:
        made = widgets.Button(description=label, tooltip=tip, layout=widgets.Layout(width=width))
        made.on_click(lambda _: None if self.closed else act())
        return made

    def _steps(self) -> list[Any]:
        step = self.player.step
        if "d_steps" not in knobs_of(self.player.run.knobs):
            return [self._button("step", "One step", step)]
        return [
            self._button("step D", "One step of the discriminator alone", lambda: step("d")),
            self._button("step G", "One step of the generator alone", lambda: step("g")),
            self._button("step both", "One step of both players", lambda: step("both"), "84px"),
        ]

    def _sliders(self, names: Sequence[str]) -> list[Any]:
        shown = [self.dials[name].box for name in names]
        rest = [dial.box for name, dial in self.dials.items() if name not in names]
        more = widgets.Accordion([_row(rest)], titles=["more knobs"], selected_index=None)
        return [_row(shown), *([more] if rest else [])]

    def _history(self) -> Any:
        self.past = widgets.IntSlider(
            min=0,
            max=0,
            description="history",
            readout=False,
            tooltip="Look back; Play goes on from the step shown",
            style={"description_width": "66px"},
            layout=widgets.Layout(width="auto"),
        )
        self.past.observe(self._scrubbed, "value")
        return self.past

    def _lines(self) -> Any:
        return widgets.HBox([self.status, self.message], layout=widgets.Layout(min_height="30px"))

    # What a person does.

    def _toggle(self) -> None:
        if self.player.playing:
            self.player.pause()
        else:
            self.player.play()

    def _reset(self) -> None:
        self.player.reset(self.seed.value)

    def _moved(self, name: str) -> Callable[[Any], None]:
        def ask(change: Any) -> None:
            if self._person:
                self.dials[name].touched = time.monotonic()
                try:
                    self.player.set(**{name: change.new})
                    self.dials[name].say(change.new)
                except InputError as error:
                    self.player.complain(str(error))
                    self._show_knobs([name])

        return ask

    def _speed(self, change: Any) -> None:
        if self._person:
            self.player.set_speed(SPEEDS[change.new])

    def _resize(self, change: Any) -> None:
        if self._person:
            self.player.resize("projector" if change.new else "notebook")

    def _scrubbed(self, change: Any) -> None:
        if self._person:
            self.player.scrub(change.new)

    @property
    def _person(self) -> bool:
        """Whether a widget moves because somebody moves it, and not to where we put it."""
        return not self.closed and self._ours != threading.get_ident()

    # What is shown. A page is slower at taking messages in than we are at sending them.

    @contextlib.contextmanager
    def _putting(self) -> Iterator[None]:
        """Widgets may be moved in here without anybody asking for anything."""
        with self._lock:
            self._ours, before = threading.get_ident(), self._ours
            try:
                yield
            finally:
                self._ours = before

    def show(self, picture: bytes, words: bool = True) -> None:
        """Put one frame on the page; with `words` the state of the run too."""
        with self.image.hold_sync():
            self.image.format = "png" if picture[:1] == b"\x89" else "jpeg"
            self.image.value = picture
        if words:
            self._show_history()
            self._follow()
            self.tell(anew=True)

    def say(self, message: str) -> None:
        """Show a sentence beside the status."""
        self.message.value = html.escape(message)

    def tell(self, anew: bool = False) -> None:
        """Show whether it plays; `anew` writes the status again though that has not changed."""
        with self._lock:
            label, icon = PAUSE if self.player.playing else PLAY
            if self.play.description != label:
                self.play.description, self.play.icon = label, icon
            if anew or _state(self.player) != self._state:
                self._state = _state(self.player)
                self.status.value = _status(self.player)

    def _show_history(self) -> None:
        steps, cursor = sorted(self.player.run.snapshots), self.player.cursor
        at = len(steps) - 1 if cursor is None else steps.index(cursor) if cursor in steps else None
        if cursor is None or (self.player.settled and at is not None):
            with self._putting():  # two messages: taken in one, the page sends a value back
                self.past.max = len(steps) - 1
                self.past.value = at

    def _follow(self) -> None:
        """Move the sliders to what acts now, but for those that somebody is moving."""
        now, training = time.monotonic(), self.player.training
        if training and now - self._followed < FOLLOW:
            return
        self._followed = now
        held = {name for name, dial in self.dials.items() if now - dial.touched < HELD}
        if training or not self.player.settled:
            self._show_knobs([name for name in self.dials if name not in held])
        else:
            self._show_knobs(list(self.dials))

    def _show_knobs(self, names: Sequence[str]) -> None:
        acting = self.player.acting
        with self._putting():
            for name in names:
                self.dials[name].stand_at(getattr(acting, name))

    def show_goals(self) -> None:
        """Show which tasks are done."""
        self.tasks.value = self.player.goals.page()

    def fit(self, size: str) -> None:
        """Take the width that a size needs."""
        with self._putting():
            self.big.value = size == "projector"
        self.box.layout.max_width = _width(size)
        self._fit_image(size)

    def _fit_image(self, size: str) -> None:
        """Pixel for pixel: scaling a picture costs a browser more than showing it."""
        inches, _, dpi = SIZES[size]
        self.image.layout.width = f"{round(inches * dpi)}px"

    def show_speed(self, speed: float | None) -> None:
        """Stand at this speed, if it is one of those on the slider."""
        named = [name for name, value in SPEEDS.items() if value == speed]
        if named:
            with self._putting():
                self.speed.value = named[0]

    def show_seed(self, seed: int) -> None:
        """Stand at this seed."""
        self.seed.value = seed

    def close(self) -> None:
        """Take everything off the page."""
        self.closed = True
        take_away(self.box)


def _row(children: Sequence[Any]) -> Any:
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def _width(size: str) -> str:
    return "940px" if size == "notebook" else "1410px"


def _state(player: PlayerOnPage) -> str:
    """What it is doing, and about to do."""
    if player.training:
        return "training" if player.playing else "pausing"
    return "starting" if player.playing else "paused"


def _status(player: PlayerOnPage) -> str:
    state, acting = _state(player), player.acting
    waiting = " …" if state in ("pausing", "starting") else ""
    speed = f" at {player.rate:,.0f} steps/s" if state == "training" else ""
    step = f"{player.run.step:,}"
    step = step if player.cursor is None else f"{player.cursor:,} of {step}"
    rates = ", ".join(
        f"{each.label} {getattr(acting, name):.2g}"
        for name, each in knobs_of(acting).items()
        if each.slider and (name.startswith("lr") or name == "rate")
    )
    over = ended(player.run.knobs, player.shown_step)
    schedule = " · the schedule is over: all stays as it is now" if over else ""
    data = f"data-state='{state}' data-step='{player.run.step}'"
    data += f" data-lr-d='{getattr(acting, 'lr_d', 0):g}'"
    data += f" data-objective='{html.escape(str(getattr(acting, 'objective', '')))}'"
    said = f"{state}{waiting}{speed} · step {step} · {rates}{schedule}"
    return f"<span class='gan-status' {data}>{said}</span>"
