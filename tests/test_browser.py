"""The live player in a real JupyterLab in a real (headless) Chromium, asserting on the page."""

from __future__ import annotations

import io
import itertools
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.lab import ROOT, Page, chromium, jupyter, need_browser, wait_for, write_notebook

ARTEFACTS = ROOT / "artefacts"
pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLAYER = """
from gan_lessons.live import playground
from gan_lessons.networks import MLP
player = playground(generator=MLP((16,)), discriminator=MLP((16,)), batch=32, r1=0.0)
player
"""
WORKERS = """
import threading
[thread.name for thread in threading.enumerate()].count("gan-player")
"""
NORMS = "[float((v**2).sum()) for v in (player.run.state.d, player.run.state.g)]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need_browser()
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("lab")
    with jupyter(folder) as address:
        yield address, folder


@pytest.fixture
def open_page(
    browser: Any, server: tuple[str, Path], request: pytest.FixtureRequest
) -> Iterator[Any]:
    """Open a notebook of some cells and run it; a screenshot is kept if the test fails."""
    address, folder = server
    pages: list[Page] = []

    def open_it(*cells: str) -> Page:
        name = f"{request.node.name}.ipynb"
        write_notebook(folder / name, *cells)
        pages.append(Page(browser, address, name))
        pages[-1].run_all()
        return pages[-1]

    yield open_it
    for page in pages:
        if getattr(request.node, "failed", False):
            ARTEFACTS.mkdir(exist_ok=True)
            page.page.screenshot(path=ARTEFACTS / f"{request.node.name}.png")
        page.close()


def test_a_game_from_play_to_reset_and_the_cell_run_again(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    picture = page.page.locator(".gan-player img").first
    first = picture.get_attribute("src")
    assert picture.bounding_box()["width"] > 600

    seen = [json.loads(page.python(NORMS))]
    for button in ("step D", "step G", "step both"):
        page.press(button)
        wait_for(lambda: page.step == len(seen), 60, button)
        seen.append(json.loads(page.python(NORMS)))
    moved = [[a != b for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(seen)]
    assert moved == [[True, False], [False, True], [True, True]]

    page.press("Play")
    page.train_past(200)
    assert picture.get_attribute("src") != first
    was, rate = page.step, page.status("lr-d")
    page.slider("D's rate").press("ArrowRight")
    wait_for(lambda: page.status("lr-d") != rate, 10, "the new rate")
    page.page.locator(".gan-player select").first.select_option(label="hinge")
    wait_for(lambda: page.status("objective") == "hinge", 10, "the new objective")
    assert page.status("state") == "training"
    page.train_past(was + 2000)
    page.press("Pause")
    page.until("paused", seconds=5)
    stopped = page.step
    time.sleep(0.5)
    assert page.step == stopped

    page.slider("history").press("Home")
    page.page.wait_for_selector(".gan-player :text('step 0 of')", timeout=10000)
    page.press("step both")
    wait_for(lambda: page.step == 1, 60, "one step from the start")
    page.slider("D steps").press("Home")
    page.python("player.wait(); player.controls.knobs['g_steps'].value = 0")
    page.page.wait_for_selector(".gan-player :text('nobody would move')", timeout=10000)
    page.press("Play")
    page.train_past(20)
    page.press("reset")
    wait_for(lambda: page.step < 20, 30, "the start")
    page.run_all()
    wait_for(lambda: page.step == 0, 60, "the new player")
    wait_for(lambda: page.python(WORKERS) == "0", 30, "the workers to end")
    assert page.page.locator(".gan-player").count() == 1


def test_a_player_far_down_has_its_picture_when_all_cells_are_run_at_once(open_page: Any) -> None:
    cell = "import time; time.sleep(0.2)\nprint('\\n' * 9)"  # the page follows the running cell
    page = open_page(*[cell] * 20, PLAYER, *[cell] * 20)
    page.until("paused")
    page.python("player.wait()")
    picture = page.page.locator(".gan-player img").first
    seen = Image.open(io.BytesIO(picture.screenshot(timeout=20000)))
    assert seen.width > 600
    assert len(np.unique(np.asarray(seen.convert("L")))) > 50  # no blank


def test_a_page_changes_nothing_of_the_game_that_it_shows(open_page: Any) -> None:
    """A slider that knows only even steps would move an odd value, and send it back; so would one
    that follows a schedule."""
    odd = "lr_d=0.0017, lr_g=0.00123, r1=0.17, beta1=0.33, beta2=0.9987, ema=0.9993, d_steps=2"
    page = open_page(PLAYER.replace("r1=0.0", f"{odd}, noise=0.1, noise_end=0.0, decay_steps=5000"))
    page.until("paused")
    page.press("Play")
    page.train_past(6000)
    page.press("Pause")
    page.until("paused")
    page.page.wait_for_selector(".gan-player :text('schedule is over')", timeout=10000)
    assert page.python("player.wait(); len(player.run.changes)") == "1"
    readouts = page.page.locator(".gan-player .widget-label").all_inner_texts()
    assert readouts[readouts.index("noise") + 1] == "0"


def test_one_player_in_two_cells_is_live_in_both(open_page: Any) -> None:
    page = open_page(PLAYER, "player")
    page.until("paused")
    wait_for(lambda: page.page.locator(".gan-player img").count() == 2, 60, "the second view")
    page.press("step both")
    for view in page.page.locator(".gan-status").all():
        wait_for(lambda: view.get_attribute("data-step") == "1", 30, "the step")  # noqa: B023
    sources = {image.get_attribute("src") for image in page.page.locator(".gan-player img").all()}
    assert len(sources) <= 2  # one model, so that both show the same picture
    page.python("player.close()")
    stale = page.page.locator("text=This view was closed")
    wait_for(lambda: stale.count() == 2, 30, "both views to say that they are stale")
    assert page.page.locator(".gan-player").count() == 0


# What Python knows and what the page shows, once nothing is left to do.
KNOWN = """
import json
player.wait()
dials = player.controls.dials
print(json.dumps({
    "step": player.run.step, "shown": player.shown_step, "playing": player.playing,
    "finite": bool(abs(player.run.history).max() < 1e30) if player.run.step else True,
    "rows": len(player.run.history), "state": int(player.run.state.step),
    "snapshot": sorted(player.run.snapshots).index(player.shown_step),
    "rates": [dials[name].readout.value for name in ("lr_d", "lr_g")],
    "acting": [f"{getattr(player.acting, name):g}" for name in ("lr_d", "lr_g")],
    "objective": player.run.knobs.objective, "message": player.message,
}))
"""
LOG = """
from gan_lessons.live.log import log_path
print(log_path().read_text() if log_path().exists() else "")
"""


def test_hammering_it_for_half_a_minute_leaves_kernel_and_page_in_agreement(
    open_page: Any,
) -> None:
    page, chance, errors = open_page(PLAYER), random.Random(1), []
    page.page.on("pageerror", lambda error: errors.append(str(error)))
    page.until("paused")
    toggle = page.page.locator(".gan-player button.mod-primary").first
    menu = page.page.locator(".gan-player select").first

    def keys(label: str, *names: str) -> None:
        for _ in range(chance.randrange(1, 5)):
            page.slider(label).press(chance.choice(names))

    arrows = ("ArrowLeft", "ArrowRight", "ArrowLeft", "ArrowRight", "PageUp", "PageDown")
    acts = [
        lambda: toggle.click(),
        lambda: (toggle.click(), toggle.click()),
        lambda: keys("history", "Home", "End", *arrows),
        lambda: keys("D's rate", *arrows),
        lambda: keys("G's rate", *arrows[:2]),
        lambda: keys("speed", "End", "ArrowLeft"),
        lambda: menu.select_option(label=chance.choice(["hinge", "minimax", "non saturating"])),
        lambda: page.press(chance.choice(["step D", "step G", "step both"])),
        lambda: page.press("reset"),
    ]
    end = time.monotonic() + 30
    while time.monotonic() < end:
        chance.choices(acts, [4, 4, 3, 2, 2, 1, 1, 2, 0.3])[0]()
        time.sleep(chance.choice([0, 0.02, 0.3]))
    page.slider("speed").press("End")
    if "Pause" in toggle.inner_text():
        toggle.click()
    page.until("paused", seconds=20)
    page.page.wait_for_timeout(1500)
    known = json.loads(page.python(KNOWN))
    assert not known["playing"] and known["finite"] and known["message"] == ""
    assert known["step"] == known["rows"] == known["state"] == page.step
    assert known["rates"] == known["acting"]
    assert page.status("objective") == known["objective"]
    assert menu.input_value() == known["objective"].replace("_", " ")
    assert "Play" in toggle.inner_text()
    history = page.slider("history").get_attribute("aria-valuenow")
    assert float(history) == known["snapshot"]
    labels = page.page.locator(".gan-player .widget-label").all_inner_texts()
    assert set(known["rates"]) <= set(labels)
    assert page.python(LOG) == "" and errors == []
    assert page.python("1 + 1") == "2" and page.python(WORKERS) == "0"
    idle = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
    assert page.page.evaluate(idle) == "idle"
    page.press("step both")
    wait_for(lambda: page.step == known["shown"] + 1, 30, "a step from what is shown")
