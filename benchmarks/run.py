"""Speed of the engine beside eager PyTorch, and of a sweep beside single runs.

    python benchmarks/run.py [NAME ...] [--json] [--rounds N] [--seconds S]

One row a benchmark: name, ours, theirs (steps per second, of one GAN), ratio, target. Every
round times each side once, one after the other; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from gan_lessons import training
from gan_lessons.distributions import Normal, Ring
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.networks import MLP
from gan_lessons.presets import preset
from gan_lessons.training import Config, Knobs
from gan_lessons.training.runtime import prepare


@dataclass(frozen=True)
class Side:
    """One way of doing the work: `run(n)` takes n steps in each of `gans` GANs, then returns.

    A timing calls `run(chunk)` until its time is up.
    """

    label: str
    run: Callable[[int], None]
    chunk: int = 500
    gans: int = 1
    work: float = 0.0  # floating-point operations a step, where matrix products are all that counts


Sides = tuple[list[Side], list[Side]]  # ours, theirs: the fastest of each counts


def engine(config: Config, knobs: Knobs, label: str, seed: Any = 0, chunk: int = 500) -> Side:
    """The package's engine: sampling, both updates, metrics, history; a sweep if given seeds."""
    state = [training.init(config, seed)]
    gans = state[0].step.size

    def run(n: int) -> None:
        state[0] = training.advance(config, state[0], knobs, n).state
        jax.block_until_ready(state)

    return Side(label, run, chunk, gans)


def pytorch(make: Callable[[Any, str], Callable[[], None]]) -> list[Side]:
    """The step that `make(module, device)` gives, on each thread count worth trying."""
    try:
        import eager
    except ImportError as error:
        raise InputError(f"{error}; PyTorch comes with: pip install -e '.[bench]'") from None
    device = eager.device_for(jax.default_backend())
    step = make(eager, device)
    return [
        Side(f"PyTorch {device}, threads {n}", eager.repeated(step, n, device), chunk=10)
        for n in eager.thread_counts(device)
    ]


def two_layers(width: int, batch: int, devices: int = 1) -> Config:
    net = MLP((width, width), "relu")
    return Config(Ring(), Normal(2), net, net, batch=batch, devices=devices)


def ring(width: int, batch: int, split: bool = False) -> Sides:
    """Two hidden layers in each player on the ring; with `split` also on two devices."""
    ours = [engine(two_layers(width, batch), Knobs(), "one device")]
    if split and len(jax.devices()) > 1:
        ours.append(engine(two_layers(width, batch, 2), Knobs(), "batch over two devices"))
    return ours, pytorch(lambda eager, device: eager.ring_step(width, batch, device))


def ganlab() -> Sides:
    """GAN Lab's default set-up, in our engine and in PyTorch."""
    setup = preset("ganlab-gaussians")
    ours = [engine(setup.config, setup.knobs, "one device")]
    return ours, pytorch(lambda eager, device: eager.ganlab_step(device))


def dcgan_work(batch: int = 64) -> float:
    """Multiplications and additions of a step of `dcgan` as our engine takes it.

    Of the layer between 14x14x64 and 7x7x128 each player has one: D uses it forwards in three
    passes, backwards in three to its input and in two to its weights, G once each. The layer
    between 28x28x1 and 14x14x64 is used as often, but for two passes to D's input.
    """
    wide = 2 * batch * 7 * 7 * 16 * 64 * 128
    thin = 2 * batch * 14 * 14 * 16 * 1 * 64
    first = 2 * batch * 100 * 7 * 7 * 128
    return 11 * wide + 9 * thin + 2 * first


def dcgan() -> Sides:
    """DCGAN on 28x28 digits, batch 64; PyTorch with the channels first and last in memory."""
    setup = preset("dcgan")
    ours = engine(setup.config, setup.knobs, "one device", chunk=20)
    pictures = np.asarray(setup.config.data.points)  # type: ignore[attr-defined]
    theirs: list[Side] = []

    def step(order: str, eager: Any, device: str) -> Callable[[], None]:
        return eager.dcgan_step(pictures, device, order)

    for order in ("channels first", "channels last"):
        sides = pytorch(functools.partial(step, order))
        theirs += [replace(side, label=f"{side.label}, {order}") for side in sides]
    return [replace(ours, work=dcgan_work())], theirs


def product_rate(size: int = 1024) -> float:
    """The CPU's matrix products, in operations a second: XLA's or PyTorch's, the faster."""
    import eager

    a = jax.random.normal(jax.random.key(0), (size, size))
    ours = jax.jit(lambda a: a @ a)
    runs = [eager.repeated(eager.product(size), n, "cpu") for n in eager.thread_counts("cpu")]
    runs.append(lambda n: jax.block_until_ready([ours(a) for _ in range(n)]))
    sides = [Side("", run, chunk=20) for run in runs]
    return 2 * size**3 * max(max(rates) for rates in interleaved(sides, 3, 0.2))


def together(runs: int, devices: int) -> Side:
    """`runs` GANs at once, shared out over `devices`."""
    over = f", over {devices} devices" if devices > 1 else ""
    config = two_layers(64, 128, devices)
    return engine(config, Knobs(), f"{runs} at once{over}", range(runs), chunk=100)


def sweep(runs: int) -> Sides:
    """`runs` GANs at once against (at most 32 of) the same, one after another."""
    config, knobs = two_layers(64, 128), Knobs()
    singles = [training.init(config, seed) for seed in range(min(runs, 32))]

    def in_turn(n: int) -> None:
        for i, state in enumerate(singles):
            singles[i] = training.advance(config, state, knobs, n).state
        jax.block_until_ready(singles)

    ours = [together(runs, devices) for devices in sorted({1, len(jax.devices())})]
    return ours, [Side("one after another", in_turn, chunk=100, gans=len(singles))]


# name: (least ratio it must reach, what makes the sides, whether it is left out of a plain run)
BENCHMARKS: dict[str, tuple[float, Callable[[], Sides], bool]] = {
    "ring-2x64": (7.0, lambda: ring(64, 128), False),
    "ring-2x128": (3.5, lambda: ring(128, 256, split=True), False),
    "ganlab-net": (15.0, ganlab, False),
    "dcgan": (1.3, dcgan, False),
    "sweep-32": (1.4, lambda: sweep(32), False),
    "sweep-1024": (1.4, lambda: sweep(1024), True),  # for a GPU
}


def timed(side: Side, seconds: float) -> float:
    """Steps per second of one GAN, over as many whole chunks as fill `seconds`."""
    steps, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        side.run(side.chunk)
        steps += side.chunk
    return side.gans * steps / spent


def interleaved(sides: list[Side], rounds: int, seconds: float) -> list[list[float]]:
    """Steps per second of each side in each round, the sides taking turns: A B A B ..."""
    for side in sides:
        side.run(side.chunk)  # compiles, and wakes the threads
    rates = [[timed(side, seconds) for side in sides] for _ in range(rounds)]
    return [list(column) for column in zip(*rates, strict=True)]


def fastest(sides: list[Side], rates: list[list[float]]) -> tuple[str, list[float]]:
    best = max(range(len(sides)), key=lambda i: statistics.median(rates[i]))
    return sides[best].label, rates[best]


def measure(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """One row; the ratio is the median over rounds of ours / theirs, `low` and `high` its range."""
    target, make, _ = BENCHMARKS[name]
    ours, theirs = make()
    rates = interleaved(ours + theirs, rounds, seconds)
    our_label, our_rates = fastest(ours, rates[: len(ours)])
    their_label, their_rates = fastest(theirs, rates[len(ours) :])
    ratios = [a / b for a, b in zip(our_rates, their_rates, strict=True)]
    if ours[0].work and jax.default_backend() == "cpu":
        spent, most = ours[0].work * statistics.median(our_rates), product_rate()
        our_label += f", {spent / most:.0%} of {most / 1e9:.0f} GFLOP/s"
    return {
        "name": name,
        "ours": round(statistics.median(our_rates), 1),
        "theirs": round(statistics.median(their_rates), 1),
        "ratio": round(statistics.median(ratios), 3),
        "target": target,
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
        "unit": "steps per second of one GAN",
        "how": f"{our_label} | {their_label}",
        "device": jax.devices()[0].device_kind,
        "rounds": rounds,
    }


HEAD = (
    f"{'name':12}{'ours':>10}{'theirs':>10}{'ratio':>8}{'target':>8}  {'low..high':14}"
    "device | ours | theirs (steps a second of one GAN)"
)


def line(row: dict[str, Any]) -> str:
    spread = f"{row['low']:.2f}..{row['high']:.2f}"
    return (
        f"{row['name']:12}{row['ours']:10.0f}{row['theirs']:10.0f}{row['ratio']:8.2f}"
        f"{row['target']:8.1f}  {spread:14}{row['device']} | {row['how']}"
    )


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="speed of the engine, row by row")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="the rows as JSON on the last line")
    parser.add_argument("--rounds", type=int, default=9, help="how often each side is timed")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one timing")
    return parser.parse_args(argv)


def chosen(names: list[str]) -> list[str]:
    for name in names:
        check_choice("benchmark", name, BENCHMARKS)
    return names or [name for name, (_, _, asked_for) in BENCHMARKS.items() if not asked_for]


def main(argv: list[str] | None = None) -> int:
    prepare()
    given = arguments(argv)
    try:
        names = chosen(given.names)
        check_number("rounds", given.rounds, 1, 1000, integer=True)
        check_number("seconds", given.seconds, 0, 60, above=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    jax.config.update("jax_num_cpu_devices", 2)  # for the rows that split a batch or a sweep
    rows = []
    print(HEAD)
    try:
        for name in names:
            rows.append(measure(name, given.rounds, given.seconds))
            print(line(rows[-1]), flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
