"""Tests of the networks."""

import functools

import jax

# Without LLVM's optimisations: to build and call a network once takes a quarter of the time.
fast_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
