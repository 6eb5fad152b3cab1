"""The style of our figures, for as long as one is being made, whatever the user has set."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import matplotlib as mpl

from gan_lessons.plots import STYLE

_one = threading.RLock()


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's settings are ours inside, and afterwards what they were.

    Not `mpl.rc_context`: that puts back a copy of all settings, and so undoes what a cell may have
    set meanwhile in another thread. The lock keeps two of our own threads from nesting.
    """
    with _one:
        before = {name: mpl.rcParams[name] for name in STYLE}
        mpl.rcParams.update(STYLE)
        try:
            yield
        finally:
            kept = {
                name: value for name, value in before.items() if mpl.rcParams[name] == STYLE[name]
            }
            mpl.rcParams.update(kept)
