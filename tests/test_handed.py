"""Arrays that people hand in: taken as they are, or refused, or remarked on."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from gan_lessons.distributions import Empirical, Paired, distribution
from gan_lessons.distributions.handed import as_numbers, as_single
from gan_lessons.errors import InputError

NORMAL = np.random.default_rng(0).normal(size=(1000, 2))


class Foreign:
    """An array of another library."""

    def __init__(self, values: Any, error: Exception | None = None) -> None:
        self.values, self.error = values, error

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.error:
            raise self.error
        return np.asarray(self.values, dtype)


def test_numbers_of_any_type_and_library_are_taken_as_they_are():
    for kind in "bBhHiIefdg":
        array = np.array([[1, 2], [3, 4]], kind)
        for same in (array, Foreign(array), np.ma.array(array), array.view(np.matrix), [*array]):
            numbers = as_numbers("points", same)
            assert numbers.dtype == array.dtype and np.array_equal(numbers, array)
            assert distribution(same) == Empirical([[1, 2], [3, 4]])


NO_NUMBERS = {
    "masked": [
        np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]),
        [np.ma.array([1, 2], mask=[0, 1]), np.array([1, 2])],
        [np.array([1, 2]), np.ma.array([1, 2], mask=[0, 1])],
        [[np.ma.array([1.0], mask=[1])]],
        [[1.0, np.ma.masked], [1.0, 2.0]],
    ],
    "text": [[["1", "2"], ["3", "4"]], np.array([[b"1"]]), "abc"],
    "complex": [np.eye(2) * 1j],
    "dates": [np.array([["2020-01-01"]], "M8[D]"), np.array([[5]], "m8[s]")],
    "such as datetime": [[[datetime.date(2020, 1, 1)], [datetime.date(2020, 1, 2)]]],
    "such as None": [[[1.0, None], [0.0, 1.0]]],
    "such as 'Paris'": [np.array([[1, "Paris"]], object), Foreign(np.array([["Paris"]], object))],
    "objects": [np.array([[1, 2]], object), [[2**70], [1]], [[decimal.Decimal(1)]], {"x": 1}],
    "sparse": [scipy.sparse.eye(3)],
    "equal length": [[[1, 2], [3]], [np.zeros(2), np.zeros(3)]],
    r"detach\(\)": [Foreign(0, RuntimeError("Use tensor.detach().numpy() instead.\nMore."))],
    "'a'": [np.zeros(3, [("a", float)])],
}


@pytest.mark.parametrize("says", NO_NUMBERS)
def test_what_would_have_to_be_changed_is_refused(says):
    for value in NO_NUMBERS[says]:
        for make in (Empirical, lambda rows: Paired(np.eye(2), rows, about="numbers")):
            with pytest.raises(InputError, match=says):
                make(value)


STAMPS = 1.7e9 + np.arange(100.0)[:, None]
LOST = {
    "a large offset": NORMAL + np.array([1e6, 0]),
    "a negative one": NORMAL * [1, 1e-3] - [0, 1e4],
    "seconds since 1970": STAMPS,
    "whole seconds": STAMPS.astype(int),
    "nanoseconds": (STAMPS * 1e8).astype(np.int64),
    "beyond float64": 10**18 - np.arange(10)[:, None],
    "unsigned": np.array([[2**40], [2**40 + 1]], np.uint64),
    "neighbours of 2^24": np.array([[2.0**24], [2.0**24 + 1], [2.0**24 + 2]]),
    "longdouble": NORMAL.astype(np.longdouble) + 1e9,
    "too small to be kept": NORMAL * 1e-40,
    "smaller still": NORMAL * 1e-50,
    "a list": STAMPS.tolist(),
}
KEPT = {
    "as they come": NORMAL,
    "a small offset": NORMAL + 100,
    "large": NORMAL * 1e12,
    "small": NORMAL * 1e-12,
    "whole numbers": np.arange(1000)[:, None],
    "years": np.arange(1900, 2024)[:, None],
    "longitudes": NORMAL * 50,
    "a constant": np.c_[NORMAL, np.full(1000, 1e9)],
    "a constant with noise": np.c_[NORMAL, 0.3 + 5e-17 * (NORMAL[:, :1] > 0)],
    "half precision": NORMAL.astype(np.float16) + np.float16(500),
    "single precision": NORMAL.astype(np.float32) + np.float32(1e6),
    "the same rows": np.ones((5, 2)) / 3,
}


@pytest.mark.parametrize("what", LOST)
def test_rows_that_float32_cannot_tell_apart_are_refused_and_the_advice_helps(what):
    rows = LOST[what]
    for make in (
        Empirical,
        lambda given: Paired(np.zeros((len(given), 1)), given, None, "numbers"),
    ):
        with pytest.raises(InputError, match=r"float32.*column \d.*subtract the mean"):
            make(rows)
    exact = np.asarray(rows)
    exact = exact.astype(float) if exact.dtype.kind == "f" else (exact - exact[0]).astype(float)
    scaled = (exact - exact.mean(0)) / exact.std(0)
    assert len(np.unique(Empirical(scaled).points, axis=0)) == len(np.unique(exact, axis=0))


@pytest.mark.parametrize("what", KEPT)
def test_rows_that_float32_can_tell_apart_are_taken_without_a_word(what, capsys):
    points = np.asarray(Empirical(KEPT[what]).points)
    assert np.array_equal(points, KEPT[what].astype(np.float32))
    assert capsys.readouterr().out == ""


def test_rows_that_merge_in_dense_data_are_counted(capsys):
    rows = np.random.default_rng(0).uniform(size=(100_000, 1))
    single = as_single("points", rows)
    merged = len(np.unique(rows)) - len(np.unique(single))
    assert merged > 0
    assert f"points: {merged} of 100000 rows become equal" in capsys.readouterr().out


@given(st.floats(1e-30, 1e17), st.integers(0, 25))
def test_what_is_taken_keeps_the_differences_between_rows(scale, bits):
    """Of rows with an offset, either the differences are right to 1e-3 of their range, or not."""
    rows = scale * (2.0**bits * np.sign(NORMAL[0, 0]) + NORMAL[:50])
    try:
        single = as_single("points", rows)
    except InputError:
        assert bits > 8
        return
    assert bits < 20
    error = (single.astype(float) - single[0]) - (rows - rows[0])
    assert np.all(np.abs(error).max(0) < 1e-3 * np.ptp(rows, axis=0))


def test_labels_are_one_hot_in_whatever_type():
    for kind in (float, int, np.int8, np.uint8, np.float16):
        assert Paired(np.eye(3), np.eye(3, dtype=kind)).given.shape == (3,)
    minimum = np.array([[1, -128], [1, 0]], np.int8)
    bad: list[Any] = [np.eye(2) * 0.5, [[1, -1], [0, 1]], minimum, [[1, 1], [0, 1]], [[0], [1]]]
    for wrong in bad:
        with pytest.raises(InputError, match="one-hot"):
            Paired(np.eye(2), wrong)
    others: list[tuple[Any, str]] = [
        ([0, 1], "np.eye"),
        (["cat", "dog"], "text"),
        ([[1, 0], [0]], "equal length"),
        (np.eye(2, dtype=bool), "astype"),
        (np.ma.array(np.eye(2), mask=np.eye(2)), "masked"),
        (0, "dimension"),
        (None, "None"),
    ]
    for wrong, says in others:
        with pytest.raises(InputError, match=says):
            Paired(np.eye(2), wrong)
