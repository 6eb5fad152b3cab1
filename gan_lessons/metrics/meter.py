"""The Frechet distance to a set of images, in the features of a classifier trained on that set."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gan_lessons.images import ImageSet
from gan_lessons.metrics.checks import AnyArray
from gan_lessons.metrics.features import FeatureExtractor, train_feature_extractor
from gan_lessons.metrics.frechet import frechet_distance, gaussian_statistics


def frechet_features(
    extractor: FeatureExtractor,
    real: Float[AnyArray, "n *pixels"],
    fake: Float[AnyArray, "m *pixels"],
) -> float:
    """The Frechet distance between the features of two sets of images, pictures or rows."""
    a, b = (gaussian_statistics(extractor(images)) for images in (real, fake))
    return frechet_distance(*a, *b)


class FrechetMeter:
    """Classifier-FID of fake images against half of an image set; lower is better.

    The features come from our own classifier (or are principal components), not from Inception, so
    compare its numbers only with others from the same meter, never with a published FID. The
    distance is biased upwards on few images. So give it `n` fakes each time; then `floor` is what
    a perfect generator scores. A generator that has memorised the set scores about the floor too:
    look at the nearest real images as well.

    Attributes:
        n: images in each half of the set, and the number of fakes to give it.
        floor: the distance between the two halves.
        accuracy: of the classifier on held-out images; None for a set without labels.
        extractor: of the features; by default `train_feature_extractor(image_set, seed)`.
    """

    def __init__(
        self, image_set: ImageSet, seed: int = 0, extractor: FeatureExtractor | None = None
    ) -> None:
        self.extractor = extractor or train_feature_extractor(image_set, seed)
        self.accuracy = self.extractor.accuracy
        self.n = len(image_set) // 2
        # Shuffled, because neighbouring digits were written by the same hand.
        order = np.random.default_rng(seed).permutation(len(image_set))
        real, other = (image_set.images[order[i::2][: self.n]] for i in (0, 1))
        self._real = gaussian_statistics(self.extractor(real))
        self.floor = self(other)

    def __call__(self, fake: Float[AnyArray, "n *pixels"]) -> float:
        """The distance for `fake`, as pictures or rows (see `FeatureExtractor`), in [-1, 1].

        Raises: InputError for fewer than two images, for another image size, for values that are
            not finite, and for pixels that look like 0 to 255.
        """
        return frechet_distance(*self._real, *gaussian_statistics(self.extractor(fake)))
