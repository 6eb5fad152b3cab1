"""Networks of the reader's own: an `nnx.Module` class, or a function that makes a module.

    class Critic(nnx.Module):
        def __init__(self, n_in, n_out, *, rngs):
            self.first = nnx.Linear(n_in, 64, rngs=rngs)
            self.last = nnx.Linear(64, n_out, rngs=rngs)

        def __call__(self, x):
            return self.last(jax.nn.relu(self.first(x)))

    Config(discriminator=Critic)

Before it plays, it is built and called once without computing anything, so that whatever does not
fit is named in a sentence, and so that its fingerprint is known: a class that is defined anew, or
that calls a helper or uses a number that has changed, makes another config, which compiles anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend.core import ClosedJaxpr

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError
from gan_lessons.networks.base import Network
from gan_lessons.networks.dense import MLP

ROWS = 4  # of the batch that a module is tried on
NAMES = ("x", "given")
POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY


def network(spec: object) -> Network:
    """A network spec from whatever stands for one.

    Args:
        spec: a spec such as `MLP((64, 64))`; a tuple of widths, which means that MLP; an
            `nnx.Module` class, or a function (or `functools.partial`) that makes a module, which
            becomes an `Own`.

    Raises: InputError for anything else, a module included: every seed needs weights of its own.
    """
    if isinstance(spec, (tuple, list)):
        return MLP(tuple(spec))
    if isinstance(spec, nnx.Module):
        raise InputError(
            f"{_name(type(spec))}(...) is a module with weights already; give the class itself, or "
            "a function that makes one, so that every seed draws weights of its own"
        )
    if isinstance(spec, type) and not issubclass(spec, nnx.Module):
        hint = f"write {_name(spec)}(...)" if hasattr(spec, "build") else "derive it from it"
        raise InputError(f"the class {_name(spec)} is not an nnx.Module; {hint}")
    if not isinstance(spec, type) and hasattr(spec, "build"):
        _check_hashable(spec)
        return spec  # type: ignore[return-value]
    if callable(spec):
        _check_hashable(spec)
        return Own(spec)
    raise InputError(
        f"{spec!r} is no network; give a spec such as MLP((64, 64)), a tuple of widths, an "
        "nnx.Module class, or a function that makes a module"
    )


def _check_hashable(spec: object) -> None:
    try:
        hash(spec)
    except TypeError:
        raise InputError(
            f"a network must be hashable, and a {_name(type(spec))} is not; as a dataclass, "
            "declare it by @dataclass(frozen=True) and give it tuples in place of lists"
        ) from None


@dataclass(frozen=True)
class Own:
    """A network of the reader's own.

    Attributes:
        factory: makes the module. Of the arguments `n_in`, `n_out`, `rngs` and `given` it gets
            those that it has a parameter for, by name. If neither of the sizes is among them, two
            parameters of other names get `n_in` and `n_out`; a third gets `rngs`.
        trace: fingerprint of what the module computes, filled in by `fitted`.
    """

    factory: Callable[..., nnx.Module]
    trace: str = ""

    def __repr__(self) -> str:  # without an address, so that it is the same in another session
        return f"Own({_name(self.factory)}, trace={self.trace!r})"

    @property
    def row_wise(self) -> bool:
        """False: nobody knows whether it looks at its batch."""
        return False

    def build(self, n_in: int, n_out: int, rngs: nnx.Rngs, given: Given = NOTHING) -> nnx.Module:
        """What the factory makes."""
        offered = {"n_in": n_in, "n_out": n_out, "rngs": rngs, "given": given}
        by_place, by_name = _arguments(self.factory, offered)
        return self.factory(*by_place, **by_name)

    def fitted(self, n_in: int, n_out: int, given: Given = NOTHING, role: str = "network") -> Own:
        """This network with its `trace`, once it has been tried on a batch of these sizes.

        Args:
            n_in, n_out: numbers in a row that comes in, and in one that goes out.
            given: what it is given beside x.
            role: what messages call it, "generator" or "discriminator".

        Raises: InputError where it cannot be built or called, does not return float32
            [n, n_out], has no float32 parameters, takes no `given`, or changes what it is made of.
        """
        trial = _Trial(self, n_in, n_out, given, f"your {role} {_name(self.factory)}")
        return replace(self, trace=trial.fingerprint())


@dataclass(frozen=True)
class _Trial:
    """One try of a module: built, called, differentiated and used as after training."""

    own: Own
    n_in: int
    n_out: int
    given: Given
    name: str

    def fingerprint(self) -> str:
        """A hash of all that is computed, constants included."""
        key = jax.eval_shape(lambda: jax.random.key(0))
        x = jax.ShapeDtypeStruct((ROWS, self.n_in), jnp.float32)
        given = jax.ShapeDtypeStruct((ROWS, self.given.size), jnp.float32)
        inputs = (x, given) if self.given.size else (x,)
        # A function of its own for each trial: JAX would else remember what it traced before.
        closed, shapes = jax.make_jaxpr(lambda *args: self._play(*args), return_shape=True)(
            key, *inputs
        )
        text = re.sub(r"0x[0-9a-f]+", "", f"{closed}{shapes}")  # addresses differ by session
        digest = hashlib.sha256(text.encode())
        for constant in _constants(closed):
            digest.update(np.asarray(constant).tobytes())
        return digest.hexdigest()[:16]

    def _play(self, key: Any, *inputs: Any) -> Any:
        """What the engine does with a network, in short."""
        module = self._built(key)
        pieces: tuple[Any, ...] = nnx.split(module, nnx.Param, ...)
        graph, params, rest = pieces
        self._check_parameters(params)

        def call(params: Any) -> tuple[Any, Any]:
            trained = nnx.merge(graph, params, rest, copy=True)
            out = self._called(trained, inputs)
            after: tuple[Any, ...] = nnx.split(trained, nnx.Param, ...)
            self._check_unchanged(rest, after[2])
            return out, after[2]

        out, pull, after = jax.vjp(call, params, has_aux=True)
        modes = {"deterministic": True, "use_running_average": True}
        used = nnx.view(module, raise_if_not_found=False, **modes)
        return params, rest, out, pull(out), after, self._called(used, inputs)

    def _built(self, key: Any) -> nnx.Module:
        with _naming(f"{self.name} cannot be made"):
            module = self.own.build(self.n_in, self.n_out, nnx.Rngs(key), self.given)
        if not isinstance(module, nnx.Module):
            raise InputError(
                f"{self.name} makes something of type {_name(type(module))}, not an nnx.Module"
            )
        if not callable(module):
            raise InputError(f"{self.name} has no __call__(self, x), so it maps nothing")
        return module

    def _called(self, module: Any, inputs: tuple[Any, ...]) -> Any:
        self._check_takes(module, inputs)
        shapes = " and ".join(
            f"{name} {each.shape}" for name, each in zip(NAMES, inputs, strict=False)
        )
        with _naming(f"{self.name} raises when called on {shapes}"):
            out = module(*inputs)
        self._check_output(out)
        return out

    def _check_takes(self, module: Any, inputs: tuple[Any, ...]) -> None:
        try:
            inspect.signature(module).bind(*inputs)
        except TypeError:
            what = f"x and the {self.given.kind} given" if self.given.size else "x alone"
            raise InputError(
                f"{self.name} is called with {what}, which it cannot be; define "
                f"__call__(self, {', '.join(NAMES[: len(inputs)])})"
            ) from None

    def _check_output(self, out: Any) -> None:
        shape, wanted = getattr(out, "shape", None), (ROWS, self.n_out)
        if shape is None:
            raise InputError(
                f"{self.name} returns something of type {_name(type(out))}, not an array"
            )
        if shape != wanted:
            flat = out.size == ROWS * self.n_out
            hint = "; make rows of it by y.reshape(len(x), -1)" if flat else ""
            raise InputError(
                f"{self.name} returns an array of shape {shape} for {ROWS} rows, but must return "
                f"[n, {self.n_out}]{hint}"
            )
        if out.dtype != jnp.float32:
            raise InputError(f"{self.name} returns {out.dtype}, but must return float32")

    def _check_parameters(self, params: Any) -> None:
        kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(params)}
        if not kinds:
            raise InputError(f"{self.name} has no nnx.Param, so there is nothing to train")
        if kinds != {"float32"}:
            raise InputError(
                f"{self.name} has parameters of {' and '.join(sorted(kinds))}; only "
                "float32 can be trained here"
            )

    def _check_unchanged(self, before: Any, after: Any) -> None:
        kinds = (jax.tree.map(jax.typeof, tree) for tree in (before, after))
        if next(kinds) != next(kinds):
            raise InputError(
                f"{self.name} keeps other variables after a call than before it; make them all in "
                "__init__, with the shape and type that they keep"
            )


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    """Turns whatever the reader's code raises into a sentence."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise InputError(f"{what}: {kind}{' '.join(str(error).split())[:400]}") from error


def _arguments(
    factory: Callable[..., Any], offered: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """What to call `factory` with, by place and by name; InputError where something is missing."""
    parameters = _signature(factory).parameters
    needed = [
        name
        for name, each in parameters.items()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    others = [name for name in needed if name not in offered]
    order = ["n_in", "n_out"] if "rngs" in parameters else ["n_in", "n_out", "rngs"]
    if others and (len(others) != len(order) or parameters.keys() & {"n_in", "n_out"}):
        raise InputError(
            f"{_name(factory)} asks for {', '.join(others)}, but is given n_in, n_out, rngs and "
            "given; fix whatever else it needs by functools.partial"
        )
    values = offered | dict(zip(others, (offered[name] for name in order), strict=False))
    by_place = [values[name] for name in needed if parameters[name].kind is POSITIONAL_ONLY]
    by_name = {
        name: values[name]
        for name, each in parameters.items()
        if name in values and each.kind is not POSITIONAL_ONLY
    }
    return by_place, by_name


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    """The signature that counts: of a class, its `__init__` (nnx's metaclass hides it)."""
    call = factory if isinstance(factory, functools.partial) else functools.partial(factory)
    if isinstance(call.func, type):
        call = functools.partial(call.func.__init__, None, *call.args, **call.keywords)  # type: ignore[misc]
    return inspect.signature(call)


def _constants(closed: ClosedJaxpr) -> Iterator[Any]:
    """All arrays that a traced function has taken from outside, at any depth."""
    yield from closed.consts
    inner = [each.params for each in closed.jaxpr.eqns]
    leaves = jax.tree.leaves(inner, is_leaf=lambda each: isinstance(each, ClosedJaxpr))
    for each in leaves:
        if isinstance(each, ClosedJaxpr):
            yield from _constants(each)


def _name(thing: Any) -> str:
    """What a class or function is called; of a `partial`, what it calls."""
    thing = getattr(thing, "func", thing)
    return getattr(thing, "__name__", type(thing).__name__)
