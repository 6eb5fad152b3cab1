"""Where a cell's output goes: to a person at a front end, or to a file with nobody watching."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

FAST = os.environ.get("GAN_LESSONS_FAST", "") not in ("", "0")


def fast(full: int, short: int) -> int:
    """`full` in a lesson, `short` when GAN_LESSONS_FAST=1 (tests): the one place that reads it."""
    return short if FAST else full


def _kernel() -> Any:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    return getattr(get_ipython(), "kernel", None)


def has_front_end() -> bool:
    """Whether widgets can be seen and moved by somebody.

    A front end with a person behind it lets code ask for input; nbconvert, nbclient and
    papermill do not. Voila is executed like them but shows live widgets.
    GAN_LESSONS_DISPLAY=live or =still decides where this guess is wrong.
    """
    wanted = os.environ.get("GAN_LESSONS_DISPLAY", "")
    if wanted in ("live", "still"):
        return wanted == "live"
    kernel = _kernel()
    voila = os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
    return kernel is not None and (voila or bool(getattr(kernel, "_allow_stdin", False)))


class Place(NamedTuple):
    """A cell of a notebook, and the run of it in which something is shown."""

    cell: str
    run: str


def here() -> Place | None:
    """The cell that is being run; None where there is none.

    A front end that does not name its cells is told by what stands in them: running a cell again
    runs the same text.
    """
    try:
        parent = _kernel().get_parent()
        name = parent["metadata"].get("cellId") or parent["content"]["code"]
        return Place(name, parent["header"]["msg_id"])
    except (AttributeError, LookupError, TypeError):
        return None


def take_away(widget: Any) -> None:
    """Close a widget and all it is made of: children, layouts, the ends of a link.

    Not by ipywidgets' `close_all`, which closes every widget of the kernel.
    """
    import ipywidgets

    if widget.comm is None:
        return  # closed already
    widget.close()
    values = widget.trait_values().values()
    nested = [value if isinstance(value, (tuple, list)) else (value,) for value in values]
    for part in (each for value in nested for each in value):
        if isinstance(part, ipywidgets.Widget):
            take_away(part)


def widget_check() -> Any:
    """A button that says whether a click reaches Python here; a sentence without a front end."""
    if not has_front_end():
        print("No front end here: figures are still pictures. Open the lesson in JupyterLab.")
        return None
    import ipywidgets as widgets

    button = widgets.Button(description="press me", button_style="primary")
    answer = widgets.HTML("waiting for your click …")

    def clicked(_: Any) -> None:
        answer.value = "<b>✓ Widgets work here.</b>"

    button.on_click(clicked)
    return widgets.HBox([button, answer])
