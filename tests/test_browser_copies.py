"""The README's two commands in a newcomer's order, in a real browser: open, run, save, test."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_lessons.cli import lessons
from tests import notebooks
from tests.lab import ROOT, Page, chromium, lab_of, need_browser, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LESSON = "00_start_here.ipynb"
DIRTY = "window.jupyterapp.shell.currentWidget.context.model.dirty"
SAVE = "window.jupyterapp.commands.execute('docmanager:save')"
APPEND = """async (text) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = 0;
  notebook.activeCell.model.sharedModel.setSource(text);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need_browser()
    with chromium() as running:
        yield running


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clean clone with a short first lesson."""
    checkout = tmp_path / "clone"
    for name in ("gan_lessons", "notebooks", ".jupyter"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, checkout)
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    git(checkout, *author, "commit", "--quiet", "--message=all")
    return checkout


def git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_open_run_and_save_leave_nothing_for_git_to_see(
    browser: Any, clone: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    copy = clone / "my-lessons" / LESSON
    with lab_of(clone, home) as address:
        given = copy.read_bytes()
        page = Page(browser, address, LESSON)
        kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        page.page.wait_for_function(f"{kernel}.status === 'idle'", timeout=90000)
        page.page.wait_for_timeout(2000)  # until after the kernel has said what it speaks
        assert page.page.evaluate(DIRTY) is False  # opening it changes nothing ...
        page.page.evaluate(SAVE)
        page.page.wait_for_timeout(500)
        assert copy.read_bytes() == given  # ... and no more does saving it

        where = "import gan_lessons, os; print(os.path.dirname(gan_lessons.__file__), os.getcwd())"
        assert page.python(where).split() == [str(clone / "gan_lessons"), str(copy.parent)]
        page.page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
        page.page.evaluate(APPEND, "# My answer")
        assert page.page.evaluate(DIRTY) is True
        page.page.evaluate(SAVE)
        wait_for(lambda: b"My answer" in copy.read_bytes(), 30, "the lesson to be saved")
        assert git(clone, "status", "--porcelain") == ""
        page.close()
    assert (clone / "notebooks" / LESSON).read_bytes() == (ROOT / "notebooks" / LESSON).read_bytes()
    assert notebooks.problems(clone / "notebooks" / LESSON) == []
    mine = copy.read_bytes()
    before = json.loads((clone / "notebooks" / LESSON).read_bytes())
    before["cells"][0]["source"] = ["# Another title"]
    (clone / "notebooks" / LESSON).write_text(json.dumps(before))  # as a pull may bring it
    assert lay_out(clone)[0].startswith(LESSON)
    assert copy.read_bytes() == mine


def lay_out(checkout: Path) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons.interpreter, "ROOT", checkout)
        return lessons.lay_out(lessons.lessons_folder())
