"""Generators and discriminators in `flax.nnx`, described by small hashable specs.

A spec says what to build (`MLP((64, 64))`, `ConvGenerator(28)`); the training room adds the sizes
of the latent and of the data, and what both players are given beside x. `network` makes a spec of
whatever a reader hands in, an `nnx.Module` class of their own included.
"""

from gan_lessons.networks.across import ACROSS, Closeness, batch_std
from gan_lessons.networks.base import (
    ACTIVATIONS,
    ELEMENTWISE,
    INITIALIZERS,
    MOMENTUM,
    PIECES,
    Network,
    maxout,
    parameter_count,
)
from gan_lessons.networks.convolution import convolve, correlate, spread
from gan_lessons.networks.dense import MLP, NORMS, Dense
from gan_lessons.networks.discriminator import ConvDiscriminator
from gan_lessons.networks.generator import ConvGenerator
from gan_lessons.networks.layers import FORMS, Conv, ConvTranspose
from gan_lessons.networks.own import Own, network
from gan_lessons.networks.pairs import dcgan, small
from gan_lessons.networks.spectral import SpectralConv, SpectralLinear, power_iteration
from gan_lessons.networks.waves import Waves

__all__ = [
    "ACROSS",
    "ACTIVATIONS",
    "ELEMENTWISE",
    "FORMS",
    "INITIALIZERS",
    "MLP",
    "MOMENTUM",
    "NORMS",
    "PIECES",
    "Closeness",
    "Conv",
    "ConvDiscriminator",
    "ConvGenerator",
    "ConvTranspose",
    "Dense",
    "Network",
    "Own",
    "SpectralConv",
    "SpectralLinear",
    "Waves",
    "batch_std",
    "convolve",
    "correlate",
    "dcgan",
    "maxout",
    "network",
    "parameter_count",
    "power_iteration",
    "small",
    "spread",
]
