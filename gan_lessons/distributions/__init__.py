"""What a GAN imitates and what it starts from: things to sample, most with an exact density.

    ring = Ring(modes=8)
    x = ring.sample(jax.random.key(0), 256)  # [256, 2], cheap inside a jitted step
    ring.log_prob(x)  # [256], in nats

`distribution("two-moons")` finds one by name. How to add one: see `base`.
"""

from __future__ import annotations

from gan_lessons.distributions.arrays import Empirical, Paired
from gan_lessons.distributions.base import (
    DISTRIBUTIONS,
    NOTHING,
    Batch,
    Box,
    Distribution,
    Given,
    named,
)
from gan_lessons.distributions.curves import GanLabRing, NoisyCurve, Spiral, SwissRoll, TwoMoons
from gan_lessons.distributions.latents import Normal, TruncatedNormal, Uniform, WithBits, latent
from gan_lessons.distributions.mixtures import (
    GanLabDisjoint,
    GanLabGaussians,
    Grid,
    Mixture,
    Mixture1D,
    Ring,
)
from gan_lessons.distributions.shapes import Checkerboard, GanLabLine, Lines
from gan_lessons.distributions.specs import distribution

__all__ = [
    "DISTRIBUTIONS",
    "NOTHING",
    "Batch",
    "Box",
    "Checkerboard",
    "Distribution",
    "Empirical",
    "GanLabDisjoint",
    "GanLabGaussians",
    "GanLabLine",
    "GanLabRing",
    "Given",
    "Grid",
    "Lines",
    "Mixture",
    "Mixture1D",
    "NoisyCurve",
    "Normal",
    "Paired",
    "Ring",
    "Spiral",
    "SwissRoll",
    "TruncatedNormal",
    "TwoMoons",
    "Uniform",
    "WithBits",
    "distribution",
    "latent",
    "named",
]
