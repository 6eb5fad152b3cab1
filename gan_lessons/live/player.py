"""The live player: one background worker trains and draws; controls only say what is wanted."""

from __future__ import annotations

import collections
import html
import io
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import jax
from PIL import Image

from gan_lessons import training
from gan_lessons.errors import InputError, check_choice
from gan_lessons.images import Stacked, image_set
from gan_lessons.live.controls import Controls
from gan_lessons.live.display import cell_id, fast, has_front_end
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.panels import (
    Coverage,
    ImageGrid,
    LatentGrid,
    LatentWalk,
    Losses,
    OverTime,
    Panel,
    Quality,
    Samples,
    StackModes,
    View,
)
from gan_lessons.live.screen import SIZES, Screen
from gan_lessons.metrics import FrechetMeter, train_feature_extractor
from gan_lessons.plots import small_png
from gan_lessons.presets import preset
from gan_lessons.run import Run
from gan_lessons.training import BLOCK, Config, Knobs

COMPILING = "compiling …"
CHUNK = 0.045  # seconds of training in one go at full speed: how long a wish may have to wait
PICTURE = 0.056  # seconds from one picture to the next
APART, SELDOM = 10, 0.4  # the same where steps are slow: in steps, and seconds at most
WORDS = 0.35  # seconds between pictures that bring new text: nobody reads faster
BEHIND = 8  # pictures that a slow front end may lag before we stop sending


class Player:
    """A game with controls: play, pause, step, scrub, and move every knob while it trains.

    Shown as the last line of a cell it returns at once and trains in the background. Without a
    front end (nbconvert, tests) it trains `steps` steps and leaves a still picture instead.

    Args:
        config, knobs, seed: the run (`gan_lessons.run.Run`).
        panels: what to look at; default for two-dimensional data.
        controls: names of the knobs that get a slider; the rest sits under "more knobs".
        steps: how long to train where nobody can press Play.
        size: "notebook" or "projector".
    """

    _in_cell: ClassVar[dict[str, Player]] = {}

    def __init__(
        self,
        config: Config,
        knobs: Knobs | None = None,
        *,
        panels: Sequence[Panel] | None = None,
        controls: Sequence[str] = ("objective", "lr_d", "lr_g", "r1", "noise", "d_steps"),
        steps: int = 2000,
        seed: int = 0,
        size: str = "notebook",
    ) -> None:
        self.run = Run(config, knobs, seed)
        self.panels = list(panels) if panels is not None else default_panels(config)
        self.size = check_choice("size", size, SIZES)
        self.steps = fast(steps, min(steps, 150))
        self.screen = Screen(self.panels, self.run, self.size)
        self.playing = False  # what is wanted
        self.training = False  # what the worker is doing
        self.message = ""  # what is to be said to the person: why it stopped, what it waits for
        self.cursor: int | None = None  # the step that is shown, when scrubbing
        self.speed: float | None = None  # steps a second; None is as fast as it goes
        self.front_end = FrontEnd(BEHIND, WORDS)
        self.controls: Controls | None = None
        self._wishes: collections.deque[Callable[[], None]] = collections.deque()
        self._bell = threading.Condition()
        self.worker: threading.Thread | None = None
        self._closed = False
        self.rate = 0.0  # steps a second, as the status tells it
        self._full_speed = 8 / CHUNK  # steps a second that training alone would make
        self._drawing = 0.0  # seconds that a picture takes
        self._told_at = time.monotonic()
        self._compiled: set[Any] = set()
        self._see = jax.jit(lambda state, knobs: [p.see(config, state, knobs) for p in self.panels])
        self._knob_names = tuple(controls)

    # What a person, or a script, can ask for. Each call returns at once.

    def play(self) -> None:
        """Train on, from the step that is shown."""
        self._ask(self._start)

    def pause(self) -> None:
        """Stop training after the chunk in flight."""
        self.playing = False
        self._ask(lambda: None)

    def step(self, who: str = "both") -> None:
        """Take one step of "d", "g" or "both"."""
        check_choice("player", who, ("d", "g", "both"))
        self._ask(lambda: self._single(who))

    def reset(self, seed: int | None = None) -> None:
        """Start over with the knobs as they are."""
        self._ask(lambda: self._reset(seed))

    def set(self, **knobs: Any) -> None:
        """Move knobs; raises InputError at once if a value is not allowed."""
        for name, value in knobs.items():
            training.check_knob(name, value)
        self._ask(lambda: self._turn(knobs))

    def set_speed(self, steps_per_second: float | None) -> None:
        """Slow motion; None is as fast as it goes."""
        self.speed = steps_per_second
        self._ask(lambda: None)

    def resize(self, size: str) -> None:
        """Draw for a "notebook" or, with larger text, for a "projector"."""
        check_choice("size", size, SIZES)
        self._ask(lambda: self._fit(size))

    def scrub(self, index: int) -> None:
        """Show snapshot number `index` of the history; Play goes on from there."""
        self.playing = False
        self._ask(lambda: self._show_past(index))

    def close(self) -> None:
        """Stop the worker and take the player off the page."""
        self._closed, self.playing = True, False
        with self._bell:
            self._bell.notify_all()
        if self.worker and self.worker is not threading.current_thread():
            self.worker.join(timeout=10)
        self.front_end.close()
        if self.controls:
            self.controls.close()

    def wait(self, timeout: float = 60.0) -> None:
        """Block until everything asked for has been done (for scripts and tests)."""
        done = threading.Event()
        self._ask(done.set)
        if not done.wait(timeout):
            raise TimeoutError(f"the player was still busy after {timeout:g} s")

    # Showing.

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if not has_front_end():
            self.still()
            return
        self._replace_in_cell()
        self.front_end.connect()
        self.controls = Controls(self, self._knob_names)
        display(self.controls.box)
        self._ask(lambda: None)

    def still(self) -> None:
        """Train `steps` steps here and now, and leave one picture."""
        from IPython.display import Image, display

        for stop in self._stops():
            self.run.advance(stop - self.run.step)
            self._frame(crisp=False)
        self.run.advance(self.steps - self.run.step)
        display(Image(self.picture(), width=930))

    def _stops(self) -> list[int]:
        """When a still picture must look at the run on its way, for panels that remember."""
        if not any(panel.remembers for panel in self.panels):
            return []
        early = {0, 50, 100, *range(200, self.steps, max(200, self.steps // 15))}
        return sorted(stop for stop in early if self.run.step <= stop < self.steps)

    def picture(self) -> bytes:
        """The present frame as PNG."""
        return small_png(Image.open(io.BytesIO(self._frame(crisp=True))))

    def _replace_in_cell(self) -> None:
        key = cell_id() or repr(self.run.config)
        if (former := self._in_cell.get(key)) is not None and former is not self:
            former.close()
        self._in_cell[key] = self

    # The worker. Nothing below runs in another thread.

    def _ask(self, wish: Callable[[], None]) -> None:
        with self._bell:
            self._wishes.append(wish)
            if self.worker is None or not self.worker.is_alive():
                self.worker = threading.Thread(target=self._work, name="gan-player", daemon=True)
                self.worker.start()
            self._bell.notify_all()

    def _work(self) -> None:
        while not self._closed:
            try:
                self._turn_once()
            except InputError as error:
                self._stop(str(error))
            except Exception as error:
                self._stop(f"{type(error).__name__}: {error}; Reset starts over")

    def _turn_once(self) -> None:
        with self._bell:
            if not self._wishes and not self.playing:
                self._bell.wait()
        wished = bool(self._wishes)
        while self._wishes and not self._closed:
            self._wishes.popleft()()
        if self._closed:
            return
        self.training = self.playing
        if self.training:
            self._train_and_draw(wished)
        else:
            self._draw(crisp=True)
        if not self._wishes and self.playing and self.front_end.deserted:
            self._stop("paused: nobody seems to be watching; press Play to go on")

    def _start(self) -> None:
        self._resume_from_cursor()
        for other in list(self._in_cell.values()):
            if other is not self and other.playing:
                other.pause()  # one game at a time: two would only slow each other down
        self.run.stopped = None
        self.front_end.greet()
        self._say("")
        self.playing = True

    def _stop(self, why: str) -> None:
        self.playing = self.training = False
        self._say(why)
        if self.controls:
            self.controls.tell(self)

    def _single(self, who: str) -> None:
        self.playing = False
        self._resume_from_cursor()
        kept = self.run.knobs
        only = {"d": {"g_steps": 0}, "g": {"d_steps": 0}, "both": {}}[who]
        self._announce_compiling()
        try:
            self.run.set(**only)
            self.run.advance(1)
        finally:
            self.run.set(d_steps=kept.d_steps, g_steps=kept.g_steps)
        self._say(self.run.stopped or "")

    def _fit(self, size: str) -> None:
        self.size, self.screen = size, Screen(self.panels, self.run, size)

    def _reset(self, seed: int | None) -> None:
        self.cursor = None
        self.run.reset(seed)
        self._say("")

    def _turn(self, knobs: dict[str, Any]) -> None:
        for name in ("lr_d", "lr_g"):  # a decayed rate follows its slider
            if name in knobs:
                end, start = getattr(self.run.knobs, f"{name}_end"), getattr(self.run.knobs, name)
                knobs = {**knobs, f"{name}_end": min(10.0, end * knobs[name] / start)}
        self.run.set(**knobs)
        self._say("")

    def _show_past(self, index: int) -> None:
        steps = sorted(self.run.snapshots)
        self.cursor = steps[max(0, min(index, len(steps) - 1))]
        if self.cursor == self.run.step:
            self.cursor = None

    def _resume_from_cursor(self) -> None:
        """Go on from the step that is shown, with the knobs that the sliders show."""
        if self.cursor is not None:
            shown = self.run.knobs
            self.run.rewind(self.cursor)
            self.run.set(**vars(shown))
            self.cursor = None

    def _announce_compiling(self) -> None:
        program = training.terms(self.run.knobs)
        if program not in self._compiled:
            self._compiled.add(program)
            self._say(COMPILING)

    def _train_and_draw(self, now: bool) -> None:
        """Train one chunk; meanwhile draw, if `now` or if the last picture is old enough."""
        start = time.perf_counter()
        due = now or time.monotonic() - self.front_end.sent_at >= self._interval()
        seen = None
        if due and self.front_end.keeps_up:
            seen = jax.device_get(self._look())  # now: once training runs, it would have to wait
        step = self.run.step
        self._announce_compiling()
        n = self._chunk_size(self._room() if seen is None else max(CHUNK, self._drawing))
        chunk = self.run.launch(n)
        if seen is not None:
            self._send(seen, step, now)
        drawn = time.perf_counter() - start
        self.run.land(chunk)
        if self.message == COMPILING:
            self._say("")
        trained = time.perf_counter() - start
        if self.run.stopped:
            self._stop(self.run.stopped)
            self._wishes.append(lambda: None)  # one more picture: of the last good step
            return
        self._learn(n, trained, None if seen is None else drawn)
        self._pace(n, trained)

    def _interval(self) -> float:
        """Seconds from one picture to the next: where steps are slow, time for a few of them."""
        slow = min(SELDOM, APART / self._full_speed)
        return PICTURE if self.speed is not None else max(PICTURE, slow)

    def _room(self) -> float:
        """Seconds of training that fit in before the next picture is due."""
        left = PICTURE - (time.monotonic() - self.front_end.sent_at)
        return CHUNK if left <= 0 else min(CHUNK, max(left, 0.2 * CHUNK))

    def _chunk_size(self, seconds: float) -> int:
        """How many steps to take in one go: at full speed, as many as `seconds` have room for."""
        n = self._full_speed * seconds if self.speed is None else self.speed * PICTURE
        return max(1, min(BLOCK, round(n)))

    def _learn(self, n: int, trained: float, drawn: float | None) -> None:
        """Learn from a chunk how fast training is, and drawing beside it.

        A chunk that ended before its picture was drawn does not tell when: then try more steps.
        One that took far too long was compiling.
        """
        if drawn is not None:
            self._drawing = 0.8 * self._drawing + 0.2 * min(drawn, 4 * CHUNK)
        if self.speed is None and trained < 1.0:
            hidden = drawn is not None and trained - drawn < 0.1 * CHUNK
            seen = 1.1 * self._full_speed if hidden else n / trained
            self._full_speed = max(0.5 * (self._full_speed + seen), 0.1)

    def _pace(self, n: int, trained: float) -> None:
        """Wait for the next step in slow motion."""
        if self.speed is not None and (rest := n / self.speed - trained) > 0:
            with self._bell:
                if not self._wishes:
                    self._bell.wait(rest)
        self.rate = 0.8 * self.rate + 0.2 * n / max(trained, n / (self.speed or 1e9))

    def _look(self, state: Any = None) -> Any:
        return self._see(state or self.run.state, training.traced(self.run.knobs))

    def _frame(self, crisp: bool, seen: Any = None, step: int | None = None) -> bytes:
        if seen is None:
            step = self.run.step if self.cursor is None else self.cursor
            seen = self._look(None if self.cursor is None else self.run.at(self.cursor))
        return self.screen.frame(seen, View(self.run, int(step or 0)), crisp)

    def _draw(self, crisp: bool) -> None:
        if self.controls:
            self.controls.show(self._frame(crisp), self)

    def _send(self, seen: Any, step: int, now: bool) -> None:
        """One picture while it trains; the text with it if it is asked for or old."""
        if self.controls:
            self.front_end.count()
            words = now or self.front_end.sent_at - self._told_at >= WORDS
            self._told_at = self.front_end.sent_at if words else self._told_at
            self.controls.show(self._frame(False, seen, step), self, words)
            self.front_end.ask()

    def _say(self, message: str) -> None:
        self.message = message
        if self.controls:
            self.controls.message.value = html.escape(message)


def default_panels(config: Config) -> list[Panel]:
    """What suits the data: pictures, or samples and latent grid; losses; modes where known."""
    if getattr(config.data, "shape", None):
        return [ImageGrid(), OverTime(4), LatentWalk(4), Losses()]
    panels: list[Panel] = [Samples(), LatentGrid(), Losses()]
    return [*panels, Coverage()] if config.data.modes is not None else panels


def _scored(images: str, data: Any) -> Panel:
    """What measures G on a preset's image set."""
    found = image_set(images, data.shape[1])
    if isinstance(data, Stacked):
        return StackModes(train_feature_extractor(found))
    return Quality(FrechetMeter(found))


def playground(name: str = "playground", **changes: Any) -> Player:
    """A player on a preset (`gan_lessons.presets.PRESETS`).

    Keywords that name a field of `Config` or a knob change it; the rest goes to `Player`.
    On image sets a panel measures the Fréchet distance, on stacks of images one counts their modes,
    unless `data` or `panels` are changed.
    """
    chosen = preset(name)
    config, knobs = chosen.config, chosen.knobs
    for key in [key for key in changes if key in vars(config)]:
        config = replace(config, **{key: changes.pop(key)})
    moved = {key: changes.pop(key) for key in list(changes) if key in training.KNOBS}
    changes.setdefault("steps", chosen.steps)
    if "panels" not in changes and chosen.images and config.data is chosen.config.data:
        changes["panels"] = [*default_panels(config), _scored(chosen.images, config.data)]
    return Player(config, replace(knobs, **moved), **changes)
