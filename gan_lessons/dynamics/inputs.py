"""What a point and a step size may be, and in which precision everything is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_lessons.errors import InputError, check_number


def is_traced(value: Any) -> bool:
    """Whether JAX is tracing `value`, or any leaf of it."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))


def check_finite(what: str, value: Any, shape: tuple[int, ...], example: str) -> Any:
    """`value` as finite float64 of this shape, or as it is while JAX traces it; or `InputError`."""
    if is_traced(value):
        return value
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        size = " by ".join(map(str, shape))
        raise InputError(f"{what} must be {size} finite numbers, like {example}, not {value!r}")
    return array


def check_point(what: str, w: Any) -> Any:
    """`w` as float64 [2], or `InputError`."""
    return check_finite(what, w, (2,), "(1.0, 1.0) for theta and psi")


def check_step_sizes(h: Any) -> Any:
    """One step size for both players, or one each (h_g, h_d), as [2]; or `InputError`."""
    if isinstance(h, jax.core.Tracer):
        return jnp.broadcast_to(h, (2,))
    pair = h if isinstance(h, (tuple, list, np.ndarray)) and np.shape(h) == (2,) else (h, h)
    return np.array([check_number("step size", each, 0, 1000, above=True) for each in pair])


def in_float64(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a jitted function in float64, for NumPy results, unless JAX is tracing an argument."""
    if is_traced(arguments):
        return function(*arguments)
    with jax.enable_x64(True), jax.default_device(_cpu()):
        return jax.tree.map(np.asarray, function(*arguments))


@functools.cache
def _cpu() -> Any:
    """The CPU, faster than any accelerator with two numbers; None where JAX may not use it."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None
