"""Counting the modes of a mixture.

Print beside the numbers what a perfect generator scores, which on a finite sample is neither 100 %
high quality nor zero divergence: `perfect_coverage` has it for any data. `high_quality_ceiling` and
`kl_floor` are exact for round modes of one width that do not touch.
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
        kl: reverse divergence sum_k h_k log(h_k / w_k) in nats, where h is the share of all
            samples nearest to mode k and w its weight; from 0 to -log min w, which is log K for
            equal weights. Good to about 1e-7 nats. Compare with `kl_floor`.
        counts: samples nearest to each mode [K], high quality or not.
        std_ratio: width of the modes over the true width; 1 is right, 0.5 half as wide.
            It comes from the variance of the high-quality samples about the mean of their mode,
            pooled over modes and coordinates; strays are left out so that they do not widen it.
            As the cut at `radius` makes this variance too small, what is reported is the width of
            the Gaussian that has it after the same cut. At most 3, rough above 2; NaN while no
            mode has two high-quality samples.
        held: modes with at least a quarter of their fair share, n w_k, of high-quality samples;
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
    weights: Float[AnyArray, " K"] | None = None,
) -> ModeCoverage:
    """Compare samples with a mixture of round Gaussians of one width.

    Works under `jit` and `vmap` (`radius` must be a Python number). A sample that is not finite
    belongs to no mode but counts in the denominator of `high_quality`; if no sample is finite,
    `kl` is NaN. Modes of other widths or shapes, and modes that touch, are counted in the same way;
    then compare with what real data score (`perfect_coverage`).

    Args:
        samples: [n, d] generated points; the papers use n = 2,500. NumPy's float64 is measured
            in float64, everything else in float32.
        modes: [K, d] centres of the modes.
        mode_std: standard deviation of each mode in each coordinate, above 0.
        radius: how many standard deviations still count as high quality, above 0.
        weights: how likely each mode is (`Distribution.mode_weights`), on any scale, above 0;
            equal if left out.

    Source: A. Srivastava et al. (2017), arXiv 1705.07761; Z. Lin et al. (2018), arXiv 1712.04086.
    Raises: InputError where the shapes do not fit, the distribution has no modes, the weights are
        none, or float32 numbers as large as the modes' lie further apart than a mode is wide.
    """
    radius = check_number("radius", radius, 0, 100, above=True)
    if modes is None:
        raise InputError("this distribution has no modes to count; try a ring or a grid")
    offsets = _offsets(samples, modes, mode_std)
    n, k, real = *offsets.shape[:2], offsets.dtype
    squares = jnp.sum(offsets**2, axis=2)
    nearest = jax.nn.one_hot(jnp.argmin(squares, axis=1), k, dtype=bool)
    finite = jnp.isfinite(squares).all(axis=1, keepdims=True)
    good = nearest & (squares <= radius**2)
    counts, held = jnp.sum(nearest & finite, axis=0), good.sum(axis=0)
    share = counts.astype(real) / jnp.sum(counts).astype(real)
    least: Any
    if weights is None:
        relative, least = share * k, -(-n // (4 * k))
    else:
        fair = _fair_shares(weights, k)
        relative, least = share / fair, jnp.ceil(n * fair / 4 - 1e-3).astype(held.dtype)
    return ModeCoverage(
        modes=jnp.sum(good.any(axis=0)),
        high_quality=jnp.mean(good.any(axis=1), dtype=real),
        kl=jnp.maximum(jnp.sum(jax.scipy.special.xlogy(share, relative)), 0),
        counts=counts,
        std_ratio=_std_ratio(offsets, good, radius),
        held=jnp.sum(held >= least),
    )


def _offsets(samples: Any, modes: Any, mode_std: Any) -> Float[Array, "n K d"]:
    """From each mode to each sample, in standard deviations."""
    known = not any(isinstance(each, jax.core.Tracer) for each in (modes, mode_std))
    precise = known and isinstance(samples, np.ndarray) and samples.dtype == np.float64
    try:
        x, centres, sigma = (
            np.asarray(each, np.float64) if precise else jnp.asarray(each, float)
            for each in (samples, modes, mode_std)
        )
    except (TypeError, ValueError):
        raise InputError("samples, modes and mode_std must be plain numbers") from None
    if x.ndim != 2 or centres.ndim != 2 or x.shape[1] != centres.shape[1] or 0 in x.shape:
        raise InputError(f"samples {x.shape} and modes {centres.shape} must be [n, d] and [K, d]")
    if sigma.ndim:
        raise InputError(f"mode_std must be one number for all modes, not of shape {sigma.shape}")
    if known:
        _check_width(np.asarray(modes, x.dtype), float(mode_std), x.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        return jnp.asarray((x[:, None, :] - centres[None]) / sigma, float)


def _check_width(modes: np.ndarray, sigma: float, dtype: Any) -> None:
    check_number("mode_std", sigma, 0, np.inf, above=True)
    if not np.spacing(np.abs(modes).max()) <= sigma:  # written so that NaN fails too
        raise InputError(
            f"modes {sigma:.3g} wide, as far from 0 as {np.abs(modes).max():.3g}, hold no two "
            f"different numbers of {dtype}; shift them towards 0, or give NumPy's float64"
        )


def _fair_shares(weights: Any, modes: int) -> Float[Array, " K"]:
    """`weights` scaled to sum to 1; InputError unless they are numbers above 0, one a mode."""
    if not isinstance(weights, jax.core.Tracer):
        weights = check_weights(weights, modes)
    fair = jnp.asarray(weights, float)
    if fair.shape != (modes,):
        raise InputError(f"weights must be {modes} numbers, one for each mode, not {fair.shape}")
    return fair / fair.sum()


def check_weights(weights: Any, modes: int) -> Float[np.ndarray, " K"]:
    """`weights` in float64, scaled to sum to 1; InputError unless above 0, one for each mode."""
    try:
        array = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (modes,) or not ((array > 0) & (array < np.inf)).all():
        raise InputError(f"weights must be {modes} numbers above 0, one a mode, not {weights!r}")
    return array / array.sum()


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
    the modes are too narrow. Exact for round modes of one width that do not touch; for others see
    `perfect_coverage`. Raises InputError unless `dim` is at least 1 and `radius` above 0.
    """
    check_number("dimension", dim, 1, 1e6, integer=True)
    return float(_share_within(dim, check_number("radius", radius, 0, 1e6, above=True)))


def kl_floor(
    modes: int, n: int, exact: bool = False, weights: Float[AnyArray, " K"] | None = None
) -> float:
    """The mean of `ModeCoverage.kl` for a perfect generator: about (modes - 1) / (2 n) nats.

    This is so, whatever the weights, because 2 n KL tends to chi^2 with modes - 1 degrees of
    freedom; it is accurate where every mode expects many samples. With `exact` the mean
    sum_k E[(c/n) log(c / (n w_k))] is taken over the binomial counts c of the modes, for n up to 10
    million: .0194 instead of .0192 for 1,000 equal modes in 26,000 samples. Both are for modes that
    do not touch; for others see `perfect_coverage`.

    Args:
        weights: how likely each mode is, on any scale, above 0; equal if left out.

    Raises: InputError unless `modes` and `n` are whole numbers from 1 and the weights fit.
    """
    modes = int(check_number("modes", modes, 1, 1e9, integer=True))
    n = int(check_number("samples", n, 1, 1e7 if exact else 1e12, integer=True))
    fair = None if weights is None else check_weights(weights, modes)
    if not exact:
        return (modes - 1) / (2 * n)
    from scipy.special import xlogy
    from scipy.stats import binom

    if fair is None:
        share = np.arange(n + 1) / n
        odds = binom.pmf(np.arange(n + 1), n, 1 / modes)
        return float(modes * odds @ xlogy(share, modes * share))
    total = 0.0
    for weight, times in zip(*np.unique(fair, return_counts=True), strict=True):
        reach = 60 + 12 * np.sqrt(n * weight)  # beyond it lies less than 1e-16 of the binomial
        low, high = max(0, int(n * weight - reach)), min(n, int(n * weight + reach))
        counts = np.arange(low, high + 1)
        total += times * (binom.pmf(counts, n, weight) @ xlogy(counts / n, counts / (n * weight)))
    return max(0.0, float(total))
