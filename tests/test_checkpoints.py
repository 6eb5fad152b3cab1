"""Checkpoints: bit-exact, atomic under SIGKILL, one owner a folder, plain about what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_lessons.errors import InputError
from gan_lessons.training import checkpoints


@dataclasses.dataclass(frozen=True)
class Ring:
    modes: int = 8
    std: float = 0.01


@dataclasses.dataclass(frozen=True)
class Grid:
    side: int = 5


@dataclasses.dataclass(frozen=True)
class Config:
    data: Any = Ring()
    batch: int = 128
    hidden: tuple[int, ...] = (64, 64)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Knobs:
    lr: Any = 1e-3
    gamma: Any = 0.1
    objective: str = "hinge"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    step: Any
    params: Any
    optimizer: Any
    key: Any


CONFIG, KNOBS = Config(), Knobs(lr=0.1 + 0.2)


def make_state(step: int = 0) -> State:
    """A state all of whose numbers say its step."""
    return State(
        step=jnp.asarray(step, jnp.int32),
        params={"w": jnp.full((64, 3), step, jnp.float32), "on": jnp.asarray([True, step > 3])},
        optimizer=((), [jnp.full((5,), step, jnp.bfloat16)], jnp.zeros((0, 3), jnp.int8)),
        key=jax.random.key(step),
    )


def make_history(step: int) -> np.ndarray:
    return np.full((step, 2), step, np.float32)


def save(folder: Path, step: int, **changes: Any) -> Path:
    given: dict[str, Any] = {"config": CONFIG, "knobs": KNOBS, "history": make_history(step)}
    return checkpoints.save(folder, make_state(step), step=step, **given | changes)


def assert_same(one: Any, other: Any) -> None:
    """Same structure, types, shapes and bits."""
    assert str(jax.tree.structure(one)) == str(jax.tree.structure(other))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert isinstance(a, jax.Array)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def assert_is_step(found: checkpoints.Checkpoint, step: int) -> None:
    assert found.step == step
    assert_same(found.state, make_state(step))
    np.testing.assert_array_equal(found.history, make_history(step))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


# --- what goes in comes out ---


def test_round_trip_is_exact(tmp_path: Path) -> None:
    path = save(tmp_path / "my runs é #1 100%", 7)
    for where in (path, path.parent, str(path.parent)):
        found = checkpoints.load(where, make_state(), CONFIG)
        assert_is_step(found, 7)
        assert found.knobs == dataclasses.asdict(KNOBS)
        assert found.config_text == repr(CONFIG)
        assert found.path == path


def test_like_may_be_abstract(tmp_path: Path) -> None:
    save(tmp_path, 7)
    abstract = jax.eval_shape(make_state, 0)
    assert_is_step(checkpoints.load(tmp_path, abstract), 7)


raw = st.binary(min_size=16, max_size=16)
dtypes = st.sampled_from(["float32", "int32", "uint8", "bfloat16"])
kinds = st.sampled_from([("threefry2x32", 2), ("rbg", 4), ("unsafe_rbg", 4)])


@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(raw, dtypes, kinds)
def test_any_bits_survive(tmp_path: Path, raw: bytes, dtype: str, kind: tuple[str, int]) -> None:
    impl, words = kind
    bits = np.frombuffer(raw, np.uint32).reshape(-1, words)
    state = [
        jnp.asarray(np.frombuffer(raw, dtype)),
        jnp.asarray(np.frombuffer(raw, np.uint8) > 100),
        {"a.b/c": jax.random.wrap_key_data(jnp.asarray(bits), impl=impl)},
    ]
    checkpoints.save(tmp_path, state, CONFIG, {}, {}, raw[1], keep=1)
    assert_same(checkpoints.load(tmp_path, state).state, state)


def test_history_keeps_names_order_and_types(tmp_path: Path) -> None:
    history: dict[str, np.ndarray] = {
        "step": np.arange(3),
        "it's": np.ones((3, 2)),
        "a": np.zeros(0, np.float32),
    }
    save(tmp_path, 1, history=history)
    found = checkpoints.load(tmp_path, make_state()).history
    assert isinstance(found, dict)
    assert list(found) == list(history)
    for name, values in history.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({"lr": np.float32(0.1), "k": 2}, {"lr": float(np.float32(0.1)), "k": 2}),
        (Knobs(lr=jnp.arange(3.0)), {"lr": [0, 1, 2], "gamma": 0.1, "objective": "hinge"}),
        ({"lr": float("inf")}, {"lr": float("inf")}),
    ],
)
def test_knobs_come_back_as_plain_numbers(
    tmp_path: Path, knobs: Any, expected: dict[str, Any]
) -> None:
    save(tmp_path, 1, knobs=knobs)
    assert checkpoints.load(tmp_path, make_state()).knobs == expected


def test_a_loaded_state_can_be_donated(tmp_path: Path) -> None:
    save(tmp_path, 5)
    state = checkpoints.load(tmp_path, make_state()).state
    step = jax.jit(lambda s: dataclasses.replace(s, step=s.step + 1), donate_argnums=0)
    assert int(step(state).step) == 6


def test_works_in_a_running_loop_and_in_a_thread(tmp_path: Path) -> None:
    async def cell() -> None:
        save(tmp_path, 1)

    asyncio.run(cell())
    worker = threading.Thread(target=save, args=(tmp_path, 2))
    worker.start()
    worker.join()
    assert checkpoints.steps(tmp_path) == [1, 2]


# --- which one ---


def test_the_last_three_stay_and_any_can_be_chosen(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    assert checkpoints.steps(tmp_path) == [2, 3, 4]
    assert len(names(tmp_path)) == 3
    assert_is_step(checkpoints.load(tmp_path, make_state(), step=3), 3)
    with pytest.raises(InputError, match="step 1"):
        checkpoints.load(tmp_path, make_state(), step=1)


def test_after_a_rewind_the_newest_is_the_one_saved_last(tmp_path: Path) -> None:
    for step in (30, 40, 50, 20):
        save(tmp_path, step)
    assert checkpoints.steps(tmp_path) == [40, 50, 20]
    assert_is_step(checkpoints.load(tmp_path, make_state()), 20)


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    save(tmp_path, 1, knobs={"lr": 5.0})
    assert checkpoints.steps(tmp_path) == [2, 1]
    assert checkpoints.load(tmp_path, make_state(), step=1).knobs == {"lr": 5.0}


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(b"png")
    (tmp_path / "1-step-2").mkdir()
    for step in range(5):
        save(tmp_path, step, keep=1)
    assert {"figure.png", "1-step-2"} < set(names(tmp_path))
    assert checkpoints.steps(tmp_path) == [4]


# --- what cannot be loaded ---


@pytest.mark.parametrize("what", ["missing", "empty", "random", "file", "leftover"])
def test_not_a_checkpoint(tmp_path: Path, what: str) -> None:
    path = tmp_path / "run"
    if what == "file":
        path.write_text("hello")
    elif what != "missing":
        path.mkdir()
    if what == "random":
        (path / "notes.txt").write_text("hello")
    if what == "leftover":
        shutil.copy(save(tmp_path / "other", 1), path / ".saving-1")
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoints.load(path, make_state())
    assert checkpoints.steps(path) == []


def cut(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] if data else b"x")


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes() or b"x")
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.write_bytes(b"")])
def test_a_damaged_one_is_passed_over_for_the_one_before(tmp_path: Path, damage: Any) -> None:
    for step in (1, 2, 3):
        newest = save(tmp_path, step)
    damage(newest)
    assert checkpoints.steps(tmp_path) == [1, 2]
    assert checkpoints.saved(tmp_path) == [1, 2, 3]
    found = checkpoints.load(tmp_path, make_state())
    assert_is_step(found, 2)
    assert len(found.damaged) == 1 and newest.name in found.damaged[0]
    with pytest.raises(InputError, match="damaged"):
        checkpoints.load(tmp_path, make_state(), step=3)
    with pytest.raises(InputError, match="damaged"):
        checkpoints.load(newest, make_state())
    save(tmp_path, 3)  # trained again, it takes the damaged one's place
    assert checkpoints.load(tmp_path, make_state()).damaged == ()
    for step in (1, 2, 3):
        damage(checkpoints.load(tmp_path, make_state(), step=step).path)
    with pytest.raises(InputError, match=r"no checkpoint is left.*damaged.*damaged.*damaged"):
        checkpoints.load(tmp_path, make_state())


def test_any_single_byte_that_changed_is_noticed(tmp_path: Path) -> None:
    data = save(tmp_path, 1).read_bytes()
    path = next(tmp_path.glob("*.checkpoint"))
    for place in random.Random(0).sample(range(len(data)), 100):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(InputError, match="damaged"):
            checkpoints.load(tmp_path, make_state())


def test_what_other_programs_leave_is_no_checkpoint(tmp_path: Path) -> None:
    newest = save(tmp_path, 5)
    for name in (".DS_Store", "000001-step-5 (1).checkpoint", "000009-step-9.checkpoint.part"):
        (tmp_path / name).write_bytes(newest.read_bytes()[:100])
    (tmp_path / "000002-step-7").mkdir()  # as an older version saved
    found = checkpoints.load(tmp_path, make_state())
    assert found.step == 5 and "older version" in found.damaged[0]
    assert save(tmp_path, 6).name.startswith("000003")
    assert checkpoints.steps(tmp_path) == [5, 6]


@pytest.mark.parametrize(
    "name",
    ["GAN [course]", "back\\slash*?", "  two  blanks ", "学习 ñ é", "~", "-", "$HOME #1 100%"],
)
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / name
    for step in (1, 2):
        with checkpoints.owned(folder):
            save(folder, step)
    assert_is_step(checkpoints.load(folder, make_state()), 2)


@pytest.mark.parametrize("name", ["", " ", "a\0b", "~no-such-user/runs", None, 7, b"runs"])
def test_what_is_no_path_is_refused(name: Any) -> None:
    for use in (checkpoints.steps, lambda name: save(name, 1), checkpoints.newest):
        with pytest.raises(InputError, match="folder of a run"):
            use(name)


def test_a_name_that_is_too_long_is_refused_and_a_long_one_works(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        save(tmp_path / ("x" * 300), 1)
    deep = tmp_path.joinpath(*["y" * 200] * 10)
    save(deep, 1)
    assert_is_step(checkpoints.load(deep, make_state()), 1)


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    """Another process is told who has it, and gets it as soon as that one is dead."""
    code = (
        "import sys; from gan_lessons.training import checkpoints\n"
        "with checkpoints.owned(sys.argv[1]): print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as other:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(InputError, match=f"process {other.pid}"), checkpoints.owned(tmp_path):
            pass
        other.kill()
        other.wait()
    mine = f"process {os.getpid()}"
    with checkpoints.owned(tmp_path), pytest.raises(InputError, match=mine):  # noqa: SIM117
        with checkpoints.owned(tmp_path):
            pass


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (Config(batch=64), "batch is 128, not 64"),
        (Config(data=Ring(std=0.02)), "data.std is 0.01, not 0.02"),
        (Config(data=Grid()), "data is Ring, not Grid"),
        (Config(hidden=(64,)), "hidden is"),
        ("another kind", "data is Ring, not missing"),
    ],
)
def test_another_config_is_refused_by_its_first_difference(
    tmp_path: Path, other: Any, field: str
) -> None:
    save(tmp_path, 1)
    with pytest.raises(InputError, match="another config") as caught:
        checkpoints.load(tmp_path, make_state(), other)
    assert field in str(caught.value).replace("'", "")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"params": {"w": jnp.zeros((64, 3)), "on": jnp.zeros(2)}}, "on"),
        ({"params": {"w": jnp.zeros((64, 4)), "on": jnp.zeros(2, bool)}}, "w"),
        ({"params": {"w": jnp.zeros((64, 3))}}, "on"),
        ({"key": jax.random.key(0, impl="rbg")}, "key"),
        ({"step": {"more": jnp.zeros(1)}}, "step"),
    ],
)
def test_a_state_of_another_shape_is_refused(
    tmp_path: Path, change: dict[str, Any], name: str
) -> None:
    save(tmp_path, 1)
    with pytest.raises(InputError, match=name):
        checkpoints.load(tmp_path, dataclasses.replace(make_state(), **change))


# --- what cannot be saved ---


def assert_untouched(folder: Path, step: int) -> None:
    assert_is_step(checkpoints.load(folder, make_state()), step)
    assert not [name for name in names(folder) if name.startswith(".")]


@pytest.mark.parametrize("below", ["", "sub", "sub/sub"])
def test_a_file_in_the_way(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("hello")
    with pytest.raises(InputError, match=r"cannot save step 3 .*none is there"):
        save(tmp_path / "file" / below, 3)
    assert (tmp_path / "file").read_text() == "hello"


@pytest.mark.parametrize(("module", "call"), [(io, "open"), (os, "fsync"), (os, "replace")])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_refusal_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, call: str, code: int
) -> None:
    save(tmp_path, 3)
    genuine = getattr(module, call)
    refused: list[Any] = []

    def refuse(path: Any, *rest: Any, **more: Any) -> Any:
        if refused or (call == "open" and rest[0] in ("r", "rb")):
            return genuine(path, *rest, **more)
        refused.append(path)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(module, call, refuse)
        with pytest.raises(InputError, match=r"cannot save step 4.*step 3 is still there"):
            save(tmp_path, 4)
    assert refused
    assert_untouched(tmp_path, 3)


def test_no_permission_for_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        save(tmp_path / "run", 1)


def test_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 3)

    def failing(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(InputError, match="Input/output error"):
            save(tmp_path, 4)
    assert_untouched(tmp_path, 3)


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path) -> None:
    """Files may not grow past 1 kB, for real."""
    save(tmp_path, 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**10, limits[1]))
    try:
        with pytest.raises(InputError, match=r"\d\.\d MB of room .*step 3 is still there"):
            save(tmp_path, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_untouched(tmp_path, 3)


def test_a_full_file_system(tmp_path: Path) -> None:
    """A file system of 512 kB that another program has all but filled."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        save(tmp_path, 3)
        room = os.statvfs(tmp_path)
        (tmp_path / "other.dat").write_bytes(bytes(room.f_bavail * room.f_frsize))
        with pytest.raises(InputError, match="No space left on device"):
            save(tmp_path, 4)
        assert_untouched(tmp_path, 3)
        (tmp_path / "other.dat").unlink()
        save(tmp_path, 4)
        assert checkpoints.steps(tmp_path) == [3, 4]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("a bug, not the disk")])
def test_other_errors_pass_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    def fail(*_: Any) -> None:
        raise error

    save(tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises((KeyboardInterrupt, ValueError)) as caught:
            save(tmp_path, 4)
    assert not isinstance(caught.value, InputError)
    assert_untouched(tmp_path, 3)


# --- killed at any moment ---

# Forks are made before anything has started XLA: each begins to save after milliseconds.
FORKS = """
import os, sys
import jax, numpy as np
from gan_lessons.training import checkpoints

def train(folder, step, parent):
    while os.getppid() == parent:
        step += 1
        state = {"step": np.asarray(step, "int32"), "w": np.full((90, 90), step, "float32")}
        state |= {"key": jax.random.wrap_key_data(np.asarray([0, step], "uint32"))}
        history = {"loss": np.full(step % 100, step, "float32")}
        if step == 1 + int(line):
            os.write(1, b"ready\\n")
        checkpoints.save(folder, state, "config", {"lr": step}, history, step)
        os.write(1, b"%d\\n" % step)

parent = os.getpid()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        train(sys.argv[1], int(line), parent)
        os._exit(0)
    os.write(1, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


def kill_once(forks: subprocess.Popen[str], start: int, wait: float) -> int:
    """Let a child save on from step `start`, kill it, return the last step that it reported."""
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(f"{start}\n")
    forks.stdin.flush()
    first = {forks.stdout.readline().strip(), forks.stdout.readline().strip()}
    (child,) = first - {"ready"}
    threading.Timer(wait, os.kill, (int(child), signal.SIGKILL)).start()
    last = start
    while (line := forks.stdout.readline().strip()) != "dead":
        last = int(line)
    return last


def assert_consistent(found: checkpoints.Checkpoint) -> None:
    assert int(found.state["step"]) == found.step == found.knobs["lr"]
    assert set(np.unique(found.state["w"])) == {found.step}
    assert jax.random.key_data(found.state["key"]).tolist() == [0, found.step]
    assert isinstance(found.history, dict)
    expected = np.full(found.step % 100, found.step, np.float32)
    np.testing.assert_array_equal(found.history["loss"], expected)


def test_sigkill_at_any_moment_leaves_a_complete_checkpoint(tmp_path: Path) -> None:
    like = {"step": jnp.int32(0), "w": jnp.zeros((90, 90)), "key": jax.random.key(0)}
    checkpoints.save(tmp_path, like, "config", {"lr": 0}, {"loss": np.zeros(0)}, 0)
    dice, step, torn = random.Random(0), 0, 0
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    ) as forks:
        guard = threading.Timer(120, forks.kill)
        guard.start()
        for _ in range(30):
            reported = kill_once(forks, step, dice.uniform(0, 0.25))
            found = checkpoints.load(tmp_path, like, "config")
            assert reported <= found.step <= reported + 1
            assert_consistent(found)
            step, torn = found.step, torn + any(name.startswith(".") for name in names(tmp_path))
        guard.cancel()
        forks.kill()
    assert torn > 2  # some kills met a save half-way
    with checkpoints.owned(tmp_path):  # tidies up
        pass
    checkpoints.save(tmp_path, like, "config", {}, {}, step + 1)
    assert [name for name in names(tmp_path) if name.startswith(".")] == [".lock"]
    assert checkpoints.steps(tmp_path)[-1] == step + 1
