"""The live player in a real JupyterLab in a real (headless) Chromium, asserting on the page."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "artefacts"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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
EXECUTE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code});
  let shown = "";
  future.onIOPub = ({content}) => {
    if (content.data) shown += content.data["text/plain"];
    if (content.text) shown += content.text;
  };
  await future.done;
  return shown.trim();
}"""
NORMS = "[float((v**2).sum()) for v in (player.run.state.d, player.run.state.g)]"


def write_notebook(path: Path, *cells: str) -> None:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    made.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    nbformat.write(made, path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab on a free port of this machine: (address, folder of notebooks)."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have a browser, and no chromium was found on the PATH")
        pytest.skip("no chromium on the PATH: the browser tests did not run")
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_NUMPY", "GAN_"))}
    environment |= {"PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    command += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0"]
    with open(folder / "lab.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{address}/api/status"), 90, "JupyterLab to start")
        yield address, folder
    finally:
        process.terminate()
        process.wait(30)


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(address, timeout=5).status == 200
    return False


def wait_for(condition: Any, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: the browser tests did not run")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


class Page:
    """A notebook open in JupyterLab."""

    def __init__(self, browser: Any, address: str, name: str) -> None:
        self.page = browser.new_page(viewport={"width": 1366, "height": 768})
        self.page.goto(f"{address}/lab/tree/{name}?reset", wait_until="domcontentloaded")
        self.page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel", timeout=90000
        )

    def run_all(self) -> None:
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def status(self, what: str) -> str:
        return self.page.locator(".gan-status").first.get_attribute(f"data-{what}", timeout=90000)

    @property
    def step(self) -> int:
        return int(self.status("step"))

    def press(self, label: str) -> None:
        self.page.locator(f".gan-player button:has-text('{label}')").first.click()

    def until(self, state: str, seconds: float = 60) -> None:
        selector = f".gan-status[data-state='{state}']"
        self.page.wait_for_selector(selector, timeout=1000 * seconds)

    def train_past(self, step: int) -> None:
        wait_for(lambda: self.step > step, 90, f"step {step}")

    def slider(self, label: str) -> Any:
        row = self.page.locator(".gan-player .jupyter-widgets", has_text=label)
        return row.locator(".noUi-handle").first

    def python(self, code: str) -> str:
        """Run code in the page's kernel and return what it prints or shows."""
        return self.page.evaluate(EXECUTE, code)


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
        page.page.evaluate("window.jupyterapp.commands.execute('kernelmenu:shutdown')")
        page.page.close()


def test_play_trains_and_the_picture_changes(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    picture = page.page.locator(".gan-player img").first
    first = picture.get_attribute("src")
    assert page.step == 0
    page.press("Play")
    page.train_past(200)
    assert picture.get_attribute("src") != first
    assert picture.bounding_box()["width"] > 600


def test_pause_stops_and_stays_stopped(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    page.press("Play")
    page.train_past(200)
    page.press("Pause")
    page.until("paused", seconds=5)
    stopped = page.step
    time.sleep(0.5)
    assert page.step == stopped


def test_steps_of_one_player_move_that_player_alone(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    seen = [json.loads(page.python(NORMS))]
    for button in ("step D", "step G", "step both"):
        page.press(button)
        wait_for(lambda: page.step == len(seen), 60, button)
        seen.append(json.loads(page.python(NORMS)))
    moved = [[a != b for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(seen)]
    assert moved == [[True, False], [False, True], [True, True]]


def test_slider_and_objective_change_training_without_starting_over(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    page.press("Play")
    page.train_past(200)
    was, rate = page.step, page.status("lr-d")
    page.slider("D's rate").press("ArrowRight")
    wait_for(lambda: page.status("lr-d") != rate, 10, "the new rate")
    page.page.locator(".gan-player select").first.select_option(label="hinge")
    wait_for(lambda: page.status("objective") == "hinge", 10, "the new objective")
    assert page.status("state") == "training"
    page.train_past(was + 200)


def test_scrub_back_and_resume_from_there(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    page.press("Play")
    page.train_past(2000)
    page.press("Pause")
    page.until("paused")
    last = page.step
    page.slider("history").press("Home")
    page.page.wait_for_selector(".gan-player :text('step 0 of')", timeout=10000)
    page.press("step both")
    wait_for(lambda: page.step == 1, 60, "one step from the start")
    page.press("Play")
    page.train_past(20)
    assert last > 2000


def test_running_the_cell_again_leaves_one_player(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    page.press("Play")
    page.train_past(100)
    page.run_all()
    wait_for(lambda: page.step == 0, 60, "the new player")
    wait_for(lambda: page.python(WORKERS) == "1", 30, "one worker")
    assert page.page.locator(".gan-player").count() == 1


def test_reset_starts_over_and_a_bad_knob_is_a_sentence(open_page: Any) -> None:
    page = open_page(PLAYER)
    page.until("paused")
    page.press("Play")
    page.train_past(100)
    page.python("player.set(d_steps=0, g_steps=0)")
    page.page.wait_for_selector(".gan-player :text('nobody would move')", timeout=10000)
    page.press("reset")
    wait_for(lambda: page.step == 0, 30, "step 0")
