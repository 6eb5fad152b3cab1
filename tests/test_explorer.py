"""The explorer without a browser: values, drags, what goes wrong, and who draws."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image

from gan_lessons.errors import InputError
from gan_lessons.live import Choice, Explorer, Point, Slider, Toggle, front_end, stage
from gan_lessons.live.display import Place

CONTROLS: dict[str, Any] = {
    "height": Slider(-2, 2, 0.0),
    "count": Slider(1, 9, 3, step=1),
    "rate": Slider(0.001, 10, 0.3, log=True),
    "grid": Toggle(False),
    "loss": Choice(("kl", "least_squares"), "kl"),
    "start": Point((1.0, 1.0), low=-2, high=2),
}


class Lines:
    """A figure that remembers what it was asked to draw."""

    def __init__(self, playable: bool = False) -> None:
        self.seen: list[dict[str, Any]] = []
        self.threads: set[str] = set()
        self.advanced, self.playable, self.seconds = 0, playable, 0.0

    def __call__(self, fig: Any) -> Any:
        ax = fig.subplots()
        ax.set(xlim=(-2, 2), ylim=(-2, 2))
        (line,) = ax.plot([-2, 2], [0, 0], "C0", lw=4, animated=True)

        def update(height: float, **rest: Any) -> bool:
            self.threads.add(threading.current_thread().name)
            if height > 1.9:
                raise ValueError("too high for <this> figure")
            self.seen.append({"height": height, **rest})
            line.set_ydata([height, height])
            time.sleep(self.seconds)
            return bool(rest.get("grid"))

        return (update, self.advance) if self.playable else update

    def advance(self) -> None:
        self.advanced += 1
        time.sleep(0.002)


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was displayed; explorers are live, and closed afterwards."""
    displayed: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda box, **_: displayed.append(box))
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    yield displayed
    for left in list(stage._shown):
        left.face.close()


def live(lines: Lines, **controls: Any) -> Explorer:
    made = Explorer(lines, **(controls or CONTROLS))
    made._ipython_display_()
    page = made.front_end
    page.number.observe(lambda change: setattr(page.copy, "value", change.new), "value")
    return made


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"), float)


# Values --------------------------------------------------------------------------------------


def test_values_reach_the_picture() -> None:
    made = Explorer(Lines(), **CONTROLS)
    low, high = (pixels((made.values(height=h), made.picture())[1]) for h in (-1.0, 1.0))
    assert low.shape == (340, 930)
    assert np.abs(low - high).max() > 50
    assert made.drawn["height"] == 1.0 and made.drawn["start"] == (1.0, 1.0)
    again = pixels((made.values(height=-1.0), made.picture())[1])
    np.testing.assert_array_equal(again, low)


def test_values_of_every_kind_are_set_and_returned() -> None:
    made = Explorer(Lines(), **CONTROLS)
    wanted = {"height": 2, "count": 4, "rate": 1.0, "grid": True, "loss": "least_squares"}
    assert made.values(**wanted, start=(0.5, -2)) == {**wanted, "start": (0.5, -2)}


WRONG: list[dict[str, Any]] = [
    {"height": 2.1},
    {"height": "high"},
    {"height": float("nan")},
    {"count": 2.5},
    {"rate": 0.0},
    {"grid": 1},
    {"loss": "least squares"},
    {"start": 1.0},
    {"start": (1.0, 3.0)},
    {"hight": 1.0},
]
IMPOSSIBLE: list[Callable[[], Any]] = [
    lambda: Slider(1, 0, 0.5),
    lambda: Slider(0, 1, 1.5),
    lambda: Slider(0, 1, 0.5, log=True),
    lambda: Choice(("a", "b"), "c"),
    lambda: Point((0.0, 2.0), low=-1, high=1),
    lambda: Explorer(lambda fig: lambda mean: None, width=Slider(0, 1, 0.5)),
    lambda: Explorer(lambda fig: lambda at: None, at=Point((0.0, 0.0))),
    lambda: Explorer(Lines(), height=Slider(0, 1, 0.5)).play(),
]


def test_what_cannot_be_is_refused_at_once_and_changes_nothing() -> None:
    made = Explorer(Lines(), **CONTROLS)
    before = made.values()
    for wrong in WRONG:
        with pytest.raises(InputError, match=next(iter(wrong))):
            made.values(**{"grid": True, **wrong})
    assert made.values() == before
    for make in IMPOSSIBLE:
        with pytest.raises(InputError):
            make()


def test_bounds_of_a_point_may_differ_by_axis() -> None:
    point = Point((0.0, 5.0), low=(-1, 4), high=(1, 6))
    assert point.nearest(-3.0, 5.5) == (-1.0, 5.5)
    with pytest.raises(InputError):
        point.check("start", (0.0, 0.0))


@pytest.mark.parametrize(
    "slider",
    [
        Slider(0.2, 2, 1.0),
        Slider(0, 2, 0.45),
        Slider(0.3, 1.2, 0.655),
        Slider(0.001, 1, 0.3, log=True),
    ],
)
def test_a_slider_stands_on_one_of_its_steps_at_first(slider: Slider) -> None:
    (made,) = slider.widgets("it")
    at = np.log10(made.value) if slider.log else made.value
    steps = (at - made.min) / made.step
    assert made.value == slider.value and abs(steps - round(steps)) < 1e-6
    assert 50 <= (made.max - made.min) / made.step <= 200


# A person at a front end ---------------------------------------------------------------------


def test_a_moved_slider_is_drawn_by_the_worker_and_comes_to_rest_as_png(shown: list[Any]) -> None:
    lines = Lines()
    made = live(lines)
    assert (
        made.stage.worker is None and made.sheet.image.format == "png" and shown == [made.sheet.box]
    )
    here = threading.current_thread().name
    assert lines.threads == {here}
    made.sheet.inputs["height"][0].value = 1.0
    until(lambda: made.drawn["height"] == 1.0)
    assert lines.threads == {here, "gan-explorer"}
    until(lambda: made.sheet.image.format == "png" and not made._rough)
    assert made.sheet.image.value[:4] == b"\x89PNG"


def test_many_moves_collapse_and_the_newest_wins(shown: list[Any]) -> None:
    lines = Lines()
    made = live(lines)
    lines.seconds = 0.02
    for height in np.linspace(-1, 1, 200):
        made.sheet.inputs["height"][0].value = float(height)
    until(lambda: made.drawn["height"] == 1.0)
    assert len(lines.seen) < 50
    assert made.values()["height"] == 1.0


def test_no_more_pictures_are_sent_than_a_slow_page_takes(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_end, "LATE", 1e9)
    monkeypatch.setattr(front_end, "QUICK", 0.0)
    page = (made := live(Lines())).front_end
    page.number.unobserve_all()  # the page hangs
    for height in np.linspace(-1, 1, 20):
        made.sheet.inputs["height"][0].value = float(height)
        time.sleep(0.01)
    assert 1 < page.sent <= page.behind
    page.copy.value = page.asked  # and goes on
    until(lambda: made.drawn["height"] == 1.0)


def test_values_from_code_never_run_far_ahead_of_the_page(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_end, "PULSE", 1e9)
    monkeypatch.setattr(front_end, "LATE", 1e9)
    page = (made := live(Lines())).front_end
    asked: list[int] = []
    page.number.observe(lambda change: asked.append(change.new), "value")
    for height in np.linspace(-1, 1, 200):
        made.values(height=float(height))
        time.sleep(0.01)
        assert page.sent - page.got <= front_end.AHEAD
    until(lambda: made.drawn["height"] == 1.0)
    assert page.sent > front_end.AHEAD and 1 < len(asked) < page.sent / 8


def test_values_from_code_move_the_sliders(shown: list[Any]) -> None:
    made = live(Lines())
    made.values(height=-1.0, start=(0.5, 0.25), loss="least_squares")
    until(lambda: made.drawn["height"] == -1.0)
    assert [w.value for w in made.sheet.inputs["start"]] == [0.5, 0.25]
    assert made.sheet.inputs["loss"][0].value == "least_squares"


def test_an_error_is_a_sentence_and_the_worker_lives_on(shown: list[Any]) -> None:
    made = live(Lines())
    made.sheet.inputs["height"][0].value = 2.0
    until(lambda: made.message)
    assert made.message == "ValueError: too high for <this> figure"
    assert "&lt;this&gt;" in made.sheet.note.value
    made.sheet.inputs["height"][0].value = 0.5
    until(lambda: made.drawn["height"] == 0.5 and not made.message)


def press(made: Explorer, number: int, began: Any, now: Any, axes: int = 0) -> None:
    """What the pad tells when a finger goes from `began` to `now` (data coordinates)."""
    ax, size = made.figure.axes[axes], made.figure.bbox.size
    places = [ax.transData.transform(at) / size for at in (began, now)]
    made.sheet.pad.drag = [float(number), *(v for x, y in places for v in (float(x), float(1 - y)))]


def test_a_drag_moves_the_nearest_point_and_stays_inside_its_bounds(shown: list[Any]) -> None:
    pair = {"a": Point((-1.0, 0.0), low=-2, high=2), "b": Point((1.0, 0.0), low=-1, high=1)}
    made = live(Lines(), height=Slider(-2, 2, 0.0), **pair)
    press(made, 1, (0.8, 0.1), (1.5, 0.5))
    until(lambda: made.drawn["b"] == pytest.approx((1.0, 0.5)))
    press(made, 1, (0.8, 0.1), (-1.0, 0.0))  # the same drag, now nearer to the other point
    until(lambda: made.drawn["b"] == pytest.approx((-1.0, 0.0), abs=1e-9))
    assert made.drawn["a"] == (-1.0, 0.0)
    press(made, 2, (-1.5, 0.0), (-1.5, 0.0))  # a click places
    until(lambda: made.drawn["a"] == pytest.approx((-1.5, 0.0), abs=1e-9))
    assert made.sheet.inputs["a"][0].value == pytest.approx(-1.5)


def test_a_press_outside_the_axes_moves_nothing(shown: list[Any]) -> None:
    made = live(Lines())
    press(made, 1, (-2.5, -2.5), (0.0, 0.0))
    made.sheet.inputs["height"][0].value = 0.3
    until(lambda: made.drawn["height"] == 0.3)
    assert made.drawn["start"] == (1.0, 1.0)


# Playing -------------------------------------------------------------------------------------


def test_play_advances_until_pause(shown: list[Any]) -> None:
    lines = Lines(playable=True)
    made = live(lines)
    assert made.sheet.button.description == "Play"
    made.sheet.button.click()
    until(lambda: lines.advanced > 20 and len(lines.seen) > 3)
    assert made.sheet.button.description == "Pause"
    made.sheet.button.click()
    time.sleep(0.05)
    stopped = lines.advanced
    time.sleep(0.2)
    assert lines.advanced == stopped and made.sheet.button.description == "Play"


def test_playing_stops_when_nobody_watches(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_end, "DESERTED", 0.2)
    made = live(Lines(playable=True))
    made.front_end.number.unobserve_all()
    made.play()
    until(lambda: not made.playing)
    assert "nobody" in made.message and made.sheet.button.description == "Play"


def test_an_error_while_it_plays_stops_it(shown: list[Any]) -> None:
    made = live(Lines(playable=True))
    made.play()
    made.values(height=2.0)
    until(lambda: made.message and not made.playing)
    assert "too high" in made.message


# Coming and going ----------------------------------------------------------------------------


def test_the_projector_button_draws_all_of_it_larger(shown: list[Any]) -> None:
    made = live(Lines())
    made.sheet.big.value = True
    until(lambda: pixels(made.sheet.image.value).shape == (510, 1395))
    assert made.sheet.page.layout.width == "1395px"
    made.sheet.big.value = False
    until(lambda: pixels(made.sheet.image.value).shape == (340, 930))


def test_closing_takes_its_own_widgets_and_no_others(shown: list[Any]) -> None:
    stranger, made = widgets.IntText(), live(Lines())
    sheet, page = made.sheet, made.front_end
    made.close()
    own = [sheet.box, sheet.page, sheet.image, sheet.image.layout, sheet.big]
    own += [page.number, page.copy]
    assert {each.comm for each in own} == {None} and stranger.comm is not None


def test_without_a_front_end_a_still_picture_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    lines = Lines(playable=True)
    made = Explorer(lines, still=7, size=(6.0, 2.0), **CONTROLS)
    made._ipython_display_()
    assert shown[0].data.startswith(b"\x89PNG") and pixels(shown[0].data).shape == (200, 600)
    assert lines.advanced == 7 and len(lines.seen) == 2 and made.stage.worker is None


def test_running_the_cell_again_replaces_the_former(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter("112")
    monkeypatch.setattr(stage, "here", lambda: Place("cell", next(runs)))
    first, beside = (live(Lines(), height=Slider(-2, 2, 0.0)) for _ in range(2))
    assert first.sheet and beside.sheet
    again = live(Lines(), height=Slider(-2, 2, 0.0))
    assert first.sheet is beside.sheet is None and again.sheet
    assert stage._shown == [again.stage]


def test_a_closed_one_keeps_its_values_and_lives_again_when_it_is_shown(shown: list[Any]) -> None:
    made = live(Lines())
    former = made.sheet
    made.values(height=1.0)
    made.close()
    former.inputs["height"][0].value = -1.5  # of the view that was closed
    drawn = made.drawn
    assert made.values(height=0.5)["height"] == 0.5
    made.wait()
    assert made.drawn is drawn and made.stage.worker is None
    made._ipython_display_()
    assert made.drawn["height"] == 0.5 == made.sheet.inputs["height"][0].value
    made.sheet.inputs["height"][0].value = 0.25
    until(lambda: made.drawn["height"] == 0.25)


def test_what_is_asked_last_is_what_is_shown(shown: list[Any]) -> None:
    """A drag that waits in the queue does not undo a value that was set after it."""
    made = live(Lines())
    for i in range(20):
        press(made, i + 1, (1.0, 1.0), (0.1 * (i % 10), 0.0))
        assert made.values(start=(0.5, 0.5))["start"] == (0.5, 0.5)
    made.wait()
    until(lambda: made.drawn["start"] == (0.5, 0.5))
    assert [widget.value for widget in made.sheet.inputs["start"]] == [0.5, 0.5]
