"""Exercises and predictions: checks that never crash and name the likely mistake.

A lesson defines each `Exercise` in a folded cell. `REGISTRY` keeps them, so that a test can run
every `self_test()`. A `Prediction` is committed to before an experiment, and compared after it.
What was answered is kept in `progress`, and in a file for who wishes it.
"""

from gan_lessons.exercises.checks import Check, close_to, one_of, same_function
from gan_lessons.exercises.exercise import REGISTRY, Exercise, Mistake
from gan_lessons.exercises.notes import Note, Verdict
from gan_lessons.exercises.prediction import Prediction
from gan_lessons.exercises.progress import forget_progress, keep_progress, progress_file

__all__ = [
    "REGISTRY",
    "Check",
    "Exercise",
    "Mistake",
    "Note",
    "Prediction",
    "Verdict",
    "close_to",
    "forget_progress",
    "keep_progress",
    "one_of",
    "progress_file",
    "same_function",
]
