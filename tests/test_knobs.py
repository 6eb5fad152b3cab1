"""A knob stands in one place; a schedule shows what acts; moving a knob always acts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lessons.errors import InputError
from gan_lessons.training import (
    KNOBS,
    Knobs,
    acting,
    check_knob,
    check_knobs,
    cosine_decay,
    ended,
    traced,
    turned,
)
from gan_lessons.training.schedules import at_share

BAD = [
    *(("lr_d", value) for value in (-1e-3, 0, math.nan, math.inf, 1e6, "0.1", None, True)),
    ("lr_g", [1e-3, -1]),
    *(("beta1", value) for value in (1.0, -1, math.nan)),
    *(("beta2", value) for value in (1.0, -0.1)),
    *((steps, value) for steps in ("d_steps", "g_steps") for value in (-1, 1.5, 101, "two")),
    *((name, wrong) for name, knob in KNOBS.items() if knob.term for wrong in (-0.1, math.nan)),
    *((share, 1.0) for share in ("ema", "label_smoothing")),
    ("penalty_end", 1.1),
    ("lr_d_end", 11),
    ("decay_steps", -1),
    *(("objective", value) for value in (None, 3, "", "wasserstien", ["hinge", "minmax"])),
]


def test_bad_knobs_are_named():
    for name, value in BAD:
        with pytest.raises(InputError, match=name):
            check_knobs(Knobs(**{name: value}))
    for wrong, meant in [("wasserstien", "wasserstein"), ("non-saturating", "non_saturating")]:
        with pytest.raises(InputError, match=f"did you mean '{meant}"):
            check_knob("objective", wrong, Knobs)
    with pytest.raises(InputError, match="did you mean 'lr_d'"):
        check_knob("lrd", 0.1, Knobs)
    with pytest.raises(InputError, match="unknown keyword of Knobs 'lr'"):
        Knobs(lr=1)


def test_every_knob_starts_inside_its_range_and_its_stops_are_allowed():
    for name, knob in KNOBS.items():
        knob.check(getattr(Knobs(), name))
        for stop in knob.stops:
            if not (knob.above and stop == knob.low):
                knob.check(stop)
        assert not knob.slider or (knob.label and knob.help)
        assert not knob.end or knob.end in KNOBS


def test_traced_knobs_are_numbers_whatever_they_were():
    made = traced(Knobs(["hinge", "own"], lr_d=[1e-3, 2e-3], d_steps=2))
    assert made.objective.tolist() == [3, 7] and made.objective.dtype == np.int32
    assert made.lr_d.dtype == np.float32 and made.d_steps.dtype == np.int32


SCHEDULE = Knobs(
    lr_d=2e-3, lr_g=1e-3, lr_d_end=1e-4, decay_steps=100.0, r1=1.0, penalty_end=0.1, noise=0.5
)


@pytest.mark.parametrize("step", [0, 1, 37, 99, 100, 5000])
def test_what_acts_is_what_the_engine_computes(step: int) -> None:
    left = cosine_decay(np.int32(step), np.float32(100))
    engine, shown = at_share(traced(SCHEDULE), left), acting(SCHEDULE, step)
    for name in ("lr_d", "lr_g", "r1", "noise", "beta1"):
        assert getattr(shown, name) == pytest.approx(
            float(getattr(engine, name)), rel=1e-5, abs=1e-8
        )
    assert ended(SCHEDULE, step) == (step >= 100)


MOVES = st.fixed_dictionaries(
    {},
    optional={
        "lr_d": st.floats(1e-6, 1),
        "lr_g": st.floats(1e-6, 1),
        "r1": st.floats(0, 100),
        "r2": st.floats(1e-3, 100),
        "noise": st.floats(0, 2),
        "beta1": st.floats(0, 0.9),
    },
)


@settings(deadline=None, max_examples=200)
@given(MOVES, st.integers(0, 300), st.sampled_from([0.0, 1e-4]), st.sampled_from([0.0, 0.1, 1.0]))
def test_a_moved_knob_acts_at_once_wherever_the_schedule_is(moves, step, end, share) -> None:
    start = Knobs(
        lr_d=2e-3, lr_g=1e-3, lr_g_end=end, decay_steps=200.0, r1=1.0, penalty_end=share, noise=0.1
    )
    before = acting(start, step)
    after = check_knobs(turned(start, step, **moves))
    now = acting(after, step)
    for name in KNOBS:
        if name in moves:
            assert getattr(now, name) == pytest.approx(moves[name], rel=1e-6, abs=1e-9)
        elif KNOBS[name].end and not ended(start, step):  # nothing else jumps
            assert getattr(now, name) == pytest.approx(getattr(before, name), rel=1e-3, abs=1e-6)
    if moves and step < 100:
        assert getattr(acting(after, step + 1), next(iter(moves))) == pytest.approx(
            moves[next(iter(moves))], rel=0.2, abs=1e-6
        )


def test_past_its_end_a_schedule_is_dropped_and_the_knob_stays() -> None:
    start = Knobs(lr_d=2e-3, lr_g=1e-3, lr_d_end=1e-4, decay_steps=200.0)
    after = turned(start, 250, lr_g=0.05)
    assert (after.decay_steps, after.lr_g, after.lr_d) == (0.0, 0.05, 1e-4)
    assert acting(after, 10_000).lr_g == 0.05


def test_who_moves_the_schedule_gets_what_was_asked_for() -> None:
    start = Knobs(lr_g=1e-3, decay_steps=200.0)
    assert turned(start, 250, decay_steps=500.0) == Knobs(lr_g=1e-3, decay_steps=500.0)
    assert turned(start, 250, lr_g=0.1, lr_g_end=0.1).lr_g == 0.1
