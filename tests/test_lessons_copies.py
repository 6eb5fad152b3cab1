"""A reader's copies of the lessons: nothing of a reader's is lost, and git sees none of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from gan_lessons import cli, environment, interpreter
from gan_lessons.cli import doctor, lab, lessons, storage
from gan_lessons.errors import InputError
from tests.lab import ROOT

MIXED = "05_dynamics_of_a_game.ipynb"
FIRST = "00_start_here.ipynb"


def lesson(*sources: str, output: str = "") -> str:
    """A committed lesson of some code cells, each with an output."""
    shown = [{"output_type": "stream", "name": "stdout", "text": [output]}]
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "t", "metadata": {}, "source": ["# Title\n", "γ × 2"]}
    ]
    for i, source in enumerate(sources):
        cell = {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": [source]}
        cells.append({**cell, "outputs": shown, "execution_count": i + 1})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two lessons and a table that one of them reads."""
    root = tmp_path / "checkout"
    (root / "notebooks" / "results").mkdir(parents=True)
    for name in (FIRST, MIXED):
        (root / "notebooks" / name).write_text(lesson("1 + 1", "2 + 2"), encoding="utf-8")
    (root / "notebooks" / "results" / "runs.csv").write_text("row,seed\n")
    monkeypatch.setattr(interpreter, "ROOT", root)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return root


def update(root: Path, name: str = FIRST) -> None:
    """What a pull does to a lesson."""
    (root / "notebooks" / name).write_text(lesson("1 + 1", "3 + 3"), encoding="utf-8")


def sources(path: Path) -> list[str]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"][1:]]


def change(path: Path) -> str:
    """What a reader does who writes into the first cell, runs it and saves."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cell = notebook["cells"][1]
    cell["source"], cell["execution_count"] = ["my answer"], 7
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["mine"]}]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_copies_have_no_outputs_and_what_lessons_read_lies_beside_them(checkout: Path) -> None:
    folder = lessons.lessons_folder()
    assert folder == checkout / "my-lessons"
    assert lessons.lay_out(folder) == []
    assert sources(folder / FIRST) == ["1 + 1", "2 + 2"]
    cells = json.loads((folder / FIRST).read_text(encoding="utf-8"))["cells"]
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in cells[1:])
    assert "γ × 2" in (folder / FIRST).read_text(encoding="utf-8")
    assert (folder / "results" / "runs.csv").read_text() == "row,seed\n"
    assert not list(folder.rglob(".saving-*"))


def test_the_committed_lessons_are_copied_whole() -> None:
    """Each real lesson: the same cells, ids and folding, and every link of it leads to a copy."""
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        given = json.loads(path.read_bytes())["cells"]
        copied = json.loads(lessons._content(path))["cells"]
        for one, other in zip(given, copied, strict=True):
            assert {k: v for k, v in one.items() if k not in ("outputs", "execution_count")} == {
                k: v for k, v in other.items() if k not in ("outputs", "execution_count")
            }
            if one["cell_type"] == "markdown":
                text = "".join(one["source"])
                links = [part.split(")")[0] for part in text.split("](")[1:]]
                local = {link.split("#")[0] for link in links if "://" not in link} - {""}
                assert {link for link in local if link.endswith(".ipynb")} <= names
                assert all((ROOT / "notebooks" / link).exists() for link in local)


def test_what_a_reader_changed_is_never_written_to(checkout: Path) -> None:
    folder = lessons.lessons_folder()
    lessons.lay_out(folder)
    mine = change(folder / FIRST)
    (folder / "results" / "runs.csv").write_text("row,seed\nmine,1\n")
    assert lessons.lay_out(folder) == []  # nothing newer to tell of
    update(checkout)
    (checkout / "notebooks" / "results" / "runs.csv").write_text("row,seed\nnew,1\n")
    for _ in range(2):
        (told,) = lessons.lay_out(folder)
        assert FIRST in told and "--fresh 00" in told
        assert (folder / FIRST).read_text(encoding="utf-8") == mine
        assert (folder / "results" / "runs.csv").read_text() == "row,seed\nmine,1\n"


@pytest.mark.parametrize("opened", [False, True])
def test_what_is_as_it_was_given_is_renewed(checkout: Path, opened: bool) -> None:
    folder = lessons.lessons_folder()
    lessons.lay_out(folder)
    if opened:  # JupyterLab writes other metadata, and other white space
        notebook = json.loads((folder / FIRST).read_bytes())
        notebook["metadata"]["language_info"]["version"] = "3.99"
        (folder / FIRST).write_text(json.dumps(notebook, indent=3), encoding="utf-8")
    update(checkout)
    (checkout / "notebooks" / "results" / "runs.csv").write_text("row,seed\nnew,1\n")
    assert lessons.lay_out(folder) == []
    assert sources(folder / FIRST) == ["1 + 1", "3 + 3"]
    assert (folder / "results" / "runs.csv").read_text() == "row,seed\nnew,1\n"


def test_outputs_of_a_reader_count_as_his(checkout: Path) -> None:
    folder = lessons.lessons_folder()
    lessons.lay_out(folder)
    notebook = json.loads((folder / FIRST).read_bytes())
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "4"}]
    (folder / FIRST).write_text(json.dumps(notebook), encoding="utf-8")
    update(checkout)
    assert len(lessons.lay_out(folder)) == 1
    assert json.loads((folder / FIRST).read_bytes()) == notebook


@pytest.mark.parametrize("lost", ["", "{", "[1]", '"x"', "null"])
def test_without_its_memory_nothing_is_overwritten(checkout: Path, lost: str) -> None:
    folder = lessons.lessons_folder()
    lessons.lay_out(folder)
    (folder / lessons.GIVEN).write_text(lost)
    mine = change(folder / FIRST)
    update(checkout)
    update(checkout, MIXED)
    assert len(lessons.lay_out(folder)) == 2
    assert (folder / FIRST).read_text(encoding="utf-8") == mine
    assert sources(folder / MIXED) == ["1 + 1", "2 + 2"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"cells": [3]}', b"null"])
def test_a_copy_that_is_no_notebook_is_kept(checkout: Path, content: bytes) -> None:
    folder = lessons.lessons_folder()
    (folder / FIRST).write_bytes(content)
    lessons.lay_out(folder)
    assert (folder / FIRST).read_bytes() == content
    kept = lessons.freshen(folder, FIRST)
    assert kept and kept.read_bytes() == content
    assert sources(folder / FIRST) == ["1 + 1", "2 + 2"]


def test_links_and_folders_in_the_place_of_copies_are_left_alone(
    checkout: Path, tmp_path: Path
) -> None:
    folder = lessons.lessons_folder()
    (folder / FIRST).symlink_to(tmp_path / "nowhere.ipynb")
    (folder / MIXED).mkdir()
    lessons.lay_out(folder)
    assert (folder / FIRST).is_symlink() and not (tmp_path / "nowhere.ipynb").exists()
    assert lessons.freshen(folder, FIRST).is_symlink()
    assert (folder / MIXED).is_dir()
    assert lessons.freshen(folder, MIXED).is_dir()
    assert sources(folder / MIXED) == sources(folder / FIRST) == ["1 + 1", "2 + 2"]


def test_a_fresh_copy_keeps_ones_own_under_the_date(checkout: Path) -> None:
    folder = lessons.lessons_folder()
    assert lessons.freshen(folder, FIRST) is None  # there was none
    mine = [change(folder / FIRST)]
    kept = [lessons.freshen(folder, FIRST)]
    assert kept[0].name.startswith("00_start_here, mine 20")
    assert lessons.freshen(folder, FIRST) is None  # this one nobody has touched
    mine.append(change(folder / FIRST))
    kept.append(lessons.freshen(folder, FIRST))
    assert len({path.name for path in kept}) == 2
    assert [path.read_text(encoding="utf-8") for path in kept] == mine
    assert sources(folder / FIRST) == ["1 + 1", "2 + 2"]
    update(checkout)
    assert lessons.freshen(folder, FIRST) is None
    assert sources(folder / FIRST) == ["1 + 1", "3 + 3"]
    assert lessons.lay_out(folder) == []


def test_several_starts_at_once_lose_no_copy(checkout: Path) -> None:
    folder = lessons.lessons_folder()
    mine = change_first(folder)
    before = len(list(folder.glob("00*")))
    threads = [threading.Thread(target=lessons.freshen, args=(folder, FIRST)) for _ in range(8)]
    threads += [threading.Thread(target=lessons.lay_out, args=(folder,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    copies = list(folder.glob("00*"))
    assert len(copies) == before + 1
    assert mine in [path.read_text(encoding="utf-8") for path in copies]
    assert sources(folder / FIRST) == ["1 + 1", "2 + 2"]
    assert not list(folder.rglob(".saving-*"))


def change_first(folder: Path) -> str:
    lessons.lay_out(folder)
    return change(folder / FIRST)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("0", FIRST), ("05", MIXED), ("5", MIXED), (MIXED, MIXED), (MIXED[:-6], MIXED)),
        *((f"notebooks/{MIXED}", MIXED), ("start_here", FIRST), ("dynamics", MIXED)),
    ],
)
def test_a_lesson_is_found_by_number_and_name(text: str, found: str, checkout: Path) -> None:
    assert lessons.lesson_named(text) == found


@pytest.mark.parametrize(
    ("text", "near"),
    [("dinamics_of_a_game", "05_dyn"), ("strat_here", "00_"), ("99", ""), ("", "")],
)
def test_a_wrong_name_is_told_the_nearest(text: str, near: str, checkout: Path) -> None:
    with pytest.raises(InputError, match=f"{text}.*{near}"):
        lessons.lesson_named(text)


def test_without_a_place_for_copies_there_is_a_sentence(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "my-lessons").write_text("a file in the way")
    assert lessons.lessons_folder() == tmp_path / "home" / "my-gan-lessons"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="HOME"):
        lessons.lessons_folder()


def test_lab_refuses_a_wrong_name_before_anything_is_made(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lab", "--fresh", "05", "dinamics_of_a_game"]) == 2
    assert "05_dynamics_of_a_game" in capsys.readouterr().err
    assert not (checkout / "my-lessons").exists()


def test_lab_opens_the_fresh_copy(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: seen.append(command))
    monkeypatch.setattr(os, "name", "posix")
    for name in ("JUPYTER_PREFER_ENV_PATH", "JUPYTER_CONFIG_PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.chdir(checkout)
    change_first(lessons.lessons_folder())
    cli.main(["lab", "--fresh", "0", "--no-browser"])
    assert "mine 20" in capsys.readouterr().err
    (ran,) = seen
    assert f"--ServerApp.root_dir={checkout / 'my-lessons'}" in ran
    assert f"--LabApp.default_url=/lab/tree/{FIRST}" in ran


def test_git_ignores_the_copies() -> None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("no git, or no clone")
    name = f"my-lessons/{FIRST}"
    done = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT)
    assert done.returncode == 0


# ---- what is kept on the machine


@pytest.fixture
def kept(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something of each kind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(checkout)
    for place in (
        *(".venv/pyvenv.cfg", ".venv-old/pyvenv.cfg", ".venv.txt", "my-lessons/mine.ipynb"),
        *("runs/ring-0/metrics.json", ".pytest_cache/x", "../cache/gan-lessons/data/mnist/a.gz"),
        *("../cache/gan-lessons/compiled-host-0.10.2/a", "../cache/gan-lessons/compiled-host-9/b"),
        *("../state/gan-lessons/errors.log", "../state/gan-lessons/errors.log.1"),
        "../state/gan-lessons/progress.json",
    ):
        path = checkout / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1000000000")
    return checkout


def kinds() -> list[str]:
    return [kind for kind, *_ in storage.kept()]


def test_doctor_lists_what_is_kept_with_sizes(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", ())
    assert cli.main(["doctor"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kept")]
    assert [line.split()[1].strip(",") for line in lines] == kinds()
    assert set(kinds()) == set(storage.KINDS)
    assert all("10 B" in line for line in lines)
    assert kinds().count("cache") == kinds().count("environment") == 2


@pytest.mark.parametrize("kind", [kind for kind in storage.KINDS if kind not in storage.WORK])
def test_doctor_removes_what_is_named_and_nothing_else(
    kind: str, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = kinds()
    assert cli.main(["doctor", "--remove", kind]) == 0
    assert "10 B are free" in capsys.readouterr().out
    assert kinds() == [other for other in before if other != kind]
    assert (kept / ".venv.txt").exists()
    assert cli.main(["doctor", "--remove", kind]) == 0  # nothing left to do does no harm
    assert kind in capsys.readouterr().out


@pytest.mark.parametrize("kind", storage.WORK)
def test_a_persons_work_goes_only_when_that_is_meant(
    kind: str,
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["doctor", "--remove", kind]) == 1  # nobody to ask
    assert "--yes" in capsys.readouterr().err and kind in kinds()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer in ("", "n", "no"):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert cli.main(["doctor", "--remove", kind]) == 0
        assert kind in kinds()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert cli.main(["doctor", "--remove", kind]) == 0
    assert kind not in kinds()


def test_removing_follows_no_link(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("years of work")
    (kept / "runs" / "inner").symlink_to(precious, target_is_directory=True)
    (kept / "runs" / "file").symlink_to(precious / "thesis")
    assert cli.main(["doctor", "--remove", "runs", "--yes"]) == 0
    assert not (kept / "runs").exists()
    (kept / "runs").symlink_to(precious, target_is_directory=True)
    capsys.readouterr()
    assert cli.main(["doctor", "--remove", "runs", "--yes"]) == 1
    assert "link" in capsys.readouterr().out
    assert (precious / "thesis").read_text() == "years of work"


def test_what_cannot_be_removed_is_told(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", f"{path}/deep")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert cli.main(["doctor", "--remove", "cache"]) == 1
    assert "Permission denied" in capsys.readouterr().out


def test_an_unknown_thing_to_remove_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--remove", "cash"]) == 2
    assert "cache" in capsys.readouterr().err


def test_lab_lends_jupyter_a_folder_where_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / name))
    lab._lend_folders()
    assert capsys.readouterr().err.count("instead") == 4
    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        assert str(tmp_path) not in os.environ[name]
        shutil.rmtree(Path(os.environ[name]).parent, ignore_errors=True)


def test_kernels_of_lab_import_the_package_of_its_checkout(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "_lend_folders", lambda: None)
    for name in ("JUPYTER_PREFER_ENV_PATH", "JUPYTER_CONFIG_PATH"):
        monkeypatch.setenv(name, "")
    for other, expected in ((None, "/a"), (tmp_path, f"{checkout}{os.pathsep}/a")):
        monkeypatch.setenv("PYTHONPATH", "/a")
        monkeypatch.setattr(environment, "copy_that_kernels_load", lambda other=other: other)
        lab._see_to_jupyter()
        assert os.environ["PYTHONPATH"] == expected
