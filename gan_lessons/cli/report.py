"""What `gan-lessons train` leaves of a run: scores, curves and a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_lessons import metrics, papers
from gan_lessons.images import Stacked, image_set
from gan_lessons.live import panels
from gan_lessons.live.panels import View
from gan_lessons.live.screen import Screen
from gan_lessons.training import traced
from gan_lessons.training.run import Run

EVALUATION = 20_000  # samples for mode coverage


def scores(run: Run, images: str | None) -> dict[str, Any]:
    """How good the generator is and, under "perfect", what a perfect one would score.

    For data with modes by `metrics.mode_coverage` (None where undefined), for stacked images of
    the set called `images` by `metrics.stack_coverage`, for single ones by
    `metrics.FrechetMeter`, for other data nothing.
    """
    data, ema = run.config.data, run.knobs.ema > 0
    shape: Any = getattr(data, "shape", None)
    if data.modes is not None:
        measure, perfect = papers.of_points(data, EVALUATION)
        seen = measure(np.asarray(run.sample(EVALUATION, ema=ema)))
    elif images and isinstance(data, Stacked):
        reader = metrics.train_feature_extractor(image_set(images, shape[1]))
        measure, perfect = papers.of_stacks(data, reader)
        seen = measure(np.asarray(run.sample(metrics.STACK_SAMPLES, ema=ema)))
    elif images and shape:
        meter = metrics.FrechetMeter(image_set(images, shape[0]))
        seen, perfect = {"frechet": meter(run.sample(meter.n, ema=ema))}, {"frechet": meter.floor}
    else:
        return {}
    found = {name: value if math.isfinite(value) else None for name, value in seen.items()}
    if "modes" in seen:
        found["modes"], perfect["modes"] = int(seen["modes"]), int(perfect["modes"])
    return {**found, "perfect": perfect}


def in_one_line(report: dict[str, Any]) -> str:
    """The report as one line of text: `ring, seed 0: modes 8 (perfect: 8), ...`."""
    rest = dict(report)
    perfect = rest.pop("perfect", {})
    words = [f"{rest.pop('preset')}, seed {rest.pop('seed')}"]
    for name, value in rest.items():
        ideal = f" (perfect: {perfect[name]:.4g})" if name in perfect else ""
        words.append(f"{name} {f'{value:.3g}' if isinstance(value, float) else value}{ideal}")
    return ", ".join(words)


def write_history(run: Run, path: Path) -> None:
    """One row a step, with the 9 digits that distinguish every float32."""
    table = np.column_stack([np.arange(1, run.step + 1), run.history])
    head = ",".join(("step", *run.learner.metrics))
    forms = ["%d", *["%.9g"] * len(run.learner.metrics)]
    np.savetxt(path, table, forms, ",", header=head, comments="")


def run_picture(run: Run) -> bytes:
    """What the live player would show of the run, as a PNG."""
    chosen = _panels(run.config)
    look = jax.jit(lambda state, knobs: [panel.see(run.config, state, knobs) for panel in chosen])
    seen = look(run.state, traced(run.knobs))
    return Screen(chosen, run).frame(seen, View(run, run.step), crisp=True)


def _panels(config: Any) -> list[Any]:
    data = config.data
    curves = [panels.Losses(), panels.GradientNorms() if data.modes is None else panels.Coverage()]
    if getattr(data, "shape", None):
        return [panels.ImageGrid(), *curves]
    if data.dim == 2:
        return [panels.Samples(), *curves]
    plain = data.dim == config.latent.dim == 1 and data.has_density
    return [panels.Densities(), *curves] if plain else curves
