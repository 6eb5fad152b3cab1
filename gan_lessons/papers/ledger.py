"""The files of finished runs: `runs.csv`, a line a run, and `looks.csv`, a line a look on the way.

A run is found by its key, the recipe and the seed, so a changed recipe is trained anew and the
old run stays.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_lessons.errors import InputError
from gan_lessons.files import lock, tidy, write_whole

Key = tuple[str, int]
TEXTS = ("row", "recipe", "made")  # the columns that are not numbers
SEEN = ("modes", "held", "high_quality")  # what a look on the way counts
LOOK_COLUMNS = ("row", "seed", "recipe", "step", *SEEN)


class Ledger:
    """Finished runs in a folder, which any number of processes may add to.

    Attributes:
        runs, looks: each run's line, and the lines of its looks, by key; those that this process
            has seen.
        path: the file of the runs.

    Args:
        metrics: the columns of a run's numbers.
        looked: whether runs are looked at on their way.

    Raises: InputError where the files that are there cannot be read.
    """

    def __init__(self, folder: Path, metrics: Sequence[str], looked: bool) -> None:
        self.columns = ["row", "seed", *metrics, "steps", "seconds", "recipe", "made"]
        self.path, self.looked = folder / "runs.csv", looked
        self._looks_path = folder / "looks.csv"
        self.runs: dict[Key, dict[str, Any]] = {}
        self.looks: dict[Key, list[dict[str, Any]]] = {}
        self.read()

    def read(self) -> None:
        """Take in what is in the files by now; InputError where they cannot be read."""
        looks: dict[Key, list[dict[str, Any]]] = {}
        for look in _read(self._looks_path, LOOK_COLUMNS):
            looks.setdefault(_key(look), []).append(look)
        runs = {_key(run): run for run in _read(self.path, self.columns)}
        self.runs, self.looks = self.runs | runs, self.looks | looks

    def write(self) -> None:
        """Write both files, each whole or not at all, with what others have added since.

        Raises: InputError where they have become unreadable; OSError where they cannot be written.
        """
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder / ".lock", wait=True):
            tidy(folder)
            self.read()
            _save(self.path, self.columns, [*self.runs.values()])
            if self.looked:
                rows = [look for looks in self.looks.values() for look in looks]
                _save(self._looks_path, LOOK_COLUMNS, rows)


def six_digits(number: Any) -> float:
    """Rounded to six digits, so that what is read from a file is what was written."""
    return float(f"{float(number):.6g}")


def _key(line: dict[str, Any]) -> Key:
    return str(line["recipe"]), int(line["seed"])


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The lines of a CSV file with these columns; none where there is no file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *lines = csv.reader(file, strict=True)
        if head != [*columns]:
            raise ValueError("the finished runs of another table")
        rows = [dict(zip(head, line, strict=True)) for line in lines]
        found = [{k: v if k in TEXTS else _number(v) for k, v in row.items()} for row in rows]
        for line in found:
            _key(line)
        return found
    except FileNotFoundError:
        return []
    except (OSError, ValueError, OverflowError, csv.Error) as error:
        advice = "cannot be read as finished runs; move it away or give another --out"
        raise InputError(f"{path} {advice} ({error})") from None


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


def _save(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())
