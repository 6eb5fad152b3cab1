"""The one owner of what is live: a queue of wishes, the worker that does them, what a cell shows.

A player or an explorer is the face of a stage. Whoever wants something of it, in whatever thread,
puts a wish into the queue and goes on; one worker takes wishes in order and then gives the face
its turns. The worker lives for as long as there is something to do, so nothing is left behind by
a cell that is run again or a page that is closed, and nothing that was closed is dead: the next
wish starts another worker.
"""

from __future__ import annotations

import atexit
import collections
import threading
import weakref
from typing import Any, Protocol

from IPython import display as ipython

from gan_lessons.errors import InputError
from gan_lessons.live.display import Place, here
from gan_lessons.live.front_end import FrontEnd
from gan_lessons.live.log import keep_traceback
from gan_lessons.live.wishes import Pause, Wish, playing_after

STALE = "<em>This view was closed. Run the cell again, or show it in another one, to go on.</em>"
NOBODY = "paused: nobody seems to be watching; press Play to go on"


class Face(Protocol):
    """What a stage needs of the player or explorer that it carries."""

    def fulfil(self, wish: Wish) -> None:
        """Do what one wish asks (in the worker)."""

    def turn(self, fresh: bool) -> float | None:
        """Work and draw for a moment (in the worker), after new wishes if `fresh`.

        Returns the seconds until the next turn, which a wish cuts short; None to rest.
        """

    def say(self, message: str) -> None:
        """Show a sentence."""

    def tell(self) -> None:
        """Show what is wanted now (in any thread)."""

    def close(self) -> None:
        """Leave the page."""


class Stage:
    """The queue, the worker and the life cycle of one face.

    Attributes:
        on: whether it plays, as far as the worker has come; `playing` is what it will come to.
        worker: the thread at work, or None.
        places: the cells that show the face, each with the run of it that does.
    """

    def __init__(self, face: Face, name: str, front_end: FrontEnd) -> None:
        self.face, self.name, self.front_end = face, name, front_end
        self.on = False
        self.worker: threading.Thread | None = None
        self.places: dict[str, str] = {}
        self._bell = threading.Condition(threading.RLock())
        self._queue: collections.deque[Wish] = collections.deque()
        self._views: dict[str, Any] = {}  # what is displayed in each of them
        self._current: Wish | None = None
        self._asked = self._done = 0
        self._leaving = False

    # What is wanted, from any thread.

    def ask(self, wish: Wish) -> None:
        """Put a wish into the queue."""
        with self._bell:
            self._queue.append(wish)
            self._asked += 1
            self._leaving = False
            if self.worker is None or not self.worker.is_alive():
                self.worker = threading.Thread(target=self._work, name=self.name, daemon=True)
                _watch(self)
                self.worker.start()
            self._bell.notify_all()
        self.face.tell()

    def ask_alone(self, wish: Wish) -> None:
        """Put in a wish to play, and have all others of the kind pause: they would be slower."""
        with _order:  # of two that start at once, the later one plays
            self.ask(wish)
            for other in list(_shown):
                if other is not self and other.name == self.name and other.playing:
                    other.ask(Pause())

    @property
    def playing(self) -> bool:
        """Whether it plays once everything that was asked for is done."""
        with self._bell:
            return playing_after(self.on, self._queue)

    @property
    def pending(self) -> tuple[Wish, ...]:
        """The wishes not yet done, the present one first."""
        with self._bell:
            return (*((self._current,) if self._current else ()), *self._queue)

    @property
    def hurried(self) -> bool:
        """Whether wishes are waiting for their turn."""
        return bool(self._queue)

    def wait(self, timeout: float) -> None:
        """Block until all that has been asked for so far is done and drawn.

        Raises: TimeoutError after `timeout` seconds.
        """
        with self._bell:
            ticket = self._asked
            if threading.current_thread() is self.worker:
                return
            if not self._bell.wait_for(lambda: self._done >= ticket, timeout):
                raise TimeoutError(f"{self.name} was still busy after {timeout:g} s")

    def close(self) -> None:
        """Drop all wishes and end the worker, if it is not the one who calls."""
        with self._bell:
            self._done += len(self._queue)
            self._queue.clear()
            self.on, self._leaving = False, True
            worker = self.worker
            self._bell.notify_all()
        if worker and worker is not threading.current_thread():
            worker.join(timeout=10)
        while self._views:
            self._views.popitem()[1].update(ipython.HTML(STALE))
        with _order:
            self.places.clear()
            if self in _shown:
                _shown.remove(self)

    # The worker.

    def halt(self, why: str) -> None:
        """Stop playing from within, and say why; wishes that come later still count."""
        with self._bell:
            self.on = False
        self.face.say(why)

    def _work(self) -> None:
        delay: float | None = 0.0
        while self._wait(delay):
            delay = self._turn()

    def _wait(self, delay: float | None) -> bool:
        """Sleep until there is a wish or the delay is over; False when there is nothing to do."""
        with self._bell:
            if delay:
                self._bell.wait_for(lambda: self._queue or self._leaving, delay)
            if self._queue:
                return True
            if self._leaving or delay is None:
                self.worker = None
                return False
            return True

    def _turn(self) -> float | None:
        taken = self._take()
        try:
            delay = None if self._leaving else self.face.turn(taken > 0)
            if self.on and not self._queue and self.front_end.deserted:
                self.halt(NOBODY)
        except Exception as error:
            delay = 0.0 if self.on else None  # one more picture, of what was before
            self._fail(error)
        self._settle(taken)
        return delay

    def _settle(self, taken: int) -> None:
        with self._bell:
            self._done += taken
            self._bell.notify_all()
        self.face.tell()

    def _take(self) -> int:
        """Do all wishes that are waiting, in order; returns how many."""
        taken, before = 0, self.on
        while wish := self._next():
            try:
                self.face.fulfil(wish)
            except InputError as error:  # what is refused changes nothing
                with self._bell:
                    self.on = before and not self._leaving
                self.face.say(str(error))
            except Exception as error:
                self._fail(error)
            taken, before = taken + 1, self.on
        self._current = None
        return taken

    def _next(self) -> Wish | None:
        with self._bell:
            self._current = self._queue.popleft() if self._queue else None
            if self._current:
                self.on = playing_after(self.on, [self._current])
            return self._current

    def _fail(self, error: Exception) -> None:
        keep_traceback(error, self.name)
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        self.halt(f"{kind}{error}")

    # What a cell shows.

    def show(self, widget: Any) -> None:
        """Show a widget in the cell that is running."""
        if not (place := self.enter()):
            ipython.display(widget)
        elif shown := ipython.display(widget, display_id=True):
            self._views[place.cell] = shown

    def enter(self) -> Place | None:
        """Take the place of what earlier runs of this cell have shown; returns the place."""
        place = here()
        with _order:
            former = [other for other in _shown if place and other.left_by(place.cell, place.run)]
            if place:
                self.places[place.cell] = place.run
            if self not in _shown:
                _shown.append(self)
        for other in former:
            if other is not self:
                other.leave(place.cell if place else "")
        return place

    def left_by(self, cell: str, run: str) -> bool:
        """Whether this was shown by an earlier run of `cell`, which clears what that has shown."""
        return self.places.get(cell, run) != run

    def leave(self, cell: str) -> None:
        """Be shown in `cell` no longer: pause, and if nothing else shows it, close."""
        self.places.pop(cell, None)
        self._views.pop(cell, None)  # its output has been cleared already
        if not self.places:
            self.face.close()
        elif self.playing:
            self.ask(Pause())


_at_work: weakref.WeakSet[Stage] = weakref.WeakSet()  # all stages that have had a worker


def _watch(stage: Stage) -> None:
    """Have its worker end before the interpreter does, which aborts if a thread is inside XLA."""
    if not _at_work:
        atexit.unregister(_end_workers)
        atexit.register(_end_workers)
    _at_work.add(stage)


def _end_workers() -> None:
    for stage in list(_at_work):
        stage.close()


_shown: list[Stage] = []  # all stages on a page
_order = threading.RLock()  # held while several stages are dealt with
