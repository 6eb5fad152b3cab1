"""What holds for every test: strict JAX, no display, short lessons.

Set through the environment, so that JAX is imported only by the tests that use it and so that
processes which a test starts inherit it (kernels excepted, see `tests/notebooks.py`).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

SETTINGS = {
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "GAN_LESSONS_FAST": "1",
    "MPLBACKEND": "Agg",
}

os.environ.update(SETTINGS)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

if "jax" in sys.modules:  # a plugin was there first, and JAX reads its environment only once
    import jax

    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")


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
