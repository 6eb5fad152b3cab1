"""What a spec builds: sizes as in the articles, ranges, initial widths, and bad specs refused."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_lessons.errors import InputError
from gan_lessons.networks import ACTIVATIONS, MLP, parameter_count
from gan_lessons.presets import DENSE_PAIRS

# Weights plus biases, layer by layer, of the articles' networks on 28x28 digits.
COUNTS = {
    "leaky-256-512": (
        (25_600 + 256) + (131_072 + 512) + (401_408 + 784),
        (401_408 + 512) + (131_072 + 256) + (256 + 1),
    ),
    "relu-256-512-1024": (
        (25_600 + 256) + (131_072 + 512) + (524_288 + 1024) + (802_816 + 784),
        (802_816 + 1024) + (524_288 + 512) + (131_072 + 256) + (256 + 1),
    ),
    "relu-256-512-512": (
        (25_600 + 256) + (131_072 + 512) + (262_144 + 512) + (401_408 + 784),
        (401_408 + 512) + 2 * (262_144 + 512) + (512 + 1),
    ),
}


def build(spec, n_in=3, n_out=2, seed=0):
    return spec.build(n_in, n_out, nnx.Rngs(seed))


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_of_the_articles(name):
    generator, discriminator = DENSE_PAIRS[name]
    g, d = (
        nnx.eval_shape(lambda spec=spec, sizes=sizes: build(spec, *sizes))
        for spec, sizes in ((generator, (100, 784)), (discriminator, (784, 1)))
    )
    assert (parameter_count(g), parameter_count(d)) == COUNTS[name]


def test_totals_as_the_articles_print_them():
    totals = {name: (f"{g:,}", f"{d:,}") for name, (g, d) in COUNTS.items()}
    assert totals["leaky-256-512"] == ("559,632", "533,505")
    assert totals["relu-256-512-1024"] == ("1,486,352", "1,460,225")
    assert totals["relu-256-512-512"] == ("822,288", "927,745")


def test_every_article_has_its_pair():
    assert set(DENSE_PAIRS) == set(COUNTS)


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_the_network_is_the_formula(hidden):
    """x -> scale * output(... activation(x W1 + b1) ... Wn + bn)."""
    module = build(MLP(hidden, "elu", "tanh", scale=2.5))
    x = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    y = x
    for i, layer in enumerate(module.layers):
        assert not np.any(layer.bias[...])
        y = y @ np.asarray(layer.kernel[...])
        y = y if i == len(hidden) else np.where(y > 0, y, np.expm1(np.minimum(y, 0)))
    np.testing.assert_allclose(module(x), 2.5 * np.tanh(y), rtol=2e-5, atol=1e-6)


def test_leaky_relu_has_the_articles_slope():
    ends = ACTIVATIONS["leaky_relu"](jnp.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(ends, [-0.2, 0, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("output", "low", "high"),
    [
        ("tanh", -3, 3),
        ("relu", 0, math.inf),
        ("elu", -3, math.inf),
        ("silu", 3 * -0.2785, math.inf),
        ("linear", -math.inf, math.inf),
    ],
)
def test_output_ranges(output, low, high):
    x = 10 * np.random.default_rng(0).standard_normal((512, 3)).astype(np.float32)
    y = np.asarray(build(MLP((16,), "leaky_relu", output, scale=3.0))(x))
    assert low <= y.min() < max(0.9 * low, -10) + 1e-6  # kept, and used
    assert min(0.9 * high, 10) < y.max() <= high


WIDE = (400, 300)


@pytest.mark.parametrize(
    ("init", "n_in", "first", "gain"),
    [
        ("he", 200, math.sqrt(2 / 200), 2),
        ("lecun", 200, math.sqrt(1 / 200), 1),
        ("ganlab", 200, math.sqrt(1 / 2), 1),  # whatever the dimension of the noise
        ("ganlab", 50, math.sqrt(1 / 2), 1),
    ],
)
def test_initial_widths(init, n_in, first, gain):
    module = build(MLP(WIDE, init=init), n_in, 100)
    kernels = [np.asarray(layer.kernel[...]) for layer in module.layers]
    assert [kernel.shape for kernel in kernels] == [(n_in, 400), (400, 300), (300, 100)]
    wanted = [first, math.sqrt(gain / 400), math.sqrt(gain / 300)]
    for kernel, std in zip(kernels, wanted, strict=True):
        error = 5 / math.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(std, rel=error)
        assert abs(kernel.mean()) < 5 * std / math.sqrt(kernel.size)
        assert np.abs(kernel).max() > 3 * std  # normal, not cut off


def test_same_seed_same_weights():
    one, same, other = (nnx.state(build(MLP((5,)), seed=seed)) for seed in (3, 3, 4))
    equal = [
        all(map(np.array_equal, *(jax.tree.leaves(tree) for tree in (one, two))))
        for two in (same, other)
    ]
    assert equal == [True, False]


def test_a_spec_is_plain_and_hashable():
    assert MLP([8, 8]) == MLP((8, 8)) and hash(MLP([8, 8])) == hash(MLP((8, 8)))
    assert eval(repr(MLP((8, 4), "silu", "tanh", 2.0, init="lecun"))) == MLP(
        (8, 4), "silu", "tanh", 2.0, init="lecun"
    )


@pytest.mark.parametrize("width", [0, -1, 1.5, 8193, math.nan, math.inf, "64", None, True, (8,)])
def test_bad_widths(width):
    with pytest.raises(InputError, match="width of a hidden layer"):
        MLP((8, width))


@pytest.mark.parametrize("hidden", [64, "64", None, 1.5])
def test_widths_must_come_in_a_tuple(hidden):
    with pytest.raises(InputError):
        MLP(hidden)


def test_a_whole_number_of_any_kind_is_a_width():
    spec = MLP((np.int64(8), 4.0))
    assert spec.hidden == (8, 4) and all(type(width) is int for width in spec.hidden)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ({"activation": "rleu"}, "relu"),
        ({"activation": "leaky-relu"}, "leaky_relu"),
        ({"output": "tahn"}, "tanh"),
        ({"init": "lecunn"}, "lecun"),
    ],
)
def test_bad_names_suggest_the_nearest(wrong, meant):
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        MLP((8,), **wrong)


@pytest.mark.parametrize("name", ["sigmoid", None, 3])
def test_names_without_a_near_one(name):
    with pytest.raises(InputError, match="known: relu"):
        MLP((8,), name)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, "big"])
def test_bad_scales(scale):
    with pytest.raises(InputError, match="scale"):
        MLP((8,), scale=scale)


def test_orthogonal_and_dcgan_weights():
    """Metz et al.: orthogonal times .8; Radford et al.: normal with standard deviation .02."""
    kernel = np.asarray(build(MLP((40,), init="orthogonal"), 90, 1).layers[0].kernel[...])
    np.testing.assert_allclose(kernel.T @ kernel, 0.64 * np.eye(40), atol=1e-5)
    kernel = np.asarray(build(MLP((400,), init="dcgan"), 90, 1).layers[0].kernel[...])
    assert kernel.std() == pytest.approx(0.02, rel=0.03)
