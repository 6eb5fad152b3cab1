"""`python -m tests`: every check of the project, with a line of verdict for each tool.

python -m tests                   formatter, linter, types, notebooks, then pytest
python -m tests --quick           the same in two to four minutes: without slow tests
python -m tests --long            the same with the tests that are marked `long`
python -m tests --static          the same without pytest
python -m tests --fix             as --static, after putting right what a tool can put right
python -m tests --engine          pytest alone, without what is marked `browser` or `slow`;
                                  with --quick too, only what is quick of that
python -m tests --measure         pytest alone, and write tests/slow.txt anew
python -m tests -- -k ring -x     what stands after `--` goes to pytest, and it runs in one process

Run --quick before every commit and the whole before a push. What is quick is measured:
tests/slow.txt lists the test functions that took longer than a second; a test that is not listed is
run, so a new one is from the start. When the list has aged, --measure on a machine with nothing
else to do, and then --quick --measure, make it anew. Marked are: `browser`, for a real browser;
`slow`, for lessons in kernels of their own; `long`, for what takes minutes (soaking, fuzzing,
ten seeds).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import psutil

from gan_lessons.cli.machine import cores

ROOT = Path(__file__).resolve().parent.parent
FIXES = {
    "ruff check --fix": ["ruff", "check", "--fix-only", "--exit-zero"],
    "ruff format": ["ruff", "format"],
    "notebooks": ["tests.notebooks", "normalise"],
}
CHECKS = {
    "ruff format": ["ruff", "format", "--check"],
    "ruff check": ["ruff", "check"],
    "mypy": ["mypy"],
    "notebooks": ["tests.notebooks", "check"],
}
MEMORY = 3 * 2**30  # bytes that a process of tests may come to need


def run_checks(argv: list[str] | None = None) -> int:
    """Run the checks that the command line asks for; returns 0 if all of them passed, else 1."""
    options = parse(sys.argv[1:] if argv is None else argv)
    if options.fix:
        verdicts(FIXES)
    failed = [] if options.engine or options.measure else verdicts(CHECKS)
    if not (options.fix or options.static) and not pytest(options):
        failed.append("pytest")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; what follows `--` is pytest's."""
    parser = argparse.ArgumentParser(
        prog="python -m tests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_mutually_exclusive_group()
    for flag in ("--fix", "--static", "--engine", "--long"):
        group.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENTS", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def verdicts(tools: dict[str, list[str]]) -> list[str]:
    """Run each tool and print how it went; returns the names of those that failed."""
    return [name for name, command in tools.items() if not verdict(name, command)]


def verdict(name: str, command: list[str]) -> bool:
    """Run one tool; a line if it passed, all that it said if it did not."""
    began = time.perf_counter()
    result = subprocess.run(python(*command), cwd=ROOT, capture_output=True, text=True)
    word = "failed" if result.returncode else "ok"
    print(f"{name:<18} {word:<6} {time.perf_counter() - began:6.1f} s", flush=True)
    if result.returncode:
        print(result.stdout + result.stderr, flush=True)
    return not result.returncode


def pytest(options: argparse.Namespace) -> bool:
    """Run pytest in view; returns whether it passed."""
    ours = [f"--{name}" for name in ("quick", "long", "measure") if getattr(options, name)]
    if options.engine:
        ours += ["-m", "not browser and not slow"]
    return not subprocess.call(python("pytest", *ours, *(options.pytest or shared_out())), cwd=ROOT)


def shared_out() -> list[str]:
    """Have pytest use up to four cores: most of a test is tracing and compiling, on one."""
    room = psutil.virtual_memory().total // MEMORY
    processes = max(1, min(4, cores(), room))
    return ["-n", str(processes), "--dist", "worksteal"]


def python(module: str, *arguments: str) -> list[str]:
    """The command `python -m MODULE ARGUMENTS` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


if __name__ == "__main__":
    sys.exit(run_checks())
