"""One step of the game, for one GAN: what `loop` repeats, and what a `vmap` multiplies."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from gan_lessons import objectives
from gan_lessons.augmentation import augment
from gan_lessons.distributions import Distribution
from gan_lessons.training.config import Config
from gan_lessons.training.keys import unrolled
from gan_lessons.training.optimizers import optimizer
from gan_lessons.training.players import players
from gan_lessons.training.schedules import at_share, cosine_decay
from gan_lessons.training.sharing import Sharing
from gan_lessons.training.state import METRICS, State
from gan_lessons.training.vectors import averaged, flat, reconstruction


class Draw(NamedTuple):
    """What one update is played on: latents, real examples, and what is given with each."""

    z: Float[Array, "rows latent"]
    real: Float[Array, "rows dim"]
    given: Float[Array, "rows k"]


class Step:
    """One step of the game, for one config and one set of compiled-in terms.

    D moves first, on a real batch x and a generated batch G(z); G then answers on the same z,
    through the D just updated. The forward pass G(z) and its pullback serve both. Methods take
    `now`, the knobs as they act in this step.

    Args:
        terms: what is compiled in: names of knobs, and "pairs_batch" for losses that mix the
            examples of a batch.
        data: the config's, passed on its own because a jitted step takes its arrays as arguments.
        sweep: whether the step will be one of many under `vmap`.
    """

    def __init__(
        self, config: Config, terms: frozenset[str], data: Distribution, sweep: bool = False
    ) -> None:
        self.config, self.terms, self.data = config, terms, data
        self.generator, self.discriminator = players(config)
        self.sharing = Sharing(config.devices, config.batch, "pairs_batch" in terms)
        self.flat = (lambda tree: ravel_pytree(tree)[0]) if sweep else flat

    # ---- what a step is played on

    def draw(self, key: Array) -> Draw:
        """Fresh latents, and fresh real examples with what is given with them."""
        key_z, key_x = random.split(key)
        z = self.config.latent.sample(key_z, self.config.batch)
        real, given = self.data.batch(key_x, self.config.batch)
        return Draw(self.sharing.rows(z), self.sharing.rows(real), self.sharing.rows(given))

    def fakes(self, state: State, draw: Draw) -> tuple[Any, ...]:
        """G(z, given), the pullback to G's parameters, and the rest of G."""
        params = self.generator.unravel(state.g)

        def apply(params: Any) -> tuple[Array, Any]:
            return self.generator.apply(params, state.rest_g, draw.z, draw.given)

        return jax.vjp(apply, params, has_aux=True)

    def shown(self, key: Array, now: Any, x: Array) -> Array:
        """What D gets to see of a batch: augmented pictures, instance noise."""
        if "augment" in self.terms:
            x = augment(
                self.sharing.own_key(random.fold_in(key, 1)), x, self.data.shape, now.augment
            )
        return self.noisy(key, now, x)

    def noisy(self, key: Array, now: Any, x: Array) -> Array:
        """Instance noise (Sønderby et al. 2017, arXiv 1610.04490), the same on every device."""
        if "noise" not in self.terms:
            return x
        shape = (len(x) * self.config.devices, x.shape[1])
        return x + now.noise * self.sharing.rows(random.normal(key, shape))

    # ---- D

    def given_to_d(self, given: Array) -> Array:
        """What D is shown of what is given."""
        return given if self.config.d_sees_given else given[:, :0]

    def logits(self, d: Any, rest: Any, x: Array, given: Array) -> tuple[Array, Any]:
        out, rest = self.discriminator.apply(d, rest, x, self.given_to_d(given))
        return out[:, 0], rest

    def verdicts(
        self, d: Any, rest: Any, real: Array, fake: Array, given: Array
    ) -> tuple[Any, Any]:
        """D's logits on a real and a generated batch: ((real, fake), rest of D)."""
        if self.discriminator.row_wise:  # then one pass is quicker than two
            both = jnp.concatenate([real, fake])
            logits, rest = self.logits(d, rest, both, _twice(given))
            return tuple(jnp.split(logits, 2)), rest
        on_real, rest = self.logits(d, rest, real, given)
        on_fake, rest = self.logits(d, rest, fake, given)
        return (on_real, on_fake), rest

    def d_gradient(
        self, state: State, now: Any, key: Array, draw: Draw, fake: Array
    ) -> tuple[Array, dict[str, Array], Any]:
        """Gradient of D's loss with all penalties: (flat gradient, metrics, rest of D)."""
        keys = random.split(key, 3)
        real, fake = self.shown(keys[0], now, draw.real), self.shown(keys[1], now, fake)
        d = self.discriminator.unravel(state.d)

        def judge(d: Any) -> tuple[Any, Any]:
            return self.verdicts(d, state.rest_d, real, fake, draw.given)

        (on_real, on_fake), pull, rest = jax.vjp(judge, d, has_aux=True)
        losses = functools.partial(
            objectives.d_slopes,
            now.objective,
            smoothing=now.label_smoothing,
            own=self.config.losses,
        )
        value, slopes = self.sharing.mixed(losses, on_real, on_fake)
        gradient, penalty = pull(slopes)[0], jnp.zeros(())
        if priced := [name for name in objectives.PENALTIES if name in self.terms]:
            between = self.sharing.own_key(keys[2])
            at = {
                place: objectives.PLACES[place](real, fake, between)
                for place in dict.fromkeys(objectives.PENALTIES[name].at for name in priced)
            }
            weights = {name: getattr(now, name) for name in priced}

            def price(d: Any) -> Array:
                return self.penalties(weights, lambda x, y: self.logits(d, rest, x, y)[0], at, draw)

            penalty, extra = jax.value_and_grad(price)(d)
            gradient = jax.tree.map(jnp.add, gradient, extra)
        seen = {"d_loss": value, "penalty": penalty}
        seen["d_real"] = jax.nn.sigmoid(on_real).mean()
        seen["d_fake"] = jax.nn.sigmoid(on_fake).mean()
        gradient, seen = self.sharing.average((self.flat(gradient), seen))
        return gradient, seen, rest

    def penalties(
        self,
        weights: dict[str, Array],
        critic: Callable[[Array, Array], Array],
        at: dict[str, Array],
        draw: Draw,
    ) -> Array:
        """The weighted sum of the penalties on the critic's gradients `at` some places.

        The gradients are with respect to x alone: what is given is no place that D could be
        steep in.
        """
        if self.discriminator.row_wise:
            given = jnp.concatenate([draw.given] * len(at))
            together = jnp.concatenate([*at.values()])
            slopes = objectives.slope(lambda x: critic(x, given), together)
            found = dict(zip(at, jnp.split(slopes, len(at)), strict=True))
        else:
            judge = functools.partial(objectives.slope, lambda x: critic(x, draw.given))
            found = {place: judge(points) for place, points in at.items()}
        total = jnp.zeros(())
        for name, weight in weights.items():
            entry = objectives.PENALTIES[name]
            total = total + weight * entry.of(found[entry.at])
        return total

    # ---- G

    def g_slope(
        self, state: State, now: Any, key: Array, draw: Draw, fake: Array
    ) -> tuple[Array, Array]:
        """G's loss and its gradient at each fake: (loss, [rows, dim])."""
        if self.config.unroll:
            return jax.value_and_grad(functools.partial(self.loss_ahead, state, now, key, draw))(
                fake
            )
        keys = random.split(key, 3)
        d, rest_d = self.discriminator.unravel(state.d), state.rest_d

        def judge(key: Array, x: Array) -> Array:
            return self.logits(d, rest_d, self.shown(key, now, x), draw.given)[0]

        on_fake, pull = jax.vjp(functools.partial(judge, keys[1]), fake)
        on_real = jnp.full_like(on_fake, jnp.nan)  # not looked at, unless the loss pairs
        if "pairs_batch" in self.terms:
            on_real = judge(keys[0], draw.real)
        losses = functools.partial(objectives.g_slopes, now.objective, own=self.config.losses)
        value, slope = self.sharing.mixed(losses, on_real, on_fake)
        slope = pull(slope)[0]
        if "feature_matching" in self.terms:
            share = now.feature_matching
            gap, extra = jax.value_and_grad(self.feature_gap)(fake, d, rest_d, draw)
            value, slope = value + share * (gap - value), slope + share * (extra - slope)
        for name in {"l1", "l2"} & self.terms:
            apart = functools.partial(reconstruction, int(name[1]), draw.real)
            far, extra = jax.value_and_grad(apart)(fake)
            weight = getattr(now, name)
            value, slope = value + weight * far, slope + weight * extra
        return value, slope

    def loss_ahead(self, state: State, now: Any, key: Array, draw: Draw, fake: Array) -> Array:
        """G's loss against the D that D will be, `unroll` updates from now on this very batch.

        Differentiable in `fake`, through these updates. (Metz et al. 2017, arXiv 1611.02163.)
        """

        def move(state: State, key: Array) -> tuple[State, None]:
            return self.move_d(state, now, key, draw, fake)[0], None

        ahead = lax.scan(move, state, random.split(key, self.config.unroll))[0]
        d = self.discriminator.unravel(ahead.d)
        on_real, on_fake = (
            self.logits(d, ahead.rest_d, x, draw.given)[0] for x in (draw.real, fake)
        )
        return objectives.g_ahead(now.objective, on_real, on_fake, self.config.losses)

    def feature_gap(self, fake: Array, d: Any, rest: Any, draw: Draw) -> Array:
        """|E phi(real) - E phi(fake)|^2, phi what D's last layer sees (arXiv 1606.03498)."""
        given = self.given_to_d(draw.given)
        phi = lambda x: self.discriminator.features(d, rest, x, given)  # noqa: E731
        return ((phi(draw.real).mean(axis=0) - phi(fake).mean(axis=0)) ** 2).sum()

    # ---- updates

    def move(
        self, now: Any, params: Array, moments: Any, gradient: Array, rate: Array, go: Array
    ) -> tuple[Array, Any]:
        """One optimiser update of a flat parameter vector, or none where `go` is false."""
        rule = optimizer(self.config.optimizer, now.beta1, now.beta2, bool(self.config.unroll))

        def update(params: Array, moments: Any, gradient: Array) -> tuple[Array, Any]:
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its int counter with betas
                change, after = rule.update(gradient, moments)
            return params - rate * change, after

        def stay(params: Array, moments: Any, gradient: Array) -> tuple[Array, Any]:
            return params, moments

        # A branch works in place; `where` would copy the old moments and compute the new ones
        # twice.
        return lax.cond(go, update, stay, params, moments, gradient)

    def move_d(
        self, state: State, now: Any, key: Array, draw: Draw, fake: Array
    ) -> tuple[State, dict[str, Array], Array]:
        """(state after an update of D, metrics, whether all was finite)."""
        gradient, seen, rest = self.d_gradient(state, now, key, draw, fake)
        seen["grad_d"] = jnp.linalg.norm(gradient)
        fine = jnp.isfinite(seen["grad_d"]) & jnp.isfinite(seen["d_loss"])
        go = fine & (now.d_steps > 0)
        d, moments = self.move(now, state.d, state.opt_d, gradient, now.lr_d, go)
        if "clip" in self.terms:
            d = jnp.where(now.clip > 0, jnp.clip(d, -now.clip, now.clip), d)
        return replace(state, d=d, opt_d=moments, rest_d=rest), seen, fine

    def move_g(
        self, state: State, now: Any, gradient: Array, fine: Array
    ) -> tuple[State, Array, Array]:
        """(state after an update of G, size of its gradient, whether all was finite)."""
        size = jnp.linalg.norm(gradient)
        fine = fine & jnp.isfinite(size)
        go = fine & (now.g_steps > 0)
        g, moments = self.move(now, state.g, state.opt_g, gradient, now.lr_g, go)
        ema = state.ema
        if "ema" in self.terms:
            ema = jnp.where(go, averaged(now.ema, ema, g), ema)
        return replace(state, g=g, opt_g=moments, ema=ema), size, fine

    def extra_d(self, index: Array, state: State, now: Any, key: Array) -> State:
        """One of the d_steps - 1 updates of D before the shared one."""
        key_draw, key_d = random.split(random.fold_in(key, index))
        draw, g = self.draw(key_draw), self.generator.unravel(state.g)
        fake = self.generator.apply(g, state.rest_g, draw.z, draw.given)[0]
        return self.move_d(state, now, key_d, draw, fake)[0]

    def extra_g(self, index: Array, state: State, now: Any, key: Array) -> State:
        """One of the g_steps - 1 updates of G after the shared one."""
        key_draw, key_g = random.split(random.fold_in(key, index))
        draw = self.draw(key_draw)
        fake, pull, rest = self.fakes(state, draw)
        _, slope = self.g_slope(state, now, key_g, draw, fake)
        gradient = self.sharing.average(self.flat(pull(slope)[0]))
        state = self.move_g(state, now, gradient, jnp.array(True))[0]
        return replace(state, rest_g=rest)

    def __call__(
        self, before: State, knobs: Any, left: Array
    ) -> tuple[State, Float[Array, "metrics"], Array]:
        """(state after, metrics in the order of METRICS, whether all was finite).

        `left` is `cosine_decay` at this step. Where something was not finite, the update that would
        have used it is not made, so the state that comes back is finite, and its step has not
        advanced.
        """
        now = at_share(knobs, left)
        keys = random.split(random.fold_in(unrolled(before.key), before.step), 5)
        extra_d = functools.partial(self.extra_d, now=now, key=keys[0])
        extra_g = functools.partial(self.extra_g, now=now, key=keys[1])

        state = lax.fori_loop(0, now.d_steps - 1, extra_d, before)
        draw = self.draw(keys[2])
        fake, pull, rest_g = self.fakes(state, draw)
        moved, seen, fine = self.move_d(state, now, keys[3], draw, fake)
        opponent = moved if self.config.update == "alternating" else state
        seen["g_loss"], slope = self.g_slope(opponent, now, keys[4], draw, fake)
        gradient, seen["g_loss"] = self.sharing.average((self.flat(pull(slope)[0]), seen["g_loss"]))
        moved, seen["grad_g"], fine = self.move_g(moved, now, gradient, fine)
        moved = replace(moved, rest_g=rest_g, step=before.step + 1)
        again = jnp.where(fine, now.g_steps - 1, 0)
        moved = lax.fori_loop(0, again, extra_g, moved)
        if "ema" in self.terms:
            moved = replace(moved, ema_rest=averaged(now.ema, moved.ema_rest, moved.rest_g))
        return self.guard(before, moved, fine), jnp.stack([seen[n] for n in METRICS]), fine

    def guard(self, before: State, after: State, fine: Array) -> State:
        """`after`, or `before` where something was not finite: half a step would not replay.

        G's weights, moments and average have not moved then, so they need no second look.
        """
        keep: Any = functools.partial(jax.tree.map, functools.partial(jnp.where, fine))
        names = ("step", "d", "opt_d", "rest_g", "rest_d", "ema_rest")
        kept = {name: keep(getattr(after, name), getattr(before, name)) for name in names}
        return replace(after, **kept)


def _twice(given: Array) -> Array:
    return jnp.concatenate([given, given]) if given.shape[1] else given


def slopes_at_fakes(
    config: Config, terms: frozenset[str], state: State, knobs: Any, key: Array, draw: Draw
) -> tuple[Float[Array, "rows dim"], Float[Array, "rows dim"]]:
    """Fakes G(z, given), and the gradient of G's loss at each of them as G would follow it now.

    With everything that the knobs have switched on (`terms`, see `loop.terms`), noise and
    augmentation included. `knobs` are traced (`knobs.traced`).
    """
    now = at_share(knobs, cosine_decay(state.step, knobs.decay_steps))
    game = Step(config, terms, config.data)
    fake = game.fakes(state, draw)[0]
    return fake, game.g_slope(state, now, key, draw, fake)[1]
