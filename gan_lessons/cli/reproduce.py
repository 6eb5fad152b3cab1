"""`gan-lessons reproduce`: run a paper's table again on this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import threading

import jax

from gan_lessons import papers
from gan_lessons.cli.fail import UNUSABLE, fail
from gan_lessons.cli.interrupts import until_asked
from gan_lessons.cli.machine import cores
from gan_lessons.cli.progress import progress_bar
from gan_lessons.errors import InputError
from gan_lessons.training.runtime import prepare


def reproduce_command(args: argparse.Namespace) -> int:
    """Train what is missing of a table and print all of it."""
    prepare()
    try:
        table = papers.Reproduction(args.table, args.seeds, args.quick, args.out, args.only)
    except InputError as error:
        return fail(error, UNUSABLE)
    with contextlib.suppress(RuntimeError):  # JAX has computed something already: one device
        jax.config.update("jax_num_cpu_devices", min(cores(), table.asked or 10))
    table.begin()
    interrupted = until_asked(lambda asked: _train(table, args.json, asked))
    done, total = table.steps()
    if interrupted and done < total:
        again = "the same command goes on from there"
        return fail(f"interrupted; finished runs are kept in {table.path}, and {again}")
    if done < total:
        again = "the same command shows the whole table when they are done"
        return fail(f"another process is training the other runs in {table.folder}; {again}")
    report = table.report()
    table.draw(report)
    print(papers.in_words(report), f"runs and figure: {table.folder}", sep="\n")
    if args.json:
        print(json.dumps(report))
    return 0


def _train(table: papers.Reproduction, plain: bool, asked: threading.Event) -> bool:
    """Train until all is done or `asked` is set; returns whether it was."""
    with (
        progress_bar(*table.steps(), plain) as bar,
        contextlib.closing(table.train()) as steps,  # saves what is under way
    ):
        there = bar.initial
        for taken in steps:
            bar.initial = there + table.resumed  # so that the rate is that of this command
            bar.update(taken)
            if asked.is_set():
                return True
    return False
