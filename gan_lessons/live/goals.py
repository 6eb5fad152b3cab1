"""Something to find out with a live figure, which notices when it has been found."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from IPython import display as ipython

from gan_lessons.errors import InputError
from gan_lessons.live.log import keep_traceback


@dataclass(frozen=True)
class Goal:
    """A task for whoever plays with a figure.

    Attributes:
        task: what to do or to find out, in a sentence; shown from the start. HTML, with $formulas$.
        found: asked after each picture whether it is done: a player's `found` gets the `Run`, an
            explorer's the values of its controls. It should take a few milliseconds at most, and
            be false at the start.
        meaning: what that shows; said once it is done.
    """

    task: str
    found: Callable[[Any], Any]
    meaning: str


class Goals:
    """The tasks of one figure, and which of them are done; what is done stays done.

    Raises: InputError for anything that is no `Goal`.
    """

    def __init__(self, goals: Sequence[Goal]) -> None:
        for goal in goals:
            if not isinstance(goal, Goal):
                raise InputError(f"goals are Goal(task, found, meaning), not {goal!r}")
        self.goals = tuple(goals)
        self.done: set[int] = set()
        self.broken: set[int] = set()  # whose `found` raised

    def look(self, at: Any) -> bool:
        """Ask for each task that is left whether it is done; whether anything has changed."""
        before = len(self.done), len(self.broken)
        for i, goal in enumerate(self.goals):
            if i in self.done | self.broken:
                continue
            try:
                if goal.found(at):
                    self.done.add(i)
            except Exception as error:  # a lesson goes on without it
                keep_traceback(error, f"the goal {goal.task!r}")
                self.broken.add(i)
        return before != (len(self.done), len(self.broken))

    def page(self) -> str:
        """The tasks as HTML, with a tick and the meaning where one is done."""
        if not self.goals:
            return ""
        rows = "".join(f"<div>{self._row(i)}</div>" for i in range(len(self.goals)))
        done = f"data-done='{len(self.done)}' data-of='{len(self.goals)}'"
        title = f"To find out ({len(self.done)} of {len(self.goals)} found)"
        return f"<div class='gan-goals' {done}><b>{title}</b>{rows}</div>"

    def _row(self, i: int) -> str:
        goal = self.goals[i]
        if i in self.done:
            return f"<b style='color:#0072B2'>✓</b> {goal.task} <b>Found.</b> {goal.meaning}"
        if i in self.broken:
            return f"{goal.task} <i>(the page cannot check this one)</i>"
        return f"<span style='color:#767676'>○</span> {goal.task}"

    def show_still(self) -> None:
        """Show the tasks, if there are any, on a page on which nothing can be done."""
        if not self.goals:
            return
        tasks = "".join(f"\n- {html.unescape(goal.task)}" for goal in self.goals)
        text = f"**To find out** (in the live lesson, which notices it)\n{tasks}"
        ipython.display(ipython.Markdown(text))
