"""Panels: one view of a running game each. `see` is traced JAX, `update` only sets artists.

A panel of your own is one class: `see(config, state, knobs)` computes on the device what it
shows, `setup(ax, run)` makes the artists once, `update(seen, view)` sets their data and returns
True if axes changed, so that the background must be drawn again.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jax.scipy.special import ndtri
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from gan_lessons import objectives, training
from gan_lessons.distributions import Normal, Uniform
from gan_lessons.errors import InputError
from gan_lessons.metrics import FrechetMeter, high_quality_ceiling, mode_coverage
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
from gan_lessons.training import METRICS, Config, State, Step


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
    grid, shown, arrows = 40, 300, 48

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        key_z, key_x = random.split(random.key(7))
        fake = training.generate(config, state, config.latent.sample(key_z, self.shown))
        real = config.data.sample(key_x, self.shown)
        (x0, x1), (y0, y1) = config.data.extent
        xs, ys = jnp.linspace(x0, x1, self.grid), jnp.linspace(y0, y1, self.grid)
        lattice = jnp.stack([a.ravel() for a in jnp.meshgrid(xs, ys)], axis=1)
        judge = functools.partial(training.discriminate, config, state)
        field = verdict(judge(lattice), judge(real), judge(fake), knobs.objective)
        game = Step(config, frozenset(), config.data)
        _, slope = game.g_slope(state.d, state.rest_d, knobs, key_x, real, fake)
        return fake, field.reshape(self.grid, self.grid), -slope[: self.arrows] * self.shown

    def setup(self, ax: Axes, run: Run) -> None:
        config = run.config
        _two_dimensional(config, "Samples")
        (x0, x1), (y0, y1) = config.data.extent
        self.span = x1 - x0
        ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
        ax.tick_params(length=2)
        box = (x0, x1, y0, y1)
        blank = np.full((self.grid, self.grid), 0.5)
        self.heat = self.moving(
            ax.imshow(
                blank, extent=box, origin="lower", cmap=VERDICT, vmin=0, vmax=1, aspect="auto"
            )
        )
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
        self.heat.set_data(field)
        self.fake.set_data(*fake.T)
        size = np.linalg.norm(pull, axis=1, keepdims=True)
        length = 0.13 * self.span * np.tanh(size * self.span / 2)
        arrow = pull / np.maximum(size, 1e-12) * length
        self.pull.set_offsets(fake[: self.arrows])
        self.pull.set_UVC(*arrow.T)
        return False


class LatentGrid(Panel):
    """G's map of the plane: a straight lattice of latents, bent to where G sends it."""

    title = "G bends the latent grid"
    lines, points = 15, 41

    def lattice(self, config: Config) -> Array:
        """Latents [2 lines, points, latent], evenly spaced in probability."""
        share = (jnp.arange(self.lines) + 0.5) / self.lines
        fine = jnp.linspace(0.5 / self.lines, 1 - 0.5 / self.lines, self.points)
        spread = self.quantile(config)
        a, b = jnp.meshgrid(spread(share), spread(fine), indexing="ij")
        z = jnp.concatenate([jnp.stack([a, b], -1), jnp.stack([b, a], -1)])
        rest = config.latent.dim - 2
        middle = jnp.broadcast_to(spread(jnp.array(0.5)), (*z.shape[:2], max(rest, 0)))
        return jnp.concatenate([z, middle], axis=-1)[..., : config.latent.dim]

    @staticmethod
    def quantile(config: Config) -> Any:
        """The inverse distribution function of one latent coordinate."""
        latent = config.latent
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
        colours = [GENERATOR] * self.lines + [INK] * self.lines
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
    samples = 2000

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
        self.bars = [self.moving(bar) for bar in ax.bar(range(len(modes)), 0, color=FAKE)]
        ax.axhline(1 / len(modes), color=REAL, lw=1, ls="--")
        ax.set(ylim=(0, 2.2 / len(modes)), xlim=(-0.6, len(modes) - 0.4), xticks=[])
        ax.set_ylabel("share")
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        share = np.asarray(seen.counts) / max(int(np.asarray(seen.counts).sum()), 1)
        for bar, height in zip(self.bars, share, strict=True):
            bar.set_height(height)
        quality = f"{100 * float(seen.high_quality):.0f} % within 3σ"
        self.text.set_text(f"{int(seen.modes)} of {len(self.bars)} modes, {quality}")
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
    Gaussian kernel of width `bandwidth` (in units of x).
    """

    width = 2.0
    title = "data p, generator q, discriminator D"
    points, latents, arrows, floor = 241, 2000, 31, -0.55

    def __init__(self, bandwidth: float = 0.06) -> None:
        super().__init__()
        self.bandwidth = bandwidth

    def spread(self, config: Config, n: int) -> Array:
        share = (jnp.arange(n) + 0.5) / n
        return LatentGrid.quantile(config)(share)[:, None]

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        x = jnp.linspace(*config.data.extent[0], self.points)
        fake = training.generate(config, state, self.spread(config, self.latents))
        gap = (x[:, None] - fake[:, 0]) / self.bandwidth
        q = jnp.exp(-0.5 * gap**2).mean(1) / (self.bandwidth * jnp.sqrt(2 * jnp.pi))
        p = jnp.exp(config.data.log_prob(x[:, None]))
        d = jax.nn.sigmoid(training.discriminate(config, state, x[:, None]))
        ends = training.generate(config, state, self.spread(config, self.arrows))[:, 0]
        return p, q, d, p / jnp.maximum(p + q, 1e-9), ends

    def setup(self, ax: Axes, run: Run) -> None:
        config = run.config
        if config.data.dim != 1 or config.latent.dim != 1:
            raise InputError(
                "Densities shows one-dimensional data and latents; use Samples for two dimensions"
            )
        low, high = config.data.extent[0]
        self.x = np.linspace(low, high, self.points)
        p = np.exp(np.asarray(config.data.log_prob(self.x[:, None])))
        top = 1.25 * max(1.0, float(p.max()))
        ax.fill_between(self.x, p, color=REAL, alpha=0.15, lw=0)
        self.p = self.moving(ax.plot(self.x, p, color=REAL, label="p (data)")[0])
        zeros = np.zeros_like(self.x)
        self.q = self.moving(ax.plot(self.x, zeros, color=FAKE, ls="--", label="q (generator)")[0])
        self.best = self.moving(
            ax.plot(self.x, zeros, color=INK, ls=":", lw=1, label="D* = p/(p+q)")[0]
        )
        self.d = self.moving(ax.plot(self.x, zeros, color=DISCRIMINATOR, lw=2, label="D")[0])
        z = np.asarray(self.spread(config, self.arrows))[:, 0]
        share = (z - z.min()) / (z.max() - z.min())
        self.start = low + (high - low) * (0.05 + 0.9 * share)
        self.map = self.moving(LineCollection([], colors=GENERATOR, linewidths=0.8, alpha=0.7))
        ax.add_collection(self.map)
        floor = self.floor * top / 1.5
        self.base = floor
        ax.plot(self.start, np.full_like(self.start, floor), "|", color=INK, ms=5)
        ax.axhline(0, color="#888888", lw=0.8)
        ax.axhline(floor, color="#888888", lw=0.8)
        ax.text(low, floor, "z ", ha="right", va="center")
        ax.text(low, 0, "x ", ha="right", va="center")
        ax.set(xlim=(low, high), ylim=(floor * 1.08, top))
        ax.set_yticks([0, 0.5, 1])
        ax.axhline(0.5, color=FAINT, lw=0.8, ls=":")
        ax.legend(loc="upper right", ncols=2)
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        _, q, d, best, ends = map(np.asarray, seen)
        self.q.set_ydata(q)
        self.d.set_ydata(d)
        self.best.set_ydata(best)
        level = np.full_like(ends, self.base)
        top = np.zeros_like(ends)
        self.map.set_segments(
            list(np.stack([np.stack([self.start, level], 1), np.stack([ends, top], 1)], axis=1))
        )
        return False


def _image_shape(config: Config, panel: str) -> tuple[int, int]:
    shape = getattr(config.data, "shape", None)
    if shape is None:
        raise InputError(f"{panel} shows images; take data from gan_lessons.images, e.g. digits()")
    return shape


class _Pictures(Panel):
    """A sheet of images, `columns` wide."""

    columns = 8

    def latents(self, config: Config) -> Array:
        raise NotImplementedError

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        return training.generate(config, state, self.latents(config))

    def setup(self, ax: Axes, run: Run) -> None:
        self.shape = _image_shape(run.config, type(self).__name__)
        count = len(self.latents(run.config))
        blank = tile(np.zeros((count, *self.shape)), self.columns)
        self.sheet = self.moving(
            ax.imshow(blank, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        )
        bare(ax)
        ax.set_title(self.title)

    def update(self, seen: Any, view: View) -> bool:
        self.sheet.set_data(tile(np.asarray(seen).reshape(-1, *self.shape), self.columns))
        return False


class ImageGrid(_Pictures):
    """Samples from fixed latents, so that one can watch each picture change."""

    title = "samples, always from the same z"

    def latents(self, config: Config) -> Array:
        return config.latent.sample(random.key(11), 64)


class LatentWalk(_Pictures):
    """Straight lines in latent space between pairs of latents (first and last column)."""

    title = "walks from z to z'"

    def latents(self, config: Config) -> Array:
        ends = config.latent.sample(random.key(12), 16)
        share = jnp.linspace(0, 1, self.columns)[None, :, None]
        walk = (1 - share) * ends[:8, None] + share * ends[8:, None]
        return walk.reshape(-1, config.latent.dim)


class OverTime(_Pictures):
    """One row a moment: the same eight latents at steps 0, 100, 200, 400, ... and now."""

    title = "the same z over time"
    rows, first = 8, 100

    def latents(self, config: Config) -> Array:
        return config.latent.sample(random.key(11), self.columns)

    def setup(self, ax: Axes, run: Run) -> None:
        super().setup(ax, run)
        self.kept: dict[int, np.ndarray] = {}
        labels = (ax.text(-1, 0, "", ha="right", va="center", fontsize=7) for _ in range(self.rows))
        self.labels = [self.moving(label) for label in labels]
        self.sheet.set_extent((0, 1, self.rows, 0))
        ax.set(xlim=(0, 1), ylim=(self.rows, 0), aspect="auto")

    def due(self, step: int) -> int:
        """The last milestone at or before `step`."""
        if step < self.first:
            return 0
        return int(self.first * 2 ** np.floor(np.log2(step / self.first)))

    def update(self, seen: Any, view: View) -> bool:
        now = np.asarray(seen).reshape(-1, *self.shape)
        self.kept = {at: row for at, row in self.kept.items() if at <= view.step}
        self.kept.setdefault(self.due(view.step), now)
        past = sorted(self.kept)[-(self.rows - 1) :]
        rows = [*(self.kept[at] for at in past), now]
        blank = np.ones((self.rows * self.columns, *self.shape))
        blank[: len(rows) * self.columns] = np.concatenate(rows)
        self.sheet.set_data(tile(blank, self.columns))
        names = [*(str(at) for at in past), "now"] + [""] * self.rows
        for i, (label, name) in enumerate(zip(self.labels, names, strict=False)):
            label.set_text(name)
            label.set_position((-0.02, i + 0.5))
        return False


class Quality(Panel):
    """The Frechet distance in a classifier's features, measured as training goes on.

    `every` steps apart; the dotted line is what one half of the real data scores against the
    other. Lower is better.
    """

    half = True
    title = "Fréchet distance"

    def __init__(self, meter: FrechetMeter, every: int = 200, samples: int = 1000) -> None:
        super().__init__()
        self.meter, self.every, self.samples = meter, every, samples
        self.measured: dict[int, float] = {}

    def see(self, config: Config, state: State, knobs: Any) -> Any:
        return training.sample(config, self.samples, state, random.key(5))

    def setup(self, ax: Axes, run: Run) -> None:
        self.ax = ax
        self.measured = {}
        self.line = self.moving(ax.plot([], [], ".-", color=GENERATOR, ms=4)[0])
        ax.axhline(self.meter.floor, color=REAL, lw=1, ls=":")
        ax.set(xlim=(0, 400), yscale="log", ylim=(self.meter.floor / 2, self.meter.floor * 2000))
        self.text = self.caption(ax)

    def update(self, seen: Any, view: View) -> bool:
        self.measured = {at: value for at, value in self.measured.items() if at <= view.step}
        last = max(self.measured, default=-self.every)
        if view.step - last >= self.every or view.step == 0:
            self.measured[view.step] = self.meter(np.asarray(seen))
        steps = sorted(self.measured)
        values = [self.measured[at] for at in steps]
        self.line.set_data(steps, values)
        self.text.set_text(f"{self.title} {values[-1]:.2f} (real: {self.meter.floor:.2f})")
        right = self.ax.get_xlim()[1]
        if view.step > right or (view.step < right / 4 and right > 400):
            self.ax.set_xlim(0, max(400, 2 * view.step))
            return True
        return False
