"""Predictions: a bet on what an experiment will show, made before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lessons.errors import InputError, check_choice
from gan_lessons.exercises.answers import attempt, is_blank, key_of, quote
from gan_lessons.exercises.checks import Options, keyed_options
from gan_lessons.exercises.comparison import Comparison, lift_curtain
from gan_lessons.exercises.notes import Note, Verdict
from gan_lessons.exercises.progress import answers_to, note_answer
from gan_lessons.exercises.question import Question


class Prediction(Question):
    """A question whose answer the learner commits to before an experiment gives it.

    The first choice that has met its outcome stays; until then it may be changed. It is kept in
    the learner's record (`exercises.progress`).

    Args:
        id: a name of its own.
        question: in markdown.
        options: maps keys to texts (a list gets the keys a, b, c, ...).
        outcome: the key of what happens, or a function from what was measured to that key.
        explanation: follows the outcome, for who has committed.
        replies: by key, what is said first to who chose this option and was wrong.

    Raises: InputError for fewer than two options, for an outcome that is none of them, and for
        replies to what is no option.
    """

    def __init__(
        self,
        id: str,
        question: str,
        options: Options,
        outcome: Any,
        explanation: str,
        replies: Mapping[Any, str] | None = None,
    ) -> None:
        self.id, self.question, self.options = id, question, keyed_options(options)
        self.outcome, self.explanation = outcome, explanation
        self.replies = {key_of(key): text for key, text in (replies or {}).items()}
        if not callable(outcome):
            check_choice("option", key_of(outcome), self.options)
        for key in self.replies:
            check_choice("option", key, self.options)
            if not callable(outcome) and key == key_of(outcome):
                raise InputError(f"{key!r} is what happens in {id!r}: a reply to it is never said")

    @property
    def committed(self) -> str | None:
        """The key of the option that the learner chose, if any."""
        made = [each["answer"] for each in answers_to(self.id) if each["answer"] in self.options]
        return made[-1] if made else None

    @property
    def settled(self) -> bool:
        """Whether the choice has met its outcome, so that it stays."""
        return any(
            each["verdict"] != "open" and each["answer"] in self.options
            for each in answers_to(self.id)
        )

    def commit(self, choice: Any = ...) -> Note:
        """Commit to an option; anything else leaves an earlier choice as it was."""
        key = attempt(key_of, choice)
        if key in self.options:
            if self.settled and key != self.committed:
                return Note(f"You have seen what happened; {self._said()} stays your prediction.")
            if key != self.committed:
                note_answer(self.id, "prediction", key, "open")
            lift_curtain(self.id)
        elif attempt(is_blank, choice) is not True:
            return Note(f"{quote(choice)} is not an option; choose from {', '.join(self.options)}")
        return Note(f"You predict {self._said() if self.committed else '...'}")

    def compare(self, measured: Any = None, *shown: Any) -> Comparison:
        """What happened, beside what the learner said; `measured` is judged, and shown.

        Args:
            shown: figures and texts that give the answer away. On a live page they stay covered,
                like the verdict, until the learner has committed.
        """
        return Comparison(self.id, lambda: self.verdict(measured), shown)

    def verdict(self, measured: Any = None) -> Verdict:
        """The verdict on what the learner chose; nothing is told to who has not chosen."""
        if (chosen := self.committed) is None:
            return Verdict(
                "not_attempted",
                "Choose an answer above; the verdict appears here.",
                "You have made no prediction yet",
            )
        result = attempt(self.outcome, measured) if callable(self.outcome) else self.outcome
        happened = attempt(key_of, result)
        right = chosen == happened
        if not self.settled:
            note_answer(self.id, "prediction", chosen, "right" if right else "wrong")
        value = "" if measured is None else f" (measured: {quote(measured)})"
        named = quote(result) if isinstance(result, Exception) else self._named(happened)
        text = f"What happened: {named}{value}. {self.explanation}"
        if right:
            return Verdict("right", text, "As you predicted")
        reply = f" {self.replies[chosen]}" if chosen in self.replies else ""
        return Verdict("wrong", f"You said {self._said()}.{reply} {text}", "A surprise")

    def _said(self) -> str:
        return self._named(self.committed)

    def _named(self, key: Any) -> str:
        return f"**{key}** ({self.options[key]})" if key in self.options else "none of the options"

    def _controls(self, kit: Any) -> list[Any]:
        radio = self._radio(kit, self.committed)
        button = kit.Button(description="This is my prediction", button_style="primary")
        button.layout.width = "auto"
        said = kit.HTML("Committed." if self.committed else "")

        def commit(_: Any) -> None:
            self.commit(radio.value)
            radio.value = self.committed  # another one does not count any more
            radio.disabled = button.disabled = self.settled
            said.value = "Committed." if self.committed else "Choose an answer first."

        radio.disabled = button.disabled = self.settled
        button.on_click(commit)
        return [radio, kit.HBox([button, said])]
