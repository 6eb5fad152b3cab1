"""The first start, from every state that a person's machine can be in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gan_lessons import __main__ as start
from gan_lessons import installing, interpreter

STUB = 'import sys\n\n\ndef main(argv):\n    print("ran", argv, sys.prefix)\n    return 0\n'


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The start's files moved away from the real environment."""
    monkeypatch.setattr(interpreter, "MARK", tmp_path / "mark")
    monkeypatch.setattr(installing, "LOG", tmp_path / "log")
    monkeypatch.setattr(installing, "LOCAL", tmp_path / ".venv")
    return tmp_path


class Restarted(Exception):
    """Stands for the process being replaced by another."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the start did, with the doing itself left out."""
    done: list[str] = []

    def restart(python: str | Path, argv: list) -> None:
        done.append(f"restart {Path(python).parts[-3]} {' '.join(argv)}")
        raise Restarted

    monkeypatch.setattr(start, "restart", restart)
    monkeypatch.setattr(installing, "make_environment", lambda: done.append("make"))
    monkeypatch.setattr(installing, "install", lambda extra, lacks: done.append(f"install {extra}"))
    monkeypatch.delenv(start.TRIED, raising=False)
    return done


def go(argv: list[str]) -> None:
    try:
        start.ensure_installed(argv)
    except Restarted:
        os.environ.pop(start.TRIED, None)


def lacking(monkeypatch: pytest.MonkeyPatch, *faults: str, environment: bool) -> None:
    monkeypatch.setattr(interpreter, "missing", lambda extra="": list(faults))
    monkeypatch.setattr(interpreter, "in_environment", lambda: environment)


def test_nothing_is_done_where_nothing_lacks(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, environment=False)
    go(["lab"])
    assert steps == []


def test_an_active_environment_is_used(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "jax is not installed", environment=True)
    go(["test", "-x"])
    assert steps[0] == "install test"
    assert steps[1].endswith("test -x")


def test_a_bare_python_gets_an_environment_and_then_uses_it(
    steps: list[str], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, "jax is not installed", environment=False)
    go(["lab"])
    assert steps == ["make", "restart .venv lab"]
    installing.local_python().parent.mkdir(parents=True)
    installing.local_python().touch()
    (installing.LOCAL / "pyvenv.cfg").touch()
    go(["lab"])
    assert steps[2:] == ["restart .venv lab"]


@pytest.mark.parametrize("argv", [[], ["--help"], ["train", "-h"], ["doctor"]])
@pytest.mark.parametrize("environment", [True, False])
def test_looking_installs_nothing(
    argv: list[str],
    environment: bool,
    steps: list[str],
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking(monkeypatch, "jax is not installed", environment=environment)
    go(argv)
    assert steps == []


def test_a_start_never_goes_in_circles(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "jax is 9, which is not <9", environment=True)
    monkeypatch.setenv(start.TRIED, "1")
    with pytest.raises(start.Trouble, match="jax is 9"):
        start.ensure_installed(["lab"])


@pytest.mark.parametrize(
    ("requirement", "version", "good"),
    [
        ("jax>=0.10,<0.13", "0.10.0", True),
        ("jax>=0.10,<0.13", "0.12.0.1", True),
        ("jax>=0.10,<0.13", "0.13.0", False),
        ("jax>=0.10,<0.13", "0.9.2", False),
        ("jax[cuda12]>=0.10,<0.13", "0.11", True),
        ("torch==2.13.0; python_version == '3.11'", "2.13.0+cpu", True),
        ("x>=7,<8", "7.0.0", True),
        ("x>=7.0.0", "7", True),
        ("x>=7,<8", "7.1rc2", True),
    ],
)
def test_versions_are_held_against_windows(requirement: str, version: str, good: bool) -> None:
    found = dict.fromkeys(("jax", "torch", "x"), version)
    assert (interpreter.fault(requirement, found) == "") is good


def test_names_are_compared_as_pip_compares_them() -> None:
    assert interpreter.fault("Orbax_Checkpoint>=1,<2", {"orbax-checkpoint": "1.5"}) == ""
    assert "not installed" in interpreter.fault("optax>=1,<2", {})


def test_an_installation_that_was_cut_off_is_taken_up(elsewhere: Path) -> None:
    assert not any("begun" in text for text in interpreter.missing())
    interpreter.MARK.touch()
    assert any("begun" in text for text in interpreter.missing())


@pytest.mark.parametrize(
    ("log", "stays"), [("Collecting jax\n", False), ("Installing collected packages\n", True)]
)
def test_the_mark_stays_only_if_packages_may_be_half_there(
    log: str, stays: bool, elsewhere: Path
) -> None:
    installing.LOG.write_text(log, encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), installing.under_way():
        raise KeyboardInterrupt
    assert interpreter.MARK.exists() is stays
    with installing.under_way():
        pass
    assert not interpreter.MARK.exists()


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(start.Trouble, match=r"3\.11 or newer .* 3\.9\.2"):
        start.check_version()


def test_a_python_without_venv_is_told_the_package(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "find_spec", lambda name: None)
    with pytest.raises(start.Trouble, match=r"apt install python3\.\d+-venv"):
        installing.make_environment()
    assert not installing.LOCAL.exists()


@pytest.mark.parametrize(
    ("log", "word"),
    [
        ("NewConnectionError(...)\nERROR: No matching distribution found", "network"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for jax", "64-bit"),
        ("ERROR: something new", "something new"),
    ],
)
def test_a_failed_installation_is_explained(log: str, word: str) -> None:
    assert word in installing.explain_failure(log)


def copy_of_the_start(folder: Path) -> Path:
    package = folder / "gan_lessons"
    package.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py", "installing.py", "interpreter.py"):
        shutil.copy(interpreter.ROOT / "gan_lessons" / name, package)
    shutil.copy(interpreter.PYPROJECT, folder)
    (package / "cli.py").write_text(STUB, encoding="utf-8")
    return folder


def begin(python: str, folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess:
    """Start a copy as a person would, cut off from every package index."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    nowhere = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [python, "-m", "gan_lessons", *argv],
        cwd=folder,
        env=environment | nowhere | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_bare_python_without_a_network_ends_in_a_sentence(tmp_path: Path) -> None:
    folder = copy_of_the_start(tmp_path / "a copy")
    bare = str(Path(sys.base_prefix) / Path(installing.local_python()).parent.name / "python3")
    python = bare if os.path.exists(bare) else sys.executable
    assert begin(python, folder, "--help").stdout.startswith("ran")
    result = begin(python, folder, "lab")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "installation failed" in result.stderr
    assert (folder / ".venv" / "pyvenv.cfg").exists()
    assert not (folder / ".venv" / interpreter.MARK.name).exists()


def test_a_complete_environment_starts_at_once(tmp_path: Path) -> None:
    folder = copy_of_the_start(tmp_path)
    result = begin(sys.executable, folder, "test", "x", PYTHONPATH=str(folder))
    assert result.stdout.startswith("ran ['test', 'x']"), result.stderr
