"""`gan-lessons COMMAND`: open the lessons, look at the installation, train without a notebook.

Importing this room loads the standard library only, so that help is instant and `doctor` can speak
where packages are missing. A command loads the rooms it needs when it is called.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gan_lessons.cli.checkout import become_in_checkout
from gan_lessons.cli.doctor import doctor_command
from gan_lessons.cli.fail import fail
from gan_lessons.cli.lab import lab_command
from gan_lessons.cli.parser import command_line_parser
from gan_lessons.errors import InputError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv[1:]` by default) and return its exit status.

    0, 1 (it failed: one sentence on standard error) or 2 (the command line cannot be used).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["test"]:  # its options are not ours to judge
            return become_in_checkout("tests", arguments[1:], "tests/__main__.py")
        args = command_line_parser().parse_args(arguments)
        return COMMANDS[args.command](args)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except InputError as error:
        return fail(error)
    except OSError as error:
        return fail(f"{error.strerror or error}: {error.filename}")
    except KeyboardInterrupt:
        return fail("interrupted")


def _train(args: argparse.Namespace) -> int:
    from gan_lessons.cli.train import train_command

    return train_command(args)


def _reproduce(args: argparse.Namespace) -> int:
    from gan_lessons.cli.reproduce import reproduce_command

    return reproduce_command(args)


COMMANDS = {
    "lab": lab_command,
    "playground": lab_command,
    "doctor": doctor_command,
    "train": _train,
    "reproduce": _reproduce,
}
