"""Games with one parameter per player: vector fields, integrators, eigenvalues, verdicts.

    field -> jacobian -> eigenvalues                        in continuous time
    linearised field -> update -> step_eigenvalues          in steps of size h
    field -> update, many times -> trajectory -> verdict    from any start

A point is w = (theta, psi): theta is G's parameter, psi is D's. Both players minimise, so the
field is v(w) = (-dg/dtheta, -dd/dpsi) with g, d their losses; from there w flows along v.
Called with numbers, a function computes in float64, whatever JAX is set to, and returns NumPy;
called under `jit`, `grad` or `vmap`, it is plain JAX in the precision of what it is given.
"""

from __future__ import annotations

from gan_lessons.dynamics.base import Game, traced_dataclass
from gan_lessons.dynamics.fields import eigenvalues, jacobian, vector_field
from gan_lessons.dynamics.games import GAMES, Dirac, Linear, game
from gan_lessons.dynamics.integrators import INTEGRATORS, Integrator, integrator
from gan_lessons.dynamics.steps import distance, spectral_radius, step_eigenvalues, trajectory
from gan_lessons.dynamics.verdicts import LongRun, verdict

__all__ = [
    "GAMES",
    "INTEGRATORS",
    "Dirac",
    "Game",
    "Integrator",
    "Linear",
    "LongRun",
    "distance",
    "eigenvalues",
    "game",
    "integrator",
    "jacobian",
    "spectral_radius",
    "step_eigenvalues",
    "traced_dataclass",
    "trajectory",
    "vector_field",
    "verdict",
]
