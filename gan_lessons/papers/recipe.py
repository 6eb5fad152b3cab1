"""What decides a run's numbers, as a short key; and a shorter version of a recipe."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass, replace
from typing import Any

from gan_lessons.papers.table import Row

QUICK = 6  # a quick look takes one step in so many


def recipe_key(row: Row, n: int) -> str:
    """12 hexadecimal digits for a row's set-up that is judged by `n` samples.

    Fields left at their defaults do not count, and a private field counts under its public name:
    neither a new field nor a property in place of a field changes the key of a finished run.
    """
    parts = (row.preset.config, row.preset.knobs, row.preset.steps, n)
    return hashlib.sha256(repr([*map(_essence, parts)]).encode()).hexdigest()[:12]


def _essence(value: Any) -> str:
    if not is_dataclass(value):
        return repr(value)
    given = {each.name: getattr(value, each.name) for each in fields(value)}
    moved = [each.name for each in fields(value) if given[each.name] != each.default]
    parts = [f"{name.lstrip('_')}={_essence(given[name])}" for name in moved]
    return f"{type(value).__name__}({', '.join(parts)})"


def shortened(row: Row) -> Row:
    """The row with a sixth of its steps, and its decays as much shorter."""
    whole = row.preset
    knobs = replace(whole.knobs, decay_steps=whole.knobs.decay_steps / QUICK)
    return replace(row, preset=replace(whole, steps=-(-whole.steps // QUICK), knobs=knobs))
