"""The tables that `gan-lessons reproduce` runs, by name. A new table is an entry here."""

from __future__ import annotations

from collections.abc import Callable

from gan_lessons.papers.cures import cures_table
from gan_lessons.papers.pacgan import grid_table, ring_table
from gan_lessons.papers.penalties import penalties_table
from gan_lessons.papers.stacked import (
    small_discriminator_table,
    stacked_digits_table,
    stacked_mnist_table,
)
from gan_lessons.papers.table import Table
from gan_lessons.papers.unrolled import unrolled_table

TABLES: dict[str, Callable[[], Table]] = {
    "ring": ring_table,
    "grid": grid_table,
    "unrolled": unrolled_table,
    "cures": cures_table,
    "penalties": penalties_table,
    "stacked-digits": stacked_digits_table,
    "stacked-mnist": stacked_mnist_table,
    "small-discriminator": small_discriminator_table,
}
