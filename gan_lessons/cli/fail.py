"""How a command ends that could not do what it was asked for."""

from __future__ import annotations

import sys

UNUSABLE = 2  # the exit status for a command line that cannot be used


def fail(sentence: object, status: int = 1) -> int:
    """Say on standard error what went wrong, and return the exit status."""
    print(f"gan-lessons: {sentence}", file=sys.stderr)
    return status
