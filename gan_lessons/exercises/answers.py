"""Reading whatever a learner hands in, without ever raising."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from types import EllipsisType
from typing import Any

import jax
import numpy as np

from gan_lessons.exercises.arithmetic import number

Outcome = bool | str | EllipsisType  # right; wrong, perhaps with a reason; `...` not attempted


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns, or the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return error


def quote(value: Any) -> str:
    """`value` on one short line in backticks, whatever it is."""
    if isinstance(value, Exception):
        text = attempt("{0.__class__.__name__}: {0}".format, value)
    else:
        plain = attempt(value.item) if getattr(value, "shape", None) == () else value
        text = attempt(reprlib.repr, value if isinstance(plain, Exception) else plain)
    line = " ".join(text.split()) if isinstance(text, str) else f"a {type(value).__name__}"
    return f"`{line[:120].replace('`', chr(39))}`"


def is_blank(answer: Any) -> bool:
    """Whether this is a place that the lesson left empty, or contains one."""
    if isinstance(answer, (list, tuple)):
        return any(map(is_blank, answer))
    if isinstance(answer, str):
        return not answer.strip(" \n\t.…_?")
    return any(answer is empty for empty in (None, ..., NotImplemented, NotImplementedError))


def as_array(answer: Any) -> np.ndarray:
    """Numbers, fractions, arrays, texts like "0.5" and "2 ln 2", or lists of them, as an array.

    Raises whatever exception comes of anything else.
    """
    if isinstance(answer, str):
        return np.asarray(number(answer), complex)
    if isinstance(answer, (list, tuple)):
        return np.asarray([as_array(item) for item in answer])
    array = np.asarray(answer)
    return array if array.dtype == bool else array.astype(complex)


def compare_numbers(answer: Any, expected: Any, tol: float) -> Outcome:
    """Whether `answer` is `expected` up to `tol` times its largest magnitude, and why not."""
    given, wanted = attempt(as_array, answer), as_array(expected)
    if isinstance(given, jax.errors.TracerArrayConversionError):
        return "JAX is tracing this value, it has no number yet; check it outside `jit` and `grad`"
    if isinstance(given, Exception) or (given.dtype == bool) != (wanted.dtype == bool):
        return f"{quote(answer)} cannot be read as numbers"
    given = given.reshape(()) if given.size == 1 and wanted.ndim == 0 else given
    if isinstance(answer, str) and wanted.ndim == 0 and given.shape == (2,):
        return "write one number, with a point before its decimals: `0.5`"
    if given.shape != wanted.shape:
        return f"your answer has shape {given.shape}, not {wanted.shape}"
    if np.isnan(given).any() and not np.isnan(wanted).any():
        return "your answer contains NaN, which is not a number"
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0) or 1.0
    right, close = (
        np.allclose(given, wanted, rtol=0.0, atol=atol, equal_nan=True)
        for atol in (tol * scale, 20 * tol * scale)
    )
    return right or ("close, but keep more digits" if close and tol < 0.01 else False)


def key_of(value: Any) -> str:
    """An option's key, however it is written: 2, "2", " B) "."""
    return str(value).strip(" \n\t().:").lower()
