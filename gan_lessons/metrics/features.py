"""Features of images, in which distances between sets of images are taken.

The default is our own classifier, trained here on the real set; the Frechet distance in its
features is called "classifier-FID". Any other map from images to numbers can take its place, such
as Inception if you have its weights:

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
from gan_lessons.metrics.checks import AnyArray
from gan_lessons.networks import MLP

BATCH, LEAST_STEPS, EPOCHS = 128, 500, 3  # of the classifier; on small sets, more epochs
ENOUGH = 1000  # at most this many images decide on the principal components


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A map from images to the features in which a distance is taken.

    Attributes:
        project: any function from rows, float32 [n, pixels] in [-1, 1], to features [n, d].
        pixels: numbers in an image, channels included.
        accuracy: share of held-out images that the classifier labels correctly; None if the set
            has no labels, so that the features are principal components.
        score: a function from rows to logits of the classes [n, classes]; None without labels.
        classes: number of classes; 0 without labels.
    """

    project: Callable[[Array], Any]
    pixels: int
    accuracy: float | None = None
    score: Callable[[Array], Any] | None = None
    classes: int = 0

    def __call__(self, images: Float[AnyArray, "n *pixels"]) -> Float[np.ndarray, "n d"]:
        """Features of images given as [n, h, w], [n, h, w, 3] or rows, in [-1, 1].

        Pixels from 0 to 1 cannot be told from pale images in [-1, 1]: scale them yourself, by
        2 * images - 1.

        Raises: InputError for another size, and for pixels that look like 0 to 255.
        """
        return np.asarray(self.project(self._rows(images)), np.float64)

    def logits(self, images: Float[AnyArray, "n *pixels"]) -> Float[np.ndarray, "n classes"]:
        """The classifier's logits, of which the largest is the class; InputError without one."""
        if self.score is None:
            raise InputError("images without labels give no classes; try digits()")
        return np.asarray(self.score(self._rows(images)))

    def _rows(self, images: Any) -> Float[Array, "n pixels"]:
        rows = as_floats(images)
        if rows.ndim < 2 or math.prod(rows.shape[1:]) != self.pixels:
            raise InputError(f"images must be n times {self.pixels} pixels, not {rows.shape}")
        # A generator without tanh may leave [-1, 1], but then it makes negative pixels too.
        if rows.size and rows.min() >= 0 and rows.max() > 1.01:
            raise InputError("pixels must lie in [-1, 1]; scale 0..255 by images / 127.5 - 1")
        return jnp.asarray(rows.reshape(-1, self.pixels))


@lru_cache(maxsize=8)
def train_feature_extractor(image_set: ImageSet, seed: int = 0) -> FeatureExtractor:
    """Features for `image_set`, made from that set alone; the same seed makes the same ones.

    With labels they are the 64 activations in front of the last layer of a small classifier, which
    trains for a few seconds on four fifths of the images, chosen at random; `accuracy` is that on
    the last fifth. Without labels they are the first 32 principal components, not whitened, which
    are blind to fine noise.

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
    # The mean need not be subtracted here: the distance does not depend on a common shift.
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
    """Adam with weight decay on noisy batches: the initial weights and all steps in one call."""
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
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers with floats
            updates, memory = optimiser.update(gradient, memory, params)
        return (optax.apply_updates(params, updates), memory), None

    # `split(key, n)[i]` is `fold_in(key, i)`, which the weights above were drawn from. Keys of
    # their own would be better, but change every number ever measured in these features.
    keys = jax.random.split(key, steps)
    (params, _), _ = jax.lax.scan(step, (params, optimiser.init(params)), keys)
    return graph, params
