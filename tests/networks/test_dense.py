"""What an MLP builds: sizes as in the articles, ranges, initial weights, bad specs refused."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_lessons.errors import InputError
from gan_lessons.networks import ACTIVATIONS, MLP, parameter_count
from gan_lessons.presets import DENSE_PAIRS

NAN = float("nan")


def build(spec, n_in=3, n_out=2, seed=0):
    return spec.build(n_in, n_out, nnx.Rngs(seed))


def test_parameter_counts_are_those_that_the_articles_print():
    """On 28x28 digits from 100 latents, generator and discriminator."""
    printed = {
        "leaky-256-512": (559_632, 533_505),
        "relu-256-512-1024": (1_486_352, 1_460_225),
        "relu-256-512-512": (822_288, 927_745),
    }
    assert set(DENSE_PAIRS) == set(printed)
    for name, counts in printed.items():
        for spec, sizes, count in zip(
            DENSE_PAIRS[name], ((100, 784), (784, 1)), counts, strict=True
        ):
            module = nnx.eval_shape(lambda spec=spec, sizes=sizes: build(spec, *sizes))
            assert parameter_count(module) == count


@pytest.mark.parametrize("hidden", [(), (5, 4)])
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


def test_output_ranges():
    x = 10 * np.random.default_rng(0).standard_normal((512, 3)).astype(np.float32)
    for output, low, high in [("tanh", -3, 3), ("relu", 0, math.inf), ("elu", -3, math.inf)]:
        y = np.asarray(build(MLP((16,), "leaky_relu", output, scale=3.0))(x))
        assert low <= y.min() < max(0.9 * low, -10) + 1e-6  # kept, and used
        assert min(0.9 * high, 10) < y.max() <= high


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
    module = build(MLP((400, 300), init=init), n_in, 100)
    kernels = [np.asarray(layer.kernel[...]) for layer in module.layers]
    assert [kernel.shape for kernel in kernels] == [(n_in, 400), (400, 300), (300, 100)]
    wanted = [first, math.sqrt(gain / 400), math.sqrt(gain / 300)]
    for kernel, std in zip(kernels, wanted, strict=True):
        error = 5 / math.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(std, rel=error)
        assert abs(kernel.mean()) < 5 * std / math.sqrt(kernel.size)
        assert np.abs(kernel).max() > 3 * std  # normal, not cut off


def test_orthogonal_and_dcgan_weights():
    """Metz et al.: orthogonal times .8; Radford et al.: normal with standard deviation .02."""
    kernel = np.asarray(build(MLP((40,), init="orthogonal"), 90, 1).layers[0].kernel[...])
    np.testing.assert_allclose(kernel.T @ kernel, 0.64 * np.eye(40), atol=1e-5)
    kernel = np.asarray(build(MLP((400,), init="dcgan"), 90, 1).layers[0].kernel[...])
    assert kernel.std() == pytest.approx(0.02, rel=0.03)


def test_same_seed_same_weights():
    one, same, other = (jax.tree.leaves(nnx.state(build(MLP((5,)), seed=n))) for n in (3, 3, 4))
    assert all(map(np.array_equal, one, same)) and not all(map(np.array_equal, one, other))


def test_a_spec_is_plain_and_hashable():
    spec = MLP([np.int64(8), 4.0], "silu", "tanh", 2.0, init="lecun")
    assert spec.hidden == (8, 4) and all(type(width) is int for width in spec.hidden)
    assert eval(repr(spec)) == spec and hash(spec) == hash(eval(repr(spec)))


def test_bad_specs_get_a_sentence():
    widths: list[Any] = [{"hidden": (8, w)} for w in (0, 1.5, 8193, NAN, "64", None, True, (8,))]
    table: list[tuple[dict[str, Any], str]] = [
        *((wrong, "width of a hidden layer") for wrong in widths),
        *(({"hidden": hidden}, "tuple of widths") for hidden in (64, "64", None)),
        ({"activation": "leaky-relu"}, "did you mean 'leaky_relu'"),
        ({"activation": None}, "known: relu"),
        ({"output": "tahn"}, "did you mean 'tanh'"),
        ({"output": "maxout"}, "known: relu"),
        ({"init": "lecunn"}, "did you mean 'lecun'"),
        *(({"scale": scale}, "scale") for scale in (0, -1, NAN, math.inf, "big")),
    ]
    for wrong, hint in table:
        with pytest.raises(InputError, match=hint):
            MLP(**({"hidden": (8,)} | wrong))
