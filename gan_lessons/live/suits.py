"""What suits the data: the panels of a player, those of a still picture, and the score.

This is the one place that decides by the kind of data (`Distribution.kind`).
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from gan_lessons.images import Stacked, image_set
from gan_lessons.live.panels import (
    Coverage,
    Densities,
    GradientNorms,
    Histogram,
    ImageGrid,
    LatentGrid,
    LatentWalk,
    Losses,
    OverTime,
    Panel,
    Quality,
    Samples,
    Sounds,
    StackModes,
)
from gan_lessons.live.panels.base import is_gan
from gan_lessons.live.panels.densities import suits_densities
from gan_lessons.metrics import FrechetMeter, train_feature_extractor


class Suited(NamedTuple):
    """What suits a config.

    Attributes:
        panels: for a player.
        stills: for one picture of a run.
        score: what a model of these data can be scored by: "modes" (`metrics.mode_coverage`),
            "stacks" (`metrics.stack_coverage`) or "frechet" (`metrics.FrechetMeter`), for which
            the image set must be known as well, or "".
    """

    panels: list[Panel]
    stills: list[Panel]
    score: str


def suits(config: Any) -> Suited:
    """What suits the data and the learner of a config."""
    best, *more = _shown(config)
    counted: list[Panel] = [Coverage()] if config.data.modes is not None else []
    norms: list[Panel] = [GradientNorms()] if is_gan(config) else []
    beside = counted or ([] if more else norms)
    stills = [*_shown(config)[0], Losses(), *(counted or norms)]
    panels = [*best, *itertools.chain(*more), Losses(), *beside]
    return Suited(panels, stills, _score(config.data))


def _shown(config: Any) -> list[list[Panel]]:
    """Panels that show samples: those that matter most, then what a player has room for too."""
    gan = is_gan(config)
    match config.data.kind:
        case "line":
            return [[Densities() if gan and suits_densities(config) else Histogram()]]
        case "plane":
            return [[Samples()], [LatentGrid()]] if gan else [[Samples()]]
        case "pictures":
            return [[ImageGrid()], [OverTime(4), *([LatentWalk(4)] if gan else [])]]
        case "sounds":
            return [[Sounds()]]
    return [[]]


def _score(data: Any) -> str:
    if data.modes is not None:
        return "modes"
    if data.kind != "pictures":
        return ""
    return "stacks" if isinstance(data, Stacked) else "frechet"


def meter_panel(config: Any, images: str | None) -> list[Panel]:
    """The panel that scores pictures of the image set called `images`, or none."""
    score = suits(config).score
    if images is None or score not in ("stacks", "frechet"):
        return []
    found = image_set(images, config.data.shape[1])
    if score == "stacks":
        return [StackModes(train_feature_extractor(found))]
    return [Quality(FrechetMeter(found))]
