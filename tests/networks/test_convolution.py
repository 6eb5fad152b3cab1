"""The convolutions of these lessons against `flax.nnx`'s: values, slopes, slopes of slopes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from gan_lessons.errors import InputError
from gan_lessons.networks import Conv, ConvTranspose, convolve, correlate, layers, spread
from gan_lessons.networks.convolution import THIN, WIDE, halved
from tests.networks import fast_jit

PAIRS = [(Conv, nnx.Conv), (ConvTranspose, nnx.ConvTranspose)]
both = pytest.mark.parametrize(("ours", "flax"), PAIRS, ids=["conv", "transpose"])
# n, height, width, channels in and out: even, odd, tiny, flat, thin and wide.
SHAPES = [
    (3, 8, 8, 1, 6),
    (2, 7, 9, 3, 4),
    (2, 1, 1, 2, 2),
    (2, 2, 5, THIN + 2, 1),
    (2, 6, 3, 8, 8),
    (2, 6, 7, 48, 48),
]
assert 48**2 >= WIDE
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def functions(ours, flax, n_in, n_out):
    """Both layers as functions (x, kernel, bias) -> y."""
    same = {"kernel_size": (4, 4), "strides": (2, 2), "padding": "SAME"}
    mine = ours(n_in, n_out, rngs=nnx.Rngs(0), form="cpu")
    theirs = flax(n_in, n_out, rngs=nnx.Rngs(0), **same)

    def function(layer):
        graph, state = nnx.split(layer)

        def call(x, kernel, bias):
            copy = nnx.merge(graph, state, copy=True)
            copy.kernel[...], copy.bias[...] = kernel, bias
            return copy(x)

        return call

    return function(mine), function(theirs)


def inputs(shape, seed=0):
    n, height, width, n_in, n_out = shape
    kernel = normal(seed + 1, 4, 4, n_in, n_out) / (16 * n_in) ** 0.5
    return normal(seed, n, height, width, n_in), kernel, normal(seed + 2, n_out)


def close(one, other, tolerance=1e-5):
    """Equal to `tolerance` of the largest number."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, atol=tolerance * max(1.0, np.abs(b).max()), rtol=0)


@both
def test_parameters_are_flax_s(ours, flax):
    same = {"kernel_size": (4, 4), "strides": (2, 2), "padding": "SAME"}
    for bias in (True, False):
        mine = nnx.state(ours(3, 5, rngs=nnx.Rngs(1), use_bias=bias))
        theirs = nnx.state(flax(3, 5, rngs=nnx.Rngs(1), use_bias=bias, **same))
        assert set(mine) == set(theirs)
        close(mine, theirs)


@both
@shapes
def test_values_and_slopes_are_flax_s(ours, flax, shape):
    mine, theirs = functions(ours, flax, *shape[3:])
    args = inputs(shape)
    weights = normal(9, 20000)

    def score(f):
        def total(*args):
            y = f(*args)
            return (jnp.tanh(y) * weights[: y.size].reshape(y.shape)).sum(), y

        return fast_jit(jax.value_and_grad(total, (0, 1, 2), has_aux=True))

    close(score(mine)(*args), score(theirs)(*args))


@both
@pytest.mark.parametrize("shape", [*SHAPES[1:4], SHAPES[-1]], ids=str)
def test_slopes_of_slopes_are_flax_s(ours, flax, shape):
    """As R1 needs them: the slope in everything of |slope in x|^2, and of |slope in kernel|^2."""
    mine, theirs = functions(ours, flax, *shape[3:])
    args = inputs(shape)

    def price(f, which):
        slope = jax.grad(lambda *a: jnp.tanh(f(*a)).sum(), which)
        return fast_jit(jax.grad(lambda *a: (slope(*a) ** 2).sum(), (0, 1, 2)))

    for which in (0, 1):
        close(price(mine, which)(*args), price(theirs, which)(*args), 3e-5)


@settings(max_examples=6, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    n_in=st.integers(1, THIN + 3) | st.just(48),
    n_out=st.integers(1, 5) | st.just(48),
    n=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_three_functions_are_one_bilinear_form(size, n_in, n_out, n, seed):
    """<convolve(x, k), y> = <x, spread(y, k)> = <k, correlate(x, y)>, and it is lax's."""
    x, kernel, _ = inputs((n, *size, n_in, n_out), seed)
    out = fast_jit(convolve)(x, kernel)
    assert out.shape == (n, *halved(size), n_out)
    names = ("NHWC", "HWIO", "NHWC")
    lax_s = lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=names)
    close(out, lax_s)
    y = normal(seed + 7, *out.shape)
    value = float((out * y).sum())
    limit = 1e-5 * max(1.0, float((jnp.abs(out) * jnp.abs(y)).sum()))
    assert float((x * fast_jit(spread, static_argnums=2)(y, kernel, size)).sum()) == pytest.approx(
        value, abs=limit
    )
    assert float((kernel * fast_jit(correlate)(x, y)).sum()) == pytest.approx(value, abs=limit)


@both
@pytest.mark.parametrize("n_in", [2, THIN + 2])
def test_a_sweep_is_its_runs(ours, flax, n_in):
    mine, _ = functions(ours, flax, n_in, 3)
    runs = [inputs((2, 5, 4, n_in, 3), seed) for seed in (0, 10, 20)]
    slopes = jax.grad(lambda *a: (mine(*a) ** 2).sum(), (0, 1, 2))
    together = fast_jit(jax.vmap(slopes))(*(jnp.stack(each) for each in zip(*runs, strict=True)))
    one = fast_jit(slopes)
    alone = [one(*run) for run in runs]
    close(together, [jnp.stack(each) for each in zip(*alone, strict=True)])


@both
def test_a_shared_kernel_and_many_batches(ours, flax):
    mine, _ = functions(ours, flax, 6, 3)
    x, kernel, bias = inputs((4, 4, 4, 6, 3))
    apart = jax.vmap(mine, in_axes=(0, None, None))(x[:, None], kernel, bias)
    close(apart[:, 0], mine(x, kernel, bias))


@both
def test_the_native_form_gives_the_same(ours, flax):
    x, kernel, bias = inputs((2, 6, 7, 5, 3))
    values = []
    for form in ("native", "cpu", "auto"):
        layer = ours(5, 3, rngs=nnx.Rngs(0), form=form)
        layer.kernel[...], layer.bias[...] = kernel, bias
        values.append(layer(x))
    close(values[1], values[0])
    close(values[2], values[0])


def test_auto_goes_by_the_backend(monkeypatch):
    for backend, cpu in (("cpu", True), ("gpu", False), ("tpu", False)):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert layers.on_cpu("auto") is cpu
        assert layers.on_cpu("cpu") and not layers.on_cpu("native")


def test_it_trains_inside_a_loop():
    """A few steps of least squares in one compiled loop, as the engine runs it."""
    x, kernel, _ = inputs((4, 6, 6, 6, 2))
    goal = convolve(x, kernel)

    def step(_, guess):
        return guess - 0.1 * jax.grad(lambda k: ((convolve(x, k) - goal) ** 2).mean())(guess)

    start = jnp.zeros_like(kernel)
    end = jax.jit(lambda: lax.fori_loop(0, 200, step, start))()
    before, after = (float(((convolve(x, k) - goal) ** 2).mean()) for k in (start, end))
    assert np.isfinite(after) and after < 0.1 * before


@both
def test_bad_pictures_and_forms_get_a_sentence(ours, flax):
    layer = ours(3, 4, rngs=nnx.Rngs(0))
    for shape in [(8,), (2, 8), (8, 8, 3), (2, 8, 8, 4), (0, 8, 8, 3), (2, 0, 8, 3)]:
        with pytest.raises(InputError, match=r"pictures \[n, height, width, 3\]"):
            layer(jnp.zeros(shape))
    with pytest.raises(InputError, match="did you mean 'native'"):
        ours(1, 1, rngs=nnx.Rngs(0), form="nativ")
