"""Ways to step through a field of two parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gan_lessons.dynamics.base import Field, Point, with_consensus
from gan_lessons.errors import check_choice

Memory = Float[Array, "rows 2"]  # row 0 is w, the others are what a method remembers


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["coefficient"],
    meta_fields=["step", "rows", "smooth"],
)
@dataclass(frozen=True)
class Integrator:
    """A way to step through a field.

    Attributes:
        step: (field, memory, h, coefficient) -> memory; h holds both step sizes, [2].
        coefficient: the weight that the method has, such as its momentum.
        rows: rows of memory, 1 if nothing but w is remembered; the others start at 0.
        smooth: whether the update has a Jacobian at an equilibrium.
    """

    step: Callable[[Field, Memory, Point, Any], Memory]
    coefficient: float = 0.0
    rows: int = 1
    smooth: bool = True


def _simultaneous(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """w + h v(w): each player answers where the other was."""
    return memory + (h * field(memory[0]))[None]


def _alternating(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """G steps, then D, who sees where G has gone."""
    for turn in jnp.diag(h):
        memory = _simultaneous(field, memory, turn, None)
    return memory


def _momentum(field: Field, memory: Memory, h: Point, beta: Any) -> Memory:
    """m = beta m + v(w), w + h m (Polyak 1964)."""
    push = beta * memory[1] + field(memory[0])
    return jnp.stack([memory[0] + h * push, push])


def _alternating_momentum(field: Field, memory: Memory, h: Point, beta: Any) -> Memory:
    """Momentum in turns (Gidel et al. 2019, arXiv 1807.04740, for beta < 0)."""
    for turn in jnp.diag(h):
        memory = jnp.where(turn[None] > 0, _momentum(field, memory, turn, beta), memory)
    return memory


def _extragradient(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """w + h v(w + h v(w)) (Korpelevich 1976; Gidel et al. 2019, arXiv 1802.10551)."""
    ahead = memory[0] + h * field(memory[0])
    return memory + (h * field(ahead))[None]


def _optimistic(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """w + h (2 v_t - v_(t-1)) (Daskalakis et al. 2018, arXiv 1711.00141)."""
    now = field(memory[0])
    return jnp.stack([memory[0] + h * (2 * now - memory[1]), now])


def _consensus(field: Field, memory: Memory, h: Point, gamma: Any) -> Memory:
    """Steps along v - gamma grad ||v||^2 / 2 (Mescheder et al. 2017, arXiv 1705.10461)."""
    return memory + (h * with_consensus(field, memory[0], gamma))[None]


def _adam(field: Field, memory: Memory, h: Point, beta: Any, decay: float = 0.99) -> Memory:
    """Kingma and Ba 2015, arXiv 1412.6980."""
    w, mean, square, count = memory
    v, count = field(w), count + 1
    mean, square = beta * mean + (1 - beta) * v, decay * square + (1 - decay) * v**2
    root = jnp.sqrt(square / (1 - decay**count)) + 1e-8
    return jnp.stack([w + h * mean / (1 - beta**count) / root, mean, square, count])


def _runge_kutta(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """Kutta 1901: the flow itself, with an error of order h^5 a step."""
    (w,) = memory
    a = field(w)
    b = field(w + h / 2 * a)
    c = field(w + h / 2 * b)
    return (w + h / 6 * (a + 2 * b + 2 * c + field(w + h * c)))[None]


INTEGRATORS: dict[str, Integrator] = {
    "simultaneous": Integrator(_simultaneous),
    "alternating": Integrator(_alternating),
    "momentum": Integrator(_momentum, 0.5, rows=2),
    "negative_momentum": Integrator(_momentum, -0.5, rows=2),
    "alternating_negative": Integrator(_alternating_momentum, -0.5, rows=2),
    "extragradient": Integrator(_extragradient),
    "optimistic": Integrator(_optimistic, rows=2),
    "consensus": Integrator(_consensus, 1.0),
    "adam": Integrator(_adam, 0.5, rows=4, smooth=False),
    "runge_kutta": Integrator(_runge_kutta),
}


def integrator(spec: object) -> Integrator:
    """An `Integrator` from its name in `INTEGRATORS`, or itself; InputError for anything else."""
    if isinstance(spec, Integrator):
        return spec
    return INTEGRATORS[check_choice("integrator", spec, INTEGRATORS)]
