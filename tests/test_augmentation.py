"""Augmented pictures: what stays, what moves, by how much, and that G can learn through it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gan_lessons.augmentation import augment

SHAPE = (8, 10)


def rows(n=16, seed=0, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, (n, np.prod(shape))), "f4")


@pytest.mark.parametrize("shape", [(8, 10), (8, 10, 3)])
def test_strength_zero_changes_nothing(shape):
    x = rows(shape=shape)
    np.testing.assert_allclose(augment(jax.random.key(0), x, shape, 0.0), x, atol=1e-6)


def test_brightness_is_uniform_about_zero():
    """Of flat pictures only the brightness and the hole show, and a hole is never everywhere."""
    seen = np.asarray(augment(jax.random.key(1), jnp.zeros((4000, 80)), SHAPE, 0.8))
    shift = np.where(np.abs(seen.max(1)) > np.abs(seen.min(1)), seen.max(1), seen.min(1))
    assert np.abs(shift).max() <= 0.4
    assert abs(shift.mean()) < 0.01 and abs(shift.std() - 0.8 / np.sqrt(12)) < 0.01


def test_a_picture_moves_by_whole_pixels_and_not_too_far():
    """The brightest pixel of a ramp says by how much: at strength 1, up to an eighth of 16."""
    ramp = jnp.broadcast_to(jnp.arange(16.0)[:, None] + 100 * jnp.arange(16.0)[None], (16, 16))
    many = jnp.broadcast_to(ramp.reshape(1, -1), (500, 256))
    seen = np.asarray(augment(jax.random.key(2), many, (16, 16))).reshape(-1, 16, 16)
    corner = seen[:, 0, 0][seen[:, 0, 0] > 0.6]  # no hole, and not the pixel (0, 0) itself
    down, right = np.round(corner % 100), corner // 100
    assert set(np.unique(np.minimum(down, 100 - down))) <= {0.0, 1.0, 2.0}
    assert set(np.unique(right)) <= {0.0, 1.0, 2.0}


def test_a_hole_takes_a_quarter_of_the_picture_at_most():
    seen = np.asarray(augment(jax.random.key(3), jnp.full((500, 256), 3.0), (16, 16)))
    share = (seen == 0).mean(axis=1)
    assert 0.05 < share.mean() < 0.25 and share.max() <= 81 / 256


def test_every_picture_gets_its_own_change_and_a_key_repeats_it():
    x = jnp.broadcast_to(rows(1), (8, 80))
    key = jax.random.key(4)
    first, again = augment(key, x, SHAPE), augment(key, x, SHAPE)
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.asarray(first), axis=0)) == 8


def test_gradients_pass_through():
    x = rows(3)
    score = lambda x: jnp.sin(augment(jax.random.key(5), x, SHAPE)).sum()  # noqa: E731
    check_grads(score, (x,), 2, modes=["rev"], eps=1e-2)


def test_strength_may_be_traced():
    x = rows()
    key = jax.random.key(6)
    got = jax.jit(lambda s: augment(key, x, SHAPE, s))(jnp.float32(0.5))
    np.testing.assert_allclose(got, augment(key, x, SHAPE, 0.5), atol=1e-6)
