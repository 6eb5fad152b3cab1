"""What a claim "A causes X" needs: X with A, X without A, all else equal, on several seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holds(
    with_cause: Sequence[float],
    without: Sequence[float],
    more_by: float = 0.0,
    share: float = 1.0,
) -> bool:
    """Whether at least `share` of all pairs of runs differ by more than `more_by`."""
    one, other = np.asarray(with_cause, float), np.asarray(without, float)
    return bool((one[:, None] - other[None, :] > more_by).mean() >= share)


def assert_claim(
    with_cause: Sequence[float],
    without: Sequence[float],
    more_by: float = 0.0,
    share: float = 1.0,
) -> None:
    """Assert that the measure is larger with the cause than without it, run for run.

    Args:
        with_cause, without: what was measured, a value for each seed, five or more of each.
        more_by: by how much, in the measure's own unit; 0 or more.
        share: of all pairs (one run with, one without), how many must differ so; above 1/2.

    The same must not hold with the two sides exchanged, so a measure that cannot fail does not
    pass.
    """
    assert min(len(with_cause), len(without)) >= 5, "fewer than five seeds"
    assert more_by >= 0 and share > 0.5, "a threshold that both sides could pass"
    shown = f"with: {np.sort(with_cause).round(4)}, without: {np.sort(without).round(4)}"
    assert holds(with_cause, without, more_by, share), shown
    assert not holds(without, with_cause, more_by, share), f"exchanged, it holds as well; {shown}"
