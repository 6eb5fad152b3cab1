"""Games on pictures: augmentation, reconstruction, labels, and the average of all of G."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from gan_lessons import training
from gan_lessons.distributions import Normal, Ring, WithLabels
from gan_lessons.errors import InputError
from gan_lessons.images import digits
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from gan_lessons.run import Run
from gan_lessons.training import Config, Knobs, Step, init

G, D = ConvGenerator(8, 1, (6, 4), norm="batch"), ConvDiscriminator(8, 1, (4, 6), norm="batch")
CONV = Config(digits(8).distribution(), Normal(5), G, D, batch=16)
ROWS = replace(CONV, generator=MLP((8,), "tanh"), discriminator=MLP((8,), "silu"))


def game(config, knobs):
    step = Step(config, training.terms(knobs), config.data)
    real = config.data.sample(random.key(1), config.batch)
    fake = 0.5 * random.normal(random.key(2), real.shape)
    anneal = lambda start, end: start  # noqa: E731
    return step, init(config, 0), training.traced(knobs), random.key(3), real, fake, anneal


# ---- terms of the losses


@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_reconstruction_adds_the_mean_distance_of_pairs(name, power):
    *same, real, fake, anneal = game(ROWS, Knobs(**{name: 3.0}))[1:]
    parts = (*same, real, fake, anneal)
    with_term = Step(ROWS, frozenset({name}), ROWS.data).g_slope(*parts)
    plain = Step(ROWS, frozenset(), ROWS.data).g_slope(*parts)
    apart = np.abs(np.asarray(fake) - np.asarray(real))
    assert with_term[0] - plain[0] == pytest.approx(3 * (apart**power).mean(), rel=1e-4)
    slope = power * apart ** (power - 1) * np.sign(np.asarray(fake) - np.asarray(real))
    np.testing.assert_allclose(with_term[1] - plain[1], 3 * slope / apart.size, atol=1e-6)


def test_without_pairs_l2_alone_makes_every_sample_the_mean_digit():
    run = Run(ROWS, Knobs(lr_g=1e-2, lr_d=1e-6, l2=1e4), seed=0)
    run.advance(1500)
    mean = np.asarray(ROWS.data.points).mean(axis=0)
    assert np.abs(np.asarray(run.sample(50)) - mean).mean() < 0.1


def test_d_sees_augmented_pictures_of_both_kinds():
    """The slope of G's loss at fakes is that through the augmentation, by finite differences."""
    step, *parts, fake, anneal = game(ROWS, Knobs(augment=1.0))
    loss = jax.jit(lambda fake: step.g_slope(*parts, fake, anneal)[0])
    _, slope = step.g_slope(*parts, fake, anneal)
    towards = random.normal(random.key(9), fake.shape)
    rise = (loss(fake + 1e-2 * towards) - loss(fake - 1e-2 * towards)) / 2e-2
    assert jnp.vdot(slope, towards) == pytest.approx(float(rise), rel=2e-2, abs=1e-4)
    plain = Step(ROWS, frozenset(), ROWS.data)
    for seen in (step, plain):
        shown = seen.shown(random.key(0), parts[1], parts[3], anneal)
        assert np.allclose(shown, parts[3]) == (seen is plain)


@pytest.mark.parametrize(
    ("config", "knobs", "word"),
    [
        (Config(Ring(), batch=8), Knobs(augment=0.5), "augment"),
        (replace(ROWS, unroll=1), Knobs(feature_matching=0.5), "feature_matching"),
        (replace(ROWS, unroll=1), Knobs(l1=1.0, augment=0.5), "augment and l1"),
    ],
)
def test_terms_without_a_meaning_get_a_sentence(config, knobs, word):
    with pytest.raises(InputError, match=word):
        training.advance(config, init(config, 0), knobs, 1)


# ---- labels


def labelled(**how):
    data = digits(8).distribution(labels=True)
    latent = WithLabels(Normal(5), data.shares)
    g, d = (replace(spec, labels=10, norm="none") for spec in (G, D))
    return Config(data, latent, g, d, batch=16, **how)


def test_latents_carry_labels_as_often_as_the_data():
    latent = WithLabels(Normal(2), (0.2, 0.8))
    rows = np.asarray(latent.sample(random.key(0), 20_000))
    assert rows.shape == (20_000, 4) and latent.dim == len(latent.extent) == 4
    assert set(map(tuple, rows[:, 2:])) == {(0.0, 1.0), (1.0, 0.0)}
    assert rows[:, 3].mean() == pytest.approx(0.8, abs=0.01)
    assert abs(np.corrcoef(rows[:, 0], rows[:, 3])[0, 1]) < 0.03
    chosen = latent.given(jnp.zeros((2, 2)), jnp.array([1, 0]))
    np.testing.assert_array_equal(chosen, [[0, 0, 0, 1], [0, 0, 1, 0]])


def test_a_game_with_labels_trains_and_keeps_them_one_hot():
    config = labelled()
    run = Run(config, Knobs("relativistic", r1=1.0, r2=1.0, augment=0.3), seed=0)
    assert run.advance(5) == 5 and run.stopped is None
    rows = np.asarray(run.sample(40))
    assert rows.shape == (40, 74) and np.all(rows[:, 64:].sum(axis=1) == 1)
    assert np.all(np.isin(rows[:, 64:], (0, 1)))


def test_g_learns_what_the_label_means():
    """Two flat kinds of picture, black and white: after some steps the label decides."""
    from gan_lessons.images import ImageSet

    flat = np.repeat([-0.8, 0.8], 20)[:, None, None] * np.ones((1, 8, 8))
    data = ImageSet(flat, np.repeat([0, 1], 20), "flat").distribution(labels=True)
    latent = WithLabels(Normal(4), data.shares)
    g, d = (
        ConvGenerator(8, 1, (16, 8), "silu", labels=2),
        ConvDiscriminator(8, 1, (8, 16), labels=2),
    )
    run = Run(Config(data, latent, g, d, batch=32), Knobs(r1=0.1, lr_g=2e-3, lr_d=2e-3), seed=0)
    run.advance(400)
    z = latent.given(random.normal(random.key(0), (64, 4)), jnp.arange(64) % 2)
    made = np.asarray(training.generate(run.config, run.state, z))[:, :64].mean(axis=1)
    assert made[::2].mean() < -0.5 and made[1::2].mean() > 0.5


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
