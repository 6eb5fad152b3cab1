"""The explorer in a real JupyterLab in a real (headless) Chromium: keys, and a finger's drag."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import Page, need_browser, page_of, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXPLORER = """
import json
from gan_lessons.live import Explorer, Point, Slider

def build(fig):
    ax = fig.subplots()
    ax.set(xlim=(-2, 2), ylim=(-2, 2))
    (dot,) = ax.plot([], [], "o", ms=12, animated=True)
    (line,) = ax.plot([-2, 2], [0, 0], animated=True)

    def update(height, start):
        line.set_ydata([height, height])
        dot.set_data([start[0]], [start[1]])

    return update

shown = Explorer(build, height=Slider(-2, 2, 0.0), start=Point((1.0, 1.0), low=-2, high=2))
shown
"""
PLACE = """
ax = shown.figure.axes[0]
x, y = ax.transData.transform({}) / shown.figure.bbox.size
print(json.dumps([x, 1 - y]))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    need_browser()
    with page_of(tmp_path_factory.mktemp("lab"), EXPLORER) as page:
        page.page.wait_for_selector(".gan-explorer img", timeout=60000)
        yield page


def drawn(page: Page) -> Any:
    return json.loads(page.python("print(json.dumps(shown.drawn))"))


def source(page: Page) -> str:
    return page.page.locator(".gan-explorer img").get_attribute("src")


def test_a_slider_moved_by_a_key_changes_the_picture(page: Page) -> None:
    first = source(page)
    row = page.page.locator(".gan-explorer .jupyter-widgets", has_text="height")
    for key in ("Tab", "ArrowRight", "ArrowRight"):
        row.locator(".noUi-handle").first.press(key)
    wait_for(lambda: drawn(page)["height"] > 0, 20, "the new height")
    wait_for(lambda: source(page) != first, 20, "the new picture")


def test_dragging_the_point_changes_the_values_and_its_sliders(page: Page) -> None:
    box = page.page.locator(".gan-explorer img").bounding_box()

    def pixel(at: tuple[float, float]) -> tuple[float, float]:
        x, y = json.loads(page.python(PLACE.format(at)))
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    page.page.mouse.move(*pixel((1.0, 1.0)))
    page.page.mouse.down()
    page.page.mouse.move(*pixel((0.0, 0.0)), steps=5)
    page.page.mouse.move(*pixel((-1.0, 0.5)), steps=5)
    page.page.mouse.up()
    wait_for(lambda: drawn(page)["start"] == pytest.approx([-1.0, 0.5], abs=0.05), 20, "the drag")
    readout = page.page.locator(".gan-explorer .jupyter-widgets", has_text="start x")
    wait_for(lambda: "−1" in readout.last.inner_text().replace("-", "−"), 20, "the slider")
