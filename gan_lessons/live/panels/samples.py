"""Points in the plane: real ones, generated ones, what D says of each place, where G is pulled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float
from matplotlib.axes import Axes

from gan_lessons import objectives, training
from gan_lessons.live.panels.base import Panel, View, is_gan, need_kind, samples_of
from gan_lessons.live.pixels import Pixels
from gan_lessons.plots import ARROW, FAKE, REAL, VERDICT
from gan_lessons.run import Run
from gan_lessons.training import Draw, knobs_of


def opinion(config: Any, which: Array, logits: Array, on_real: Array, on_fake: Array) -> Array:
    """D's logits as numbers in [0, 1] to colour with; .5 where it cannot tell.

    A probability for log losses, (logit + 1)/2 for labels -1 and 1, and for critics without a
    zero the sigmoid of the logit from the middle between the means on real and fake.
    """
    middle = 0.5 * (on_real.mean() + on_fake.mean())
    known = [*objectives.OBJECTIVES.values(), config.losses]
    labels = ("least_squares", "hinge")
    kinds = [0 if o and o.log_loss else 1 if o and o.name in labels else 2 for o in known]
    each = [
        jax.nn.sigmoid(logits),
        jnp.clip(0.5 * (logits + 1), 0, 1),
        jax.nn.sigmoid(logits - middle),
    ]
    return jnp.stack(each)[jnp.array(kinds)[which]]


def acting_terms(knobs: Any) -> frozenset[str]:
    """Names of the terms that may act: a value that JAX traces counts as on."""

    def may_act(value: Any) -> bool:
        return isinstance(value, jax.core.Tracer) or bool(np.any(np.asarray(value) > 0))

    terms = [name for name, each in knobs_of(knobs).items() if each.term]
    on = frozenset(name for name in terms if may_act(getattr(knobs, name)))
    return on | {"pairs_batch"}  # whatever the objective, which is a traced number here


class Samples(Panel):
    """Real and generated points; for a GAN over D's heat map, with arrows where G is pulled.

    An arrow is -grad of G's loss at that fake, with all that is switched on (times the batch, so
    that it does not shrink with it): its direction is exact, its length grows with the gradient
    and saturates. Where D is shown what is given, the map is the mean over `asked` draws of it.
    """

    grid, shown, arrows, asked = 36, 240, 40, 8

    def see(self, config: Any, state: Any, knobs: Any) -> Any:
        key_z, key_x, key_g, key_field = random.split(random.key(7), 4)
        if not is_gan(config):
            return (samples_of(config, state, key_z, self.shown),)
        n = self.shown // config.pack * config.pack
        draw = Draw(config.latent.sample(key_z, n), *config.data.batch(key_x, n))
        # G's loss on these examples: on one device, and as large a batch as they are.
        alone = replace(config, devices=1, batch=n)
        fake, slope = training.slopes_at_fakes(
            alone, acting_terms(knobs), state, knobs, key_g, draw
        )
        field = self.field(config, state, knobs, key_field, draw, fake)
        return fake, field, -slope[: self.arrows] * n

    def field(
        self, config: Any, state: Any, knobs: Any, key: Array, draw: Draw, fake: Array
    ) -> Float[Array, "grid grid"]:
        """D's opinion of each place in the plane."""
        (x0, x1), (y0, y1) = config.data.extent
        xs, ys = jnp.linspace(x0, x1, self.grid), jnp.linspace(y0, y1, self.grid)
        lattice = jnp.stack([a.ravel() for a in jnp.meshgrid(xs, ys)], axis=1)

        def judge(x: Array, given: Array) -> Array:
            return training.discriminate(config, state, x, given)

        on_real, on_fake = judge(draw.real, draw.given), judge(fake, draw.given)
        asked = self.asked if config.d_given.size else 1
        givens = config.data.givens(key, asked)
        everywhere = jax.vmap(lambda row: judge(lattice, jnp.tile(row, (len(lattice), 1))))(givens)
        seen = opinion(config, knobs.objective, everywhere, on_real, on_fake)
        return seen.mean(axis=0).reshape(self.grid, self.grid)

    def setup(self, ax: Axes, run: Run) -> None:
        config = run.config
        need_kind(config, "plane", "Samples")
        (x0, x1), (y0, y1) = config.data.extent
        self.span = x1 - x0
        ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
        ax.tick_params(length=2)
        if is_gan(config):
            blank = VERDICT(np.full((self.grid, self.grid), 0.5))
            self.heat = self.moving(Pixels(ax, blank, extent=(x0, x1, y0, y1), origin="lower"))
        real = np.asarray(config.data.sample(random.split(random.key(7), 4)[1], self.shown))
        self.real = self.moving(
            ax.plot(*real.T, "o", color=REAL, ms=3, alpha=0.55, mew=0, label="real")[0]
        )
        self.fake = self.moving(
            ax.plot([], [], "^", color=FAKE, ms=4, alpha=0.8, mec="white", mew=0.3, label="fake")[0]
        )
        if is_gan(config):
            look: Any = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.005}
            zeros = [np.zeros(self.arrows)] * 4
            self.pull = self.moving(ax.quiver(*zeros, color=ARROW, alpha=0.75, **look))
        ax.set_title("samples on D's verdict" if is_gan(config) else "samples")
        for x, mark, colour, name in ((0.72, "o", REAL, "real"), (0.86, "^", FAKE, "fake")):
            place = ax.transAxes
            ax.plot([x], [1.05], mark, color=colour, ms=5, transform=place, clip_on=False)
            ax.text(x + 0.02, 1.05, name, color=colour, transform=place, va="center", size=8)

    def update(self, seen: Any, view: View) -> bool:
        fake, *rest = map(np.asarray, seen)
        self.fake.set_data(*fake.T)
        if not rest:
            return False
        field, pull = rest
        self.heat.set_data(VERDICT(field, bytes=True))  # few colours here, not many pixels later
        size = np.linalg.norm(pull, axis=1, keepdims=True)
        length = 0.13 * self.span * np.tanh(size * self.span / 2)
        arrow = pull / np.maximum(size, 1e-12) * length
        self.pull.set_offsets(fake[: self.arrows])
        self.pull.set_UVC(*arrow.T)
        return False
