"""How the devices of one game share a batch: each takes its rows, and they exchange means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import lax, random
from jax.flatten_util import ravel_pytree
from jaxtyping import Array


@dataclass(frozen=True)
class Sharing:
    """What to do with a batch on one of `devices` devices; with one device, nothing.

    Attributes:
        devices: how many share each batch.
        batch: examples in the whole of it.
        pairs: whether the loss mixes the examples of a batch.
    """

    devices: int
    batch: int
    pairs: bool

    def rows(self, batch: Array) -> Array:
        """This device's share of a batch that every device has drawn alike."""
        if self.devices == 1:
            return batch
        size = self.batch // self.devices
        return lax.dynamic_slice_in_dim(batch, lax.axis_index("batch") * size, size)

    def own_key(self, key: Array) -> Array:
        """A key of this device's own, for draws that need not be those of a single device."""
        if self.devices == 1:
            return key
        return random.fold_in(key, lax.axis_index("batch"))

    def mixed(self, losses: Callable[..., tuple[Array, Any]], *logits: Array) -> tuple[Array, Any]:
        """A loss and its slopes at logits, over all devices where it mixes a batch's examples."""
        if self.devices == 1 or not self.pairs:
            return losses(*logits)
        value, slopes = losses(*(lax.all_gather(each, "batch", tiled=True) for each in logits))
        # The gradients of the devices are averaged later, and each sees only its own rows.
        return value, jax.tree.map(lambda each: self.devices * self.rows(each), slopes)

    def average(self, tree: Any) -> Any:
        """The mean over devices, in one exchange for the whole tree."""
        if self.devices == 1:
            return tree
        whole, unravel = ravel_pytree(tree)
        return unravel(lax.pmean(whole, "batch"))
