"""Convolutional specs: sizes, labels, what looks at its batch, first widths, bad specs refused."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_lessons import convnets
from gan_lessons.convnets import ConvDiscriminator, ConvGenerator, SpectralConv, dcgan, small
from gan_lessons.errors import InputError
from gan_lessons.networks import parameter_count
from gan_lessons.presets import CONV_PAIR

TINY = {"size": 8, "widths": (6, 4)}


def build(spec, n_in, n_out, seed=0):
    return spec.build(n_in, n_out, nnx.Rngs(seed))


def pictures(n, spec, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, spec.pixels)).astype("f4")
    if not spec.labels:
        return jnp.asarray(rows)
    labels = np.eye(spec.labels, dtype="f4")[np.arange(n) % spec.labels]
    return jnp.asarray(np.concatenate([rows, labels], axis=1))


@pytest.mark.parametrize("pair", [dcgan, small])
@pytest.mark.parametrize("size", [8, 16, 28, 32, 64])
@pytest.mark.parametrize(("channels", "labels"), [(1, 0), (3, 10)])
def test_pairs_fit_pictures_of_every_size(pair, size, channels, labels):
    g, d = pair(size, channels, labels)
    dim = size * size * channels + labels
    latents, rows = (
        jax.ShapeDtypeStruct((4, 100 + labels), "f4"),
        jax.ShapeDtypeStruct((4, dim), "f4"),
    )
    made = nnx.eval_shape(lambda z: build(g, 100 + labels, dim)(z), latents)
    judged = nnx.eval_shape(lambda x: build(d, dim, 1)(x), rows)
    assert (made.shape, judged.shape) == ((4, dim), (4, 1))


def test_sizes_of_dcgan_on_28_pixels():
    """Weights of every layer; a scale and a shift for every normalised map, no bias there."""
    g, d = dcgan(28)
    g, d = (
        nnx.eval_shape(lambda s=s, n=n: build(s, *n)) for s, n in ((g, (100, 784)), (d, (784, 1)))
    )
    assert parameter_count(g) == (
        100 * 49 * 128 + 2 * 128 + 16 * 128 * 64 + 2 * 64 + 16 * 64 * 1 + 1
    )
    assert parameter_count(d) == (16 * 64 + 64) + (16 * 64 * 128 + 2 * 128) + (49 * 128 + 1)


def test_the_widths_of_the_authors_code_at_64_pixels():
    g, d = dcgan(64, 3)
    assert (g.widths, g.start) == ((512, 256, 128, 64), 4)
    assert (d.widths, d.end) == ((64, 128, 256, 512), 4)


def test_the_article_crops_32_pixels_to_28():
    g, d = CONV_PAIR
    assert (g.start, d.end) == (4, 4)
    whole = build(replace(g, size=32), 100, 1024)
    cut = build(g, 100, 784)  # the same weights: only what is left of the picture differs
    z = jax.random.normal(jax.random.key(0), (3, 100))
    inner = np.asarray(whole(z)).reshape(3, 32, 32)[:, 2:30, 2:30]
    np.testing.assert_allclose(np.asarray(cut(z)).reshape(3, 28, 28), inner, atol=1e-5)


def test_the_generator_passes_its_label_on():
    g = ConvGenerator(**TINY, labels=3)
    z = jnp.concatenate([jnp.ones((3, 5)), jnp.eye(3)], axis=1)
    out = np.asarray(build(g, 8, 67)(z))
    np.testing.assert_array_equal(out[:, 64:], np.eye(3))
    assert not np.allclose(out[0, :64], out[1, :64])  # and makes something of it


def test_the_discriminator_judges_the_label_but_has_no_slope_there():
    d = ConvDiscriminator(**TINY, labels=3)
    net, x = build(d, 67, 1), pictures(1, d)
    as_class = [float(net(x.at[0, 64:].set(row))[0, 0]) for row in jnp.eye(3)]
    assert len({round(value, 5) for value in as_class}) == 3
    slope = jax.grad(lambda x: net(x).sum())(x)
    assert np.all(slope[:, 64:] == 0) and np.abs(slope[:, :64]).max() > 0


@pytest.mark.parametrize("norm", ["none", "spectral", "batch"])
@pytest.mark.parametrize("across", ["none", "std"])
def test_row_wise_says_whether_a_picture_is_judged_alone(norm, across):
    d = ConvDiscriminator(**TINY, norm=norm, across=across)
    x = pictures(6, d)
    together, alone = (build(d, 64, 1)(rows)[:2] for rows in (x, x[:2]))
    assert np.allclose(together, alone, atol=1e-5) == d.row_wise
    assert d.row_wise == (norm != "batch" and across == "none")


def test_features_are_what_the_last_layer_sees():
    net = build(d := ConvDiscriminator(**TINY), 64, 1)
    x = pictures(5, d)
    assert net.features(x).shape == (5, 4 * 4)
    np.testing.assert_allclose(net.last(net.features(x)), net(x), atol=1e-6)


def test_spectral_norm_of_a_kernel_tends_to_one():
    layer = SpectralConv(3, 5, rngs=nnx.Rngs(0), kernel_init=nnx.initializers.normal(2.0))
    x = jnp.ones((1, 4, 4, 3))
    for _ in range(60):
        layer(x)
    kernel = np.asarray(layer.kernel[...]).reshape(-1, 5)
    sigma = np.linalg.svd(kernel, compute_uv=False)[0]
    plain = convnets.Conv(3, 5, rngs=nnx.Rngs(0))
    plain.kernel[...] = layer.kernel[...] / sigma
    plain.bias[...] = layer.bias[...]
    np.testing.assert_allclose(layer(x), plain(x), atol=1e-4)


@pytest.mark.parametrize("widths", [(64, 64, 64), (128, 64)])
def test_he_keeps_the_size_of_signals_through_transposed_convolutions(widths):
    g = ConvGenerator(32, 3, widths, "relu", output="linear")
    out = build(g, 100, 3 * 1024)(jax.random.normal(jax.random.key(0), (64, 100)))
    assert 0.5 < float(out.std()) < 3


def test_nothing_leaves_the_range_of_tanh():
    out = build(ConvGenerator(**TINY), 5, 64)(1e4 * jnp.ones((2, 5)))
    assert np.all(np.abs(out) <= 1)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ConvGenerator(widths=()), "widths"),
        (lambda: ConvGenerator(widths=(0,)), "width"),
        (lambda: ConvGenerator(widths=64), "widths"),
        (lambda: ConvGenerator(size=8, widths=(8,) * 4), "8 pixels"),
        (lambda: ConvGenerator(size=28.5), "size"),
        (lambda: ConvGenerator(norm="spectral"), "norm"),
        (lambda: ConvGenerator(norm_output=True), "norm_output"),
        (lambda: ConvDiscriminator(dropout=1.0), "dropout"),
        (lambda: ConvDiscriminator(across="discrimination"), "across"),
        (lambda: ConvDiscriminator(labels=-1), "labels"),
        (lambda: ConvDiscriminator(activation="maxout"), "activation"),
        (lambda: build(ConvGenerator(**TINY), 5, 65), "65"),
        (lambda: build(ConvDiscriminator(**TINY, labels=10), 64, 1), "label"),
        (lambda: build(ConvDiscriminator(**TINY), 64, 2), "one logit"),
        (lambda: dcgan(7), "size"),
    ],
)
def test_bad_specs_are_refused_in_a_sentence(make, word):
    with pytest.raises(InputError, match=word):
        make()
