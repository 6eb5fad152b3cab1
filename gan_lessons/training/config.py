"""What compiles: the data, the networks and how they are updated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from gan_lessons.distributions import (
    NOTHING,
    Distribution,
    Given,
    Normal,
    Ring,
    distribution,
    latent,
)
from gan_lessons.errors import InputError, check_choice, check_number, known_keywords
from gan_lessons.networks import MLP, Network, Own, network
from gan_lessons.objectives import Objective, own_objective
from gan_lessons.training.optimizers import OPTIMIZERS


@known_keywords
@dataclass(frozen=True)
class Config:
    """A GAN: change a field and the step is compiled anew.

    Attributes:
        data: what G imitates: a `Distribution`, the name of one, an array [n, dim], or an
            `ImageSet`.
        latent: what G maps from: a `Distribution`, a name, or a whole number d for N(0, I_d).
        generator, discriminator: specs of `gan_lessons.networks`, widths like (64, 64), or the
            class of an `nnx.Module` of your own (see `networks.network`).
        batch: examples per update, 1 to 65536; a multiple of `devices`. Networks that compare the
            rows of a batch (norm="batch", `across`) need two rows, or two packs, or more.
        optimizer: a name in OPTIMIZERS, for both players.
        update: "alternating" (G answers the D just updated) or "simultaneous".
        unroll: how many updates of D, from 0 to 50, G looks ahead and differentiates through.
        devices: over how many devices the runs of a sweep are shared out, or each batch is split.
        d_sees_given: whether D is shown what is given with an example (a label, a source
            picture); G always is.
        losses: an objective of your own (see `objectives.own_objective`); the knob `objective`
            plays it under the name "own".

    Raises: InputError for anything else.
    """

    learner: ClassVar[str] = "gan"

    data: Distribution = Ring()
    latent: Distribution = Normal(2)
    generator: Network = MLP((128, 128, 128, 128), "tanh")
    discriminator: Network = MLP((128, 128, 128), "silu")
    batch: int = 256
    optimizer: str = "adam"
    update: str = "alternating"
    unroll: int = 0
    devices: int = 1
    d_sees_given: bool = True
    losses: Objective | None = None

    def __post_init__(self) -> None:
        self._set(data=distribution(self.data), latent=latent(self.latent))
        self._set(generator=network(self.generator), discriminator=network(self.discriminator))
        self._set(losses=own_objective(self.losses))
        for name, low, high in (("batch", 1, 65536), ("devices", 1, 65536), ("unroll", 0, 50)):
            number = check_number(name, getattr(self, name), low, high, integer=True)
            self._set(**{name: int(number)})
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("update", self.update, ("alternating", "simultaneous"))
        if not isinstance(self.d_sees_given, bool):
            raise InputError(f"d_sees_given must be True or False, not {self.d_sees_given!r}")
        self._check_packs()
        self._fit_own_networks()
        self._check_lone_rows()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_packs(self) -> None:
        if self.batch % (part := self.devices * self.pack):
            packs = f" packs of {self.pack} on" if self.pack > 1 else ""
            raise InputError(
                f"batch must be a multiple of {'packs times ' * (self.pack > 1)}devices: "
                f"{self.batch} does not split over{packs} {self.devices}; "
                f"try batch={-(-self.batch // part) * part}"
            )
        if getattr(self.generator, "pack", 1) > 1:
            raise InputError("only a discriminator sees packs: give the generator pack=1")

    def _fit_own_networks(self) -> None:
        """Try the reader's own networks on this data, so that what is wrong shows here."""
        if isinstance(self.generator, Own):
            sizes = (self.latent.dim, self.data.dim, self.data.given)
            self._set(generator=self.generator.fitted(*sizes, "generator"))
        if isinstance(self.discriminator, Own):
            sizes = (self.data.dim, 1, self.d_given)
            self._set(discriminator=self.discriminator.fitted(*sizes, "discriminator"))

    def _check_lone_rows(self) -> None:
        """Refuse networks that compare the rows of a batch where there is one row alone."""
        if self.batch == 1:
            sizes = (self.latent.dim, self.data.dim, self.data.given)
            _check_lone_row(self.generator, "generator", 1, *sizes)
        if self.batch == self.pack:
            sizes = (self.data.dim, 1, self.d_given)
            _check_lone_row(self.discriminator, "discriminator", self.pack, *sizes)

    @property
    def pack(self) -> int:
        """How many examples D judges as one."""
        return getattr(self.discriminator, "pack", 1)

    @property
    def d_given(self) -> Given:
        """What D is shown of what is given with an example."""
        return self.data.given if self.d_sees_given else NOTHING


def _check_lone_row(
    spec: Network, role: str, rows: int, n_in: int, n_out: int, given: Given
) -> None:
    """Refuse a network that answers all rows alike, or does less than it says, one at a time."""
    if spec.row_wise:
        return
    what = f"a batch of {rows} shows the {role} one {'pack' if rows > 1 else 'row'} at a time"
    if (across := getattr(spec, "across", "none")) != "none":
        raise InputError(
            f"{what}, so across={across!r} has nothing to compare it with; give a larger batch, "
            'or across="none"'
        )
    network: Any = nnx.view(
        spec.build(n_in, n_out, nnx.Rngs(0), given), raise_if_not_found=False, deterministic=True
    )
    rng = np.random.default_rng(0)  # weights may start at 0, so draw others
    weights = jax.tree.map(
        lambda leaf: rng.standard_normal(leaf.shape, np.float32), nnx.state(network, nnx.Param)
    )
    nnx.update(network, weights)
    beside = [np.ones((rows, given.size), np.float32)] if given.size else []
    draws = rng.standard_normal((2, rows, n_in), np.float32)
    one, other = (np.asarray(network(jax.numpy.asarray(x), *beside)) for x in draws)
    if np.array_equal(one, other):
        raise InputError(
            f"{what}, and so it answers the same whatever it is shown: batch normalisation takes "
            'away all that rows do not differ in; give a larger batch, or norm="none"'
        )
