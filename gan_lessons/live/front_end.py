"""The page on the other side of a live figure: which pictures it has got, and is it there."""

from __future__ import annotations

import time
from typing import Any

from gan_lessons.live.display import take_away

PULSE = 1.5  # seconds after which a front end is asked again which picture it has got
AHEAD = 32  # pictures that a quick front end may lag
QUICK = 0.4  # seconds to answer in: whoever takes longer is slow, asked more often and sent fewer
LATE = 1.0  # seconds after which we send all the same: a busy kernel hears no answer
DESERTED = 60.0  # seconds without any sign of the front end: nobody is watching


class FrontEnd:
    """Counts pictures, and asks now and then which one has arrived, by a number to be copied back.

    As seldom as it can: a page that answers shows a busy kernel, tab and all, which costs it more
    than three pictures.

    Args:
        behind: pictures that a slow front end may lag before we stop sending.
        often: seconds from one question to the next where it is slow.
    """

    def __init__(self, behind: int, often: float = 0.0) -> None:
        self.behind, self.often = behind, often
        self.sent = self.asked = self.got = 0  # the number of the last picture
        self.sent_at = self._asked_at = self._sign_of_life = time.monotonic()
        self._answer = 0.0  # seconds that the last answer took
        self.number: Any = None

    def connect(self) -> None:
        """Make the widgets that carry question and answer, in place of any before."""
        import ipywidgets as widgets

        self.close()
        self.number, self.copy = widgets.IntText(), widgets.IntText()
        self.link = widgets.jsdlink((self.number, "value"), (self.copy, "value"))
        self.copy.observe(self._answered, "value")

    def close(self) -> None:
        """Take the widgets away."""
        for each in (self.number, self.copy, self.link) if self.number else ():
            take_away(each)

    def count(self) -> None:
        """A picture is about to be sent."""
        self.sent, self.sent_at = self.sent + 1, time.monotonic()

    def ask(self) -> None:
        """Ask which picture has arrived, if it is time to."""
        wait = PULSE if self.quick else self.often
        if self.sent_at - self._asked_at < wait and self.sent - self.asked < AHEAD // 2:
            return
        if not self._unanswered:
            self._asked_at = self.sent_at
        self.asked = self.number.value = self.sent

    def greet(self) -> None:
        """Somebody has just been seen."""
        self._sign_of_life = time.monotonic()

    def _answered(self, change: Any) -> None:
        self.greet()
        self.got, self._answer = change.new, self._sign_of_life - self._asked_at

    @property
    def _unanswered(self) -> bool:
        return self.got < self.asked

    @property
    def quick(self) -> bool:
        """By the last answer, or by how long we have been waiting for the next."""
        waited = time.monotonic() - self._asked_at if self._unanswered else self._answer
        return waited < QUICK

    @property
    def keeps_up(self) -> bool:
        """Whether another picture may be sent."""
        late = time.monotonic() - self.sent_at > LATE
        return late or self.sent - self.got < (AHEAD if self.quick else self.behind)

    @property
    def deserted(self) -> bool:
        """Whether nothing has been heard for so long that nobody can be there."""
        return time.monotonic() - self._sign_of_life > DESERTED
