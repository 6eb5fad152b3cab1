"""What `gan-lessons train` leaves of a run: its scores, in JSON and in words, and its curves."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from gan_lessons import metrics
from gan_lessons.files import write_whole
from gan_lessons.images import image_set
from gan_lessons.live.suits import suits
from gan_lessons.papers import of_points, of_stacks
from gan_lessons.training.run import Run

EVALUATION = 20_000  # samples for mode coverage


def scores(run: Run, images: str | None) -> dict[str, Any]:
    """How good the model is and, under "perfect", what a perfect one would score.

    What suits the data (`live.suits`): modes (None where a number is undefined), modes of stacks,
    a Fréchet distance; the two of pictures only where `images` names their set.
    """
    kind, data = suits(run.config).score, run.config.data
    if kind == "modes":
        measure, perfect = of_points(data, EVALUATION)
        return _scored(measure(_samples(run, EVALUATION)), perfect)
    if kind == "stacks" and images:
        reader = metrics.train_feature_extractor(image_set(images, data.shape[1]))
        measure, perfect = of_stacks(data, reader)
        return _scored(measure(_samples(run, metrics.STACK_SAMPLES)), perfect)
    if kind == "frechet" and images:
        meter = metrics.FrechetMeter(image_set(images, data.shape[0]))
        return _scored({"frechet": meter(_samples(run, meter.n))}, {"frechet": meter.floor})
    return {}


def _samples(run: Run, n: int) -> np.ndarray:
    """Samples of the model, of its moving average where a GAN keeps one."""
    averaged = {"ema": True} if getattr(run.knobs, "ema", 0) else {}
    return np.asarray(run.sample(n, **averaged))


def _scored(seen: dict[str, float], perfect: dict[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {
        k: value if math.isfinite(value) else None for k, value in seen.items()
    }
    counts = {name: int(seen[name]) for name in seen if name == "modes"}
    ideal = {name: int(perfect[name]) for name in counts}
    return {**found, **counts, "perfect": {**perfect, **ideal}}


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
    text = io.StringIO()
    np.savetxt(text, table, forms, ",", header=head, comments="")
    write_whole(path, text.getvalue().encode())
