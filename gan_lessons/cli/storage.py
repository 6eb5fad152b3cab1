"""What the suite keeps on a machine: where it lies, how large it is, and taking it away again."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from gan_lessons import interpreter
from gan_lessons.cli.lessons import ELSEWHERE, OURS
from gan_lessons.errors import InputError
from gan_lessons.folders import home, our_cache, our_state

# What can be removed, and what it is. The last three are a person's work.
KINDS = {
    "environment": "the packages that were installed for the lessons; `lab` installs them anew",
    "cache": "compiled programs, of each version of JAX; they are compiled anew",
    "downloads": "pictures from the net; they are fetched anew",
    "log": "errors of players and figures",
    "tests": "what the tests left",
    "progress": "the record of your answers",
    "my-lessons": "your copies of the lessons",
    "runs": "your trainings and tables",
}
WORK = ("progress", "my-lessons", "runs")
TESTS = (".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", "artefacts")


def kept() -> Iterator[tuple[str, Path, int]]:
    """Every thing that is there: its kind, its path, and its bytes."""
    for kind in KINDS:
        for path in _places(kind):
            if os.path.lexists(path):
                yield kind, path, size(path)


def _places(kind: str) -> list[Path]:
    root, caches, state, at_home = interpreter.ROOT, our_cache(""), our_state(), home()
    if kind == "environment":
        return [path for path in sorted(root.glob(".venv*")) if (path / "pyvenv.cfg").is_file()]
    if kind == "cache":
        return sorted(caches.glob("compiled-*")) if caches else []
    if kind == "downloads":
        return [caches / "data"] if caches else []
    if kind == "log":
        return sorted(state.glob("errors.log*")) if state else []
    if kind == "progress":
        return sorted(state.glob("progress*")) if state else []
    if kind == "tests":
        return [root / name for name in TESTS]
    if kind == "my-lessons":
        return [root / OURS, *([at_home / ELSEWHERE] if at_home else [])]
    return [root / "runs", *([] if _same(root, Path.cwd()) else [Path.cwd() / "runs"])]


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def size(path: Path) -> int:
    """The bytes of a file, or of all files in a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(path)
        for name in names
        if os.path.lexists(os.path.join(folder, name))
    )


def _in_words(count: int) -> str:
    """Bytes as a person reads them: `320 MB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} B"


def lines() -> list[str]:
    """One line for each thing that is kept."""
    return [f"kept   {kind}, {_in_words(count)}: {path}" for kind, path, count in kept()]


def remove(kinds: list[str], yes: bool) -> int:
    """Take away what there is of some kinds, and print what each freed; returns the exit status.

    A link is left alone, and so is all that links inside lead to. A person's work goes only after
    a question, or with `yes`.

    Raises: InputError where there is nobody to ask.
    """
    there = [(kind, path, count) for kind, path, count in kept() if kind in kinds]
    for kind in (kind for kind in kinds if kind not in {found for found, *_ in there}):
        print(f"There is nothing of {kind}.")
    failed = 0
    for kind, path, count in there:
        if path.is_symlink():
            print(f"{path} is a link to {os.readlink(path)}: it is left alone.")
            failed += 1
        elif kind in WORK and not yes and not _agreed(kind, path, count):
            print(f"{path} is kept.")
        else:
            failed += not _removed(path, count)
    return int(failed > 0)


def _agreed(kind: str, path: Path, count: int) -> bool:
    if not sys.stdin or not sys.stdin.isatty():
        raise InputError(f"{path} holds {KINDS[kind]}: give --yes to remove it without a question")
    try:
        answer = input(f"Remove {KINDS[kind]} in {path} ({_in_words(count)}) for good? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _removed(path: Path, count: int) -> bool:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        left = _in_words(size(path)) if os.path.lexists(path) else "nothing"
        reason = f"{error.strerror or error}: {error.filename}"
        print(f"{path} could not be removed ({reason}); {left} is left of {_in_words(count)}.")
        return False
    print(f"{path} is removed: {_in_words(count)} are free.")
    return True
