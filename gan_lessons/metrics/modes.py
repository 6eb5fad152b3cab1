"""Counting modes: of mixtures in the plane, and of stacked images by the class of each layer.

Print the ceilings beside the numbers: a perfect generator scores neither 100 % high quality nor
zero divergence on a finite sample.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gan_lessons.errors import InputError, check_number
from gan_lessons.images import as_floats
from gan_lessons.metrics.features import FeatureExtractor

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
