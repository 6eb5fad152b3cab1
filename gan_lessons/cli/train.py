"""`gan-lessons train`: train a preset in a terminal, with checkpoints, and report."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gan_lessons.cli.fail import UNUSABLE, fail
from gan_lessons.cli.progress import ctrl_c, progress_bar
from gan_lessons.cli.report import in_one_line, scores, write_history
from gan_lessons.cli.settings import read_settings
from gan_lessons.errors import InputError, check_number
from gan_lessons.live.stills import snapshot
from gan_lessons.presets import preset
from gan_lessons.training import acting, checkpoints, ended, knobs_of
from gan_lessons.training.pace import Pace
from gan_lessons.training.run import Run
from gan_lessons.training.runtime import prepare


def train_command(args: argparse.Namespace) -> int:
    """Train, save and report; the exit status is 2 for a command line that cannot be used."""
    prepare()
    try:
        work = Training(training_order(args))
    except InputError as error:
        return fail(error, UNUSABLE)
    with ctrl_c() as asked:
        (work.resume if args.resume else work.begin)()
        if note := schedule_note(work.run.knobs, work.order.steps):
            print(note, file=sys.stderr)
        work.train(asked)
    run, order = work.run, work.order
    if run.stopped:
        return fail(f"{run.stopped} The last good step is saved in {order.folder}")
    if run.step < order.steps:
        again = "the same command with --resume goes on from there"
        return fail(f"interrupted; step {run.step} is saved, and {again}")
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


@dataclass(frozen=True)
class TrainingOrder:
    """What a command line asks for.

    Attributes:
        name, images: the preset, and its image set.
        moved: the knobs that `--set` names; `knobs` has them set already.
        steps: train up to this step; every: steps between two checkpoints.
    """

    name: str
    images: str | None
    config: Any
    knobs: Any
    moved: dict[str, Any]
    seed: int
    steps: int
    every: int
    folder: Path
    json: bool


def training_order(args: argparse.Namespace) -> TrainingOrder:
    """Read a command line; InputError where it asks for something impossible."""
    chosen = preset(args.preset)
    given, moved = read_settings(args.set, chosen.config, chosen.knobs)
    config, knobs = replace(chosen.config, **given), replace(chosen.knobs, **moved)
    seed = int(check_number("--seed", args.seed, 0, 2**31 - 1, integer=True))
    steps = chosen.steps if args.steps is None else args.steps
    return TrainingOrder(
        args.preset,
        chosen.images,
        config,
        knobs,
        moved,
        seed,
        steps=int(check_number("--steps", steps, 1, 1e9, integer=True)),
        every=int(check_number("--every", args.every, 1, 1e9, integer=True)),
        folder=args.out or Path("runs", f"{args.preset}-{seed}"),
        json=args.json,
    )


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
        """Start afresh, and save step 0: a folder that cannot be written to shows at once."""
        order = self.order
        if there := checkpoints.steps(order.folder):
            choice = "starting over (--resume would have gone on)"
            print(f"{order.folder} holds a run, up to step {there[-1]}: {choice}", file=sys.stderr)
        self.save()

    def resume(self) -> None:
        """Take up the last checkpoint with its history and knobs; `--set` moves knobs from there.

        Raises: InputError where there is none, or one from another config or seed.
        """
        run, seed = self.run, self.order.seed
        last = checkpoints.load(self.order.folder, run.state, run.config)
        if (trained := last.knobs.get("seed", seed)) != seed:
            raise InputError(f"{last.path} was trained from --seed {trained}, not {seed}")
        # All knobs at once, so that a schedule starts where it did and is not bent to the present.
        knobs = asdict(run.knobs)
        knobs |= {name: value for name, value in last.knobs.items() if name in knobs}
        run.set(**knobs)
        run.restore(last.state, np.asarray(last.history))
        run.set(**knobs | self.order.moved)
        self.saved, self.spent = last.step, last.knobs.get("seconds", 0.0)

    def save(self) -> None:
        """Write a checkpoint; besides the knobs it keeps the seed and the time spent."""
        run, also = self.run, {"seed": self.order.seed, "seconds": self.spent}
        knobs = asdict(run.knobs) | also
        checkpoints.save(self.order.folder, run.state, run.config, knobs, run.history, run.step)
        self.saved = run.step

    def train(self, asked: threading.Event) -> None:
        """Train to the last step, until `asked` is set, or to a number that is not finite."""
        run, order, pace = self.run, self.order, Pace()
        with progress_bar(run.step, order.steps, order.json) as bar:
            while run.step < order.steps and run.stopped is None and not asked.is_set():
                began, due = time.monotonic(), order.every - run.step % order.every
                taken = run.advance(pace.next(due, order.steps - run.step))
                took = time.monotonic() - began
                pace.learn(taken, took)
                self.spent += took
                bar.update(taken)
                if taken == due:
                    self.save()
        if self.saved != run.step:
            self.save()

    def report(self) -> None:
        """Write the metrics and the figure, and say how good the generator is."""
        order, folder = self.order, self.order.folder
        found = {"preset": order.name, "seed": order.seed, "steps": self.run.step}
        found |= {"seconds": round(self.spent, 3), **scores(self.run, order.images)}
        line = json.dumps(found)
        (folder / "metrics.json").write_text(f"{line}\n", encoding="utf-8")
        write_history(self.run, folder / "metrics.csv")
        (folder / "figure.png").write_bytes(snapshot(self.run))
        print(line if order.json else f"{in_one_line(found)}\nfigure and metrics: {folder}")
