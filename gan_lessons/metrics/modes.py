"""Counting the modes of a mixture.

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
from gan_lessons.metrics.checks import AnyArray


class ModeCoverage(NamedTuple):
    """What `mode_coverage` finds; K is the number of modes, d the dimension.

    Attributes:
        modes: modes found, 0 to K: at least one high-quality sample is nearest to them.
        high_quality: share in [0, 1] of the samples within `radius` standard deviations
            (Euclidean) of their nearest mode. Compare with `high_quality_ceiling`.
        kl: reverse divergence sum_k h_k log(K h_k) in nats, where h is the share of all
            samples nearest to mode k; 0 to log K. Compare with `kl_floor`.
        counts: samples nearest to each mode [K], high quality or not.
        std_ratio: width of the modes over the true width; 1 is right, 0.5 half as wide.
            It comes from the variance of the high-quality samples about the mean of their mode,
            pooled over modes and coordinates; strays are left out so that they do not widen it.
            As the cut at `radius` makes this variance too small, what is reported is the width of
            the Gaussian that has it after the same cut. At most 3, rough above 2; NaN while no
            mode has two high-quality samples.
        held: modes with at least a quarter of their fair share, n / K, of high-quality samples;
            a broad blob, which drops a sample or two on each mode, holds none.
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

    Works under `jit` and `vmap` (`radius` must be a Python number). A sample that is not finite
    belongs to no mode but counts in the denominator of `high_quality`; if no sample is finite,
    `kl` is NaN.

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
    """P(chi^2_dim < radius^2): the mass of N(0, I) in a ball."""
    from scipy.special import gammainc

    return gammainc(dim / 2, radius**2 / 2)


def high_quality_ceiling(dim: int, radius: float = 3.0) -> float:
    """Share of a perfect generator's samples within `radius` sigma: P(chi^2_dim < radius^2).

    In the plane this is 1 - exp(-radius^2 / 2), .9889 for a radius of 3. A higher score means that
    the modes are too narrow. Raises InputError unless `dim` is at least 1 and `radius` above 0.
    """
    check_number("dimension", dim, 1, 1e6, integer=True)
    return float(_share_within(dim, check_number("radius", radius, 0, 1e6, above=True)))


def kl_floor(modes: int, n: int, exact: bool = False) -> float:
    """The mean of `ModeCoverage.kl` for a perfect generator: about (modes - 1) / (2 n) nats.

    This is so because 2 n KL tends to chi^2 with modes - 1 degrees of freedom; it is accurate for n
    well above `modes`. With `exact` the mean K E[(c/n) log(K c/n)] is taken over the binomial
    count c of a mode, for n up to 10 million: .0194 instead of .0192 for 1,000 modes in 26,000
    samples. Raises InputError unless `modes` and `n` are whole numbers from 1.
    """
    modes = int(check_number("modes", modes, 1, 1e9, integer=True))
    n = int(check_number("samples", n, 1, 1e7 if exact else 1e12, integer=True))
    if not exact:
        return (modes - 1) / (2 * n)
    from scipy.special import xlogy
    from scipy.stats import binom

    share = np.arange(n + 1) / n
    return float(modes * binom.pmf(np.arange(n + 1), n, 1 / modes) @ xlogy(share, modes * share))
