"""Settings of the process that make starts and live training quicker, by one explicit call."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from gan_lessons import environment
from gan_lessons.folders import our_cache

LARGE = 3 * 2**28  # bytes of a process that has no room for programs it may not need again
MORE = 2**28  # bytes
COMPILED = "compiled-"  # the folder of compiled programs is called so, and after machine and JAX


@functools.cache
def prepare() -> None:
    """Keep compiled programs on disk, and keep freed memory in the process. Once a process.

    Importing the package changes nothing. Runs (and so the player and the command line) and
    figures with sliders call this when the first of them is made; whoever uses `init` and `advance`
    alone may call it too, or leave it. What the environment's variables set of JAX and would stand
    in the way (`environment.ASIDE`; 64 bits are refused elsewhere) is set back, and said.
    """
    _set_back()
    _cache_compiled_programs()
    _keep_freed_memory()


def _set_back() -> None:
    for variable, note in environment.in_the_way().items():
        usual, name = environment.ASIDE[variable].usual, variable.lower()
        if variable != "JAX_ENABLE_X64" and getattr(jax.config, name, usual) != usual:
            jax.config.update(name, usual)
            print(f"note: {note}", file=sys.stderr)


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """Let numbers that are not finite pass: a run looks out for them, and stops with a sentence."""
    settings: Any = jax.config
    if not (settings.jax_debug_nans or settings.jax_debug_infs):
        yield
        return
    with jax.debug_nans(False), jax.debug_infs(False):
        yield


def _cache_compiled_programs() -> None:
    """Keep compiled programs between sessions, so that only the first start of a lesson is slow.

    Does nothing where JAX was told a cache folder already, or where ours cannot be written.
    """
    from jax.experimental.compilation_cache import compilation_cache

    folder = our_cache(f"{COMPILED}{platform.node()}-{jax.__version__}")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None or folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK | os.X_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
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


def give_back_memory() -> None:
    """Give back what was freed and kept: a new game does not need the room of the old ones.

    This bounds what `_keep_freed_memory` keeps. A process of more than LARGE bytes, which has grown
    by MORE since it last did so, also forgets what it has compiled, half of a long lesson: a game
    of before that is played again gets its programs from the disk, in a second or two.
    """
    if _resident() > max(LARGE, _left.get("after", 0) + MORE):
        jax.clear_caches()
        gc.collect()
        _trim()
        _left["after"] = _resident()
    _trim()


_left: dict[str, int] = {}  # bytes of the process after it forgot its programs


def _trim() -> None:
    with contextlib.suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc alone knows it


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where that cannot be read (not on Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError):
        return 0
