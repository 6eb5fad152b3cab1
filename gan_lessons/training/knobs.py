"""The knobs of a GAN: what moves while it trains."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gan_lessons.objectives import NAMES, OWN
from gan_lessons.training.knob_sets import choice, knob, knob_set, knobs_of

# Where a slider can stand; the value that a game starts with joins them, exactly as it is.
WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_DIGITS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
RATES = (*(float(f"{digit}e{power}") for power in range(-5, 0) for digit in _DIGITS), 1.0)
SHARES = tuple(number / 20 for number in range(21))
DECAYS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
COUNTS = tuple(range(11))

_weight: Callable[..., Any] = functools.partial(knob, low=0, high=1e4, stops=WEIGHTS, term=True)
_share: Callable[..., Any] = functools.partial(knob, low=0, high=1)
_priced: Callable[..., Any] = functools.partial(_weight, 0.0, end="penalty_end", share=True)


@knob_set
class Knobs:
    """What moves while a GAN trains, without compiling and without starting over.

    A rate x with a partner `x_end` decays by a cosine from x to x_end over `decay_steps` steps;
    penalties and noise decay likewise, to a share of what they were. `decay_steps=0` keeps all.
    Any knob may also be an array with one value for each run of a sweep.

    Raises: InputError for an unknown keyword. Values are checked where they are used
    (`check_knobs`), because JAX puts arrays in their place.
    """

    objective: str = choice(
        "non_saturating", (*NAMES, OWN), "objective", "What the two players are paid"
    )
    lr_d: float = knob(
        *(1e-3, 0, 10, "D's rate", "Learning rate of the discriminator"),
        above=True,
        stops=RATES,
        end="lr_d_end",
    )
    lr_g: float = knob(
        *(1e-3, 0, 10, "G's rate", "Learning rate of the generator"),
        above=True,
        stops=RATES,
        end="lr_g_end",
    )
    lr_d_end: float = knob(0.0, 0, 10, help="Where D's rate ends")
    lr_g_end: float = knob(0.0, 0, 10, help="Where G's rate ends")
    decay_steps: float = knob(0.0, 0, 1e9, help="Length of the schedule in steps; 0 for none")
    beta1: float = knob(0.5, -0.999, 0.9999, "β₁", "Adam's momentum", stops=SHARES[:-1])
    beta2: float = knob(
        *(0.99, 0, 0.999999, "β₂", "Decay of the second moment (Adam, RMSProp)"), stops=DECAYS
    )
    d_steps: int = knob(1, 0, 100, "D steps", "Updates of D in each step", stops=COUNTS, whole=True)
    g_steps: int = knob(1, 0, 100, "G steps", "Updates of G in each step", stops=COUNTS, whole=True)
    r1: float = _priced(label="R1", help="Weight γ of the penalty on D's gradient at real points")
    r2: float = _priced(
        label="R2", help="Weight γ of the penalty on D's gradient at generated points"
    )
    zero_gp: float = _priced(
        label="zero-GP", help="Weight γ of the zero-centred penalty between real and fake"
    )
    wgan_gp: float = _priced(label="WGAN-GP", help="Weight λ of the WGAN gradient penalty")
    penalty_end: float = _share(
        1.0, help="Share of the penalties' weights that is left after the schedule"
    )
    clip: float = _weight(0.0, label="clip", help="Bound on D's weights (0: none)")
    noise: float = _weight(
        *(0.0,),
        label="noise",
        help="Standard deviation of the instance noise on D's inputs",
        end="noise_end",
        share=True,
    )
    noise_end: float = _share(1.0, help="Share of the noise that is left after the schedule")
    label_smoothing: float = knob(
        *(0.0, 0, 0.999, "smooth", "One-sided label smoothing: the real label is 1 minus this"),
        stops=SHARES[:11],
    )
    ema: float = knob(
        *(0.0, 0, 0.99999, "averaging", "Decay of the moving average of G's weights (0: none)"),
        stops=DECAYS,
        term=True,
    )
    feature_matching: float = _share(
        *(0.0,),
        label="features",
        help="Share of G's loss that compares D's mean features",
        stops=SHARES,
        term=True,
    )
    augment: float = _share(
        *(0.0,),
        label="augment",
        help="How much the pictures that D sees are moved, brightened and cut",
        stops=SHARES,
        term=True,
    )
    l1: float = _weight(
        0.0,
        label="L1",
        help="Weight in G's loss of the mean difference between fake and real, pair by pair",
    )
    l2: float = _weight(
        0.0,
        label="L2",
        help=(
            "Weight in G's loss of the mean squared difference between fake and real, pair by pair"
        ),
    )


KNOBS = knobs_of(Knobs)
