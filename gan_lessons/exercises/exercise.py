"""Exercises: a question, a check of the answer, and the mistakes that are likely."""

from __future__ import annotations

import inspect
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lessons.errors import InputError
from gan_lessons.exercises.answers import Outcome, attempt, is_blank, key_of, quote
from gan_lessons.exercises.checks import Check, own_check
from gan_lessons.exercises.notes import Note, Status, Verdict, as_output
from gan_lessons.exercises.question import Question

REGISTRY: dict[str, Exercise] = {}  # by id; clear it between two lessons in one process


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer, and what to tell a learner who gives it.

    `wrong` is an example; other answers are recognised as it by the rule of the exercise's check,
    or by `when(answer)`, if given, which can stand for a whole family of answers.
    """

    wrong: Any
    message: str
    when: Callable[[Any], Any] | None = None


class Exercise(Question):
    """A question whose answer is judged on the spot. Defining one puts it into `REGISTRY`.

    Args:
        id: a name of its own.
        question, hint, explanation: texts in markdown; the explanation follows a right answer.
        check: `close_to(...)`, `same_function(...)`, `one_of(...)`, or a function of the answer
            that returns True (right), False or a reason (wrong), or `...` (not attempted).
        mistakes: two or more; the learner is told of the first that matches.
        solution: by default what the check expects.

    Raises: InputError for a definition that lacks something.
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
            check = own_check(check, solution)
        if id in REGISTRY and REGISTRY[id].question != question:
            warnings.warn(f"the id {id!r} is already that of another exercise", stacklevel=2)
        self.id, self.question, self.options = id, question, check.options or {}
        self.mistakes, self._check = tuple(mistakes), check
        self._solution = check.expected if solution is ... else solution
        self._hint, self._explanation = hint, explanation
        REGISTRY[id] = self

    def check(self, answer: Any = ...) -> Verdict:
        """Judge `answer`; whatever it is, a `Verdict` comes back."""
        outcome = attempt(self._judge, answer, self._check.expected)
        if outcome is ...:
            return Verdict("not_attempted", f"Expected: {self._check.kind}.")
        if outcome is True:
            return Verdict("right", self._explanation)
        named = (m.message for m in self.mistakes if self._is(m, answer))
        return Verdict("wrong", next(named, None) or self._reason(outcome))

    def _judge(self, answer: Any, expected: Any) -> Outcome:
        return ... if is_blank(answer) else self._check.rule(answer, expected)

    def _is(self, mistake: Mistake, answer: Any) -> bool:
        if mistake.when is None:
            return attempt(self._judge, answer, mistake.wrong) is True
        return attempt(lambda when: bool(when(answer)), mistake.when) is True

    def _reason(self, outcome: Any) -> str:
        if isinstance(outcome, Exception):
            outcome = f"judging your answer raised {quote(outcome)}"
        reason = f"{outcome[0].upper()}{outcome[1:]}. " if outcome else ""
        return f"{reason}Expected: {self._check.kind}. For help, call `.hint()`."

    def hint(self) -> Note:
        """A step towards the answer."""
        return Note(f"**Hint.** {self._hint}")

    def solution(self) -> Note:
        """The answer (the code, if it is a function) and the reason for it, folded."""
        text = quote(self._solution)
        if self.options:
            text = f"**{self._solution}**: {self.options[key_of(self._solution)]}"
        if callable(self._solution):
            source = textwrap.dedent(str(attempt(inspect.getsource, self._solution))).strip()
            text = f"```python\n{source}\n```" if source.startswith(("def ", "@")) else ""
        return Note(f"{text}\n\n{self._explanation}".strip(), "Solution")

    def _controls(self, kit: Any) -> list[Any]:
        notes = {"Hint": self.hint, "Solution": self.solution}
        below, row = kit.Output(), kit.HBox([kit.Button(description=label) for label in notes])
        for button in row.children:
            button.on_click(lambda b: setattr(below, "outputs", as_output(notes[b.description]())))
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
            raise AssertionError(f"{self.id}: {quote(answer)} is not judged {wanted}; {verdict}")
