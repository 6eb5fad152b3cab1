"""Save a run and take it up again, bit for bit.

A folder holds one run. Each checkpoint in it is a folder `NUMBER-step-STEP`, numbered in the
order of saving: the arrays as Orbax writes them, and a manifest with the knobs, the config's text
and a SHA-256 of every file. It is written under a temporary name, forced to the disk and only
then renamed, so a process killed at any moment leaves the previous checkpoint as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from gan_lessons.errors import InputError

_MANIFEST = "checkpoint.manifest"  # first line: SHA-256 of the second; second line: JSON
_TEMPORARY = ".saving-"
_saving = threading.Lock()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run as it was at `step`, with the history up to there."""

    step: int
    state: PyTree
    knobs: dict[str, Any]
    history: dict[str, np.ndarray] | np.ndarray
    config_text: str
    path: Path


def save(
    folder: Path | str,
    state: PyTree,
    config: Any,
    knobs: Any,
    history: Any,
    step: int,
    keep: int = 3,
) -> Path:
    """Write a checkpoint into `folder` (made if missing) and return the checkpoint's path.

    `state` is any pytree of arrays, typed PRNG keys included; the `repr` of `config` is its
    identity; `knobs` is a dataclass or dict of numbers; `history` is a dict of arrays or one
    array [steps, metrics]. The last `keep` saved steps stay; a step saved again replaces the
    older one. Only one process at a time may save into a folder.

    Raises `InputError` where it cannot write (no permission, full disk); the checkpoints saved
    before are still there then, and nothing half-written is left.
    """
    leaves, kinds = _named("state", state) | _named("history", history), _kinds(state)
    is_key = [name for name, kind in kinds.items() if kind.startswith("key<")]
    bits = {n: jax.random.key_data(a) if n in is_key else a for n, a in leaves.items()}
    arrays = {name: np.asarray(a) for name, a in bits.items()}
    body = {
        "step": int(step),
        "config": _fields(config) | {"config": repr(config)},
        "knobs": asdict(knobs) if is_dataclass(knobs) else knobs,  # type: ignore[arg-type]
        "history": list(history) if isinstance(history, dict) else None,
        "state": kinds,
        "keys": {name: str(jax.random.key_impl(leaves[name])) for name in is_key},
        "empty": {name: [a.dtype.name, a.shape] for name, a in arrays.items() if not a.size},
    }
    with _saving:
        return _write(_absolute(folder), arrays, body, max(keep, 1))


def load(
    folder: Path | str, like: PyTree, config: Any = None, step: int | None = None
) -> Checkpoint:
    """Read the checkpoint saved last, or that of `step`, from `folder` (or a path from `save`).

    `like` gives the structure: a state made with the same config, or its `jax.eval_shape`. With
    `config`, the checkpoint must have been saved with an equal one.

    Raises `InputError` if there is no checkpoint, or it is damaged, or from another config.
    """
    path = _choose(_absolute(folder), step)
    body, fault = _inspect(path)
    if fault:
        rest = f"steps that can be loaded there: {steps(path.parent) or 'none'}"
        raise InputError(f"the checkpoint {path} is damaged ({fault}); {rest}")
    if config is not None and body["config"]["config"] != repr(config):
        _compare(path, body["config"], _fields(config) | {"config": repr(config)})
    _compare(path, body["state"], _kinds(like))
    arrays, names = _read(path, body), body["history"]
    history = arrays["history"] if names is None else {n: arrays[f"history[{n!r}]"] for n in names}
    # jnp.array copies: a donated step must not run on memory that numpy holds too.
    leaves = {name: jnp.array(arrays[name]) for name in _named("state", like)}
    leaves |= {
        n: jax.random.wrap_key_data(leaves[n], impl=kind) for n, kind in body["keys"].items()
    }
    state = jax.tree.unflatten(jax.tree.structure(like), leaves.values())
    return Checkpoint(body["step"], state, body["knobs"], history, body["config"]["config"], path)


def steps(folder: Path | str) -> list[int]:
    """Steps of the complete checkpoints in `folder`, in the order of saving."""
    return [step for _, step, path in _entries(_absolute(folder)) if not _inspect(path)[1]]


def _absolute(folder: Path | str) -> Path:
    return Path(folder).expanduser().absolute()


def _named(root: str, tree: PyTree) -> dict[str, Any]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {root + jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _kinds(state: PyTree) -> dict[str, str]:
    """Type and shape of every leaf: `{"state['w']": "float32[64, 2]"}`."""
    leaves = _named("state", jax.eval_shape(lambda tree: tree, state))
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in leaves.items()}


def _fields(config: Any, prefix: str = "") -> dict[str, str]:
    """The fields that `repr` shows, as text and in order; those of a nested dataclass dotted."""
    found: dict[str, str] = {}
    for field in fields(config) if is_dataclass(config) else ():
        value, name = getattr(config, field.name, None), prefix + field.name
        inner = _fields(value, f"{name}.")
        if field.repr:
            found |= {name: type(value).__name__ if inner else repr(value)} | inner
    return found


def _compare(path: Path, there: dict[str, str], here: dict[str, str]) -> None:
    """Raise with the first entry that differs; the whole config's text comes last."""
    for name in sorted(there | here, key=lambda name: name == "config"):
        one, other = there.get(name, "missing"), here.get(name, "missing")
        if one != other:
            raise InputError(f"{path} is from another config: {name} is {one}, not {other}")


def _entries(folder: Path) -> list[tuple[int, int, Path]]:
    """(number, step, path) of the checkpoints in `folder`, damaged or not, in order of saving."""
    try:
        paths = list(folder.iterdir())
    except OSError:
        return []
    names = [(re.fullmatch(r"(\d{6,})-step-(\d+)", path.name), path) for path in paths]
    return sorted((int(name[1]), int(name[2]), path) for name, path in names if name)


def _write(folder: Path, arrays: dict[str, np.ndarray], body: dict[str, Any], keep: int) -> Path:
    room = sum(a.nbytes + 4096 for a in arrays.values()) + 2**17  # Orbax's own files included
    number = max((number for number, _, _ in _entries(folder)), default=0) + 1
    path, temporary = folder / f"{number:06d}-step-{body['step']}", _temporary(folder)
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
        for leftover in folder.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary.mkdir()
        _reserve(temporary / "room", room)
        _fill(temporary, arrays, body)
        temporary.rename(path)
        _sync(folder)
    except (OSError, ValueError) as error:
        _refuse(error, folder, body["step"], room)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _prune(folder, keep)
    return path


def _temporary(folder: Path) -> Path:
    return folder / f"{_TEMPORARY}{uuid.uuid4().hex}"


def _reserve(path: Path, room: int) -> None:
    """Fill and free the room, so that a full disk shows in one plain `OSError`.

    When Orbax meets a full disk half-way, its threads print screens of tracebacks.
    """
    path.write_bytes(bytes(room))
    _sync(path)
    path.unlink()


def _fill(folder: Path, arrays: dict[str, np.ndarray], body: dict[str, Any]) -> None:
    from orbax.checkpoint import v1 as ocp  # slow to import

    # Orbax refuses arrays without elements; their shapes in the manifest say it all.
    ocp.save(folder / "arrays", {name: a for name, a in arrays.items() if a.size})
    written = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): _digest(path.read_bytes()) for path in written}
    text = json.dumps(body | {"files": files}, default=lambda number: np.asarray(number).tolist())
    (folder / _MANIFEST).write_text(f"{_digest(text.encode())}\n{text}", newline="\n")
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _read(path: Path, body: dict[str, Any]) -> dict[str, np.ndarray]:
    from orbax.checkpoint import v1 as ocp

    empty = {name: np.zeros(shape, dtype) for name, (dtype, shape) in body["empty"].items()}
    return empty | ocp.load(path / "arrays")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sync(path: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _prune(folder: Path, keep: int) -> None:
    """Leave the last `keep` steps. Renamed before removal, so that none is ever half there."""
    last = {step: (number, path) for number, step, path in _entries(folder)}
    kept = [path for _, path in sorted(last.values())[-keep:]]
    for path in (path for _, _, path in _entries(folder) if path not in kept):
        doomed = _temporary(folder)
        with suppress(OSError):  # the new one is safe; an old one too many does no harm
            path.rename(doomed)
            shutil.rmtree(doomed)


def _refuse(error: Exception, folder: Path, step: int, room: int) -> None:
    """Say in one sentence what the operating system refused; let any other error pass."""
    told = re.search(r"os_error_code='(\d+)'", str(error))  # Orbax passes the code on as text
    code = error.errno if isinstance(error, OSError) else told and int(told[1])
    if code:
        there = steps(folder)
        kept = f"the checkpoint of step {there[-1]} is still there" if there else "none is there"
        raise InputError(
            f"cannot save step {step} in {folder}: {os.strerror(code)}; it needs a folder where "
            f"you may write and {room / 1e6:.1f} MB of room ({kept})"
        ) from error


def _choose(folder: Path, step: int | None) -> Path:
    if (folder / _MANIFEST).exists():
        return folder
    entries = _entries(folder)
    chosen = [path for _, there, path in entries if step in (None, there)]
    if not chosen:
        which = "checkpoint" if step is None else f"checkpoint of step {step}"
        held = f"holds {f'steps {[step for _, step, _ in entries]}' if entries else 'none'}"
        what = held if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
        raise InputError(f"no {which} in {folder}, which {what}; give the folder of a saved run")
    return chosen[-1]


def _inspect(path: Path) -> tuple[dict[str, Any], str]:
    """The manifest, and what is wrong with the checkpoint ("" if every file is as saved)."""
    try:
        mark, _, text = (path / _MANIFEST).read_bytes().partition(b"\n")
        if _digest(text).encode() != mark:
            return {}, f"{_MANIFEST} was cut or changed"
        body = json.loads(text)
        for name, digest in body["files"].items():
            if _digest((path / name).read_bytes()) != digest:
                return {}, f"{name} was cut or changed"
    except OSError as error:
        return {}, f"{error.strerror}: {error.filename}"
    return body, ""
