"""What a function computes, as a short text: equal where the computation is equal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr


def fingerprint(function: Callable[..., Any], *inputs: Any) -> tuple[str, Any]:
    """(16 hexadecimal digits, the shapes of what it returns); nothing is computed.

    The function is traced on inputs of these shapes and types; the text of the trace and all
    constants in it are hashed. So a helper function or a number from outside that has changed
    changes the digits, and writing the same function again does not.

    Raises: whatever the function raises when it is traced.
    """
    # A new function each time, because JAX remembers the traces of functions it knows.
    closed, shapes = jax.make_jaxpr(lambda *args: function(*args), return_shape=True)(*inputs)
    text = re.sub(r"0x[0-9a-f]+", "", f"{closed}{shapes}")  # without addresses in memory
    digest = hashlib.sha256(text.encode())
    for constant in _constants(closed):
        keys = jnp.issubdtype(jnp.result_type(constant), jax.dtypes.prng_key)
        digest.update(np.asarray(jax.random.key_data(constant) if keys else constant).tobytes())
    return digest.hexdigest()[:16], shapes


def _constants(closed: ClosedJaxpr) -> Iterator[Any]:
    """All arrays that a traced function uses but does not take as arguments, at any depth."""
    yield from closed.consts
    inner = [each.params for each in closed.jaxpr.eqns]
    leaves = jax.tree.leaves(inner, is_leaf=lambda each: isinstance(each, ClosedJaxpr))
    for each in leaves:
        if isinstance(each, ClosedJaxpr):
            yield from _constants(each)
