"""Noise and damaged files into the readers of a terminal: a sentence, or a result that is sound."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_lessons.cli.settings import read_settings
from gan_lessons.errors import InputError
from gan_lessons.files import typed_path
from gan_lessons.papers.ledger import LOOK_COLUMNS, Ledger
from gan_lessons.presets import preset
from gan_lessons.training import checkpoints
from tests.mutations import mutations, random_bytes

AMOUNTS = [300, pytest.param(10_000, marks=pytest.mark.long)]
STATE = {"w": jnp.ones((3, 2)), "k": jax.random.key(1), "b": jnp.ones(3, jnp.bfloat16)}
KNOWN = (
    "lr_d=0.002",
    "batch=64",
    "data=Ring(modes=12)",
    "data=two-moons",
    "latent=WithBits(Normal(3), 4)",
    "generator=MLP((64, 64), 'tanh')",
    "discriminator=MLP(widths=(8,), activation='silu', norm='batch')",
    "objective=hinge",
    "unroll=5",
)
TABLE = """row,seed,modes,kl,steps,seconds,recipe,made
plain,0,8.0,0.01,24,1.5,abc,"jax, numpy"
"hinge, packed",1,nan,inf,24,1.5,abd,"jax, numpy"
"""


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever evaluates what was read, or unpickles it, fails."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something that was read is evaluated")

    for name in ("eval", "exec"):
        monkeypatch.setattr(f"builtins.{name}", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    monkeypatch.setattr("os.system", refuse)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("count", AMOUNTS)
def test_damaged_checkpoints_are_said_and_passed_over(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    good = checkpoints.save(tmp_path, STATE, "config", {"lr": 1}, np.ones((5, 2)), 5)
    last = checkpoints.save(tmp_path, STATE, "config", {"lr": 1}, np.ones((6, 2)), 6)
    whole = last.read_bytes()
    for i in range(count):
        data = mutations(rng, whole) if i % 4 else random_bytes(rng)
        if i % 2:  # as if somebody had written it on purpose
            body = data.partition(b"\n")[2] if i % 4 else data
            data = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        last.write_bytes(data)
        try:
            found = checkpoints.load(tmp_path, STATE, "config")
        except InputError:  # it claims to be of another config, or state
            continue
        assert found.path in (good, last) and (found.path == last or found.damaged)
        assert str(jax.tree.structure(found.state)) == str(jax.tree.structure(STATE))
    assert {path.name for path in tmp_path.iterdir()} == {good.name, last.name}


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("count", AMOUNTS)
def test_damaged_tables_are_refused_or_read(tmp_path: Path, count: int) -> None:
    rng, path = np.random.default_rng(1), tmp_path / "runs.csv"
    looks = tmp_path / "looks.csv"
    for i in range(count):
        path.write_bytes(mutations(rng, TABLE.encode()) if i % 4 else random_bytes(rng))
        if i % 3 == 0:
            text = ",".join(LOOK_COLUMNS) + "\nplain,0,abc,4,8,7,0.5\n"
            looks.write_bytes(mutations(rng, text.encode()))
        try:
            ledger = Ledger(tmp_path, ["modes", "kl"], True)
        except InputError:
            continue
        assert all(isinstance(seed, int) for _, seed in ledger.runs)
    assert {each.name for each in tmp_path.iterdir()} <= {"runs.csv", "looks.csv"}


@pytest.mark.parametrize("count", AMOUNTS)
def test_settings_are_refused_or_make_a_config(count: int) -> None:
    rng, start = np.random.default_rng(2), preset("playground")
    kinds = {"ok": 0, "refused": 0}
    for i in range(count):
        text = KNOWN[i % len(KNOWN)]
        if i >= len(KNOWN):
            text = mutations(rng, text.encode()).decode("utf-8", "replace")
        try:
            given, moved = read_settings([text], start.config, start.knobs)
            config = replace(start.config, **given)
            repr(config), replace(start.knobs, **moved)
            kinds["ok"] += 1
        except InputError:
            kinds["refused"] += 1
    assert min(kinds.values()) > 0


@pytest.mark.parametrize(
    "text",
    [
        "generator=MLP(" + "(" * 3000 + ")" * 3000 + ")",
        "data=Ring(" + "-" * 20_000 + "1)",
        "batch=" + "9" * 5000,
        "batch=1e400",
        "batch=nan",
        "data=Ring(modes=__import__('os'))",
        "data=Ring(modes='\\d')",
        "data=Ring(**{'modes': 3})",
        "data=Ring(*[3])",
        "data=Ring(modes=\0)",
        "=3",
        "",
        "data=Ring(modes=10**9)",
        "generator=MLP((10**6,))",
        "generator=MLP(Ring())",
        "data=MLP((3,))",
    ],
)
def test_settings_made_to_break_something(text: str) -> None:
    start = preset("playground")
    with pytest.raises(InputError):  # noqa: PT012
        given, moved = read_settings([text], start.config, start.knobs)
        replace(start.config, **given)
        replace(start.knobs, **moved)


@pytest.mark.parametrize("count", AMOUNTS)
def test_any_path_works_or_is_refused(tmp_path: Path, count: int) -> None:
    """Whatever can be typed is one place, for saving and for loading."""
    rng = np.random.default_rng(3)
    letters = list("ab[]\\*?{}()'\"~ -#%$!;&|<>:.\t\n\u00e9\u5b66\U0001f600\x7f")
    for _ in range(count // 10):
        name = "".join(rng.choice(letters, int(rng.integers(1, 12))))
        folder = tmp_path / f"x{name}" / name
        try:
            path = checkpoints.save(folder, {"w": jnp.ones(2)}, "c", {}, np.ones((1, 1)), 1)
        except InputError:
            continue
        assert checkpoints.load(folder, {"w": jnp.ones(2)}).path == path
        assert typed_path(folder) in path.parents
        assert json.dumps(str(path))
