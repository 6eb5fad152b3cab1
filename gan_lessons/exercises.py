"""Exercises and predictions: checks that never crash and name the likely mistake.

A lesson defines each `Exercise` in a folded cell. `REGISTRY` keeps them, so that a test can run
every `self_test()`. A `Prediction` is committed to before an experiment, compared after it.
"""

from __future__ import annotations

import copy
import inspect
import reprlib
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from string import ascii_lowercase
from types import EllipsisType
from typing import Any, Literal

import jax
import numpy as np

from gan_lessons.errors import InputError, check_choice, check_number

Status = Literal["not_attempted", "right", "wrong"]
Options = Mapping[Any, str] | Sequence[str]
Outcome = bool | str | EllipsisType  # right; wrong, perhaps with a reason; `...` not attempted

REGISTRY: dict[str, Exercise] = {}  # by id; clear it between two lessons in one process
COMMITMENTS: dict[str, str] = {}  # prediction id -> option key; outlives a cell that is re-run

# Blue and vermillion stay apart for colour-blind readers; sign and words say the same again.
_LOOKS: dict[Status, tuple[str, str, str]] = {
    "right": ("✓", "Right", "#0072B2"),
    "wrong": ("✗", "Not yet", "#C44E00"),
    "not_attempted": ("…", "Not attempted", "#767676"),
}


@dataclass(frozen=True, repr=False)
class Note:
    """Markdown for a notebook, folded under `summary` if there is one; plain in a terminal."""

    text: str
    summary: str = ""

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        folded = f"<details><summary>{self.summary}</summary>\n\n{self.text}\n\n</details>"
        return folded if self.summary else self.text


@dataclass(frozen=True, repr=False)
class Verdict:
    """How an answer was judged: `status`, and a `message` for the learner (markdown)."""

    status: Status
    message: str
    title: str = ""

    def __repr__(self) -> str:
        sign, title, _ = _LOOKS[self.status]
        return f"{sign} {self.title or title}. {self.message}"

    def _repr_markdown_(self) -> str:
        sign, title, colour = _LOOKS[self.status]
        return f'<b style="color:{colour}">{sign} {self.title or title}.</b> {self.message}'


def _attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns, or the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return error


def _quote(value: Any) -> str:
    """`value` on one short line, in backticks; never raises."""
    if isinstance(value, Exception):
        text = _attempt("{0.__class__.__name__}: {0}".format, value)
    else:
        plain = _attempt(value.item) if getattr(value, "shape", None) == () else value
        text = _attempt(reprlib.repr, value if isinstance(plain, Exception) else plain)
    line = " ".join(text.split()) if isinstance(text, str) else f"a {type(value).__name__}"
    return f"`{line[:120].replace('`', chr(39))}`"


def _blank(answer: Any) -> bool:
    """Whether this is the empty place that the lesson left, or holds one."""
    if isinstance(answer, (list, tuple)):
        return any(map(_blank, answer))
    if isinstance(answer, str):
        return not answer.strip(" \n\t.…_?")
    return any(answer is empty for empty in (None, ..., NotImplemented, NotImplementedError))


def _as_array(answer: Any) -> np.ndarray:
    """Numbers, fractions, arrays, "0.5", "1/2", lists of them; or any exception."""
    if isinstance(answer, str):
        top, slash, bottom = answer.replace("−", "-").partition("/")
        return np.asarray(complex(top) / complex(bottom) if slash else complex(top))
    if isinstance(answer, (list, tuple)):
        return np.asarray([_as_array(item) for item in answer])
    array = np.asarray(answer)
    return array if array.dtype == bool else array.astype(complex)


def _compare(answer: Any, expected: Any, tol: float) -> Outcome:
    given, wanted = _attempt(_as_array, answer), _as_array(expected)
    if isinstance(given, jax.errors.TracerArrayConversionError):
        return "JAX is tracing this value, it has no number yet; check it outside `jit` and `grad`"
    if isinstance(given, Exception) or (given.dtype == bool) != (wanted.dtype == bool):
        return f"{_quote(answer)} cannot be read as numbers"
    given = given.reshape(()) if given.size == 1 and wanted.ndim == 0 else given
    if given.shape != wanted.shape:
        return f"your answer has shape {given.shape}, not {wanted.shape}"
    if np.isnan(given).any() and not np.isnan(wanted).any():
        return "your answer contains NaN, which is not a number"
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0) or 1.0
    right, close = (
        np.allclose(given, wanted, rtol=0.0, atol=atol, equal_nan=True)
        for atol in (tol * scale, 20 * tol * scale)
    )
    return right or ("close, but keep more digits" if close and tol < 0.01 else False)


@dataclass(frozen=True)
class Check:
    """Judges an answer against `expected`; against a typical mistake by the same `rule`."""

    rule: Callable[[Any, Any], Outcome]
    expected: Any
    kind: str
    options: Mapping[str, str] | None = None


def close_to(expected: Any, tol: float = 1e-3) -> Check:
    """A number or array, real or complex, within `tol` times the largest magnitude in `expected`.

    `tol` is in (0, 1]; it is absolute where `expected` is all zeros. Infinities must agree.
    Raises `InputError` if `expected` is not numeric.
    """
    tol, array = check_number("tol", tol, 0, 1, above=True), _attempt(_as_array, expected)
    if isinstance(array, Exception):
        raise InputError(f"close_to needs a number or an array, not {_quote(expected)}")
    kind = f"an array of shape {array.shape}" if array.shape else "a number, like `2.5` or `5/2`"
    return Check(lambda answer, wanted: _compare(answer, wanted, tol), expected, kind)


def same_function(reference: Callable[..., Any], at: Sequence[Any], tol: float = 1e-3) -> Check:
    """A function that does at every point of `at` what `reference` does (`tol` as in `close_to`).

    A point is a tuple of arguments, or one argument. A function that returns nothing, or raises
    `NotImplementedError`, is not attempted. Raises `InputError` without function or points.
    """
    tol = check_number("tol", tol, 0, 1, above=True)
    points = [point if isinstance(point, tuple) else (point,) for point in at]
    if not callable(reference) or not points:
        raise InputError("same_function needs a function and at least one point in `at`")

    def rule(answer: Any, wanted: Callable[..., Any]) -> Outcome:
        if not callable(answer):
            return f"{_quote(answer)} is not a function"
        outcomes = (_compare_at(point, answer, wanted, tol) for point in points)
        return next((outcome for outcome in outcomes if outcome is not True), True)

    names = _attempt(lambda: ", ".join(inspect.signature(reference).parameters))
    return Check(rule, reference, f"a function of `{names if isinstance(names, str) else 'x'}`")


def _compare_at(
    point: tuple[Any, ...], answer: Callable[..., Any], wanted: Callable[..., Any], tol: float
) -> Outcome:
    # Copies, because a learner's function may write into its arguments.
    given, right = (_attempt(f, *copy.deepcopy(point)) for f in (answer, wanted))
    if _blank(given) or isinstance(given, NotImplementedError):
        return ...
    place = ", ".join(map(_quote, point))
    if isinstance(given, Exception):
        return type(given) is type(right) or f"your function raised {_quote(given)} at {place}"
    outcome = False if isinstance(right, Exception) else _compare(given, right, tol)
    reason = f": {outcome}" if isinstance(outcome, str) else ""
    return outcome is True or f"at {place} your function gives {_quote(given)}{reason}"


def one_of(options: Options, right: Any) -> Check:
    """A choice: `options` maps keys to texts (a list gets a, b, c, ...); `right` is a key."""
    keyed = _options(options)
    kind = "one of " + ", ".join(f"`{key}`" for key in keyed)

    def rule(answer: Any, wanted: Any) -> Outcome:
        known = _key(answer) in keyed
        return _key(answer) == _key(wanted) if known else f"{_quote(answer)} is not an option"

    return Check(rule, check_choice("option", _key(right), keyed), kind, keyed)


def _key(value: Any) -> str:
    return str(value).strip(" \n\t().:").lower()


def _options(options: Options) -> dict[str, str]:
    pairs = (
        options.items()
        if isinstance(options, Mapping)
        else zip(ascii_lowercase, options, strict=False)
    )
    keyed = {_key(key): text for key, text in pairs}
    if len(keyed) < 2 or len(keyed) != len(options):
        raise InputError("options must be two or more (a list: at most 26) with distinct keys")
    return keyed


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer and what to tell who gives it.

    `wrong` is an example, recognised by the rule of the exercise's check; `when(answer)`, if
    given, decides instead, for a whole family of answers.
    """

    wrong: Any
    message: str
    when: Callable[[Any], Any] | None = None


class _Question:
    """What exercises and predictions share: a question that can be shown."""

    id: str
    question: str
    options: Mapping[str, str]

    def show(self, widgets: bool | None = None) -> Any:
        """The question; with a front end (or `widgets=True`) also what can be clicked."""
        listed = "".join(f"\n- **{key}**: {text}" for key, text in self.options.items())
        note = Note(f"**{type(self).__name__}.** {self.question}\n{listed}".strip())
        if not (has_front_end() if widgets is None else widgets):
            return note
        kit = import_module("ipywidgets")
        return kit.VBox([kit.Output(outputs=_shown(note)), *self._controls(kit)])

    def _controls(self, kit: Any) -> list[Any]:
        raise NotImplementedError


class Exercise(_Question):
    """A question whose answer is judged on the spot; defining it puts it into `REGISTRY`.

    `check` is `close_to`, `same_function`, `one_of`, or a function of the answer that returns
    True (right), False or a reason (wrong), or `...` (not attempted). `mistakes`: two or more,
    the first that matches is named. `solution` is by default what the check expects. Texts are
    markdown. Raises `InputError` for a definition that lacks something.
    """

    def __init__(
        self,
        id: str,
        *,
        question: str,
        check: Check | Callable[[Any], Any],
        mistakes: Sequence[Mistake],
        hint: str,
        explanation: str,
        solution: Any = ...,
    ) -> None:
        if len(mistakes) < 2 or not all((id, question, hint, explanation)):
            raise InputError(f"exercise {id!r} needs all its texts and at least two mistakes")
        if not isinstance(check, Check):
            check = _own_check(check, solution)
        if id in REGISTRY and REGISTRY[id].question != question:
            warnings.warn(f"the id {id!r} is already that of another exercise", stacklevel=2)
        self.id, self.question, self.options = id, question, check.options or {}
        self.mistakes, self._check = tuple(mistakes), check
        self._solution = check.expected if solution is ... else solution
        self._hint, self._explanation = hint, explanation
        REGISTRY[id] = self

    def check(self, answer: Any = ...) -> Verdict:
        """Judge `answer`; whatever it is, a `Verdict` comes back."""
        outcome = _attempt(self._judge, answer, self._check.expected)
        if outcome is ...:
            return Verdict("not_attempted", f"Expected: {self._check.kind}.")
        if outcome is True:
            return Verdict("right", self._explanation)
        named = (m.message for m in self.mistakes if self._is(m, answer))
        return Verdict("wrong", next(named, None) or self._reason(outcome))

    def _judge(self, answer: Any, expected: Any) -> Outcome:
        return ... if _blank(answer) else self._check.rule(answer, expected)

    def _is(self, mistake: Mistake, answer: Any) -> bool:
        if mistake.when is None:
            return _attempt(self._judge, answer, mistake.wrong) is True
        return _attempt(lambda when: bool(when(answer)), mistake.when) is True

    def _reason(self, outcome: Any) -> str:
        if isinstance(outcome, Exception):
            outcome = f"judging your answer raised {_quote(outcome)}"
        reason = f"{outcome[0].upper()}{outcome[1:]}. " if outcome else ""
        return f"{reason}Expected: {self._check.kind}. For help, call `.hint()`."

    def hint(self) -> Note:
        """One step towards the answer."""
        return Note(f"**Hint.** {self._hint}")

    def solution(self) -> Note:
        """The answer (of a function defined in the lesson, its code) and why, folded."""
        text = _quote(self._solution)
        if self.options:
            text = f"**{self._solution}**: {self.options[_key(self._solution)]}"
        if callable(self._solution):
            source = textwrap.dedent(str(_attempt(inspect.getsource, self._solution))).strip()
            text = f"```python\n{source}\n```" if source.startswith(("def ", "@")) else ""
        return Note(f"{text}\n\n{self._explanation}".strip(), "Solution")

    def _controls(self, kit: Any) -> list[Any]:
        notes = {"Hint": self.hint, "Solution": self.solution}
        below, row = kit.Output(), kit.HBox([kit.Button(description=label) for label in notes])
        for button in row.children:
            button.on_click(lambda b: setattr(below, "outputs", _shown(notes[b.description]())))
        return [row, below]

    def self_test(self) -> None:
        """Raise `AssertionError` unless solution, blanks and each mistake get their verdicts."""
        for blank in (..., None, NotImplemented, ""):
            self._expect(blank, "not_attempted")
        self._expect(self._solution, "right")
        for mistake in self.mistakes:
            self._expect(mistake.wrong, "wrong", mistake.message)

    def _expect(self, answer: Any, status: Status, message: str | None = None) -> None:
        verdict = self.check(answer)
        if verdict.status != status or message not in (None, verdict.message):
            wanted = f"{status}: {message}" if message else status
            raise AssertionError(f"{self.id}: {_quote(answer)} is not judged {wanted}; {verdict}")


def _own_check(function: Callable[[Any], Any], solution: Any) -> Check:
    """A check from a plain function; typical mistakes are then matched by value."""
    if _blank(solution):
        raise InputError("an exercise with its own check function needs a solution")

    def rule(answer: Any, wanted: Any) -> Outcome:
        if wanted is not solution:
            return _key(answer) == _key(wanted) or _compare(answer, wanted, 1e-3)
        outcome = function(answer)
        return outcome if isinstance(outcome, (str, EllipsisType)) else bool(outcome)

    return Check(rule, solution, "a function" if callable(solution) else type(solution).__name__)


class Prediction(_Question):
    """A question that the learner commits to before an experiment answers it.

    `options` maps keys to texts (a list gets a, b, c, ...). `outcome` is the key of what
    happens, or a function from what was measured to that key (any other value: none of them).
    Raises `InputError` for fewer than two options, or an outcome that is none of them.
    """

    def __init__(
        self, id: str, question: str, options: Options, outcome: Any, explanation: str
    ) -> None:
        self.id, self.question, self.options = id, question, _options(options)
        self.outcome, self.explanation = outcome, explanation
        if not callable(outcome):
            check_choice("option", _key(outcome), self.options)

    @property
    def committed(self) -> str | None:
        """The key of the option that the learner chose in this session, if any."""
        key = COMMITMENTS.get(self.id)
        return key if key in self.options else None

    def commit(self, choice: Any = ...) -> Note:
        """Commit to an option; anything that is no option leaves an earlier choice as it is."""
        key = _attempt(_key, choice)
        if key in self.options:
            COMMITMENTS[self.id] = key
        elif _attempt(_blank, choice) is not True:
            return Note(f"{_quote(choice)} is not an option; choose from {', '.join(self.options)}")
        return Note(f"You predict {self._named(self.committed) if self.committed else '...'}")

    def compare(self, measured: Any = None) -> Verdict:
        """What the learner said beside what happened; `measured` is shown and judged."""
        result = _attempt(self.outcome, measured) if callable(self.outcome) else self.outcome
        happened = _attempt(_key, result)
        value = "" if measured is None else f" (measured: {_quote(measured)})"
        named = _quote(result) if isinstance(result, Exception) else self._named(happened)
        shown = f"What happened: {named}{value}. {self.explanation}"
        if self.committed is None:
            return Verdict("not_attempted", shown, "You made no prediction this time")
        if self.committed == happened:
            return Verdict("right", shown, "As you predicted")
        return Verdict("wrong", f"You said {self._named(self.committed)}. {shown}", "A surprise")

    def _named(self, key: Any) -> str:
        return f"**{key}** ({self.options[key]})" if key in self.options else "none of the options"

    def _controls(self, kit: Any) -> list[Any]:
        radio = kit.RadioButtons(options=list(self.options), value=self.committed)
        radio.orientation = "horizontal"
        radio.observe(lambda change: self.commit(change["new"]), names="value")
        return [radio]


def has_front_end() -> bool:
    """Whether widgets can be shown here; False where `live` cannot say."""
    try:
        return bool(import_module("gan_lessons.live").has_front_end())
    except (ImportError, AttributeError):
        return False


def _shown(note: Note) -> tuple[dict[str, Any], ...]:
    """Contents of an Output widget, made without the display machinery: safe on any thread."""
    data = {"text/markdown": note._repr_markdown_(), "text/plain": repr(note)}
    return ({"output_type": "display_data", "data": data, "metadata": {}},)
