"""A training run, under its short name: `from gan_lessons.run import Run, train`."""

from gan_lessons.training.run import Run, train

__all__ = ["Run", "train"]
