"""Convolutional pairs, generator and discriminator, for pictures of any size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gan_lessons.errors import check_number
from gan_lessons.networks.discriminator import ConvDiscriminator
from gan_lessons.networks.generator import ConvGenerator


def dcgan(size: int = 28, channels: int = 1) -> tuple[ConvGenerator, ConvDiscriminator]:
    """DCGAN's two networks, for square pictures of 8 to 256 pixels on a side.

    Batch normalisation in both players, but neither on what G puts out nor on what D takes in;
    ReLU in G, leaky ReLU in D; weights start at N(0, .02^2). At 64 pixels the widths are those of
    the authors' code: 512, 256, 128, 64; each halving of the side leaves out the widest layer.
    (Radford et al. 2015, arXiv 1511.06434, section 3.)
    """
    size = int(check_number("size", size, 8, 256, integer=True))
    layers = max(2, size.bit_length() - 3)  # down to maps of 4 to 7 pixels on a side
    wide = tuple(64 * 2**i for i in range(layers))
    shared: dict[str, Any] = {"norm": "batch", "init": "dcgan"}
    return (
        ConvGenerator(size, channels, wide[::-1], "relu", **shared),
        ConvDiscriminator(size, channels, wide, "leaky_relu", **shared),
    )


def small(size: int = 28, channels: int = 1) -> tuple[ConvGenerator, ConvDiscriminator]:
    """A quarter of `dcgan`'s widths, one layer more, and no batch normalisation.

    It is meant to be stabilised by R1 and R2 instead. The last layer's maps have 2 to 4 pixels on
    a side, so that D sees the whole picture at once: with one layer less the same game learns
    several times more slowly.
    """
    g, d = dcgan(size, channels)
    wide = (*(width // 4 for width in d.widths), d.widths[-1] // 2)
    changes: dict[str, Any] = {"activation": "silu", "norm": "none", "init": "he"}
    return replace(g, widths=wide[::-1], **changes), replace(d, widths=wide, **changes)
