"""Predictions: a bet on what an experiment will show, made before it runs."""

from __future__ import annotations

from typing import Any

from gan_lessons.errors import check_choice
from gan_lessons.exercises.answers import attempt, is_blank, key_of, quote
from gan_lessons.exercises.checks import Options, keyed_options
from gan_lessons.exercises.notes import Note, Verdict
from gan_lessons.exercises.question import Question

COMMITMENTS: dict[str, str] = {}  # prediction id -> option key; outlives a cell that is re-run


class Prediction(Question):
    """A question whose answer the learner commits to before an experiment gives it.

    `options` maps keys to texts (a list gets the keys a, b, c, ...). `outcome` is the key of what
    happens, or a function from what was measured to that key (any other value means none of them).
    Raises InputError for fewer than two options, and for an outcome that is none of them.
    """

    def __init__(
        self, id: str, question: str, options: Options, outcome: Any, explanation: str
    ) -> None:
        self.id, self.question, self.options = id, question, keyed_options(options)
        self.outcome, self.explanation = outcome, explanation
        if not callable(outcome):
            check_choice("option", key_of(outcome), self.options)

    @property
    def committed(self) -> str | None:
        """The key of the option that the learner chose in this session, if any."""
        key = COMMITMENTS.get(self.id)
        return key if key in self.options else None

    def commit(self, choice: Any = ...) -> Note:
        """Commit to an option; anything else leaves an earlier choice as it was."""
        key = attempt(key_of, choice)
        if key in self.options:
            COMMITMENTS[self.id] = key
        elif attempt(is_blank, choice) is not True:
            return Note(f"{quote(choice)} is not an option; choose from {', '.join(self.options)}")
        return Note(f"You predict {self._named(self.committed) if self.committed else '...'}")

    def compare(self, measured: Any = None) -> Verdict:
        """What happened, beside what the learner said; `measured` is shown and judged."""
        result = attempt(self.outcome, measured) if callable(self.outcome) else self.outcome
        happened = attempt(key_of, result)
        value = "" if measured is None else f" (measured: {quote(measured)})"
        named = quote(result) if isinstance(result, Exception) else self._named(happened)
        text = f"What happened: {named}{value}. {self.explanation}"
        if self.committed is None:
            return Verdict("not_attempted", text, "You made no prediction this time")
        if self.committed == happened:
            return Verdict("right", text, "As you predicted")
        return Verdict("wrong", f"You said {self._named(self.committed)}. {text}", "A surprise")

    def _named(self, key: Any) -> str:
        return f"**{key}** ({self.options[key]})" if key in self.options else "none of the options"

    def _controls(self, kit: Any) -> list[Any]:
        radio = kit.RadioButtons(options=list(self.options), value=self.committed)
        radio.orientation = "horizontal"
        radio.observe(lambda change: self.commit(change["new"]), names="value")
        return [radio]
