"""What both players are given: every network uses all of it, or refuses it in a sentence."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from tests.networks import fast_jit

G, D = ConvGenerator(8, 1, (6, 4)), ConvDiscriminator(8, 1, (4, 6))
LABEL, NUMBERS = Given("label", (3,)), Given("numbers", (3,))
PICTURE, SMALLER, COLOUR = (Given("picture", s) for s in ((8, 8), (6, 8), (8, 8, 3)))
NETWORKS = {
    "mlp": (MLP((16,), "silu"), 5, 2),
    "packed": (MLP((16,), "silu", pack=2), 5, 2),
    "waves": (MLP((16,), "silu", fourier=4), 5, 2),
    "generator": (G, 5, 64),
    "discriminator": (D, 64, 1),
}


NO_USE = {"generator": ("picture",), "discriminator": ("numbers",)}


def rows(n, k, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((n, k)), jnp.float32)


def build(name, given=NOTHING):
    spec, n_in, n_out = NETWORKS[name]
    return spec.build(n_in, n_out, nnx.Rngs(0), given)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_ignores_what_is_given(name):
    """Each number given moves the output, unless the network refuses it."""
    n_out = NETWORKS[name][2]
    for given in (LABEL, NUMBERS, PICTURE, COLOUR, SMALLER):
        if given.kind in NO_USE.get(name, ()) or (name == "discriminator" and given is SMALLER):
            with pytest.raises(InputError, match=f"cannot use a given {given.kind}"):
                build(name, given)
            continue
        out, slopes = answer_and_slope(name, given)
        assert out.shape == (2 if name == "packed" else 4, n_out)
        assert np.all(np.abs(slopes).max(axis=0) > 0)


@functools.partial(fast_jit, static_argnums=(0, 1))
def answer_and_slope(name, given):
    """What a network makes of x and y, and the slope of a score of it in y, what is given."""
    net, x = build(name, given), rows(4, NETWORKS[name][1])

    def score(y):
        out = net(x, y)
        return (jnp.tanh(out) ** 2).sum(), out

    slopes, out = jax.grad(score, has_aux=True)(rows(4, given.size, 1))
    return out, slopes


def test_a_generators_label_is_more_latent():
    @fast_jit
    def play(z, y):
        told, plain = build("generator", LABEL), G.build(8, 64, nnx.Rngs(0))
        return told(z, y), plain(jnp.concatenate([z, y], axis=1))

    np.testing.assert_array_equal(*play(rows(3, 5), jnp.eye(3)))


def test_the_discriminator_projects_on_its_label():
    """w.f(x) + b + V_y.f(x) / sqrt(n); without the label it is the network it was."""

    @fast_jit
    def play(x):
        net, plain = build("discriminator", LABEL), build("discriminator")
        return net(x, jnp.eye(3)), net.features(x), plain.features(x), plain(x), net.classes.kernel

    out, seen, same, plain, kernel = map(np.asarray, play(rows(3, 64)))
    np.testing.assert_allclose(seen, same, rtol=1e-5)
    wanted = plain + (kernel * seen).sum(axis=1, keepdims=True) / np.sqrt(seen.shape[1])
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)


def test_a_picture_given_is_further_channels():
    @fast_jit
    def play(x, y):
        net, joint = build("discriminator", COLOUR), ConvDiscriminator(8, 4, (4, 6))
        both = jnp.concatenate([x.reshape(2, 8, 8, 1), y.reshape(2, 8, 8, 3)], axis=3)
        return net(x, y), joint.build(256, 1, nnx.Rngs(0))(both.reshape(2, -1))

    np.testing.assert_array_equal(*play(rows(2, 64), rows(2, 192, 1)))


def test_waves_do_not_see_what_is_given():
    """Numbers given stand beside the input of the first layer, and only there."""
    net, x, y = build("waves", NUMBERS), rows(4, 5), rows(4, 3, 1)
    first = np.concatenate([x, y], axis=1) @ np.asarray(net.layers[0].kernel[...])
    wanted = jax.nn.silu(first + np.asarray(net.waves(x)))
    np.testing.assert_allclose(net.features(x, y), wanted, rtol=1e-4, atol=1e-5)
