"""Convolutional specs: sizes, what looks at its batch, first widths, bad specs refused."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError
from gan_lessons.networks import (
    Conv,
    ConvDiscriminator,
    ConvGenerator,
    SpectralConv,
    dcgan,
    parameter_count,
    small,
)
from gan_lessons.presets import CONV_PAIR
from tests.networks import fast_jit

TINY = {"size": 8, "widths": (6, 4)}


def build(spec, n_in, n_out, given=NOTHING):
    return spec.build(n_in, n_out, nnx.Rngs(0), given)


def answer(spec, n_in, n_out, x):
    """What the network makes of x, built and called in one compiled program."""
    return np.asarray(fast_jit(lambda x: build(spec, n_in, n_out)(x))(x))


def pictures(n, spec):
    rows = np.random.default_rng(0).normal(size=(n, spec.pixels))
    return jnp.asarray(rows, jnp.float32)


@pytest.mark.parametrize("pair", [dcgan, small])
def test_pairs_fit_pictures_of_every_size(pair):
    for size, channels, given in [
        (8, 1, NOTHING),
        (16, 3, Given("label", (10,))),
        (28, 1, Given("label", (10,))),
        (32, 3, NOTHING),
        (64, 3, NOTHING),
    ]:
        g, d = pair(size, channels)
        dim = size * size * channels
        z, x, y = (jax.ShapeDtypeStruct((4, k), "f4") for k in (100, dim, given.size))
        told = (y,) if given.size else ()
        fakes = nnx.eval_shape(
            lambda *a, net=g, n=dim, y=given: build(net, 100, n, y)(*a), z, *told
        )
        logits = nnx.eval_shape(lambda *a, net=d, n=dim, y=given: build(net, n, 1, y)(*a), x, *told)
        assert (fakes.shape, logits.shape) == ((4, dim), (4, 1))


def test_sizes_of_dcgan():
    """Weights of every layer; a scale and a shift for every normalised map, no bias there."""
    g, d = (
        nnx.eval_shape(lambda s=s, n=n: build(s, *n))
        for s, n in zip(dcgan(28), ((100, 784), (784, 1)), strict=True)
    )
    assert parameter_count(g) == (
        100 * 49 * 128 + 2 * 128 + 16 * 128 * 64 + 2 * 64 + 16 * 64 * 1 + 1
    )
    assert parameter_count(d) == (16 * 64 + 64) + (16 * 64 * 128 + 2 * 128) + (49 * 128 + 1)
    g, d = dcgan(64, 3)
    assert (g.widths, g.start) == ((512, 256, 128, 64), 4)  # as in the authors' code
    assert (d.widths, d.end) == ((64, 128, 256, 512), 4)


def test_the_article_crops_32_pixels_to_28():
    """The same weights make both: only what is left of the picture differs."""
    g, d = CONV_PAIR
    assert (g.start, d.end) == (4, 4)
    z = jax.random.normal(jax.random.key(0), (3, 100))
    g = replace(g, widths=(8, 8, 8))
    whole, cut = answer(replace(g, size=32), 100, 1024, z), answer(g, 100, 784, z)
    inner = whole.reshape(3, 32, 32)[:, 2:30, 2:30]
    np.testing.assert_allclose(cut.reshape(3, 28, 28), inner, atol=1e-5)


@pytest.mark.parametrize("norm", ["none", "spectral", "batch"])
@pytest.mark.parametrize("across", ["none", "std"])
def test_row_wise_says_whether_a_picture_is_judged_alone(norm, across):
    d = ConvDiscriminator(**TINY, norm=norm, across=across)
    x = pictures(6, d)
    together, alone = (answer(d, 64, 1, rows)[:2] for rows in (x, x[:2]))
    assert np.allclose(together, alone, atol=1e-5) == d.row_wise
    assert d.row_wise == (norm != "batch" and across == "none")


def test_features_are_what_the_last_layer_sees():
    d = ConvDiscriminator(**TINY)

    @fast_jit
    def play(x):
        net = build(d, 64, 1)
        return net.features(x), net.last(net.features(x)), net(x)

    seen, last, out = play(pictures(5, d))
    assert seen.shape == (5, 4 * 4)
    np.testing.assert_allclose(last, out, atol=1e-6)


def test_spectral_norm_of_a_kernel_tends_to_one():
    """Applied again and again, it acts as the convolution by kernel / largest singular value."""
    x = jnp.ones((1, 4, 4, 3))

    @fast_jit
    def play():
        layer = SpectralConv(3, 5, rngs=nnx.Rngs(0), kernel_init=nnx.initializers.normal(2.0))
        graph, state = nnx.split(layer)

        def call(_, state):
            again = nnx.merge(graph, state)
            again(x)
            return nnx.state(again)

        used = nnx.merge(graph, lax.fori_loop(0, 60, call, state))(x)
        plain = Conv(3, 5, rngs=nnx.Rngs(0))
        sigma = jnp.linalg.norm(layer.kernel[...].reshape(-1, 5), 2)
        plain.kernel[...] = layer.kernel[...] / sigma
        return used, plain(x)

    used, plain = play()
    np.testing.assert_allclose(used, plain, atol=1e-4)


def test_he_keeps_the_size_of_signals_through_transposed_convolutions():
    g = ConvGenerator(16, 3, (64, 64, 64), "relu", output="linear")
    out = answer(g, 100, 3 * 256, jax.random.normal(jax.random.key(0), (64, 100)))
    assert 0.5 < out.std() < 3


def test_nothing_leaves_the_range_of_tanh():
    out = answer(ConvGenerator(**TINY), 5, 64, 1e4 * jnp.ones((2, 5)))
    assert np.all(np.abs(out) <= 1)


def test_bad_specs_get_a_sentence():
    for make, word in [
        (lambda: ConvGenerator(widths=()), "widths"),
        (lambda: ConvGenerator(widths=(0,)), "width"),
        (lambda: ConvGenerator(widths=64), "widths"),
        (lambda: ConvGenerator(size=8, widths=(8,) * 4), "8 pixels"),
        (lambda: ConvGenerator(size=28.5), "size"),
        (lambda: ConvGenerator(norm="spectral"), "norm"),
        (lambda: ConvGenerator(norm_output=True), "norm_output"),
        (lambda: ConvDiscriminator(dropout=1.0), "dropout"),
        (lambda: ConvDiscriminator(across="discrimination"), "across"),
        (lambda: ConvDiscriminator(activation="maxout"), "activation"),
        (lambda: build(ConvGenerator(**TINY), 5, 65), "65"),
        (lambda: build(ConvDiscriminator(**TINY), 74, 1), "74"),
        (lambda: build(ConvDiscriminator(**TINY), 64, 2), "one logit"),
        (lambda: dcgan(7), "size"),
    ]:
        with pytest.raises(InputError, match=word):
            make()
