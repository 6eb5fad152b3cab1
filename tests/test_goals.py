"""Tasks of live figures: noticed when they are done, and never in the way."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from gan_lessons.errors import InputError
from gan_lessons.live import Explorer, Goal, Player, Slider, playground
from gan_lessons.live.goals import Goals
from gan_lessons.training import Config

from .test_run import TINY


def broken(_: Any) -> bool:
    raise RuntimeError("no")


def test_a_goal_is_noticed_once_and_stays() -> None:
    goals = Goals(
        [Goal("reach 3", lambda x: x >= 3, "three"), Goal("reach 5", lambda x: x > 4, "5")]
    )
    assert not goals.look(1) and "0 of 2" in goals.page()
    assert "three" not in goals.page()
    assert goals.look(3) and "three" in goals.page()
    assert not goals.look(0) and "1 of 2" in goals.page()
    assert goals.look(5) and "2 of 2" in goals.page()


def test_a_goal_that_raises_is_left_out_and_said(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    goals = Goals([Goal("break", broken, "never"), Goal("reach 3", lambda x: x >= 3, "three")])
    assert goals.look(3) and goals.done == {1} and goals.broken == {0}
    assert (
        "cannot check" in goals.page()
        and "RuntimeError" in next(tmp_path.rglob("*.log")).read_text()
    )


def test_without_goals_nothing_is_shown() -> None:
    assert Goals(()).page() == "" and not Goals(()).look(3)


def test_what_is_no_goal_is_refused() -> None:
    with pytest.raises(InputError, match="Goal"):
        Player(TINY, goals=["learn"])


def live(player: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    player._ipython_display_()
    player.wait()


def test_a_player_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    player = playground(
        data=TINY.data, goals=[Goal("take 3 steps", lambda run: run.step >= 3, "So.")]
    )
    live(player, monkeypatch)
    assert "0 of 1" in player.controls.tasks.value
    for _ in range(3):
        player.step()
    player.wait()
    assert "1 of 1" in player.controls.tasks.value and "So." in player.controls.tasks.value
    player.reset()
    player.wait()
    assert "1 of 1" in player.controls.tasks.value
    player.close()


def test_an_explorer_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(fig: Figure) -> Any:
        (line,) = fig.subplots().plot([0, 1], [0, 1], animated=True)
        return lambda slope: line.set_ydata([0, slope])

    goal = Goal("make it steep", lambda values: values["slope"] > 2, "It is.")
    explorer = Explorer(build, slope=Slider(0, 3, 1), goals=[goal])
    live(explorer, monkeypatch)
    assert "0 of 1" in explorer.sheet.tasks.value
    explorer.values(slope=2.5)
    explorer.wait()
    assert "1 of 1" in explorer.sheet.tasks.value
    explorer.close()


def test_a_still_page_names_the_tasks_and_not_what_they_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda each, **_: shown.append(each))
    config = Config(TINY.data, batch=8)
    Player(config, steps=2, goals=[Goal("look", lambda run: True, "secret")])._ipython_display_()
    assert "look" in shown[-1].data and "secret" not in shown[-1].data
