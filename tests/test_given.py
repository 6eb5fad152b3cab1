"""Games in which something is given with each example, and other games on pictures."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from gan_lessons import training
from gan_lessons.distributions import Normal, Paired, Ring
from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet, digits, pairs
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from gan_lessons.run import Run
from gan_lessons.training import Config, Draw, Knobs, Step, init

G, D = ConvGenerator(8, 1, (6, 4), norm="batch"), ConvDiscriminator(8, 1, (4, 6), norm="batch")
CONV = Config(digits(8).distribution(), Normal(5), G, D, batch=16)
ROWS = replace(CONV, generator=MLP((8,), "tanh"), discriminator=MLP((8,), "silu"))


def game(config, knobs):
    step = Step(config, training.terms(config, knobs), config.data)
    z, (real, given) = jnp.zeros((config.batch, 5)), config.data.batch(random.key(1), config.batch)
    fake = 0.5 * random.normal(random.key(2), real.shape)
    start = (init(config, 0), training.traced(knobs), random.key(3), Draw(z, real, given), fake)
    return step, start


# ---- terms of the losses


@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_reconstruction_adds_the_mean_distance_of_pairs(name, power):
    _, parts = game(ROWS, Knobs(**{name: 3.0}))
    with_term = Step(ROWS, frozenset({name}), ROWS.data).g_slope(*parts)
    plain = Step(ROWS, frozenset(), ROWS.data).g_slope(*parts)
    draw, fake = parts[3:]
    apart = np.abs(np.asarray(fake) - np.asarray(draw.real))
    assert with_term[0] - plain[0] == pytest.approx(3 * (apart**power).mean(), rel=1e-4)
    slope = power * apart ** (power - 1) * np.sign(np.asarray(fake) - np.asarray(draw.real))
    np.testing.assert_allclose(with_term[1] - plain[1], 3 * slope / apart.size, atol=1e-6)


def test_without_pairs_l2_alone_makes_every_sample_the_mean_digit():
    run = Run(ROWS, Knobs(lr_g=1e-2, lr_d=1e-6, l2=1e4), seed=0)
    run.advance(1500)
    mean = np.asarray(ROWS.data.points).mean(axis=0)
    assert np.abs(np.asarray(run.sample(50)) - mean).mean() < 0.1


def test_d_sees_augmented_pictures_of_both_kinds():
    """The slope of G's loss at fakes is that through the augmentation, by finite differences."""
    step, (*parts, fake) = game(ROWS, Knobs(augment=1.0))
    loss = jax.jit(lambda fake: step.g_slope(*parts, fake)[0])
    _, slope = step.g_slope(*parts, fake)
    towards = random.normal(random.key(9), fake.shape)
    rise = (loss(fake + 1e-2 * towards) - loss(fake - 1e-2 * towards)) / 2e-2
    assert jnp.vdot(slope, towards) == pytest.approx(float(rise), rel=2e-2, abs=1e-4)
    plain = Step(ROWS, frozenset(), ROWS.data)
    real = parts[3].real
    for seen in (step, plain):
        assert np.allclose(seen.shown(random.key(0), parts[1], real), real) == (seen is plain)


def test_terms_without_a_meaning_get_a_sentence():
    for config, knobs, word in [
        (Config(Ring(), batch=8), Knobs(augment=0.5), "augment"),
        (replace(ROWS, unroll=1), Knobs(feature_matching=0.5), "feature_matching"),
        (replace(ROWS, unroll=1), Knobs(l1=1.0, augment=0.5), "augment and l1"),
    ]:
        with pytest.raises(InputError, match=word):
            training.advance(config, init(config, 0), knobs, 1)


# ---- what is given

DENSE = {"generator": MLP((32,), "tanh"), "discriminator": MLP((32,), "silu")}
CONVOLVED = {
    "generator": ConvGenerator(8, 1, (16, 8), "silu"),
    "discriminator": ConvDiscriminator(8, 1, (8, 16)),
}


def black_and_white():
    """Two flat kinds of picture: the label says which."""
    flat = np.repeat([-0.8, 0.8], 20)[:, None, None] * np.ones((1, 8, 8))
    flat = flat + 0.05 * np.random.default_rng(0).normal(size=flat.shape)
    return ImageSet(np.clip(flat, -1, 1), np.repeat([0, 1], 20), "flat").distribution(labels=True)


@pytest.mark.parametrize("nets", [DENSE, CONVOLVED], ids=["dense", "convolutional"])
def test_g_learns_what_the_label_means(nets):
    config = Config(black_and_white(), Normal(4), **nets, batch=32)
    run = Run(config, Knobs(r1=0.1, lr_g=2e-3, lr_d=2e-3), seed=0)
    run.advance(500)
    labels = np.eye(2, dtype=np.float32)[np.arange(64) % 2]
    z = random.normal(random.key(0), (64, 4))
    made = np.asarray(training.generate(config, run.state, z, labels)).mean(axis=1)
    assert made[::2].mean() < -0.4 and made[1::2].mean() > 0.4
    drawn = np.asarray(run.sample(64, given=labels)).mean(axis=1)
    assert drawn[::2].mean() < -0.4 and drawn[1::2].mean() > 0.4


def test_dense_conditional_points_go_where_their_label_says():
    """Three clusters on a line, a class each: today's G makes class 0, 1, 2 where it is told."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    points = (np.array([-2.0, 0.0, 2.0])[labels] + 0.1 * rng.normal(size=300))[:, None]
    data = Paired(points, np.eye(3)[labels], about="label")
    config = Config(data, Normal(2), MLP((32, 32)), MLP((32, 32), "silu"), batch=64)
    run = Run(config, Knobs(r1=0.1, lr_g=2e-3, lr_d=2e-3), seed=0)
    run.advance(1500)
    for k, centre in enumerate((-2, 0, 2)):
        given = np.tile(np.eye(3)[k], (200, 1))
        assert np.asarray(run.sample(200, given=given)).mean() == pytest.approx(centre, abs=0.4)


def test_with_a_source_picture_l1_is_the_distance_of_pairs():
    """G is told the source; with L1 alone it learns the map from source to target."""
    source = digits(8)
    target = ImageSet(-source.images, None, "negatives")
    data = pairs(source, target)
    config = Config(data, Normal(4), MLP((64, 64), "tanh", "tanh"), MLP((16,), "silu"), batch=64)
    run = Run(config, Knobs(lr_g=3e-3, lr_d=1e-6, l1=1000.0), seed=0)
    run.advance(1500)
    x, given = data.batch(random.key(0), 200)
    np.testing.assert_allclose(x, -given, atol=1e-6)
    made = np.asarray(run.sample(200, given=given))
    assert (
        np.abs(made - np.asarray(x)).mean()
        < 0.5 * np.abs(np.asarray(x) - np.asarray(x).mean(axis=0)).mean()
    )


def test_d_may_be_kept_from_seeing_what_is_given():
    config = Config(black_and_white(), Normal(4), **DENSE, batch=32, d_sees_given=False)
    state = init(config, 0)
    x = jnp.zeros((3, 64))
    assert training.discriminate(config, state, x).shape == (3,)
    told = replace(config, d_sees_given=True)
    with pytest.raises(InputError, match="give"):
        training.discriminate(told, init(told, 0), x)
    assert training.advance(config, state, Knobs(r1=1.0, wgan_gp=1.0, noise=0.1), 3).fine


def test_noise_and_penalties_leave_alone_what_is_given():
    config = Config(black_and_white(), Normal(4), **DENSE, batch=32)
    step = Step(config, frozenset({"noise"}), config.data)
    draw = step.draw(random.key(0))
    assert set(np.unique(draw.given)) == {0.0, 1.0} and draw.real.shape == (32, 64)
    _, given = config.data.batch(random.split(random.key(0))[1], 32)
    np.testing.assert_array_equal(draw.given, given)


def test_who_cannot_use_what_is_given_says_so():
    data = pairs(digits(8), digits(8))
    with pytest.raises(InputError, match="picture"):
        Run(Config(data, Normal(4), ConvGenerator(8, 1, (6, 4)), MLP((8,)), batch=8))
    config = Config(black_and_white(), Normal(4), **DENSE, batch=32)
    with pytest.raises(InputError, match="label"):
        training.generate(config, init(config, 0), jnp.zeros((3, 4)))
    with pytest.raises(InputError, match=r"\[3, 2\]"):
        training.generate(config, init(config, 0), jnp.zeros((3, 4)), jnp.zeros((3, 5)))


# ---- the moving average


def test_the_average_carries_the_batch_statistics():
    """After many steps with tiny rates the average is G, statistics included: same pictures."""
    run = Run(CONV, Knobs(lr_g=1e-7, lr_d=1e-7, ema=0.5), seed=0)
    start = jax.tree.map(np.asarray, run.state.ema_rest)
    run.advance(300)
    moved = [
        not np.allclose(a, b)
        for a, b in zip(*map(jax.tree.leaves, (start, run.state.ema_rest)), strict=True)
    ]
    assert any(moved)
    a, b = (np.asarray(run.sample(32, ema=ema)) for ema in (False, True))
    np.testing.assert_allclose(a, b, atol=0.05)


def test_one_step_of_the_average_is_the_formula():
    config, decay = CONV, 0.75
    before = init(config, 0)
    kept = jax.tree.map(np.asarray, (before.ema, before.ema_rest))
    after = training.advance(config, before, Knobs(ema=decay), 1).state
    mix = lambda old, new: decay * old + (1 - decay) * np.asarray(new)  # noqa: E731
    wanted = mix(kept[0], after.g), jax.tree.map(mix, kept[1], after.rest_g)
    for a, b in zip(*map(jax.tree.leaves, (wanted, (after.ema, after.ema_rest))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_average_is_the_same_rewound_and_replayed():
    run = Run(CONV, Knobs(ema=0.9), seed=0)
    run.advance(12)
    first = np.asarray(run.sample(4, ema=True))
    run.rewind(4)
    run.advance(8)
    np.testing.assert_array_equal(first, run.sample(4, ema=True))
