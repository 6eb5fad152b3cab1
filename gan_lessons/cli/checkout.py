"""The checkout that the package runs from, and turning into another program there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gan_lessons import environment, interpreter
from gan_lessons.cli.fail import note
from gan_lessons.errors import InputError


def tell_of_other_copies() -> None:
    """Say which gan_lessons runs, where there is another version that one could take it for."""
    if others := environment.other_copies():
        here = interpreter.ROOT / "gan_lessons"
        note(f"note: this is {here}; another version is in {', '.join(map(str, others))}")


def become_in_checkout(module: str, arguments: Sequence[str], needed: str) -> int:
    """Turn into `python -m MODULE ARGUMENTS` in the checkout.

    Raises: InputError where the file `needed` is missing, as in an installation without a checkout.
    """
    if not (interpreter.ROOT / needed).is_file():
        missing = interpreter.ROOT / needed
        raise InputError(f"{missing} is not there: this command needs a whole checkout")
    os.chdir(interpreter.ROOT)
    return interpreter.become(sys.executable, module, [*arguments])
