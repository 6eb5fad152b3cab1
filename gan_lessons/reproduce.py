"""The papers' tables of mode collapse (`gan_lessons.tables`), run again on this machine.

Every finished run is a line of `runs.csv` at once: an interrupt loses only what was under way.
Where a table looks at its runs on the way, what it saw is in `looks.csv`.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import math
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_lessons import checkpoints, training
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.metrics import mode_coverage
from gan_lessons.plots import FAKE, INK, REAL, figure, png
from gan_lessons.tables import TABLES, Row

CHUNK = 0.25  # seconds of training between two looks at Ctrl-C
SAVE = 60.0  # seconds after which a run under way is saved
QUICK = 6  # a quick look takes one step in so many
SHOWN = {  # metric: heading, format, factor
    "modes": ("modes", ".4g", 1),
    "high_quality": ("high quality %", ".1f", 100),
    "kl": ("KL", ".4f", 1),
    "std_ratio": ("std/sigma", ".2f", 1),
    "evaluations": ("evaluations", ",.0f", 1),
}
TEXTS = ("row", "recipe", "made")  # the columns of the files that are no numbers
SEEN = ("modes", "held", "high_quality")  # what a look on the way counts, in LOOK samples
LOOK = 2500
LOOK_COLUMNS = ("row", "seed", "recipe", "step", *SEEN)


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


def _essence(value: Any) -> str:
    """A dataclass without the fields left at their defaults: a new field changes no old key."""
    if not is_dataclass(value):
        return repr(value)
    given = {each.name: getattr(value, each.name) for each in fields(value)}
    moved = [each.name for each in fields(value) if given[each.name] != each.default]
    return f"{type(value).__name__}({', '.join(f'{n}={_essence(given[n])}' for n in moved)})"


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


def _six(number: Any) -> float:
    """To six digits: what is read from a file again is what was written."""
    return float(f"{float(number):.6g}")


class Job:
    """A table being reproduced from `seeds` seeds (0 on; 1 if `quick`) in a folder.

    `load` reads what is finished; to train the rest, `begin` and `train`; `report` says it all.
    `asked` is the number of seeds asked for, None for as many as the table has. With `only`, just
    the rows whose name contains that text.

    Raises: InputError for an unknown table (with the nearest name) or not 1 to 1000 seeds.
    """

    def __init__(
        self,
        name: str,
        seeds: int | None = None,
        quick: bool = False,
        folder: Path | None = None,
        only: str = "",
    ) -> None:
        check_choice("table", name, TABLES)
        if seeds is not None:
            seeds = int(check_number("--seeds", seeds, 1, 1000, integer=True))
        self.only = only
        self.name, self.quick, self.asked = name, quick, 1 if quick and seeds is None else seeds
        self.folder = folder or Path("runs", f"reproduce-{name}{'-quick' * quick}")
        self.path, self.runs = self.folder / "runs.csv", dict[tuple[str, int], dict[str, Any]]()
        self.looks = dict[tuple[str, int], list[dict[str, Any]]]()
        self.resumed = 0  # steps that `train` found done, of runs under way

    def load(self) -> None:
        """Make the table and read the finished runs; InputError where they cannot be read."""
        self.table = TABLES[self.name]()
        names = [row.name for row in self.table.rows]
        rows = [row for row in self.table.rows if self.only in row.name]
        if not rows:
            raise InputError(f"no row of {self.name} contains {self.only!r}; there are {names}")
        self.table = replace(self.table, rows=rows)
        self.seeds = range(self.asked or self.table.seeds)
        if self.quick:
            self.table = replace(self.table, rows=[*map(shortened, self.table.rows)])
        for run in _read(self.path, self.columns):
            self.runs[str(run["recipe"]), int(run["seed"])] = run
        for look in _read(self.folder / "looks.csv", LOOK_COLUMNS):
            self.looks.setdefault((str(look["recipe"]), int(look["seed"])), []).append(look)

    def begin(self) -> None:
        """Load, and write at once: a folder that cannot be written to shows now."""
        self.load()
        self.made = made()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write()

    def key(self, row: Row, seed: int) -> tuple[str, int]:
        """What decides a run's numbers: 12 hexadecimal digits for the set-up, and the seed."""
        of = (row.preset.config, row.preset.knobs, row.preset.steps, self.table.n)
        return hashlib.sha256(repr([*map(_essence, of)]).encode()).hexdigest()[:12], seed

    @property
    def columns(self) -> list[str]:
        """The columns of `runs.csv`."""
        return ["row", "seed", *self.names, "steps", "seconds", "recipe", "made"]

    @property
    def names(self) -> list[str]:
        """The metrics of a run: those of the table and, with looks, the evaluations it took."""
        return [*self.table.perfect, *["evaluations"] * bool(self.table.looks)]

    def _write(self) -> None:
        _save(self.path, self.columns, [*self.runs.values()])
        if self.table.looks:
            rows = [look for looks in self.looks.values() for look in looks]
            _save(self.folder / "looks.csv", LOOK_COLUMNS, rows)

    def finished(self, row: Row) -> list[dict[str, Any]]:
        """The runs of a row that are there, by seed."""
        keys = [self.key(row, seed) for seed in self.seeds]
        return [self.runs[key] for key in keys if key in self.runs]

    def steps(self) -> tuple[int, int]:
        """Steps of the finished runs, and of all."""
        each = [(row.preset.steps, len(self.finished(row))) for row in self.table.rows]
        return sum(n * done for n, done in each), sum(n * len(self.seeds) for n, _ in each)

    def train(self) -> Iterator[int]:
        """Train what is missing, one seed on each device; yields the steps just taken.

        A run that was under way yields what it has already, too, counted in `resumed`.
        """
        for row in self.table.rows:
            left = [seed for seed in self.seeds if self.key(row, seed) not in self.runs]
            packs = row.preset.config.batch // row.preset.config.pack
            while left:
                most = min(len(left), len(jax.devices()))
                k = max(k for k in range(1, most + 1) if packs % k == 0)
                yield from self._sweep(row, left[:k], k)
                left = left[k:]

    def _sweep(self, row: Row, seeds: list[int], devices: int) -> Iterator[int]:
        config, knobs = replace(row.preset.config, devices=devices), row.preset.knobs
        state, looks, step, spent = self._under_way(row, seeds, config)
        see = _compiled(row.preset.config, bool(knobs.ema))
        steps, n, saved = row.preset.steps, 16, time.monotonic()
        due = {-(-steps * i // self.table.looks) for i in range(1, self.table.looks + 1)}

        def save() -> None:
            also, told = {"seconds": spent}, {"looks": np.array(looks)}
            checkpoints.save(self._bench(row, seeds), state, config, also, told, step, keep=1)

        self.resumed += step * len(seeds)
        try:
            yield step * len(seeds)
            while step < steps:
                start = time.monotonic()
                n = min([n, steps - step, *(at - step for at in due if at > step)])
                chunk = training.advance(config, state, knobs, n)
                state, alive = jax.block_until_ready(chunk.state), bool(np.any(chunk.fine))
                took, taken = time.monotonic() - start, n if alive else steps - step
                step, spent = step + taken, spent + took
                n = max(1, min(2 * n, training.BLOCK, int(n * CHUNK / took)))
                if step in due:
                    looks.append([step, *map(_six, np.ravel(see(state)))])
                if time.monotonic() - saved > SAVE:
                    save()
                    saved = time.monotonic()
                yield taken * len(seeds)
        except GeneratorExit:  # interrupted: go on from here another time
            save()
            raise
        for i, seed in enumerate(seeds):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], state)
            one = jax.device_put(one, jax.devices()[0])
            mine = [(int(at), *np.reshape(seen, (-1, len(SEEN)))[i]) for at, *seen in looks]
            self._keep(row, seed, one, round(spent / len(seeds), 2), mine)
        self._write()
        shutil.rmtree(self._bench(row, seeds), ignore_errors=True)

    def _bench(self, row: Row, seeds: list[int]) -> Path:
        """Where runs under way are saved."""
        return self.folder / "under-way" / f"{self.key(row, 0)[0]}-{seeds[0]}-{len(seeds)}"

    def _under_way(self, row: Row, seeds: list[int], config: training.Config) -> tuple[Any, ...]:
        """State, looks, step and seconds of runs that were interrupted, or of fresh ones."""
        fresh = training.init(config, seeds)
        if not checkpoints.steps(folder := self._bench(row, seeds)):
            return fresh, [], 0, 0.0
        last = checkpoints.load(
            folder, jax.eval_shape(lambda: training.init(config, seeds)), config
        )
        looks = np.asarray(last.history["looks"]).tolist()
        return training.place(config, last.state), looks, last.step, last.knobs["seconds"]

    def _keep(
        self, row: Row, seed: int, state: training.State, seconds: float, looks: list[Any]
    ) -> None:
        ema, key = bool(row.preset.knobs.ema), self.key(row, seed)
        samples = training.sample(row.preset.config, self.table.n, state, jax.random.key(0), ema)
        found = self.table.measure(np.asarray(samples))
        run = {"row": row.name, "seed": seed, **{k: _six(v) for k, v in found.items()}}
        if self.table.looks:
            told = [dict(zip(LOOK_COLUMNS[3:], look, strict=True)) for look in looks]
            head = {"row": row.name, "seed": seed, "recipe": key[0]}
            self.looks[key] = [head | look for look in told]
            full = len(row.preset.config.data.modes)  # type: ignore[arg-type]
            there = [look["step"] for look in told if look["held"] >= full]
            run["evaluations"] = row.cost * there[0] if there else math.nan
        run |= {"steps": int(state.step), "seconds": seconds, "made": self.made}
        self.runs[key] = run | {"recipe": key[0]}

    def report(self) -> dict[str, Any]:
        """All there is to say, ready for JSON (None for NaN).

        A row's `mean` and `std` (over seeds, n - 1) are of its `runs`; `real` is what as many
        real samples score.
        """
        table, data = self.table, self.table.rows[0].preset.config.data
        real = table.measure(np.asarray(data.sample(jax.random.key(0), table.n)))
        rows = [summary(row, self.finished(row), self.names) for row in table.rows]
        told = {"table": self.name, "title": table.title, "quick": self.quick, "samples": table.n}
        told |= {"seeds": len(self.seeds), "perfect": table.perfect, "real": real, "rows": rows}
        by = {run["made"] for row in table.rows for run in self.finished(row)}
        return told | {"names": self.names, "notes": table.notes, "made": sorted(by)}

    def draw(self, told: dict[str, Any]) -> None:
        """Write `figure.png` of a report."""
        data = "" if self.table.same else ", other data"
        image = picture(told, f"published{data}" if self.table.drawn else None)
        (self.folder / "figure.png").write_bytes(image)


@functools.lru_cache(maxsize=8)
def _compiled(config: training.Config, ema: bool) -> Any:
    """SEEN of LOOK samples of each run of a sweep: State -> [runs, len(SEEN)]."""

    def see(state: training.State) -> Any:
        x = training.sample(config, LOOK, state, jax.random.key(1), ema)
        found = mode_coverage(x, config.data.modes, config.data.mode_std)  # type: ignore[arg-type]
        return jnp.stack([jnp.asarray(getattr(found, name), float) for name in SEEN])

    return jax.jit(jax.vmap(see))


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The lines of a CSV file with these columns; none where there is no file."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *lines = csv.reader(file, strict=True)
        if head != [*columns]:
            raise ValueError("the finished runs of another table")
        told = [zip(head, line, strict=True) for line in lines]
        return [{k: text if k in TEXTS else _number(text) for k, text in each} for each in told]
    except (ValueError, csv.Error):
        lost = "cannot be read as finished runs; move it away or give another --out"
        raise InputError(f"{path} {lost}") from None


def _save(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


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
    told |= {"steps": row.preset.steps, "cost": row.cost}
    return told | {"published": row.published, "source": row.source}


def in_words(told: dict[str, Any]) -> str:
    """The report as a table of text: ours with its spread, beside the paper's."""
    lines = _lines(told)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    head, *notes = _notes(told)
    return "\n".join([head, *text, *notes])


def in_markdown(told: dict[str, Any]) -> str:
    """The report as a table in Markdown, for notebooks."""
    head, *lines = _lines(told)
    rows = [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]
    said, *notes = _notes(told)
    return "\n".join([said, "", *rows, "", *(f"{note}  " for note in notes)])


def _lines(told: dict[str, Any]) -> list[list[str]]:
    """The cells of the table, heading first; without rows of which nobody has numbers."""
    names = told["names"]
    extra = ["runs", "steps", "cost", "seconds", "published"]
    lines = [["", *(SHOWN[name][0] for name in names), *extra]]
    for row in told["rows"]:
        runs, seconds = len(row["runs"]["seconds"]), row["mean"]["seconds"]
        if not runs and not row["published"]:
            continue
        paper = [f"{SHOWN[name][0]} {cell(name, x)}" for name, x in row["published"].items()]
        fate = [f"ours diverged {row['diverged']} times"] * bool(row["diverged"])
        said = "; ".join([*paper, *filter(None, [row["source"]]), *fate])
        lines.append([row["row"], *(_ours(row, name) for name in names), str(runs)])
        took = f"{seconds:.1f}" if runs else "-"
        lines[-1] += [f"{row['steps']:,}", str(row["cost"]), took, said]
    for name in ("real", "perfect"):
        lines.append([f"{name} samples", *(cell(n, told[name].get(n)) for n in names)])
        lines[-1] += [""] * len(extra)
    return lines


def _notes(told: dict[str, Any]) -> list[str]:
    """The sentence above the table, and what is to be said below it."""
    head = f"{told['title']}: {told['samples']:,} samples, seeds from 0; mean ± standard deviation "
    head += "over runs; cost: gradient evaluations a step; seconds a run."
    quick = "QUICK LOOK: a sixth of the steps, not the recipe. Do not quote these numbers. "
    missing = [row["row"] for row in told["rows"] if not row["runs"]["seconds"]]
    left = [f"Not run here: {'; '.join(missing)}."] * bool(missing)
    return [quick * told["quick"] + head, *left, *told["notes"], *told["made"]]


def _ours(row: dict[str, Any], name: str) -> str:
    """A cell of ours; where only some runs have the number, of how many it is."""
    known, runs = [x for x in row["runs"][name] if x is not None], len(row["runs"][name])
    few = f" ({len(known)} of {runs})" if 0 < len(known) < runs else ""
    return cell(name, row["mean"][name], row["std"][name]) + few


def cell(name: str, value: float | None, spread: float | None = None) -> str:
    """A number as the tables show it: `24.8 ± 0.45`."""
    _, form, factor = SHOWN[name]
    spread_form = ".3g" if form == ".4g" else form
    pairs = ((value, form), (spread, spread_form))
    said = [f"{factor * each:{how}}" for each, how in pairs if each is not None]
    return " ± ".join(said) or "-"


def picture(told: dict[str, Any], published: str | None) -> bytes:
    """One axis a metric: each seed, a perfect generator and, labelled `published`, the paper."""
    names = told["names"]
    rows = [row for row in told["rows"] if row["runs"]["seconds"] or row["published"]]
    made = figure(9.3, 1.5 + 0.32 * len(rows))
    axes = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        heading, _, factor = SHOWN[name]
        if name in told["perfect"]:
            ax.axvline(factor * told["perfect"][name], color=REAL, label="perfect generator")
        for y, row in enumerate(rows):
            seen = [factor * value for value in row["runs"][name] if value is not None]
            ax.plot(seen, [y] * len(seen), "^", color=FAKE, alpha=0.6, label="ours, a seed each")
            if published and name in row["published"]:
                paper = factor * row["published"][name]
                ax.plot(paper, y, "D", mfc="none", color=INK, label=published)
        if name in ("kl", "evaluations"):
            ax.set_xscale("log")
        ax.set_title(heading)
    axes[0].set_yticks(range(len(rows)), [row["row"] for row in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    made.suptitle(told["title"] + " (quick look)" * told["quick"])
    signs, labels = axes[0].get_legend_handles_labels()
    once = dict(zip(labels, signs, strict=True))
    made.legend([*once.values()], [*once], loc="outside lower center", ncols=3)
    return png(made)
