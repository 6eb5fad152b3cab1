"""What holds for every test: strict JAX, no display, short lessons; and which tests run.

Settings go through the environment, so that JAX is imported only by the tests that use it and so
that processes which a test starts inherit them (kernels excepted, see `tests/notebooks.py`).
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW = ROOT / "tests" / "slow.txt"  # a line a test function: its seconds, its file and name
QUICK = 1.0  # seconds for all cases of a test function that runs with --quick
SETTINGS = {
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "GAN_LESSONS_FAST": "1",
    "MPLBACKEND": "Agg",
}

os.environ.update(SETTINGS)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Programs that were compiled by an earlier run of the tests need not be compiled again.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

if "jax" in sys.modules:  # a plugin was there first, and JAX reads its environment only once
    import jax

    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_addoption(parser: Any) -> None:
    """Options of ours: see `tests/__main__.py`."""
    parser.addoption("--quick", action="store_true", help="only tests that are not in slow.txt")
    parser.addoption("--long", action="store_true", help="also tests that are marked `long`")
    parser.addoption("--measure", action="store_true", help="write slow.txt anew")


def function_of(nodeid: str) -> str:
    """The file and name of a test, without the parameters of its cases."""
    return nodeid.partition("[")[0].removeprefix("tests/")


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave out what is marked `long`, and with --quick what is slow or drives a browser."""
    out = set() if config.getoption("long") else {"long"}
    slow: set[str] = set()
    if config.getoption("quick"):
        out |= {"slow", "browser"}
        slow = {line.split()[1] for line in SLOW.read_text(encoding="utf-8").splitlines()}
    kept = [
        item
        for item in items
        if not out & {mark.name for mark in item.iter_markers()}
        and function_of(item.nodeid) not in slow
    ]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """With --measure, write down which test functions took longer than QUICK seconds.

    With --quick too, the measured ones join those that are there: where the first of some tests
    compiles what the others use, its time moves to the next when it is left out.
    """
    if not config.getoption("measure"):
        return
    spent: Counter[str] = Counter()
    if config.getoption("quick"):
        lines = (line.split() for line in SLOW.read_text(encoding="utf-8").splitlines())
        spent.update({name: float(seconds) for seconds, name in lines})
    for reports in terminalreporter.stats.values():
        for report in reports:
            spent[function_of(getattr(report, "nodeid", ""))] += getattr(report, "duration", 0)
    slow = sorted((-seconds, name) for name, seconds in spent.items() if seconds > QUICK)
    SLOW.write_text("".join(f"{-minus:6.1f} {name}\n" for minus, name in slow), encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    """Let fixtures know that their test failed (`request.node.failed`), to keep a screenshot."""
    report: Any = yield
    if report.when == "call":
        item.failed = report.failed
    return report


@pytest.fixture(scope="module", autouse=True)
def _programs_of_one_module() -> Iterator[None]:
    """Forget the programs that a module's tests compiled: they add up to gigabytes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()
