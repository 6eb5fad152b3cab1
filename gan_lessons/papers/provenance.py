"""With what a number was made."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import jax


def provenance() -> str:
    """The commit (`-changed` where files differ from it) and the versions, in words."""
    ask = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=-changed"]
    try:
        commit = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    versions = [f"{name} {version(name)}" for name in ("jax", "flax", "numpy")]
    python, backend = platform.python_version(), jax.default_backend()
    return ", ".join([f"commit {commit}", *versions, f"Python {python}", backend])
