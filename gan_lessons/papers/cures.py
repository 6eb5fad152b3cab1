"""Every cure of lesson 08 on the grid: the same networks, the same budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gan_lessons.distributions import Grid, Normal
from gan_lessons.networks import MLP
from gan_lessons.papers.measures import of_points
from gan_lessons.papers.table import HELD, NARROW, Row, Table
from gan_lessons.presets import Preset
from gan_lessons.training import Config, Knobs, gradient_evaluations

BUDGET = 48_000  # gradient evaluations that each method may spend


def cures_table() -> Table:
    """Every cure of lesson 08 on the grid: the same networks, the same budget."""
    g, d = MLP((64,) * 3, "tanh", scale=4.0), MLP((64,) * 3, "silu")
    base = Config(Grid(), Normal(2), g, d, batch=128)
    plain = Knobs(lr_d=2e-3, lr_g=2e-3, lr_d_end=1e-4)

    def row(name: str, source: str = "", config: Any = None, **knobs: Any) -> Row:
        game, moved = replace(base, **(config or {})), replace(plain, **knobs)
        steps = BUDGET // gradient_evaluations(game, moved)
        return Row(name, Preset(game, replace(moved, decay_steps=steps), steps), {}, source)

    def critic(**how: Any) -> dict[str, Any]:
        return {"discriminator": replace(d, **how)}

    rows = [
        row("none", "Goodfellow et al. 2014"),
        row("minibatch discrimination", "Salimans et al. 2016", critic(across="discrimination")),
        row("minibatch std", "Karras et al. 2018", critic(across="std")),
        row("feature matching", "Salimans et al. 2016", feature_matching=1.0),
        row("unrolled 5", "Metz et al. 2017", {"unroll": 5}),
        row("packing 2", "Lin et al. 2018", critic(pack=2)),
        row("packing 4", "Lin et al. 2018", critic(pack=4)),
        row("instance noise", "Sønderby et al. 2017", noise=0.2, noise_end=0.0),
        row("dropout", "as in DCGAN code", critic(dropout=0.3)),
        row("one-sided smoothing", "Salimans et al. 2016", label_smoothing=0.1),
        row("two time scales", "Heusel et al. 2017", lr_d=4e-3, lr_g=1e-3),
        row("averaging G", "Yazici et al. 2019", ema=0.999),
        row("optimistic Adam", "Daskalakis et al. 2018", {"optimizer": "optimistic_adam"}),
        row("WGAN-GP", "Gulrajani et al. 2017", objective="wasserstein", wgan_gp=0.1, d_steps=5),
        row("spectral norm", "Miyato et al. 2018", critic(norm="spectral"), objective="hinge"),
        row("R1", "Mescheder et al. 2018", r1=0.3, penalty_end=0.01),
        row("R1 + R2", "Mescheder et al. 2018", r1=0.3, r2=0.3, penalty_end=0.01),
        row("relativistic", "Jolicoeur-Martineau 2019", objective="relativistic"),
        row(
            "relativistic, R1 + R2",
            "Huang et al. 2024",
            objective="relativistic",
            r1=0.3,
            r2=0.3,
            penalty_end=0.01,
        ),
    ]
    measure, perfect = of_points(base.data, 20_000)
    title = f"Nineteen games on the grid, {BUDGET:,} gradient evaluations each"
    notes = [NARROW, HELD]
    return Table(title, rows, measure, 20_000, perfect, notes, looks=60, seeds=10)
