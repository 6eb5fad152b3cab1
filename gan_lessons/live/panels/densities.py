"""One dimension: densities, D, and the map from z to x."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gan_lessons import training
from gan_lessons.errors import InputError
from gan_lessons.live.panels.base import Panel, View, need_gan, need_kind, samples_of
from gan_lessons.live.panels.latent_grid import latent_quantile
from gan_lessons.plots import DISCRIMINATOR, FAINT, FAKE, GENERATOR, INK, REAL
from gan_lessons.run import Run


class Densities(Panel):
    """Goodfellow et al. 2014, Figure 1, alive: p, q, D, and the map from z to x below.

    q is drawn from a fine lattice of latents, evenly spaced in probability, smoothed by a
    Gaussian kernel of width `bandwidth` (in units of x). The arrows start from latents that are
    evenly spaced in probability too, so where they crowd together, q is high. D* is drawn where
    p + q > .01: elsewhere hardly anything, real or fake, is ever seen.
    """

    width = 2.0
    points, latents, arrows = 241, 2000, 31
    top, tips, floor = 1.4, -0.17, -0.62  # heights of the frame, the arrows' tips, the z axis

    def __init__(self, bandwidth: float = 0.06) -> None:
        super().__init__()
        self.bandwidth = bandwidth

    def spread(self, config: Any, n: int) -> Array:
        share = (jnp.arange(n, dtype=jnp.float32) + 0.5) / n
        return latent_quantile(config)(share)[:, None]

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        low, high = config.data.extent[0]
        x = jnp.linspace(low, high, self.points)
        fake = training.generate(config, state, self.spread(config, self.latents))
        gap = (x[:, None] - fake[None, :, 0]) / self.bandwidth
        q = jnp.exp(-0.5 * gap**2).mean(1) / (self.bandwidth * jnp.sqrt(2 * jnp.pi))
        p = jnp.exp(config.data.log_prob(x[:, None]))
        best = jnp.where(p + q > 0.01, p / (p + q), jnp.nan)
        d = jax.nn.sigmoid(training.discriminate(config, state, x[:, None]))
        ends = training.generate(config, state, self.spread(config, self.arrows))[:, 0]
        return q, best, d, ends

    def setup(self, ax: Axes, run: Run) -> None:
        config = run.config
        if not suits_densities(config):
            need_gan(config, "Densities")
            need_kind(config, "line", "Densities")
            raise InputError(
                "Densities wants data with a known density, one latent dimension and nothing "
                "given; take Histogram"
            )
        low, high = config.data.extent[0]
        self.x = np.linspace(low, high, self.points)
        p = np.exp(np.asarray(config.data.log_prob(self.x[:, None])))
        self.unit = max(1.0, float(p.max()))
        ax.fill_between(self.x, p, color=REAL, alpha=0.15, lw=0)
        self.curves(ax, p)
        self.axes_of_x_and_z(ax, config, low, high)
        self.map = self.moving(self.bundle(ax))
        ax.legend(
            handles=[self.p, self.q, self.d, self.best],
            loc="lower left",
            bbox_to_anchor=(-0.01, 0.99),
            ncols=4,
            borderaxespad=0,
            columnspacing=1.6,
        )

    def curves(self, ax: Axes, p: Float[np.ndarray, "points"]) -> None:
        """The four lines: p stands, the others move."""

        def line(label: str, **look: Any) -> Any:
            return self.moving(ax.plot(self.x, np.zeros_like(self.x), label=label, **look)[0])

        self.p = ax.plot(self.x, p, color=REAL, label="data p")[0]
        self.q = line("generator q", color=FAKE, ls="--", lw=1.8)
        self.best = line("D* = p/(p+q)", color=INK, ls=":", lw=1.6)
        self.d = line("D", color=DISCRIMINATOR, lw=2.2)
        ax.axhline(0.5, color=FAINT, lw=0.8, ls=":")

    def axes_of_x_and_z(self, ax: Axes, config: Any, low: float, high: float) -> None:
        """x with its numbers at height 0, z as the frame's own axis at the bottom."""
        z = np.asarray(self.spread(config, self.arrows))[:, 0]
        scale, middle = 0.9 * (high - low) / (z[-1] - z[0]), 0.5 * (low + high)
        place = lambda at: middle + scale * (at - 0.5 * (z[0] + z[-1]))  # noqa: E731
        self.start = place(z)
        whole = [at for at in range(-4, 5) if low <= place(at) <= high]
        ax.set(xlim=(low, high), ylim=(self.floor * self.unit, self.top * self.unit))
        ax.set_xticks([place(at) for at in whole], [signed(at) for at in whole])
        ax.set_yticks([0, 0.5, 1])
        ax.spines["left"].set_bounds(0, self.top * self.unit)
        ax.axhline(0, color="#888888", lw=0.8)
        for x in MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(low, high)[1:-1]:
            ax.plot([x, x], [0, -0.02 * self.unit], color="#888888", lw=0.8)
            look = {"va": "top", "size": 8, "color": "#555555"}
            ax.text(x, -0.03 * self.unit, signed(x), ha="center", **look)
        ax.text(high, -0.03 * self.unit, "x", ha="right", va="top", style="italic")
        ax.text(high, (self.floor + 0.03) * self.unit, "z", ha="right", style="italic")

    def bundle(self, ax: Axes) -> Any:
        """Arrows of no length yet, one from each latent."""
        zeros = np.zeros(self.arrows)
        self.rise = np.full(self.arrows, (self.tips - self.floor) * self.unit)
        return ax.quiver(
            self.start,
            np.full(self.arrows, self.floor * self.unit),
            zeros,
            self.rise,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.0022,
            headwidth=5,
            headlength=7,
            headaxislength=6,
            color=GENERATOR,
        )

    def update(self, seen: Any, view: View) -> bool:
        q, best, d, ends = map(np.asarray, seen)
        self.q.set_ydata(q)
        self.d.set_ydata(d)
        self.best.set_ydata(best)
        self.map.set_UVC(ends - self.start, self.rise)
        return False


def signed(number: float) -> str:
    """A number as matplotlib writes it on an axis, with a real minus sign."""
    return f"{number:g}".replace("-", "\N{MINUS SIGN}")


def suits_densities(config: Any) -> bool:
    """Whether `Densities` can show this: one dimension in and out, and a known density."""
    data = config.data
    plain = data.dim == 1 and data.has_density and not data.given.size
    return plain and getattr(getattr(config, "latent", None), "dim", 0) == 1


class Histogram(Panel):
    """Real and generated numbers, counted in bins; any learner."""

    title = "samples"
    n, bins = 2000, 60

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        low, high = config.data.extent[0]
        key = random.fold_in(random.key(4), state.step)
        fake = samples_of(config, state, key, self.n)[:, 0]
        return jnp.histogram(fake, self.bins, (low, high))[0] * (self.bins / (high - low) / self.n)

    def setup(self, ax: Axes, run: Run) -> None:
        data = run.config.data
        need_kind(run.config, "line", "Histogram")
        low, high = data.extent[0]
        edges = np.linspace(low, high, self.bins + 1)
        real = np.asarray(data.sample(random.key(8), 10 * self.n))[:, 0]
        heights = np.histogram(real, edges, density=True)[0]
        ax.stairs(heights, edges, color=REAL, label="real", lw=1.4)
        self.bars = self.moving(
            ax.stairs(0 * heights, edges, fill=True, color=FAKE, alpha=0.6, label="fake")
        )
        ax.set(xlim=data.extent[0], ylim=(0, 1.6 * heights.max()))
        ax.legend(loc="upper right")
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        self.bars.set_data(np.asarray(seen))
        return False
