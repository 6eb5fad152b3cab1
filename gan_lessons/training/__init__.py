"""The engine: a config that compiles, knobs that move while it runs, one jitted call per chunk.

    config -> init(config, seed) -> State -> advance(config, state, knobs, n) -> State, metrics

Everything about a run follows from (config, knobs over time, seed): each step draws its
randomness from `fold_in(key, step)` and `advance` is one program for any number of steps, so
pausing, rewinding, checkpointing and resuming change no bit.
"""

from gan_lessons.training.config import Config
from gan_lessons.training.devices import mesh, place
from gan_lessons.training.gan import GAN, explain_stop, init
from gan_lessons.training.knob_sets import (
    Knob,
    check_knob,
    check_knobs,
    choice,
    knob,
    knob_set,
    knobs_of,
    traced,
)
from gan_lessons.training.knobs import KNOBS, Knobs
from gan_lessons.training.learner import BLOCK, Chunk, Learner, learner_of, register_learner
from gan_lessons.training.loop import advance, gradient_evaluations, terms
from gan_lessons.training.optimizers import OPTIMIZERS
from gan_lessons.training.players import FlatNetwork, players
from gan_lessons.training.sampling import PORTION, discriminate, generate, sample
from gan_lessons.training.schedules import acting, annealed, cosine_decay, ended, turned
from gan_lessons.training.state import METRICS, State
from gan_lessons.training.step import Draw, Step, slopes_at_fakes
from gan_lessons.training.vectors import reconstruction

__all__ = [
    "BLOCK",
    "GAN",
    "KNOBS",
    "METRICS",
    "OPTIMIZERS",
    "PORTION",
    "Chunk",
    "Config",
    "Draw",
    "FlatNetwork",
    "Knob",
    "Knobs",
    "Learner",
    "State",
    "Step",
    "acting",
    "advance",
    "annealed",
    "check_knob",
    "check_knobs",
    "choice",
    "cosine_decay",
    "discriminate",
    "ended",
    "explain_stop",
    "generate",
    "gradient_evaluations",
    "init",
    "knob",
    "knob_set",
    "knobs_of",
    "learner_of",
    "mesh",
    "place",
    "players",
    "reconstruction",
    "register_learner",
    "sample",
    "slopes_at_fakes",
    "terms",
    "traced",
    "turned",
]
