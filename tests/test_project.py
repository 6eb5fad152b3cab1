"""The project's own promises: one list of dependencies, imports that run one way, its commands."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import types
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from gan_lessons import __main__ as start
from tests import __main__ as checks

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gan_lessons"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
OWNERS = packages_distributions()

# A room may import from its own floor's rooms and from the floors below it.
FLOORS = (
    {"errors"},
    {"distributions", "images"},
    {"objectives", "networks", "keys", "augmentation", "convolution", "convnets"},
    {"training", "presets"},
    {"plots", "metrics", "theory", "dynamics", "checkpoints"},
    {"live", "exercises", "run", "tables", "reproduce", "cli", "__main__"},
)
SCREEN = {"ipywidgets", "matplotlib", "IPython"}


def room(path: Path) -> str:
    """The room that a file of the package belongs to: its own name, or its folder's."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The dotted names of all modules that a file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(name: str) -> int:
    """How high up a room lies; 0 is the ground."""
    floors = [index for index, names in enumerate(FLOORS) if name in names]
    assert floors, f"give the new room {name} a floor in FLOORS"
    return floors[0]


every_file = pytest.mark.parametrize(
    "path",
    sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"}),
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)


@every_file
def test_imports_run_one_way(path: Path) -> None:
    names = [name.split(".") for name in imported(path) if name.startswith("gan_lessons.")]
    rooms = {name[1] for name in names} - {"__version__"}
    assert {name for name in rooms if floor(name) > floor(room(path))} == set()


@every_file
def test_the_engine_never_imports_the_screen(path: Path) -> None:
    if floor(room(path)) <= floor("training"):
        assert {name.split(".")[0] for name in imported(path)} & SCREEN == set()


@every_file
def test_what_is_imported_is_declared(path: Path) -> None:
    foreign = {name.split(".")[0] for name in imported(path)}
    foreign -= set(sys.stdlib_module_names) | {"gan_lessons", "tests"}
    declared = {start.plain(re.split(r"[<>=\[;]", text)[0]) for text in PROJECT["dependencies"]}
    for module in foreign:
        assert {start.plain(owner) for owner in OWNERS.get(module, [])} & declared, module


def test_the_start_reads_with_an_old_python_and_no_packages() -> None:
    path = PACKAGE / "__main__.py"
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    outside = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
    assert outside == {"gan_lessons"}
    assert imported(PACKAGE / "__init__.py") == set()


@pytest.mark.parametrize("text", PROJECT["dependencies"] + EXTRAS["test"])
def test_every_dependency_is_a_window(text: str) -> None:
    assert re.fullmatch(r"[\w.-]+>=[\d.]+,<[\d.]+", text)


@pytest.mark.parametrize("text", PROJECT["dependencies"] + EXTRAS["test"])
def test_the_environment_of_this_run_is_inside_the_windows(text: str) -> None:
    assert start.fault(text, start.distributions()) == ""


def test_conda_leaves_the_list_to_pyproject() -> None:
    names = [re.split(r"[<>= ]", name)[0] for name in CONDA["dependencies"] if name != pip_block()]
    assert names == ["python", "pip"]
    assert pip_block() == {"pip": ["-e ."]}
    assert CONDA["channels"] == ["conda-forge"]


def pip_block() -> dict[str, list[str]]:
    return next(entry for entry in CONDA["dependencies"] if isinstance(entry, dict))


def test_conda_and_pyproject_agree_on_python() -> None:
    (window,) = (entry for entry in CONDA["dependencies"] if str(entry).startswith("python"))
    assert PROJECT["requires-python"] in window
    assert PROJECT["requires-python"] == ">={}.{}".format(*start.OLDEST)


def test_no_address_stands_where_packages_are_listed() -> None:
    for name in ("pyproject.toml", "environment.yml"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="bash is no part of Windows")
def test_the_ci_script_reads() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_arguments_after_two_dashes_are_for_pytest() -> None:
    options = checks.parse(["--engine", "--", "-k", "ring", "-x"])
    assert options.engine
    assert options.pytest == ["-k", "ring", "-x"]


@pytest.mark.parametrize(
    ("cores", "gigabytes", "processes"),
    [(2, 24, 2), (16, 64, 4), (8, 7.7, 2), (8, 2, 1), (None, 16, 1)],
)
def test_there_are_as_many_processes_as_cores_and_memory_allow(
    cores: int | None, gigabytes: float, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = types.SimpleNamespace(total=int(gigabytes * 2**30))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: memory)
    assert checks.shared_out()[:2] == ["-n", str(processes)]
    # Held to one core, of however many there are.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert checks.shared_out()[:2] == ["-n", "1"]


def test_a_failing_tool_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    tools = {"good": ["platform"], "bad": ["gan_lessons.nothing_there"]}
    assert checks.verdicts(tools) == ["bad"]
    told = capsys.readouterr().out
    assert "good" in told
    assert "nothing_there" in told
