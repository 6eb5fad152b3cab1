"""Many steps in one jitted call: alone, as a sweep of many runs, and over several devices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from gan_lessons import objectives
from gan_lessons.errors import InputError, check_number
from gan_lessons.networks import MLP
from gan_lessons.objectives import OWN
from gan_lessons.training.config import Config
from gan_lessons.training.devices import check_jax, mesh
from gan_lessons.training.knob_sets import check_knobs, switched_on, traced
from gan_lessons.training.knobs import KNOBS, Knobs
from gan_lessons.training.learner import BLOCK, Chunk
from gan_lessons.training.schedules import cosine_decay
from gan_lessons.training.state import METRICS, State
from gan_lessons.training.step import Step

Advanced = tuple[State, Array, Array, Array]  # state, history, steps done, whether all was finite


def advance(config: Config, state: State, knobs: Knobs, n: int) -> Chunk:
    """Train `n` steps (1 to BLOCK) in one jitted call. `state` is donated: do not use it again.

    A state from `init(config, [seeds])` trains all its runs at once; then knobs may be arrays
    with one value a run. Raises InputError where `n` or the length of an array does not fit.
    """
    count = int(check_number("n", n, 1, BLOCK, integer=True))
    check_jax()
    check_runs(knobs, state.step.shape)
    on = check_terms(config, knobs)
    go = _program(config, state)
    return Chunk(*go(config, on, config.data, state, traced(knobs), count))


# ---- what is compiled in


def terms(config: Config, knobs: Knobs) -> frozenset[str]:
    """Names of the optional terms that these knobs switch on in a game of this config.

    Terms cost time even at weight 0, so they are compiled in only when their knob is not 0.
    """
    names = [str(name) for name in np.ravel(knobs.objective)]
    known = {**objectives.OBJECTIVES, OWN: config.losses}
    played = [known[name] for name in names]
    pairs = any(each.pairs_batch for each in played if each)
    return switched_on(knobs) | (frozenset({"pairs_batch"}) if pairs else frozenset())


def check_terms(config: Config, knobs: Knobs) -> frozenset[str]:
    """The `terms`; InputError where the config has no use for one of them."""
    if OWN in np.ravel(knobs.objective) and config.losses is None:
        raise InputError(
            'the objective "own" stands for losses of your own, and this config has none: give '
            "Config(losses=(d_loss, g_loss))"
        )
    on = terms(config, knobs)
    if "augment" in on and config.data.kind != "pictures":
        raise InputError("augment changes pictures: set it to 0, or take data such as digits()")
    if config.unroll and (lost := sorted(on & {"feature_matching", "augment", "l1", "l2"})):
        raise InputError(
            f"an unrolled G looks through D's future loss alone: set {' and '.join(lost)} to 0, "
            "or unroll to 0"
        )
    return on


def check_runs(knobs: Any, runs: tuple[int, ...]) -> None:
    """Raise InputError for a knob that is an array without one value for each of the runs."""
    for name in KNOBS:
        if (shape := np.shape(getattr(knobs, name))) not in ((), runs):
            raise InputError(
                f"{name} has shape {shape}, but the state holds {int(np.prod(runs))} run(s); "
                "give one number for all, or init(config, [seeds]) and one number a run"
            )


def check(config: Config, knobs: Knobs) -> None:
    """Raise InputError for knobs with which a single run of this config cannot be trained."""
    check_knobs(knobs)
    check_movers(knobs)
    check_runs(knobs, ())
    check_terms(config, knobs)


def check_movers(knobs: Knobs) -> None:
    """Raise InputError where neither player would ever move."""
    if np.any(np.equal(knobs.d_steps, 0) & np.equal(knobs.g_steps, 0)):
        raise InputError("d_steps and g_steps are both 0: nobody would move; set one to 1")


# ---- the loop


def _batched(tree: Any, ndim: int) -> Any:
    """`vmap` axes for knobs: 0 for those with a value a run, None for shared ones."""
    return jax.tree.map(lambda leaf: 0 if leaf.ndim > ndim else None, tree)


def _chunk(
    config: Config, terms: frozenset[str], data: Any, state: State, knobs: Any, n: Array
) -> Advanced:
    runs = state.step.shape
    if runs == (1,):  # alone in its sweep, or on its device: quicker without vmap
        first: Any = functools.partial(jax.tree.map, lambda leaf: leaf[0] if leaf.ndim else leaf)
        state, history, done, fine = _chunk(config, terms, data, first(state), first(knobs), n)
        return jax.tree.map(lambda leaf: leaf[None], state), history[:, None], done, fine[None]
    step: Callable = Step(config, terms, data, sweep=bool(runs))
    if runs:
        step = jax.vmap(step, in_axes=(0, _batched(knobs, 0), 0))
    history = jnp.zeros((BLOCK, *runs, len(METRICS)))

    def body(carry: tuple) -> tuple:
        i, state, left, history, so_far = carry
        state, seen, fine = step(state, knobs, left)
        # Computed one step ahead: inside a step, XLA would fuse the cosine into the update and
        # compute it once for every weight.
        left = cosine_decay(state.step, knobs.decay_steps)
        return i + 1, state, left, history.at[i].set(seen), so_far & fine

    def going(carry: tuple) -> Array:
        return (carry[0] < n) & carry[4].any()

    left = cosine_decay(state.step, knobs.decay_steps)
    start = (jnp.zeros((), jnp.int32), state, left, history, jnp.ones(runs, bool))
    done, state, _, history, fine = lax.while_loop(going, body, start)
    return state, history, done, fine


def _advance(
    config: Config, terms: frozenset[str], data: Any, state: State, knobs: Any, n: Any
) -> Advanced:
    if config.devices == 1:
        return _chunk(config, terms, data, state, knobs, n)
    on = functools.partial(jax.shard_map, mesh=mesh(config.devices), check_vma=False)
    if not state.step.shape:
        split = on(functools.partial(_chunk, config, terms), in_specs=P(), out_specs=P())
        return split(data, state, knobs, n)

    def share(*args: Any) -> Advanced:  # runs have nothing to exchange
        state, history, done, fine = _chunk(replace(config, devices=1), terms, *args)
        return state, history, done[None], fine

    row = P("batch")
    each_knob = jax.tree.map(lambda knob: row if knob.ndim else P(), knobs)
    shares = on(
        share,
        in_specs=(P(), row, each_knob, P()),
        out_specs=(row, P(None, "batch"), row, row),
    )
    state, history, done, fine = shares(data, state, knobs, n)
    return state, history, done.max(), fine


# ---- how it is compiled


@functools.cache
def _compiled(**options: Any) -> Callable[..., Advanced]:
    return jax.jit(
        _advance, static_argnums=(0, 1), donate_argnums=3, compiler_options=options or None
    )


@functools.cache
def _eigen() -> dict[str, str]:
    """Options by which XLA multiplies matrices with Eigen; empty where it cannot."""
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=options)()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def _program(config: Config, state: State) -> Callable[..., Advanced]:
    """The compiled `_advance` that suits the size of the work.

    Eigen is better at sharing out products with many rows and few columns over the cores, which
    makes up a sixth of the ring's step and of DCGAN's. For wider or smaller products, and for
    small batches, XLA's newer library is faster.
    """
    if jax.default_backend() != "cpu" or not (config.devices == 1 or state.step.shape):
        return _compiled()
    work = config.batch * max(state.g.size, state.d.size) // max(state.step.size, 1)
    dense = all(isinstance(net, MLP) for net in (config.generator, config.discriminator))
    tall = config.batch >= 256 and 2**22 <= work < 2**24
    return _compiled(**_eigen()) if tall or not dense else _compiled()


# ---- what a step costs


def gradient_evaluations(config: Config, knobs: Knobs) -> int:
    """What a step costs: gradients of a scalar over one batch of `config.batch` examples.

    One for each update of a player, one more for each penalty in an update of D (its slopes at
    the inputs), and for each unrolled update of D its own gradient and the way back through it.
    """
    priced = sum(bool(np.any(np.asarray(getattr(knobs, name)))) for name in objectives.PENALTIES)
    ahead = 2 * config.unroll * (1 + priced)
    return int(knobs.d_steps) * (1 + priced) + int(knobs.g_steps) * (1 + ahead)
