"""Exercises: a question, a check of the answer, and the mistakes that are likely."""

from __future__ import annotations

import functools
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
from gan_lessons.exercises.progress import answers_to, note_answer
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

    Raises: InputError for a definition that lacks something; a choice needs a mistake for each
        wrong option.
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
        few = len(mistakes) < (1 if isinstance(check, Check) and check.options else 2)
        if few or not all((id, question, hint, explanation)):
            raise InputError(f"exercise {id!r} needs all its texts and at least two mistakes")
        if not isinstance(check, Check):
            check = own_check(check, solution)
        if unanswered := self._options_without(check, mistakes):
            raise InputError(f"exercise {id!r} says nothing to who answers {unanswered}")
        if id in REGISTRY and REGISTRY[id].question != question:
            warnings.warn(f"the id {id!r} is already that of another exercise", stacklevel=2)
        self.id, self.question, self.options = id, question, check.options or {}
        self.mistakes, self._check = tuple(mistakes), check
        self._solution = check.expected if solution is ... else solution
        self._hint, self._explanation = hint, explanation
        self._hinted = False
        REGISTRY[id] = self

    @staticmethod
    def _options_without(check: Check, mistakes: Sequence[Mistake]) -> str:
        told = {key_of(check.expected), *(key_of(mistake.wrong) for mistake in mistakes)}
        return ", ".join(key for key in check.options or {} if key not in told)

    def check(self, answer: Any = ...) -> Verdict:
        """Judge `answer`; whatever it is, a `Verdict` comes back, and the record has it."""
        verdict, mistake = self._verdict(answer)
        if verdict.status != "not_attempted":
            note_answer(self.id, "exercise", quote(answer), verdict.status, mistake)
        return verdict

    def _verdict(self, answer: Any) -> tuple[Verdict, int | None]:
        """The verdict, and the number of the mistake that was made if it is a named one."""
        outcome = attempt(self._judge, answer, self._check.expected)
        if outcome is ...:
            return Verdict("not_attempted", f"Expected: {self._check.kind}."), None
        if outcome is True:
            return Verdict("right", self._explanation), None
        for number, mistake in enumerate(self.mistakes):
            if self._is(mistake, answer):
                return Verdict("wrong", mistake.message), number
        return Verdict("wrong", self._reason(outcome)), None

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
        return f"{reason}Expected: {self._check.kind}. Ask for the hint if you are stuck."

    def hint(self) -> Note:
        """A step towards the answer."""
        self._hinted = True
        return Note(f"**Hint.** {self._hint}")

    @property
    def tried(self) -> bool:
        """Whether the learner has answered, or has seen the hint."""
        return self._hinted or bool(answers_to(self.id))

    def solution(self) -> Note:
        """The answer (the code, if it is a function) and the reason for it, folded.

        Who has neither tried nor seen the hint is asked to do so first.
        """
        if not self.tried:
            return Note("Try it, or ask for the hint; the solution can be had after that.")
        text = quote(self._solution)
        if self.options:
            text = f"**{self._solution}**: {self.options[key_of(self._solution)]}"
        if callable(self._solution):
            source = textwrap.dedent(str(attempt(inspect.getsource, self._solution))).strip()
            text = f"```python\n{source}\n```" if source.startswith(("def ", "@")) else ""
        return Note(f"{text}\n\n{self._explanation}".strip(), "Solution")

    def _controls(self, kit: Any) -> list[Any]:
        below, row = kit.Output(), []
        show = functools.partial(setattr, below, "outputs")
        if field := self._field(kit):
            button = kit.Button(description="Check", button_style="primary")
            button.on_click(lambda _: show(as_output(self.check(field.value))))
            row = [button]
        for label, note in (("Hint", self.hint), ("Solution", self.solution)):
            button = kit.Button(description=label)
            button.on_click(lambda _, note=note: show(as_output(note())))
            row.append(button)
        return [*filter(None, [field]), kit.HBox(row), below]

    def _field(self, kit: Any) -> Any:
        """Where an answer is chosen or typed; None for one that is written in a cell."""
        if self.options:
            return self._radio(kit)
        if not self._check.typed:
            return None
        field = kit.Text(placeholder="a number: 0.5, 1/2, 2 ln 2, sqrt(3)")
        field.layout.width = "340px"
        if self._check.kind.startswith("an array"):
            field.placeholder = "numbers with commas: 1, -1/2"
        return field

    def self_test(self) -> None:
        """Raise `AssertionError` unless solution, blanks and each mistake get their verdicts."""
        for blank in (..., None, NotImplemented, ""):
            self._expect(blank, "not_attempted")
        self._expect(self._solution, "right")
        for mistake in self.mistakes:
            self._expect(mistake.wrong, "wrong", mistake.message)

    def _expect(self, answer: Any, status: Status, message: str | None = None) -> None:
        verdict, _ = self._verdict(answer)
        if verdict.status != status or message not in (None, verdict.message):
            wanted = f"{status}: {message}" if message else status
            raise AssertionError(f"{self.id}: {quote(answer)} is not judged {wanted}; {verdict}")
