"""Panels: one view of a running game each. `see` is traced JAX, `update` only sets artists.

A panel of your own is one class: `see(config, state, knobs)` computes on the device what it
shows, `setup(ax, run)` makes the artists once, `update(seen, view)` sets their data and returns
True if axes changed, so that the background must be drawn again.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jax.scipy.special import ndtri
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from gan_lessons import objectives, training
from gan_lessons.distributions import Normal, Uniform, WithBits, WithLabels
from gan_lessons.errors import InputError, check_number
from gan_lessons.images import Stacked
from gan_lessons.live.screen import Pixels
from gan_lessons.metrics import (
    FeatureExtractor,
    FrechetMeter,
    StackCoverage,
    high_quality_ceiling,
    mode_coverage,
    stack_coverage,
)
from gan_lessons.networks import MLP
from gan_lessons.plots import (
    ARROW,
    DISCRIMINATOR,
    FAINT,
    FAKE,
    GENERATOR,
    INK,
    REAL,
    VERDICT,
    bare,
    tile,
)
from gan_lessons.run import Run
from gan_lessons.training import METRICS, Config, State, Step, annealed, cosine_decay


class View(NamedTuple):
    """What a panel may know of the run: the run itself, and the step that is being shown."""

    run: Run
    step: int

    def series(self, name: str) -> Float[np.ndarray, "steps"]:
        return self.run.history[: self.step, METRICS.index(name)]

    def later(self, name: str) -> Float[np.ndarray, "steps"]:
        """What follows the step that is shown, when scrubbing or after a rewind."""
        known = max(self.run.history, self.run.forgotten, key=len)
        return known[self.step :, METRICS.index(name)]


class Panel:
    """Base class; `width` is the share of the figure, `half` panels stack in pairs."""

    width = 1.0
    half = False
    gap = 0.62  # between two that are stacked, as a share of their height
    tall = 1.0  # how much taller than usual the whole figure should be
    remembers = False  # whether it shows the past too, and must see the run on the way
    title = ""

    def __init__(self) -> None:
        self.artists: list[Any] = []

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        """What to show, computed on the device (traced, so no Python branching on values)."""
        return ()

    def setup(self, ax: Axes, run: Run) -> None:
        raise NotImplementedError

    def update(self, seen: Any, view: View) -> bool:
        raise NotImplementedError

    def caption(self, ax: Axes) -> Any:
        """A title that may change from frame to frame."""
        text = ax.text(0, 1.02, self.title, transform=ax.transAxes, va="bottom", weight="bold")
        return self.moving(text)

    def moving(self, artist: Any) -> Any:
        self.artists.append(artist)
        return artist


def _two_dimensional(config: Config, panel: str) -> None:
    if config.data.dim != 2:
        raise InputError(
            f"{panel} shows two-dimensional data, and this data has {config.data.dim} dimensions; "
            "use Densities for one, ImageGrid for images"
        )


def verdict(logits: Array, on_real: Array, on_fake: Array, which: Array) -> Array:
    """D's opinion in [0, 1] for colouring, whatever its scale: .5 where it cannot tell.

    A probability for log losses, (logit + 1)/2 for labels -1 and 1, and for critics without a
    zero the sigmoid of the logit from the middle between the means on real and fake.
    """
    middle = 0.5 * (on_real.mean() + on_fake.mean())
    kinds = [
        0 if entry.log_loss else 1 if entry.name in ("least_squares", "hinge") else 2
        for entry in objectives.OBJECTIVES.values()
    ]
    each = [
        jax.nn.sigmoid(logits),
        jnp.clip(0.5 * (logits + 1), 0, 1),
        jax.nn.sigmoid(logits - middle),
    ]
    return jnp.stack(each)[jnp.array(kinds)[which]]


class Samples(Panel):
    """Real and generated points over D's heat map; arrows show where G's loss pulls each fake.

    An arrow is -grad of G's loss at that fake (times the batch, so that it does not shrink with
    it): its direction is exact, its length grows with the gradient and saturates.
    """

    title = "samples on D's verdict"
    grid, shown, arrows = 36, 240, 40

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        key_z, key_x = random.split(random.key(7))
        fake = training.generate(config, state, config.latent.sample(key_z, self.shown))
        real = config.data.sample(key_x, self.shown)
        (x0, x1), (y0, y1) = config.data.extent
        xs, ys = jnp.linspace(x0, x1, self.grid), jnp.linspace(y0, y1, self.grid)
        lattice = jnp.stack([a.ravel() for a in jnp.meshgrid(xs, ys)], axis=1)
        judge = functools.partial(training.discriminate, config, state)
        field = verdict(judge(lattice), judge(real), judge(fake), knobs.objective)
        terms = {"pairs_batch", *(["feature_matching"] * isinstance(config.discriminator, MLP))}
        ahead = objectives.PENALTIES if config.unroll else ()  # D's next updates pay them too
        game = Step(config, frozenset({*terms, *ahead}), config.data)
        anneal = functools.partial(annealed, left=cosine_decay(state.step, knobs.decay_steps))
        _, slope = game.g_slope(state, knobs, key_x, real, fake, anneal)
        return fake, field.reshape(self.grid, self.grid), -slope[: self.arrows] * self.shown

    def setup(self, ax: Axes, run: Run) -> None:
        config = run.config
        _two_dimensional(config, "Samples")
        (x0, x1), (y0, y1) = config.data.extent
        self.span = x1 - x0
        ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
        ax.tick_params(length=2)
        box = (x0, x1, y0, y1)
        blank = VERDICT(np.full((self.grid, self.grid), 0.5))
        self.heat = self.moving(Pixels(ax, blank, extent=box, origin="lower"))
        real = np.asarray(config.data.sample(random.split(random.key(7))[1], self.shown))
        self.real = self.moving(
            ax.plot(*real.T, "o", color=REAL, ms=3, alpha=0.55, mew=0, label="real")[0]
        )
        self.fake = self.moving(
            ax.plot([], [], "^", color=FAKE, ms=4, alpha=0.8, mec="white", mew=0.3, label="fake")[0]
        )
        zeros = np.zeros(self.arrows)
        self.pull = self.moving(
            ax.quiver(
                zeros,
                zeros,
                zeros,
                zeros,
                angles="xy",
                scale_units="xy",
                scale=1,
                width=0.005,
                color=ARROW,
                alpha=0.75,
            )
        )
        ax.set_title(self.title)
        for x, mark, colour, name in ((0.72, "o", REAL, "real"), (0.86, "^", FAKE, "fake")):
            place = ax.transAxes
            ax.plot([x], [1.05], mark, color=colour, ms=5, transform=place, clip_on=False)
            ax.text(x + 0.02, 1.05, name, color=colour, transform=place, va="center", size=8)

    def update(self, seen: Any, view: View) -> bool:
        fake, field, pull = map(np.asarray, seen)
        self.heat.set_data(VERDICT(field, bytes=True))  # few colours here, not many pixels later
        self.fake.set_data(*fake.T)
        size = np.linalg.norm(pull, axis=1, keepdims=True)
        length = 0.13 * self.span * np.tanh(size * self.span / 2)
        arrow = pull / np.maximum(size, 1e-12) * length
        self.pull.set_offsets(fake[: self.arrows])
        self.pull.set_UVC(*arrow.T)
        return False


class LatentGrid(Panel):
    """G's map of the plane: a straight lattice of latents, bent to where G sends it.

    Of latents in many pieces (`WithBits`) it shows a small lattice of each of sixteen: those in
    which the first four signs vary and the others are 1.
    """

    title = "G bends the latent grid"

    @staticmethod
    def size(config: Config) -> tuple[int, int]:
        """Lines each way in a piece, and points in a line."""
        return (5, 11) if isinstance(config.latent, WithBits) else (13, 31)

    def lattice(self, config: Config) -> Array:
        """Latents [lines, points, latent], evenly spaced in probability; half go each way."""
        lines, points = self.size(config)
        bits = config.latent.bits if isinstance(config.latent, WithBits) else 0
        share = (jnp.arange(lines, dtype=jnp.float32) + 0.5) / lines
        fine = jnp.linspace(0.5 / lines, 1 - 0.5 / lines, points)
        spread = self.quantile(config)
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

    @staticmethod
    def quantile(config: Config) -> Any:
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

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        z = self.lattice(config)
        x = training.generate(config, state, z.reshape(-1, config.latent.dim))
        return x.reshape(*z.shape[:2], -1)

    def setup(self, ax: Axes, run: Run) -> None:
        _two_dimensional(run.config, "LatentGrid")
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


class Coverage(Panel):
    """How the samples fall on the modes, counted now; the line is a perfect generator's share."""

    half = True
    title = "modes"
    samples = 1000

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        key = random.fold_in(random.key(3), state.step)
        fake = training.sample(config, self.samples, state, key)
        data = config.data
        assert data.modes is not None and data.mode_std is not None  # `setup` saw to it
        return mode_coverage(fake, data.modes, data.mode_std)

    def setup(self, ax: Axes, run: Run) -> None:
        modes = run.config.data.modes
        if modes is None:
            raise InputError(
                f"Coverage counts modes, and {run.config.data!r} has none; leave it out"
            )
        self.ceiling = high_quality_ceiling(modes.shape[1], 3.0)
        self.heights = np.zeros(2 * len(modes) - 1)  # every other one is a gap between two bars
        edges = (np.arange(len(modes))[:, None] + [-0.4, 0.4]).ravel()
        self.bars = self.moving(ax.stairs(self.heights, edges, fill=True, color=FAKE))
        ax.axhline(1 / len(modes), color=REAL, lw=1, ls="--")
        ax.set(ylim=(0, 2.2 / len(modes)), xlim=(-0.6, len(modes) - 0.4), xticks=[])
        ax.set_ylabel("share")
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        share = np.asarray(seen.counts) / max(int(np.asarray(seen.counts).sum()), 1)
        self.heights[::2] = share
        self.bars.set_data(self.heights)
        quality = f"{100 * float(seen.high_quality):.0f} % within 3σ"
        self.text.set_text(f"{int(seen.modes)} of {len(share)} modes, {quality}")
        return False


def _thin(y: np.ndarray, first: int, most: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """Means over equal stretches, so that a long curve stays quick to draw: (steps, values)."""
    if len(y) <= most:
        return first + np.arange(len(y)), y
    stretch = -(-len(y) // most)
    whole = len(y) // stretch * stretch
    steps = first + np.arange(0, whole, stretch) + stretch // 2
    return steps, y[:whole].reshape(-1, stretch).mean(axis=1)


class _Curves(Panel):
    half = True
    names: tuple[str, str] = ("", "")
    labels: tuple[str, str] = ("", "")
    log = False

    def setup(self, ax: Axes, run: Run) -> None:
        self.ax = ax
        colours = (DISCRIMINATOR, GENERATOR)
        self.ghosts = [self.moving(ax.plot([], [], color=FAINT, lw=0.8)[0]) for _ in colours]
        self.lines = [
            self.moving(ax.plot([], [], color=c, ls=s)[0])
            for c, s in zip(colours, ("-", "--"), strict=True)
        ]
        ax.set(xlim=(0, 200), ylim=(0.01, 10) if self.log else (0, 2))
        if self.log:
            ax.set_yscale("log")
        ax.legend(self.lines, self.labels, loc="upper right", ncols=2, borderaxespad=0)
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        tops, shown = [], []
        for line, ghost, name in zip(self.lines, self.ghosts, self.names, strict=True):
            x, y = _thin(view.series(name), 0)
            line.set_data(x, y)
            later_x, later_y = _thin(view.later(name), view.step)
            ghost.set_data(later_x, later_y)
            tops.append(later_x[-1] if len(later_x) else view.step)
            shown += [part for part in (y, later_y) if len(part)]
        return self.rescale(max(tops), shown)

    def rescale(self, last: int, shown: list[np.ndarray]) -> bool:
        """Grow (or after a reset shrink) the axes, seldom; True if they changed."""
        right = self.ax.get_xlim()[1]
        wanted = 200 * 2 ** np.ceil(np.log2(max(last, 1) / 200)) if last > 200 else 200
        stale = bool(wanted > right or wanted < right / 2)
        if stale:
            self.ax.set_xlim(0, wanted)
        if shown:
            stale |= self.rescale_y(np.concatenate(shown))
        return stale

    def rescale_y(self, y: np.ndarray) -> bool:
        low, high = self.ax.get_ylim()
        y = y[np.isfinite(y)]
        if self.log:
            y = np.maximum(y, 1e-8)
            bottom, top = np.quantile(y, [0.01, 0.99])
            if low <= bottom and top <= high:
                return False
            self.ax.set_ylim(min(low, bottom / 3), max(high, top * 3))
            return True
        bottom, top = np.quantile(y, [0.01, 0.99])
        if low <= bottom and top <= high and top - bottom > 0.1 * (high - low):
            return False
        pad = 0.35 * max(top - bottom, 0.2)
        wanted = (min(0.0, bottom - pad) if bottom >= -0.01 else bottom - pad, top + pad)
        if np.allclose(wanted, (low, high), rtol=0.15):
            return False
        self.ax.set_ylim(*wanted)
        return True


class Losses(_Curves):
    """Both losses; the dotted lines are where they would rest if G had won (p = q)."""

    title = "losses"
    names = ("d_loss", "g_loss")
    labels = ("D", "G")

    def setup(self, ax: Axes, run: Run) -> None:
        super().setup(ax, run)
        self.rest = [
            self.moving(ax.axhline(0, color=c, lw=0.9, ls=":")) for c in (DISCRIMINATOR, GENERATOR)
        ]

    def update(self, seen: Any, view: View) -> bool:
        d_rest, g_rest = rest_levels(str(view.run.knobs.objective))
        for line, level in zip(self.rest, (d_rest, g_rest), strict=True):
            line.set_ydata([level, level])
        return super().update(seen, view)


@functools.cache  # JAX would wait for the training that runs while a picture is drawn
def rest_levels(name: str) -> tuple[float, float]:
    """(D's loss, G's loss) where p = q and every logit is 0: ln 4 and ln 2 for the log losses."""
    zero, entry = jnp.zeros(2), objectives.objective(name)
    return entry.equilibrium, float(entry.g_loss(zero, zero))


class GradientNorms(_Curves):
    """How strongly each player is pulled: the norm of its gradient, on a log scale."""

    title = "gradient norms"
    names = ("grad_d", "grad_g")
    labels = ("D", "G")
    log = True


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

    def spread(self, config: Config, n: int) -> Array:
        share = (jnp.arange(n, dtype=jnp.float32) + 0.5) / n
        return LatentGrid.quantile(config)(share)[:, None]

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        x = jnp.linspace(*config.data.extent[0], self.points)
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
        if config.data.dim != 1 or config.latent.dim != 1:
            raise InputError(
                "Densities shows one-dimensional data and latents; use Samples for two dimensions"
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

    def axes_of_x_and_z(self, ax: Axes, config: Config, low: float, high: float) -> None:
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


def _image_shape(config: Config, panel: str) -> tuple[int, ...]:
    shape = getattr(config.data, "shape", None)
    if shape is None:
        raise InputError(f"{panel} shows images; take data from gan_lessons.images, e.g. digits()")
    return shape


class _Pictures(Panel):
    """A sheet of `rows` times `across` images; four rows or fewer stack in pairs.

    With `ema` the moving average of G makes them (switch the knob of that name on).
    """

    gap, tall = 0.22, 1.12

    def __init__(self, rows: int = 8, ema: bool = False) -> None:
        super().__init__()
        self.ema = ema
        self.rows = int(check_number("rows", rows, 1, 32, integer=True))
        self.half = self.rows <= 4

    def across(self, config: Config) -> int:
        """Images in a row."""
        return 8

    def latents(self, config: Config) -> Float[Array, "images latent"]:
        raise NotImplementedError

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        return training.generate(config, state, self.latents(config), self.ema)

    def setup(self, ax: Axes, run: Run) -> None:
        self.shape = _image_shape(run.config, type(self).__name__)
        self.columns = self.across(run.config)
        self.blank = np.ones((self.rows * self.columns, *self.shape), np.float32)
        # Axes count images, so that a row's middle is at its number and a half.
        self.sheet = self.moving(
            Pixels(
                ax,
                tile(self.blank, self.columns),
                low=-1,
                high=1,
                extent=(0, self.columns, self.rows, 0),
                cmap="gray",
            )
        )
        ax.set_aspect(self.shape[0] / self.shape[1])
        ax.set_anchor("NW")
        bare(ax)
        ax.set_title(f"{self.title}, averaged G" if self.ema else self.title)

    def lay(self, images: Float[np.ndarray, "n pixels"]) -> None:
        """Show `images` from the top left; what is left over stays white."""
        sheet = self.blank.copy()
        pixels = images[:, : math.prod(self.shape)]  # without labels
        sheet[: len(images)] = pixels.reshape(-1, *self.shape)
        self.sheet.set_data(tile(sheet, self.columns))

    def update(self, seen: Any, view: View) -> bool:
        self.lay(np.asarray(seen))
        return False


class ImageGrid(_Pictures):
    """Samples from fixed latents, so that one can watch each picture change.

    Where G is told a label (`WithLabels`), each row is one z and each column one label.
    """

    title = "samples from fixed z"

    def across(self, config: Config) -> int:
        told = isinstance(config.latent, WithLabels)
        return min(len(config.latent.weights), 16) if told else super().across(config)  # type: ignore[attr-defined]

    def latents(self, config: Config) -> Array:
        key, latent, columns = random.key(11), config.latent, self.across(config)
        if not isinstance(latent, WithLabels):
            return latent.sample(key, self.rows * columns)
        z = jnp.repeat(latent.latent.sample(key, self.rows), columns, axis=0)
        return latent.given(z, jnp.tile(jnp.arange(columns), self.rows))

    def setup(self, ax: Axes, run: Run) -> None:
        if isinstance(run.config.latent, WithLabels):
            self.title = "a row: one z; a column: one label"
        super().setup(ax, run)


class LatentWalk(_Pictures):
    """Straight lines in latent space: each row goes from one latent z to another, z'."""

    title = "walks from z to z'"

    def latents(self, config: Config) -> Array:
        start, end = config.latent.sample(random.key(12), 2 * self.rows).reshape(2, self.rows, -1)
        share = jnp.linspace(0, 1, self.across(config))[None, :, None]
        walk = (1 - share) * start[:, None] + share * end[:, None]
        return walk.reshape(-1, config.latent.dim)


class _Memory:
    """What a panel kept at some steps of a run; forgets what was rewound or reset away."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.seed = 0
        self.kept: dict[int, Any] = {}

    def of(self, run: Run) -> dict[int, Any]:
        if run is not self.run or run.seed != self.seed:
            self.run, self.seed, self.kept = run, run.seed, {}
        self.kept = {at: value for at, value in self.kept.items() if at <= run.step}
        return self.kept


class OverTime(_Pictures):
    """The same eight latents at step 0, about 50, 100, 200, 400, ... and, in the last row, now."""

    title = "the same z over time"
    remembers = True
    first = 50

    def __init__(self, rows: int = 8, ema: bool = False) -> None:
        super().__init__(rows, ema)
        self.memory = _Memory()

    def latents(self, config: Config) -> Array:
        return config.latent.sample(random.key(11), self.across(config))

    def setup(self, ax: Axes, run: Run) -> None:
        super().setup(ax, run)
        look = {"ha": "right", "va": "center", "fontsize": 8}
        self.labels = [self.moving(ax.text(-0.12, i + 0.5, "", **look)) for i in range(self.rows)]

    def milestone(self, step: int) -> int:
        """How many of the moments 50, 100, 200, 400, ... are behind `step`."""
        return 0 if step < self.first else 1 + int(np.log2(step / self.first))

    def update(self, seen: Any, view: View) -> bool:
        now, kept = np.asarray(seen), self.memory.of(view.run)
        if view.step in kept or all(self.milestone(view.step) != self.milestone(s) for s in kept):
            kept[view.step] = now
        past = sorted(step for step in kept if step < view.step)
        # More moments than rows: the first, the last, and some in between.
        shown = np.linspace(0, len(past) - 1, min(len(past), self.rows - 1)).round().astype(int)
        steps = [past[i] for i in shown]
        self.lay(np.concatenate([*(kept[step] for step in steps), now]))
        names = [*map(str, steps), "now", *[""] * self.rows]
        for label, name in zip(self.labels, names, strict=False):
            label.set_text(name)
        return False


class _Measured(Panel):
    """What takes many fakes to measure: every `every` steps, and remembered in between.

    With `ema` the moving average of G makes them (switch the knob of that name on).
    """

    remembers = True
    n = 0  # fakes that one measurement takes

    def __init__(self, every: int, ema: bool) -> None:
        super().__init__()
        self.memory, self.ema = _Memory(), ema
        self.every = int(check_number("every", every, 1, 1e6, integer=True))

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        # Only G itself, copied: the many samples are drawn on those few frames that need them.
        player = (state.ema, state.ema_rest) if self.ema else (state.g, state.rest_g)
        return jax.tree.map(jnp.copy, player)

    def setup(self, ax: Axes, run: Run) -> None:
        self.ax, self.latents = ax, run.config.latent.sample(random.key(5), self.n)

    def known(self, seen: Any, view: View) -> dict[int, Any]:
        """What was measured up to the step that is shown, by step; never empty."""
        measured = self.memory.of(view.run)
        if all(abs(view.step - at) >= self.every for at in measured):
            g, rest = seen
            state, config = replace(view.run.state, g=g, rest_g=rest), view.run.config
            fakes = np.asarray(training.generate(config, state, self.latents))
            measured[view.step] = self.measure(fakes, config)
        steps = sorted(at for at in measured if at <= view.step) or [min(measured)]
        return {step: measured[step] for step in steps}

    def measure(self, fakes: Float[np.ndarray, "n dim"], config: Config) -> Any:
        raise NotImplementedError


class Quality(_Measured):
    """The Frechet distance in a classifier's features, measured as training goes on.

    `every` steps apart, each time on as many fakes as the meter wants; the dotted line is what
    one half of the real images scores against the other. Lower is better. With `ema` it is that of
    the moving average of G.
    """

    half = True
    title = "Fréchet"

    def __init__(self, meter: FrechetMeter, every: int = 200, ema: bool = False) -> None:
        super().__init__(every, ema)
        self.meter, self.n = meter, meter.n

    def setup(self, ax: Axes, run: Run) -> None:
        pixels = math.prod(_image_shape(run.config, "Quality"))
        if (wanted := self.meter.extractor.pixels) != pixels:
            raise InputError(
                f"this meter measures images of {wanted} pixels, and the data has "
                f"{pixels}; make a FrechetMeter of the same image set"
            )
        super().setup(ax, run)
        self.line = self.moving(ax.plot([], [], ".-", color=GENERATOR, ms=4)[0])
        ax.axhline(self.meter.floor, color=REAL, lw=1, ls=":")
        ax.set(xlim=(0, 200), yscale="log", ylim=(self.meter.floor / 2, self.meter.floor * 500))
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        known = self.known(seen, view)
        values = [*known.values()]
        self.line.set_data([*known], values)
        self.text.set_text(f"{self.title} {values[-1]:.2f} (real: {self.meter.floor:.2f})")
        return self.rescale(view.step, max(values))

    def measure(self, fakes: Float[np.ndarray, "n dim"], config: Config) -> float:
        return self.meter(fakes[:, : self.meter.extractor.pixels])  # without labels

    def rescale(self, step: int, worst: float) -> bool:
        """Widen the axes like those of the losses, seldom; True if they changed."""
        right, (low, high) = self.ax.get_xlim()[1], self.ax.get_ylim()
        wanted = 200 * 2 ** np.ceil(np.log2(max(step, 200) / 200))
        stale = bool(wanted > right or wanted < right / 2 or worst > high)
        if stale:
            self.ax.set(xlim=(0, wanted), ylim=(low, max(high, 3 * worst)))
        return stale


class StackModes(_Measured):
    """How stacked images (`images.Stacked`) fall on their modes: a square each, white if empty.

    Counted on `n` fakes by a classifier of single layers, `every` steps apart; a full square is as
    dark as twice a mode's share. Below it, what as many real stacks score.
    """

    half = True
    title = "modes"
    dark = LinearSegmentedColormap.from_list("modes", ["#fbe3d0", FAKE, INK])

    def __init__(
        self, extractor: FeatureExtractor, every: int = 100, n: int = 5000, ema: bool = False
    ) -> None:
        super().__init__(every, ema)
        self.n = int(check_number("n", n, 1, 1e6, integer=True))
        self.extractor = extractor

    def setup(self, ax: Axes, run: Run) -> None:
        data = run.config.data
        if not isinstance(data, Stacked):
            raise InputError(
                f"StackModes counts stacked images, not {data!r}; take image_set(...).stacks()"
            )
        if (pixels := data.dim // data.layers) != (wanted := self.extractor.pixels):
            raise InputError(
                f"this extractor knows images of {wanted} pixels, and the data stacks images of "
                f"{pixels}; train it on the same image set"
            )
        super().setup(ax, run)
        real = self.measure(np.asarray(data.sample(random.key(6), self.n)), run.config)
        count = len(real.counts)
        self.high = max(k for k in range(1, math.isqrt(count) + 1) if count % k == 0)
        dark = self.dark.with_extremes(bad="white")
        blank = np.zeros((self.high, count // self.high))
        self.sheet = self.moving(Pixels(ax, blank, high=2 * self.n / count, cmap=dark))
        bare(ax)
        ax.set_xlabel(f"of real stacks: {real.modes:,}, KL {real.kl:.2f}")
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        found = [*self.known(seen, view).values()][-1]
        counts = found.counts.reshape(self.high, -1)
        self.sheet.set_data(np.ma.masked_equal(counts, 0))
        self.text.set_text(f"{found.modes:,} of {found.counts.size:,} modes, KL {found.kl:.2f}")
        return False

    def measure(self, fakes: Float[np.ndarray, "n dim"], config: Config) -> StackCoverage:
        return stack_coverage(self.extractor, config.data.apart(fakes))  # type: ignore[attr-defined]
