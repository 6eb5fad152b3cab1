"""The faster keys draw exactly the numbers of JAX's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from gan_lessons.training.keys import unrolled

DRAWS = {
    "normal": lambda key: random.normal(key, (7, 3)),
    "uniform": lambda key: random.uniform(key, (50,)),
    "randint": lambda key: random.randint(key, (40,), 0, 11),
    "bits": lambda key: random.bits(key, (9,)),
    "scalar": lambda key: random.normal(key),
    "one byte": lambda key: random.bits(key, (5,), "uint8"),
    "split": lambda key: random.normal(random.split(key, 4)[2], (5,)),
    "fold in": lambda key: random.normal(random.fold_in(key, 12345), (5,)),
    "permutation": lambda key: random.permutation(key, 20),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_every_draw_is_jax_own_bit_for_bit(name: str, seed: int) -> None:
    key, draw = random.key(seed), DRAWS[name]
    np.testing.assert_array_equal(draw(unrolled(key)), draw(key))
    np.testing.assert_array_equal(jax.jit(draw)(unrolled(key)), draw(key))


def test_keys_of_a_sweep_draw_as_each_alone() -> None:
    keys = random.split(random.key(3), 4)
    ours = jax.vmap(lambda key: random.normal(random.fold_in(unrolled(key), 5), (6,)))(keys)
    jaxs = jnp.stack([random.normal(random.fold_in(key, 5), (6,)) for key in keys])
    np.testing.assert_array_equal(ours, jaxs)
