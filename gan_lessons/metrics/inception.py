"""The inception score: is each picture of one class, and are all classes there?"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from gan_lessons.errors import InputError, check_number
from gan_lessons.metrics.checks import check_features, check_seed


def inception_score(
    probabilities: Float[np.ndarray, "n classes"],
    splits: int = 10,
    logits: bool = False,
    seed: int = 0,
) -> tuple[float, float]:
    """exp E_x KL(p(y|x) || p(y)), from 1 to the number of classes K; mean and std over splits.

    The exponential of how many nats a picture tells about its label. It is 1 if the classifier says
    the same of every picture, and K if it is certain of each and all classes are equally frequent;
    one picture a class is enough for that. Real pictures play no part in it. With n samples in a
    split and a classifier that is certain, the score is too low by a factor of about
    exp(-(K - 1) / 2n).

    Args:
        probabilities: [n, classes], a classifier's p(y|x) for each fake; rows sum to 1, and are
            scaled to where they are off by less than 1e-3.
        splits: into how many equal parts the shuffled rows are cut, each of two rows or more: of
            one row alone the score is 1, whatever it is.
        logits: whether the rows are logits instead.
        seed: of the shuffle.

    Source: T. Salimans et al. (2016), arXiv 1606.03498.
    Raises: InputError for rows that are not probabilities, and for too many splits.
    """
    p = check_features(probabilities)
    parts = int(check_number("splits", splits, 1, len(p) // 2, integer=True))
    if logits:
        p = np.exp(p - p.max(axis=1, keepdims=True))
    elif np.any(p < 0) or np.any(np.abs(p.sum(axis=1) - 1) > 1e-3):
        raise InputError("rows must be probabilities that sum to 1; for logits say logits=True")
    p = p / p.sum(axis=1, keepdims=True)
    shuffled = np.random.default_rng(check_seed(seed)).permutation(p)
    scores = [math.exp(_information(part)) for part in np.array_split(shuffled, parts)]
    return float(np.mean(scores)), float(np.std(scores))


def _information(p: Float[np.ndarray, "n classes"]) -> float:
    """The mutual information I(x; y) in nats: the mean over rows of KL(row || mean row)."""
    from scipy.special import xlogy

    mean = p.mean(axis=0)
    return max(0.0, float(xlogy(p, p).sum(axis=1).mean() - xlogy(mean, mean).sum()))
