"""What lies in a folder of pictures and its subfolders, and which subfolders are classes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from gan_lessons.errors import InputError
from gan_lessons.images.checks import MOST_CLASSES

DEEPEST = 64  # folders in one another
NAMED = 20  # files or folders that are printed by name
# What systems and programs leave in folders of pictures, in lower case; "._..." besides.
DEBRIS = {
    *(".ds_store", "__macosx", ".localized", ".spotlight-v100", ".trashes", ".fseventsd"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *(".directory", "@eadir", ".git", ".svn", "__pycache__", ".ipynb_checkpoints"),
}
SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("test", "testing", "testset", "holdout"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval"), "validation"),
}


class Tree:
    """The files below `root`, through links too, but each folder once.

    Attributes:
        root: the folder.
        files: paths below it, "a/b.png", in alphabetical order.
        folders: paths of the folders that were opened.
        left_out: "PATH: why" of what is neither listed nor debris of a system.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[str] = []
        self.folders: list[str] = []
        self.left_out: list[str] = []
        top = os.path.realpath(root)
        self._seen = {top: "this folder"}
        self._above = {str(parent) for parent in Path(top).parents}
        self._open(root, "", 0)

    def _open(self, folder: Path, below: str, depth: int) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            return self._leave(below[:-1] or ".", f"cannot be opened ({error.strerror})")
        for entry in entries:
            if entry.name.lower() in DEBRIS or entry.name.startswith("._"):
                continue
            name = below + entry.name
            if entry.name.startswith("."):
                self._leave(name, "hidden")
            elif os.path.isdir(entry.path):
                if why := self._not_to_open(entry.path, name, depth):
                    self._leave(name, why)
                else:
                    self.folders.append(name)
                    self._open(folder / entry.name, f"{name}/", depth + 1)
            elif os.path.isfile(entry.path):
                self.files.append(name)
            else:
                self._leave(name, "a broken link" if entry.is_symlink() else "not a file")

    def _not_to_open(self, path: str, name: str, depth: int) -> str:
        real = os.path.realpath(path)
        if real in self._above:
            return "a link to a folder that holds this one"
        if (first := self._seen.setdefault(real, name)) != name:
            return f"the same folder as {printable(first)}"
        return "too deep" if depth >= DEEPEST else ""

    def _leave(self, name: str, why: str) -> None:
        self.left_out.append(f"{printable(name)}: {why}")


def classes(
    files: Sequence[str], folders: Sequence[str]
) -> tuple[Int[np.ndarray, " n"] | None, tuple[str, ...], list[str]]:
    """Label of each file by its folder, what the labels mean, and what is to be said about it.

    Folders around all of the others do not count. The labels are None, without meanings, where
    the files lie in one folder, or some of them beside such folders.

    Raises: InputError where the folders are parts of a split set, like train and test.
    """
    around, loose, paths = _unwrapped([name.split("/") for name in files])
    tops = Counter(path[0] for path in paths)
    parts = {part: top for top in sorted(tops) for part in _parts(top)}
    if len(parts) > 1:
        of_set = [top for top in sorted(tops) if [*_parts(top)]]
        raise InputError(
            f"{_listed(of_set)} are parts of a split set and no classes; give one of them, "
            f"such as .../{printable(around + parts.get('train', of_set[0]))}"
        )
    if len(tops) < 2:
        return None, (), []
    names = sorted(tops)
    if loose:
        beside = f"{len(loose)} lie beside the folders {_listed(names)}: {_listed(loose)}"
        return None, (), [f"no labels, because {beside}; move these to have the folders as classes"]
    if len(names) > MOST_CLASSES:
        return None, (), [f"no labels, because {len(names)} folders are too many classes"]
    notes = [f"{len(names)} classes: {_listed(names, tops)}"]
    here = {name.removeprefix(around) for name in folders if name.startswith(around)}
    if empty := sorted(name for name in here - {*names} if "/" not in name):
        notes.append(f"no image in {_listed(empty)}")
    below = sorted({path[1] for path in paths if len(path) > 2 and [*_parts(path[1])]})
    if len({part for name in below for part in _parts(name)}) > 1:
        notes.append(f"{_listed(below)} in the classes are read alike")
    kinds, labels = np.unique([path[0] for path in paths], return_inverse=True)
    return labels, tuple(map(printable, kinds.tolist())), notes


def _unwrapped(paths: list[list[str]]) -> tuple[str, list[str], list[list[str]]]:
    """The folders around all folders, as "a/b/", the files beside them, and the paths in them."""
    around, loose = "", []
    while True:
        loose += [f"{around}{path[0]}" for path in paths if len(path) == 1]
        paths = [path for path in paths if len(path) > 1]
        if len({path[0] for path in paths}) != 1 or max(map(len, paths)) == 2:
            return around, loose, paths
        around += f"{paths[0][0]}/"
        paths = [path[1:] for path in paths]


def _parts(name: str) -> Iterator[str]:
    """Which parts of a split set a folder is called after: "seg_train" or "trainA" after one."""
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name):
        if word.lower() in SPLITS:
            yield SPLITS[word.lower()]


def _listed(names: Sequence[str], counts: Counter[str] | None = None) -> str:
    texts = [printable(name) + (f" ({counts[name]})" if counts else "") for name in names[:NAMED]]
    return ", ".join(texts) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def printable(text: object) -> str:
    """`text` as every terminal can show it: what is no character becomes a number after \\\\."""
    whole = str(text).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole)
