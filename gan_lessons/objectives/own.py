"""Losses of the reader's own, from a notebook cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from gan_lessons.errors import InputError
from gan_lessons.fingerprint import fingerprint
from gan_lessons.objectives.losses import Objective

OWN = "own"  # what the knob `objective` calls it
_FORMS = (
    "give an Objective, a pair (d_loss, g_loss), or one function that returns both; each takes "
    "(real, fake), D's logits [n], and returns a number to be minimised"
)


def own_objective(spec: Any) -> Objective | None:
    """An objective called `OWN` from what a reader wrote; None stays None.

    Args:
        spec: an `Objective`; a pair of functions (d_loss, g_loss) of (real, fake), the logits
            Float[n] of D on a real and a generated batch; or one function that returns both.

    Raises: InputError for anything else, and for losses that fail or do not return one float32
        number.
    """
    if spec is None:
        return None
    if isinstance(spec, Objective):
        made = replace(spec, name=OWN)
    else:
        d_loss, g_loss = _pair(spec)
        # Whether one example's loss depends on the others is not known, so assume that it does.
        made = Objective(OWN, d_loss, g_loss, measures="the reader's own", pairs_batch=True)
    traces = "".join(_trace(name, getattr(made, name)) for name in ("d_loss", "g_loss"))
    return replace(made, trace=traces)


def _pair(spec: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if isinstance(spec, (tuple, list)) and len(spec) == 2 and all(map(callable, spec)):
        return spec[0], spec[1]
    if callable(spec) and not isinstance(spec, type):
        return (lambda real, fake: _both(spec, real, fake)[0]), (
            lambda real, fake: _both(spec, real, fake)[1]
        )
    raise InputError(f"an objective cannot be made from {spec!r}: {_FORMS}")


def _both(losses: Callable[..., Any], real: Any, fake: Any) -> Any:
    found = losses(real, fake)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise InputError(f"your losses return {type(found).__name__}, not two numbers: {_FORMS}")
    return found


def _trace(name: str, loss: Callable[..., Any]) -> str:
    """The fingerprint of a loss; InputError unless it gives one float32 number."""
    logits = jax.ShapeDtypeStruct((4,), jnp.float32)
    try:
        digits, shapes = fingerprint(loss, logits, logits)
    except InputError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:400]
        raise InputError(
            f"your {name} raises {type(error).__name__} on two batches of logits [4]: {said}; "
            f"{_FORMS}"
        ) from error
    found = [(each.shape, str(each.dtype)) for each in jax.tree.leaves(shapes)]
    if found != [((), "float32")]:
        what = " and ".join(f"{kind} of shape {shape}" for shape, kind in found) or "nothing"
        raise InputError(
            f"your {name} returns {what}, not one float32 number: take the mean over the batch"
        )
    return digits
