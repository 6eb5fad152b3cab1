"""What a step of each cure of lesson 08 costs, beside a step of the plain game.

    python benchmarks/cures.py [--rounds N] [--seconds S]

One row a game of `gan-lessons reproduce cures`: gradient evaluations a step, microseconds a step,
and how many times a plain step that is. The games take turns; figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import statistics

from run import engine, interleaved

from gan_lessons.papers import TABLES
from gan_lessons.training.runtime import prepare


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description="the cost of each cure")
    parser.add_argument("--rounds", type=int, default=5, help="how often each game is timed")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of one timing")
    given, rows = parser.parse_args(), TABLES["cures"]().rows
    sides = [engine(row.preset.config, row.preset.knobs, row.name, chunk=100) for row in rows]
    rates = interleaved(sides, given.rounds, given.seconds)
    print(f"{'game':26}{'gradients':>10}{'us a step':>11}{'times none':>12}")
    for row, mine in zip(rows, rates, strict=True):
        times = [plain / each for plain, each in zip(rates[0], mine, strict=True)]
        spent, ratio = 1e6 / statistics.median(mine), statistics.median(times)
        print(f"{row.name:26}{row.cost:10}{spent:11.0f}{ratio:12.2f}")


if __name__ == "__main__":
    main()
