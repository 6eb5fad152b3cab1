"""The set-ups that are promised by name: they exist, they trace, they can reach their data."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from gan_lessons import training
from gan_lessons.errors import InputError
from gan_lessons.presets import DENSE_PAIRS, PRESETS, preset
from gan_lessons.training import learner_of, loop

PROMISED = ("ring", "grid", "ganlab-line", "ganlab-gaussians", "ganlab-ring", "ganlab-disjoint")


def test_the_promised_names_are_there():
    assert {*PROMISED, "playground", "stacked-digits", *DENSE_PAIRS} <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_ready_to_train(name, monkeypatch):
    """Its knobs are in range, a chunk traces (it is not compiled), and G can reach the data."""
    monkeypatch.setattr(loop, "_eigen", dict)  # an outermost jit alone takes options
    found = preset(name)
    config, knobs = found.config, found.knobs
    learner_of(config).check(config, knobs)
    state = jax.eval_shape(lambda: training.init(config, 0))
    chunk = jax.eval_shape(lambda state: training.advance(config, state, knobs, 1), state)
    assert chunk.history.shape == (training.BLOCK, len(training.METRICS))
    assert 100 <= found.steps <= 100_000
    real = np.asarray(config.data.sample(jax.random.key(0), 256))
    if config.generator.output == "tanh":
        assert np.quantile(np.abs(real), 0.95) <= getattr(config.generator, "scale", 1.0)
    assert getattr(config.discriminator, "output", "linear") == "linear"  # logits


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_the_recipe_for_modes_sees_how_wide_a_mode_is(name):
    config = preset(name).config
    assert 2**config.latent.bits > 16 * len(config.data.modes)  # shares come in units of 2^-bits
    (low, high), std = config.discriminator.band, config.data.mode_std
    assert std is not None and low < 1 < 1 / std <= high  # waves as short as a mode is wide


def test_unknown_presets_get_a_sentence_with_the_nearest_name():
    cases = {"rings": "ring", "ganlab_line": "ganlab-line", "gird": "grid"}
    for wrong, meant in cases.items():
        with pytest.raises(InputError, match=f"did you mean '{meant}'"):
            preset(wrong)
    for nothing in ("", None, 3):
        with pytest.raises(InputError, match="unknown preset"):
            preset(nothing)
