"""The set-ups that are promised by name: they exist, they say what the sources say, they trace."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from gan_lessons import training
from gan_lessons.distributions import Grid, Normal, Ring, TruncatedNormal, Uniform
from gan_lessons.errors import InputError
from gan_lessons.networks import MLP
from gan_lessons.presets import DENSE_PAIRS, PRESETS, preset

cached = functools.cache(preset)
PROMISED = ("ring", "grid", "ganlab-line", "ganlab-gaussians", "ganlab-ring", "ganlab-disjoint")


def test_the_promised_names_are_there():
    assert set(PROMISED) | set(DENSE_PAIRS) <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_ready_to_train(name):
    """Its knobs are in range and one chunk traces, without compiling it."""
    found = cached(name)
    config, knobs = found.config, training.check_knobs(found.knobs)
    assert 100 <= found.steps <= 100_000

    def chunk(data):
        state = training._init(config, jax.random.key(0))
        terms, moving = training.terms(knobs), training.traced(knobs)
        return training._chunk(config, terms, data, state, moving, np.int32(1))

    state, history, *_ = jax.eval_shape(chunk, config.data)
    assert history.shape == (training.BLOCK, len(training.METRICS))
    assert all(leaf.size > 1 for leaf in (state.g, state.d))


@pytest.mark.parametrize("name", PRESETS)
def test_discriminators_give_logits(name):
    """No squashing at the end: logits of any size come out, and negative ones."""
    discriminator = training.players(cached(name).config)[1]
    d, rest = discriminator.make(jax.random.key(0))
    x = 100 * jax.random.normal(jax.random.key(1), (64, cached(name).config.data.dim))
    logits = discriminator.answer(discriminator.unravel(d), rest, x)
    assert logits.shape == (64, 1) and np.abs(logits).max() > 2


@pytest.mark.parametrize(
    ("name", "data"),
    [("ring", Ring(modes=8, radius=1.0, std=0.01)), ("grid", Grid(side=5, spacing=2.0, std=0.05))],
)
def test_the_recipe_for_modes(name, data):
    found = cached(name)
    config, knobs, d = found.config, found.knobs, found.config.discriminator
    assert config.data == data and config.batch == 512
    assert 2**config.latent.bits > 16 * len(data.modes)  # shares come in units of 2^-bits
    assert config.generator.scale == pytest.approx(data.modes.max())
    assert d.band[0] < 1 < 1 / data.mode_std <= d.band[1]  # waves as short as a mode is wide
    assert knobs.objective == "non_saturating" and knobs.r1 == knobs.r2 > 0
    assert found.steps <= 20_000  # a twentieth of PacGAN's


# set-up: prior, hidden widths of G and D, learning rates of D and G, steps of D to one of G
GANLAB = {
    "ganlab-gaussians": (TruncatedNormal(2, 0.5, 0.25), (8, 8), (8, 8), (0.1, 0.03), 2),
    "ganlab-line": (Uniform(2, 0, 1), (5, 5), (6, 6), (0.03, 0.01), 2),
    "ganlab-ring": (Uniform(2, 0, 1), (10, 10), (9, 9, 9), (0.1, 0.03), 3),
    "ganlab-disjoint": (TruncatedNormal(2, 0.5, 0.25), (10,) * 3, (11,) * 3, (0.1, 0.03), 1),
}


@pytest.mark.parametrize("name", GANLAB)
def test_ganlab_as_stored_in_ganlab(name):
    config, knobs = cached(name).config, cached(name).knobs
    latent, g, d, rates, d_steps = GANLAB[name]
    assert config.latent == latent
    assert config.generator == MLP(g, "relu", "tanh", init="ganlab")
    assert config.discriminator == MLP(d, "relu", init="ganlab")
    assert (config.batch, config.optimizer) == (150, "sgd")
    assert (knobs.lr_d, knobs.lr_g) == rates
    assert (knobs.d_steps, knobs.g_steps) == (d_steps, 1)
    assert (knobs.objective, knobs.label_smoothing) == ("non_saturating", 0.05)


@pytest.mark.parametrize("name", DENSE_PAIRS)
def test_the_articles_on_digits(name):
    config, knobs = cached(name).config, cached(name).knobs
    assert config.latent == Normal(100)
    assert config.data.shape == (28, 28)
    points = np.asarray(config.data.points)
    assert points.shape[1] == 784 and points.min() == -1 and points.max() == 1
    assert (config.generator, config.discriminator) == DENSE_PAIRS[name]
    assert config.generator.output == "tanh"  # the range of the pixels
    assert (config.batch, config.optimizer) == (128, "adam")
    assert (knobs.lr_d, knobs.lr_g, knobs.beta1) == (2e-4, 2e-4, 0.5)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("rings", "ring"), ("ganlab_line", "ganlab-line"), ("gird", "grid")]
)
def test_unknown_presets_suggest_the_nearest(wrong, meant):
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        preset(wrong)


@pytest.mark.parametrize("wrong", ["", None, 3])
def test_what_is_no_preset_at_all(wrong):
    with pytest.raises(InputError, match="unknown preset"):
        preset(wrong)
