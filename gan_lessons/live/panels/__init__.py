"""Panels: one view of a running game each, one idea a file."""

from gan_lessons.live.panels.base import Panel, View
from gan_lessons.live.panels.coverage import Coverage
from gan_lessons.live.panels.curves import GradientNorms, Losses
from gan_lessons.live.panels.densities import Densities, Histogram
from gan_lessons.live.panels.latent_grid import LatentGrid
from gan_lessons.live.panels.measured import Quality, StackModes
from gan_lessons.live.panels.over_time import OverTime
from gan_lessons.live.panels.pictures import ImageGrid, LatentWalk
from gan_lessons.live.panels.samples import Samples
from gan_lessons.live.panels.sounds import Sounds

__all__ = [
    "Coverage",
    "Densities",
    "GradientNorms",
    "Histogram",
    "ImageGrid",
    "LatentGrid",
    "LatentWalk",
    "Losses",
    "OverTime",
    "Panel",
    "Quality",
    "Samples",
    "Sounds",
    "StackModes",
    "View",
]
