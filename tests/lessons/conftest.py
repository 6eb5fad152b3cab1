"""What the tests of several lessons share."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def as_in_a_readers_kernel() -> Iterator[None]:
    """A lesson may broadcast; the rest of the tests may not."""
    with jax.numpy_rank_promotion("allow"):
        yield
