"""The papers' tables of mode collapse, run again on this machine: one entry of TABLES each.

Every finished run is a line of `runs.csv` at once: an interrupt loses only what was under way.
"""

from __future__ import annotations

import csv
import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_lessons import metrics, training
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.images import image_set
from gan_lessons.plots import FAKE, INK, REAL, figure, png
from gan_lessons.presets import Preset, preset

CHUNK = 0.25  # seconds of training between two looks at Ctrl-C
QUICK = 6  # a quick look takes one step in so many
SHOWN = {  # metric: heading, format, factor
    "modes": ("modes", ".4g", 1),
    "high_quality": ("high quality %", ".1f", 100),
    "kl": ("KL", ".4f", 1),
    "std_ratio": ("std/sigma", ".2f", 1),
}
TEXTS = ("row", "recipe", "made")  # the columns of runs.csv that are no numbers
R3GAN = "R3GAN (Huang et al. 2024, arXiv 2501.05441) used stacked MNIST, 1,000 modes"


@dataclass(frozen=True)
class Row:
    """A set-up, what a paper reports of its like (metric: number), and where, in words."""

    name: str
    preset: Preset
    published: dict[str, float] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that imitate the same data, and how they are measured.

    `measure` turns `n` samples [n, dim] into metrics (names in SHOWN), of which a perfect
    generator scores `perfect`; `drawn`: the paper's numbers may stand on the same axes as ours.
    """

    title: str
    rows: list[Row]
    measure: Callable[[np.ndarray], dict[str, float]]
    n: int
    perfect: dict[str, float]
    notes: list[str]
    drawn: bool


def _stacked_digits() -> Table:
    """The test of Metz et al. 2017 (arXiv 1611.02163) on 8x8 digits, with our own classifier."""
    classifier = metrics.train_feature_extractor(image_set("digits"))
    recipe, n, other = preset("stacked-digits"), metrics.STACK_SAMPLES, "non_saturating"

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.stack_coverage(classifier, samples)
        return {"modes": found.modes, "kl": found.kl}

    def row(name: str, modes: int, kl: float, source: str, **knobs: Any) -> Row:
        ours = replace(recipe, knobs=replace(recipe.knobs, **knobs))
        return Row(name, ours, {"modes": modes, "kl": kl}, source)

    rows = [
        row("relativistic, R1 + R2", 1000, 0.029, "R3GAN, table 3"),
        row("non-saturating, R1 + R2", 693, 0.927, "R3GAN, table 1", objective=other),
        row("non-saturating, none", 99, 3.40, "DCGAN in table 3", objective=other, r1=0.0, r2=0.0),
    ]
    seen = f"Labels are our own classifier's, right on {classifier.accuracy:.2%} of held-out digits"
    perfect = {"modes": 1000.0, "kl": metrics.kl_floor(1000, n, exact=True)}
    notes = [f"{R3GAN}, not these 8x8 digits: compare the order.", f"{seen}."]
    return Table("1,000 modes: three stacked digits", rows, measure, n, perfect, notes, True)


def _penalties() -> Table:
    """The question of R3GAN's table 1 on the 5x5 grid, with the rows that it leaves out."""
    grid, n = preset("grid"), 20_000
    data, kinds = grid.config.data, ("none", "R1", "R2", "R1 + R2")
    published = {
        "non_saturating": {"modes": 693, "kl": 0.927},
        "relativistic": {"modes": 1000, "kl": 0.0781},
    }

    def measure(samples: np.ndarray) -> dict[str, float]:
        found = metrics.mode_coverage(samples, data.modes, data.mode_std)  # type: ignore[arg-type]
        return {name: float(getattr(found, name)) for name in SHOWN}

    def row(loss: str, kind: str) -> Row:
        weights: Any = {name: grid.knobs.r1 * (name.upper() in kind) for name in ("r1", "r2")}
        ours = replace(grid, knobs=replace(grid.knobs, objective=loss, **weights))
        name = f"{loss.replace('_', '-')}, {kind}"
        if kind == "R1 + R2":
            return Row(name, ours, published[loss], "R3GAN, table 1")
        return Row(name, ours, {}, "R3GAN, table 1: diverges" if kind == "R1" else "")

    rows = [row(*each) for each in product(published, kinds)]
    ceiling, floor = metrics.high_quality_ceiling(2), metrics.kl_floor(25, n, exact=True)
    perfect = {"modes": 25.0, "high_quality": ceiling, "kl": floor, "std_ratio": 1.0}
    narrow = "High quality above a perfect generator's means modes that are too narrow."
    notes = [f"{R3GAN}, not this grid of 25: compare the order, never the size.", narrow]
    return Table("Two losses, four penalties, a 5x5 grid", rows, measure, n, perfect, notes, False)


TABLES: dict[str, Callable[[], Table]] = {
    "stacked-digits": _stacked_digits,
    "penalties": _penalties,
}


def shortened(row: Row) -> Row:
    """The row with a sixth of its steps, its decays as much shorter."""
    whole = row.preset
    knobs = replace(whole.knobs, decay_steps=whole.knobs.decay_steps / QUICK)
    return replace(row, preset=replace(whole, steps=-(-whole.steps // QUICK), knobs=knobs))


def made() -> str:
    """The commit (`-changed` where files differ from it) and the versions, in words."""
    ask = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=-changed"]
    try:
        commit = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    versions = [f"{name} {version(name)}" for name in ("jax", "flax", "numpy")]
    python, backend = platform.python_version(), jax.default_backend()
    return ", ".join([f"commit {commit}", *versions, f"Python {python}", backend])


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


class Job:
    """A table being reproduced from `seeds` seeds (0 on; 5, or 1 if `quick`) in a folder.

    Raises: InputError for an unknown table (with the nearest name) or not 1 to 1000 seeds.
    """

    def __init__(
        self, name: str, seeds: int | None = None, quick: bool = False, folder: Path | None = None
    ) -> None:
        check_choice("table", name, TABLES)
        seeds = (1 if quick else 5) if seeds is None else seeds
        self.name, self.quick = name, quick
        self.seeds = range(int(check_number("--seeds", seeds, 1, 1000, integer=True)))
        self.folder = folder or Path("runs", f"reproduce-{name}{'-quick' * quick}")
        self.path, self.runs = self.folder / "runs.csv", dict[tuple[str, int], dict[str, Any]]()

    def begin(self) -> None:
        """Make the table and read the finished runs; InputError where they cannot be read."""
        self.table, self.made = TABLES[self.name](), made()
        if self.quick:
            self.table = replace(self.table, rows=[*map(shortened, self.table.rows)])
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self._read()
        self._write()

    def key(self, row: Row, seed: int) -> tuple[str, int]:
        """What decides a run's numbers: 12 hexadecimal digits for the set-up, and the seed."""
        of = (row.preset.config, row.preset.knobs, row.preset.steps, self.table.n, jax.__version__)
        return hashlib.sha256(repr(of).encode()).hexdigest()[:12], seed

    @property
    def columns(self) -> list[str]:
        """The columns of `runs.csv`."""
        return ["row", "seed", *self.table.perfect, "steps", "seconds", "recipe", "made"]

    def _read(self) -> None:
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                head, *lines = csv.reader(file, strict=True)
            if head != self.columns:
                raise ValueError("the finished runs of another table")
            for line in lines:
                told = zip(head, line, strict=True)
                run = {name: text if name in TEXTS else _number(text) for name, text in told}
                self.runs[str(run["recipe"]), int(run["seed"])] = run
        except (ValueError, csv.Error):
            lost = "cannot be read as finished runs; move it away or give another --out"
            raise InputError(f"{self.path} {lost}") from None

    def _write(self) -> None:
        part = self.path.with_suffix(".part")
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.runs.values())
        os.replace(part, self.path)

    def finished(self, row: Row) -> list[dict[str, Any]]:
        """The runs of a row that are there, by seed."""
        keys = [self.key(row, seed) for seed in self.seeds]
        return [self.runs[key] for key in keys if key in self.runs]

    def steps(self) -> tuple[int, int]:
        """Steps of the finished runs, and of all."""
        each = [(row.preset.steps, len(self.finished(row))) for row in self.table.rows]
        return sum(n * done for n, done in each), sum(n * len(self.seeds) for n, _ in each)

    def train(self) -> Iterator[int]:
        """Train what is missing, one seed on each device; yields the steps just taken."""
        for row in self.table.rows:
            left = [seed for seed in self.seeds if self.key(row, seed) not in self.runs]
            while left:
                fits = [k for k in range(1, len(left) + 1) if row.preset.config.batch % k == 0]
                k = max(k for k in fits if k <= len(jax.devices()))
                yield from self._sweep(row, left[:k], k)
                left = left[k:]

    def _sweep(self, row: Row, seeds: list[int], devices: int) -> Iterator[int]:
        config, knobs = replace(row.preset.config, devices=devices), row.preset.knobs
        state, left, n, began = training.init(config, seeds), row.preset.steps, 16, time.monotonic()
        while left:
            start, n = time.monotonic(), min(n, left)
            chunk = training.advance(config, state, knobs, n)
            state, alive = jax.block_until_ready(chunk.state), bool(np.any(chunk.fine))
            taken = n if alive else left
            n = max(1, min(2 * n, training.BLOCK, int(n * CHUNK / (time.monotonic() - start))))
            left -= taken
            yield taken * len(seeds)
        seconds = round((time.monotonic() - began) / len(seeds), 2)
        for i, seed in enumerate(seeds):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], state)
            self._keep(row, seed, jax.device_put(one, jax.devices()[0]), seconds)
        self._write()

    def _keep(self, row: Row, seed: int, state: training.State, seconds: float) -> None:
        samples = training.sample(row.preset.config, self.table.n, state, jax.random.key(0))
        run = {"row": row.name, "seed": seed, **self.table.measure(np.asarray(samples))}
        run |= {"steps": int(state.step), "seconds": seconds, "made": self.made}
        key = self.key(row, seed)
        self.runs[key] = run | {"recipe": key[0]}

    def report(self) -> dict[str, Any]:
        """All there is to say, ready for JSON (None for NaN); writes `figure.png`.

        A row's `mean` and `std` (over seeds, n - 1) are of its `runs`; `real` is what as many
        real samples score.
        """
        table, data = self.table, self.table.rows[0].preset.config.data
        real = table.measure(np.asarray(data.sample(jax.random.key(0), table.n)))
        rows = [summary(row, self.finished(row), [*table.perfect]) for row in table.rows]
        told = {"table": self.name, "title": table.title, "quick": self.quick, "samples": table.n}
        told |= {"seeds": len(self.seeds), "perfect": table.perfect, "real": real, "rows": rows}
        by = {run["made"] for row in table.rows for run in self.finished(row)}
        told |= {"notes": table.notes, "made": sorted(by)}
        (self.folder / "figure.png").write_bytes(picture(told, table.drawn))
        return told


def summary(row: Row, runs: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """A row in numbers: each metric's mean, spread and values by seed, and the paper's."""
    told: dict[str, Any] = {"row": row.name, "mean": {}, "std": {}, "runs": {}}
    for name in (*names, "seconds"):
        values = [run[name] if np.isfinite(run[name]) else None for run in runs]
        known = np.array([value for value in values if value is not None])
        told["mean"][name] = float(known.mean()) if known.size else None
        told["std"][name] = float(known.std(ddof=1)) if known.size > 1 else None
        told["runs"][name] = values
    told["diverged"] = sum(run["steps"] < row.preset.steps for run in runs)
    return told | {"steps": row.preset.steps, "published": row.published, "source": row.source}


def in_words(told: dict[str, Any]) -> str:
    """The report as a table of text: ours with its spread, beside the paper's."""
    names, first = [*told["perfect"]], told["rows"][0]
    seeds = f"s 0 to {told['seeds'] - 1}" if told["seeds"] > 1 else " 0"
    lines = [["", *(SHOWN[name][0] for name in names), "seconds a run", "published"]]
    for row in told["rows"]:
        ours = [cell(name, row["mean"][name], row["std"][name]) for name in names]
        paper = [f"{SHOWN[name][0]} {value:g}" for name, value in row["published"].items()]
        fate = [f"ours diverged {row['diverged']} times"] * bool(row["diverged"])
        said = "; ".join([*paper, *filter(None, [row["source"]]), *fate])
        lines.append([row["row"], *ours, f"{row['mean']['seconds']:.1f}", said])
    for name in ("real", "perfect"):
        lines.append([f"{name} samples", *(cell(n, told[name][n]) for n in names), "", ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    head = f"{told['title']}: {first['steps']:,} steps, seed{seeds}, "
    head += f"{told['samples']:,} samples; mean ± standard deviation over seeds."
    quick = ["QUICK LOOK: a sixth of the steps, not the recipe. Do not quote these numbers."]
    return "\n".join([*quick * told["quick"], head, *text, *told["notes"], *told["made"]])


def cell(name: str, value: float | None, spread: float | None = None) -> str:
    """A number as the tables show it: `24.8 ± 0.45`."""
    _, form, factor = SHOWN[name]
    said = [f"{factor * each:{form}}" for each in (value, spread) if each is not None]
    return " ± ".join(said) or "-"


def picture(told: dict[str, Any], drawn: bool) -> bytes:
    """One axis a metric: each seed, a perfect generator and, if `drawn`, the paper."""
    names, rows = [*told["perfect"]], told["rows"]
    made = figure(9.3, 1.5 + 0.32 * len(rows))
    axes = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        heading, _, factor = SHOWN[name]
        ax.axvline(factor * told["perfect"][name], color=REAL, label="perfect generator")
        for y, row in enumerate(rows):
            seen = [factor * value for value in row["runs"][name] if value is not None]
            ax.plot(seen, [y] * len(seen), "^", color=FAKE, alpha=0.6, label="ours, a seed each")
            if drawn and name in row["published"]:
                paper, label = factor * row["published"][name], "published, other data"
                ax.plot(paper, y, "D", mfc="none", color=INK, label=label)
        if name == "kl":
            ax.set_xscale("log")
        ax.set_title(heading)
    axes[0].set_yticks(range(len(rows)), [row["row"] for row in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    made.suptitle(told["title"] + " (quick look)" * told["quick"])
    signs, labels = axes[0].get_legend_handles_labels()
    once = dict(zip(labels, signs, strict=True))
    made.legend([*once.values()], [*once], loc="outside lower center", ncols=3)
    return png(made)
