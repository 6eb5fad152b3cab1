"""The update rules of both players, before the learning rate."""

from __future__ import annotations

from collections.abc import Callable

import optax
from jaxtyping import Array

OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": optax.scale_by_adam,
    "sgd": lambda beta1, beta2, eps_root: optax.identity(),
    "rmsprop": lambda beta1, beta2, eps_root: optax.scale_by_rms(beta2),
    "optimistic_adam": lambda *args, **kw: optax.chain(
        optax.scale_by_adam(*args, **kw), optax.scale_by_optimistic_gradient()
    ),
    "optimistic_sgd": lambda *args, **kw: optax.scale_by_optimistic_gradient(),
}


def optimizer(
    name: str, beta1: float | Array, beta2: float | Array, differentiated: bool = False
) -> optax.GradientTransformation:
    """The rule called `name` in OPTIMIZERS, with Adam's momentum and second-moment decay.

    "optimistic_..." puts 2 u_t - u_(t-1) in place of the rule's update u_t, a guess at where the
    game goes next; the first update is u_1 itself (Daskalakis et al. 2018, arXiv 1711.00141,
    algorithm 1).

    Args:
        differentiated: whether gradients are taken through the update, as unrolling does. A tiny
            constant under Adam's root then gives the root a slope where a gradient is 0.
    """
    return OPTIMIZERS[name](beta1, beta2, eps_root=1e-18 if differentiated else 0.0)
