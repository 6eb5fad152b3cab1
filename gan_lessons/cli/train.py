"""`gan-lessons train`: train a preset in a terminal, with checkpoints, and report."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from gan_lessons.cli.fail import UNUSABLE, fail
from gan_lessons.cli.interrupts import until_asked
from gan_lessons.cli.order import TrainingOrder, training_order
from gan_lessons.cli.progress import progress_bar
from gan_lessons.cli.report import in_one_line, scores, write_history
from gan_lessons.errors import InputError
from gan_lessons.files import write_whole
from gan_lessons.live.stills import snapshot
from gan_lessons.training import acting, checkpoints, ended, knobs_of
from gan_lessons.training.pace import Pace
from gan_lessons.training.run import Run
from gan_lessons.training.runtime import prepare

LEFT = ("metrics.json", "metrics.csv", "figure.png")  # by a finished run, beside its checkpoints
SAVE = 10.0  # seconds of training after which it is saved, whatever the step


def train_command(args: argparse.Namespace) -> int:
    """Train, save and report; the exit status is 2 for a command line that cannot be used."""
    prepare()
    try:
        work = Training(training_order(args))
    except InputError as error:
        return fail(error, UNUSABLE)
    if args.resume:
        checkpoints.newest(work.order.folder)  # nothing is made where there is nothing
    with checkpoints.owned(work.order.folder):
        return until_asked(lambda asked: _trained(work, args.resume, asked))


def _trained(work: Training, resume: bool, asked: threading.Event) -> int:
    (work.resume if resume else work.begin)()
    work.train(asked)
    run, order = work.run, work.order
    if run.stopped:
        return fail(f"{run.stopped} The last good step is saved in {order.folder}")
    if run.step < order.steps:
        again = "the same command with --resume goes on from there"
        return fail(f"interrupted; step {run.step} is saved in {order.folder}, and {again}")
    work.report()
    return 0


def schedule_note(knobs: Any, steps: int) -> str:
    """What acts after the end of a schedule, a sentence; empty if `steps` steps end before it."""
    if not ended(knobs, steps - 1):
        return ""
    now = acting(knobs, steps)
    falling = [name for name, each in knobs_of(knobs).items() if each.end and getattr(knobs, name)]
    stay = ", ".join(f"{name}={getattr(now, name):.4g}" for name in falling)
    end = f"the schedule ends at step {knobs.decay_steps:,.0f}"
    return f"{end}: from there the rates stay at {stay}; --set decay_steps={steps} stretches it"


class Training:
    """One run in a terminal, saved as it goes.

    `begin` or `resume` comes first, then `train`, then `report`. Works with any learner.

    Raises: InputError for what the learner refuses.
    """

    def __init__(self, order: TrainingOrder) -> None:
        self.order = order
        self.run = Run(order.config, order.knobs, order.seed, memory=1)
        self.saved = -1  # the step of the last checkpoint
        self.spent = 0.0  # seconds of training, those before a resume included

    def begin(self) -> None:
        """Start afresh, and save step 0: a folder that cannot be written to shows at once.

        Raises: InputError where the folder holds a run: nothing of it is touched.
        """
        folder = self.order.folder
        there = checkpoints.saved(folder)
        if any(there) or any((folder / name).exists() for name in LEFT):
            upto = f", up to step {there[-1]:,}" if there else ""
            raise InputError(
                f"{folder} holds a run{upto}: --resume goes on with it, --out FOLDER or another "
                "--seed makes one beside it; to start over, remove the folder"
            )
        self.save()

    def resume(self) -> None:
        """Take up the last checkpoint with its history and knobs; `--set` moves knobs from there.

        Raises: InputError where there is none, or one of another preset, config or seed.
        """
        run, order = self.run, self.order
        last = checkpoints.load(order.folder, run.state, run.config)
        for option, asked in (("--seed", order.seed), ("preset", order.name)):
            if (trained := last.knobs.get(option.strip("-"), asked)) != asked:
                raise InputError(f"{last.path} was trained from {option} {trained}, not {asked}")
        # All knobs at once, so that a schedule starts where it did and is not bent to the present.
        knobs = asdict(run.knobs)
        knobs |= {name: value for name, value in last.knobs.items() if name in knobs}
        run.set(**knobs)
        run.restore(last.state, np.asarray(last.history))
        run.set(**knobs | order.moved)
        self.saved, self.spent = last.step, last.knobs.get("seconds", 0.0)
        for fault in last.damaged:
            print(f"{fault}, so an earlier one is taken", file=sys.stderr)
        done = " already: nothing is left to train" if last.step >= order.steps else ""
        print(f"{order.folder} is at step {last.step:,}{done}", file=sys.stderr)

    def save(self) -> None:
        """Write a checkpoint; besides the knobs it keeps what else defines the run."""
        run, order = self.run, self.order
        also = {"preset": order.name, "seed": order.seed, "seconds": self.spent}
        knobs = asdict(run.knobs) | also
        checkpoints.save(order.folder, run.state, run.config, knobs, run.history, run.step)
        self.saved = run.step

    def train(self, asked: threading.Event) -> None:
        """Train to the last step, until `asked` is set, or to a number that is not finite.

        Saved every so many steps, and as soon as what is not saved has taken `SAVE` seconds.
        """
        run, order = self.run, self.order
        if note := schedule_note(run.knobs, order.steps):
            print(note, file=sys.stderr)
        unsaved = 0.0
        with progress_bar(run.step, order.steps, order.json) as bar:
            for taken, took in self._chunks(asked):
                unsaved += took
                bar.update(taken)
                if run.step % order.every == 0 or unsaved > SAVE:
                    self.save()
                    unsaved = 0.0
        if self.saved != run.step:
            self.save()

    def _chunks(self, asked: threading.Event) -> Iterator[tuple[int, float]]:
        """Train chunk by chunk: the steps and the seconds of each."""
        run, order, pace = self.run, self.order, Pace()
        while run.step < order.steps and run.stopped is None and not asked.is_set():
            began, due = time.monotonic(), order.every - run.step % order.every
            taken = run.advance(pace.next(due, order.steps - run.step))
            took = time.monotonic() - began
            pace.learn(taken, took)
            self.spent += took
            yield taken, took

    def report(self) -> None:
        """Write the metrics and the figure, and say how good the generator is."""
        order, folder = self.order, self.order.folder
        found = {"preset": order.name, "seed": order.seed, "steps": self.run.step}
        found |= {"seconds": round(self.spent, 3), **scores(self.run, order.images)}
        line = json.dumps(found)
        write_whole(folder / "metrics.json", f"{line}\n".encode())
        write_history(self.run, folder / "metrics.csv")
        write_whole(folder / "figure.png", snapshot(self.run))
        print(line if order.json else f"{in_one_line(found)}\nfigure and metrics: {folder}")
