"""What the panels see of a state, computed by one compiled program for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_lessons.live.panels.base import Panel
from gan_lessons.training import knobs_of, traced
from gan_lessons.training.knob_sets import switched_on


class Failure(NamedTuple):
    """What stands for a panel's look when `see` raised: the error."""

    error: Exception


class Looks:
    """Shows a state to some panels.

    Each panel's `see` is traced by itself, so that one that raises costs no other its picture.
    The program depends on which terms the knobs switch on, and is compiled anew when these change.
    """

    def __init__(self, panels: Sequence[Panel], config: Any) -> None:
        self.panels, self.config = panels, config
        self._failures: dict[tuple[frozenset[str], int], Failure] = {}
        self._program = jax.jit(self._trace, static_argnums=0)

    def __call__(self, state: Any, knobs: Any) -> list[Any]:
        """What each panel sees, as NumPy arrays, or its `Failure`."""
        arrays = traced(knobs)
        terms = {name for name, each in knobs_of(knobs).items() if each.term}
        off = frozenset(terms - switched_on(knobs))
        seen = jax.device_get(self._program(off, state, arrays))
        for i, panel in enumerate(self.panels):
            if not panel.traced:
                seen[i] = _attempt(panel, self.config, state, arrays)
            seen[i] = self._failures.get((off, i), seen[i])
        return seen

    def _trace(self, off: frozenset[str], state: Any, knobs: Any) -> list[Any]:
        zeros: dict[str, Any] = dict.fromkeys(off, np.float32(0))  # known while tracing
        seen: list[Any] = []
        for i, panel in enumerate(self.panels):
            found = (
                _attempt(panel, self.config, state, replace(knobs, **zeros)) if panel.traced else ()
            )
            if isinstance(found, Failure):
                self._failures[off, i], found = found, ()
            seen.append(found)
        return seen


def _attempt(panel: Panel, config: Any, state: Any, knobs: Any) -> Any:
    try:
        return panel.see(config, state, knobs)
    except Exception as error:
        return Failure(error)
