"""A table being run again: what is finished, what is missing, and all that is to be said.

Every finished run is written at once, and what is under way is saved every quarter of a minute.
Several processes may work on one table: each trains what no other does.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_lessons import training
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.files import lock, typed_path, write_whole
from gan_lessons.papers.ledger import SEEN, Key, Ledger, six_digits
from gan_lessons.papers.picture import report_picture
from gan_lessons.papers.provenance import provenance
from gan_lessons.papers.recipe import recipe_key, shortened
from gan_lessons.papers.sweep import Outcome, Sweep
from gan_lessons.papers.table import Row
from gan_lessons.papers.tables import TABLES


class Reproduction:
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
        folder: Path | str | None = None,
        only: str = "",
    ) -> None:
        check_choice("table", name, TABLES)
        if seeds is not None:
            seeds = int(check_number("--seeds", seeds, 1, 1000, integer=True))
        self.name, self.quick, self.only = name, quick, only
        self.asked = 1 if quick and seeds is None else seeds
        plain = Path("runs", f"reproduce-{name}{'-quick' * quick}")
        self.folder = plain if folder is None else typed_path(folder, "--out")
        self.resumed = 0  # steps that `train` found done, of runs under way

    def load(self) -> None:
        """Make the table and read the finished runs; InputError where they cannot be read."""
        table = TABLES[self.name]()
        rows = [row for row in table.rows if self.only in row.name]
        if not rows:
            names = [row.name for row in table.rows]
            raise InputError(f"no row of {self.name} contains {self.only!r}; there are {names}")
        self.table = replace(table, rows=[shortened(r) for r in rows] if self.quick else rows)
        self.seeds = range(self.asked or table.seeds)
        self.ledger = Ledger(self.folder, self.names, bool(table.looks))

    def begin(self) -> None:
        """Load, and write at once: a folder that cannot be written to shows now."""
        self.load()
        self.made = provenance()
        self.ledger.write()

    @property
    def path(self) -> Path:
        """The file of the finished runs."""
        return self.ledger.path

    @property
    def looks(self) -> dict[Key, list[dict[str, Any]]]:
        """What was seen of each run on its way, by key."""
        return self.ledger.looks

    @property
    def names(self) -> list[str]:
        """The metrics of a run: those of the table and, with looks, the evaluations it took."""
        return [*self.table.perfect, *["evaluations"] * bool(self.table.looks)]

    def key(self, row: Row, seed: int) -> Key:
        """What decides a run's numbers, and finds them: the recipe and the seed."""
        return recipe_key(row, self.table.n), seed

    def finished(self, row: Row) -> list[dict[str, Any]]:
        """The runs of a row that are there, by seed."""
        keys = [self.key(row, seed) for seed in self.seeds]
        return [self.ledger.runs[key] for key in keys if key in self.ledger.runs]

    def steps(self) -> tuple[int, int]:
        """Steps of the finished runs, and of all."""
        each = [(row.preset.steps, len(self.finished(row))) for row in self.table.rows]
        return sum(n * done for n, done in each), sum(n * len(self.seeds) for n, _ in each)

    def train(self) -> Generator[int, None, None]:
        """Train what is missing, one seed on each device; yields the steps just taken.

        A run that was under way first yields the steps it had already, counted in `resumed` too.
        Runs that another process is training are left to it.
        """
        for row in self.table.rows:
            left = list(self.seeds)
            while left:
                with contextlib.ExitStack() as held:
                    if not (seeds := self._claimed(row, left, held)):
                        break
                    yield from self._sweep(row, seeds)
                left = [seed for seed in left if seed not in seeds]
        with contextlib.suppress(OSError):  # not empty: something is under way elsewhere
            (self.folder / "under-way").rmdir()

    def _claimed(self, row: Row, left: list[int], held: contextlib.ExitStack) -> list[int]:
        """Those of the seeds `left` that this process alone may train now; `held` keeps them."""
        folder = self.folder / "under-way"
        folder.mkdir(parents=True, exist_ok=True)
        free: list[tuple[int, contextlib.ExitStack]] = []
        for seed in left:
            if self.key(row, seed) not in self.ledger.runs and len(free) < len(jax.devices()):
                claim = held.enter_context(contextlib.ExitStack())
                path = folder / f"{self.key(row, 0)[0]}-{seed}.lock"
                if claim.enter_context(lock(path)):
                    free.append((seed, claim))
        self.ledger.read()  # one that was finished just before it was claimed
        free = [(seed, c) for seed, c in free if self.key(row, seed) not in self.ledger.runs]
        packs = row.preset.config.batch // row.preset.config.pack
        k = max((k for k in range(1, len(free) + 1) if packs % k == 0), default=0)
        for _, claim in free[k:]:
            claim.close()
        return [seed for seed, _ in free[:k]]

    def _sweep(self, row: Row, seeds: list[int]) -> Iterator[int]:
        """Train some seeds of a row, one on each device, and keep them."""
        under_way = f"{self.key(row, 0)[0]}-{seeds[0]}-{len(seeds)}"
        folder = self.folder / "under-way" / under_way
        sweep = Sweep(row.preset, seeds, len(seeds), self.table.looks, folder)
        there = sweep.step * len(seeds)
        self.resumed += there
        try:
            yield there
            yield from sweep.train()
        except GeneratorExit:  # interrupted: go on from here another time
            sweep.save()
            raise
        for outcome in sweep.outcomes():
            self._keep(row, outcome)
        self.ledger.write()
        sweep.discard()
        for seed in seeds:
            with contextlib.suppress(OSError):
                (folder.parent / f"{self.key(row, 0)[0]}-{seed}.lock").unlink()

    def _keep(self, row: Row, outcome: Outcome) -> None:
        """Measure a trained run and enter it into the ledger."""
        config, ema, state = row.preset.config, bool(row.preset.knobs.ema), outcome.state
        samples = training.sample(config, state, jax.random.key(0), self.table.n, ema=ema)
        found = self.table.measure(np.asarray(samples))
        head = {"row": row.name, "seed": outcome.seed}
        key = recipe, _ = self.key(row, outcome.seed)
        run = head | {name: six_digits(value) for name, value in found.items()}
        if self.table.looks:
            self.ledger.looks[key] = [head | {"recipe": recipe} | _look(x) for x in outcome.looks]
            run["evaluations"] = evaluations(row, self.ledger.looks[key])
        run |= {"steps": int(state.step), "seconds": outcome.seconds}
        self.ledger.runs[key] = run | {"recipe": recipe, "made": self.made}

    def report(self) -> dict[str, Any]:
        """All there is to say, ready for JSON (None for NaN).

        A row's `mean` and `std` (over seeds, n - 1) are of its `runs`; `real` is what as many
        real samples score.
        """
        table, data = self.table, self.table.rows[0].preset.config.data
        real = table.measure(np.asarray(data.sample(jax.random.key(0), table.n)))
        return {
            "table": self.name,
            "title": table.title,
            "quick": self.quick,
            "samples": table.n,
            "seeds": len(self.seeds),
            "perfect": table.perfect,
            "real": real,
            "rows": [summary(row, self.finished(row), self.names) for row in table.rows],
            "names": self.names,
            "notes": table.notes,
            "made": sorted({run["made"] for row in table.rows for run in self.finished(row)}),
        }

    def draw(self, report: dict[str, Any]) -> None:
        """Write `figure.png` of a report."""
        data = "" if self.table.same else ", other data"
        image = report_picture(report, f"published{data}" if self.table.drawn else None)
        write_whole(self.folder / "figure.png", image)


def evaluations(row: Row, looks: list[dict[str, Any]]) -> float:
    """Gradient evaluations until every mode was held for the first time; NaN if it never was."""
    modes = row.preset.config.data.modes
    assert modes is not None
    held = [look["step"] for look in looks if look["held"] >= len(modes)]
    return row.cost * held[0] if held else math.nan


def summary(row: Row, runs: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """A row in numbers: each metric's mean, spread and values by seed, and the paper's."""
    mean: dict[str, float | None] = {}
    std: dict[str, float | None] = {}
    values: dict[str, list[float | None]] = {}
    for name in (*names, "seconds"):
        values[name] = [run[name] if np.isfinite(run[name]) else None for run in runs]
        known = np.array([value for value in values[name] if value is not None])
        mean[name] = float(known.mean()) if known.size else None
        std[name] = float(known.std(ddof=1)) if known.size > 1 else None
    return {
        "row": row.name,
        "mean": mean,
        "std": std,
        "runs": values,
        "diverged": sum(run["steps"] < row.preset.steps for run in runs),
        "steps": row.preset.steps,
        "cost": row.cost,
        "published": row.published,
        "source": row.source,
    }


def _look(look: list[float]) -> dict[str, Any]:
    step, *seen = look
    return {"step": int(step)} | {name: six_digits(x) for name, x in zip(SEEN, seen, strict=True)}
