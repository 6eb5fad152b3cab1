"""The live player: one background worker trains and draws; everybody else only asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from typing import Any

from IPython import display as ipython

from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.live import arguments
from gan_lessons.live.controls import Controls
from gan_lessons.live.display import fast, has_front_end
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.goals import Goal, Goals
from gan_lessons.live.looks import Looks
from gan_lessons.live.panels.base import Panel, View
from gan_lessons.live.screen import SIZES, Screen
from gan_lessons.live.stage import Stage
from gan_lessons.live.stills import palette_png, stops_on_the_way
from gan_lessons.live.tempo import WORDS, Tempo
from gan_lessons.live.wishes import (
    Pause,
    Play,
    Reset,
    Resize,
    Say,
    Scrub,
    SetSpeed,
    TakeStep,
    Turn,
    Wish,
)
from gan_lessons.run import Run
from gan_lessons.training import acting, check_knob, knobs_of, turned
from gan_lessons.training.runtime import prepare

COMPILING = "compiling …"
BEHIND = 8  # pictures that a slow front end may lag before we stop sending
MOVERS = {"d": {"g_steps": 0}, "g": {"d_steps": 0}, "both": {}}  # knobs for a step of one player


class Player:
    """A game with controls: play, pause, step, scrub, and move every knob while it trains.

    Shown as the last line of a cell it returns at once and trains in the background. Without a
    front end (nbconvert, tests) it trains `steps` steps and leaves a still picture instead. What
    is asked for is done in the order in which it was asked, from whatever thread; the later wish
    wins. A player may be shown in several cells; one that was closed lives again when it is shown
    or asked for something.

    Args:
        config: a `Config`, that of another learner, a `Preset` or the name of one.
        knobs: the learner's knobs, or a dict of some of them.
        panels: what to look at; by default what suits the data (`live.suits`).
        controls: names of the knobs whose sliders are in sight; the rest is under "more knobs".
        steps: how long to train where nobody can press Play.
        seed: decides every bit.
        size: "notebook" or "projector".
        goals: what to find out (`Goal`); each is asked with the run after every picture.

    Attributes:
        run: the `Run`, which may be looked at at any moment.
        message: what was last said on the page: why it stopped, what it waits for.
        cursor: the step that is shown when scrubbing, else None.

    Raises: InputError for anything that it cannot use.
    """

    def __init__(
        self,
        config: Any = None,
        knobs: Any = None,
        *,
        panels: Sequence[Panel] | None = None,
        controls: Sequence[str] | None = None,
        steps: int | None = None,
        seed: int = 0,
        size: str = "notebook",
        goals: Sequence[Goal] = (),
        **unknown: Any,
    ) -> None:
        prepare()
        start = arguments.start_of(config, knobs)
        arguments.refuse_unknown(unknown, start)
        self.run = Run(start.config, start.knobs, seed, memory=96 << 20)
        self.panels = arguments.panels_from(panels, start)
        self.size = check_choice("size", size, SIZES)
        steps = int(
            check_number("steps", start.steps if steps is None else steps, 0, 1e9, integer=True)
        )
        self.steps = fast(steps, min(steps, 150))
        self.screen = Screen(self.panels, self.run, self.size)
        self.message = ""
        self.goals = Goals(goals)
        self.cursor: int | None = None
        self.front_end = FrontEnd(BEHIND, WORDS)
        self.stage = Stage(self, "gan-player", self.front_end)
        self.tempo = Tempo(self.front_end)
        self.controls: Controls | None = None
        self._paging = threading.RLock()  # while it comes onto the page, or leaves it
        self._closed = False
        self._compiled: set[Hashable] = set()
        self._kept: Any = None  # the knobs, while a step of one player borrows them
        self._look = Looks(self.panels, self.run.config)
        self._knob_names = arguments.controls_from(controls, self.run.knobs)

    # ---- what a person, or a script, can ask for; each call returns at once

    def play(self) -> None:
        """Train on, from the step that is shown."""
        self.front_end.greet()
        self.stage.ask_alone(Play())

    def pause(self) -> None:
        """Stop training after the steps under way."""
        self._ask(Pause())

    def step(self, who: str = "both") -> None:
        """Take one step of "d", "g" or "both"; InputError where there are no such players."""
        check_choice("player", who, MOVERS)
        if MOVERS[who] and "d_steps" not in knobs_of(self.run.knobs):
            raise InputError(f"{self.run.config.learner!r} has no players D and G: say step()")
        self._ask(TakeStep(who))

    def reset(self, seed: int | None = None) -> None:
        """Start over with the knobs as they are, from `seed` or the same one as before."""
        if seed is not None:
            seed = int(check_number("seed", seed, 0, 2**31 - 1, integer=True))
        self._ask(Reset(seed))

    def set(self, **knobs: Any) -> None:
        """Move knobs; each acts at once. InputError changes nothing."""
        for name, value in knobs.items():
            check_knob(name, value, self.run.knobs)
        now = turned(self._knobs_to_come(), self.shown_step, **knobs)
        self.run.learner.check(self.run.config, now)
        self._ask(Turn(knobs))

    def set_speed(self, steps_per_second: float | None) -> None:
        """Slow motion; None is as fast as it goes."""
        if steps_per_second is not None:
            check_number("steps_per_second", steps_per_second, 0, 1e6, above=True)
        self._ask(SetSpeed(steps_per_second))

    def resize(self, size: str) -> None:
        """Draw for a "notebook" or, with larger text, for a "projector"."""
        self._ask(Resize(check_choice("size", size, SIZES)))

    def scrub(self, index: int) -> None:
        """Show snapshot number `index` of the history; Play goes on from there."""
        self._ask(Scrub(int(check_number("index", index, -1e9, 1e9, integer=True))))

    def wait(self, timeout: float = 60.0) -> None:
        """Block until everything asked for has been done (for scripts and tests).

        Raises: TimeoutError after `timeout` seconds.
        """
        self.stage.wait(timeout)

    def close(self) -> None:
        """Stop the worker and take the player off the page."""
        with self._paging:
            self._closed = True
            self.stage.close()
            self.front_end.close()
            controls, self.controls = self.controls, None
            if controls:
                controls.close()

    def complain(self, sentence: str) -> None:
        """Have a sentence shown, once what was asked for before is done."""
        self._ask(Say(sentence))

    def _ask(self, wish: Wish) -> None:
        self._closed = False
        self.stage.ask(wish)

    def _knobs_to_come(self) -> Any:
        """The knobs as they will be when all that was asked for is done."""
        pending = (
            self.stage.pending
        )  # first: what is done meanwhile is then counted twice, not missed
        knobs = self.knobs
        for wish in pending:
            if isinstance(wish, Turn):
                knobs = turned(knobs, self.shown_step, **wish.values)
        return knobs

    # ---- what it is doing

    @property
    def playing(self) -> bool:
        """Whether it trains once everything that was asked for is done."""
        return self.stage.playing

    @property
    def training(self) -> bool:
        """Whether the worker is training now."""
        return self.stage.on

    @property
    def settled(self) -> bool:
        """Whether no wish is waiting."""
        return not self.stage.hurried

    @property
    def rate(self) -> float:
        """Steps a second, as the status tells it."""
        return self.tempo.rate

    @property
    def knobs(self) -> Any:
        """The knobs as they were set."""
        return self._kept or self.run.knobs

    @property
    def shown_step(self) -> int:
        """The step that is shown."""
        return self.run.step if self.cursor is None else self.cursor

    @property
    def acting(self) -> Any:
        """The knobs as they act at the step that is shown, which a schedule may have moved."""
        return acting(self.knobs, self.shown_step)

    # ---- showing

    def _ipython_display_(self) -> None:
        if not has_front_end():
            self.still()
            return
        with self._paging:
            if self.controls is None:
                self.front_end.connect()
                self.controls = Controls(self, self._knob_names)
            self.stage.show(self.controls.box)
            self._ask(Wish())

    def still(self) -> None:
        """Train `steps` steps here and now, and leave one picture."""
        for stop in stops_on_the_way(self.panels, self.run.step, self.steps):
            self.run.advance(stop - self.run.step)
            self._frame(crisp=False)
        self.run.advance(max(0, self.steps - self.run.step))
        ipython.display(ipython.Image(self.picture(), width=930))
        self.goals.show_still()

    def picture(self) -> bytes:
        """The present frame as PNG."""
        return palette_png(self._frame(crisp=True))

    def tell(self) -> None:
        """Have the page show what is wanted."""
        if controls := self.controls:
            controls.tell()

    def say(self, message: str) -> None:
        """Show a sentence on the page."""
        self.message = message
        if controls := self.controls:
            controls.say(message)

    # ---- the worker; nothing below runs in another thread

    def fulfil(self, wish: Wish) -> None:
        """Do what one wish asks."""
        match wish:
            case Play():
                self._resume_from_cursor()
                self.run.stopped = None
                self.say("")
            case TakeStep(who):
                self._take_step(who)
            case Scrub(index):
                steps = sorted(self.run.snapshots)
                at = steps[max(0, min(index, len(steps) - 1))]
                self.cursor = None if at == self.run.step else at
            case Reset(seed):
                self._reset(seed)
            case Turn(values):
                # As of the step that is shown, where the sliders stand.
                self.run.set(**vars(turned(self.run.knobs, self.shown_step, **values)))
                self.say("")
            case Say(sentence):
                self.say(sentence)
            case SetSpeed(speed):
                self.tempo.speed = speed
                if self.controls:
                    self.controls.show_speed(speed)
            case Resize(size):
                self.size, self.screen = size, Screen(self.panels, self.run, size, forgiving=True)
                if self.controls:
                    self.controls.fit(size)

    def _take_step(self, who: str) -> None:
        self._resume_from_cursor()
        self._announce_compiling()
        self._kept = self.run.knobs
        try:
            self.run.set(**MOVERS[who])
            self.run.advance(1)
            stopped = self.run.stopped
        finally:
            if MOVERS[who]:
                self.run.set(d_steps=self._kept.d_steps, g_steps=self._kept.g_steps)
            self._kept = None
        self.say(stopped or "")

    def _reset(self, seed: int | None) -> None:
        self.cursor = None
        self.run.reset(seed)
        self.say("")
        if self.screen.stopped:  # panels that stopped get another chance
            self.screen = Screen(self.panels, self.run, self.size, forgiving=True)
        if self.controls:
            self.controls.show_seed(self.run.seed)

    def _resume_from_cursor(self) -> None:
        """Go on from the step that is shown, with the knobs that the sliders show."""
        if self.cursor is not None:
            shown = self.run.knobs
            self.run.rewind(self.cursor)
            self.run.set(**vars(shown))
            self.cursor = None

    def _announce_compiling(self) -> None:
        program = self.run.learner.program(self.run.config, self.run.knobs)
        if program not in self._compiled:
            self._compiled.add(program)
            self.say(COMPILING)

    def turn(self, fresh: bool) -> float | None:
        """Train for a moment and draw meanwhile, or draw what is shown and rest."""
        if self.stage.on:
            return self._train_and_draw(fresh)
        if controls := self.controls:
            controls.show(self._frame(crisp=True))
            self._look_for_goals(controls)
        return None

    def _look_for_goals(self, controls: Controls) -> None:
        if self.goals.look(self.run):
            controls.show_goals()

    def _train_and_draw(self, fresh: bool) -> float:
        """Train one chunk; meanwhile draw, if `fresh` or if the last picture is old enough."""
        start, step, seen = time.perf_counter(), self.run.step, None
        if (fresh or self.tempo.due()) and self.front_end.keeps_up:
            seen = self._see()  # now: once training runs, it would have to wait
        self._announce_compiling()
        n = self.tempo.steps(drawing=seen is not None)
        with self.run.flying(n):
            if seen is not None:
                self._send(seen, step, fresh)
            drawn = time.perf_counter() - start
        if self.message == COMPILING:
            self.say("")
        if self.run.stopped:
            self.stage.halt(self.run.stopped)
            return 0.0  # one more picture: of the last good step
        if seen is not None and self.controls:
            self._look_for_goals(self.controls)
        trained = time.perf_counter() - start
        return self.tempo.learn(n, trained, None if seen is None else drawn)

    def _see(self, state: Any = None) -> list[Any]:
        return self._look(self.run.state if state is None else state, self.run.knobs)

    def _frame(self, crisp: bool) -> bytes:
        seen = self._see(None if self.cursor is None else self.run.at(self.cursor))
        return self.screen.frame(seen, View(self.run, self.shown_step), crisp)

    def _send(self, seen: list[Any], step: int, fresh: bool) -> None:
        """One picture while it trains; the text with it if it is asked for or old."""
        if controls := self.controls:
            self.front_end.count()
            words = self.tempo.worded(fresh)
            controls.show(self.screen.frame(seen, View(self.run, step), False), words)
            self.front_end.ask()


def playground(name: Any = "playground", **changes: Any) -> Player:
    """A player on a preset (`gan_lessons.presets.PRESETS`).

    Keywords that name a field of `Config` or a knob change it; the rest goes to `Player`. So
    `playground(data=points, generator=MyModule, discriminator=MyCritic, objective=my_losses)`
    plays with your own array, `nnx` modules and losses (`objectives.own_objective`). On image sets
    a panel scores the pictures, unless `data` or `panels` are changed.

    Raises: InputError for an unknown preset or keyword, or a value that cannot be used.
    """
    start, options = arguments.with_changes(arguments.start_of(name), changes)
    return Player(start, **options)
