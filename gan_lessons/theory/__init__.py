"""What the theorems say, in numbers: optimal discriminators, divergences, Wasserstein distances.

p is the density of the data, q that of the generator. A density is given by its natural log, as
a function of points [n, dim] -> [n]; `Distribution.log_prob` is one. Everything is computed in
float64 by NumPy, so a NumPy log density keeps all its digits (JAX's have about seven).

    p, q = Mixture1D((0.0,), (1.0,)), Mixture1D((1.0,), (1.0,))
    js(p.log_prob, q.log_prob, ((-8, 9),))  # Integral(value=0.111421, error=1e-06)

Integrals run over a box, ((low, high),) on the line or ((x0, x1), (y0, y1)) in the plane; their
error estimate does not include what lies outside it.
"""

from __future__ import annotations

from gan_lessons.theory.densities import LogDensity, log_ratio
from gan_lessons.theory.discriminator import optimal_discriminator, optimal_logit, v_star, value
from gan_lessons.theory.divergences import (
    chi2,
    f_divergence,
    hellinger2,
    js,
    kl,
    total_variation,
)
from gan_lessons.theory.gaussians import hellinger2_gaussians, kl_gaussians, w1_gaussians
from gan_lessons.theory.quadrature import Integral, integrate, integrate_2d
from gan_lessons.theory.transport import Transport, w1_cdf, w1_plan, w1_quantile, w1_samples

__all__ = [
    "Integral",
    "LogDensity",
    "Transport",
    "chi2",
    "f_divergence",
    "hellinger2",
    "hellinger2_gaussians",
    "integrate",
    "integrate_2d",
    "js",
    "kl",
    "kl_gaussians",
    "log_ratio",
    "optimal_discriminator",
    "optimal_logit",
    "total_variation",
    "v_star",
    "value",
    "w1_cdf",
    "w1_gaussians",
    "w1_plan",
    "w1_quantile",
    "w1_samples",
]
