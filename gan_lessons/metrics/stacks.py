"""Counting the modes of stacked images by the class of each layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gan_lessons.errors import InputError
from gan_lessons.images import as_floats
from gan_lessons.metrics.checks import AnyArray
from gan_lessons.metrics.features import FeatureExtractor

STACK_SAMPLES = 26_000  # samples that the papers draw to count 1,000 modes


class StackCoverage(NamedTuple):
    """What `stack_coverage` finds among K = classes^layers modes.

    Attributes:
        modes: modes with at least one sample, 0 to K.
        kl: reverse divergence sum_k h_k log(K h_k) in nats, where h is the share of the samples
            in mode k; 0 to log K, NaN without any. Compare with `kl_floor(K, n, exact=True)`.
        counts: samples in each mode [K]; mode 407 holds a 4 over a 0 over a 7.
    """

    modes: int
    kl: float
    counts: Int[np.ndarray, " K"]


def stack_coverage(
    extractor: FeatureExtractor, samples: Float[AnyArray, "n pixels_of_all_layers"]
) -> StackCoverage:
    """Count the modes of stacked images (`images.Stacked`) by the class of each layer.

    A mode counts as found as soon as one sample is classified as belonging to it, whatever that
    sample looks like. The classifier's mistakes count too, so compare with what real data score.
    Samples that are not finite are in no mode.

    Source: L. Metz et al. (2017), arXiv 1611.02163; Z. Lin et al. (2018), arXiv 1712.04086.
    Raises: InputError for rows that are not a whole number of images, and for an extractor of a
        set without labels.
    """
    from scipy.stats import entropy

    rows = as_floats(samples)
    if rows.ndim != 2 or not rows.shape[1] or rows.shape[1] % extractor.pixels:
        raise InputError(f"rows must be stacks of {extractor.pixels} pixels each, not {rows.shape}")
    rows, layers = rows[np.isfinite(rows).all(axis=1)], rows.shape[1] // extractor.pixels
    logits = extractor.logits(rows.reshape(-1, extractor.pixels))
    place = logits.shape[1] ** np.arange(layers)[::-1]
    codes = logits.argmax(axis=1).reshape(-1, layers) @ place
    counts = np.bincount(codes, minlength=logits.shape[1] ** layers)
    kl = entropy(counts, np.ones(len(counts))) if len(codes) else np.nan
    return StackCoverage(int(np.sum(counts > 0)), float(kl), counts)
