"""Standard output and error as they come: closed, in a pipe that nobody reads, or in ASCII."""

from __future__ import annotations

import contextlib
import os
import sys


def make_usable() -> None:
    """Have a stream that was closed swallow what is printed, and one in ASCII print `?` for ×."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(AttributeError, ValueError, OSError):  # a test's own stream
            getattr(sys, name).reconfigure(errors="replace")


def drop_output() -> None:
    """Send what is still to be printed nowhere, so that Python's end does not try once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
