"""Showing a question, with something to click if there is a front end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lessons.exercises.notes import Note, as_output


class Question:
    """What exercises and predictions share: a question that can be shown."""

    id: str
    question: str
    options: Mapping[str, str]

    def show(self, widgets: bool | None = None) -> Any:
        """The question; with a front end (or `widgets=True`) also what can be clicked."""
        listed = "".join(f"\n- **{key}**: {text}" for key, text in self.options.items())
        note = Note(f"**{type(self).__name__}.** {self.question}\n{listed}".strip())
        if not (_has_front_end() if widgets is None else widgets):
            return note
        import ipywidgets

        output = ipywidgets.Output(outputs=as_output(note))
        return ipywidgets.VBox([output, *self._controls(ipywidgets)])

    def _controls(self, kit: Any) -> list[Any]:
        raise NotImplementedError


def _has_front_end() -> bool:
    from gan_lessons.live.display import has_front_end  # imported here, as it takes seconds

    return has_front_end()
