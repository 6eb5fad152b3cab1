"""When the next picture of a player is due, and how many steps fit in before it."""

from __future__ import annotations

import time

from gan_lessons.live.front_end import FrontEnd
from gan_lessons.training import BLOCK
from gan_lessons.training.pace import Pace

CHUNK = 0.045  # seconds of training in one go at full speed: how long a wish may have to wait
PICTURE = 0.056  # seconds from one picture to the next
BETWEEN, SELDOM = 10, 0.4  # the same where steps are slow: in steps, and seconds at most
WORDS = 0.35  # seconds between pictures that bring new text: nobody reads faster


class Tempo:
    """Learns how fast training is, and drawing beside it.

    Attributes:
        speed: steps a second in slow motion; None is as fast as it goes.
        rate: steps a second, as the status tells them.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.speed: float | None = None
        self.rate = 0.0
        self.full = Pace(CHUNK, 8)  # what training alone would make
        self._drawing = 0.0  # seconds that a picture takes
        self._worded_at = time.monotonic()

    def due(self) -> bool:
        """Whether the last picture is old enough for another."""
        slow = min(SELDOM, BETWEEN / self.full.rate)
        interval = PICTURE if self.speed is not None else max(PICTURE, slow)
        return time.monotonic() - self.front_end.sent_at >= interval

    def worded(self, now: bool) -> bool:
        """Whether the picture just counted brings new text: `now`, or because the old is stale."""
        words = now or self.front_end.sent_at - self._worded_at >= WORDS
        self._worded_at = self.front_end.sent_at if words else self._worded_at
        return words

    def steps(self, drawing: bool) -> int:
        """How many steps to take in one go, while a picture is drawn or until the next is due."""
        if self.speed is not None:
            return max(1, min(BLOCK, round(self.speed * PICTURE)))
        return self.full.next(seconds=max(CHUNK, self._drawing) if drawing else self._room())

    def _room(self) -> float:
        """Seconds of training that fit in before the next picture is due."""
        left = PICTURE - (time.monotonic() - self.front_end.sent_at)
        return CHUNK if left <= 0 else min(CHUNK, max(left, 0.2 * CHUNK))

    def learn(self, n: int, trained: float, drawn: float | None) -> float:
        """Take in how long `n` steps took, and a picture drawn meanwhile.

        A go that ended before its picture was drawn does not tell when: then try more steps.
        Returns the seconds to wait in slow motion.
        """
        if drawn is not None:
            self._drawing = 0.8 * self._drawing + 0.2 * min(drawn, 4 * CHUNK)
        if self.speed is None:
            hidden = drawn is not None and trained - drawn < 0.1 * CHUNK
            self.full.learn(*((1.1 * self.full.rate, 1.0) if hidden else (n, trained)))
        pause = 0.0 if self.speed is None else max(0.0, n / self.speed - trained)
        self.rate = 0.8 * self.rate + 0.2 * n / max(trained + pause, 1e-9)
        return pause
