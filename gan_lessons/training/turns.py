"""A lock that is taken in turns."""

from __future__ import annotations

import threading


class Turns:
    """A re-entrant lock that nobody can be starved of: whoever waits is next.

    A worker that holds Python's own locks nearly all the time takes them again before anybody who
    waits has woken up. Here it has to queue at the gate, which whoever waits is holding.
    """

    def __init__(self) -> None:
        self._gate, self._door = threading.Lock(), threading.RLock()
        self._owner, self._depth = 0, 0

    def __enter__(self) -> Turns:
        me = threading.get_ident()
        if self._owner != me:
            with self._gate:
                self._door.acquire()
            self._owner = me
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            self._door.release()
