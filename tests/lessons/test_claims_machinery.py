"""The rule by which claims are judged can fail."""

from __future__ import annotations

import pytest

from tests.lessons.claims import assert_claim

LOW, HIGH = [1.0, 2.0, 3.0, 2.5, 1.5], [6.0, 7.0, 5.0, 8.0, 6.5]


def test_a_true_claim_passes_and_its_reverse_fails() -> None:
    assert_claim(HIGH, LOW, more_by=1.5)
    with pytest.raises(AssertionError):
        assert_claim(LOW, HIGH)


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        (HIGH, LOW, {"more_by": 2.5}),  # the nearest two differ by less
        (LOW, LOW, {}),
        (HIGH, [*LOW[:4], 9.0], {}),  # one run of the other side is larger
        (HIGH[:4], LOW, {}),  # four seeds
        (HIGH, LOW, {"more_by": -9.0}),  # a threshold that cannot fail
        (HIGH, LOW, {"share": 0.5}),
    ],
)
def test_what_is_not_shown_fails(one: list[float], other: list[float], rule: dict) -> None:
    with pytest.raises(AssertionError):
        assert_claim(one, other, **rule)


def test_a_share_of_the_pairs_may_be_enough() -> None:
    assert_claim(HIGH, [*LOW[:4], 9.0], share=0.8)
