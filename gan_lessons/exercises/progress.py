"""What a learner answered: kept while the kernel lives and, for who wishes it, in a file.

The file is `progress.json` where our logs are (`folders.our_state`). It exists only after
`keep_progress()`, stays on this machine, and is added to by every lesson from then on:

    {"version": 1, "answers": [{"time": "2026-11-29T09:00:00+00:00", "question": "start-modes",
     "kind": "prediction", "attempt": 1, "answer": "`b`", "verdict": "wrong", "mistake": 2}, ...]}

`verdict` is "right", "wrong" or, for a prediction that was made and not yet compared, "open";
`mistake` is the number of the named mistake, from 0, or null.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import threading
from pathlib import Path
from typing import Any, Literal

from gan_lessons.errors import InputError
from gan_lessons.exercises.notes import Note
from gan_lessons.files import lock, write_whole
from gan_lessons.folders import PROGRESS, made, our_state

VERSION = 1
Answer = dict[str, Any]

ANSWERS: list[Answer] = []  # of this kernel, in order, and those of the file once it is read
_unwritten: list[Answer] = []
_access = threading.RLock()
_looked: set[Path] = set()  # files that were read


def progress_file() -> Path | None:
    """Where answers are kept for who wishes it; None on a machine without a home folder."""
    folder = our_state()
    return folder and folder / PROGRESS


def keeping() -> bool:
    """Whether answers are written to a file."""
    path = progress_file()
    return path is not None and path.is_file()


def note_answer(
    question: str,
    kind: Literal["prediction", "exercise"],
    answer: str,
    verdict: Literal["right", "wrong", "open"],
    mistake: int | None = None,
) -> None:
    """Remember an answer, and write it to the file if there is one."""
    with _access:
        before = [each for each in answers_to(question) if each["verdict"] != "open"]
        made = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "question": question,
            "kind": kind,
            "attempt": len(before) + 1,
            "answer": answer,
            "verdict": verdict,
            "mistake": mistake,
        }
        ANSWERS.append(made)
        _unwritten.append(made)
        if keeping():
            _write()


def answers_to(question: str) -> list[Answer]:
    """All answers to one question, the oldest first; those of earlier sessions from the file."""
    with _access:
        path = progress_file()
        if path is not None and path not in _looked and keeping():
            _looked.add(path)
            with contextlib.suppress(OSError), lock(_lock_of(path), wait=True):
                ANSWERS[:0] = _read(path)
        return [each for each in ANSWERS if each["question"] == question]


def keep_progress() -> Note:
    """Keep answers in a file from now on, those of this session included; says where.

    Raises: InputError where no file can be written.
    """
    with _access:
        path = progress_file()
        if path is None or not made(path.parent):
            raise InputError(
                "there is no folder for a record of your answers; set XDG_STATE_HOME to one of"
                " yours"
            )
        answers_to("")  # what a file holds already is read before it is added to
        _write()
        _looked.add(path)
        return Note(
            f"Your answers are kept in `{path}`, on this machine only. `forget_progress()` removes"
            " the file."
        )


def forget_progress() -> Note:
    """Remove the file, and forget what was answered in this session."""
    with _access:
        ANSWERS.clear()
        _unwritten.clear()
        path = progress_file()
        if path is None or not path.is_file():
            return Note("No answers were kept in a file.")
        path.unlink()
        return Note(f"`{path}` is removed; answers are kept only while the kernel runs.")


def _write() -> None:
    """Add what is not yet written to what the file holds by now."""
    path = progress_file()
    assert path is not None
    try:
        with lock(_lock_of(path), wait=True):
            _put(path, [*(_read(path) if path.is_file() else []), *_unwritten])
    except OSError as error:
        why = f"could not be written to {path} ({error.strerror})"
        print(f"Your answers {why}; they are kept while the kernel runs.")
    else:
        _unwritten.clear()


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _put(path: Path, answers: list[Answer]) -> None:
    content = {"version": VERSION, "answers": answers}
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def _read(path: Path) -> list[Answer]:
    """The answers in a file; one that makes no sense is moved aside, which is said.

    For who holds the lock.

    Raises: OSError where it cannot be read or moved.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        answers = content["answers"]
        whole = content["version"] == VERSION and all(
            isinstance(each["question"], str) and isinstance(each["verdict"], str)
            for each in answers
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        whole = False
    if whole:
        return answers
    numbers = itertools.count(1)
    names = (path.with_name(f"progress-unread-{number}.json") for number in numbers)
    aside = next(name for name in names if not name.exists())
    path.replace(aside)
    _put(path, [])
    print(f"{path} is damaged or of another version; it is now {aside.name}, and a new one begins.")
    return []
