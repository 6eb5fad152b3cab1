"""A game in discrete steps: one update and its eigenvalues, many updates and their trajectory."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from gan_lessons.dynamics.base import Game, Point
from gan_lessons.dynamics.fields import jacobian
from gan_lessons.dynamics.games import Linear, game
from gan_lessons.dynamics.inputs import check_point, check_step_sizes, in_float64
from gan_lessons.dynamics.integrators import Integrator, Memory, integrator
from gan_lessons.errors import check_number


def step_eigenvalues(played: object, method: object, h: Any) -> Complex[np.ndarray, "2*rows"]:
    """Eigenvalues of one update at the equilibrium, [2 rows] complex, largest magnitude first.

    Steps from nearby converge if all magnitudes are below 1, and leave if one is above. A method
    with memory has more eigenvalues than the game has parameters: they belong to w and memory
    together. All methods here see the field alone, so near an equilibrium they treat the
    game as its linearisation. NaN without a Jacobian (WGAN-GP; Adam).

    Args:
        h: the step size, above 0, or the pair (h_g, h_d): two time scales.

    Raises: InputError for an unknown game or integrator, or a step size out of range.
    """
    played, method, h = game(played), integrator(method), check_step_sizes(h)
    if not (played.smooth and method.smooth):
        return np.full(2 * method.rows, np.nan + 0j)
    nearby = Linear(jacobian(played, played.equilibrium))
    found = np.linalg.eigvals(in_float64(_update_jacobian, nearby, method, h))
    return found[np.argsort(-np.abs(found), kind="stable")].astype(complex)


def spectral_radius(played: object, method: object, h: Any) -> float:
    """The largest magnitude in `step_eigenvalues`, same arguments; NaN where these are."""
    return float(np.abs(step_eigenvalues(played, method, h)).max())


def trajectory(
    played: object, method: object, start: Any = (1.0, 1.0), h: Any = 0.2, steps: int = 500
) -> Float[Array, "steps+1 2"]:
    """Where w is after 0, 1, ..., `steps` steps, [steps + 1, 2]; not finite once it overflows.

    Args:
        start: (theta, psi), finite.
        h: the step size, above 0, or the pair (h_g, h_d).
        steps: 1 to 1,000,000.

    Raises: InputError for an unknown game or integrator, or a value out of range.
    """
    steps = int(check_number("steps", steps, 1, 1_000_000, integer=True))
    given = game(played), integrator(method), check_point("start", start), check_step_sizes(h)
    return in_float64(functools.partial(_trajectory, steps), *given)


def distance(played: object, path: Float[Array | np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
    """How far each point of a trajectory is from the game's equilibrium."""
    offsets = np.asarray(path) - np.array(game(played).equilibrium)
    with np.errstate(over="ignore"):  # a game may run away to infinity
        return np.hypot(*offsets.T)


def _start(method: Integrator, w: Point) -> Memory:
    return jnp.zeros((method.rows, 2), w.dtype).at[0].set(w)


def _update(played: Game, method: Integrator, memory: Memory, h: Point) -> Memory:
    memory = method.step(played.field, memory, h, method.coefficient)
    return memory.at[0].set(played.project(memory[0]))


@jax.jit
def _update_jacobian(played: Game, method: Integrator, h: Point) -> Array:
    """Jacobian at w = 0 of the update, all rows of memory taken as one vector."""

    def flat(memory: Array) -> Array:
        return _update(played, method, memory.reshape(-1, 2), h).ravel()

    return jax.jacfwd(flat)(_start(method, jnp.zeros_like(h)).ravel())


@functools.partial(jax.jit, static_argnums=0)
def _trajectory(steps: int, played: Game, method: Integrator, w: Point, h: Point) -> Array:
    def advance(memory: Memory, _: None) -> tuple[Memory, Point]:
        memory = _update(played, method, memory, h)
        return memory, memory[0]

    path = jax.lax.scan(advance, _start(method, w), length=steps)[1]
    return jnp.concatenate([w[None], path])
