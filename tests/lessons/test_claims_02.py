"""Lesson 02: what its experiments say, played by the lesson's own cells on five seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from tests.lessons.claims import assert_claim
from tests.notebooks import FOLDER, read

NOTEBOOK = read(FOLDER / "02_the_minimax_game.ipynb")
Names = dict[str, Any]


def run_cells(tag: str, names: Names) -> Names:
    """The names after the cells with this tag, at the length that readers see."""
    for cell in NOTEBOOK.cells:
        if tag in cell.metadata.get("tags", []):
            exec(cell.source, names)
            names["fast"] = lambda readers, tests: readers
    return names


@pytest.fixture(scope="module", autouse=True)
def as_a_reader_has_it() -> Iterator[None]:
    """JAX as it is in a reader's kernel, where types mix."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def rounds_until(reached: np.ndarray) -> np.ndarray:
    """For each game the first round in which it is so, or the number of all rounds."""
    return np.where(reached.any(1), reached.argmax(1), reached.shape[1])


@pytest.fixture(scope="module")
def lesson() -> Names:
    """The networks, the losses and the three functions that play many games."""
    return run_cells("for-claims", {})


@pytest.fixture(scope="module")
def audit(lesson: Names) -> Names:
    return run_cells("claim-audit", dict(lesson))


@pytest.fixture(scope="module")
def table(lesson: Names) -> dict[tuple[bool, float, int, str], np.ndarray]:
    """W1 to the data by objective, shift, number of samples and arm, five seeds each."""
    names = run_cells("claim-table", dict(lesson))
    return {
        (*setting, arm): values[i]
        for arm, values in names["far"].items()
        for i, setting in enumerate(names["SETTINGS"])
    }


def test_the_distance_can_fail(lesson: Names) -> None:
    distance, heap = lesson["distance"], lesson["one_heap"]
    assert distance(lesson["p"].sample(jax.random.key(9), 2000)[:, 0]) < 0.06
    assert distance(heap) > 0.9


def test_the_best_reply_to_a_d_with_one_top_is_one_sample() -> None:
    names = run_cells("claim-reply", {"np": np})
    used, reply = names["places_used"], names["best_reply"]
    one = [used(reply(d)) for d in names["random_d"]]
    many = [used(reply(np.full(60, value))) for value in (0.2, 0.4, 0.5, 0.6, 0.8)]
    assert_claim(many, one, more_by=50)
    assert max(one) < 1.05
    assert used(reply(names["two_tops"])) == pytest.approx(2, abs=0.05)


def test_a_d_that_cannot_tell_in_the_game_can_tell_when_g_holds_still(audit: Names) -> None:
    losses = {name: np.asarray(each) for name, each in audit["d_losses"].items()}
    assert_claim(losses["in the game"], losses["G frozen"], more_by=0.05)
    assert_claim(losses["perfect G"], losses["G frozen"], more_by=0.1)
    np.testing.assert_allclose(losses["perfect G"], 2 * np.log(2), atol=0.01)
    assert (np.abs(losses["in the game"] - 2 * np.log(2)) < 0.12).all()


def test_g_is_pulled_by_the_slope_of_d_moving_or_not(audit: Names) -> None:
    names = run_cells("claim-pull", dict(audit))
    played = names["played"]
    flat_d = jax.tree.map(jax.numpy.zeros_like, played["d"])
    flat = names["pulls_on"](flat_d, played["g"], names["lattice"](10_000))
    still = names["all_latents"]
    assert_claim(np.asarray(still), np.asarray(flat), more_by=0.02)
    assert (np.asarray(flat) == 0).all()


def test_a_lagging_d_harms(table: dict[Any, np.ndarray]) -> None:
    for saturating in (True, False):
        for shift in (0.0, 4.0):
            setting = (saturating, shift, 0)
            assert_claim(table[*setting, "lags"], table[*setting, "in step"], share=0.9)


def test_with_overlap_and_endless_data_d_cannot_be_too_good(table: dict[Any, np.ndarray]) -> None:
    for saturating in (True, False):
        setting = (saturating, 0.0, 0)
        end, in_step = table[*setting, "far ahead"], table[*setting, "in step"]
        assert_claim(table[*setting, "lags"], end, share=0.9)
        assert np.median(end) < np.median(in_step) + 0.1


def test_apart_a_d_trained_to_the_end_stops_the_saturating_loss_only(
    table: dict[Any, np.ndarray],
) -> None:
    for few in (0, 12):
        end = table[True, 4.0, few, "far ahead"]
        assert_claim(end, table[True, 4.0, few, "in step"], more_by=0.3)
    assert_claim(table[True, 4.0, 0, "far ahead"], table[False, 4.0, 0, "far ahead"], more_by=0.3)
    assert table[False, 4.0, 0, "far ahead"].max() < 0.8


def test_on_few_data_a_d_trained_to_the_end_harms_though_samples_overlap(
    table: dict[Any, np.ndarray],
) -> None:
    few, endless = (
        {s: table[s, 0.0, count, "far ahead"] for s in (True, False)} for count in (12, 0)
    )
    assert_claim(few[False], table[False, 0.0, 12, "in step"], share=0.8)
    assert_claim(few[True], table[True, 0.0, 12, "in step"], share=0.8)
    assert_claim(few[False], endless[False], share=0.8)
    assert_claim(few[True], endless[True], share=0.8)


def test_d_learns_few_samples_by_heart(lesson: Names) -> None:
    opinions = run_cells("claim-heart", dict(lesson))["opinions"]
    gap = {
        name: np.asarray(opinions[name, "the twelve"] - opinions[name, "other real"])
        for name in ("12 samples", "unlimited data")
    }
    assert_claim(gap["12 samples"], gap["unlimited data"], more_by=0.1)
    assert np.abs(gap["unlimited data"]).max() < 0.1


def test_a_head_start_and_the_saturating_loss_make_g_deaf(lesson: Names) -> None:
    courses = run_cells("claim-head", dict(lesson))["courses"]
    half = {arm: rounds_until(np.asarray(course["place"]) > 2) for arm, course in courses.items()}
    for arm in courses:
        if arm != ("saturating", "head start"):
            assert_claim(half["saturating", "head start"], half[arm], more_by=30)
    pull = {
        arm: np.log10(np.median(course["pull"][:, :10], axis=1)) for arm, course in courses.items()
    }
    deaf = pull["saturating", "head start"]
    assert_claim(pull["saturating", "no head start"], deaf, more_by=1)
    assert_claim(pull["non-saturating", "head start"], deaf, more_by=2)
    assert_claim(pull["non-saturating", "head start"], pull["non-saturating", "no head start"])


def test_with_a_silent_d_g_gathers_in_few_spots(lesson: Names) -> None:
    names = run_cells("claim-holiday", dict(lesson))

    def used(state: str) -> list[int]:
        return [names["spots"](made) for made in names["samples"](names[state])]

    assert_claim(used("answered"), used("silent"), more_by=2)
    assert_claim(used("back"), used("silent"), share=0.8)
    assert names["spots"](names["data"]) > 15
