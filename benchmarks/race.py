"""The seed articles' networks and ours on real digits, with equal training time for everyone.

    python benchmarks/race.py [--seconds S] [--seeds N] [--out FILE] [NAME ...]

One run a preset and seed; within a seed the presets take turns, so that a busy minute hits all.
Only training counts: neither compiling nor measuring does. Each run is measured by the Frechet
distance (`metrics.FrechetMeter`) of as many fakes as there are real images in the reference.
FILE is a CSV to which every finished run is added; runs that it holds already are not repeated.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from pathlib import Path
from typing import Any

from gan_lessons import papers
from gan_lessons.images import digits
from gan_lessons.metrics import FrechetMeter, confidence_interval
from gan_lessons.presets import DENSE_PAIRS, preset
from gan_lessons.run import Run
from gan_lessons.training.runtime import prepare

ARTICLES = (*DENSE_PAIRS, "conv-256-128", "conv-256-128-tanh", "dcgan")
OURS = ("digits", "small-conv")
COLUMNS = ("name", "seed", "seconds", "steps", "frechet", "floor", "made")


def train(name: str, seed: int, seconds: float, chunk: float = 0.25) -> Run:
    """A run of `preset(name)` after so many seconds of training, in calls of about `chunk` s."""
    found = preset(name)
    run, spent, taken = Run(found.config, found.knobs, seed, memory=1), 0.0, 1
    run.advance(1)  # compiles
    while spent < seconds and run.stopped is None:
        began = time.perf_counter()
        done = run.advance(taken)
        took = time.perf_counter() - began
        spent += took
        taken = max(1, round(done * min(chunk, seconds - spent) / took))
    return run


def rows(path: Path) -> list[dict[str, Any]]:
    """What a file holds already."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def add(path: Path, row: dict[str, Any]) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description="equal seconds for every network")
    parser.add_argument("names", nargs="*", default=[*ARTICLES, *OURS], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=30.0, help="of training, for each run")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each")
    parser.add_argument("--out", type=Path, default=Path("runs/race.csv"), help="the CSV file")
    given = parser.parse_args()
    meter, made = FrechetMeter(digits(28)), papers.provenance()
    there = {(row["name"], int(row["seed"])) for row in rows(given.out)}
    for seed in range(given.seeds):
        for name in (name for name in given.names if (name, seed) not in there):
            run = train(name, seed, given.seconds)
            fakes = run.sample(meter.n, seed=1, ema=run.knobs.ema > 0)
            told = (
                name,
                seed,
                given.seconds,
                run.step,
                f"{meter(fakes):.5g}",
                f"{meter.floor:.5g}",
            )
            add(given.out, dict(zip(COLUMNS, (*told, made), strict=True)))
            print(*told[:5], flush=True)
    print(f"{'':22}{'steps':>8}   distance, 95 % interval (floor {meter.floor:.2f})")
    for name in given.names:
        mine = [row for row in rows(given.out) if row["name"] == name]
        distances = [float(row["frechet"]) for row in mine]
        steps = statistics.median(int(row["steps"]) for row in mine)
        spread = "" if len(mine) < 2 else f" ± {confidence_interval(distances)[1]:.2f}"
        print(f"{name:22}{steps:8.0f}{statistics.mean(distances):11.2f}{spread}")


if __name__ == "__main__":
    main()
