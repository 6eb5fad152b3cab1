"""What an experiment showed, under a curtain until the learner has said what it will be."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from gan_lessons.exercises.notes import Note, Verdict, as_output
from gan_lessons.exercises.question import can_click
from gan_lessons.plots import png

CURTAIN = Note(
    "▨ **Covered.** The experiment has run. What it showed appears here as soon as you have"
    " chosen an answer to the prediction above and pressed *This is my prediction*."
)
_curtains: dict[str, tuple[Any, Comparison]] = {}  # on the page, by the id of their question


class Comparison:
    """What an experiment showed, and the verdict on a prediction.

    Shown as the last line of a cell. On a live page both are covered until the learner commits;
    on a static one the pictures and texts stand there and the verdict is withheld.

    Attributes: id (of the prediction), shown (figures, texts, notes).
    """

    def __init__(self, id: str, judge: Callable[[], Verdict], shown: Sequence[Any] = ()) -> None:
        self.id, self._judge, self.shown = id, judge, tuple(shown)

    @property
    def verdict(self) -> Verdict:
        """The verdict as of now."""
        return self._judge()

    def __repr__(self) -> str:
        return repr(self.verdict)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if not can_click():
            for each in self._outputs():
                display(each["data"], metadata=each["metadata"], raw=True)
            return
        import ipywidgets

        place = ipywidgets.Output(outputs=as_output(CURTAIN))
        old, _ = _curtains.pop(self.id, (None, None))
        if old is not None:
            old.close()
        _curtains[self.id] = place, self
        if self._judge().status != "not_attempted":
            lift_curtain(self.id)
        display(place)

    def _outputs(self) -> tuple[dict[str, Any], ...]:
        made = [output for each in self.shown for output in _output(each)]
        return (*made, *as_output(self._judge()))


def lift_curtain(id: str) -> None:
    """Show what was covered for want of a prediction."""
    place, comparison = _curtains.get(id, (None, None))
    if place is not None and comparison is not None:
        place.outputs = comparison._outputs()


def _output(shown: Any) -> tuple[dict[str, Any], ...]:
    """A figure, a note or a text as an output of a cell."""
    if isinstance(shown, (Note, Verdict)):
        return as_output(shown)
    data, metadata = {"text/plain": str(shown)}, {}
    if isinstance(shown, Figure):
        picture = base64.b64encode(png(shown)).decode()
        width = int(100 * shown.get_figwidth())
        data = {"image/png": picture, "text/plain": "a figure"}
        metadata = {"image/png": {"width": width}}
    return ({"output_type": "display_data", "data": data, "metadata": metadata},)
