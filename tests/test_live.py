"""The player without a browser: what scripts, and cells that nobody watches, get from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from gan_lessons.errors import InputError
from gan_lessons.live import Losses, Panel, Player, display, log, playground, stage
from gan_lessons.live import front_end as room
from gan_lessons.live.controls import _status
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.panels import View
from gan_lessons.live.screen import SIZES
from gan_lessons.live.wishes import playing_after
from gan_lessons.networks import MLP
from gan_lessons.training import Config
from tests.line_learner import LineConfig

TINY = {"generator": MLP((8,)), "discriminator": MLP((8,)), "batch": 16, "r1": 0.0}


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def player() -> Iterator[Player]:
    made = playground(**TINY, panels=[Losses()])
    yield made
    made.close()


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def played(player: Player, steps: int) -> None:
    player.play()
    until(lambda: player.run.step >= steps)
    player.pause()
    player.wait()


def live(monkeypatch: pytest.MonkeyPatch, player: Player) -> Any:
    """The controls of a player on a page that answers nothing by itself."""
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    player._ipython_display_()
    player.wait()
    return player.controls


@pytest.fixture
def page(player: Player, monkeypatch: pytest.MonkeyPatch) -> Any:
    return live(monkeypatch, player)


# ---- the order of wishes


class AnyOrder(RuleBasedStateMachine):
    """Whatever is asked, in whatever order and from whatever thread, the later wish wins."""

    @initialize()
    def start(self) -> None:
        self.player = Player(
            Config(**{k: v for k, v in TINY.items() if k != "r1"}), panels=[Losses()]
        )
        self.asked: list[Any] = []
        self.lock, ask = threading.Lock(), self.player.stage.ask

        def noted(wish: Any) -> None:
            with self.lock:
                self.asked.append(wish)
                ask(wish)

        self.player.stage.ask = noted  # type: ignore[method-assign]
        self.wanted, self.rates = False, {"lr_d": 1e-3, "lr_g": 1e-3}

    def wish(self, name: str, value: Any) -> None:
        player = self.player
        {
            "play": player.play,
            "pause": player.pause,
            "step": lambda: player.step(("d", "g", "both")[value % 3]),
            "scrub": lambda: player.scrub(value - 2),
            "reset": lambda: player.reset(value),
            "set": lambda: player.set(**{("lr_d", "lr_g")[value % 2]: (value + 1) * 1e-4}),
            "display": player._ipython_display_,
        }[name]()

    NAMES = st.sampled_from(["play", "pause", "step", "scrub", "reset", "set", "display"])
    WISHES = st.lists(st.tuples(NAMES, st.integers(0, 9)), min_size=1, max_size=6)

    @rule(wishes=WISHES)
    def one_thread(self, wishes: list[tuple[str, int]]) -> None:
        for name, value in wishes:
            self.wish(name, value)
            if name == "set":
                self.rates[("lr_d", "lr_g")[value % 2]] = (value + 1) * 1e-4

    @rule(lists=st.lists(WISHES, min_size=2, max_size=3))
    def several_threads(self, lists: list[list[tuple[str, int]]]) -> None:
        lists = [[wish for wish in each if wish[0] != "set"] for each in lists]

        def ask(wishes: Any) -> None:
            for wish in wishes:
                self.wish(*wish)

        threads = [threading.Thread(target=ask, args=(each,)) for each in lists]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    @rule()
    def look(self) -> None:
        run = self.player.run
        assert np.isfinite(run.sample(8)).all()
        assert run.coverage(50).modes >= 0
        assert int(run.at(0).step) == 0

    @rule(refused=st.sampled_from([{"lr_d": -1.0}, {"d_steps": 0, "g_steps": 0}, {"lr": 1.0}]))
    def refuse(self, refused: dict[str, Any]) -> None:
        with pytest.raises(InputError):
            self.player.set(**refused)

    @rule()
    def close(self) -> None:
        self.player.close()
        self.asked.clear()
        self.wanted = False
        assert self.player.stage.worker is None and not self.player.training
        self.rates = {name: getattr(self.player.run.knobs, name) for name in self.rates}

    @rule()
    def settle(self) -> None:
        player = self.player
        player.wait()
        self.wanted = playing_after(self.wanted, self.asked)
        self.asked.clear()
        assert player.message == "" and player.training == self.wanted
        for name, rate in self.rates.items():
            assert getattr(player.acting, name) == pytest.approx(rate)
        if not self.wanted:
            step = player.run.step
            time.sleep(0.02)
            assert player.run.step == step == len(player.run.history)
            assert int(player.run.state.step) == step
            shown = player.shown_step
            player.step()
            player.wait()
            assert player.run.step == shown + 1 and player.cursor is None
            self.asked.clear()
        if controls := player.controls:
            assert controls.play.description == ("Pause" if self.wanted else "Play")
            assert self.wanted or controls.past.value == controls.past.max

    @invariant()
    def foretold(self) -> None:
        if hasattr(self, "player"):
            assert self.player.playing == playing_after(self.wanted, self.asked)

    def teardown(self) -> None:
        if hasattr(self, "player"):
            self.player.close()


@pytest.mark.parametrize(
    ("examples", "steps"), [(20, 12), pytest.param(200, 40, marks=pytest.mark.long)]
)
def test_any_order_of_wishes(examples: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    how: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
    how |= {"max_examples": examples, "stateful_step_count": steps}
    run_state_machine_as_test(AnyOrder, settings=settings(**how))


@pytest.mark.parametrize(
    ("wishes", "playing"),
    [
        ("play pause", False),
        ("play scrub", False),
        ("play step", False),
        ("pause play", True),
        ("play pause reset play", True),
        ("play pause play pause", False),
    ],
)
def test_the_later_wish_wins(player: Player, wishes: str, playing: bool) -> None:
    played(player, 30)
    for wish in wishes.split():
        player.scrub(0) if wish == "scrub" else getattr(player, wish)()
    assert player.playing is playing
    player.wait()
    assert player.training is player.playing is playing
    assert player.shown_step == 0 or "scrub" not in wishes


# ---- playing


def test_play_trains_until_pause_and_another_thread_may_look(player: Player) -> None:
    player.play()
    until(lambda: player.run.step >= 100)
    for _ in range(20):
        assert np.isfinite(player.run.sample(10)).all() and player.run.coverage(50).modes >= 0
        player.run.at(player.run.step - 5)
    player.pause()
    player.wait()
    stopped = player.run.step
    time.sleep(0.1)
    assert player.run.step == stopped >= 100
    assert np.isfinite(player.run.history).all()


def test_a_step_of_one_player_leaves_the_other_and_the_knobs_alone(player: Player) -> None:
    before = np.asarray(player.run.state.d), np.asarray(player.run.state.g)
    knobs = player.run.knobs
    player.step("d")
    player.set(r1=0.0)  # as of the knobs that were set, not of those that the step borrows
    player.wait()
    assert not np.array_equal(player.run.state.d, before[0])
    assert np.array_equal(player.run.state.g, before[1])
    assert player.run.step == 1 and player.run.knobs == knobs


def test_a_knob_moves_without_starting_over(player: Player) -> None:
    played(player, 50)
    at = player.run.step
    player.set(lr_d=2e-3, objective="hinge")
    player.wait()
    assert player.run.step == at
    assert (player.run.knobs.lr_d, player.run.knobs.objective) == (2e-3, "hinge")
    played(player, at + 50)


def test_what_is_refused_is_refused_at_once_and_changes_nothing(player: Player) -> None:
    """Each by itself, or together with what has been asked for already."""
    player.set(d_steps=0)
    for wrong in (
        {"lr_d": -1.0},
        {"lr_d": [0.1, 0.2]},
        {"objective": "hing"},
        {"objective": "own"},
        {"speed": 2.0},
        {"augment": 0.5},
        {"g_steps": 0},
    ):
        with pytest.raises(InputError):
            player.set(lr_g=0.5, **wrong)
    player.wait()
    assert player.run.knobs.d_steps == 0 and player.run.knobs.lr_g == 1e-3


def test_scrubbing_shows_the_past_and_play_goes_on_from_there(player: Player) -> None:
    played(player, 300)
    last, kept = player.run.step, player.run.history.copy()
    player.scrub(1)
    player.wait()
    shown = player.cursor
    assert shown is not None and 0 < shown < last
    player.step()
    player.wait()
    assert player.run.step == shown + 1 and player.cursor is None
    np.testing.assert_array_equal(player.run.history, kept[: shown + 1])


def test_reset_starts_the_same_run_over(player: Player) -> None:
    played(player, 60)
    first = player.run.history[:40].copy()
    player.reset()
    player.wait()
    assert player.run.step == 0
    player.run.advance(40)
    np.testing.assert_array_equal(player.run.history, first)


def test_slow_motion_takes_single_steps(player: Player) -> None:
    player.set_speed(20.0)
    player.play()
    until(lambda: player.run.step >= 2)
    first, began = player.run.step, time.monotonic()
    until(lambda: player.run.step >= first + 8)
    player.pause()
    player.wait()
    assert time.monotonic() - began > 0.25  # 8 steps at 20 a second take 0.4 s


def test_divergence_stops_with_a_sentence_and_keeps_the_history() -> None:
    fast = {"objective": "wasserstein", "optimizer": "sgd", "lr_d": 10.0, "lr_g": 10.0}
    player = playground(**TINY, **fast)
    player.play()
    until(lambda: player.run.stopped)
    player.wait()
    assert "no longer finite" in player.message and not player.playing
    assert np.isfinite(player.run.history).all()
    assert np.isfinite(player.run.state.d).all() and np.isfinite(player.run.state.g).all()
    player.step("d")  # and so does a single step of one player
    player.wait()
    assert "no longer finite" in player.message
    player.close()


def test_only_one_shown_player_trains_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (playground(**TINY, panels=[Losses()]) for _ in range(2))
    monkeypatch.setattr(stage, "_shown", [one.stage, two.stage])
    one.play()
    until(lambda: one.run.step > 10)
    two.play()
    assert two.playing and not one.playing
    until(lambda: two.run.step > 10)
    one.close()
    two.close()


def test_another_learner_plays() -> None:
    player = Player(LineConfig())
    assert [type(panel).__name__ for panel in player.panels] == ["Samples", "Losses", "Coverage"]
    played(player, 30)
    player.step()
    player.set(rate=0.01)
    player.wait()
    assert "rate 0.01" in _status(player) and player.picture().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no players"):
        player.step("d")
    player.close()


# ---- panels that fail


class Broken(Panel):
    """Raises in one of its methods from some frame on."""

    def __init__(self, where: str, at: int = 2) -> None:
        super().__init__()
        self.where, self.left = where, at

    def _step(self, where: str) -> None:
        self.left -= where == self.where
        if where == self.where and not self.left:
            raise ValueError("no $picture^")

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        self._step("see")
        return ()

    def setup(self, ax: Any, run: Any) -> None:
        self.text = self.caption(ax)
        draw = self.text.draw
        self.text.draw = lambda *args: (self._step("draw"), draw(*args))  # type: ignore[func-returns-value]

    def update(self, seen: Any, view: Any) -> bool:
        self._step("update")
        return False


@pytest.mark.parametrize("where", ["see", "update", "draw"])
def test_a_panel_that_raises_costs_nothing_but_itself(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, broken = Losses(), Broken(where, 1 if where == "see" else 2)
    player = playground(**TINY, panels=[broken, losses])
    page = live(monkeypatch, player)
    played(player, 100)
    player.set(lr_d=2e-3)
    player.wait()
    assert player.screen.stopped == {0: "this panel stopped: ValueError: no $picture^"}
    assert player.message == "" and len(player.run.history) == player.run.step
    assert len(losses.lines[0].get_xdata()) > 50
    assert "no $picture^" in log.log_path().read_text()
    assert bytes(page.image.value).startswith(b"\x89PNG")
    player.reset()  # gives it another chance
    player.wait()
    assert bool(player.screen.stopped) == (where == "see")
    player.close()


# ---- the page


def test_a_slider_stands_where_the_game_starts_and_at_round_numbers_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = {"lr_d": 0.0017, "d_steps": 12, "ema": 0.9999}
    player = playground(**TINY, **odd, panels=[Losses()])
    controls = live(monkeypatch, player)
    for name, standing in odd.items():
        slider = controls.knobs[name]
        stops = [value for _, value in slider.options]
        assert slider.value == standing and stops == sorted(stops)
        assert controls.dials[name].readout.value == f"{standing:g}"
        slider.value = lower = stops[stops.index(standing) - 1]
        player.wait()
        assert getattr(player.run.knobs, name) == lower
    player.close()


def test_sliders_tell_what_acts_and_the_end_of_a_schedule_is_said(
    player: Player, page: Any
) -> None:
    player.set(lr_g=1e-3, lr_g_end=0.0, lr_d_end=1e-3, noise=1.0, noise_end=0.5, decay_steps=100)
    player.wait()
    player.run.advance(50)
    player.step()
    player.wait()
    readouts = {name: dial.readout.value for name, dial in page.dials.items()}
    acting = player.run.acting
    assert acting.lr_g == pytest.approx(5e-4, rel=0.05)
    for name in ("lr_d", "lr_g", "noise"):
        assert float(readouts[name]) == pytest.approx(getattr(acting, name), rel=0.01)
    assert page.knobs["lr_g"].value == 5e-4 and player.run.knobs.lr_g == 1e-3
    assert "over" not in page.status.value
    player.run.advance(100)
    player.step()
    player.wait()
    assert "G's rate 0" in page.status.value and "schedule is over" in page.status.value
    moved = np.asarray(player.run.state.g)
    page.knobs["lr_g"].value = 0.05
    player.step()
    player.wait()
    assert player.run.acting.lr_g == 0.05 and not np.array_equal(player.run.state.g, moved)
    assert "over" not in page.status.value and page.dials["lr_g"].readout.value == "0.05"


def test_what_a_script_asks_for_is_seen_on_the_page(player: Player, page: Any) -> None:
    played(player, 100)
    player.set(lr_d=0.002, objective="hinge")
    player.scrub(0)
    player.reset(7)
    player.set_speed(30.0)
    player.resize("projector")
    player.wait()
    assert (page.knobs["lr_d"].value, page.knobs["objective"].value) == (0.002, "hinge")
    assert (page.past.value, page.seed.value, page.speed.value) == (0, 7, "30 steps/s")
    assert page.big.value and player.size == "projector"
    played(player, 3)
    player.scrub(0)
    player.wait()
    assert player.cursor == 0 and page.past.value == 0 < page.past.max
    page.big.value = False
    page.past.value = page.past.max
    player.wait()
    assert player.size == "notebook" and player.cursor is None


def test_a_refused_move_of_a_slider_is_taken_back_with_a_sentence(
    player: Player, page: Any
) -> None:
    page.knobs["d_steps"].value = 0
    page.knobs["g_steps"].value = 0
    player.wait()
    assert "nobody would move" in page.message.value
    assert (page.knobs["d_steps"].value, page.knobs["g_steps"].value) == (0, 1)


def test_pause_answers_at_once_while_the_worker_is_busy(
    player: Player, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, flying = threading.Event(), player.run.flying

    def slow(n: int) -> Any:
        go_on.wait(20)  # as when it compiles
        return flying(n)

    monkeypatch.setattr(player.run, "flying", slow)
    page.play.click()
    until(lambda: player.training)
    assert page.play.description == "Pause"
    page.play.click()
    assert page.play.description == "Play" and "pausing …" in page.status.value
    go_on.set()
    player.wait()
    assert "paused" in page.status.value and not player.training


def test_a_page_moves_its_widgets_without_asking_for_anything(player: Player, page: Any) -> None:
    player.play()
    until(lambda: player.run.step > 200 and page.past.max > 0)
    assert player.playing and player.cursor is None
    assert not [wish for wish in player.stage.pending if type(wish).__name__ != "Pause"]


def test_a_player_in_two_cells_is_live_in_both_and_a_closed_one_lives_again(
    player: Player, page: Any
) -> None:
    player._ipython_display_()
    assert player.controls is page
    player.close()
    threads = threading.active_count()
    assert page.box.comm is None and player.controls is None
    player._ipython_display_()
    player.step()
    player.wait()
    assert player.run.step == 1 and player.controls is not page
    assert "step 1" in player.controls.status.value
    page.play.click()  # of the view that was closed
    assert not player.playing
    player.close()
    player.step()  # by a script, with nothing on a page
    player.wait()
    assert player.run.step == 2
    until(lambda: threading.active_count() <= threads)


def test_closing_takes_its_own_widgets_and_no_others(player: Player, page: Any) -> None:
    stranger = widgets.IntText()
    player.close()
    assert stranger.comm is not None
    own = [page.box, page.image, page.play, page.play.layout, page.status]
    own += [page.dials["lr_d"].readout, page.knobs["lr_d"], page.seed]
    echo = [player.front_end.number, player.front_end.copy, player.front_end.link]
    assert {each.comm for each in own + echo} == {None}


def test_nothing_of_matplotlib_is_changed_for_others(player: Player, page: Any) -> None:
    before = dict(mpl.rcParams)
    player.resize("projector")
    played(player, 30)
    assert dict(mpl.rcParams) == before


# ---- the hand-shake


def _answers(page: FrontEnd) -> list[int]:
    """From now on the page copies back at once what it is asked; the list of what it was."""
    asked: list[int] = []

    def copy(change: Any) -> None:
        asked.append(change.new)
        page.copy.value = change.new

    page.number.observe(copy, "value")
    return asked


@pytest.mark.usefixtures("page")
def test_a_quick_page_gets_every_picture_and_is_seldom_asked(player: Player) -> None:
    asked = _answers(front_end := player.front_end)
    player.play()
    until(lambda: front_end.sent > 4 * front_end.behind)
    player.pause()
    player.wait()
    assert 1 <= len(asked) < front_end.sent / front_end.behind
    assert front_end.got == asked[-1]


@pytest.mark.usefixtures("page")
def test_a_page_that_hangs_gets_no_more_pictures_and_training_goes_on(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LATE", 1e9)
    front_end = player.front_end
    player.play()
    until(lambda: front_end.asked and not front_end.keeps_up)
    sent, step = front_end.sent, player.run.step
    until(lambda: player.run.step > step + 200)
    assert front_end.sent <= sent + 1  # the one that was on its way
    front_end.copy.value = front_end.asked  # it wakes up
    until(lambda: front_end.sent > sent + 1)


@pytest.mark.usefixtures("page")
def test_a_slow_page_is_never_many_pictures_behind(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "QUICK", 0.1)
    front_end = player.front_end

    def copy(change: Any) -> None:
        threading.Timer(0.5, lambda: setattr(front_end.copy, "value", change.new)).start()

    front_end.number.observe(copy, "value")
    player.play()
    until(lambda: front_end.got)  # it was thought to be quick until now
    until(lambda: front_end.sent - front_end.got <= front_end.behind)
    end, behind = time.monotonic() + 3, []
    while time.monotonic() < end:
        behind.append(front_end.sent - front_end.got)
        time.sleep(0.01)
    assert max(behind) <= front_end.behind + 1
    assert front_end.got > front_end.behind


@pytest.mark.usefixtures("page")
def test_training_pauses_when_nobody_watches(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "DESERTED", 0.3)
    player.play()
    until(lambda: not player.playing and player.message)
    assert "nobody" in player.message
    _answers(player.front_end)
    monkeypatch.setattr(room, "PULSE", 0.05)
    player.play()
    time.sleep(0.6)
    assert player.playing


# ---- without a page


def test_without_a_front_end_the_cell_trains_and_leaves_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    pictures = []
    for _ in range(2):
        player = playground(**TINY, steps=30)
        player._ipython_display_()
        assert player.run.step == 30 and player.stage.worker is None
        pictures.append(shown[-1].data)
    assert pictures[0].startswith(b"\x89PNG") and pictures[0] == pictures[1]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_can_be_drawn(size: str) -> None:
    player = playground(**TINY, size=size)
    width, height, dpi = SIZES[size]
    shown = player.screen.draw(player._see(), View(player.run, 0))
    assert shown.shape[:2] == (round(height * dpi), round(width * dpi))


def test_a_front_end_is_one_that_can_ask_for_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        _allow_stdin = False

    monkeypatch.delenv("GAN_LESSONS_DISPLAY", raising=False)
    monkeypatch.setattr(display, "_kernel", lambda: None)
    assert not display.has_front_end()
    kernel = Kernel()
    monkeypatch.setattr(display, "_kernel", lambda: kernel)
    assert not display.has_front_end()
    kernel._allow_stdin = True
    assert display.has_front_end()
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    assert not display.has_front_end()
