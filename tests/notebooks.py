"""The normal form of the committed notebooks: make it, check it, run the cells for real.

    python -m tests.notebooks normalise [FILES]    write the normal form
    python -m tests.notebooks check [FILES]        say what is not as it should be (exit status 1)
    python -m tests.notebooks run [FILES]          execute in place, top to bottom, then normalise

FILES defaults to all of notebooks/. In normal form a notebook has its code formatted by ruff, ids
that follow from the cells' sources, questions folded, pictures as PNG, no widgets, no standard
error, no paths, no metadata of the machine it ran on, and a digest of the code as it was when it
was last run.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
LARGEST = 1_500_000  # bytes; GitHub gives up on larger ones
SHOWN = {"image/png", "text/html", "text/latex", "text/markdown", "text/plain"}
# What conftest.py sets for the tests is not set for a reader, so it is not for the kernel either.
NOT_FOR_KERNELS = ("GAN_LESSONS_FAST", "JAX_NUMPY_", "MPLBACKEND")
NOTATION = "(notation.ipynb)"  # the page that every lesson links to
# Lessons that still show their plumbing; none may be added.
PLUMBING_IN_VIEW = ("10", "12")
DRAWING = {"figure", "subplots", "plot", "imshow", "hist", "bar", "scatter", "contourf", "legend"}
QUESTION = re.compile(r"\b(Exercise|Prediction)\(")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
WIDGET_WORDS = re.compile(r"\w+\(.*\)", re.DOTALL)
MACHINE = re.compile(r"(?:/home/|/root/|/tmp/|[/\\]Users[/\\])\S*|\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*")


# Normal form


def normalise(notebook: NotebookNode) -> NotebookNode:
    """The normal form of a notebook; normalising it again changes nothing."""
    normal = formatted(notebook)
    normal.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "gan_lessons": {"source_sha256": stamp(notebook)},
    }
    normal.cells = [clean_cell(cell) for cell in normal.cells]
    set_ids(normal.cells)
    number(normal)
    return normal


def formatted(notebook: NotebookNode) -> NotebookNode:
    """A copy whose code is formatted by ruff and whose cells have no blank lines at the end."""
    copied = copy.deepcopy(notebook)
    copied.nbformat, copied.nbformat_minor = 4, 5
    for cell in copied.cells:
        cell.source = cell.source.rstrip()
    set_ids(copied.cells)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "lesson.ipynb", "-"]
    text = nbformat.writes(copied)
    result = subprocess.run(
        command, cwd=ROOT, input=text, capture_output=True, text=True, encoding="utf-8"
    )
    if result.returncode:
        raise SyntaxError(result.stderr.strip())
    return nbformat.reads(result.stdout, as_version=4)


def set_ids(cells: list[NotebookNode]) -> None:
    """Name each cell after its source, so that a new cell changes no other cell's id."""
    taken: dict[str, int] = {}
    for cell in cells:
        name = digest([cell.cell_type, cell.source])[:8]
        taken[name] = taken.get(name, 0) + 1
        cell.id = name if taken[name] == 1 else f"{name}-{taken[name]}"


def clean_cell(cell: NotebookNode) -> NotebookNode:
    """Keep what a reader sees: the source, tags, cleaned outputs, and what is folded.

    A cell that makes a question holds its answer too, so it is always folded.
    """
    cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "jupyter")}
    if cell.cell_type == "code":
        if QUESTION.search(cell.source):
            cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
        cell.outputs = [clean for output in cell.outputs if (clean := clean_output(output))]
    return cell


def clean_output(output: NotebookNode) -> NotebookNode | None:
    """One output without what belongs to one machine or one run; None if nothing is left."""
    if output.output_type == "stream":
        output.text = clean_text(output.text)
        return output if output.name == "stdout" and output.text.strip() else None
    if output.output_type == "error":
        return output
    data = {kind: value for kind, value in output.data.items() if kind in SHOWN}
    words = data.get("text/plain", "")
    if len(data) < len(output.data) and WIDGET_WORDS.fullmatch(words):
        del data["text/plain"]  # a widget's repr, of no use without the widget
    output.data = {k: v.strip() if k == "image/png" else clean_text(v) for k, v in data.items()}
    output.metadata = {}
    return output if data else None


def clean_text(text: str) -> str:
    """Progress as it stood at its end, without colours, addresses and this machine's folders."""
    text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in text.split("\n"))
    text = ADDRESS.sub("", COLOUR.sub("", text))
    return text.replace(str(ROOT), "..").replace(str(Path.home()), "~").rstrip()


def number(notebook: NotebookNode) -> None:
    """Count the cells from 1 if the notebook was run as it is, else leave them uncounted."""
    was_run = stamp(notebook) == source_digest(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.execution_count = count if was_run else None
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of some texts, in hexadecimal."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def source_digest(notebook: NotebookNode) -> str:
    """The digest of all code in a notebook."""
    return digest(cell.source for cell in notebook.cells if cell.cell_type == "code")


def stamp(notebook: NotebookNode) -> str:
    """The digest of the code as it was when the notebook was last run; empty if it never was."""
    return notebook.metadata.get("gan_lessons", {}).get("source_sha256", "")


# Files


def read(path: Path) -> NotebookNode:
    """Read a notebook of any version 4 minor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cells without ids, or with the same: normalise sets them
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def write(path: Path, notebook: NotebookNode) -> bool:
    """Write a notebook whole or not at all; returns whether the file changed."""
    text = nbformat.writes(notebook) + "\n"
    if path.read_text(encoding="utf-8") == text:
        return False
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)
    return True


# What must hold


def problems(path: Path) -> list[str]:
    """What is wrong with a committed notebook, a sentence each."""
    text = path.read_text(encoding="utf-8")
    notebook = normalise(read(path))
    found = []
    if text != nbformat.writes(notebook) + "\n":
        found.append(
            "it is not in normal form, as after an editor opened and saved it in place:"
            f" `git checkout {shown_path(path)}` takes that back, `python -m tests --fix` keeps it"
            " and puts it in order; `gan-lessons lab` opens copies, with which this cannot happen"
        )
    if stamp(notebook) != source_digest(notebook):
        found.append(f"its code changed since it ran: python -m tests.notebooks run {path.name}")
    if len(text.encode()) >= LARGEST:
        found.append(f"it has {len(text.encode()):,} bytes, and {LARGEST:,} are too many")
    found += [*form_problems(notebook), *output_problems(notebook)]
    if path.stem[:2].isdecimal() and not path.stem.startswith(PLUMBING_IN_VIEW):
        found += reading_problems(notebook)
    return found


def shown_path(path: Path) -> Path:
    """A path as one types it in the checkout."""
    return path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path


def form_problems(notebook: NotebookNode) -> Iterable[str]:
    """Whether a notebook is laid out as every one of them must be."""
    if not all(cell.source.strip() for cell in notebook.cells):
        yield "a cell is empty"
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        yield "its first cell is not its title"


def reading_problems(notebook: NotebookNode) -> Iterable[str]:
    """What stands in a reader's way: plumbing in view, an answer before its question."""
    if not any(NOTATION in cell.source for cell in notebook.cells):
        yield f"it does not link to {NOTATION}"
    asked: dict[str, int] = {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            if not cell.source.startswith("# "):
                yield f"cell {index} is folded and does not begin with a comment that says why"
        else:
            for what in sorted({*plumbing(cell.source, tree)}):
                yield f"cell {index} shows {what}; fold it or move it into the package"
        for name, method in methods_called(tree):
            if method == "show":
                asked.setdefault(name, index)
            elif method in ("check", "compare") and name not in asked:
                yield f"cell {index} answers {name!r}, which no cell before it asks"


def plumbing(source: str, tree: ast.AST) -> Iterable[str]:
    """What is in a cell's source that is no part of its idea."""
    for word in ("noqa", "fmt: skip", "fmt: off", "type: ignore"):
        if f"# {word}" in source:
            yield f"`{word}`"
    if max(map(len, source.splitlines()), default=0) > 100:
        yield "a line of more than 100 characters"
    for node in ast.walk(tree):
        match node:
            case ast.Assert():
                yield "an assertion"
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in DRAWING:
                yield f"drawing (`{name}`)"
            case ast.Attribute(attr=name) | ast.Name(id=name) if (
                name.startswith("_") and name.strip("_") and not name.startswith("__")
            ):
                yield f"an internal name (`{name}`)"


def methods_called(tree: ast.AST) -> Iterable[tuple[str, str]]:
    """The name of a variable and of its method, for each `variable.method(...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                yield name, method


def output_problems(notebook: NotebookNode) -> Iterable[str]:
    """Whether an output shows an error or something of the machine that it ran on."""
    for index, output in outputs(notebook):
        if output.output_type == "error":
            yield f"cell {index} ended in an error: {output.ename}: {output.evalue}"
        words = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        if leak := MACHINE.search(words):
            yield f"cell {index} shows a path or a time: {leak.group()}"


def outputs(notebook: NotebookNode) -> Iterable[tuple[int, NotebookNode]]:
    """Every output with its cell's place in the notebook."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            yield index, output


# Running


def execute(notebook: NotebookNode, *, fast: bool, timeout: float) -> None:
    """Run every cell, in place, in a fresh kernel that works in notebooks/.

    `timeout` is in seconds for one cell. Raises `nbclient.exceptions.CellExecutionError`
    where a cell fails and `CellTimeoutError` where one takes too long.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute(env=kernel_environment(fast))


def kernel_environment(fast: bool) -> dict[str, str]:
    """The environment variables of a reader's kernel, with this checkout importable."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(NOT_FOR_KERNELS)}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), kept.get("PYTHONPATH", "")]).strip(os.pathsep)
    return kept | ({"GAN_LESSONS_FAST": "1"} if fast else {})


def run(path: Path, timeout: float = 600) -> float:
    """Execute one notebook as its readers will, stamp it and write it; returns the seconds."""
    notebook = formatted(read(path))
    began = time.perf_counter()
    execute(notebook, fast=False, timeout=timeout)
    notebook.metadata["gan_lessons"] = {"source_sha256": source_digest(notebook)}
    write(path, normalise(notebook))
    return time.perf_counter() - began


# The command


def main(argv: list[str] | None = None) -> int:
    """Run one of the three commands; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("files", nargs="*", type=found, metavar="FILES")
    options = parser.parse_args(argv)
    files = options.files or sorted(FOLDER.glob("*.ipynb"))
    return max([COMMANDS[options.command](path) for path in files], default=0)


def found(name: str) -> Path:
    """A notebook given by its path, or by its name in notebooks/ with or without the ending."""
    for path in (Path(name), FOLDER / name, FOLDER / f"{name}.ipynb"):
        if path.is_file():
            return path.resolve()
    raise argparse.ArgumentTypeError(f"there is no notebook {name!r}, here or in notebooks/")


def normalise_command(path: Path) -> int:
    """Write the normal form of one notebook."""
    if write(path, normalise(read(path))):
        print(f"{path.name}: rewritten")
    return 0


def check_command(path: Path) -> int:
    """Print what is wrong with one notebook."""
    found = problems(path)
    for problem in found:
        print(f"{path.name}: {problem}")
    return int(bool(found))


def run_command(path: Path) -> int:
    """Execute one notebook; it is left as it was if a cell fails."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    try:
        print(f"{path.name}: {run(path):.0f} s", flush=True)
    except (CellExecutionError, CellTimeoutError) as error:
        print(f"{path.name}: {COLOUR.sub('', str(error)).strip()}", file=sys.stderr)
        return 1
    return check_command(path)


COMMANDS = {"normalise": normalise_command, "check": check_command, "run": run_command}

if __name__ == "__main__":
    sys.exit(main())
