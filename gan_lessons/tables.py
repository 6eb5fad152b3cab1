"""The tables of mode collapse that `gan-lessons reproduce` runs: one entry of TABLES each.

A row is a set-up as a paper gives it, or ours, with what the paper reports beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from gan_lessons import metrics
from gan_lessons.distributions import Distribution, Grid, Normal, Ring, Uniform
from gan_lessons.images import ImageSet, Stacked, image_set
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from gan_lessons.presets import ADAM, Preset, decayed, preset
from gan_lessons.training import Config, Knobs, gradient_evaluations

R3GAN = "R3GAN (Huang et al. 2024, arXiv 2501.05441) used stacked MNIST, 1,000 modes"
PACGAN = "PacGAN (Lin et al. 2018, arXiv 1712.04086), table 1"
NARROW = "High quality above a perfect generator's means modes that are too narrow."
HELD = "evaluations: gradients over one batch, until every mode holds a quarter of its share."
OTHER = "Published numbers are for stacked MNIST, not these 8x8 digits: compare the order."
Measure = Callable[[np.ndarray], dict[str, float]]


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


def _changed(start: Preset, steps: int | None = None, config: Any = None, **knobs: Any) -> Preset:
    """A preset with other knobs, other fields of its config, and its decays over its steps."""
    steps = steps or start.steps
    if start.knobs.decay_steps:
        knobs = {"decay_steps": steps, **knobs}
    other = replace(start.config, **(config or {}))
    return replace(start, config=other, knobs=replace(start.knobs, **knobs), steps=steps)


def of_points(data: Distribution, n: int) -> tuple[Measure, dict[str, float]]:
    """How `n` points are measured against data with modes, and what a perfect generator scores."""
    modes, std = data.modes, data.mode_std
    assert modes is not None and std is not None
    ceiling = metrics.high_quality_ceiling(data.dim)
    floor = metrics.kl_floor(len(modes), n, exact=True)
    perfect = {"modes": float(len(modes)), "high_quality": ceiling, "kl": floor, "std_ratio": 1.0}

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.mode_coverage(samples, modes, std)
        return {name: float(getattr(found, name)) for name in perfect}

    return measure, perfect


def of_stacks(data: Stacked, reader: metrics.FeatureExtractor) -> tuple[Measure, dict[str, float]]:
    """The same for STACK_SAMPLES stacks of images, whose classes `reader` tells."""
    modes = reader.classes**data.layers
    floor = metrics.kl_floor(modes, metrics.STACK_SAMPLES, exact=True)

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.stack_coverage(reader, data.apart(samples))
        return {"modes": found.modes, "kl": found.kl}

    return measure, {"modes": float(modes), "kl": floor}


def _pacgan(
    data: Distribution, name: str, published: dict[int, tuple[float, float, float]]
) -> Table:
    """PacGAN's experiment in the plane, and our recipe in a fraction of the steps.

    Below it, what is left of the recipe without each of the two things that the width takes.

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
    rows.append(Row("ours, latent in one piece", _changed(ours, None, {"latent": Normal(2)})))
    rows.append(Row("ours, D without waves", _changed(ours, None, {"discriminator": blind})))
    measure, perfect = of_points(data, 2500)
    what = f"The {name} of {len(data.modes)} modes"  # type: ignore[arg-type]
    return Table(what, rows, measure, 2500, perfect, [NARROW, HELD], True, True, looks=40)


def _ring() -> Table:
    published = {1: (6.3, 0.982, 0.45), 2: (7.9, 0.956, 0.07), 4: (7.8, 0.959, 0.07)}
    return _pacgan(Ring(), "ring", published)


def _grid() -> Table:
    published = {1: (17.3, 0.948, 0.70), 2: (23.8, 0.913, 0.13), 4: (24.8, 0.936, 0.04)}
    return _pacgan(Grid(), "grid", published)


def _unrolled() -> Table:
    """The toy experiment of Metz et al. 2017 (arXiv 1611.02163), section 3.1 and appendix A.

    Theirs is a ring of radius 2 and width .02 whose points D divides by 4 before anything else:
    here the ring is that much smaller, and so is what G's last layer gives.
    """
    data = Ring(radius=0.5, std=0.005)
    g = MLP((128, 128), "relu", scale=0.25, init="orthogonal")
    d = MLP((128,), "relu", init="orthogonal")
    knobs = Knobs("minimax", lr_d=1e-4, lr_g=1e-4, beta1=0.5, beta2=0.999)
    plain = Config(data, Normal(256), g, d, batch=512)
    said = {0: "hops from mode to mode", 5: "", 10: "covers all modes"}
    rows = [
        Row(
            f"unrolled {k}" if k else "not unrolled",
            Preset(replace(plain, unroll=k), knobs, 25_000),
            {},
            f"Metz et al., figure 2: {seen}" if seen else "",
        )
        for k, seen in said.items()
    ]
    priced = replace(knobs, r1=0.1, r2=0.1)
    rows.append(Row("not unrolled, R1 + R2", Preset(plain, priced, 25_000)))
    measure, perfect = of_points(data, 2500)
    notes = [NARROW, HELD, "The paper shows pictures, not numbers."]
    return Table("The ring of Metz et al.", rows, measure, 2500, perfect, notes, looks=50, seeds=3)


BUDGET = 48_000  # gradient evaluations that each method may spend


def _cures() -> Table:
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


def _stacked(rows: list[Row], title: str, images: ImageSet, note: str = OTHER) -> Table:
    """1,000 modes, counted with our own classifier (Metz et al. 2017, arXiv 1611.02163)."""
    reader = metrics.train_feature_extractor(images)
    measure, perfect = of_stacks(rows[0].preset.config.data, reader)  # type: ignore[arg-type]
    seen = f"Labels are our own classifier's, right on {reader.accuracy:.2%} of held-out digits."
    n = metrics.STACK_SAMPLES
    return Table(title, rows, measure, n, perfect, [note, seen], drawn=True)


def _stacked_digits() -> Table:
    recipe, other = preset("stacked-digits"), "non_saturating"

    def row(name: str, modes: int, kl: float, source: str, **knobs: Any) -> Row:
        return Row(name, _changed(recipe, **knobs), {"modes": modes, "kl": kl}, source)

    rows = [
        row("relativistic, R1 + R2", 1000, 0.029, "R3GAN, table 3"),
        row("non-saturating, R1 + R2", 693, 0.927, "R3GAN, table 1", objective=other),
        row("non-saturating, none", 99, 3.40, "DCGAN in table 3", objective=other, r1=0.0, r2=0.0),
    ]
    return _stacked(rows, "1,000 modes: three stacked digits", image_set("digits"))


def _stacked_mnist() -> Table:
    """1,000 modes as published: three digits of MNIST as red, green and blue.

    PacGAN's DCGAN as its authors ran it: four layers, two updates of G to one of D, 50 passes over
    128,000 stacks drawn once, where we draw fresh ones. Beside it our recipe for small
    convolutions, with both losses of R3GAN's table 1.
    """
    images = image_set("mnist")
    data = images.stacks(channels=True)
    widths = (64, 128, 256, 512)
    g = ConvGenerator(28, 3, widths[::-1], "relu", "batch", init="dcgan")
    d = ConvDiscriminator(28, 3, widths, "leaky_relu", "batch", init="dcgan")
    game = Config(data, Uniform(100), g, d, batch=64)
    dcgan = Preset(game, replace(ADAM, g_steps=2), 100_000)
    ours = _changed(preset("stacked-conv"), None, {"data": data})
    other = _changed(ours, objective="non_saturating")
    rows = [
        Row("DCGAN, as published", dcgan, {"modes": 78.9, "kl": 4.50}, "PacGAN, table 2"),
        Row("our recipe", ours, {"modes": 1000, "kl": 0.029}, "R3GAN, table 3"),
        Row("ours, non-saturating", other, {"modes": 693, "kl": 0.927}, "R3GAN, table 1"),
    ]
    note = "The papers have other networks and other classifiers, PacGAN and R3GAN other protocols."
    return replace(_stacked(rows, "1,000 modes: stacked MNIST", images, note), same=True)


def _small_discriminator() -> Table:
    """PacGAN's table 3: what is left of 1,000 modes where D is a quarter, or half, of G's width."""
    recipe = preset("stacked-digits")
    width = recipe.config.generator.hidden[0]  # type: ignore[attr-defined]
    published = {
        "none": ((30.6, 5.99), (628, 2.58)),
        "unrolled 5": ((236.4, 4.67), (732, 1.66)),
        "packing 4": ((667.4, 1.81), (820.2, 1.15)),
        "R1 + R2": ((), ()),
    }
    rows = []
    for half, (name, paper) in product((False, True), published.items()):
        d = MLP((width // (2 if half else 4),) * 3, "silu", pack=4 if name == "packing 4" else 1)
        config = {"discriminator": d, "unroll": 5 if name == "unrolled 5" else 0}
        knobs = {} if name == "R1 + R2" else {"r1": 0.0, "r2": 0.0}
        made = _changed(recipe, None, config, objective="non_saturating", **knobs)
        told = dict(zip(("modes", "kl"), paper[half], strict=False))
        source = f"PacGAN, table 3, D {'1/2' if half else '1/4'} of G's size" if told else ""
        rows.append(Row(f"D of width {d.hidden[0]}, {name}", made, told, source))
    return _stacked(rows, f"1,000 modes, G of width {width}, a smaller D", image_set("digits"))


def _penalties() -> Table:
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
        ours, name = _changed(grid, objective=loss, **weights), f"{loss.replace('_', '-')}, {kind}"
        if kind == "R1 + R2":
            return Row(name, ours, published[loss], "R3GAN, table 1")
        return Row(name, ours, {}, "R3GAN, table 1: diverges" if kind == "R1" else "")

    rows = [row(*each) for each in product(published, kinds)]
    measure, perfect = of_points(grid.config.data, 20_000)
    notes = [f"{R3GAN}, not this grid of 25: compare the order, never the size.", NARROW, HELD]
    title = "Two losses, four penalties, a 5x5 grid"
    return Table(title, rows, measure, 20_000, perfect, notes, looks=60)


TABLES: dict[str, Callable[[], Table]] = {
    "ring": _ring,
    "grid": _grid,
    "unrolled": _unrolled,
    "cures": _cures,
    "penalties": _penalties,
    "stacked-digits": _stacked_digits,
    "stacked-mnist": _stacked_mnist,
    "small-discriminator": _small_discriminator,
}
