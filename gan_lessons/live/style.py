"""The style of our figures, for as long as one is being made, whatever the user has set."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import matplotlib as mpl

from gan_lessons.plots import STYLE

_one = threading.RLock()


@contextlib.contextmanager
def styled(*names: str) -> Iterator[None]:
    """Matplotlib's settings (all of the style, or those named) are ours inside, and then as before.

    Not `mpl.rc_context`: that puts back a copy of all settings, and so undoes what a cell may have
    set meanwhile in another thread. The lock keeps two of our own threads from nesting.
    """
    ours = {name: STYLE[name] for name in names or STYLE}
    with _one:
        before = {name: mpl.rcParams[name] for name in ours}
        mpl.rcParams.update(ours)
        try:
            yield
        finally:
            same = [name for name in ours if mpl.rcParams[name] == ours[name]]
            mpl.rcParams.update({name: before[name] for name in same})


HINTING = "text.hinting"  # what a blitted frame needs of the style: hinted text costs a millisecond
