"""The question of R3GAN's table 1 (Huang et al. 2024, arXiv 2501.05441) on the 5x5 grid."""

from __future__ import annotations

from itertools import product
from typing import Any

from gan_lessons.distributions import Grid, Normal
from gan_lessons.networks import MLP
from gan_lessons.papers.measures import of_points
from gan_lessons.papers.table import HELD, NARROW, R3GAN, Row, Table, variant
from gan_lessons.presets import Preset, decayed
from gan_lessons.training import Config


def penalties_table() -> Table:
    """The question of R3GAN's table 1 on the 5x5 grid, with the rows that it leaves out."""
    g, d = MLP((128,) * 3, "tanh", scale=4.0), MLP((128,) * 3, "silu")
    config = Config(Grid(), Normal(2), g, d, batch=512)
    grid = Preset(config, decayed("non_saturating", 3e-3, 0.0, 0.3, 0.01, 6000), 6000)
    kinds = ("none", "R1", "R2", "R1 + R2")
    published = {
        "non_saturating": {"modes": 693, "kl": 0.927},
        "relativistic": {"modes": 1000, "kl": 0.0781},
    }

    def row(loss: str, kind: str) -> Row:
        weights: Any = {name: grid.knobs.r1 * (name.upper() in kind) for name in ("r1", "r2")}
        ours, name = variant(grid, objective=loss, **weights), f"{loss.replace('_', '-')}, {kind}"
        if kind == "R1 + R2":
            return Row(name, ours, published[loss], "R3GAN, table 1")
        return Row(name, ours, {}, "R3GAN, table 1: diverges" if kind == "R1" else "")

    rows = [row(*each) for each in product(published, kinds)]
    measure, perfect = of_points(grid.config.data, 20_000)
    notes = [f"{R3GAN}, not this grid of 25: compare the order, never the size.", NARROW, HELD]
    title = "Two losses, four penalties, a 5x5 grid"
    return Table(title, rows, measure, 20_000, perfect, notes, looks=60)
