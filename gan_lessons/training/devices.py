"""Where a state lives: on one device, or a sweep shared out, or each batch split over several."""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from gan_lessons.errors import InputError
from gan_lessons.training.config import Config
from gan_lessons.training.players import players
from gan_lessons.training.state import State


def check_precision() -> None:
    """Raise InputError where JAX is set to 64 bits: the engine is written for float32."""
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise InputError(
            "training runs in 32 bits, and JAX is set to 64: unset JAX_ENABLE_X64, or say "
            'jax.config.update("jax_enable_x64", False), and start again'
        )


def mesh(devices: int) -> jax.sharding.Mesh:
    """The first `devices` devices as a mesh with one axis, "batch"; InputError if too few."""
    if devices > (there := len(jax.devices())):
        raise InputError(
            f"devices={devices}, but JAX sees {there}; on a CPU, call "
            f"jax.config.update('jax_num_cpu_devices', {devices}) before anything else"
        )
    return jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("batch",))


def place(config: Config, state: State) -> State:
    """Put a state (fresh, or loaded from a checkpoint) where the config trains it."""
    if config.devices == 1:
        return state
    across = config.unroll or not all(player.row_wise for player in players(config))
    if across and not state.step.shape:
        raise InputError(
            "this game looks at a batch as a whole (unroll, norm, dropout or across), which is "
            "not split over devices; use devices=1, or share out a sweep: init(config, [seeds])"
        )
    if (runs := state.step.size) % config.devices and state.step.shape:
        raise InputError(
            f"{runs} runs cannot be shared out evenly over devices={config.devices}; "
            f"try {-(-runs // config.devices) * config.devices} runs"
        )
    spec = P("batch") if state.step.shape else P()
    return jax.device_put(state, NamedSharding(mesh(config.devices), spec))
