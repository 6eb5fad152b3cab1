"""The live player and its panels: what a notebook shows while a game is played."""

from gan_lessons.live.display import fast, has_front_end, widget_check
from gan_lessons.live.explorer import Explorer
from gan_lessons.live.goals import Goal
from gan_lessons.live.inputs import Choice, Point, Slider, Toggle
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
from gan_lessons.live.player import Player, playground

__all__ = [
    "Choice",
    "Coverage",
    "Densities",
    "Explorer",
    "Goal",
    "GradientNorms",
    "Histogram",
    "ImageGrid",
    "LatentGrid",
    "LatentWalk",
    "Losses",
    "OverTime",
    "Panel",
    "Player",
    "Point",
    "Quality",
    "Samples",
    "Slider",
    "Sounds",
    "StackModes",
    "Toggle",
    "fast",
    "has_front_end",
    "playground",
    "widget_check",
]
