"""Networks of the reader's own: what becomes one, what is wrong with one, and when it is new."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_lessons.distributions import Given
from gan_lessons.errors import InputError
from gan_lessons.networks import MLP, Conv, Own, network

LABEL = Given("label", (3,))


class Critic(nnx.Module):
    """Everything at once: batch statistics, dropout, a hidden width."""

    def __init__(self, n_in, n_out, *, rngs, hidden=8):
        self.first = nnx.Linear(n_in, hidden, rngs=rngs)
        self.norm = nnx.BatchNorm(hidden, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(hidden, n_out, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(jax.nn.relu(self.norm(self.first(x)))))


class Told(nnx.Module):
    def __init__(self, n_in, n_out, given, rngs):
        self.layer = nnx.Linear(n_in + given.size, n_out, rngs=rngs)

    def __call__(self, x, given):
        return self.layer(jnp.concatenate([x, given], axis=1))


def linear(**how):
    """A linear module whose call can be replaced."""
    return type("Mine", (nnx.Linear,), how)


def with_call(call):
    return linear(__call__=lambda self, x: call(self, nnx.Linear.__call__(self, x)))


# ---- what stands for a network


@pytest.mark.parametrize(
    "factory",
    [
        Critic,
        functools.partial(Critic, hidden=5),
        nnx.Linear,
        lambda rngs: nnx.Linear(3, 2, rngs=rngs),
        lambda n_out, rngs, n_in: nnx.Linear(n_in, n_out, rngs=rngs),
        lambda many, few, key: nnx.Linear(many, few, rngs=key),
        lambda many, few, /, rngs: nnx.Linear(many, few, rngs=rngs),
        lambda n_in, n_out, **rest: nnx.Linear(n_in, n_out, rngs=nnx.Rngs(0)),
    ],
)
def test_a_class_or_function_of_many_signatures_makes_a_network(factory):
    own = network(factory).fitted(3, 2)
    out = jax.eval_shape(lambda x: own.build(3, 2, nnx.Rngs(0))(x), jnp.ones((5, 3)))
    assert out.shape == (5, 2)
    assert own == network(factory).fitted(3, 2) and hash(own) == hash(network(factory).fitted(3, 2))
    assert not own.row_wise


def test_it_is_told_what_is_given():
    own = network(Told).fitted(3, 2, LABEL)
    assert own.build(3, 2, nnx.Rngs(0), LABEL)(jnp.ones((5, 3)), jnp.ones((5, 3))).shape == (5, 2)


def test_a_spec_stays_and_widths_are_an_mlp():
    spec = MLP((8,))
    assert network(spec) is spec and network([8, 4]) == MLP((8, 4)) and network(()) == MLP(())


@dataclass
class Unhashable:
    sizes: list

    def build(self, n_in, n_out, rngs, given): ...


def test_what_is_no_network_gets_a_sentence():
    for wrong, hint in [
        ("mlp", "tuple of widths"),
        (64, "tuple of widths"),
        (None, "tuple of widths"),
        (np.zeros(3), "tuple of widths"),
        ((64, "x"), "width of a hidden layer"),
        (nnx.Linear(2, 2, rngs=nnx.Rngs(0)), "the class itself"),
        (MLP, r"write MLP\(...\)"),
        (int, "int is not an nnx.Module"),
        (Unhashable([8]), "frozen=True"),
    ]:
        with pytest.raises(InputError, match=hint):
            network(wrong)


# ---- what is wrong with a module


class NoCall(nnx.Module):
    def __init__(self, rngs):
        self.layer = nnx.Linear(3, 1, rngs=rngs)


class Half(nnx.Module):
    def __init__(self, n_in, n_out, rngs):
        self.kernel = nnx.Param(jnp.zeros((n_in, n_out), jnp.bfloat16))

    def __call__(self, x):
        return x @ self.kernel[...].astype(jnp.float32)


class Growing(nnx.Linear):
    def __call__(self, inputs, out_sharding=None):
        self.seen = nnx.Variable(inputs)
        return super().__call__(inputs)


class Pixels(nnx.Module):
    def __init__(self, rngs):
        self.layer = Conv(1, 4, rngs=rngs)

    def __call__(self, x):
        return self.layer(x)


FLAWS = [
    (lambda width, rngs: None, "asks for width"),
    (lambda n_in, width, rngs: None, "asks for width"),
    (lambda *, width: None, "asks for width"),
    (lambda: 1 / 0, "cannot be made: ZeroDivisionError"),
    (lambda: 3, "makes something of type int"),
    (NoCall, "has no __call__"),
    (nnx.Sequential, "no nnx.Param"),
    (Half, "parameters of bfloat16"),
    (lambda rngs: nnx.Linear(4, 1, rngs=rngs), r"called on x \(4, 3\): TypeError"),
    (Pixels, r"x \(4, 3\): a convolution takes pictures"),
    (lambda rngs: nnx.Linear(3, 2, rngs=rngs), r"shape \(4, 2\) .* must return \[n, 1\]"),
    (with_call(lambda self, y: y[:, 0]), r"\(4,\) .* y.reshape"),
    (with_call(lambda self, y: (y, 1)), "something of type tuple"),
    (with_call(lambda self, y: y.astype(jnp.bfloat16)), "bfloat16, but must return float32"),
    (Growing, "other variables after a call"),
    (Told, "callable with x alone"),
]


def test_what_is_wrong_with_a_module_is_said_by_name():
    for factory, hint in FLAWS:
        with pytest.raises(InputError, match=f"your discriminator .*{hint}"):
            network(factory).fitted(3, 1, role="discriminator")
    with pytest.raises(InputError, match=r"x and the label given.*__call__\(self, x, given\)"):
        network(Critic).fitted(3, 1, LABEL)


# ---- when it is another network

SCALE = 1.0


def scaled(x):
    return SCALE * x


@jax.jit
def shifted(x, table):
    return x + table[0]


def test_a_changed_number_helper_constant_initialiser_or_derivative_is_seen(monkeypatch):
    table, init, slope = np.zeros(7, np.float32), nnx.initializers.normal(1.0), 1.0
    key = jax.random.key(0)

    @jax.custom_vjp
    def reversed_slope(x):
        return x

    reversed_slope.defvjp(lambda x: (x, None), lambda _, dy: (-slope * dy,))

    class Mine(nnx.Module):
        def __init__(self, n_in, n_out, rngs):
            self.layer = nnx.Linear(n_in, n_out, kernel_init=lambda *a: init(*a), rngs=rngs)

        def __call__(self, x):
            y = shifted(scaled(self.layer(x)), jnp.asarray(table))
            return reversed_slope(y + jax.random.normal(key, y.shape))

    own = network(Mine)
    seen = [own.fitted(3, 1)]
    assert seen[0] == own.fitted(3, 1) != own
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    seen.append(own.fitted(3, 1))
    monkeypatch.setitem(globals(), "scaled", lambda x: jnp.sin(x))
    seen.append(own.fitted(3, 1))
    table = table + 1  # a constant, not its shape
    seen.append(own.fitted(3, 1))
    init = nnx.initializers.normal(2.0)
    seen.append(own.fitted(3, 1))
    slope = 3.0
    seen.append(own.fitted(3, 1))
    key = jax.random.key(1)
    seen.append(own.fitted(3, 1))
    assert len(set(seen)) == 7


def test_the_same_class_defined_again_is_another_network_of_the_same_fingerprint():
    def define():
        class Mine(nnx.Linear):
            pass

        return Mine

    one, two = (network(define()).fitted(3, 1) for _ in range(2))
    assert one != two and one.trace == two.trace
    assert repr(one) == repr(two) and "0x" not in repr(one)  # as checkpoints compare configs


def test_an_own_network_may_be_used_without_a_trial():
    own = Own(Critic)
    out = jax.eval_shape(lambda x: own.build(2, 1, nnx.Rngs(0))(x), jnp.ones((4, 2)))
    assert own == network(Critic) and out.shape == (4, 1)
