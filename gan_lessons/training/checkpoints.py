"""Save a run and take it up again, bit for bit.

A folder holds one run, and each checkpoint in it is one file, `NUMBER-step-STEP.checkpoint`,
numbered in the order of saving:

1. a line with the SHA-256 of all that follows;
2. a line of JSON: the step, the knobs, the config's text, and name, type and shape of each array;
3. the bytes of the arrays, one after another, little-endian.

A file is written under another name, forced to the disk and only then renamed, so a process killed
at any moment leaves the checkpoints that were there. Nothing in a file is ever evaluated.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from gan_lessons.errors import InputError
from gan_lessons.files import holder, lock, tidy, typed_path, write_whole

_NAME = re.compile(r"(\d{6,})-step-(\d+)(\.checkpoint)?")  # a folder without: an older version's
_LOCK = ".lock"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run as it was at `step`, with the history up to there.

    `damaged` names the later checkpoints that could not be read, and why.
    """

    step: int
    state: PyTree
    knobs: dict[str, Any]
    history: dict[str, np.ndarray] | np.ndarray
    config_text: str
    path: Path
    damaged: tuple[str, ...] = ()


class _Damaged(Exception):
    """What is wrong with a file."""


@contextlib.contextmanager
def owned(folder: Path | str) -> Iterator[Path]:
    """Keep a run's folder, made if missing, to this process while the block runs.

    Raises: InputError where another process has it, or where it cannot be written to.
    """
    path = typed_path(folder, "the folder of a run")
    with contextlib.ExitStack() as stack:
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(lock(path / _LOCK))
        except OSError as error:
            raise InputError(
                f"cannot save in {path}: {error.strerror}; give a folder where you may write"
            ) from error
        if not held:
            raise InputError(
                f"another training{holder(path / _LOCK)} is at work in {path}; wait for its end or "
                "stop it, or give this one another folder"
            )
        tidy(path)
        yield path


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
    older one. Where several processes could save into one folder, `owned` keeps them apart.

    Raises `InputError` where it cannot write (no permission, full disk); the checkpoints saved
    before are still there then, and nothing half-written is left.
    """
    path = typed_path(folder, "the folder of a run")
    leaves = _named("state", state) | _named("history", history)
    keys = {
        name: str(jax.random.key_impl(leaf))
        for name, leaf in leaves.items()
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    }
    arrays = {n: np.asarray(jax.random.key_data(a) if n in keys else a) for n, a in leaves.items()}
    head = {
        "step": int(step),
        "config": _fields(config) | {"config": repr(config)},
        "knobs": asdict(knobs) if is_dataclass(knobs) else knobs,  # type: ignore[arg-type]
        "history": list(history) if isinstance(history, dict) else None,
        "state": _kinds(state),
        "keys": keys,
        "arrays": {name: [a.dtype.name, a.shape] for name, a in arrays.items()},
    }
    line = json.dumps(head, default=lambda number: np.asarray(number).tolist()).encode()
    body = b"".join([line, b"\n", *(a.tobytes() for a in arrays.values())])
    number = max((number for number, _, _ in _entries(path)), default=0) + 1
    new = path / f"{number:06d}-step-{int(step)}.checkpoint"
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_whole(new, _digest(body) + b"\n" + body)
    except OSError as error:
        there = [step for _, step, _ in _entries(path)]
        kept = f"the checkpoint of step {there[-1]} is still there" if there else "none is there"
        raise InputError(
            f"cannot save step {step} in {path}: {error.strerror}; it needs a folder where you "
            f"may write and {len(body) / 1e6:.1f} MB of room ({kept})"
        ) from error
    _prune(path, max(keep, 1))
    return new


def load(
    folder: Path | str, like: PyTree, config: Any = None, step: int | None = None
) -> Checkpoint:
    """Read the checkpoint saved last, or that of `step`, from `folder` (or a path from `save`).

    Where the last one is damaged, the one before it is read, and so on; `Checkpoint.damaged` says
    so. `like` gives the structure: a state made with the same config, or its `jax.eval_shape`.
    With `config`, the checkpoint must have been saved with an equal one.

    Raises `InputError` if there is no checkpoint, or all are damaged, or it is from another config.
    """
    damaged: list[str] = []
    for path in _choices(typed_path(folder, "the folder of a run"), step):
        try:
            head, arrays = _read(path)
            if config is not None and head["config"]["config"] != repr(config):
                _compare(path, head["config"], _fields(config) | {"config": repr(config)})
            _compare(path, head["state"], _kinds(like))
            return _checkpoint(path, head, arrays, like, tuple(damaged))
        except InputError:
            raise
        except Exception as fault:  # where the digest is right, it is of somebody else
            kind = "" if isinstance(fault, _Damaged) else f"{type(fault).__name__}: "
            damaged.append(f"{path} is damaged ({kind}{fault})")
    raise InputError(f"no checkpoint is left that can be read: {'; '.join(damaged)}")


def steps(folder: Path | str) -> list[int]:
    """Steps of the complete checkpoints in `folder`, in the order of saving."""
    found = []
    for _, step, path in _entries(typed_path(folder, "the folder of a run")):
        with contextlib.suppress(_Damaged):
            _read(path)
            found.append(step)
    return found


def saved(folder: Path | str) -> list[int]:
    """Steps of all checkpoints in `folder`, damaged or not, in the order of saving."""
    return [step for _, step, _ in _entries(typed_path(folder, "the folder of a run"))]


def newest(folder: Path | str) -> Path:
    """The path of the checkpoint saved last, damaged or not; `InputError` where there is none."""
    return _choices(typed_path(folder, "the folder of a run"), None)[0]


def _checkpoint(
    path: Path, head: dict[str, Any], arrays: dict[str, np.ndarray], like: PyTree, damaged: Any
) -> Checkpoint:
    names = head["history"]
    history = arrays["history"] if names is None else {n: arrays[f"history[{n!r}]"] for n in names}
    # jnp.array copies: a donated step must not run on memory that numpy holds too.
    leaves = {name: jnp.array(arrays[name]) for name in _named("state", like)}
    leaves |= {
        name: jax.random.wrap_key_data(leaves[name], impl=impl)
        for name, impl in head["keys"].items()
    }
    state = jax.tree.unflatten(jax.tree.structure(like), leaves.values())
    text = head["config"]["config"]
    return Checkpoint(head["step"], state, head["knobs"], history, text, path, damaged)


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
        paths = [path for path in folder.iterdir() if len(path.name) < 100]
    except OSError:
        return []
    names = [(_NAME.fullmatch(path.name), path) for path in paths]
    return sorted((int(name[1]), int(name[2]), path) for name, path in names if name)


def _choices(folder: Path, step: int | None) -> list[Path]:
    """Which files to try, the best first; InputError where there is none."""
    if folder.is_file() and _NAME.fullmatch(folder.name):
        return [folder]
    entries = _entries(folder)
    chosen = [path for _, there, path in entries if step in (None, there)]
    if not chosen:
        which = "checkpoint" if step is None else f"checkpoint of step {step}"
        held = f"holds {f'steps {[step for _, step, _ in entries]}' if entries else 'none'}"
        what = held if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
        raise InputError(f"no {which} in {folder}, which {what}; give the folder of a saved run")
    return chosen[::-1]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The head and the arrays of a file; `_Damaged` where it is not as it was saved."""
    if path.is_dir():
        raise _Damaged("a folder, as older versions saved it, and this one cannot read it")
    try:
        mark, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise _Damaged(error.strerror) from None
    if mark != _digest(body):
        raise _Damaged("it was cut or changed")
    try:
        return _parse(body)
    except Exception as error:  # the digest is right, and yet it is not of ours
        raise _Damaged(f"{type(error).__name__}: {error}") from None


def _parse(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    line, _, data = body.partition(b"\n")
    head, arrays, at = json.loads(line), {}, 0
    for name, (dtype, shape) in head["arrays"].items():
        kind, count = np.dtype(dtype), math.prod(shape)
        array = np.frombuffer(data, kind, count, at) if count else np.zeros(0, kind)
        arrays[name], at = array.reshape(shape), at + count * kind.itemsize
    if not (isinstance(head["step"], int) and isinstance(head["knobs"], dict)):
        raise ValueError("its step or its knobs are none")
    return head, arrays


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _prune(folder: Path, keep: int) -> None:
    """Leave the last `keep` steps."""
    last = {step: (number, path) for number, step, path in _entries(folder)}
    kept = [path for _, path in sorted(last.values())[-keep:]]
    for path in (path for _, _, path in _entries(folder) if path not in kept):
        # Only a file: a folder is an older version's.
        with contextlib.suppress(OSError):  # the new one is safe; an old one too many does no harm
            os.unlink(path)
