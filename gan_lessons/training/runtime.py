"""Two settings of the process that make starts and live training quicker, by one explicit call."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform

import jax


@functools.cache
def prepare() -> None:
    """Keep compiled programs on disk, and keep freed memory in the process. Once a process.

    Importing the package changes nothing. Runs (and so the player and the command line) and
    figures with sliders call this when the first of them is made; whoever uses `init` and `advance`
    alone may call it too, or leave it.
    """
    _cache_compiled_programs()
    _keep_freed_memory()


def _cache_compiled_programs() -> None:
    """Keep compiled programs between sessions, so that only the first start of a lesson is slow.

    Does nothing where JAX was told a cache folder already, or where ours cannot be written.
    """
    from jax.experimental.compilation_cache import compilation_cache

    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(home, "gan-lessons", f"compiled-{platform.node()}-{jax.__version__}")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        compilation_cache.reset_cache()  # JAX decides at its first compilation whether it has one


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed: XLA on a CPU asks for the same again at each call.

    Pages that were given back come back empty, each by a page fault: short calls of a large game,
    as a live player makes them, lost a quarter of their time to that. Only glibc knows these
    settings.
    """
    trim_threshold, mmap_max, arena_max = -1, -4, -8  # their numbers in malloc.h
    with contextlib.suppress(OSError, TypeError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_max, 0)
        mallopt(arena_max, 1)
