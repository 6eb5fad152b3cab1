"""Exercises and predictions: right, wrong and not attempted told apart, whatever is given."""

from __future__ import annotations

import contextlib
import fractions
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lessons.errors import InputError
from gan_lessons.exercises import (
    REGISTRY,
    Exercise,
    Mistake,
    Note,
    Prediction,
    Verdict,
    close_to,
    comparison,
    forget_progress,
    keep_progress,
    one_of,
    progress,
    progress_file,
    same_function,
)
from gan_lessons.exercises.arithmetic import number as read_number
from gan_lessons.plots import figure


@pytest.fixture(autouse=True)
def empty_stores(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    stores = (REGISTRY, progress.ANSWERS, progress._unwritten, comparison._curtains)
    for store in stores:
        store.clear()
    yield
    for store in stores:
        store.clear()


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
    asked = number()
    assert "`0.5`" not in repr(asked.solution())  # a try or the hint comes first
    asked.hint()
    solution = asked.solution()
    assert solution._repr_markdown_().startswith("<details>")
    assert "`0.5`" in repr(solution) and "Because." in repr(solution)
    assert "<details>" not in repr(solution)
    for build, text in ((function, "def d_star(p, q):"), (choice, "**b**: 0.5")):
        build().check("no")
        assert text in repr(build().solution())
    pair = [Mistake(lambda x: x, "x"), Mistake(lambda x: -x, "y")]
    assert repr(make(same_function(lambda x: 2 * x, at=[1]), pair).solution()) == "Because."


def test_a_question_is_markdown_unless_there_is_a_front_end(monkeypatch):
    assert isinstance(number().show(), Note) and "What?" in repr(number().show())
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    assert not isinstance(number().show(), Note)


def told(below) -> str:
    return below.outputs[0]["data"]["text/markdown"]


def test_a_number_is_typed_and_checked_and_the_hint_comes_before_the_solution():
    question, field, row, below = number().show(widgets=True).children
    check, hint, solution = row.children
    assert "What?" in told(question)
    solution.click()
    assert "ask for the hint" in told(below)
    field.value = "2"
    check.click()
    assert "that is a ratio" in told(below)
    solution.click()
    assert "<details>" in told(below)
    field.value = "1 - 1/2"
    check.click()
    assert "Because." in told(below)
    hint.click()
    assert "Hint" in told(below)


def test_a_choice_is_clicked_and_a_function_is_written():
    _, radio, row, below = choice().show(widgets=True).children
    assert [label for label, _ in radio.options] == ["a: 0", "b: 0.5", "c: 1"]
    row.children[0].click()
    assert "Not attempted" in told(below)
    radio.value = "c"
    row.children[0].click()
    assert "too large" in told(below)
    _, row, _ = function().show(widgets=True).children
    assert [button.description for button in row.children] == ["Hint", "Solution"]


def test_options_with_formulas_are_listed_above_the_buttons():
    wrong = [Mistake("b", "No.")]
    question, radio, *_ = make(one_of(["$x^2$", "$x$"], "a"), wrong).show(widgets=True).children
    assert "- **b**: $x$" in told(question) and [label for label, _ in radio.options] == ["a", "b"]


def test_every_wrong_option_has_its_answer():
    with pytest.raises(InputError, match="says nothing to who answers c"):
        make(one_of(["x", "y", "z"], "a"), [Mistake("b", "No."), Mistake("b", "No.")])


# Numbers as they are typed -----------------------------------------------------------------


def test_typed_numbers():
    log2 = float(np.log(2))
    for text, value in {
        "1/2": 0.5,
        " .5 ": 0.5,
        "−2": -2,
        "2 ln 2": 2 * log2,
        "-log 4": -2 * log2,
        "2(1 + 1)": 4,
        "3 pi": 3 * np.pi,
        "sqrt(4)/4": 0.5,
        "2^-1": 0.5,
        "1.5*log(2/3) + 0.5*ln(1/2)": 1.5 * np.log(2 / 3) - log2 / 2,
        "e^2": np.e**2,
        "-inf": -np.inf,
        "1e-3": 1e-3,
        "0.5j": 0.5j,
    }.items():
        assert np.isclose(read_number(text), value), text
    assert read_number("[−2, 1/2]") == read_number("-2, 1/2") == [-2, 0.5]
    assert "0.5" in number().check("0,5").message and number().check("0,5").status == "wrong"


@given(st.text(max_size=60) | st.text("0123456789.,+-*/^() lnogexpqrt[]", max_size=60))
@settings(deadline=None, max_examples=300)
def test_whatever_is_typed_is_a_number_or_a_plain_error(text):
    with contextlib.suppress(ArithmeticError, ValueError, TypeError):
        assert isinstance(read_number(text), (float, complex, list))


def test_what_is_typed_is_never_run():
    for text in (
        "__import__('os').getcwd()",
        "(lambda: 1)()",
        "[1 for _ in (1,)]",
        "log.__class__",
    ):
        with pytest.raises(ValueError, match="not a number"):
            read_number(text)


# Predictions -----------------------------------------------------------------------------


def prediction():
    options = {"a": "it converges", "b": "it orbits", "c": "it diverges"}
    return Prediction("dirac", "What will it do?", options, judge_radius, "See the eigenvalues.")


def judge_radius(radius):
    return "c" if radius > 1.1 else "a" if radius < 0.9 else "b"


def test_prediction_right_wrong_and_none():
    asked = prediction()
    nothing = asked.verdict(3.1)
    assert nothing.status == "not_attempted"
    assert "it diverges" not in nothing.message and "3.1" not in nothing.message
    asked.commit("B")
    surprise = asked.verdict(jnp.array(2.5))
    assert surprise.status == "wrong" and "2.5" in surprise.message
    assert "it orbits" in surprise.message and "it diverges" in surprise.message
    assert asked.verdict(1.0).status == "right"


def test_each_wrong_option_has_its_reply():
    replies = {"a": "No friction here.", "c": "Nothing is added."}
    asked = Prediction("p", "?", ["stops", "orbits", "flies off"], "b", "So.", replies)
    asked.commit("c")
    assert "Nothing is added." in asked.verdict().message
    assert "No friction" not in asked.verdict().message
    with pytest.raises(InputError):
        Prediction("p", "?", ["x", "y"], "a", "So.", {"a": "never said"})
    with pytest.raises(InputError):
        Prediction("p", "?", ["x", "y"], "a", "So.", {"z": "no option"})


def test_commitment_outlives_the_cell_and_blanks():
    prediction().commit("b")
    again = prediction()
    for nothing in (..., None, "", "z", 7, Hostile(), LOOP):
        again.commit(nothing)
        assert again.committed == "b"
    again.commit("c")
    assert prediction().committed == "c"


def test_who_has_seen_the_outcome_cannot_predict_any_more():
    asked = prediction()
    asked.commit("a")
    asked.verdict(1.0)
    assert "stays" in repr(asked.commit("b")) and prediction().committed == "a"


def test_unknown_choice_lists_the_options():
    assert "a, b, c" in repr(prediction().commit("z"))
    assert prediction().committed is None


def test_fixed_outcome_and_changed_options():
    fixed = Prediction("fixed", "?", ["up", "down"], "b", "It falls.")
    fixed.commit("b")
    assert fixed.verdict().status == "right"
    renamed = Prediction("fixed", "?", {"up": "up", "down": "down"}, "down", "It falls.")
    assert renamed.committed is None


def test_odd_measurements_do_not_stop_the_lesson():
    asked = prediction()
    asked.commit("a")
    for measured in (None, "text", Hostile(), float("nan"), np.zeros(3)):
        assert isinstance(asked.compare(measured).verdict, Verdict)
        assert repr(asked.compare(measured))


def test_a_click_commits():
    assert "it orbits" in repr(prediction().show())
    _, radio, row = prediction().show(widgets=True).children
    button, said = row.children
    button.click()
    assert "Choose" in said.value and prediction().committed is None
    radio.value = "b"
    assert prediction().committed is None  # a click on an option is no promise yet
    button.click()
    assert prediction().committed == "b" and said.value == "Committed."
    assert prediction().show(widgets=True).children[1].value == "b"


@pytest.fixture
def page(monkeypatch):
    """What a live page would show, in order."""
    shown: list = []
    monkeypatch.setattr("IPython.display.display", lambda each, **_: shown.append(each))
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "live")
    return shown


def words(place) -> str:
    return "\n".join(
        str(output["data"].get("text/markdown", output["data"])) for output in place.outputs
    )


def test_what_happened_is_covered_until_the_learner_has_chosen(page):
    asked, drawn = prediction(), figure()
    asked.compare(3.1, drawn, "radius 3.1")._ipython_display_()
    (place,) = page
    assert "Covered" in words(place) and "3.1" not in words(place)
    prediction().commit("c")  # the question's cell may have been run again since
    assert [set(output["data"]) & {"image/png"} for output in place.outputs] == [
        {"image/png"},
        set(),
        set(),
    ]
    assert "radius 3.1" in words(place) and "As you predicted" in words(place)
    asked.compare(3.1, "again")._ipython_display_()
    assert "again" in words(page[-1]) and place.comm is None  # the first one has left the page


def test_a_static_page_shows_the_experiment_and_withholds_the_verdict(page, monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    prediction().compare(3.1, "radius 3.1")._ipython_display_()
    text = str(page)
    assert "radius 3.1" in text and "no prediction yet" in text and "it diverges" not in text


# The record --------------------------------------------------------------------------------


def test_answers_are_remembered_with_their_mistakes():
    asked = number()
    for answer in (..., 2, 0.7, 0.5):
        asked.check(answer)
    rows = [(each["attempt"], each["verdict"], each["mistake"]) for each in progress.ANSWERS]
    assert rows == [(1, "wrong", 1), (2, "wrong", None), (3, "right", None)]
    asked.self_test()
    assert len(progress.ANSWERS) == 3
    assert not progress_file().exists()  # nothing is written unless it is wished


def test_the_file_is_made_on_wish_and_read_by_the_next_kernel():
    prediction().commit("b")
    assert str(progress_file()) in repr(keep_progress())
    number().check(0)
    content = json.loads(progress_file().read_text())
    assert content["version"] == 1
    assert [each["question"] for each in content["answers"]] == ["dirac", "it"]
    assert content["answers"][1]["mistake"] == 0 and content["answers"][1]["time"]
    new_kernel()
    assert prediction().committed == "b" and number().tried
    prediction().verdict(1.0)
    assert len(json.loads(progress_file().read_text())["answers"]) == 3
    forget_progress()
    assert not progress_file().exists() and prediction().committed is None


def new_kernel() -> None:
    progress.ANSWERS.clear()
    progress._looked.clear()


def test_two_kernels_lose_nothing_of_each_other(tmp_path):
    keep_progress()
    code = """
import sys
from gan_lessons.exercises import Exercise, Mistake, close_to
texts = dict(question="?", hint="h", explanation="e")
wrong = [Mistake(1, "x"), Mistake(2, "y")]
asked = Exercise(sys.argv[1], check=close_to(0), mistakes=wrong, **texts)
for i in range(20):
    asked.check(i)
"""
    both = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("one", "two")]
    assert [process.wait(100) for process in both] == [0, 0]
    answers = json.loads(progress_file().read_text())["answers"]
    for name in ("one", "two"):
        assert [each["attempt"] for each in answers if each["question"] == name] == [*range(1, 21)]


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"version": 9, "answers": []}', '{"version": 1, "answers": [3]}']
)
def test_a_damaged_record_is_moved_aside_and_said(content, capsys):
    keep_progress()
    progress_file().write_text(content)
    number().check(0)
    assert "progress-unread-1.json" in capsys.readouterr().out
    assert progress_file().with_name("progress-unread-1.json").read_text() == content
    assert len(json.loads(progress_file().read_text())["answers"]) == 1


def test_a_record_that_cannot_be_written_is_said_and_stops_nothing(monkeypatch, capsys):
    keep_progress()
    monkeypatch.setattr(progress, "write_whole", refuse_to_write)
    number().check(0)
    assert "could not be written" in capsys.readouterr().out
    monkeypatch.undo()


def refuse_to_write(*_):
    raise OSError(28, "No space left on device")
