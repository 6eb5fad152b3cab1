"""The toy experiment of unrolled GANs (Metz et al. 2017, arXiv 1611.02163)."""

from __future__ import annotations

from dataclasses import replace

from gan_lessons.distributions import Normal, Ring
from gan_lessons.networks import MLP
from gan_lessons.papers.measures import of_points
from gan_lessons.papers.table import HELD, NARROW, Row, Table
from gan_lessons.presets import Preset
from gan_lessons.training import Config, Knobs


def unrolled_table() -> Table:
    """The toy experiment of Metz et al. 2017 (arXiv 1611.02163), section 3.1 and appendix A.

    Theirs is a ring of radius 2 and width .02 whose points D divides by 4 before anything else:
    here the ring is that much smaller, and so is what G's last layer gives.
    """
    data = Ring(radius=0.5, std=0.005)
    g = MLP((128, 128), "relu", scale=0.25, init="orthogonal")
    d = MLP((128,), "relu", init="orthogonal")
    knobs = Knobs("minimax", lr_d=1e-4, lr_g=1e-4, beta1=0.5, beta2=0.999)
    plain = Config(data, Normal(256), g, d, batch=512)
    seen_there = {0: "hops from mode to mode", 5: "", 10: "covers all modes"}
    rows = [
        Row(
            f"unrolled {k}" if k else "not unrolled",
            Preset(replace(plain, unroll=k), knobs, 25_000),
            {},
            f"Metz et al., figure 2: {seen}" if seen else "",
        )
        for k, seen in seen_there.items()
    ]
    priced = replace(knobs, r1=0.1, r2=0.1)
    rows.append(Row("not unrolled, R1 + R2", Preset(plain, priced, 25_000)))
    measure, perfect = of_points(data, 2500)
    notes = [NARROW, HELD, "The paper shows pictures, not numbers."]
    return Table("The ring of Metz et al.", rows, measure, 2500, perfect, notes, looks=50, seeds=3)
