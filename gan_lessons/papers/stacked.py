"""1,000 modes: three digits in one image, counted with our own classifier.

The measure is that of Metz et al. 2017 (arXiv 1611.02163).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from gan_lessons import metrics
from gan_lessons.distributions import Uniform
from gan_lessons.images import ImageSet, image_set
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from gan_lessons.papers.measures import of_stacks
from gan_lessons.papers.table import Row, Table, variant
from gan_lessons.presets import ADAM, Preset, preset
from gan_lessons.training import Config

OTHER = "Published numbers are for stacked MNIST, not these 8x8 digits: compare the order."


def stacked_digits_table() -> Table:
    recipe, other = preset("stacked-digits"), "non_saturating"

    def row(name: str, modes: int, kl: float, source: str, **knobs: Any) -> Row:
        return Row(name, variant(recipe, **knobs), {"modes": modes, "kl": kl}, source)

    rows = [
        row("relativistic, R1 + R2", 1000, 0.029, "R3GAN, table 3"),
        row("non-saturating, R1 + R2", 693, 0.927, "R3GAN, table 1", objective=other),
        row("non-saturating, none", 99, 3.40, "DCGAN in table 3", objective=other, r1=0.0, r2=0.0),
    ]
    return _stacked(rows, "1,000 modes: three stacked digits", image_set("digits"))


def stacked_mnist_table() -> Table:
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
    ours = variant(preset("stacked-conv"), None, {"data": data})
    other = variant(ours, objective="non_saturating")
    rows = [
        Row("DCGAN, as published", dcgan, {"modes": 78.9, "kl": 4.50}, "PacGAN, table 2"),
        Row("our recipe", ours, {"modes": 1000, "kl": 0.029}, "R3GAN, table 3"),
        Row("ours, non-saturating", other, {"modes": 693, "kl": 0.927}, "R3GAN, table 1"),
    ]
    note = "The papers have other networks and other classifiers, PacGAN and R3GAN other protocols."
    return replace(_stacked(rows, "1,000 modes: stacked MNIST", images, note), same=True)


def small_discriminator_table() -> Table:
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
        made = variant(recipe, None, config, objective="non_saturating", **knobs)
        told = dict(zip(("modes", "kl"), paper[half], strict=False))
        source = f"PacGAN, table 3, D {'1/2' if half else '1/4'} of G's size" if told else ""
        rows.append(Row(f"D of width {d.hidden[0]}, {name}", made, told, source))
    return _stacked(rows, f"1,000 modes, G of width {width}, a smaller D", image_set("digits"))


def _stacked(rows: list[Row], title: str, images: ImageSet, note: str = OTHER) -> Table:
    """1,000 modes, counted with our own classifier (Metz et al. 2017, arXiv 1611.02163)."""
    reader = metrics.train_feature_extractor(images)
    measure, perfect = of_stacks(rows[0].preset.config.data, reader)  # type: ignore[arg-type]
    seen = f"Labels are our own classifier's, right on {reader.accuracy:.2%} of held-out digits."
    n = metrics.STACK_SAMPLES
    return Table(title, rows, measure, n, perfect, [note, seen], drawn=True)
