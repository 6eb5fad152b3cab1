"""Tests of the networks."""

import functools

import jax

# Compiled without LLVM's optimisations: half the time where tiny networks run once.
fast_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
