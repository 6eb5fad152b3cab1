"""What a table is: rows that imitate the same data, and how they are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gan_lessons.presets import Preset
from gan_lessons.training import gradient_evaluations

Measure = Callable[[np.ndarray], dict[str, float]]

# Notes that several tables show.
NARROW = "High quality above a perfect generator's means modes that are too narrow."
HELD = "evaluations: gradients over one batch, until every mode holds a quarter of its share."
R3GAN = "R3GAN (Huang et al. 2024, arXiv 2501.05441) used stacked MNIST, 1,000 modes"


@dataclass(frozen=True)
class Row:
    """A set-up, what a paper reports of its like (metric: number), and where, in words."""

    name: str
    preset: Preset
    published: dict[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def cost(self) -> int:
        """Gradient evaluations a step (`training.gradient_evaluations`)."""
        return gradient_evaluations(self.preset.config, self.preset.knobs)


@dataclass(frozen=True)
class Table:
    """Rows that imitate the same data, and how they are measured.

    Attributes:
        measure: turns `n` samples [n, dim] into metrics, of which a perfect generator scores
            `perfect`.
        drawn: whether the paper's numbers may stand on the same axes as ours; `same`: whether
            they are about the same data.
        looks: how often each run is looked at on its way (0: not; data with modes only).
        seeds: how many seeds are trained unless somebody asks for another number.
    """

    title: str
    rows: list[Row]
    measure: Measure
    n: int
    perfect: dict[str, float]
    notes: list[str]
    drawn: bool = False
    same: bool = False
    looks: int = 0
    seeds: int = 5


def variant(start: Preset, steps: int | None = None, config: Any = None, **knobs: Any) -> Preset:
    """A preset with other knobs, other fields of its config, and its decays over its steps."""
    steps = steps or start.steps
    if start.knobs.decay_steps:
        knobs = {"decay_steps": steps, **knobs}
    other = replace(start.config, **(config or {}))
    return replace(start, config=other, knobs=replace(start.knobs, **knobs), steps=steps)
