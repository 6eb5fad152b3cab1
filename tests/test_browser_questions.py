"""Predictions, exercises and tasks in a real JupyterLab in a real (headless) Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import Page, need_browser, page_of, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PREDICTION = """
from gan_lessons.exercises import Prediction
bet = Prediction("turn", "Which way does it turn?", {"a": "to the left", "b": "to the right"},
                 "b", "So it is.", replies={"a": "Look at the sign."})
bet.show()
"""
EXPERIMENT = """
from gan_lessons.plots import figure
drawn = figure(4, 2)
drawn.subplots().plot([0, 1])
bet.compare(1.5, drawn, "it turned to the right")
"""
EXERCISE = """
from gan_lessons.exercises import Exercise, Mistake, close_to
half = Exercise("half", question="Half of $2\\\\log 2$?", check=close_to(0.6931), hint="Divide.",
                mistakes=[Mistake(2 * 0.6931, "Not halved."), Mistake(0, "Nothing left.")],
                explanation="It is $\\\\log 2$.")
half.show()
"""
EXPLORER = """
from gan_lessons.live import Explorer, Goal, Slider

def build(fig):
    (line,) = fig.subplots().plot([0, 1], [0, 1], animated=True)
    return lambda slope: line.set_ydata([0, slope])

steep = Explorer(build, slope=Slider(0, 3, 1.0),
                 goals=[Goal("Make it steep.", lambda values: values["slope"] > 2, "It is.")])
steep
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    need_browser()
    cells = PREDICTION, EXPERIMENT, EXERCISE, EXPLORER
    with page_of(tmp_path_factory.mktemp("lab"), *cells) as page:
        page.page.wait_for_selector(".gan-goals", timeout=90000)
        yield page


def output(page: Page, cell: int) -> Any:
    return page.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-Cell-outputWrapper")


def press(page: Page, cell: int, label: str) -> None:
    output(page, cell).locator(f"button:has-text('{label}')").click()


def until(page: Page, cell: int, words: str) -> None:
    wait_for(lambda: words in output(page, cell).inner_text(), 30, f"{words!r} in cell {cell}")


def test_nothing_is_revealed_until_the_learner_commits_with_the_keyboard(page: Page) -> None:
    until(page, 1, "Covered")
    assert "right" not in output(page, 1).inner_text()
    assert output(page, 1).locator("img").count() == 0
    page.page.locator("input[type=radio]").first.focus()
    page.page.keyboard.press("Space")
    assert page.python("print(bet.committed)") == "None"
    for _ in range(2):  # past the other option, to the button
        page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    until(page, 1, "Look at the sign.")
    assert output(page, 1).locator("img").count() == 1
    assert "it turned to the right" in output(page, 1).inner_text()
    assert page.python("print(bet.committed)") == "a"


def test_a_number_is_typed_and_a_formula_is_typeset(page: Page) -> None:
    assert output(page, 2).locator("mjx-container").count() >= 1
    field = output(page, 2).locator("input[type=text]")
    field.fill("2 ln 2")
    press(page, 2, "Check")
    until(page, 2, "Not halved.")
    field.fill("ln 2")
    press(page, 2, "Check")
    until(page, 2, "Right")


def test_a_task_is_noticed(page: Page) -> None:
    until(page, 3, "0 of 1 found")
    page.python("steep.values(slope=2.5)")
    until(page, 3, "1 of 1 found")
    assert "It is." in output(page, 3).inner_text()
