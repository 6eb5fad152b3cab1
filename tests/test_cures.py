"""Cures of mode collapse in networks and step: each against its formula, written out again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import random

from gan_lessons import training
from gan_lessons.distributions import Grid, Normal, Ring
from gan_lessons.errors import InputError
from gan_lessons.metrics import mode_coverage
from gan_lessons.networks import MLP, PIECES, Closeness, batch_std
from gan_lessons.objectives import objective
from gan_lessons.training import Config, Knobs, Step, advance, init

TINY = Config(Ring(), Normal(2), MLP((8,), "tanh"), MLP((8,), "silu"), batch=16)
X = np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32)


def build(spec, n_in=3, n_out=2, seed=0):
    return spec.build(n_in, n_out, nnx.Rngs(seed))


def critic(**how):
    return replace(TINY, discriminator=replace(TINY.discriminator, **how))


def slope_error(f, x):
    """Largest error of `jax.grad` of a scalar function against central differences."""
    with jax.enable_x64(True):
        x = jnp.asarray(x, jnp.float64)
        away = random.normal(random.key(3), (8, *x.shape), jnp.float64)
        eps = 1e-5
        steps = [(f(x + eps * v) - f(x - eps * v)) / (2 * eps) for v in away]
        mine = [jnp.vdot(jax.grad(f)(x), v) for v in away]
        return float(jnp.abs(jnp.array(steps) - jnp.array(mine)).max())


# ---- networks


def test_batch_norm_centres_each_batch_and_keeps_running_means():
    module = build(MLP((32,), "linear", norm="batch"))
    hidden = module.features(jnp.asarray(5 + 3 * X))
    np.testing.assert_allclose(hidden.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(hidden.std(axis=0), 1, atol=1e-3)
    for _ in range(200):
        module(jnp.asarray(5 + 3 * X))
    used = nnx.view(module, use_running_average=True)
    one = used(jnp.asarray(5 + 3 * X))[:1]
    np.testing.assert_allclose(one, used(jnp.asarray(5 + 3 * X[:1])), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one, module(jnp.asarray(5 + 3 * X))[:1], rtol=0.02, atol=0.02)


def test_spectral_norm_makes_every_layer_contract():
    module = build(MLP((32, 32), "relu", norm="spectral"), 3, 1)
    for _ in range(50):
        module(jnp.asarray(X))
    for layer in module.layers:
        true = np.linalg.svd(np.asarray(layer.kernel[...]), compute_uv=False)[0]
        x = np.eye(layer.kernel.shape[0], dtype=np.float32)
        used = np.asarray(layer(x))  # biases start at 0
        np.testing.assert_allclose(used, np.asarray(layer.kernel[...]) / true, rtol=2e-3, atol=1e-5)
    pairs = np.linalg.norm(np.diff(np.asarray(module(X)), axis=0), axis=1)
    assert np.all(pairs <= 1.01 * np.linalg.norm(np.diff(X, axis=0), axis=1))


def test_the_slope_of_a_spectral_layer_is_that_of_the_divided_kernel():
    layer = build(MLP((), norm="spectral"), 3, 2).layers[0]
    for _ in range(100):
        layer(jnp.asarray(X))

    def plain(kernel):
        return ((X @ (kernel / jnp.linalg.norm(kernel, 2))) ** 2).sum()

    kernel = layer.kernel[...]
    graphdef, state = nnx.split(layer)

    def pure(kernel):
        fresh = nnx.merge(graphdef, state, copy=True)
        fresh.kernel[...] = kernel
        return (fresh(jnp.asarray(X)) ** 2).sum()

    np.testing.assert_allclose(
        jax.grad(pure)(kernel), jax.grad(plain)(kernel), rtol=1e-3, atol=1e-3
    )


def test_dropout_drops_its_share_while_it_trains_and_nothing_after():
    module = build(MLP((4000,), "linear", dropout=0.3))
    plain = build(MLP((4000,), "linear"))
    hidden, whole = module.features(jnp.asarray(X)), plain.features(jnp.asarray(X))
    gone = np.asarray(hidden == 0)
    assert gone.mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(hidden[~gone], whole[~gone] / 0.7, rtol=1e-5)
    assert not np.array_equal(gone, np.asarray(module.features(jnp.asarray(X)) == 0))
    np.testing.assert_array_equal(nnx.view(module, deterministic=True)(X), plain(X))


def test_batch_std_is_numpys_and_differentiable_at_a_point():
    np.testing.assert_allclose(batch_std(X), np.full((16, 1), X.std(axis=0).mean()), rtol=1e-5)
    assert slope_error(lambda x: batch_std(x)[0, 0], X) < 1e-6
    assert np.isfinite(jax.grad(lambda x: batch_std(x).sum())(jnp.ones((4, 3)))).all()


def test_minibatch_discrimination_is_salimans_formula():
    module = Closeness(3, nnx.Rngs(0))
    maps = np.asarray(module.maps[...]).reshape(3, Closeness.SIZE, Closeness.KERNELS)
    m = np.einsum("na,acb->nbc", X, maps)
    wanted = np.zeros((16, Closeness.KERNELS))
    for i in range(16):
        for j in set(range(16)) - {i}:
            wanted[i] += np.exp(-np.abs(m[i] - m[j]).sum(axis=1))
    np.testing.assert_allclose(module(jnp.asarray(X)), wanted, rtol=1e-4, atol=1e-5)
    one_point = np.asarray(module(jnp.ones((16, 3))))
    np.testing.assert_allclose(one_point, 15)  # a collapsed batch is as close as can be


@pytest.mark.parametrize("across", ["std", "discrimination"])
def test_looking_across_the_batch_adds_to_what_the_last_layer_sees(across):
    plain, wide = build(MLP((5,))), build(MLP((5,), across=across))
    extra = wide.features(jnp.asarray(X))[:, 5:]
    assert plain.features(jnp.asarray(X)).shape == (16, 5)
    look = batch_std if across == "std" else wide.closeness
    np.testing.assert_allclose(extra, look(wide.features(jnp.asarray(X))[:, :5]), rtol=1e-5)


def test_a_pack_is_judged_as_one_long_row():
    packed, long = build(MLP((5,), pack=4)), MLP((5,)).build(12, 2, nnx.Rngs(0))
    np.testing.assert_array_equal(packed(X), long(X.reshape(4, 12)))


def test_maxout_takes_the_largest_of_its_pieces():
    module = build(MLP((4,), "maxout"))
    kernel = np.asarray(module.layers[0].kernel[...])
    assert kernel.shape == (3, 4 * PIECES)
    wanted = np.stack(np.split(X @ kernel, PIECES, axis=1)).max(axis=0)
    np.testing.assert_allclose(module.features(jnp.asarray(X)), wanted, rtol=1e-5)


def test_waves_are_sines_and_cosines_beside_the_input():
    module = build(MLP((4,), "linear", fourier=6, band=(0.5, 8.0)))
    w = np.array(module.waves.directions)
    assert w.shape == (3, 6) and not jax.tree.leaves(nnx.state(module, nnx.Not(nnx.Param)))
    lengths = np.linalg.norm(w, axis=0)
    np.testing.assert_allclose(np.diff(np.log(lengths)), np.log(16) / 6, rtol=1e-6)
    assert 0.5 < lengths.min() and lengths.max() < 8
    seen = 0.3 * np.concatenate([np.sin(X @ w), np.cos(X @ w)], axis=1)
    wanted = X @ module.layers[0].kernel[...] + seen @ module.waves.linear.kernel[...]
    np.testing.assert_allclose(module.features(jnp.asarray(X)), wanted, rtol=1e-4, atol=1e-5)


BAD_SPECS: list[tuple[dict[str, Any], str]] = [  # and what the sentence says
    ({"fourier": -1}, "fourier"),
    ({"fourier": 2.5}, "fourier"),
    ({"fourier": 8, "hidden": ()}, "hidden layer"),
    ({"band": (2, 1)}, "must rise"),
    ({"band": (0, 1)}, "band"),
    ({"band": 3}, "low, high"),
    ({"band": (1, 2, 3)}, "low, high"),
    ({"norm": "bacth"}, "did you mean 'batch'"),
    ({"norm": None}, "known: none"),
    ({"across": "stdd"}, "did you mean 'std'"),
    ({"output": "maxout"}, "known: relu"),
    ({"dropout": 1.0}, "dropout"),
    ({"dropout": -0.1}, "dropout"),
    ({"dropout": float("nan")}, "dropout"),
    ({"pack": 0}, "pack"),
    ({"pack": 1.5}, "pack"),
    ({"pack": 17}, "pack"),
]


def test_bad_specs_get_a_sentence():
    for wrong, hint in BAD_SPECS:
        with pytest.raises(InputError, match=hint):
            MLP(**({"hidden": (8,)} | wrong))


# ---- the step

BATCH_NORM = replace(TINY, generator=replace(TINY.generator, norm="batch"))
GAMES = {  # all that a network or a step can keep or look at, in three games
    "batch norm, dropout, std": replace(
        BATCH_NORM, discriminator=replace(TINY.discriminator, dropout=0.3, across="std")
    ),
    "spectral norm, discrimination, waves, optimistic": replace(
        critic(norm="spectral", across="discrimination", fourier=8), optimizer="optimistic_adam"
    ),
    "pack, unroll": replace(critic(pack=2), unroll=2),
}
HELD = Knobs("relativistic", r1=0.1, ema=0.9)


def numbers(tree):
    keys = lambda x: jnp.issubdtype(x.dtype, jax.dtypes.prng_key)  # noqa: E731
    return [np.asarray(random.key_data(x) if keys(x) else x) for x in jax.tree.leaves(tree)]


@pytest.mark.parametrize("name", GAMES)
def test_cut_in_two_a_run_keeps_its_bits_and_a_sweep_its_numbers(name):
    config = GAMES[name]
    whole = advance(config, init(config, 1), HELD, 6)
    assert whole.fine and int(whole.state.step) == 6
    first = advance(config, init(config, 1), HELD, 2)
    second = advance(config, first.state, HELD, 4)
    one, two = numbers(whole.state), numbers(second.state)
    assert all(map(np.array_equal, one, two))
    swept = advance(config, init(config, [0, 1]), HELD, 6)
    np.testing.assert_allclose(swept.state.g[1], whole.state.g, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(swept.state.d[1], whole.state.d, rtol=2e-3, atol=2e-4)


def test_a_sample_does_not_depend_on_its_batch_once_training_is_over():
    config = BATCH_NORM
    state = advance(config, init(config, 0), Knobs(), 50).state
    z = config.latent.sample(random.key(0), 8)
    together = training.generate(config, state, z)
    alone = jnp.concatenate([training.generate(config, state, each[None]) for each in z])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def game(config, knobs=None):
    """(slope, state, draw, fake) of a config: slope(state, knobs) is G's loss and its gradient at
    each fake, on one batch."""
    knobs, state = knobs or Knobs("minimax"), init(config, 0)
    step = Step(config, training.terms(config, knobs), config.data)
    draw = step.draw(random.key(5))
    fake = training.generate(config, state, draw.z)

    def slope(state=state, knobs=knobs):
        return step.g_slope(state, training.traced(knobs), random.key(6), draw, fake)

    return slope, state, draw, fake


@pytest.mark.parametrize("name", ["minimax", "relativistic"])
def test_unrolling_is_the_gradient_through_d_s_own_updates(name):
    config = replace(TINY, unroll=3, optimizer="sgd")
    knobs = Knobs(name, lr_d=0.5)
    found, state, draw, fake = game(config, knobs)
    (value, slope), real, nothing = found(), draw.real, draw.given
    d, unravel = training.players(config)[1], training.players(config)[1].unravel
    judge = lambda flat, x: d.apply(unravel(flat), state.rest_d, x, nothing)[0][:, 0]  # noqa: E731
    chosen = objective(name)

    def loss(fake):
        flat = state.d
        for _ in range(3):
            d_loss = lambda flat: chosen.d_loss(judge(flat, real), judge(flat, fake))  # noqa: E731
            flat = flat - 0.5 * jax.grad(d_loss)(flat)
        real_after, fake_after = judge(flat, real), judge(flat, fake)
        if name == "minimax":
            return -chosen.d_loss(real_after, fake_after)
        return chosen.g_loss(real_after, fake_after)

    wanted, gradient = jax.value_and_grad(loss)(fake)
    assert value == pytest.approx(float(wanted), rel=1e-5)
    np.testing.assert_allclose(slope, gradient, rtol=1e-3, atol=1e-6)
    short = game(replace(config, unroll=0), knobs)[0]()[1]
    assert np.abs(slope - short).max() > 0.05 * np.abs(short).max()  # the way through D matters


def test_unrolling_stays_finite_where_a_gradient_is_zero():
    """Dead units have second moment 0, where Adam's root alone has no slope."""
    dead = replace(TINY, unroll=2, discriminator=MLP((4,), "relu"))
    slope, state, *_ = game(dead)
    assert np.isfinite(slope(replace(state, d=jnp.zeros_like(state.d)))[1]).all()


def test_the_optimistic_update_is_twice_the_new_minus_the_old():
    rule, plain = (
        training.OPTIMIZERS[name](0.5, 0.9, eps_root=0.0) for name in ("optimistic_adam", "adam")
    )
    w = jnp.arange(3.0)
    mine, theirs, last = rule.init(w), plain.init(w), None
    for seed in range(4):
        gradient = random.normal(random.key(seed), (3,))
        with jax.numpy_dtype_promotion("standard"):
            ahead, mine = rule.update(gradient, mine)
            now, theirs = plain.update(gradient, theirs)
        np.testing.assert_allclose(ahead, now if last is None else 2 * now - last, rtol=1e-6)
        last = now


def test_optimistic_steps_settle_a_bilinear_game():
    """min_x max_y x y, steps of .5: spectral radius .7071; plain steps spiral outwards."""
    settled = {}
    for name in ("optimistic_sgd", "sgd"):
        rule = training.OPTIMIZERS[name](0.0, 0.0, eps_root=0.0)
        w = jnp.array([1.0, 1.0])
        state = rule.init(w)
        for _ in range(60):
            update, state = rule.update(jnp.array([w[1], -w[0]]), state)
            w = w - 0.5 * update
        settled[name] = float(jnp.linalg.norm(w))
    assert settled["optimistic_sgd"] < 1e-7 and settled["sgd"] > 100


def test_feature_matching_is_the_distance_of_mean_features():
    found, state, draw, fake = game(TINY, Knobs(feature_matching=1.0))
    (value, slope), real = found(), draw.real
    module = nnx.merge(
        nnx.graphdef(TINY.discriminator.build(2, 1, nnx.Rngs(0))),
        training.players(TINY)[1].unravel(state.d),
        state.rest_d,
    )

    def gap(fake):
        return ((module.features(real).mean(0) - module.features(fake).mean(0)) ** 2).sum()

    assert value == pytest.approx(float(gap(fake)), rel=1e-5)
    np.testing.assert_allclose(slope, jax.grad(gap)(fake), rtol=1e-4, atol=1e-7)
    plain = game(TINY, Knobs())[0]()[1]
    mixed = found(knobs=Knobs(feature_matching=0.5))[1]
    np.testing.assert_allclose(mixed, (slope + plain) / 2, rtol=1e-4, atol=1e-7)


def test_noise_decays_to_its_share():
    knobs = Knobs(noise=2.0, noise_end=0.25, decay_steps=100)
    step = Step(TINY, training.terms(TINY, knobs), TINY.data)
    for at, wanted in ((0, 2.0), (50, 1.25), (100, 0.5), (500, 0.5)):
        now = training.traced(training.acting(knobs, at))
        drawn = step.noisy(random.key(0), now, jnp.zeros((16, 2)))
        unit = random.normal(random.key(0), (16, 2))
        np.testing.assert_allclose(drawn, wanted * unit, rtol=1e-5)


def test_the_cost_of_a_step_is_its_gradients():
    for config, knobs, cost in (
        (TINY, Knobs(), 2),
        (TINY, Knobs(r1=0.1, r2=0.1), 4),
        (TINY, Knobs("wasserstein", wgan_gp=10, d_steps=5), 11),
        (TINY, Knobs(g_steps=0), 1),
        (replace(TINY, unroll=5), Knobs(), 12),
    ):
        assert training.gradient_evaluations(config, knobs) == cost


def test_the_map_of_a_packed_d_shows_packs_of_copies():
    config = critic(pack=2)
    state, x = init(config, 0), jnp.asarray(X[:4, :2])
    long = MLP((8,), "silu").build(4, 1, nnx.Rngs(0))
    d = training.players(config)[1]
    nnx.update(long, d.unravel(state.d))
    wanted = long(jnp.concatenate([x, x], axis=1))[:, 0]
    np.testing.assert_allclose(training.discriminate(config, state, x), wanted, rtol=1e-5)


def test_bad_games_get_a_sentence():
    for wrong, hint in (
        ({"batch": 15, "discriminator": MLP((8,), pack=2)}, "try batch=16"),
        ({"generator": MLP((8,), pack=2)}, "give the generator pack=1"),
        ({"unroll": -1}, "unroll"),
        ({"unroll": 2.5}, "unroll"),
        ({"unroll": 51}, "unroll"),
    ):
        with pytest.raises(InputError, match=hint):
            replace(TINY, **wrong)


def test_a_game_over_whole_batches_is_not_split_over_devices():
    whole = (BATCH_NORM, critic(dropout=0.3), replace(TINY, unroll=2), critic(across="std"))
    for config in whole:
        with pytest.raises(InputError, match="devices=1"):
            init(replace(config, devices=2), 0)


def test_held_is_not_fooled_by_a_broad_blob():
    grid = Grid()
    blob = random.uniform(random.key(0), (20_000, 2), minval=-5, maxval=5)
    true = grid.sample(random.key(0), 20_000)
    far = jnp.linalg.norm(true - grid.modes[:1], axis=1) > 1
    lost = jnp.where(far[:, None], true, jnp.roll(true, 1, axis=0) + 100)
    coverage = jax.jit(lambda x: mode_coverage(x, grid.modes, grid.mode_std))
    assert (coverage(blob).modes, coverage(blob).held) == (25, 0)
    assert [coverage(x).held for x in (true, lost)] == [25, 24]
