"""How a command ends that could not do what it was asked for."""

from __future__ import annotations

import contextlib
import sys

UNUSABLE = 2  # the exit status for a command line that cannot be used


def fail(sentence: object, status: int = 1) -> int:
    """Say on standard error what went wrong, and return the exit status."""
    note(f"gan-lessons: {sentence}")
    return status


def note(sentence: object) -> None:
    """Say something on standard error, if anybody reads it."""
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
