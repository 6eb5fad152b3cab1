"""A real JupyterLab in real (headless) Chromium, for browser tests and the `live` benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat

from gan_lessons.cli.machine import browser

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = browser()
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EXECUTE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code});
  let shown = "";
  future.onIOPub = ({header, content}) => {
    if (header.msg_type === "execute_result") shown += content.data["text/plain"];
    if (header.msg_type === "stream") shown += content.text;
  };
  await future.done;
  return shown.trim();
}"""


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of some code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    made.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    nbformat.write(made, path)


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until `condition()` holds; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(address, timeout=5).status == 200
    return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_NUMPY", "GAN_"))}
    ours = {"PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_PATH": str(ROOT / ".jupyter")}
    return kept | ours | {"JUPYTER_PREFER_ENV_PATH": "1", "XDG_STATE_HOME": str(folder / "state")}


@contextlib.contextmanager
def jupyter(folder: Path) -> Iterator[str]:
    """JupyterLab on a free port of this machine, serving `folder`; yields its address."""
    port = _free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    command += ["--LabApp.expose_app_in_browser=True"]
    command += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0"]
    with _serving(command, port, folder, _environment(folder)) as address:
        yield address


@contextlib.contextmanager
def lab_of(checkout: Path, home: Path) -> Iterator[str]:
    """What `gan-lessons lab` of a checkout opens for a user of a new home; yields its address."""
    port = _free_port()
    settings = {"LabApp": {"expose_app_in_browser": True}, "IdentityProvider": {"token": ""}}
    (home / ".jupyter").mkdir()
    (home / ".jupyter" / "jupyter_lab_config.json").write_text(json.dumps(settings))
    variables = _environment(home) | {"PYTHONPATH": str(checkout), "HOME": str(home)}
    program = "import sys; from gan_lessons.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "lab", "--no-browser", f"--port={port}"]
    with _serving(command, port, home, variables) as address:
        yield address


@contextlib.contextmanager
def _serving(
    command: list[str], port: int, folder: Path, variables: dict[str, str]
) -> Iterator[str]:
    with open(folder / "lab.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=variables, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(f"{address}/api/status"), 90, "JupyterLab to start")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def need_browser() -> None:
    """Skip the test that asks where there is no browser; in CI it fails."""
    import pytest

    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have a browser, and no chromium was found on the PATH")
        pytest.skip("no chromium on the PATH: the browser tests did not run")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser (playwright's)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


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
        named = f'//label[normalize-space()="{label}"]/..'
        return self.page.locator(".gan-player").first.locator(named).locator(".noUi-handle").first

    def python(self, code: str) -> str:
        """Run code in the page's kernel and return what it prints or shows."""
        return self.page.evaluate(EXECUTE, code)

    def close(self) -> None:
        self.page.evaluate("window.jupyterapp.commands.execute('kernelmenu:shutdown')")
        self.page.close()


@contextlib.contextmanager
def page_of(folder: Path, *cells: str) -> Iterator[Page]:
    """A page on which these cells are being run, in a JupyterLab and a browser of its own."""
    write_notebook(folder / "cells.ipynb", *cells)
    with jupyter(folder) as address, chromium() as browser:
        page = Page(browser, address, "cells.ipynb")
        page.run_all()
        yield page
        page.close()
