"""What the machine offers: its cores, and a browser that tests and benchmarks can drive."""

from __future__ import annotations

import os
import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def cores() -> int:
    """The number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def browser() -> str | None:
    """The path of the first of BROWSERS that is installed, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)
