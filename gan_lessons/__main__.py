"""`python3 -m gan_lessons COMMAND`: see to the environment, then run the command.

This file and the two that it imports use the standard library only and are written in a Python
that 3.6 can read, so that any `python3` gets a sentence and no traceback. Each start is in one of
four states and does the one thing that leads to the next:

1. this interpreter has all that pyproject.toml asks for: run the command;
2. it lacks something and is in an environment: install that here, start again;
3. the checkout has a `.venv`: start again in it;
4. otherwise: make `.venv`, start again in it.

Nothing is remembered but a mark that lies in the environment while an installation is under way.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from gan_lessons import installing, interpreter
from gan_lessons.installing import Trouble

TRIED = "GAN_LESSONS_JUST_INSTALLED"  # set for one restart, so that no start can go in circles


def main(argv: "list | None" = None) -> int:
    """Run one command line; returns its exit status (the console script calls this too)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        ensure_installed(arguments)
    except Trouble as trouble:
        print(f"gan-lessons: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 1
    from gan_lessons.cli import main as command

    return command(arguments)


def ensure_installed(argv: list) -> None:
    """Return if the command can run here; otherwise take one step towards that and start again."""
    extra = "test" if argv[:1] == ["test"] else ""
    tried = os.environ.pop(TRIED, "")
    lacks = interpreter.missing(extra)
    if not lacks:
        return
    if tried:
        raise Trouble(
            f"pip reported success, and yet {'; '.join(lacks)}. Its log: {installing.LOG}"
        )
    inside = interpreter.in_environment()
    if not inside and installing.environment_exists():
        restart(installing.local_python(), argv)
    check_version()
    if inside and installs(argv):
        installing.install(extra, lacks)
        os.environ[TRIED] = "1"
        restart(sys.executable, argv)
    if installs(argv):
        installing.make_environment()
        restart(installing.local_python(), argv)


def installs(argv: list) -> bool:
    """Whether a command may install what it needs: all but help and `doctor`, which only report."""
    return bool(argv) and argv[0] != "doctor" and not {"-h", "--help", "--version"} & set(argv)


def restart(python: "str | Path", argv: list) -> None:
    """Become `python -m gan_lessons ...`; does not return."""
    sys.exit(interpreter.become(python, "gan_lessons", argv))


def check_version() -> None:
    """Refuse a Python that is too old."""
    if sys.version_info < interpreter.OLDEST:
        needed = "Python {}.{} or newer is needed".format(*interpreter.OLDEST)
        have = f"{sys.executable} is {interpreter.version_text()}"
        raise Trouble(f"{needed}, and {have}. {newer_python()}")


def newer_python() -> str:
    """Which newer Python to type instead, if one is at hand."""
    for name in ("python3.13", "python3.12", "python3.11"):
        if shutil.which(name) and not subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL):
            return f"You have one: type `{name} -m gan_lessons ...` instead."
    return "Install one, and start it by its name, as in `python3.13 -m gan_lessons ...`."


if __name__ == "__main__":
    sys.exit(main())
