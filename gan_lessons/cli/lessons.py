"""A reader's own copies of the lessons, so that running one never stands in the way of `git pull`.

They lie in `my-lessons/` in the checkout, which git ignores, or in the home folder where the
checkout cannot be written to. A copy has no outputs. `.given.json` beside them remembers a digest
of each file as it was given: what still has it is as it was, and is renewed when the lesson is;
what differs is the reader's, and is never written to. Two may do this at once: a file is put into
place whole, and only where none is.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import sys
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from gan_lessons import interpreter
from gan_lessons.errors import InputError, nearest
from gan_lessons.files import TEMPORARY, lock, write_whole
from gan_lessons.folders import home, made

OURS = "my-lessons"
ELSEWHERE = "my-gan-lessons"  # in the home folder
GIVEN = ".given.json"
LOCK = ".lock"


def lessons_folder() -> Path:
    """Where a reader's copies are; the folder is made if it is not there.

    Raises: InputError where neither the checkout nor the home folder can be written to.
    """
    places = [interpreter.ROOT / OURS, *([at_home / ELSEWHERE] if (at_home := home()) else [])]
    for place in places:
        if made(place):
            return place
    raise InputError(
        f"your copies of the lessons need a folder that can be written to, and none of"
        f" {' and '.join(map(str, places))} can; set HOME to a folder of yours"
    )


def lay_out(folder: Path) -> list[str]:
    """Put a copy of every lesson, and of what lessons read, where there is none; renew old ones.

    Returns a sentence for each lesson that is newer than the reader's own, which stays.
    """
    with _alone(folder):
        before = _given(folder)
        given, notes = dict(before), []
        for source in _sources():
            name = source.relative_to(_lessons()).as_posix()
            try:
                copy, content = folder / name, _content(source)
            except (ValueError, LookupError, TypeError, AttributeError):
                notes.append(_damaged(source))
                continue
            now, mine = _digest(name, content), _digest_of(copy, name)
            if mine is None or (mine != now and mine == given.get(name)):
                copy.parent.mkdir(parents=True, exist_ok=True)
                (_put if mine is None else write_whole)(copy, content)
                given[name] = now
            elif mine == now:
                given[name] = now
            elif given.get(name) != now and name.endswith(".ipynb"):
                notes.append(
                    f"{name} is newer in this version than yours, which is kept;"
                    f" `gan-lessons lab --fresh {name[:2]}` puts the new one in its place"
                )
        if given != before:
            _remember(folder, given)
    return notes


def lesson_named(text: str) -> str:
    """The file name of a lesson that is called by its number, its name or a part of it.

    Raises: InputError with the nearest name.
    """
    names = [path.name for path in _sources() if path.parent == _lessons()]
    wanted = Path(text).name.removesuffix(".ipynb")
    number = f"{wanted:0>2}_" if wanted.isdecimal() else ""
    for found in (
        [name for name in names if name.removesuffix(".ipynb") == wanted],
        [name for name in names if number and name.startswith(number)],
        [name for name in names if not number and len(wanted) > 3 and wanted in name],
    ):
        if len(found) == 1:
            return found[0]
    stems = [name.removesuffix(".ipynb") for name in names]
    short = {stem.partition("_")[2]: stem for stem in stems}
    close = nearest(wanted, [*stems, *short])
    for part, stem in short.items():
        close = close.replace(f"'{part}'", f"'{stem}'")
    raise InputError(f"there is no lesson {text!r}{close} (there are: {', '.join(stems)})")


def freshen(folder: Path, name: str) -> Path | None:
    """Put a lesson anew; the reader's own is moved to a name with the date, which is returned.

    None if there is no own one: it is as it was given, or not there.
    """
    with _alone(folder):
        copy, kept = folder / name, None
        try:
            content = _content(_lessons() / name)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise InputError(_damaged(_lessons() / name)) from None
        now, mine, given = _digest(name, content), _digest_of(copy, name), _given(folder)
        if mine is not None and mine not in (now, given.get(name)):
            kept = _move_aside(copy)
        (_put if mine is None or kept else write_whole)(copy, content)
        _remember(folder, given | {name: now})
    return kept


def _alone(folder: Path) -> AbstractContextManager[bool]:
    """Let another start that is laying out copies here finish first."""
    return lock(folder / LOCK, wait=True)


def _move_aside(copy: Path) -> Path:
    today = datetime.date.today().isoformat()
    for count in range(1, 1000):
        again = f" ({count})" if count > 1 else ""
        kept = copy.with_name(f"{copy.stem}, mine {today}{again}{copy.suffix}")
        if not (kept.exists() or kept.is_symlink()):
            os.rename(copy, kept)
            return kept
    raise InputError(f"{copy} has been kept a thousand times today; remove some")


def _lessons() -> Path:
    return interpreter.ROOT / "notebooks"


def _sources() -> Iterable[Path]:
    """The lessons, and the files that they read."""
    found = sorted(path for path in _lessons().rglob("*") if path.is_file())
    return [
        path
        for path in found
        if not any(p.startswith(".") for p in path.relative_to(_lessons()).parts)
    ]


def _content(source: Path) -> bytes:
    """What a copy of a file holds: a lesson without outputs, all else as it is."""
    data = source.read_bytes()
    if source.suffix != ".ipynb":
        return data
    notebook = json.loads(data)
    notebook["metadata"] = {"kernelspec": _kernel(), "language_info": _language()}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _damaged(source: Path) -> str:
    return f"{source} is damaged: `git checkout notebooks/{source.name}` brings it back"


# JupyterLab writes what it is told of the kernel and of its language into a notebook that says
# anything else, and so takes it for changed as soon as it is opened.


def _kernel() -> dict[str, str]:
    spec = Path(sys.prefix, "share", "jupyter", "kernels", "python3", "kernel.json")
    name = "Python 3 (ipykernel)"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        name = json.loads(spec.read_text(encoding="utf-8"))["display_name"]
    return {"display_name": name, "language": "python", "name": "python3"}


def _language() -> dict[str, Any]:
    return {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "{}.{}.{}".format(*sys.version_info),
    }


def _digest(name: str, content: bytes) -> str:
    """What tells whether a file was changed: of a notebook its cells alone, and any output.

    JupyterLab writes other things into a notebook when it is merely opened.
    """
    if name.endswith(".ipynb"):
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
            cells = json.loads(content)["cells"]
            told = [(c["cell_type"], "".join(c["source"]), c.get("outputs") or []) for c in cells]
            content = json.dumps(told).encode()
    return hashlib.sha256(content).hexdigest()


def _digest_of(copy: Path, name: str) -> str | None:
    """The digest of a copy; "" for a link or a folder in its place, None if nothing is there."""
    if copy.is_file() and not copy.is_symlink():
        return _digest(name, copy.read_bytes())
    return "" if os.path.lexists(copy) else None


def _remember(folder: Path, given: dict[str, str]) -> None:
    write_whole(folder / GIVEN, json.dumps(given, indent=1).encode())


def _given(folder: Path) -> dict[str, str]:
    try:
        return dict(json.loads((folder / GIVEN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _put(path: Path, content: bytes) -> None:
    """Write a file whole, and only where none is."""
    part = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        part.write_bytes(content)
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    except OSError:  # a file system without links
        with contextlib.suppress(FileExistsError), path.open("xb") as file:
            file.write(content)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
