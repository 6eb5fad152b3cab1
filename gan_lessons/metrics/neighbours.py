"""Nearest neighbours: precision and recall, density and coverage, and whether fakes are copies.

NumPy in float64 on features [n, d]. Distances are computed in blocks, so that 10,000 rows against
10,000 need about 200 MB. They come from one matrix product, which is quick but rounds; wherever its
rounding could decide, the distance is computed anew from the difference of the two rows. So all
that is found here is as from the differences alone, whatever the scale and however far from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from gan_lessons.errors import check_number
from gan_lessons.metrics.checks import Features, check_pair

BLOCK = 4_000_000  # numbers in memory at a time


class _Block(NamedTuple):
    """Squared distances from some rows to all of others, no further off than `slack`."""

    rows: Features
    others: Features
    squares: Float[np.ndarray, "some m"]
    slack: Float[np.ndarray, "some m"]

    def exact(self, doubtful: Bool[np.ndarray, "some m"]) -> None:
        """Compute these anew, from differences."""
        places = np.nonzero(doubtful)
        pieces = max(1, len(places[0]) * self.rows.shape[1] // BLOCK)
        for i, j in zip(*(np.array_split(each, pieces) for each in places), strict=True):
            self.squares[i, j] = ((self.rows[i] - self.others[j]) ** 2).sum(axis=1)
            self.slack[i, j] = 0

    def least(self, count: int) -> None:
        """Make the `count` smallest distances of each row exact, and leave out the rest."""
        bound = np.partition(self.squares + self.slack, count - 1, axis=1)[:, count - 1, None]
        candidates = self.squares - self.slack <= bound
        self.exact(candidates)
        self.squares[~candidates] = np.inf


def _blocks(rows: Features, others: Features) -> Iterator[_Block]:
    """The distances from `rows` to `others`, some rows at a time."""
    centre = others.mean(axis=0)  # near the origin rounding does least harm
    b = others - centre
    norms = np.sum(b**2, axis=1)[None]
    rounding = (2 * rows.shape[1] + 20) * np.finfo(np.float64).eps
    for part in np.array_split(rows, max(1, len(rows) * len(others) // BLOCK)):
        a = part - centre
        both = np.sum(a**2, axis=1)[:, None] + norms
        yield _Block(part, others, both - 2 * a @ b.T, rounding * both)


def _radii(features: Features, k: int) -> Float[np.ndarray, " n"]:
    """Squared distance of each row to its k-th nearest other row."""
    found = []
    for block in _blocks(features, features):
        block.least(k + 1)  # the row itself is among them, at distance 0
        found.append(np.partition(block.squares, k, axis=1)[:, k])
    return np.concatenate(found)


def _inside(
    points: Features, centres: Features, radii: Float[np.ndarray, " m"]
) -> Iterator[Bool[np.ndarray, "some m"]]:
    """Whether each point lies in the ball around each centre, boundary included."""
    for block in _blocks(points, centres):
        block.exact(np.abs(block.squares - radii[None]) <= block.slack)
        yield block.squares <= radii[None]


def _checked(a: object, b: object, k: int) -> tuple[Features, Features, int]:
    """Checked features, and checked k."""
    k = int(check_number("k", k, 1, 1e6, integer=True))
    return *check_pair(a, b, least=k + 1), k


class PrecisionRecall(NamedTuple):
    """What `precision_recall` finds: two shares in [0, 1]."""

    precision: float
    recall: float


def precision_recall(real: Features, fake: Features, k: int = 3) -> PrecisionRecall:
    """Share of the fakes that lie where real data are, and share of the real where fakes are.

    Each real row has a ball around it that reaches to its k-th nearest other real row; precision is
    the share of fakes in at least one of these balls. Recall is the same with the roles exchanged.
    Neither is 1 for equal distributions: N(0, I_1000) against itself, 10,000 rows each, scores
    about .38. A single far outlier among the real rows has a huge ball, in which any fake counts as
    precise. A row that occurs more than k times has a ball of radius 0, which holds exact copies
    only.

    Args:
        real, fake: [n, d] each, more than k rows, and equally many of both.

    Source: T. Kynkaanniemi et al. (2019), arXiv 1904.06991.
    Raises: InputError for features that do not fit, and for k rows or fewer.
    """
    real, fake, k = _checked(real, fake, k)
    shares = []
    for points, centres in ((fake, real), (real, fake)):
        found = [inside.any(axis=1) for inside in _inside(points, centres, _radii(centres, k))]
        shares.append(float(np.concatenate(found).mean()))
    return PrecisionRecall(*shares)


class DensityCoverage(NamedTuple):
    """What `density_coverage` finds: density from 0, may exceed 1; coverage in [0, 1]."""

    density: float
    coverage: float


def density_coverage(real: Features, fake: Features, k: int = 5) -> DensityCoverage:
    """How many real balls a fake lies in, and the share of the real balls that hold a fake.

    The balls are those of `precision_recall`. Density is the number of balls that a fake lies in,
    averaged over fakes and divided by k: 1 on average for equal distributions, and more if fakes
    keep to crowded places. For the coverage of a perfect generator see `expected_coverage`.

    Args:
        real, fake: [n, d] each, more than k rows.

    Source: M. F. Naeem et al. (2020), arXiv 2002.09797.
    Raises: InputError for features that do not fit, and for k rows or fewer.
    """
    real, fake, k = _checked(real, fake, k)
    hits, covered = 0, np.zeros(len(real), bool)
    for inside in _inside(fake, real, _radii(real, k)):
        hits += int(np.count_nonzero(inside))
        covered |= inside.any(axis=0)
    return DensityCoverage(hits / (k * len(fake)), float(covered.mean()))


def expected_coverage(n_real: int, n_fake: int, k: int = 5) -> float:
    """Mean coverage of a perfect generator: 1 - prod_{i<k} (N - 1 - i) / (N + M - 1 - i).

    A ball stays empty if the k rows nearest to its centre are all real, and among the N - 1 other
    real rows and the M fakes any k are equally likely to be the nearest. For k = 5 and many rows
    this is .969.

    Source: M. F. Naeem et al. (2020), arXiv 2002.09797.
    Raises: InputError for k below 1, for no fakes, and for k real rows or fewer.
    """
    k = int(check_number("k", k, 1, 1e6, integer=True))
    n = int(check_number("number of real rows", n_real, k + 1, 1e12, integer=True))
    m = int(check_number("number of fake rows", n_fake, 1, 1e12, integer=True))
    return 1 - math.prod((n - 1 - i) / (n + m - 1 - i) for i in range(k))


def nearest_neighbours(
    rows: Features, reference: Features
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Euclidean distance from each row to the nearest row of `reference` [m, d], and its index.

    Of several rows at the same distance it is the first.

    Raises: InputError for features (or pictures as rows) that do not fit.
    """
    rows, reference = check_pair(rows, reference, least=1)
    squares, places = [], []
    for block in _blocks(rows, reference):
        block.least(1)
        squares.append(block.squares.min(axis=1))
        places.append(block.squares.argmin(axis=1))
    return np.sqrt(np.concatenate(squares)), np.concatenate(places)


class DataCopying(NamedTuple):
    """What `data_copying` finds.

    Attributes:
        closer: the probability that a fake lies closer to the training set than a held-out real
            row does, in [0, 1]: 1/2 for a perfect generator, 1 for copies, 0 for fakes that are far
            from all data.
        z: the same as the z-score of a Mann-Whitney test, with its correction for ties; below -3
            the fakes are copies, or too close to be new; above 3 they lie further off than real
            data (underfitting). Roughly normal from eight rows of each kind on; 0 where all
            distances are the same.
    """

    closer: float
    z: float


def data_copying(fake: Features, train: Features, test: Features) -> DataCopying:
    """Do fakes lie closer to the training rows than unseen real rows do?

    The distance from each fake and from each held-out real row to its nearest training row is
    taken; then the pairs (fake, held-out row) in which the fake is closer are counted, ties as a
    half. The paper does this in each cell of a partition of the space and averages, so that copies
    of one kind cannot hide behind bad fakes of another; this is its test on a single cell.

    Args:
        fake, train, test: [n, d] each; `test` must not have been trained on.

    Source: C. Meehan et al. (2020), arXiv 2004.05675.
    Raises: InputError for features that do not fit.
    """
    from scipy.stats import mannwhitneyu

    gaps, usual = (nearest_neighbours(rows, train)[0] for rows in (fake, test))
    pairs, rows = len(gaps) * len(usual), len(gaps) + len(usual)
    further = float(mannwhitneyu(gaps, usual, method="asymptotic").statistic)  # ties count half
    ties = np.unique(np.append(gaps, usual), return_counts=True)[1].astype(float)
    lost = float(np.sum(ties**3 - ties)) / (rows * (rows - 1))
    spread = math.sqrt(pairs * (rows + 1 - lost) / 12)
    return DataCopying(1 - further / pairs, (further - pairs / 2) / spread if spread else 0.0)
