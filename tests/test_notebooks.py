"""Every lesson runs from top to bottom in a fresh kernel, and is committed in normal form."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from tests import notebooks

LESSONS = sorted(notebooks.FOLDER.glob("*.ipynb"))
PIXEL = "iVBORw0KGgoAAAANSUhEUg=="
# After the last cell: every solution is right, and every listed mistake is told its own message.
EXERCISES = """
from gan_lessons.exercises import REGISTRY

for exercise in REGISTRY.values():
    exercise.self_test()
print(len(REGISTRY))
"""
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}

every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@every_lesson
def test_lesson_is_as_committed_lessons_must_be(path: Path) -> None:
    assert notebooks.problems(path) == []


@pytest.mark.slow
@every_lesson
def test_lesson_runs(path: Path, record_property: Callable[[str, object], None]) -> None:
    lesson = notebooks.read(path)
    lesson.cells.append(v4.new_code_cell(EXERCISES))
    began = time.perf_counter()
    notebooks.execute(lesson, fast=True, timeout=480)
    seconds = time.perf_counter() - began
    record_property("seconds", round(seconds, 1))
    if path.stem[:2].isdecimal():
        assert int(lesson.cells[-1].outputs[0].text) >= (3 if path.stem[:2] != "00" else 1)
    assert [o for _, o in notebooks.outputs(lesson) if o.output_type == "error"] == []
    assert seconds < 480  # about 60 on an idle machine; this only catches what hangs


def notebook(*outputs: nbformat.NotebookNode, source: str = "1 + 1") -> nbformat.NotebookNode:
    cell = v4.new_code_cell(source, outputs=list(outputs), execution_count=7)
    return v4.new_notebook(cells=[v4.new_markdown_cell("# Title\n\n"), cell])


def shown(data: dict[str, object]) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data=data, metadata={"image/png": {"width": 3}})


def kept(*outputs: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for _, output in notebooks.outputs(notebooks.normalise(notebook(*outputs)))]


def test_normal_form_is_reached_in_one_step() -> None:
    messy = notebook(shown({"image/png": PIXEL + "\n"}), source="x   = {'a':1}\n\n")
    messy.metadata["widgets"] = {"state": {}}
    once = notebooks.normalise(messy)
    assert notebooks.normalise(once) == once
    assert once.cells[1].source == 'x = {"a": 1}'
    assert set(once.metadata) == {"kernelspec", "language_info", "gan_lessons"}
    nbformat.validate(once)


def test_an_inserted_cell_changes_no_other_id() -> None:
    before = notebooks.normalise(notebook())
    longer = notebook()
    longer.cells.insert(1, v4.new_code_cell("2 + 2"))
    after = notebooks.normalise(longer)
    assert [after.cells[0].id, after.cells[2].id] == [cell.id for cell in before.cells]


@pytest.mark.parametrize("kind", ["Exercise", "Prediction"])
def test_what_holds_an_answer_is_folded(kind: str) -> None:
    lesson = notebook(source=f'ask = {kind}("name", answer=4)\nask.show()')
    lesson.cells.append(v4.new_code_cell(f"from gan_lessons.exercises import {kind}"))
    folded = [cell.metadata.get("jupyter") for cell in notebooks.normalise(lesson).cells]
    assert folded == [None, {"source_hidden": True}, None]


def test_equal_cells_have_different_ids() -> None:
    twice = notebook()
    twice.cells.append(v4.new_code_cell("1 + 1"))
    ids = [cell.id for cell in notebooks.normalise(twice).cells]
    assert len(set(ids)) == 3


def test_widgets_go_and_their_still_figures_stay() -> None:
    assert kept(shown({**WIDGET, "text/plain": "VBox(children=(Button(),))"})) == []
    (output,) = kept(shown({**WIDGET, "image/png": PIXEL, "text/plain": "Player(ring)"}))
    assert dict(output.data) == {"image/png": PIXEL}
    (output,) = kept(shown({**WIDGET, "image/png": PIXEL, "text/plain": "8 of 8 modes"}))
    assert output.data["text/plain"] == "8 of 8 modes"


def test_text_loses_what_belongs_to_one_machine() -> None:
    text = f"\x1b[31m{notebooks.ROOT}/x <Line at 0x7f00>\x1b[0m\n 1 %\r99 %\n"
    (output,) = kept(v4.new_output("stream", name="stdout", text=text))
    assert output.text == "../x <Line>\n99 %"
    assert kept(v4.new_output("stream", name="stderr", text="noise")) == []


def test_cells_are_counted_only_if_the_code_is_what_ran() -> None:
    lesson = notebooks.normalise(notebook())
    assert lesson.cells[1].execution_count is None
    digest = notebooks.source_digest(lesson)
    lesson.metadata["gan_lessons"] = {"source_sha256": digest}
    assert notebooks.normalise(lesson).cells[1].execution_count == 1
    lesson.cells[1].source = "1 + 2"
    assert notebooks.normalise(lesson).cells[1].execution_count is None


def committed(tmp_path: Path, lesson: nbformat.NotebookNode) -> Path:
    path = tmp_path / "lesson.ipynb"
    path.write_text(nbformat.writes(lesson) + "\n", encoding="utf-8")
    return path


def test_a_good_lesson_has_no_problems(tmp_path: Path) -> None:
    lesson = notebook()
    lesson.cells += [v4.new_markdown_cell(f"{i}") for i in range(24)]
    lesson.metadata["gan_lessons"] = {"source_sha256": notebooks.source_digest(lesson)}
    assert notebooks.problems(committed(tmp_path, notebooks.normalise(lesson))) == []


def test_problems_are_told(tmp_path: Path) -> None:
    leak = v4.new_output("stream", name="stdout", text="/home/someone/x")
    crash = v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    lesson = notebook(leak, crash, source="\n".join(f"x{i} = {i}" for i in range(26)))
    told = "\n".join(notebooks.problems(committed(tmp_path, lesson)))
    for word in ("normal form", "git checkout", "--fix", "ran", "/home/someone/x", "ValueError"):
        assert word in told


def lesson_of(*cells: tuple[str, bool]) -> nbformat.NotebookNode:
    """A lesson of code cells, each with whether it is folded."""
    made = v4.new_notebook(cells=[v4.new_markdown_cell("# Title\n\n[Notation](notation.ipynb)")])
    for source, folded in cells:
        cell = v4.new_code_cell(source)
        cell.metadata = {"jupyter": {"source_hidden": True}} if folded else {}
        made.cells.append(cell)
    return made


QUESTION = ("# question\nbet = Prediction('p', '?')\nbet.show()", True)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([("x = 1  # noqa: E731", False)], "noqa"),
        ([("x = 1\nassert x == 1", False)], "assertion"),
        ([("fig = figure(9, 3)", False)], "figure"),
        ([("ax.plot(x)", False)], "plot"),
        ([("player._kept = 1", False)], "_kept"),
        ([(f"x = {'1 + ' * 40}1", False)], "100 characters"),
        ([("fig = figure(9, 3)", True)], "comment"),
        ([("bet.compare(3)", False), QUESTION], "answers 'bet'"),
        ([("# check\nsum.check(3)", True)], "answers 'sum'"),
    ],
)
def test_plumbing_in_view_and_answers_before_questions_are_told(
    cells: list[tuple[str, bool]], told: str
) -> None:
    (problem,) = notebooks.reading_problems(lesson_of(*cells))
    assert told in problem


def test_a_lesson_fit_to_read_has_no_problems() -> None:
    cells = [
        ("values = [x for _ in range(3)]", False),
        ("# drawing\nfigure(9, 3).subplots().plot(values)\nassert values", True),
        QUESTION,
        ("bet.compare(3)", False),
    ]
    assert list(notebooks.reading_problems(lesson_of(*cells))) == []
    without = lesson_of()
    without.cells[0].source = "# Title"
    assert len(list(notebooks.reading_problems(without))) == 1


@pytest.mark.slow
def test_a_run_stamps_what_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    path = committed(tmp_path, notebook(source="import os\nprint(os.environ.get('MPLBACKEND'))"))
    notebooks.run(path, timeout=60)
    lesson = notebooks.read(path)
    assert notebooks.stamp(lesson) == notebooks.source_digest(lesson)
    assert "Agg" not in lesson.cells[1].outputs[0].text


@pytest.mark.slow
def test_a_failing_run_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    path = committed(tmp_path, notebook(source="1 / 0"))
    before = path.read_bytes()
    assert notebooks.main(["run", str(path)]) == 1
    assert path.read_bytes() == before
