"""The stage: wishes in order, a worker that comes and goes, what a cell shows, the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_lessons.errors import InputError
from gan_lessons.live import display, log, stage
from gan_lessons.live.display import Place
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.stage import Stage
from gan_lessons.live.wishes import Pause, Play, Reset, Turn, Wish, playing_after


class Face:
    """A face that writes down what happens to it."""

    def __init__(self, name: str = "face") -> None:
        self.done: list[Wish] = []
        self.said: list[str] = []
        self.turns = self.told = 0
        self.closed = False
        self.threads: set[int] = set()
        self.hold = threading.Event()
        self.hold.set()
        self.stage = Stage(self, name, FrontEnd(1))

    def fulfil(self, wish: Wish) -> None:
        self.threads.add(threading.get_ident())
        self.hold.wait(10)
        self.done.append(wish)
        if isinstance(wish, Turn) and "error" in wish.values:
            raise wish.values["error"]

    def turn(self, fresh: bool) -> float | None:
        self.turns += 1
        return 0.001 if self.stage.on else None

    def say(self, message: str) -> None:
        self.said.append(message)

    def tell(self) -> None:
        self.told += 1

    def close(self) -> None:
        self.closed = True
        self.stage.close()


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Face]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = Face()
    yield made
    made.stage.close()


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_wishes_of_many_threads_are_done_in_the_order_in_which_they_were_asked(face: Face) -> None:
    order: list[Any] = []

    def ask(name: int) -> None:
        for i in range(50):
            with lock:
                order.append((name, i))
                face.stage.ask(Reset(100 * name + i))

    lock = threading.Lock()
    threads = [threading.Thread(target=ask, args=(name,)) for name in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    face.stage.wait(10)
    assert [(wish.seed // 100, wish.seed % 100) for wish in face.done] == order  # type: ignore[attr-defined]


def test_what_will_be_is_known_before_the_worker_gets_to_it(face: Face) -> None:
    face.hold.clear()
    for wish, playing in ((Play(), True), (Wish(), True), (Pause(), False), (Play(), True)):
        told = face.told
        face.stage.ask(wish)
        assert face.stage.playing is playing and face.told > told
    assert len(face.stage.pending) == 4
    face.hold.set()
    face.stage.wait(10)
    assert face.stage.on and face.turns > 0
    face.stage.ask(Pause())
    face.stage.wait(10)
    turns = face.turns
    time.sleep(0.05)
    assert face.turns == turns


def test_the_worker_leaves_when_there_is_nothing_to_do_and_comes_back(face: Face) -> None:
    for _ in range(2):
        face.stage.ask(Wish())
        until(lambda: face.stage.worker is None)
    assert len(face.done) == 2
    assert "face" not in {thread.name for thread in threading.enumerate()}


def test_closing_drops_what_waits_and_a_later_wish_lives(face: Face) -> None:
    face.hold.clear()
    for wish in (Play(), Play(), Reset(), Play()):
        face.stage.ask(wish)
    until(lambda: len(face.stage._queue) == 3)  # the first is being done
    closing = threading.Thread(target=face.stage.close)
    closing.start()
    until(lambda: len(face.stage.pending) == 1)
    face.hold.set()
    closing.join(10)
    face.stage.wait(1)
    assert face.done == [Play()] and not face.stage.playing and face.stage.worker is None
    face.stage.ask(Play())
    face.stage.wait(10)
    assert face.stage.on


def test_waiting_says_when_it_takes_too_long(face: Face) -> None:
    face.hold.clear()
    face.stage.ask(Wish())
    with pytest.raises(TimeoutError, match="busy"):
        face.stage.wait(0.05)
    face.hold.set()


@pytest.mark.parametrize(
    ("error", "on", "said", "logged"),
    [
        (InputError("no such knob"), True, "no such knob", False),
        (ValueError("broken"), False, "ValueError: broken", True),
    ],
)
def test_what_is_refused_changes_nothing_and_what_breaks_stops(
    face: Face, error: Exception, on: bool, said: str, logged: bool
) -> None:
    face.stage.ask(Play())
    face.stage.ask(Turn({"error": error}))
    face.stage.wait(10)
    assert (face.stage.playing, face.said) == (on, [said])
    assert log.log_path().exists() is logged
    face.stage.ask(Play())  # and all goes on
    face.stage.wait(10)
    assert face.stage.on


def test_an_error_while_it_plays_stops_it_and_is_kept(face: Face) -> None:
    def turn(fresh: bool) -> float | None:
        if face.stage.on:
            raise RuntimeError("half a picture")
        return None

    face.turn = turn  # type: ignore[method-assign]
    face.stage.ask(Play())
    until(lambda: face.said)
    assert face.said == ["RuntimeError: half a picture"] and not face.stage.playing
    assert "in turn" in log.log_path().read_text()


def test_playing_stops_when_nobody_watches(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_lessons.live.front_end.DESERTED", 0.05)
    face.stage.ask(Play())
    until(lambda: not face.stage.playing)
    assert "nobody" in face.said[0]


def test_of_two_that_start_at_once_the_later_one_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [Face() for _ in range(4)]
    monkeypatch.setattr(stage, "_shown", [each.stage for each in faces])
    threads = [threading.Thread(target=f.stage.ask_alone, args=(Play(),)) for f in faces * 5]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for face in faces:
        face.stage.wait(10)
    assert sum(face.stage.playing for face in faces) == 1
    for face in faces:
        face.stage.close()


# ---- what a cell shows


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Face], None]:
    """Show a face in a cell, in a certain run of it."""
    monkeypatch.setattr(stage, "_shown", [])

    def show(cell: str, run: str, face: Face) -> None:
        monkeypatch.setattr(stage, "here", lambda: Place(cell, run) if cell else None)
        face.stage.enter()

    return show


def test_a_cell_that_runs_again_closes_what_it_showed_and_nothing_else(shown: Any) -> None:
    one, two, beside, again = (Face() for _ in range(4))
    shown("a", "1", one)
    shown("a", "1", two)
    shown("b", "2", beside)
    assert not any(each.closed for each in (one, two, beside))
    shown("a", "3", again)
    assert (one.closed, two.closed, beside.closed, again.closed) == (True, True, False, False)
    assert stage._shown == [beside.stage, again.stage]


def test_one_in_two_cells_pauses_when_it_leaves_one_and_closes_when_it_leaves_both(
    shown: Any,
) -> None:
    face = Face()
    shown("a", "1", face)
    shown("b", "2", face)
    shown("b", "3", face)  # the same cell again, the same face
    face.stage.ask(Play())
    shown("a", "4", Face())
    face.stage.wait(10)
    assert not face.closed and not face.stage.playing
    shown("b", "5", Face())
    assert face.closed


def test_a_view_that_was_closed_says_so(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class View:
        text = ""

        def update(self, sentence: Any) -> None:
            self.text = sentence.data

    views = [View(), View()]
    waiting = iter(views)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: next(waiting))
    face = Face()
    for cell in "ab":
        monkeypatch.setattr(stage, "here", lambda: Place(cell, "1"))  # noqa: B023
        face.stage.show(object())
    face.close()
    assert all("closed" in view.text for view in views)


def test_outside_of_cells_nothing_takes_the_place_of_anything(shown: Any) -> None:
    one, two = Face(), Face()
    shown("", "", one)
    shown("", "", two)
    assert not one.closed and not two.closed


def test_a_cell_without_an_id_is_known_by_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        parent: Any = None

        def get_parent(self) -> Any:
            return self.parent

    kernel = Kernel()
    monkeypatch.setattr(display, "_kernel", lambda: kernel)
    parent = {"header": {"msg_id": "7"}, "metadata": {}, "content": {"code": "player"}}
    kernel.parent = parent
    assert display.here() == Place("player", "7")
    kernel.parent = parent | {"metadata": {"cellId": "b3"}}
    assert display.here() == Place("b3", "7")
    nowhere: Any
    for nowhere in (None, {}, {"header": {}, "metadata": {}}):
        kernel.parent = nowhere
        assert display.here() is None


# ---- the log


def test_the_log_is_bounded_and_fails_in_silence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(log, "SIZE", 5000)
    path = log.log_path()
    assert path and path.is_relative_to(tmp_path) and not path.parent.exists()
    for i in range(60):
        log.keep_traceback(ValueError(f"number {i} " + 100 * "x"), "here")
        log.keep_traceback(ValueError(f"number {i} " + 100 * "x"), "here")  # the same: once
    text = path.read_text()
    assert "number 59" in text and text.count("number 59") == 1
    assert sum(each.stat().st_size for each in path.parent.iterdir()) <= 2 * 5000
    monkeypatch.setenv("XDG_STATE_HOME", str(path))  # a file where a folder is wanted
    log.keep_traceback(ValueError("lost"), "here")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert log.log_path() == tmp_path / ".local" / "state" / "gan-lessons" / "errors.log"
    assert capsys.readouterr() == ("", "")


def test_wishes_fold() -> None:
    assert playing_after(False, [Play(), Reset(), Turn({})])
    assert not playing_after(True, [Play(), Pause(), Wish()])
    assert playing_after(True, []) and not playing_after(False, [])
