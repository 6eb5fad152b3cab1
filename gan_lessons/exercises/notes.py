"""What a learner is told: notes and verdicts, as markdown in a notebook, else as plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["not_attempted", "right", "wrong"]

# Colour-blind readers can tell blue from vermillion; sign and words say the same once more.
LOOKS: dict[Status, tuple[str, str, str]] = {
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
    """How an answer was judged: a `status`, and a `message` for the learner in markdown."""

    status: Status
    message: str
    title: str = ""

    def __repr__(self) -> str:
        sign, title, _ = LOOKS[self.status]
        return f"{sign} {self.title or title}. {self.message}"

    def _repr_markdown_(self) -> str:
        sign, title, colour = LOOKS[self.status]
        return f'<b style="color:{colour}">{sign} {self.title or title}.</b> {self.message}'


def as_output(note: Note | Verdict) -> tuple[dict[str, Any], ...]:
    """A note as the `outputs` of an Output widget, which may be set from any thread."""
    data = {"text/markdown": note._repr_markdown_(), "text/plain": repr(note)}
    return ({"output_type": "display_data", "data": data, "metadata": {}},)
