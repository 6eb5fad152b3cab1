"""A player's widgets. Callbacks only call its asking methods, which return at once."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from gan_lessons import objectives
from gan_lessons.live.display import take_away
from gan_lessons.live.screen import SIZES
from gan_lessons.training import Knobs

if TYPE_CHECKING:
    from gan_lessons.live.player import Player

SPEEDS: dict[str, float | None] = {
    "1 step/s": 1.0,
    "5 steps/s": 5.0,
    "30 steps/s": 30.0,
    "200 steps/s": 200.0,
    "1,000 steps/s": 1000.0,
    "full speed": None,
}
PLAY, PAUSE = ("Play", "play"), ("Pause", "pause")  # label, icon

# Where a slider can stand; what a game starts with joins them, exactly as it is.
WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DIGITS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
RATES = (*(float(f"{digit}e{power}") for power in range(-5, 0) for digit in DIGITS), 1.0)
SHARES = tuple(number / 20 for number in range(21))
DECAYS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
STOPS: dict[str, Sequence[float]] = {
    "lr_d": RATES,
    "lr_g": RATES,
    "d_steps": range(11),
    "g_steps": range(11),
    "beta1": SHARES[:-1],
    "beta2": DECAYS,
    "ema": DECAYS,
    "label_smoothing": SHARES[:11],
    "feature_matching": SHARES,
    "augment": SHARES,
}
LABELS = {
    "objective": "objective",
    "lr_d": "D's rate",
    "lr_g": "G's rate",
    "beta1": "β₁",
    "beta2": "β₂",
    "d_steps": "D steps",
    "g_steps": "G steps",
    "r1": "R1",
    "r2": "R2",
    "zero_gp": "zero-GP",
    "wgan_gp": "WGAN-GP",
    "clip": "clip",
    "noise": "noise",
    "label_smoothing": "smooth",
    "ema": "averaging",
    "feature_matching": "features",
    "augment": "augment",
    "l1": "L1",
    "l2": "L2",
}
HELP = {
    "objective": "What the two players are paid",
    "lr_d": "Learning rate of the discriminator",
    "lr_g": "Learning rate of the generator",
    "d_steps": "Updates of D in each step",
    "g_steps": "Updates of G in each step",
    "r1": "Weight of the penalty on D's gradient at real points",
    "r2": "Weight of the penalty on D's gradient at generated points",
    "zero_gp": "Weight of the zero-centred penalty between real and fake",
    "wgan_gp": "Weight of the WGAN gradient penalty",
    "clip": "Bound on D's weights (0: none)",
    "noise": "Standard deviation of the noise added to D's inputs",
    "label_smoothing": "One-sided label smoothing: the real label is 1 minus this",
    "beta1": "Adam's momentum",
    "beta2": "Decay of Adam's second moment",
    "ema": "Decay of the moving average of G's weights",
    "feature_matching": "Share of G's loss that compares D's mean features",
    "augment": "How much the pictures that D sees are moved, brightened and cut",
    "l1": "Weight in G's loss of the mean difference between pairs of fake and real",
    "l2": "Weight in G's loss of the mean squared difference between pairs of fake and real",
}
STYLE = {"description_width": "66px"}


def _choices(values: Sequence[float], now: float) -> list[tuple[str, float]]:
    return [(f"{value:g}", value) for value in sorted({*values, now})]


def slider(name: str, now: Any) -> Any:
    """The widget that moves knob `name`, standing at `now`."""
    common: dict[str, Any] = {
        "description": LABELS[name],
        "tooltip": HELP[name],
        "style": STYLE,
        "layout": widgets.Layout(width="306px"),
    }
    if name == "objective":
        options = [(entry.replace("_", " "), entry) for entry in objectives.NAMES]
        return widgets.Dropdown(options=options, value=now, **common)
    stops = STOPS.get(name, WEIGHTS)
    return widgets.SelectionSlider(options=_choices(stops, now), value=now, **common)


class Controls:
    """Everything that is on the page for one player.

    The worker alone writes `image`, `status`, `message`, the play button's label and, while it
    trains, the history slider; a person's moves arrive in other threads and only ask.
    """

    def __init__(self, player: Player, names: Sequence[str]) -> None:
        self.player = player
        # Never without a picture: Chromium does not show the next one of an image that had none
        # if it comes while the cell is out of sight, as when a whole lesson is run at once.
        blank, layout = player.screen.blank(), widgets.Layout(max_width="100%")
        self.image = widgets.Image(value=blank, format="png", layout=layout)
        self._fit_image(player.size)
        self.status = widgets.HTML()
        self.message = widgets.HTML()
        self.knobs = {name: slider(name, getattr(player.run.knobs, name)) for name in LABELS}
        for name, widget in self.knobs.items():
            widget.observe(self._moved(name), "value")
        self.box = widgets.VBox(
            [self._buttons(), *self._sliders(names), self._history(), self._lines(), self.image],
            layout=widgets.Layout(max_width=_width(player.size)),
        )
        self.box.add_class("gan-player")

    def _buttons(self) -> Any:
        def button(label: str, tip: str, act: Callable[[], None], width: str = "76px") -> Any:
            made = widgets.Button(
                description=label, tooltip=tip, layout=widgets.Layout(width=width)
            )
            made.on_click(lambda _: act())
            return made

        player = self.player
        self.play = button(PLAY[0], "Train, or stop training", self._toggle, "92px")
        self.play.icon = PLAY[1]
        self.play.button_style = "primary"
        steps = [
            button("step D", "One step of the discriminator alone", lambda: player.step("d")),
            button("step G", "One step of the generator alone", lambda: player.step("g")),
            button("step both", "One step of both players", lambda: player.step("both"), "84px"),
        ]
        self.seed = widgets.BoundedIntText(
            value=player.run.seed,
            min=0,
            max=2**31 - 1,
            description="seed",
            tooltip="Decides weights and all randomness",
            style={"description_width": "32px"},
            layout=widgets.Layout(width="110px"),
        )
        reset = button("reset", "Start over from the seed", lambda: player.reset(self.seed.value))
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
        return _row([self.play, *steps, reset, self.seed, self.speed, self.big])

    def _sliders(self, names: Sequence[str]) -> list[Any]:
        shown = [self.knobs[name] for name in names]
        rest = [widget for name, widget in self.knobs.items() if name not in names]
        more = widgets.Accordion([_row(rest)], titles=["more knobs"], selected_index=None)
        return [_row(shown), more]

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

    def _moved(self, name: str) -> Callable[[Any], None]:
        return lambda change: self.player.set(**{name: change.new})

    def _speed(self, change: Any) -> None:
        self.player.set_speed(SPEEDS[change.new])

    def _resize(self, change: Any) -> None:
        size = "projector" if change.new else "notebook"
        self.box.layout.max_width = _width(size)
        self._fit_image(size)
        self.player.resize(size)

    def _fit_image(self, size: str) -> None:
        """Pixel for pixel: scaling a picture costs a browser more than showing it."""
        inches, _, dpi = SIZES[size]
        self.image.layout.width = f"{round(inches * dpi)}px"

    def _scrubbed(self, change: Any) -> None:
        if threading.current_thread() is not self.player.worker:
            self.player.scrub(change.new)

    # What the worker shows. A page is slower at taking messages in than we are at sending them.

    def show(self, picture: bytes, player: Player, words: bool = True) -> None:
        """Put one frame on the page; with `words` the state of the run too."""
        with self.image.hold_sync():
            self.image.format = "png" if picture[:1] == b"\x89" else "jpeg"
            self.image.value = picture
        if words:
            self._show_history(player)
            self.tell(player)

    def tell(self, player: Player) -> None:
        """Say whether it trains, without a new picture."""
        label, icon = PAUSE if player.playing else PLAY
        if self.play.description != label:
            self.play.description, self.play.icon = label, icon
        self.status.value = _status(player)

    def _show_history(self, player: Player) -> None:
        last = len(player.run.snapshots) - 1
        if player.cursor is None:  # two messages: taken in one, the page sends a value back
            self.past.max = last
            self.past.value = last

    def close(self) -> None:
        """Take everything off the page."""
        take_away(self.box)


def _row(children: Sequence[Any]) -> Any:
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def _width(size: str) -> str:
    return "940px" if size == "notebook" else "1410px"


def _status(player: Player) -> str:
    state = "training" if player.training else "paused"
    knobs: Knobs = player.run.knobs
    speed = f" at {player.rate:,.0f} steps/s" if player.training else ""
    step = f"{player.run.step:,}"
    step = step if player.cursor is None else f"{player.cursor:,} of {step}"
    rates = f"D's rate {knobs.lr_d:.2g}, G's rate {knobs.lr_g:.2g}"
    data = (
        f"data-state='{state}' data-step='{player.run.step}' data-lr-d='{knobs.lr_d:g}' "
        f"data-objective='{html.escape(str(knobs.objective))}'"
    )
    return f"<span class='gan-status' {data}>{state}{speed} · step {step} · {rates}</span>"
