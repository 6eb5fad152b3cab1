"""Arrays that a person hands in, of any library: as plain numbers, with nothing lost unsaid."""

from __future__ import annotations

import numbers
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from gan_lessons.errors import InputError

COARSEST = 2.0**-12  # of the range of a column: the rounding error that is still taken
_HOLDERS = (np.ndarray, list, tuple)
SMALLEST = float(np.finfo(np.float32).tiny)  # what is smaller counts as 0 once JAX computes with it


def as_numbers(what: str, value: object) -> Shaped[np.ndarray, "..."]:
    """`value` as a NumPy array of bool, int or float in the type that it has.

    Raises: InputError for whatever would have to be changed to be such an array: ragged lists,
        masked values, text, dates, complex numbers, objects.
    """
    if masked := _masked(value):
        raise InputError(
            f"{what} must be whole, but {masked} values are masked; leave out their rows, as in "
            "x[~x.mask.any(axis=1)].data, or fill them, as in x.filled(0)"
        )
    try:
        array = np.asarray(value)
    except Exception as error:  # the array of another library can raise anything
        reason = str(error).partition("\n")[0]
        ragged = "inhomogeneous" in reason
        raise InputError(
            f"{what} must be an array of numbers with rows of equal length"
            + ("" if ragged else f", but NumPy cannot read it ({reason[:200]})")
        ) from None
    kinds = (jnp.floating, jnp.integer, bool)
    if array.dtype.kind == "m" or not any(jnp.issubdtype(array.dtype, kind) for kind in kinds):
        raise InputError(f"{what} must be an array of numbers, int or float, {_instead(array)}")
    return array


def _masked(value: Any) -> int:
    """How many values are masked in an array, or in a list of arrays."""
    if isinstance(value, np.ma.MaskedArray):
        return int(np.ma.count_masked(value))
    listed = isinstance(value, (list, tuple)) and value
    return sum(map(_masked, value)) if listed and isinstance(value[0], _HOLDERS) else 0


def _instead(array: np.ndarray) -> str:
    """What `array` holds in place of numbers, and what to try."""
    kind = array.dtype.kind
    if kind == "c":
        return f"not {array.dtype}; try the parts as columns, as in np.hstack([x.real, x.imag])"
    if kind in "mM":
        return "not dates or durations; try (x - x.min()) / np.timedelta64(1, 'D')"
    if kind in "US":
        return "not text; try x.astype(float) if it spells numbers"
    if kind != "O":
        return f"not {array.dtype}"
    odd = [each for each in array.flat if not isinstance(each, numbers.Real)]
    if odd and hasattr(odd[0], "toarray"):
        return "not a sparse matrix; try x.toarray()"
    if odd:
        return f"not objects such as {_short(odd[0])}"
    return "not objects; try x.astype(float), if all of them are numbers that fit"


def _short(thing: Any) -> str:
    text = repr(thing).partition("\n")[0]
    return text if len(text) <= 60 else f"one of type {type(thing).__name__}"


def as_single(what: str, rows: Shaped[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Finite rows as float32, unless that takes away what tells them apart.

    float32 keeps about seven digits of each number. Where a column has a large offset, the digits
    in which its rows differ are not among them; the same holds for numbers below 1e-38. Rows that
    become equal to one another although no offset is to blame are counted, and that is printed.

    Raises: InputError where the rounding error of a column is more than COARSEST of its range, and
        where rows become equal that would not if each column had mean 0 and deviation 1.
    """
    single = rows.astype(np.float32)
    if np.can_cast(rows.dtype, np.float32, "safe"):
        return single
    single[np.abs(single) < SMALLEST] = 0
    exact = rows.astype(float if rows.dtype.kind == "f" else np.int64, copy=False)
    if np.array_equal(exact, single.astype(exact.dtype)):
        return single
    blurred = np.flatnonzero(_blurred(exact, single))
    left = _distinct(single)
    apart = left if left == len(rows) else _distinct(exact)
    merged = apart - left
    if len(blurred) or (merged and merged > 2 * (apart - _distinct(_standardised(exact)))):
        column = blurred[0] if len(blurred) else np.argmax(np.abs(exact).max(0))
        low, high = exact[:, column].min(), exact[:, column].max()
        equal = f"{merged} of {len(rows)} rows become equal to another one" if merged else ""
        raise InputError(
            f"{what} are kept as float32, which has seven digits, and the rows differ in later "
            f"ones: column {column} goes from {low!s} to {high!s}{'; ' * bool(equal)}{equal}; "
            "subtract the mean and divide by the deviation, as in (x - x.mean(0)) / x.std(0)"
        )
    if merged:
        print(
            f"{what}: {merged} of {len(rows)} rows become equal to another one, because float32 "
            "keeps seven digits"
        )
    return single


def _blurred(exact: np.ndarray, single: np.ndarray) -> np.ndarray:
    """For each column, whether float32 loses more than COARSEST of its range."""
    span = (exact.max(0) - exact.min(0)).astype(float)
    error = np.abs(exact - single.astype(exact.dtype)).max(0)
    whole = (exact == np.rint(exact)).all(0)
    # A constant column that was computed is not quite constant in its last digits.
    noise = np.where(whole, 0, 1e-14 * np.abs(exact).max(0).astype(float))
    return (error > COARSEST * span) & (span > noise)


def _standardised(exact: np.ndarray) -> np.ndarray:
    shifted = (exact - exact.min(0)).astype(float)
    centred = shifted - shifted.mean(0)
    return (centred / np.maximum(centred.std(0), np.finfo(float).tiny)).astype(np.float32)


def _distinct(rows: np.ndarray) -> int:
    """How many rows differ from all the others."""
    rows = np.ascontiguousarray(rows + 0)  # -0.0 + 0 is 0.0
    return len(set(map(hash, rows.view(f"V{rows[0].nbytes}").ravel().tolist())))
