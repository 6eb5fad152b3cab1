"""Exercises and predictions: right, wrong and not attempted told apart, whatever is given."""

from __future__ import annotations

import fractions

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lessons import exercises
from gan_lessons.errors import InputError
from gan_lessons.exercises import (
    REGISTRY,
    Exercise,
    Mistake,
    Note,
    Prediction,
    Verdict,
    close_to,
    one_of,
    same_function,
)


@pytest.fixture(autouse=True)
def empty_stores(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    REGISTRY.clear()
    exercises.COMMITMENTS.clear()
    yield
    REGISTRY.clear()
    exercises.COMMITMENTS.clear()


def make(check, mistakes, id="it", **more):
    texts = {"question": "What?", "hint": "Think of $p$.", "explanation": "Because."}
    return Exercise(id, check=check, mistakes=mistakes, **{**texts, **more})


def number():
    wrong = [Mistake(0.0, "D is not certain"), Mistake("2", "that is a ratio")]
    return make(close_to(0.5), wrong)


def d_star(p, q):
    return p / (p + q)


def function():
    def swapped(p, q):
        return q / (p + q)

    wrong = [Mistake(swapped, "you swapped p and q"), Mistake(lambda p, q: p / q, "a ratio")]
    return make(same_function(d_star, at=[(0.2, 0.3), (jnp.array([0.1, 0.9]), 0.4)]), wrong)


def choice():
    wrong = [Mistake("a", "too small"), Mistake("c", "too large")]
    return make(one_of(["0", "0.5", "1"], "b"), wrong)


def own():
    wrong = [Mistake(3, "3 is prime"), Mistake(15, "15 is odd", when=lambda n: n % 2 == 1)]
    return make(lambda n: n % 4 == 0, wrong, solution=8)


ALL = [number, function, choice, own]


class Hostile:
    """Refuses everything that an object can refuse."""

    def refuse(self, *_):
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __bool__ = __len__ = __array__ = __iter__ = refuse
    __float__ = __call__ = __hash__ = refuse


LOOP: list = []
LOOP.append(LOOP)
ODD = [
    "abc",
    "1/0",
    "1" * 5000,
    float("nan"),
    "nan",
    [],
    {},
    {1, 2},
    {"a": 1},
    b"x",
    [[1], [1, 2]],
    np.zeros((2, 3)),
    np.zeros(0),
    np.array(["x", None], dtype=object),
    np.datetime64("2020"),
    10**400 + 1,
    True,
    jnp.bool_(True),
    jax.random.key(0),
    object(),
    int,
    len,
    lambda: 1 / 0,
    lambda p, q: 1 / 0,
    lambda p, q: "text",
    Hostile(),
    Hostile,
    LOOP,
    ValueError("an error as an answer"),
]


# Verdicts --------------------------------------------------------------------------------


@pytest.mark.parametrize("build", ALL)
def test_self_test_passes_and_registers(build):
    exercise = build()
    exercise.self_test()
    assert REGISTRY == {"it": exercise}


@pytest.mark.parametrize("build", ALL)
def test_blanks_are_not_attempted(build):
    exercise = build()
    assert exercise.check().status == "not_attempted"
    for blank in (..., None, NotImplemented, "", " ", "...", [..., 1], (None,)):
        assert exercise.check(blank).status == "not_attempted"


@pytest.mark.parametrize("build", ALL)
def test_odd_input_is_wrong_and_never_raises(build):
    exercise = build()
    for odd in ODD:
        verdict = exercise.check(odd)
        assert verdict.status == "wrong"
        assert repr(verdict) and "\n" not in repr(verdict)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.binary(), st.lists))
@settings(deadline=None, max_examples=60)
def test_any_value_gets_a_verdict(value):
    for build in ALL:
        REGISTRY.clear()
        assert build().check(value).status in ("right", "wrong", "not_attempted")


def test_numbers_in_many_clothes():
    numbers = (0.5, fractions.Fraction(1, 2), np.float32(0.5), np.array(0.5), 0.5 + 0j, 0.5002)
    arrays = (jnp.array(0.5), jnp.array([0.5]), jnp.bfloat16(0.5))
    for half in (*numbers, *arrays, "0.5", "1/2", " 1 / 2 ", ".5", "5e-1"):
        assert number().check(half).status == "right"


def test_a_tracer_is_wrong_and_says_why():
    exercise = number()

    @jax.jit
    def inside(x):
        seen.append(exercise.check(x))
        seen.append(exercise.check([x, x]))
        seen.append(function().check(x))
        seen.append(choice().check(x))
        return x

    seen: list[Verdict] = []
    inside(0.5)
    assert [verdict.status for verdict in seen] == ["wrong"] * 4
    assert "JAX" in seen[0].message


def test_named_mistakes_come_before_the_general_message():
    assert number().check("0.0").message == "D is not certain"
    assert number().check(2.0).message == "that is a ratio"
    assert "hint" in number().check(0.7).message
    assert own().check(21).message == "15 is odd"
    assert choice().check(" C) ").message == "too large"


# Checks ----------------------------------------------------------------------------------


def test_close_to_arrays_shapes_and_scale():
    exercise = make(close_to([0.0, 1e4]), [Mistake([0, 1], "x"), Mistake([1e4, 0], "y")])
    assert exercise.check(jnp.array([1.0, 1e4])).status == "right"
    assert exercise.check(["0", "10000"]).status == "right"
    assert "shape" in exercise.check(1e4).message
    assert "digits" in exercise.check([100.0, 1e4]).message


def test_close_to_small_numbers_rejects_zero():
    exercise = make(close_to(1e-6), [Mistake(0, "not zero"), Mistake(1, "not one")])
    exercise.self_test()


def test_close_to_infinite_and_complex():
    wrong = [Mistake("-inf", "the sign"), Mistake(1e300, "no bound")]
    make(close_to(np.inf), wrong).self_test()
    wrong = [Mistake([0.5, -0.5], "imaginary"), Mistake([1j, -1j], "WGAN's")]
    exercise = make(close_to([0.5j, -0.5j]), wrong)
    exercise.self_test()
    assert exercise.check(["0.5j", "-0.5j"]).status == "right"
    assert "NaN" in exercise.check([np.nan, 0.5j]).message


def test_functions_that_raise_are_quoted():
    message = function().check(lambda p, q: p / 0.0).message
    assert "ZeroDivisionError: float division by zero" in message
    assert "a function of `p, q`" in message
    assert "TypeError" in function().check(lambda p: p).message


def test_function_stubs_are_not_attempted():
    def unfinished(p, q):
        raise NotImplementedError

    for stub in (lambda p, q: None, lambda p, q: ..., unfinished):
        assert function().check(stub).status == "not_attempted"


def test_functions_judged_at_every_point():
    assert function().check(jax.jit(d_star)).status == "right"
    assert function().check(lambda p, q: 0.4).status == "wrong"  # right at the first point only
    assert "shape" in function().check(lambda p, q: jnp.ones(3) if jnp.ndim(p) else 0.4).message


def test_functions_cannot_spoil_the_points():
    def spoil(x):
        x += 1
        return x

    wrong = [Mistake(lambda x: x, "nothing added"), Mistake(lambda x: -x, "negated")]
    exercise = make(same_function(lambda x: x + 1, at=[np.zeros(2)]), wrong)
    assert [exercise.check(spoil).status for _ in range(2)] == ["right", "right"]


def test_functions_with_keys_truth_values_and_errors():
    def check_batch(n):
        if n < 1:
            raise InputError("batch")
        return n > 3

    wrong = [Mistake(lambda n: n > 3, "no check"), Mistake(lambda n: n > 2, "bound")]
    make(same_function(check_batch, at=[0, 3, 5]), wrong).self_test()
    wrong = [Mistake(jax.random.normal, "normal"), Mistake(lambda key: key, "a key")]
    exercise = make(same_function(jax.random.uniform, at=[jax.random.key(0)]), wrong[:1] * 2)
    exercise.self_test()
    assert exercise.check(wrong[1].wrong).status == "wrong"


def test_choices_by_key_in_any_clothes():
    exercise = make(one_of({1: "one", 2: "two"}, right=2), [Mistake(1, "x"), Mistake("1", "x")])
    assert all(exercise.check(two).status == "right" for two in (2, "2", "(2)", np.int32(2)))
    assert "not an option" in exercise.check(3).message
    assert "- **1**: one" in repr(exercise.show())


def test_own_check_may_explain_or_wait():
    def judge(answer):
        return {"late": ..., "near": "nearly there", "yes": np.True_}.get(answer, False)

    exercise = make(judge, [Mistake("no", "No is no"), Mistake("nay", "Nay")], solution="yes")
    exercise.self_test()
    assert exercise.check("late").status == "not_attempted"
    assert exercise.check("near").message.startswith("Nearly there")
    assert exercise.check([1]).status == "wrong"


# Definitions -----------------------------------------------------------------------------


def test_definitions_that_cannot_work_are_refused():
    for build in (
        lambda: make(close_to(0.5), [Mistake(1, "one only")]),
        lambda: make(close_to(0.5), [Mistake(1, "x"), Mistake(2, "y")], hint=""),
        lambda: make(bool, [Mistake(1, "x"), Mistake(2, "y")]),
        lambda: close_to("abc"),
        lambda: close_to(print),
        lambda: close_to(0.5, tol=0),
        lambda: same_function(0.5, at=[1]),
        lambda: same_function(d_star, at=[]),
        lambda: one_of(["only"], "a"),
        lambda: one_of(["x", "y"], "c"),
        lambda: one_of({"a": "x", "A ": "y"}, "a"),
        lambda: Prediction("p", "?", ["x", "y"], "z", "why"),
        lambda: Prediction("p", "?", ["x"], "a", "why"),
    ):
        with pytest.raises(InputError):
            build()
    assert not REGISTRY


def test_self_test_finds_mistakes_that_do_not_work():
    for mistakes in (
        [Mistake(0.5001, "this is right"), Mistake(1, "x")],
        [Mistake(1, "first"), Mistake(1, "never reached")],
        [Mistake(1, "x", when=lambda a: a == 2), Mistake(2, "y")],
        [Mistake(None, "blank"), Mistake(1, "x")],
    ):
        with pytest.raises(AssertionError, match="it:"):
            make(close_to(0.5), mistakes).self_test()


def test_self_test_finds_a_wrong_solution():
    wrong = [Mistake(0, "x"), Mistake(1, "y")]
    with pytest.raises(AssertionError):
        make(close_to(0.5), wrong, solution=0.6).self_test()


def test_running_a_cell_again_is_silent_but_a_shared_id_is_not():
    number()
    second = number()
    assert REGISTRY["it"] is second
    with pytest.warns(UserWarning, match="it"):
        make(close_to(1), [Mistake(0, "x"), Mistake(2, "y")], question="Another?")


# What is shown ---------------------------------------------------------------------------


def test_verdicts_differ_by_sign_and_word_not_only_by_colour():
    verdicts = [number().check(answer) for answer in (0.5, 0.7, ...)]
    assert len({repr(verdict).split(".")[0] for verdict in verdicts}) == 3
    for verdict, sign in zip(verdicts, "✓✗…", strict=True):
        assert repr(verdict).startswith(sign)
        assert sign in verdict._repr_markdown_() and "color:" in verdict._repr_markdown_()
    assert "<" not in repr(verdicts[0])


def test_hint_and_folded_solution():
    assert "Think of $p$." in repr(number().hint())
    solution = number().solution()
    assert solution._repr_markdown_().startswith("<details>")
    assert "`0.5`" in repr(solution) and "Because." in repr(solution)
    assert "<details>" not in repr(solution)
    assert "def d_star(p, q):" in repr(function().solution())
    assert "**b**: 0.5" in repr(choice().solution())
    pair = [Mistake(lambda x: x, "x"), Mistake(lambda x: -x, "y")]
    assert repr(make(same_function(lambda x: 2 * x, at=[1]), pair).solution()) == "Because."


def test_a_question_is_markdown_unless_there_is_a_front_end(monkeypatch):
    assert isinstance(number().show(), Note) and "What?" in repr(number().show())
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    assert not isinstance(number().show(), Note)


def test_buttons_show_hint_and_solution():
    question, row, below = number().show(widgets=True).children
    assert "What?" in question.outputs[0]["data"]["text/markdown"]
    row.children[0].click()
    assert "Hint" in below.outputs[0]["data"]["text/markdown"]
    row.children[1].click()
    assert "<details>" in below.outputs[0]["data"]["text/markdown"]


# Predictions -----------------------------------------------------------------------------


def prediction():
    options = {"a": "it converges", "b": "it orbits", "c": "it diverges"}
    return Prediction("dirac", "What will it do?", options, judge_radius, "See the eigenvalues.")


def judge_radius(radius):
    return "c" if radius > 1.1 else "a" if radius < 0.9 else "b"


def test_prediction_right_wrong_and_none():
    asked = prediction()
    nothing = asked.compare(3.1)
    assert nothing.status == "not_attempted"
    assert "it diverges" in nothing.message and "3.1" in nothing.message
    asked.commit("B")
    surprise = asked.compare(jnp.array(2.5))
    assert surprise.status == "wrong"
    assert "it orbits" in surprise.message and "it diverges" in surprise.message
    assert asked.compare(1.0).status == "right"


def test_commitment_outlives_the_cell_and_blanks():
    prediction().commit("b")
    again = prediction()
    for nothing in (..., None, "", "z", 7, Hostile(), LOOP):
        again.commit(nothing)
        assert again.committed == "b"
    again.commit("c")
    assert prediction().committed == "c"


def test_unknown_choice_lists_the_options():
    assert "a, b, c" in repr(prediction().commit("z"))
    assert prediction().committed is None


def test_fixed_outcome_and_changed_options():
    fixed = Prediction("fixed", "?", ["up", "down"], "b", "It falls.")
    fixed.commit("b")
    assert fixed.compare().status == "right"
    renamed = Prediction("fixed", "?", {"up": "up", "down": "down"}, "down", "It falls.")
    assert renamed.committed is None


def test_odd_measurements_do_not_stop_the_lesson():
    asked = prediction()
    asked.commit("a")
    for measured in (None, "text", Hostile(), float("nan"), np.zeros(3)):
        assert isinstance(asked.compare(measured), Verdict)


def test_radio_buttons_commit():
    assert "it orbits" in repr(prediction().show())
    _, radio = prediction().show(widgets=True).children
    assert radio.value is None and prediction().committed is None
    radio.value = "b"
    assert prediction().committed == "b"
    _, again = prediction().show(widgets=True).children
    assert again.value == "b"
