"""PacGAN's ring and grid (Lin et al. 2018, arXiv 1712.04086, table 1), and our recipe for both."""

from __future__ import annotations

from dataclasses import replace

from gan_lessons.distributions import Distribution, Grid, Normal, Ring
from gan_lessons.networks import MLP
from gan_lessons.papers.measures import of_points
from gan_lessons.papers.table import HELD, NARROW, Row, Table, variant
from gan_lessons.presets import Preset, preset
from gan_lessons.training import Config, Knobs

PACGAN = "PacGAN (Lin et al. 2018, arXiv 1712.04086), table 1"


def ring_table() -> Table:
    published = {1: (6.3, 0.982, 0.45), 2: (7.9, 0.956, 0.07), 4: (7.8, 0.959, 0.07)}
    return _pacgan(Ring(), "ring", published)


def grid_table() -> Table:
    published = {1: (17.3, 0.948, 0.70), 2: (23.8, 0.913, 0.13), 4: (24.8, 0.936, 0.04)}
    return _pacgan(Grid(), "grid", published)


def _pacgan(
    data: Distribution, name: str, published: dict[int, tuple[float, float, float]]
) -> Table:
    """PacGAN's experiment on a ring or grid, our recipe, and what each part of it contributes.

    `published`: modes, high quality and KL by size of the pack. One difference: they draw
    100,000 real examples once, we draw fresh ones each time.
    """
    g = MLP((400,) * 4, "relu", init="dcgan", norm="batch")
    d = MLP((200,) * 3, "maxout", init="dcgan")
    knobs = Knobs("non_saturating", lr_d=1e-4, lr_g=1e-4, beta1=0.8, beta2=0.999)
    rows = []
    for pack, (modes, quality, kl) in published.items():
        critic, batch = replace(d, pack=pack), 100 * pack
        config = Config(data, Normal(2), g, critic, batch, update="simultaneous")
        paper = {"modes": modes, "high_quality": quality, "kl": kl}
        label = f"PacGAN{pack}, as published" if pack > 1 else "GAN, as published"
        rows.append(Row(label, Preset(config, knobs, 400_000), paper, PACGAN))
    ours = preset(name)
    blind = replace(ours.config.discriminator, fourier=0)  # type: ignore[type-var]
    rows.append(Row("our recipe", ours))
    rows.append(Row("ours, latent in one piece", variant(ours, None, {"latent": Normal(2)})))
    rows.append(Row("ours, D without waves", variant(ours, None, {"discriminator": blind})))
    measure, perfect = of_points(data, 2500)
    what = f"The {name} of {len(data.modes)} modes"  # type: ignore[arg-type]
    return Table(what, rows, measure, 2500, perfect, [NARROW, HELD], True, True, looks=40)
