"""A learner in sixty lines: a straight line fitted to points, by stochastic gradient descent.

x = mean + root z with z standard normal. It minimises -E log N(x; mean, root root^T), so that it
ends at the mean and the covariance of the data. It stands for what a rival of the GAN has to give.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax, random

from gan_lessons.distributions import Distribution, Ring
from gan_lessons.errors import check_number
from gan_lessons.training import BLOCK, Chunk, Learner, knob, knob_set, register_learner, traced


@dataclass(frozen=True)
class LineConfig:
    """What compiles: the data, and how many points an update sees."""

    learner: ClassVar[str] = "line"
    data: Distribution = Ring(8, 1.0, 0.1)
    batch: int = 64


@knob_set
class LineKnobs:
    """What moves while it trains."""

    rate: float = knob(0.1, 0, 10, "rate", "Learning rate", above=True, stops=(0.01, 0.1, 1.0))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LineState:
    step: Any
    key: Any
    mean: Any
    root: Any  # lower triangular


def init(config: LineConfig, seed: int) -> LineState:
    d = config.data.dim
    seed = int(check_number("seed", seed, 0, 2**31 - 1, integer=True))
    return LineState(jnp.zeros((), jnp.int32), random.key(seed), jnp.ones(d), 3 * jnp.eye(d))


def loss(model: Any, x: Any) -> Any:
    mean, root = model
    z = jax.scipy.linalg.solve_triangular(root, (x - mean[None]).T, lower=True)
    return 0.5 * (z**2).sum(axis=0).mean() + jnp.log(jnp.abs(jnp.diagonal(root))).sum()


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def _train(config: LineConfig, state: LineState, knobs: Any, n: Any) -> Chunk:
    def step(i: Any, carry: Any) -> Any:
        state, history = carry
        x = config.data.batch(random.fold_in(state.key, state.step), config.batch).x
        value, slopes = jax.value_and_grad(loss)((state.mean, state.root), x)
        mean, root = state.mean - knobs.rate * slopes[0], state.root - knobs.rate * slopes[1]
        after = LineState(state.step + 1, state.key, mean, jnp.tril(root))
        return after, history.at[i].set(value[None])

    state, history = lax.fori_loop(0, n, step, (state, jnp.zeros((BLOCK, 1))))
    return Chunk(state, history, n, jnp.isfinite(history).all())


def advance(config: LineConfig, state: LineState, knobs: LineKnobs, n: int) -> Chunk:
    n = int(check_number("n", n, 1, BLOCK, integer=True))
    return _train(config, state, traced(knobs), jnp.int32(n))


def sample(config: LineConfig, state: LineState, key: Any, n: int) -> Any:
    return state.mean[None] + random.normal(key, (n, config.data.dim)) @ state.root.T


LINE = register_learner(Learner("line", LineKnobs, ("loss",), init, advance, sample))
