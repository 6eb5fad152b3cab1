"""How many steps to take in one go, learned from how long the last ones took."""

from __future__ import annotations

from dataclasses import dataclass

from gan_lessons.training.learner import BLOCK


@dataclass
class Pace:
    """How many steps fit into about `seconds`.

    Args:
        seconds: how long one go should last.
        size: steps in the first go, before anything is known.
    """

    seconds: float = 0.25
    size: int = 16

    def __post_init__(self) -> None:
        self.rate = self.size / self.seconds  # steps a second

    def next(self, *at_most: int, seconds: float | None = None) -> int:
        """Steps for the next go, from 1 to `at_most`: what fits into `seconds`."""
        fit = round(self.rate * (self.seconds if seconds is None else seconds))
        return max(1, min(BLOCK, fit, *at_most))

    def learn(self, steps: float, took: float) -> None:
        """Say how long a go took. The mean with what was known: one slow go may have compiled."""
        self.rate = max(0.5 * (self.rate + steps / max(took, 1e-9)), 0.1)
