"""The claims of lesson 08, from the stored tables: the arm with the cure and the arm without.

`gan-lessons reproduce cures`, `penalties`, `unrolled`, `small-discriminator` and `grid` make them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_lessons.papers import Reproduction
from tests.lessons.claims import assert_claim, holds

RESULTS = Path(__file__).parents[2] / "notebooks" / "results"
Values = dict[str, list[float]]


def held_in(name: str) -> Values:
    """The modes held at the end of each run, by row."""
    job = Reproduction(name, 10, folder=RESULTS / name)
    job.load()
    return {
        row.name: [job.looks[job.key(row, run["seed"])][-1]["held"] for run in job.finished(row)]
        for row in job.table.rows
    }


def scored_in(name: str, metric: str) -> Values:
    job = Reproduction(name, 10, folder=RESULTS / name)
    job.load()
    return {row.name: [run[metric] for run in job.finished(row)] for row in job.table.rows}


@pytest.fixture(scope="module")
def held() -> Values:
    return held_in("cures")


@pytest.fixture(scope="module")
def priced() -> Values:
    return held_in("penalties")


@pytest.mark.parametrize(
    ("cure", "more_by", "share"),
    [
        ("minibatch std", 7, 1.0),
        ("feature matching", 4, 1.0),
        ("minibatch discrimination", 1, 1.0),
        ("R1 + R2", 9, 1.0),
        ("relativistic, R1 + R2", 10, 1.0),
        ("WGAN-GP", 3, 1.0),
        ("instance noise", 1, 0.9),
        ("R1", 0, 0.9),
        ("packing 2", 0, 0.75),
    ],
)
def test_what_holds_more_modes_than_no_cure(
    held: Values, cure: str, more_by: float, share: float
) -> None:
    assert_claim(held[cure], held["none"], more_by=more_by, share=share)


@pytest.mark.parametrize(
    ("cure", "more_by", "share"),
    [
        ("packing 4", 3, 1.0),
        ("spectral norm", 5, 1.0),
        ("two time scales", 0, 0.9),
        ("unrolled 5", 0, 0.85),
        ("dropout", 0, 0.75),
        ("one-sided smoothing", 0, 0.7),
    ],
)
def test_what_holds_fewer_modes_than_no_cure(
    held: Values, cure: str, more_by: float, share: float
) -> None:
    assert_claim(held["none"], held[cure], more_by=more_by, share=share)


@pytest.mark.parametrize("cure", ["relativistic", "averaging G", "optimistic Adam"])
def test_what_gains_nothing(held: Values, cure: str) -> None:
    assert not holds(held[cure], held["none"], share=0.75)


@pytest.mark.parametrize("loss", ["non-saturating", "relativistic"])
def test_r2_alone_is_enough_and_r1_alone_is_not(priced: Values, loss: str) -> None:
    assert_claim(priced[f"{loss}, R2"], priced[f"{loss}, none"], more_by=12)
    assert_claim(priced[f"{loss}, R2"], priced[f"{loss}, R1"], more_by=12)
    assert min(priced[f"{loss}, R2"]) == 25


def test_wgan_gp_has_the_width_and_loses_samples() -> None:
    width, good = scored_in("cures", "std_ratio"), scored_in("cures", "high_quality")
    for other in ("R1 + R2", "minibatch std", "feature matching"):
        assert_claim(width["WGAN-GP"], width[other], more_by=0.1)
        assert_claim(good[other], good["WGAN-GP"], more_by=0.15)
    assert min(scored_in("cures", "modes")["WGAN-GP"]) == 25


def test_packing_and_unrolling_help_a_small_discriminator() -> None:
    found = scored_in("small-discriminator", "modes")
    for cure in ("packing 4", "unrolled 5"):
        assert_claim(found[f"D of width 64, {cure}"], found["D of width 64, none"], more_by=20)
    risky = found["D of width 64, R1 + R2"]
    assert min(risky) < 20 < 980 < max(risky)
