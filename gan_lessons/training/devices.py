"""Where a state lives: on one device, or a sweep shared out, or each batch split over several."""

from __future__ import annotations

import os

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from gan_lessons.errors import InputError
from gan_lessons.training.config import Config
from gan_lessons.training.players import players
from gan_lessons.training.state import State


def check_jax() -> None:
    """Raise InputError where JAX has no device, or is set to 64 bits: the engine is for float32."""
    check_devices()
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise InputError(
            "training runs in 32 bits, and JAX is set to 64: unset JAX_ENABLE_X64, or say "
            'jax.config.update("jax_enable_x64", False), and start again'
        )


def check_devices() -> None:
    """Raise InputError where JAX finds nothing to compute on."""
    try:
        chosen = jax.config.jax_default_device  # type: ignore[attr-defined]
        jax.devices(chosen if isinstance(chosen, str) else None)
    except Exception as error:  # an AssertionError without a word, too
        raise InputError(_nothing_to_compute_on(str(error))) from None


def _nothing_to_compute_on(said: str) -> str:
    """Why JAX finds no device, as far as variables tell, and what to do, in a sentence."""
    why = f" ({' '.join(said.split())})" if said else ""
    names = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_NUM_CPU_DEVICES", "JAX_DEFAULT_DEVICE")
    blamed = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    if not blamed and (chosen := jax.config.jax_platforms):  # type: ignore[attr-defined]
        blamed = [f'jax.config.update("jax_platforms", {chosen!r})']
    if not blamed:
        return f"JAX finds nothing to compute on{why}; `gan-lessons doctor` says more"
    return f"{' '.join(blamed)}: JAX finds nothing to compute on{why}; unset it and start again"


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
