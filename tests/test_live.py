"""The player without a browser: what scripts, and cells that nobody watches, get from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import numpy as np
import pytest

from gan_lessons.errors import InputError
from gan_lessons.live import Player, playground
from gan_lessons.live import display as display_room
from gan_lessons.live import front_end as room
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.screen import SIZES
from gan_lessons.networks import MLP

TINY = {"generator": MLP((8,)), "discriminator": MLP((8,)), "batch": 16, "r1": 0.0}


@pytest.fixture
def player() -> Iterator[Player]:
    made = playground(**TINY)
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


def test_play_trains_until_pause(player: Player) -> None:
    played(player, 100)
    stopped = player.run.step
    time.sleep(0.2)
    assert player.run.step == stopped >= 100
    assert np.isfinite(player.run.history).all()


def test_a_step_of_one_player_leaves_the_other_and_the_knobs_alone(player: Player) -> None:
    before, knobs = (
        (np.asarray(player.run.state.d), np.asarray(player.run.state.g)),
        player.run.knobs,
    )
    player.step("d")
    player.wait()
    assert not np.array_equal(player.run.state.d, before[0])
    assert np.array_equal(player.run.state.g, before[1])
    assert player.run.step == 1 and player.run.knobs == knobs


def test_a_slider_stands_where_the_game_starts_and_at_round_numbers_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("IPython.display.display", lambda _: None)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    odd = {"lr_d": 0.0017, "d_steps": 12, "ema": 0.9999}
    player = playground(**TINY, **odd)
    player._ipython_display_()
    assert player.controls is not None
    for name, standing in odd.items():
        slider = player.controls.knobs[name]
        stops = [value for _, value in slider.options]
        assert slider.value == standing and stops == sorted(stops)
        slider.value = lower = stops[stops.index(standing) - 1]
        player.wait()
        assert getattr(player.run.knobs, name) == lower
    player.close()


def test_a_knob_moves_without_starting_over(player: Player) -> None:
    played(player, 50)
    at = player.run.step
    player.set(lr_d=2e-3, objective="hinge")
    player.wait()
    assert (player.run.step, player.run.knobs.lr_d, player.run.knobs.objective) == (
        at,
        2e-3,
        "hinge",
    )
    played(player, at + 50)


def test_a_decayed_rate_follows_its_slider(player: Player) -> None:
    player.run.set(lr_g=1e-3, lr_g_end=1e-5, decay_steps=100.0)
    player.set(lr_g=2e-3)
    player.wait()
    assert player.run.knobs.lr_g_end == pytest.approx(2e-5)


@pytest.mark.parametrize("wrong", [{"lr_d": -1.0}, {"objective": "hing"}, {"speed": 2.0}])
def test_a_bad_knob_is_refused_at_once(player: Player, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        player.set(**wrong)


def test_what_only_shows_together_is_said_and_changes_nothing(player: Player) -> None:
    player.set(d_steps=0, g_steps=0)
    player.wait()
    assert "nobody would move" in player.message
    assert player.run.knobs.d_steps == 1


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
    player = playground(**TINY, objective="wasserstein", optimizer="sgd", lr_d=10.0, lr_g=10.0)
    player.play()
    until(lambda: player.run.stopped)
    player.wait()
    assert "no longer finite" in player.message and not player.playing
    assert np.isfinite(player.run.history).all()
    assert np.isfinite(player.run.state.d).all() and np.isfinite(player.run.state.g).all()
    player.close()


def test_only_one_player_trains_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Player, "_in_cell", {})
    one, two = playground(**TINY), playground(**TINY)
    Player._in_cell |= {"one": one, "two": two}
    one.play()
    until(lambda: one.run.step > 10)
    two.play()
    until(lambda: two.run.step > 10)
    assert not one.playing
    one.close()
    two.close()


def test_close_ends_the_worker(player: Player) -> None:
    played(player, 20)
    worker = player.worker
    assert worker is not None and worker.is_alive()
    player.close()
    until(lambda: not worker.is_alive(), 10)
    assert worker not in threading.enumerate()


@pytest.fixture
def page(player: Player, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The controls of a player on a page that answers nothing by itself."""
    monkeypatch.setattr("IPython.display.display", lambda _: None)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    player._ipython_display_()
    player.wait()
    return player.controls


def test_closing_takes_its_own_widgets_and_no_others(player: Player, page: Any) -> None:
    stranger = widgets.IntText()
    player.close()
    assert stranger.comm is not None
    own = [page.box, page.image, page.play, page.play.layout, page.status]
    echo = [player.front_end.number, player.front_end.copy, player.front_end.link]
    assert {each.comm for each in own + echo} == {None}


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


def test_without_a_front_end_the_cell_trains_and_leaves_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    player = playground(**TINY, steps=30)
    player._ipython_display_()
    assert player.run.step == 30 and player.worker is None
    assert shown[0].data.startswith(b"\x89PNG")


def test_the_still_picture_is_the_same_for_the_same_seed() -> None:
    pictures = []
    for _ in range(2):
        player = playground(**TINY)
        player.run.advance(20)
        pictures.append(player.picture())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_can_be_drawn(player: Player, size: str) -> None:
    player.resize(size)
    player.wait()
    width, height, dpi = SIZES[size]
    assert player.screen.draw(player._look(), _view(player)).shape[:2] == (
        round(height * dpi),
        round(width * dpi),
    )


def _view(player: Player) -> Any:
    from gan_lessons.live.panels import View

    return View(player.run, player.run.step)


def test_a_front_end_is_one_that_can_ask_for_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        _allow_stdin = False

    monkeypatch.delenv("GAN_LESSONS_DISPLAY", raising=False)
    monkeypatch.setattr(display_room, "_kernel", lambda: None)
    assert not display_room.has_front_end()
    kernel = Kernel()
    monkeypatch.setattr(display_room, "_kernel", lambda: kernel)
    assert not display_room.has_front_end()
    kernel._allow_stdin = True
    assert display_room.has_front_end()
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    assert not display_room.has_front_end()
