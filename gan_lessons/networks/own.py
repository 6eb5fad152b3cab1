"""Networks of the reader's own: an `nnx.Module` class, or a function that makes a module.

    class Critic(nnx.Module):
        def __init__(self, n_in, n_out, *, rngs):
            self.first = nnx.Linear(n_in, 64, rngs=rngs)
            self.last = nnx.Linear(64, n_out, rngs=rngs)

        def __call__(self, x):
            return self.last(jax.nn.relu(self.first(x)))

    Config(discriminator=Critic)

Before it plays, it has a trial (see `trial`): whatever does not fit is named in a sentence, and the
fingerprint of what it computes becomes part of the spec. So a class that is defined anew, or that
uses a helper or a number that has changed, makes another config, which compiles anew.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flax import nnx

from gan_lessons.distributions import NOTHING, Given
from gan_lessons.errors import InputError
from gan_lessons.networks.base import Network
from gan_lessons.networks.dense import MLP
from gan_lessons.networks.trial import Trial, name_of

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
            f"{name_of(type(spec))}(...) is a module with weights already; give the class itself, "
            "or a function that makes one, so that every seed draws weights of its own"
        )
    if isinstance(spec, type) and not issubclass(spec, nnx.Module):
        hint = f"write {name_of(spec)}(...)" if hasattr(spec, "build") else "derive it from it"
        raise InputError(f"the class {name_of(spec)} is not an nnx.Module; {hint}")
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
            f"a network must be hashable, and a {name_of(type(spec))} is not; as a dataclass, "
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
        return f"Own({name_of(self.factory)}, trace={self.trace!r})"

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
        """This network with its `trace`, after a trial with rows of these sizes.

        Args:
            n_in, n_out: numbers in a row that comes in, and in one that goes out.
            given: what it is given beside x.
            role: what messages call it, "generator" or "discriminator".

        Raises: InputError if it cannot be built or called, if it does not return float32
            [n, n_out], if it has no parameters or other ones than float32, if it does not take
            `given`, and if a call changes what it is made of.
        """
        trial = Trial(self.build, n_in, n_out, given, f"your {role} {name_of(self.factory)}")
        return replace(self, trace=trial.fingerprint())


def _arguments(
    factory: Callable[..., Any], offered: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """What to call `factory` with, by place and by name; InputError if it asks for more."""
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
            f"{name_of(factory)} asks for {', '.join(others)}, but is given n_in, n_out, rngs and "
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
