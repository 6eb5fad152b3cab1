"""G as a map of the plane: a lattice of latents, bent."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import random
from jax.scipy.special import ndtri
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from gan_lessons import training
from gan_lessons.distributions import Normal, Uniform, WithBits
from gan_lessons.live.panels.base import Panel, View, need_gan, need_kind
from gan_lessons.plots import GENERATOR, INK, REAL
from gan_lessons.run import Run


def latent_quantile(config: Any) -> Any:
    """The inverse distribution function of one latent coordinate."""
    latent = config.latent
    if isinstance(latent, WithBits):
        latent = latent.latent
    if isinstance(latent, Normal):
        return ndtri
    if isinstance(latent, Uniform):
        return lambda u: latent.low + (latent.high - latent.low) * u
    low, high = latent.extent[0]
    return lambda u: low + (high - low) * u


def one_given(config: Any, key: Array, n: int) -> Array:
    """What is given with one example, drawn once and repeated, [n, k]."""
    return jnp.repeat(config.data.givens(key, 1), n, axis=0)


class LatentGrid(Panel):
    """G's map of the plane: a straight lattice of latents, bent to where G sends it.

    Of latents in many pieces (`WithBits`) it shows a small lattice of each of sixteen: those in
    which the first four signs vary and the others are 1.
    """

    title = "G bends the latent grid"

    @staticmethod
    def size(config: Any) -> tuple[int, int]:
        """Lines each way in a piece, and points in a line."""
        return (5, 11) if isinstance(config.latent, WithBits) else (13, 31)

    def lattice(self, config: Any) -> Array:
        """Latents [lines, points, latent], evenly spaced in probability; half go each way."""
        lines, points = self.size(config)
        bits = config.latent.bits if isinstance(config.latent, WithBits) else 0
        share = (jnp.arange(lines, dtype=jnp.float32) + 0.5) / lines
        fine = jnp.linspace(0.5 / lines, 1 - 0.5 / lines, points)
        spread = latent_quantile(config)
        a, b = jnp.meshgrid(spread(share), spread(fine), indexing="ij")
        z = jnp.concatenate([jnp.stack([a, b], -1), jnp.stack([b, a], -1)])
        rest = config.latent.dim - bits - 2
        middle = jnp.broadcast_to(spread(jnp.array(0.5)), (*z.shape[:2], max(rest, 0)))
        z = jnp.concatenate([z, middle], axis=-1)[..., : config.latent.dim - bits]
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=min(bits, 4))))
        signs = np.pad(signs, ((0, 0), (0, bits - signs.shape[1])), constant_values=1.0)
        return jnp.concatenate(
            [jnp.concatenate([z, jnp.broadcast_to(s, (*z.shape[:2], bits))], -1) for s in signs]
        )

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        z = self.lattice(config)
        flat = z.reshape(-1, config.latent.dim)
        given = one_given(config, random.key(13), len(flat))
        return training.generate(config, state, flat, given).reshape(*z.shape[:2], -1)

    def setup(self, ax: Axes, run: Run) -> None:
        need_gan(run.config, "LatentGrid")
        need_kind(run.config, "plane", "LatentGrid")
        (x0, x1), (y0, y1) = run.config.data.extent
        ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
        ax.tick_params(length=2)
        lines = self.size(run.config)[0]
        colours = [GENERATOR] * lines + [INK] * lines  # taken in turns, piece by piece
        self.mesh = self.moving(LineCollection([], colors=colours, linewidths=0.7, alpha=0.8))
        ax.add_collection(self.mesh)
        if run.config.data.modes is not None:
            ax.plot(*np.asarray(run.config.data.modes).T, "+", color=REAL, ms=7, mew=1.5)
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        self.mesh.set_segments(list(np.asarray(seen)))
        return False
