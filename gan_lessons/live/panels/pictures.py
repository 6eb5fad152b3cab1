"""Sheets of generated pictures: from fixed latents, and on walks from one latent to another."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float
from matplotlib.axes import Axes

from gan_lessons import training
from gan_lessons.errors import InputError, check_number
from gan_lessons.live.panels.base import Panel, View, is_gan, need_gan, need_kind, samples_of
from gan_lessons.live.pixels import Pixels
from gan_lessons.plots import bare, tile
from gan_lessons.run import Run


def check_ema(config: Any, ema: bool) -> None:
    """Raise InputError where there is no averaged G to look at."""
    if ema and not is_gan(config):
        raise InputError(f"ema=True asks for an averaged G, and {config.learner!r} has none")


class PictureSheet(Panel):
    """A sheet of `rows` times `across` pictures; four rows or fewer stack in pairs.

    With `ema` the moving average of G makes them (switch the knob of that name on).
    """

    gap, tall = 0.22, 1.12

    def __init__(self, rows: int = 8, ema: bool = False) -> None:
        super().__init__()
        self.ema = ema
        self.rows = int(check_number("rows", rows, 1, 32, integer=True))
        self.half = self.rows <= 4

    def across(self, config: Any) -> int:
        """Pictures in a row."""
        return 8

    def setup(self, ax: Axes, run: Run) -> None:
        need_kind(run.config, "pictures", type(self).__name__)
        check_ema(run.config, self.ema)
        self.shape, self.columns = run.config.data.shape, self.across(run.config)
        sides = self.shape if self.shape[2:] in ((), (3,)) else self.shape[:2]
        self.blank = np.ones((self.rows * self.columns, *sides), np.float32)
        # Axes count pictures, so that a row's middle is at its number and a half.
        extent = (0, self.columns, self.rows, 0)
        sheet = tile(self.blank, self.columns)
        self.sheet = self.moving(Pixels(ax, sheet, low=-1, high=1, extent=extent, cmap="gray"))
        ax.set_aspect(self.shape[0] / self.shape[1])
        ax.set_anchor("NW")
        bare(ax)
        title = self.name(run.config)
        ax.set_title(f"{title}, averaged G" if self.ema else title)

    def name(self, config: Any) -> str:
        """The title."""
        return self.title

    def lay(self, pictures: Float[np.ndarray, "n pixels"]) -> None:
        """Show `pictures` from the top left; what is left over stays white.

        Of pictures with channels that are not red, green and blue, the mean in grey.
        """
        sheet, shaped = self.blank.copy(), pictures.reshape(-1, *self.shape)
        sheet[: len(pictures)] = shaped.mean(-1) if shaped.ndim > sheet.ndim else shaped
        self.sheet.set_data(tile(sheet, self.columns))

    def update(self, seen: Any, view: View) -> bool:
        self.lay(np.asarray(seen))
        return False


class ImageGrid(PictureSheet):
    """Samples from fixed randomness, so that one can watch each picture change.

    Where pictures go with a label, each row is one z and each column one label.
    """

    def labels(self, config: Any) -> int:
        """How many labels the columns show; 0 where there are none."""
        given = config.data.given
        return min(given.size, 16) if given.kind == "label" and is_gan(config) else 0

    def across(self, config: Any) -> int:
        return self.labels(config) or super().across(config)

    def name(self, config: Any) -> str:
        by_label = "a row: one z; a column: one label"
        return by_label if self.labels(config) else "samples from fixed z"

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        n = self.rows * self.across(config)
        if not is_gan(config):
            return samples_of(config, state, random.key(11), n)
        z, given = self.asked(config)
        return training.generate(config, state, z, given, self.ema)

    def asked(self, config: Any) -> tuple[Array, Array]:
        """The latents of the sheet, and what is given with each."""
        columns = self.across(config)
        if not self.labels(config):
            n = self.rows * columns
            z = config.latent.sample(random.key(11), n)
            return z, config.data.givens(random.key(14), n)
        z = jnp.repeat(config.latent.sample(random.key(11), self.rows), columns, axis=0)
        labels = jnp.eye(columns, config.data.given.size, dtype=jnp.float32)
        return z, jnp.tile(labels, (self.rows, 1))


class LatentWalk(PictureSheet):
    """Straight lines in latent space: each row goes from one latent z to another, z'."""

    title = "walks from z to z'"

    def latents(self, config: Any) -> Float[Array, "pictures latent"]:
        """The latents along all rows."""
        start, end = config.latent.sample(random.key(12), 2 * self.rows).reshape(2, self.rows, -1)
        share = jnp.linspace(0, 1, self.across(config))[None, :, None]
        walk = (1 - share) * start[:, None] + share * end[:, None]
        return walk.reshape(-1, config.latent.dim)

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        rows = config.data.givens(random.key(15), self.rows)  # the same given all along a row
        given = jnp.repeat(rows, self.across(config), axis=0)
        return training.generate(config, state, self.latents(config), given, self.ema)

    def setup(self, ax: Axes, run: Run) -> None:
        need_gan(run.config, "LatentWalk")
        super().setup(ax, run)
