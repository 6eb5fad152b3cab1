"""Another learner behind the same protocol: run, rewind, knobs, samples, checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

from gan_lessons.distributions import Mixture
from gan_lessons.errors import InputError
from gan_lessons.run import Run, train
from gan_lessons.training import checkpoints, learner_of
from tests.line_learner import LINE, LineConfig, LineKnobs
from tests.test_training import arrays, same_bits

DATA = Mixture(((-1.0, 0.5), (1.0, 1.5)), (0.3, 0.3))


def test_it_learns_the_mean_and_the_covariance_of_the_data() -> None:
    run = train(LineConfig(DATA, batch=512), {"rate": 0.05}, 800)
    x = np.asarray(run.sample(20_000))
    np.testing.assert_allclose(x.mean(axis=0), [0, 1], atol=0.1)
    np.testing.assert_allclose(np.cov(x.T), [[1.09, 0.5], [0.5, 0.34]], atol=0.12)
    assert run.series("loss")[-50:].mean() < run.series("loss")[:50].mean()


def test_a_run_of_it_rewinds_and_moves_knobs_like_any_other() -> None:
    run = Run(LineConfig(), seed=3)
    run.advance(20)
    run.set(rate=0.01)
    run.advance(30)
    whole, history = arrays(run.state), run.history
    run.rewind(10)
    run.advance(10)
    run.set(rate=0.01)
    run.advance(30)
    assert all(map(np.array_equal, arrays(run.state), whole))
    np.testing.assert_array_equal(run.history, history)
    assert run.coverage(100).counts.sum() == 100


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="unknown keyword of LineKnobs 'lr_d'"):
        Run(LineConfig(), {"lr_d": 0.1})
    run = Run(LineConfig())
    with pytest.raises(InputError, match="did you mean 'rate'"):
        run.set(rat=0.1)
    with pytest.raises(InputError, match="rate must be a number above 0"):
        run.set(rate=-1)
    with pytest.raises(InputError, match="unknown learner"):
        learner_of(3)


def test_a_checkpoint_of_it_loads(tmp_path) -> None:
    config = LineConfig()
    run = Run(config, LineKnobs(0.2), seed=1)
    run.advance(7)
    checkpoints.save(tmp_path, run.state, config, run.knobs, run.history, run.step)
    found = checkpoints.load(tmp_path, LINE.init(config, 1), config)
    again = Run(config, LineKnobs(**found.knobs), seed=1)
    again.restore(found.state, found.history)
    run.advance(5)
    again.advance(5)
    assert same_bits(run.state, again.state)
    np.testing.assert_array_equal(run.history, again.history)
