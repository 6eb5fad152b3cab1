"""The engine of this checkout beside that of another one, and the other beside itself.

    git worktree add ../old COMMIT
    python benchmarks/against.py ../old [NAME ...] [--rounds N] [--seconds S] [--json]

Three processes live side by side: the other checkout twice, and this one. In every round each
trains for a moment, one after the other. A row says the ratio new / old, median and range over the
rounds, and the same for old / old: what is within the range of the latter is no difference.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
NAMES = (
    "ring-2x64",
    "ring-2x128",
    "ganlab-net",
    "playground",
    "ring",
    "digits",
    "dcgan",
    "sweep-32",
)


# ---- in the process of one checkout; only names that stay are used here


def workload(name: str) -> tuple[Any, Any, Any, int]:
    """(config, knobs, seed, steps in one call) of a benchmark."""
    from gan_lessons.distributions import Normal, Ring
    from gan_lessons.networks import MLP
    from gan_lessons.presets import preset
    from gan_lessons.training import Config, Knobs

    if name.startswith(("ring-2x", "sweep")):
        width, batch = (128, 256) if name == "ring-2x128" else (64, 128)
        net = MLP((width, width), "relu")
        config = Config(Ring(), Normal(2), net, net, batch=batch)
        many = name == "sweep-32"
        return config, Knobs(), range(32) if many else 0, 100 if many else 500
    setup = preset("ganlab-gaussians" if name == "ganlab-net" else name)
    return setup.config, setup.knobs, 0, 20 if name == "dcgan" else 200


def serve(name: str) -> None:
    """Compile, then train for as many seconds as each line of standard input says."""
    import jax

    from gan_lessons import training

    config, knobs, seed, chunk = workload(name)
    state = training.init(config, seed)
    gans = state.step.size

    def go() -> None:
        nonlocal state
        state = training.advance(config, state, knobs, chunk).state
        jax.block_until_ready(state)

    go()
    print("ready", flush=True)
    for line in sys.stdin:
        steps, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < float(line):
            go()
            steps += chunk
        print(gans * steps / spent, flush=True)


# ---- in between


class Worker:
    """A process that trains with one checkout when it is asked to."""

    def __init__(self, checkout: Path, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            env=os.environ | {"PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        assert self.process.stdout
        if not (line := self.process.stdout.readline()):
            raise SystemExit("a worker ended; what it said is above")
        return line.strip()

    def rate(self, seconds: float) -> float:
        """Steps a second of one GAN."""
        assert self.process.stdin
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return float(self.hear())

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def compare(name: str, other: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """One row: rates and ratios of the three processes."""
    workers = [Worker(checkout, name) for checkout in (other, HERE, other)]
    for worker in workers:
        worker.hear()
    rates = [[worker.rate(seconds) for worker in workers] for _ in range(rounds)]
    for worker in workers:
        worker.end()
    new, same = ([row[i] / row[0] for row in rates] for i in (1, 2))
    row: dict[str, Any] = {"name": name, "old": statistics.median(row[0] for row in rates)}
    for key, ratios in (("new / old", new), ("old / old", same)):
        quartiles = statistics.quantiles(ratios, n=4)
        row[key] = {"median": quartiles[1], "quartiles": [quartiles[0], quartiles[2]]}
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description="this checkout beside another one")
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return 0
    if given.other is None or not (given.other / "gan_lessons").is_dir():
        parser.error("say where the other checkout is")
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    rows = []
    for name in given.names or NAMES:
        row = compare(name, given.other.resolve(), given.rounds, given.seconds)
        rows.append(row)
        said = [
            f"{key} {row[key]['median']:.3f} ({row[key]['quartiles'][0]:.3f} to "
            f"{row[key]['quartiles'][1]:.3f})"
            for key in ("new / old", "old / old")
        ]
        print(f"{name:12} {row['old']:9.0f} steps/s  {'   '.join(said)}", flush=True)
    if given.json:
        print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
