"""`gan-lessons COMMAND`: open the lessons, look at the installation, train without a notebook.

Importing this room loads the standard library only, so that help is instant and `doctor` can speak
where packages are missing. A command loads the rooms it needs when it is called.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from gan_lessons import environment
from gan_lessons.cli.checkout import become_in_checkout, tell_of_other_copies
from gan_lessons.cli.doctor import doctor_command
from gan_lessons.cli.fail import fail, note
from gan_lessons.cli.lab import lab_command
from gan_lessons.cli.parser import command_line_parser
from gan_lessons.cli.streams import drop_output, make_usable
from gan_lessons.errors import InputError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv[1:]` by default) and return its exit status.

    0, 1 (it failed: one sentence on standard error) or 2 (the command line cannot be used).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    make_usable()
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except InputError as error:
        return fail(error)
    except BrokenPipeError:
        return fail("nobody reads the output any more, so it ends here")
    except OSError as error:
        return fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except KeyboardInterrupt:
        return fail("interrupted")
    finally:
        drop_output()


def _run(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["test"]:  # its options are not ours to judge
            return become_in_checkout("tests", arguments[1:], "tests/__main__.py")
        with environment.explained():  # `--knobs` loads what it lists
            args = command_line_parser().parse_args(arguments)
        return COMMANDS[args.command](args)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def _train(args: argparse.Namespace) -> int:
    with _loading():
        from gan_lessons.cli.train import train_command

    return _computed(train_command, args)


def _reproduce(args: argparse.Namespace) -> int:
    with _loading():
        from gan_lessons.cli.reproduce import reproduce_command

    return _computed(reproduce_command, args)


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """See to the environment before JAX is loaded, and put a failure to load into a sentence."""
    tell_of_other_copies()
    environment.check_variables()
    for text in environment.set_aside():
        note(f"note: {text}")
    with environment.explained():
        yield


def _computed(command: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """The status of a command that computes; if it fails since JAX has no device, that is said."""
    try:
        return command(args)
    except (InputError, OSError):
        raise
    except Exception as error:
        if "home directory" in str(error):  # what pathlib says of ~
            raise InputError("nobody's home is known here: write the path without ~") from error
        from gan_lessons.training.devices import check_devices

        check_devices()
        raise


COMMANDS = {
    "lab": lab_command,
    "playground": lab_command,
    "doctor": doctor_command,
    "train": _train,
    "reproduce": _reproduce,
}
