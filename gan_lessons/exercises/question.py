"""Showing a question, with something to click if there is a front end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lessons.exercises.notes import Note, as_output

MARKDOWN = set("$`*_<")  # what a radio button would show as it stands


class Question:
    """What exercises and predictions share: a question that can be shown."""

    id: str
    question: str
    options: Mapping[str, str]

    def show(self, widgets: bool | None = None) -> Any:
        """The question; with a front end (or `widgets=True`) also what can be clicked."""
        live = can_click() if widgets is None else widgets
        note = Note(f"**{type(self).__name__}.** {self.question}\n{self._listed(live)}".strip())
        if not live:
            return note
        import ipywidgets

        output = ipywidgets.Output(outputs=as_output(note))
        return ipywidgets.VBox([output, *self._controls(ipywidgets)])

    def _listed(self, live: bool) -> str:
        """The options as a list, unless the radio buttons can show their texts."""
        if live and self._plain:
            return ""
        return "".join(f"\n- **{key}**: {text}" for key, text in self.options.items())

    @property
    def _plain(self) -> bool:
        return not any(MARKDOWN & set(text) for text in self.options.values())

    def _radio(self, kit: Any, chosen: str | None = None) -> Any:
        """Radio buttons for the options, which the keyboard reaches too."""
        labels = {
            f"{key}: {text}" if self._plain else key: key for key, text in self.options.items()
        }
        made = kit.RadioButtons(options=list(labels.items()), value=chosen)
        made.orientation = "vertical" if self._plain else "horizontal"
        made.layout.width = "auto"
        return made

    def _controls(self, kit: Any) -> list[Any]:
        raise NotImplementedError


def can_click() -> bool:
    """Whether somebody can click (`live.display.has_front_end`)."""
    from gan_lessons.live import display  # imported here, as it takes seconds

    return display.has_front_end()
