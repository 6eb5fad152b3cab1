"""A run's memory: rewind to any step bit for bit, whatever moved; stops and interrupts keep it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lessons import training
from gan_lessons.distributions import Ring, SwissRoll
from gan_lessons.errors import InputError
from gan_lessons.run import Run, train
from gan_lessons.training import BLOCK, METRICS, Knobs
from tests.test_training import DIVERGES, TINY, arrays, finite, same_bits

NO_SPACE = 1  # bytes: the fewest snapshots that a run keeps


def identical(one, two):
    return same_bits(one.state, two.state) and np.array_equal(one.history, two.history)


# ---- going back

MOVES = [
    {"lr_d": 1e-2, "lr_g": 3e-3},
    {"objective": "hinge", "d_steps": 2},
    {"objective": "least_squares", "g_steps": 2, "beta1": 0.0},
    {"r1": 0.5, "ema": 0.0},
    {"r1": 0.0, "ema": 0.9},
    {"r1": 0.0, "ema": 0.0},
]
schedules = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(MOVES)), min_size=3, max_size=9)


def play(schedule, memory, seed=0):
    """Train and move knobs as the schedule says; also the state at each step on the way."""
    run = Run(TINY, seed=seed, memory=memory)
    truth = {0: arrays(run.state)}
    for steps, moved in [*schedule, (3, {})]:
        for _ in range(steps):
            assert run.advance(1) == 1
            truth[run.step] = arrays(run.state)
        run.set(**moved)
        truth[run.step] = arrays(run.state)
    return run, truth


@settings(deadline=None, max_examples=8)
@given(schedules, st.sampled_from([NO_SPACE, 1 << 20]), st.data())
def test_rewind_is_exact_to_any_step_whatever_moved(schedule, memory, data):
    run, truth = play(schedule, memory)
    for step, wanted in truth.items():
        for ours, kept in zip(arrays(run.at(step)), wanted, strict=True):
            np.testing.assert_array_equal(ours, kept)
    step = data.draw(st.integers(0, run.step))
    history = run.history
    run.rewind(step)
    assert run.step == step == int(run.state.step)
    np.testing.assert_array_equal(run.history, history[:step])
    np.testing.assert_array_equal(run.forgotten, history)
    assert all(map(np.array_equal, arrays(run.state), truth[step]))


def test_a_history_that_somebody_holds_outlives_a_rewind():
    run = Run(TINY)
    run.advance(9)
    held = run.history
    kept = held.copy()
    run.rewind(3)
    run.set(lr_d=0.1)
    run.advance(6)
    np.testing.assert_array_equal(held, kept)
    assert not np.array_equal(run.history, kept)


def test_an_average_that_was_switched_on_survives_thinning():
    """The snapshot of that moment goes; the replay must start the average all the same."""
    run = Run(TINY, memory=NO_SPACE)
    run.advance(3)
    run.set(ema=0.9)
    run.advance(1)
    wanted = arrays(run.state)
    for _ in range(60):
        run.advance(1)
    assert not {3, 4} & set(run.snapshots)
    assert all(map(np.array_equal, arrays(run.at(4)), wanted))


@pytest.mark.parametrize("memory", [NO_SPACE, 1 << 20])
def test_going_on_after_a_rewind_is_the_same_run(memory):
    once, _ = play([(4, MOVES[0]), (5, MOVES[1]), (6, MOVES[4])], memory)
    again, _ = play([(4, MOVES[0]), (5, MOVES[1]), (6, MOVES[4])], memory)
    again.rewind(7)
    assert again.knobs == replace(Knobs(), **MOVES[0])
    again.advance(2)
    again.set(**MOVES[1])
    again.advance(6)
    again.set(**MOVES[4])
    again.advance(3)
    assert identical(once, again)
    again.rewind(7)
    again.advance(2)
    assert not identical(once, again)


def test_a_rewound_run_can_take_another_way():
    run, _ = play([(4, MOVES[0])], 1 << 20)
    run.rewind(2)
    run.set(lr_d=0.1)
    run.advance(5)
    assert run.step == 7 and len(run.history) == 7
    before = arrays(run.state)
    run.rewind(4)
    run.advance(3)
    assert all(map(np.array_equal, before, arrays(run.state)))


def test_looking_back_changes_nothing():
    run, _ = play([(4, MOVES[0])], NO_SPACE)
    before, kept = arrays(run.state), set(run.snapshots)
    run.at(3)
    run.at(0)
    assert all(map(np.array_equal, before, arrays(run.state)))
    assert (run.step, set(run.snapshots)) == (7, kept)


def test_steps_that_were_never_taken():
    run, _ = play([(4, MOVES[0])], 1 << 20)
    for step in (-1, 8, 2.5, "three", None):
        for ask in (run.rewind, run.at):
            with pytest.raises(InputError, match="step must be a whole number from 0 to 7"):
                ask(step)
    assert run.step == 7
    run.rewind(3.0)  # whole numbers of any kind will do
    assert run.step == 3


def test_snapshots_stay_few_and_reach_back():
    run = Run(TINY, memory=NO_SPACE)
    for _ in range(100):
        run.advance(3)
    assert len(run.snapshots) <= 9 and {0, run.step} & set(run.snapshots)
    gaps = np.diff([*sorted(run.snapshots), run.step])
    assert gaps.max() <= 200  # two thirds of the run at the most are replayed


def test_longer_than_one_block():
    run = Run(TINY, memory=NO_SPACE)
    assert run.advance(BLOCK + 52) == BLOCK + 52
    assert run.history.shape == (BLOCK + 52, len(METRICS))
    chunk = training.advance(TINY, training.init(TINY, 0), Knobs(), BLOCK)
    straight = training.advance(TINY, chunk.state, Knobs(), 20)
    run.snapshots = {0: run.snapshots[0]}
    assert same_bits(run.at(BLOCK + 20), straight.state)


# ---- the rest of a run


def test_history_is_what_the_engine_measured():
    run = Run(TINY, seed=2)
    assert run.history.shape == (0, len(METRICS))
    run.advance(4)
    run.advance(3)
    chunk = training.advance(TINY, training.init(TINY, 2), Knobs(), 7)
    np.testing.assert_array_equal(run.history, np.asarray(chunk.history)[:7])
    np.testing.assert_array_equal(run.series("grad_d"), run.history[:, METRICS.index("grad_d")])


def test_reset_starts_over_with_the_knobs_as_they_are():
    run, _ = play([(2, MOVES[0])], 1 << 20)
    fresh = Run(TINY, run.knobs)
    run.reset()
    assert (run.step, run.seed, run.changes) == (0, 0, fresh.changes)
    assert same_bits(run.state, fresh.state)
    run.reset(seed=5)
    assert run.seed == 5 and not np.array_equal(run.state.g, fresh.state.g)
    run.advance(3)
    assert run.step == 3


def test_a_bad_seed_leaves_the_run_alone():
    run, _ = play([(2, MOVES[0])], 1 << 20)
    before = arrays(run.state)
    with pytest.raises(InputError, match="seed"):
        run.reset(seed=-1)
    assert (run.step, run.seed) == (5, 0)
    assert all(map(np.array_equal, before, arrays(run.state)))


BAD = [
    ({"lr_d": -1.0}, "lr_d"),
    ({"lr_d": 0.5, "lr_g": float("nan")}, "lr_g"),
    ({"lr_d": [0.1, 0.2]}, r"lr_d has shape \(2,\)"),
    ({"lr_d": 0.5, "objective": "hinje"}, "did you mean 'hinge'"),
    ({"objective": "own"}, "this config has none"),
    ({"ema": 0.5, "learning_rate": 0.1}, "unknown knob"),
    ({"d_steps": 0, "g_steps": 0}, "both 0"),
    ({"augment": 0.5}, "augment changes pictures"),
]


def test_a_bad_move_changes_nothing():
    run, _ = play([(2, MOVES[0])], 1 << 20)
    before = (run.knobs, list(run.changes), sorted(run.snapshots), run.step)
    state = arrays(run.state)
    for knobs, says in BAD:
        with pytest.raises(InputError, match=says):
            run.set(**knobs)
        assert (run.knobs, list(run.changes), sorted(run.snapshots), run.step) == before
        assert all(map(np.array_equal, state, arrays(run.state)))


def test_what_a_run_cannot_be_asked():
    run = Run(TINY, {"lr_d": 2e-3})
    assert run.knobs == Knobs(lr_d=2e-3)
    for ask, says in [
        (lambda: Run("ring"), "a run is of a config"),
        (lambda: Run(TINY, Knobs(lr_g=0)), "lr_g"),
        (lambda: Run(TINY, 0.1), "knobs must be"),
        (lambda: Run(TINY, {"lr": 1}), "unknown keyword of Knobs 'lr'"),
        (lambda: Run(TINY, seed="a"), "seed"),
        (lambda: run.advance("10"), "n must be a whole number"),
        (lambda: run.advance(2.5), "n must be a whole number"),
        (lambda: run.advance(-3), "n must be a whole number"),
        (lambda: run.rewind(5), "from 0 to 0"),
        (lambda: run.sample(0), "number of samples"),
        (lambda: run.sample(2.5), "number of samples"),
        (lambda: train(TINY, Knobs(), "x"), "steps must be"),
    ]:
        with pytest.raises(InputError, match=says):
            ask()
    assert run.step == 0


# ---- interrupts


def interrupted_at(step):
    def progress(run):
        if run.step >= step:
            raise KeyboardInterrupt

    return progress


def test_an_interrupt_keeps_the_run(capsys):
    run = train(TINY, Knobs(), 4 * BLOCK, progress=interrupted_at(BLOCK))
    kept = run.step
    assert BLOCK <= kept < 4 * BLOCK and kept == int(run.state.step)
    assert f"interrupted after {kept} steps" in capsys.readouterr().out
    run.advance(5)
    straight = Run(TINY)
    straight.advance(kept + 5)
    assert identical(run, straight)


def lost_on_the_way_out(run, monkeypatch):
    """The chunk was launched, so the state is given away, but nobody has got its result."""

    def advance(config, state, knobs, n):
        training.advance(config, state, knobs, n)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "learner", run.learner._replace(advance=advance))


def cut_short(run, monkeypatch):
    """The chunk's state has arrived and its history has not."""

    def write(rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_write", write)


@pytest.mark.parametrize("cut", [lost_on_the_way_out, cut_short])
def test_an_interrupt_inside_a_chunk_loses_that_chunk_only(monkeypatch, cut):
    run, straight = Run(TINY), Run(TINY)
    run.advance(5)
    straight.advance(12)
    with monkeypatch.context() as patch:
        cut(run, patch)
        with pytest.raises(KeyboardInterrupt):
            run.advance(4)
    assert run.step == 5 == int(run.state.step)
    run.advance(7)
    assert identical(run, straight)


def test_a_real_interrupt_at_any_moment():
    run, straight = Run(TINY), Run(TINY)
    run.advance(5)
    for wait in (0.05, 0.11, 0.17):
        bell = threading.Timer(wait, os.kill, (os.getpid(), signal.SIGINT))
        bell.start()
        with contextlib.suppress(KeyboardInterrupt):
            run.advance(20 * BLOCK)
            bell.join()
        assert run.step == int(run.state.step) == len(run.history)
    straight.advance(run.step)
    assert identical(run, straight)


# ---- several threads


def test_a_run_can_be_looked_at_and_moved_from_another_thread_while_it_trains():
    run, done, trouble = Run(TINY), threading.Event(), []

    def look():
        try:
            for i in range(40):
                assert np.isfinite(np.asarray(run.sample(20))).all()
                step = max(0, run.step - 3)
                assert int(run.at(step).step) == step
                run.coverage(50)
                run.set(lr_d=1e-3 * (1 + i % 2))
        except BaseException as error:
            trouble.append(error)
        done.set()

    looker = threading.Thread(target=look)
    looker.start()
    while not done.is_set():
        with run.flying(200):
            pass
    looker.join()
    assert trouble == [] and run.step == int(run.state.step) == len(run.history)
    step = run.step // 2
    wanted = Run(TINY)
    wanted.changes, wanted.knobs = list(run.changes), run.knobs
    run.rewind(step)
    assert run.step == step == int(run.state.step)


def test_whatever_happens_beside_a_chunk_it_lands():
    run, straight = Run(TINY), Run(TINY)
    with pytest.raises(ValueError, match="no picture"), run.flying(30):
        raise ValueError("no picture")
    assert run.step == 30
    with run.flying(10):
        assert int(run.state.step) == 40  # to look at the state is to wait for the chunk
    straight.advance(40)
    assert identical(run, straight)


# ---- divergence


@pytest.fixture(scope="module")
def diverged():
    run = Run(TINY, DIVERGES)
    run.advance(100)
    return run


def test_divergence_keeps_the_last_good_step(diverged):
    assert 0 < diverged.step < 100
    assert diverged.step == int(diverged.state.step)
    straight = Run(TINY, DIVERGES)
    straight.advance(diverged.step)
    assert straight.stopped is None and finite(diverged.state)
    assert identical(straight, diverged)
    assert f"stopped at step {diverged.step + 1}" in diverged.stopped
    assert diverged.advance(10) == 0  # until something has moved


def test_after_divergence_a_lower_rate_trains_on(diverged):
    run = Run(TINY, DIVERGES)
    run.advance(100)
    run.rewind(1)
    assert run.stopped is None
    run.set(lr_d=1e-3, lr_g=1e-3, beta2=0.99)
    assert run.advance(20) == 20 and run.stopped is None
    assert np.all(np.isfinite(run.history))
    assert len(run.forgotten) == diverged.step


CALM = Knobs()


@pytest.mark.parametrize(
    ("knobs", "broken", "likely"),
    [
        (replace(CALM, lr_d=2.0), "grad_d", "lr_d=2 "),
        (replace(CALM, lr_g=3.0), "grad_g", "lr_g=3 "),
        (replace(CALM, r1=500.0, lr_d=0.1), "grad_d", "r1=500 "),
        (replace(CALM, wgan_gp=50.0, r2=1.0, lr_d=0.1), "grad_d", "wgan_gp=50 "),
        (replace(CALM, objective="wasserstein"), "grad_d", "wgan_gp or clip"),
        (replace(CALM, objective="least_squares"), "grad_g", "least_squares"),
        (replace(CALM, objective="wasserstein", clip=0.1, lr_d=4.0), "grad_d", "lr_d=4 "),
    ],
)
def test_the_sentence_names_the_likely_knob(knobs, broken, likely):
    row = np.ones(len(METRICS))
    row[METRICS.index(broken)] = np.nan
    said = training.explain_stop(row, knobs, 17)
    assert likely in said and "step 17" in said
    assert ("discriminator" in said) == (broken == "grad_d")


# ---- samples


def test_samples_and_coverage():
    run = Run(TINY)
    first, same, other = run.sample(9), run.sample(9), run.sample(9, seed=1)
    assert first.shape == (9, 2)
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    found = run.coverage(200)
    assert found.counts.shape == (8,) and int(found.counts.sum()) == 200


def test_data_without_modes_has_no_coverage():
    run = Run(TINY)
    run.config = replace(TINY, data=SwissRoll())
    with pytest.raises(InputError, match="no modes to count"):
        run.coverage()
    assert isinstance(TINY.data, Ring)
