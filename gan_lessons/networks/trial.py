"""The trial of a module that a reader has written: what is wrong with it, and what it computes.

The module is built and called inside a JAX trace, so nothing is computed. Whatever does not fit is
named in a sentence; the text of the trace and its constants are hashed to the fingerprint.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from gan_lessons.distributions import Given
from gan_lessons.errors import InputError
from gan_lessons.fingerprint import fingerprint

ROWS = 4  # of the batch that a module is tried on
NAMES = ("x", "given")


@dataclass(frozen=True)
class Trial:
    """One module, and how it is to be used."""

    build: Callable[..., Any]
    n_in: int
    n_out: int
    given: Given
    name: str

    def fingerprint(self) -> str:
        """A hash of all that the module computes; InputError for whatever does not fit."""
        key = jax.eval_shape(lambda: jax.random.key(0))
        x = jax.ShapeDtypeStruct((ROWS, self.n_in), jnp.float32)
        given = jax.ShapeDtypeStruct((ROWS, self.given.size), jnp.float32)
        inputs = (x, given) if self.given.size else (x,)
        return fingerprint(self._play, key, *inputs)[0]

    def _play(self, key: Any, *inputs: Any) -> Any:
        """What the engine does: build, call, differentiate, and use as after training."""
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
            module = self.build(self.n_in, self.n_out, nnx.Rngs(key), self.given)
        if not isinstance(module, nnx.Module):
            raise InputError(
                f"{self.name} makes something of type {name_of(type(module))}, not an nnx.Module"
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
                f"{self.name} must be callable with {what}; define "
                f"__call__(self, {', '.join(NAMES[: len(inputs)])})"
            ) from None

    def _check_output(self, out: Any) -> None:
        shape, wanted = getattr(out, "shape", None), (ROWS, self.n_out)
        if shape is None:
            raise InputError(
                f"{self.name} returns something of type {name_of(type(out))}, not an array"
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
    """Turn whatever the reader's code raises into a sentence."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise InputError(f"{what}: {kind}{' '.join(str(error).split())[:400]}") from error


def name_of(thing: Any) -> str:
    """What a class or function is called; of a `partial`, what it calls."""
    thing = getattr(thing, "func", thing)
    return getattr(thing, "__name__", type(thing).__name__)
