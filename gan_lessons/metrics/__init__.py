"""How good is a generator? Counting modes, distances between images, neighbours, copies.

Print the ceilings and floors beside the numbers: a perfect generator scores neither 100 % high
quality nor zero divergence nor zero Frechet distance on a finite sample.
"""

from gan_lessons.metrics.certainty import confidence_interval
from gan_lessons.metrics.features import FeatureExtractor, train_feature_extractor
from gan_lessons.metrics.frechet import (
    FrechetLimit,
    frechet_at_infinity,
    frechet_distance,
    frechet_floor,
    gaussian_statistics,
)
from gan_lessons.metrics.inception import inception_score
from gan_lessons.metrics.kernel import kernel_distance
from gan_lessons.metrics.meter import FrechetMeter, frechet_features
from gan_lessons.metrics.modes import (
    ModeCoverage,
    high_quality_ceiling,
    kl_floor,
    mode_coverage,
)
from gan_lessons.metrics.neighbours import (
    DataCopying,
    DensityCoverage,
    PrecisionRecall,
    data_copying,
    density_coverage,
    expected_coverage,
    nearest_neighbours,
    precision_recall,
)
from gan_lessons.metrics.perfect import PerfectCoverage, coverage_of, perfect_coverage
from gan_lessons.metrics.stacks import STACK_SAMPLES, StackCoverage, stack_coverage

__all__ = [
    "STACK_SAMPLES",
    "DataCopying",
    "DensityCoverage",
    "FeatureExtractor",
    "FrechetLimit",
    "FrechetMeter",
    "ModeCoverage",
    "PerfectCoverage",
    "PrecisionRecall",
    "StackCoverage",
    "confidence_interval",
    "coverage_of",
    "data_copying",
    "density_coverage",
    "expected_coverage",
    "frechet_at_infinity",
    "frechet_distance",
    "frechet_features",
    "frechet_floor",
    "gaussian_statistics",
    "high_quality_ceiling",
    "inception_score",
    "kernel_distance",
    "kl_floor",
    "mode_coverage",
    "nearest_neighbours",
    "perfect_coverage",
    "precision_recall",
    "stack_coverage",
    "train_feature_extractor",
]
