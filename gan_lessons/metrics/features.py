"""Features of images, in which distances are taken, and the Frechet distance to a real set.

The default is our own classifier, trained here on the real set; "classifier-FID" is the name of
the distance in its features. Any other map from images to numbers can stand in its place, for
example Inception where somebody has its weights:

    def inception(rows):  # float32 [n, 784] in [-1, 1] -> [n, 2048], 64 at a time
        grey = torch.tensor(127.5 * (np.asarray(rows) + 1)).round().to(torch.uint8)
        parts = grey.reshape(-1, 1, 28, 28).expand(-1, 3, -1, -1).split(64)
        return np.concatenate([net(part)[0].numpy() for part in parts])

    meter = FrechetMeter(image_set, extractor=FeatureExtractor(inception, 784))

with `net = FeatureExtractorInceptionV3("fid", ["2048"], feature_extractor_weights_path=PATH)` of
torch-fidelity, which resizes to 299x299 itself. We neither ship these weights nor need them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float

from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet, as_floats
from gan_lessons.metrics.quality import frechet_distance, gaussian_statistics
from gan_lessons.networks import MLP

AnyArray = Array | np.ndarray

BATCH, LEAST_STEPS, EPOCHS = 128, 500, 3  # of the classifier; small sets are seen more often
ENOUGH = 1000  # images from which principal components are taken


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A map from images to the features in which a distance is taken.

    Attributes:
        project: rows, float32 [n, pixels] in [-1, 1] -> features [n, d]; any function.
        pixels: how many numbers an image has, channels included.
        accuracy: share of held-out images that the classifier labels rightly; None where
            the set has no labels and the features are principal components.
        score: rows -> logits of the classes [n, classes]; None without labels.
        classes: number of classes; 0 without labels.
    """

    project: Callable[[Array], Any]
    pixels: int
    accuracy: float | None = None
    score: Callable[[Array], Any] | None = None
    classes: int = 0

    def __call__(self, images: Float[AnyArray, "n *pixels"]) -> Float[np.ndarray, "n d"]:
        """Features of images given as [n, h, w], [n, h, w, 3] or rows, in [-1, 1].

        Rows of `images.Labelled`, pixels and then a one-hot label, are taken without the label.
        Raises: InputError for another size, or for pixels that look like 0 to 255. Pixels from
        0 to 1 cannot be told from pale images in [-1, 1]; scale them by 2 * images - 1.
        """
        return np.asarray(self.project(self._rows(images)), np.float64)

    def logits(self, images: Float[AnyArray, "n *pixels"]) -> Float[np.ndarray, "n classes"]:
        """The classifier's logits; the largest is the class. InputError where it has none."""
        if self.score is None:
            raise InputError("images without labels give no classes; try digits()")
        return np.asarray(self.score(self._rows(images)))

    def _rows(self, images: Any) -> Float[Array, "n pixels"]:
        rows = as_floats(images)
        if rows.ndim == 2 and self.classes and rows.shape[1] == self.pixels + self.classes:
            rows = rows[:, : self.pixels]
        if rows.ndim < 2 or math.prod(rows.shape[1:]) != self.pixels:
            raise InputError(f"images must be n times {self.pixels} pixels, not {rows.shape}")
        # A generator without tanh may leave [-1, 1], but it has negative pixels too.
        if rows.size and rows.min() >= 0 and rows.max() > 1.01:
            raise InputError("pixels must lie in [-1, 1]; scale 0..255 by images / 127.5 - 1")
        return jnp.asarray(rows.reshape(-1, self.pixels))


@lru_cache(maxsize=8)
def train_feature_extractor(image_set: ImageSet, seed: int = 0) -> FeatureExtractor:
    """Features for `image_set`, made from that set alone, the same for the same seed.

    With labels: the 64 penultimate activations of a small classifier, trained in a few seconds
    on four fifths of the images (chosen at random); the last fifth gives `accuracy`.
    Without: the first 32 principal components, not whitened, which see no fine noise.

    Raises: InputError for fewer than ten images.
    """
    if len(image_set) < 10:
        raise InputError(f"features need at least ten images to learn from, not {len(image_set)}")
    rows = image_set.images.reshape(len(image_set), -1)
    if image_set.labels is None:
        return _principal_components(rows)
    return _train_classifier(rows, image_set.labels, seed)


def _principal_components(rows: Float[np.ndarray, "n pixels"], k: int = 32) -> FeatureExtractor:
    some = rows[:: -(-len(rows) // ENOUGH)]
    axes = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)[2][:k].T
    # The mean need not be taken off again: the distance is blind to a common shift.
    return FeatureExtractor(jax.jit(lambda x: x @ jnp.asarray(axes)), rows.shape[1])


class _Classifier(nnx.Module):
    def __init__(self, pixels: int, classes: int, rngs: nnx.Rngs) -> None:
        self.features = MLP((256,), output="relu").build(pixels, 64, rngs)
        self.head = nnx.Linear(64, classes, rngs=rngs)

    def __call__(self, x: Float[Array, "n pixels"]) -> Float[Array, "n classes"]:
        return self.head(self.features(x))


def _train_classifier(rows: np.ndarray, labels: np.ndarray, seed: int) -> FeatureExtractor:
    order = np.random.default_rng(seed).permutation(len(rows))
    held_out, train = order[: len(rows) // 5], order[len(rows) // 5 :]
    classes = int(labels.max()) + 1
    targets = optax.smooth_labels(jax.nn.one_hot(labels[train], classes), 0.1)
    steps = max(LEAST_STEPS, EPOCHS * len(train) // BATCH)
    graph, params = _fit(jnp.asarray(rows[train]), targets, jax.random.key(seed), steps)
    project = jax.jit(lambda x: nnx.merge(graph, params).features(x))
    score = jax.jit(lambda x: nnx.merge(graph, params)(x))
    guess = score(jnp.asarray(rows[held_out])).argmax(axis=1)
    accuracy = float(np.mean(np.asarray(guess) == labels[held_out]))
    return FeatureExtractor(project, rows.shape[1], accuracy, score, classes)


@partial(jax.jit, static_argnames="steps")
def _fit(rows: Array, targets: Array, key: Array, steps: int) -> Any:
    """Adam with weight decay on noisy batches, initialisation and all steps in one call."""
    graph, params = nnx.split(_Classifier(rows.shape[1], targets.shape[1], nnx.Rngs(key)))
    optimiser = optax.adamw(optax.cosine_decay_schedule(3e-3, steps), weight_decay=0.01)

    def loss(params: Any, x: Array, y: Array) -> Array:
        return optax.softmax_cross_entropy(nnx.merge(graph, params)(x), y).mean()

    def step(carry: Any, key: Array) -> tuple[Any, None]:
        params, memory = carry
        pick, noise = jax.random.split(key)
        index = jax.random.randint(pick, (BATCH,), 0, len(rows))
        x = rows[index] + 0.2 * jax.random.normal(noise, (BATCH, rows.shape[1]))
        gradient = jax.grad(loss)(params, x, targets[index])
        with jax.numpy_dtype_promotion("standard"):  # optax mixes whole and real numbers
            updates, memory = optimiser.update(gradient, memory, params)
        return (optax.apply_updates(params, updates), memory), None

    start = (params, optimiser.init(params))
    return graph, jax.lax.scan(step, start, jax.random.split(key, steps))[0][0]


def frechet_features(
    extractor: FeatureExtractor,
    real: Float[AnyArray, "n *pixels"],
    fake: Float[AnyArray, "m *pixels"],
) -> float:
    """Frechet distance between the features of two sets of images, [n, h, w] or rows."""
    a, b = (gaussian_statistics(extractor(images)) for images in (real, fake))
    return frechet_distance(*a, *b)


class FrechetMeter:
    """Classifier-FID of fake images against half of an image set; lower is better.

    The features come from our own classifier (or principal components), not from Inception,
    so the numbers compare only with others from the same meter: never with a published FID.
    The distance is biased upwards on few images. Hence give `n` fakes each time; then
    `floor` is what a perfect generator scores. A generator that memorised the set also
    scores about the floor: look at the nearest real images too.

    Attributes:
        n: images in each half of the set, and the number of fakes to give.
        floor: the distance between the two halves.
        accuracy: of the classifier on held-out images; None for a set without labels.
        extractor: the features: by default `train_feature_extractor(image_set, seed)`.
    """

    def __init__(
        self, image_set: ImageSet, seed: int = 0, extractor: FeatureExtractor | None = None
    ) -> None:
        self.extractor = extractor or train_feature_extractor(image_set, seed)
        self.accuracy = self.extractor.accuracy
        self.n = len(image_set) // 2
        # Shuffled, because neighbours in these sets are drawn by the same hand.
        order = np.random.default_rng(seed).permutation(len(image_set))
        real, other = (image_set.images[order[i::2][: self.n]] for i in (0, 1))
        self._real = gaussian_statistics(self.extractor(real))
        self.floor = self(other)

    def __call__(self, fake: Float[AnyArray, "n *pixels"]) -> float:
        """The distance for `fake`, as pictures or rows (see `FeatureExtractor`), in [-1, 1].

        Raises: InputError for fewer than two images, another image size, NaN or infinity, and
        pixels that look like 0 to 255.
        """
        return frechet_distance(*self._real, *gaussian_statistics(self.extractor(fake)))
