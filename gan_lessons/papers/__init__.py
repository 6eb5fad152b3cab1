"""The papers' tables of mode collapse, run again on this machine.

`table` says what a table is, `tables` lists them all, `Reproduction` trains what is missing of one.
"""

from __future__ import annotations

from gan_lessons.papers.measures import of_points, of_stacks
from gan_lessons.papers.provenance import provenance
from gan_lessons.papers.reproduction import Reproduction
from gan_lessons.papers.table import Row, Table
from gan_lessons.papers.tables import TABLES
from gan_lessons.papers.words import in_markdown, in_words

__all__ = [
    "TABLES",
    "Reproduction",
    "Row",
    "Table",
    "in_markdown",
    "in_words",
    "of_points",
    "of_stacks",
    "provenance",
]
