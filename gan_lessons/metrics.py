"""How good is a generator? Counting modes in the plane, Frechet distance for images.

Print the ceilings beside the numbers: a perfect generator scores neither 100 % high quality
nor zero divergence nor zero Frechet distance on a finite sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from gan_lessons.errors import InputError, check_number
from gan_lessons.images import ImageSet, as_floats
from gan_lessons.networks import MLP

AnyArray = Array | np.ndarray


class ModeCoverage(NamedTuple):
    """What `mode_coverage` finds; K is the number of modes, d the dimension.

    Attributes:
        modes: modes found, 0 to K: at least one high-quality sample is nearest to them.
        high_quality: share in [0, 1] of the samples within `radius` standard deviations
            (Euclidean) of their nearest mode. Compare with `high_quality_ceiling`.
        kl: reverse divergence sum_k h_k log(K h_k) in nats, where h is the share of all
            samples nearest to mode k; 0 to log K. Compare with `kl_floor`.
        counts: samples nearest to each mode [K], high quality or not.
        std_ratio: width inside the modes over the true one; 1 is right, 0.5 half as wide.
            The variance about the mean of each mode, pooled over modes and coordinates, of
            the high-quality samples only, so that strays do not widen it. Cutting at `radius`
            makes it too small, so what is reported is the width of the Gaussian that has this
            variance after the same cut. At most 3, rough above 2; NaN while no mode has two
            high-quality samples.
        held: modes that hold at least a quarter of their fair share, n / K, in high-quality
            samples; a broad blob, which drops a sample or two on each mode, holds none.
    """

    modes: Int[Array, ""]
    high_quality: Float[Array, ""]
    kl: Float[Array, ""]
    counts: Int[Array, " K"]
    std_ratio: Float[Array, ""]
    held: Int[Array, ""]


def mode_coverage(
    samples: Float[AnyArray, "n d"],
    modes: Float[AnyArray, "K d"] | None,
    mode_std: float | Float[Array, ""],
    radius: float = 3.0,
) -> ModeCoverage:
    """Compare samples with a mixture of equally likely isotropic Gaussians.

    Works under `jit` and `vmap` (`radius` must be a Python number). A sample that is not
    finite belongs to no mode but counts in the denominator of `high_quality`; where none is
    finite, `kl` is NaN.

    Args:
        samples: [n, d] generated points; the papers use n = 2,500.
        modes: [K, d] centres of the modes.
        mode_std: standard deviation of each mode in each coordinate, above 0.
        radius: how many standard deviations still count as high quality, above 0.

    Source: A. Srivastava et al. (2017), arXiv 1705.07761; Z. Lin et al. (2018), arXiv 1712.04086.
    Raises: InputError where the shapes do not fit or the distribution has no modes.
    """
    radius = check_number("radius", radius, 0, 100, above=True)
    if modes is None:
        raise InputError("this distribution has no modes to count; try a ring or a grid")
    x, centres, sigma = (jnp.asarray(a, float) for a in (samples, modes, mode_std))
    if x.ndim != 2 or centres.ndim != 2 or x.shape[1] != centres.shape[1]:
        raise InputError(f"samples {x.shape} and modes {centres.shape} must be [n, d] and [K, d]")
    offsets = (x[:, None, :] - centres[None]) / sigma
    squares = jnp.sum(offsets**2, axis=2)
    nearest = jax.nn.one_hot(jnp.argmin(squares, axis=1), len(centres), dtype=bool)
    finite = jnp.isfinite(squares).all(axis=1, keepdims=True)
    good = nearest & (squares <= radius**2)
    counts = jnp.sum(nearest & finite, axis=0)
    return ModeCoverage(
        modes=jnp.sum(good.any(axis=0)),
        high_quality=jnp.mean(good.any(axis=1), dtype=x.dtype),
        kl=_kl_to_uniform(counts, x.dtype),
        counts=counts,
        std_ratio=_std_ratio(offsets, good, radius),
        held=jnp.sum(4 * len(centres) * good.sum(axis=0) >= len(x)),
    )


def _kl_to_uniform(counts: Int[Array, " K"], dtype: jnp.dtype) -> Float[Array, ""]:
    share = counts.astype(dtype) / jnp.sum(counts).astype(dtype)
    return jnp.maximum(jnp.sum(jax.scipy.special.xlogy(share, share * len(counts))), 0)


def _std_ratio(offsets: Float[Array, "n K d"], good: Array, radius: float) -> Float[Array, ""]:
    """See `ModeCoverage.std_ratio`; `offsets` are in units of the true width."""
    offsets = jnp.where(good[:, :, None], offsets, 0)
    counts = jnp.sum(good, axis=0)
    means = jnp.sum(offsets, axis=0) / jnp.maximum(counts, 1)[:, None].astype(offsets.dtype)
    residuals = jnp.where(good[:, :, None], offsets - means[None], 0)
    freedom = (jnp.sum(counts) - jnp.sum(counts > 0)) * offsets.shape[2]
    seen = jnp.sqrt(jnp.sum(residuals**2) / jnp.maximum(freedom, 1).astype(offsets.dtype))
    cut, true = (jnp.asarray(w, offsets.dtype) for w in _cut_widths(offsets.shape[2], radius))
    return jnp.where(freedom > 0, jnp.interp(seen, cut, true), jnp.nan)


@cache
def _cut_widths(dim: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation per coordinate of N(0, s^2 I) cut at `radius`, and s from 0 to 3.

    Variance s^2 P(chi^2_{dim+2} < c) / P(chi^2_dim < c), where c = (radius / s)^2.
    """
    true = np.linspace(0.01, 3, 300)
    cut = true * np.sqrt(_share_within(dim + 2, radius / true) / _share_within(dim, radius / true))
    return np.append(0, cut), np.append(0, true)


def _share_within(dim: int, radius: Any) -> Any:
    """P(chi^2_dim < radius^2): the mass of N(0, I) in a ball. SciPy is imported when needed."""
    from scipy.special import gammainc

    return gammainc(dim / 2, radius**2 / 2)


def high_quality_ceiling(dim: int, radius: float = 3.0) -> float:
    """Share of a perfect generator's samples within `radius` sigma: P(chi^2_dim < radius^2).

    In the plane 1 - exp(-radius^2 / 2), .9889 for 3. A score above it means that the
    modes are too narrow. `dim` is at least 1, `radius` above 0, else InputError.
    """
    check_number("dimension", dim, 1, 1e6, integer=True)
    return float(_share_within(dim, check_number("radius", radius, 0, 1e6, above=True)))


def kl_floor(modes: int, n: int, exact: bool = False) -> float:
    """What `ModeCoverage.kl` is on average for a perfect generator: (modes - 1) / (2 n) nats.

    From 2 n KL tending to chi^2 with modes - 1 degrees of freedom; good for n well above
    `modes`. `exact` sums over the binomial count c of a mode, K E[(c/n) log(K c/n)], for n up
    to 10 million: .0194 instead of .0192 for 1,000 modes in 26,000 samples. `modes` and `n` are
    whole numbers from 1, else InputError.
    """
    modes = int(check_number("modes", modes, 1, 1e9, integer=True))
    n = int(check_number("samples", n, 1, 1e7 if exact else 1e12, integer=True))
    if not exact:
        return (modes - 1) / (2 * n)
    from scipy.special import xlogy
    from scipy.stats import binom

    share = np.arange(n + 1) / n
    return float(modes * binom.pmf(np.arange(n + 1), n, 1 / modes) @ xlogy(share, modes * share))


def gaussian_statistics(
    features: Float[np.ndarray, "n d"],
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Mean and unbiased covariance of the rows, in float64.

    Raises: InputError for another rank, fewer than two rows, or values that are not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise InputError(f"features must be [n, d] with at least two rows, not {features.shape}")
    if not np.isfinite(features).all():
        raise InputError("features hold NaN or infinite values; did the generator diverge?")
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(
    mean_a: Float[np.ndarray, " d"],
    cov_a: Float[np.ndarray, "d d"],
    mean_b: Float[np.ndarray, " d"],
    cov_b: Float[np.ndarray, "d d"],
) -> float:
    """Squared 2-Wasserstein distance of two Gaussians, from 0, in squared feature units.

    |mean_a - mean_b|^2 + Tr(A) + Tr(B) - 2 Tr((A B)^(1/2)). The last trace is the sum of the
    singular values of A^(1/2) B^(1/2), which is real and exact for singular A and B too, where
    the usual matrix square root of A B turns complex.

    Source: D. Dowson, B. Landau (1982); M. Heusel et al. (2017), arXiv 1706.08500.
    Raises: InputError where the shapes do not fit or a value is not finite.
    """
    a, b, u, v = (np.asarray(x, np.float64) for x in (cov_a, cov_b, mean_a, mean_b))
    if u.ndim != 1 or u.shape != v.shape or not a.shape == b.shape == 2 * u.shape:
        raise InputError("give two means [d] and two covariances [d, d] of the same d")
    if not all(np.isfinite(x).all() for x in (a, b, u, v)):
        raise InputError("means and covariances must be finite")
    cross = np.linalg.norm(_root(a) @ _root(b), "nuc")
    return max(0.0, float(np.sum((u - v) ** 2) + np.trace(a) + np.trace(b) - 2 * cross))


def _root(matrix: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Symmetric square root; eigenvalues that rounding made negative count as zero."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A map from images to the features in which a Frechet distance is taken.

    Attributes:
        project: rows [n, pixels] -> features [n, d], jitted.
        pixels: how many numbers an image has.
        accuracy: share of held-out images that the classifier labels rightly; None where
            the set has no labels and the features are principal components.
        score: rows -> logits of the classes [n, classes], jitted; None without labels.
    """

    project: Callable[[Array], Array]
    pixels: int
    accuracy: float | None
    score: Callable[[Array], Array] | None = None

    def __call__(self, images: Float[AnyArray, "n *pixels"]) -> Float[np.ndarray, "n d"]:
        """Features of images given as [n, h, w] or as rows; InputError for another size."""
        return np.asarray(self.project(self._rows(images)), np.float64)

    def logits(self, images: Float[AnyArray, "n *pixels"]) -> Float[np.ndarray, "n classes"]:
        """The classifier's logits; the largest is the class. InputError where it has none."""
        if self.score is None:
            raise InputError("images without labels give no classes; try digits()")
        return np.asarray(self.score(self._rows(images)))

    def _rows(self, images: Any) -> Float[Array, "n pixels"]:
        rows = as_floats(images)
        if rows.ndim < 2 or math.prod(rows.shape[1:]) != self.pixels:
            raise InputError(f"images must be n times {self.pixels} pixels, not {rows.shape}")
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
    axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:k].T
    # The mean need not be taken off again: the distance is blind to a common shift.
    return FeatureExtractor(jax.jit(lambda x: x @ jnp.asarray(axes)), rows.shape[1], None)


class _Classifier(nnx.Module):
    def __init__(self, pixels: int, classes: int, rngs: nnx.Rngs) -> None:
        self.features = MLP((256,), output="relu").build(pixels, 64, rngs)
        self.head = nnx.Linear(64, classes, rngs=rngs)

    def __call__(self, x: Float[Array, "n pixels"]) -> Float[Array, "n classes"]:
        return self.head(self.features(x))


def _train_classifier(rows: np.ndarray, labels: np.ndarray, seed: int) -> FeatureExtractor:
    order = np.random.default_rng(seed).permutation(len(rows))
    held_out, train = order[: len(rows) // 5], order[len(rows) // 5 :]
    targets = optax.smooth_labels(jax.nn.one_hot(labels[train], labels.max() + 1), 0.1)
    graph, params = _fit(jnp.asarray(rows[train]), targets, jax.random.key(seed))
    project = jax.jit(lambda x: nnx.merge(graph, params).features(x))
    score = jax.jit(lambda x: nnx.merge(graph, params)(x))
    guess = score(jnp.asarray(rows[held_out])).argmax(axis=1)
    accuracy = float(np.mean(np.asarray(guess) == labels[held_out]))
    return FeatureExtractor(project, rows.shape[1], accuracy, score)


@partial(jax.jit, static_argnames="steps")
def _fit(rows: Array, targets: Array, key: Array, steps: int = 500) -> Any:
    """Adam with weight decay on noisy batches of 128, initialisation and all steps in one call."""
    graph, params = nnx.split(_Classifier(rows.shape[1], targets.shape[1], nnx.Rngs(key)))
    optimiser = optax.adamw(optax.cosine_decay_schedule(3e-3, steps), weight_decay=0.01)

    def loss(params: Any, x: Array, y: Array) -> Array:
        return optax.softmax_cross_entropy(nnx.merge(graph, params)(x), y).mean()

    def step(carry: Any, key: Array) -> tuple[Any, None]:
        params, memory = carry
        pick, noise = jax.random.split(key)
        index = jax.random.randint(pick, (128,), 0, len(rows))
        x = rows[index] + 0.2 * jax.random.normal(noise, (128, rows.shape[1]))
        gradient = jax.grad(loss)(params, x, targets[index])
        with jax.numpy_dtype_promotion("standard"):  # optax mixes whole and real numbers
            updates, memory = optimiser.update(gradient, memory, params)
        return (optax.apply_updates(params, updates), memory), None

    start = (params, optimiser.init(params))
    return graph, jax.lax.scan(step, start, jax.random.split(key, steps))[0][0]


STACK_SAMPLES = 26_000  # how many the papers draw to count 1,000 modes


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

    A mode is found once one sample is taken for it, whatever it looks like, so the classifier's
    mistakes count; look at what real data scores. Samples that are not finite are in no mode.

    Source: L. Metz et al. (2017), arXiv 1611.02163; Z. Lin et al. (2018), arXiv 1712.04086.
    Raises: InputError where rows are no whole number of images, or the set has no labels.
    """
    rows = as_floats(samples)
    if rows.ndim != 2 or not rows.shape[1] or rows.shape[1] % extractor.pixels:
        raise InputError(f"rows must be stacks of {extractor.pixels} pixels each, not {rows.shape}")
    rows, layers = rows[np.isfinite(rows).all(axis=1)], rows.shape[1] // extractor.pixels
    logits = extractor.logits(rows.reshape(-1, extractor.pixels))
    place = logits.shape[1] ** np.arange(layers)[::-1]
    codes = logits.argmax(axis=1).reshape(-1, layers) @ place
    counts = np.bincount(codes, minlength=logits.shape[1] ** layers)
    share = counts / max(len(codes), 1)
    kl = (
        np.sum(share * np.log(len(counts) * np.where(share > 0, share, 1)))
        if len(codes)
        else np.nan
    )
    return StackCoverage(int(np.sum(counts > 0)), float(kl), counts)


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
    """

    def __init__(self, image_set: ImageSet, seed: int = 0) -> None:
        self.extractor = train_feature_extractor(image_set, seed)
        self.accuracy = self.extractor.accuracy
        self.n = len(image_set) // 2
        # Shuffled, because neighbours in these sets are drawn by the same hand.
        order = np.random.default_rng(seed).permutation(len(image_set))
        real, other = (image_set.images[order[i::2][: self.n]] for i in (0, 1))
        self._real = gaussian_statistics(self.extractor(real))
        self.floor = self(other)

    def __call__(self, fake: Float[AnyArray, "n *pixels"]) -> float:
        """The distance for `fake`, [n, h, w] or [n, h*w] in [-1, 1].

        Raises: InputError for fewer than two images, another image size, NaN or infinity.
        """
        return frechet_distance(*self._real, *gaussian_statistics(self.extractor(fake)))
