"""How a long command is ended from outside: Ctrl-C, a closed terminal, a polite kill."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")
ENDS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # not all of them exist everywhere
DOUBLE = 1.0  # seconds: a second signal so soon after the first is the same wish


def until_asked(work: Callable[[threading.Event], T]) -> T:
    """Run `work(asked)`, which shall save and return soon after the event `asked` is set.

    Ctrl-C, SIGTERM and SIGHUP (a closed terminal) set it; that is said at once, even while XLA
    compiles, because `work` runs in a thread of its own. Another signal, not at once, ends the
    process on the spot: what `work` saved before is there. Under `nohup` SIGHUP stays ignored.

    Raises: what `work` raises.
    """
    asked = threading.Event()
    first: list[float] = []

    def ask(number: int, _: Any) -> None:
        if getattr(signal, "SIGHUP", None) == number:
            _without_terminal()
        if not first:
            first.append(time.monotonic())
            asked.set()
            _say("stopping: saving comes next (Ctrl-C again ends at once, with what is saved)")
        elif time.monotonic() - first[0] > DOUBLE:
            _say("ended at once, with what was saved; --resume or the same command goes on")
            os._exit(1)

    with _handling(ask), ThreadPoolExecutor(1) as worker:
        result = worker.submit(work, asked)
        # A signal may reach another thread, and does not wake this one then.
        while not wait([result], timeout=0.1).done:
            pass
        return result.result()


@contextlib.contextmanager
def _handling(handler: Any) -> Iterator[None]:
    kept = {}
    for each in (getattr(signal, name) for name in ENDS if hasattr(signal, name)):
        before = signal.getsignal(each)
        if each.name != "SIGHUP" or before != signal.SIG_IGN:
            kept[each] = signal.SIG_DFL if before is None else before
            signal.signal(each, handler)
    try:
        yield
    finally:
        for each, before in kept.items():
            signal.signal(each, before)


def _without_terminal() -> None:
    """Write to nowhere what was written to the terminal, which is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if os.isatty(stream):
            os.dup2(nowhere, stream)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"\n{text}", file=sys.stderr, flush=True)
