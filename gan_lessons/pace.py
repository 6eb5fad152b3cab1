"""How many steps to train in one go, so that whoever waits in between is answered soon."""

from __future__ import annotations

from dataclasses import dataclass

from gan_lessons.training import BLOCK


@dataclass
class Pace:
    """How many steps fit into about `seconds`, learned from how long the last ones took."""

    seconds: float = 0.25
    size: int = 16

    def next(self, *at_most: int) -> int:
        """How many steps to take now: at least one."""
        return max(1, min(self.size, BLOCK, *at_most))

    def learn(self, steps: int, took: float) -> None:
        """Note that `steps` steps took so many seconds; the size doubles at most."""
        self.size = max(1, min(2 * self.size, int(steps * self.seconds / max(took, 1e-9))))
