"""A game in continuous time: its vector field, the Jacobian and its eigenvalues."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Complex, Float

from gan_lessons.dynamics.base import Point
from gan_lessons.dynamics.games import game
from gan_lessons.dynamics.inputs import check_point, in_float64

_field = jax.jit(lambda played, w: played.field(w))
_jacobian = jax.jit(lambda played, w: jax.jacfwd(played.field)(w))


def vector_field(played: object, w: Any) -> Point:
    """v(w) at w [2], with everything that the game adds to it: [2].

    Raises: InputError for an unknown game, or a w that is not two finite numbers.
    """
    return in_float64(_field, game(played), check_point("w", w))


def jacobian(played: object, w: Any) -> Float[Array, "2 2"]:
    """Rows: components of v; columns: derivatives by theta and by psi, at w [2].

    Raises: InputError as `vector_field` does.
    """
    return in_float64(_jacobian, game(played), check_point("w", w))


def eigenvalues(played: object, at: Any = None) -> Complex[np.ndarray, "2"]:
    """Eigenvalues of the Jacobian of v, [2] complex, the one with the larger real part first.

    Negative real parts: the flow converges there, like exp(Re t). An imaginary part: it turns,
    by Im radians per unit of time. `at` is [2], by default the equilibrium; NaN where the field
    has no Jacobian there (WGAN-GP).

    Raises: InputError as `vector_field` does.
    """
    played = game(played)
    if at is None and not played.smooth:
        return np.full(2, np.nan + 0j)
    found = np.linalg.eigvals(jacobian(played, played.equilibrium if at is None else at))
    return np.sort_complex(found)[::-1].astype(complex)
