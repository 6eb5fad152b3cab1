"""The project's own promises: one list of dependencies, imports that run one way, its commands."""

from __future__ import annotations

import ast
import graphlib
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

from gan_lessons import interpreter
from tests import __main__ as checks

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gan_lessons"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
OWNERS = packages_distributions()

# A room may import from the rooms that stand before it.
ROOMS = (
    *(
        "interpreter",
        "installing",
        "errors",
        "environment",
        "folders",
        "files",
        "fingerprint",
        "plots",
        "diagrams",
        "distributions",
        "images",
        "networks",
    ),
    *("augmentation", "objectives", "metrics", "training", "run", "theory", "dynamics", "presets"),
    *("live", "exercises", "papers", "cli", "__main__"),
)
ENGINE = {*ROOMS[: ROOMS.index("run")]} - {"plots", "diagrams"}
SCREEN = {"ipywidgets", "matplotlib", "IPython"}


def module_name(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path: Path) -> set[str]:
    """The dotted names of all that a file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: write the whole name of a module"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module_of(name: str) -> str:
    """The module of the package that an imported name is, or is defined in."""
    return name if name in FILES else name.rpartition(".")[0]


def room(module: str) -> str:
    """The room that a module belongs to; empty for the package itself."""
    return f"{module}.".split(".")[1]


# The modules that each module imports: the graph that the tests below look at.
GRAPH = {
    module: {module_of(name) for name in imported(path) if name.startswith("gan_lessons.")}
    for module, path in FILES.items()
}


def test_no_import_goes_in_a_circle() -> None:
    """Neither between rooms nor within one, and imports inside functions count."""
    order = [*graphlib.TopologicalSorter(GRAPH).static_order()]
    assert set(order) == set(FILES)


def test_rooms_import_only_from_the_rooms_before_them() -> None:
    edges = {(room(module), room(used)) for module, uses in GRAPH.items() for used in uses}
    edges = {(one, other) for one, other in edges if one and other and one != other}
    assert {name for edge in edges for name in edge} <= set(ROOMS), "give a new room its place"
    upwards = {edge for edge in edges if ROOMS.index(edge[1]) > ROOMS.index(edge[0])}
    assert upwards == set()
    graph: dict[str, set[str]] = {}
    for one, other in edges:
        graph.setdefault(one, set()).add(other)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_engine_never_imports_the_screen() -> None:
    for module, path in FILES.items():
        if room(module) in ENGINE:
            assert {name.split(".")[0] for name in imported(path)} & SCREEN == set(), module
            assert "plots" not in {room(used) for used in GRAPH[module]}, module


def test_no_two_public_names_are_alike() -> None:
    """A reader who looks for a class or function finds one; `main` is what every program calls its
    own."""
    places: dict[str, list[str]] = {}
    for module, path in FILES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    del places["main"]
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


# Imports every module of the package and prints what that changed in the process.
IMPORT_ALL = r"""
import ctypes, importlib, os, sys
import flax.nnx, jax, matplotlib.pyplot, optax

made = []
sys.addaudithook(lambda event, args: made.append(args[0]) if event == "os.mkdir" else None)

class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name == "mallopt":
            made.append(name)
        return super().__getattr__(name)

ctypes.CDLL = Library
settings = lambda: (dict(matplotlib.rcParams), dict(jax.config.values), dict(os.environ))
before = settings()
for name in sys.argv[1:]:
    importlib.import_module(name)
for one, other in zip(before, settings()):
    made += [f"{key}={other.get(key)}" for key in {*one, *other} if one.get(key) != other.get(key)]
print(*made, sep="\n", end="")
"""


def test_importing_every_module_changes_nothing(tmp_path: Path) -> None:
    """No style, no setting of JAX, no folder, no call to the C library's allocator."""
    modules = [name for name in FILES if name != "gan_lessons.__main__"]
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL, *modules],
        cwd=ROOT,
        env=os.environ | home,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_what_is_imported_is_declared() -> None:
    declared = [re.split(r"[<>=\[;]", text)[0] for text in PROJECT["dependencies"]]
    known = {interpreter.canonical_name(name) for name in declared}
    for path in FILES.values():
        foreign = {name.split(".")[0] for name in imported(path)}
        for name in foreign - set(sys.stdlib_module_names) - {"gan_lessons"}:
            owners = {interpreter.canonical_name(owner) for owner in OWNERS.get(name, [])}
            assert owners & known, f"{path} imports {name}"


def test_the_start_reads_with_an_old_python_and_no_packages() -> None:
    for module in ("__main__", "installing", "interpreter"):
        path = FILES[f"gan_lessons.{module}"]
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
        outside = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
        assert outside <= {"gan_lessons"}
    assert GRAPH["gan_lessons.__main__"] == {
        *("gan_lessons.cli", "gan_lessons.installing", "gan_lessons.interpreter")
    }
    assert imported(PACKAGE / "__init__.py") == {"sys", "gan_lessons.environment.check_notebook"}


def test_every_dependency_is_a_window_and_this_environment_inside_it() -> None:
    installed = interpreter.installed_versions()
    for text in PROJECT["dependencies"] + EXTRAS["test"]:
        assert re.fullmatch(r"[\w.-]+>=[\d.]+,<[\d.]+", text)
        assert interpreter.fault(text, installed) == ""


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
    assert PROJECT["requires-python"] == ">={}.{}".format(*interpreter.OLDEST)


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
