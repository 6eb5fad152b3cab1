"""The engine: a config that compiles, knobs that move while it runs, one jitted call per chunk.

    config -> init(config, seed) -> State -> advance(config, state, knobs, n) -> State, metrics

Everything about a run follows from (config, knobs over time, seed): each step draws its
randomness from `fold_in(key, step)` and `advance` is one program for any number of steps, so
pausing, rewinding, checkpointing and resuming change no bit.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax, random
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from gan_lessons import objectives
from gan_lessons.augmentation import augment
from gan_lessons.distributions import Distribution, Normal, Ring
from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.keys import unrolled
from gan_lessons.networks import MLP, Network


def _cache_compiled_programs() -> None:
    """Keep compiled programs between sessions, so that only the first start of a lesson is slow.

    Does nothing where JAX was told a cache folder already, or where ours cannot be written.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(home, "gan-lessons", f"compiled-{platform.node()}-{jax.__version__}")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed: XLA on a CPU asks for the same again at each call.

    Pages given back come back empty, each by a fault of its own: short calls of a large game, as
    a live player makes them, lost a quarter of their time so. Only glibc knows these settings.
    """
    trim_threshold, mmap_max, arena_max = -1, -4, -8  # their numbers in malloc.h
    with contextlib.suppress(OSError, TypeError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_max, 0)
        mallopt(arena_max, 1)


_cache_compiled_programs()
_keep_freed_memory()

METRICS = ("d_loss", "g_loss", "d_real", "d_fake", "grad_d", "grad_g", "penalty")
BLOCK = 2048  # most steps that one call of `advance` takes, and the rows of history it returns
PORTION = 1024  # most samples that G makes at once: the maps of a DCGAN take 0.2 MB each


@dataclass(frozen=True)
class Config:
    """What compiles: change a field and the step is compiled anew.

    Attributes:
        data: what G imitates; latent: what G maps from.
        generator, discriminator: network specs (`gan_lessons.networks`, `gan_lessons.convnets`).
        batch: examples per update, 1 to 65536; a multiple of `devices`.
        optimizer: a name in OPTIMIZERS, for both players.
        update: "alternating" (G answers the D just updated) or "simultaneous".
        unroll: how many updates of D, from 0 to 50, G looks ahead and differentiates through.
        devices: over how many devices the runs of a sweep are shared out, or each batch is split.
    """

    data: Distribution = Ring()
    latent: Distribution = Normal(2)
    generator: Network = MLP((128, 128, 128, 128), "tanh")
    discriminator: Network = MLP((128, 128, 128), "silu")
    batch: int = 256
    optimizer: str = "adam"
    update: str = "alternating"
    unroll: int = 0
    devices: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "devices"):
            count = check_number(name, getattr(self, name), 1, 65536, integer=True)
            object.__setattr__(self, name, int(count))
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("update", self.update, ("alternating", "simultaneous"))
        unroll = check_number("unroll", self.unroll, 0, 50, integer=True)
        object.__setattr__(self, "unroll", int(unroll))
        pack = self.pack
        if self.batch % (part := self.devices * pack):
            packs = f" packs of {pack} on" if pack > 1 else ""
            raise InputError(
                f"batch must be a multiple of {'packs times ' * (pack > 1)}devices: {self.batch} "
                f"does not split over{packs} {self.devices}; "
                f"try batch={-(-self.batch // part) * part}"
            )
        if getattr(self.generator, "pack", 1) > 1:
            raise InputError("only a discriminator sees packs: give the generator pack=1")

    @property
    def pack(self) -> int:
        """How many examples D judges as one."""
        return getattr(self.discriminator, "pack", 1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Knobs:
    """What moves while it trains, without compiling and without starting over.

    A rate x with a partner `x_end` decays by a cosine from x to x_end over `decay_steps` steps;
    penalties and noise decay likewise, to a share of what they were. `decay_steps=0` keeps all.
    Any knob may also be an array with one value for each run of a sweep.
    """

    objective: str = "non_saturating"  # a name in gan_lessons.objectives
    lr_d: float = 1e-3  # learning rate of D, (0, 10]
    lr_g: float = 1e-3  # learning rate of G, (0, 10]
    lr_d_end: float = 0.0
    lr_g_end: float = 0.0
    decay_steps: float = 0.0
    beta1: float = 0.5  # Adam's momentum, [0, 1)
    beta2: float = 0.99  # decay of the second moment (Adam, RMSProp), [0, 1)
    d_steps: int = 1  # updates of D in a step, 0 to 100
    g_steps: int = 1  # updates of G in a step, 0 to 100
    r1: float = 0.0  # gamma of R1
    r2: float = 0.0  # gamma of R2
    zero_gp: float = 0.0  # gamma of the zero-centred penalty on interpolates
    wgan_gp: float = 0.0  # lambda of WGAN-GP
    penalty_end: float = 1.0  # share of the four weights above that is left after the decay
    clip: float = 0.0  # D's weights are clipped to [-clip, clip]; 0 does not clip
    noise: float = 0.0  # standard deviation of the instance noise on D's inputs
    noise_end: float = 1.0  # share of the noise that is left after the decay
    label_smoothing: float = 0.0  # one-sided, [0, 1)
    ema: float = 0.0  # decay of the moving average of G's weights, [0, 1); 0 keeps none
    feature_matching: float = 0.0  # share of G's loss that compares D's mean features, [0, 1]
    augment: float = 0.0  # strength of the augmentation of the pictures that D sees, [0, 1]
    l1: float = 0.0  # weight in G's loss of mean |G(z) - x| over pairs of fake and real
    l2: float = 0.0  # weight in G's loss of mean (G(z) - x)^2 over pairs of fake and real


_RANGES: dict[str, tuple[float, float, bool]] = {
    "lr_d": (0, 10, True),
    "lr_g": (0, 10, True),
    "lr_d_end": (0, 10, False),
    "lr_g_end": (0, 10, False),
    "decay_steps": (0, 1e9, False),
    "beta1": (-0.999, 0.9999, False),
    "beta2": (0, 0.999999, False),
    "d_steps": (0, 100, False),
    "g_steps": (0, 100, False),
    "penalty_end": (0, 1, False),
    "noise_end": (0, 1, False),
    "label_smoothing": (0, 0.999, False),
    "ema": (0, 0.99999, False),
    "feature_matching": (0, 1, False),
    "augment": (0, 1, False),
} | dict.fromkeys(
    ("r1", "r2", "zero_gp", "wgan_gp", "clip", "noise", "l1", "l2"), (0, 10000.0, False)
)

KNOBS = tuple(field.name for field in fields(Knobs))
# Terms that cost time even at weight 0, so they are compiled in only when their knob is not 0.
TERMS = (
    *("r1", "r2", "zero_gp", "wgan_gp", "clip", "noise", "ema", "feature_matching"),
    *("augment", "l1", "l2"),
)


def check_knob(name: str, value: Any) -> None:
    """Raise InputError unless `value` (a number, a name, or an array of them) fits knob `name`."""
    check_choice("knob", name, KNOBS)
    values = np.atleast_1d(value)
    if name == "objective":
        for each in values:
            objectives.index(str(each) if isinstance(each, np.str_) else each)
        return
    low, high, above = _RANGES[name]
    whole = name in ("d_steps", "g_steps")
    for each in values if isinstance(value, (np.ndarray, jax.Array, list, tuple)) else [value]:
        check_number(name, each, low, high, integer=whole, above=above)


def check_knobs(knobs: Knobs) -> Knobs:
    """Return `knobs` if every one is in its range, else raise InputError."""
    for name in KNOBS:
        check_knob(name, getattr(knobs, name))
    if np.any(np.equal(knobs.d_steps, 0) & np.equal(knobs.g_steps, 0)):
        raise InputError("d_steps and g_steps are both 0: nobody would move; set one to 1")
    return knobs


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """One run at one moment. Each player's parameters are one flat vector.

    In a sweep every leaf has a leading axis, one row a run.
    """

    step: Int[Array, ""]
    key: Array
    g: Float[Array, "g_params"]
    d: Float[Array, "d_params"]
    opt_g: Any
    opt_d: Any
    rest_g: Any  # what a network keeps beside its parameters (batch statistics, dropout keys)
    rest_d: Any
    ema: Float[Array, "g_params"]
    ema_rest: Any  # the same average of rest_g


class Player(NamedTuple):
    """A network without its numbers: how to apply a flat parameter vector to a batch."""

    make: Callable[[Array], tuple[Array, Any]]
    apply: Callable[[Any, Any, Array], tuple[Array, Any]]  # as it trains: (output, rest after)
    answer: Callable[[Any, Any, Array], Array]  # as it is used: running means, no dropout
    features: Callable[[Any, Any, Array], Array]  # what its last layer sees, as it trains
    unravel: Callable[[Array], Any]
    size: int
    row_wise: bool  # whether it maps each row by itself: no batch statistics, no dropout


def _player(spec: Network, n_in: int, n_out: int) -> Player:
    def build(key: Array) -> tuple[Any, ...]:
        return nnx.split(spec.build(n_in, n_out, nnx.Rngs(key)), nnx.Param, ...)

    abstract = nnx.eval_shape(lambda: spec.build(n_in, n_out, nnx.Rngs(0)))
    pieces: tuple[Any, ...] = nnx.split(abstract, nnx.Param, ...)
    graphdef, params, kept = pieces
    zeros, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.zeros(leaf.shape, "f4"), params))

    def make(key: Array) -> tuple[Array, Any]:
        _, params, rest = build(key)
        return ravel_pytree(params)[0], rest

    def module(params: Any, rest: Any) -> Any:
        return nnx.merge(graphdef, params, rest, copy=True)

    def apply(params: Any, rest: Any, x: Array) -> tuple[Array, Any]:
        out = (trained := module(params, rest))(x)
        split: tuple[Any, ...] = nnx.split(trained, nnx.Param, ...)
        return out, split[2]

    def answer(params: Any, rest: Any, x: Array) -> Array:
        modes = {"deterministic": True, "use_running_average": True}
        return nnx.view(module(params, rest), raise_if_not_found=False, **modes)(x)

    def features(params: Any, rest: Any, x: Array) -> Array:
        return module(params, rest).features(x)

    alone = spec.row_wise and not jax.tree.leaves(kept)
    return Player(make, apply, answer, features, unravel, zeros.size, alone)


@functools.lru_cache(maxsize=64)
def players(config: Config) -> tuple[Player, Player]:
    """(generator, discriminator) of a config."""
    return (
        _player(config.generator, config.latent.dim, config.data.dim),
        _player(config.discriminator, config.data.dim, 1),
    )


def optimistic(rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """2 u_t - u_(t-1) in place of u_t, the rule's update: a guess at where the game goes next.

    The first update is u_1 itself. (Daskalakis et al. 2018, arXiv 1711.00141, algorithm 1.)
    """

    def init(params: Any) -> Any:
        return rule.init(params), jnp.zeros((), bool), jax.tree.map(jnp.zeros_like, params)

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        inner, begun, last = state
        now, inner = rule.update(gradient, inner, params)
        ahead = jax.tree.map(lambda u, v: u + jnp.where(begun, u - v, 0 * u), now, last)
        return ahead, (inner, jnp.ones((), bool), now)

    return optax.GradientTransformation(init, update)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": optax.scale_by_adam,
    "sgd": lambda beta1, beta2, eps_root: optax.identity(),
    "rmsprop": lambda beta1, beta2, eps_root: optax.scale_by_rms(beta2),
    "optimistic_adam": lambda *args, **kw: optimistic(optax.scale_by_adam(*args, **kw)),
    "optimistic_sgd": lambda *args, **kw: optimistic(optax.identity()),
}


def optimizer(config: Config, beta1: Array, beta2: Array) -> optax.GradientTransformation:
    """The update rule of both players, before the learning rate.

    Unrolling differentiates through it: a little something under Adam's root gives the root a
    slope where a gradient is 0.
    """
    return OPTIMIZERS[config.optimizer](beta1, beta2, eps_root=1e-18 if config.unroll else 0.0)


@functools.partial(jax.jit, static_argnums=0)
def _init(config: Config, key: Array) -> State:
    run, key_g, key_d = random.split(key, 3)
    generator, discriminator = players(config)
    (g, rest_g), (d, rest_d) = generator.make(key_g), discriminator.make(key_d)
    rule = optimizer(config, jnp.float32(0), jnp.float32(0))
    start = jnp.zeros((), jnp.int32)
    average = g + 0, jax.tree.map(jnp.copy, rest_g)
    return State(start, run, g, d, rule.init(g), rule.init(d), rest_g, rest_d, *average)


def init(config: Config, seed: int | Sequence[int] = 0) -> State:
    """A fresh run; with a sequence of seeds, a sweep of that many runs side by side.

    Raises: InputError if a seed is not a whole number from 0 to 2^31 - 1.
    """
    one = isinstance(seed, (int, np.integer)) or not isinstance(seed, (Sequence, np.ndarray))
    seeds: Any = [seed] if one else seed
    checked = [int(check_number("seed", each, 0, 2**31 - 1, integer=True)) for each in seeds]
    if one:
        return place(config, _init(config, random.key(checked[0])))
    make = functools.partial(_init, config)
    return place(config, jax.vmap(make)(jax.vmap(random.key)(jnp.array(checked, jnp.uint32))))


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


def cosine_decay(step: Array, decay_steps: Array) -> Array:
    """What is left at `step` of a cosine decay over `decay_steps` steps: from 1 to 0, then 0.

    (1 + cos(pi min(step / decay_steps, 1))) / 2; always 1 if decay_steps = 0.
    (Loshchilov and Hutter 2017, arXiv 1608.03983, eq. 5.)
    """
    share = jnp.minimum(step.astype(jnp.float32) / jnp.maximum(decay_steps, 1), 1)
    return jnp.where(decay_steps > 0, (1 + jnp.cos(jnp.pi * share)) / 2, 1)


def annealed(start: Array, end: Array, left: Array) -> Array:
    """Between `start` (left = 1) and `end` (left = 0), both hit exactly."""
    return left * start + (1 - left) * end


def reconstruction(power: int, real: Array, fake: Array) -> Array:
    """mean |fake - real|^power over all pairs (i, i) of a batch and all coordinates.

    A term in G's loss where G's answer has a right one beside it (Isola et al. 2017,
    arXiv 1611.07004, eq. 3, power 1). Where the pairs are drawn independently it pulls every
    sample to the median (1) or the mean (2) of the data.
    """
    return (jnp.abs(fake - real) ** power).mean()


def flat(tree: Any) -> Float[Array, "size"]:
    """All leaves end to end, in the order of `ravel_pytree`.

    Each is written into its place. A concatenation XLA fuses with the update that reads it, into
    masked loads and stores that are up to 20 times slower, depending on where buffers lie. Not
    for `vmap`, which makes a scatter of it: a sweep's step was a tenth slower with it.
    """
    leaves = jax.tree.leaves(tree)
    whole, at = jnp.zeros(sum(leaf.size for leaf in leaves)), 0
    for leaf in leaves:
        whole = lax.dynamic_update_slice(whole, leaf.reshape(-1), (at,))
        at += leaf.size
    return whole


def averaged(decay: Array, average: Any, now: Any) -> Any:
    """decay * average + (1 - decay) * now, leaf by leaf; whole numbers and keys are now's."""

    def mix(old: Array, new: Array) -> Array:
        number = jnp.issubdtype(new.dtype, jnp.floating)
        return decay * old + (1 - decay) * new if number else new

    return jax.tree.map(mix, average, now)


class Step:
    """One step of the game, for one config and one set of compiled-in terms.

    D moves first on a real batch x and a generated batch G(z); G then answers on the same z,
    through the D just updated. The forward pass G(z) and its pullback serve both.
    `sweep`: whether the step will be one of many under `vmap`.
    """

    def __init__(
        self, config: Config, terms: frozenset[str], data: Distribution, sweep: bool = False
    ) -> None:
        self.config, self.terms, self.data = config, terms, data
        self.generator, self.discriminator = players(config)
        self.flat = (lambda tree: ravel_pytree(tree)[0]) if sweep else flat

    def rows(self, batch: Array) -> Array:
        """This device's share of a batch that every device has drawn alike."""
        if self.config.devices == 1:
            return batch
        size = self.config.batch // self.config.devices
        return lax.dynamic_slice_in_dim(batch, lax.axis_index("batch") * size, size)

    def apart(self, key: Array) -> Array:
        """A key of this device's own, for draws that need not be those of a single device."""
        if self.config.devices == 1:
            return key
        return random.fold_in(key, lax.axis_index("batch"))

    def mixed(self, losses: Callable[..., tuple[Array, Any]], *logits: Array) -> tuple[Array, Any]:
        """A loss and its slopes at logits, over all devices where it mixes a batch's examples."""
        if self.config.devices == 1 or "pairs_batch" not in self.terms:
            return losses(*logits)
        value, slopes = losses(*(lax.all_gather(each, "batch", tiled=True) for each in logits))
        # The gradients of the devices are averaged later, and each sees only its own rows.
        return value, jax.tree.map(lambda each: self.config.devices * self.rows(each), slopes)

    def average(self, tree: Any) -> Any:
        """The mean over devices, in one exchange for the whole tree."""
        if self.config.devices == 1:
            return tree
        whole, unravel = ravel_pytree(tree)
        return unravel(lax.pmean(whole, "batch"))

    def batches(self, key: Array) -> tuple[Array, Array]:
        """A latent batch [rows, latent] and a real batch [rows, dim]."""
        key_z, key_x = random.split(key)
        size = self.config.batch
        return self.rows(self.config.latent.sample(key_z, size)), self.rows(
            self.data.sample(key_x, size)
        )

    def logits(self, d: Any, rest: Any, x: Array) -> tuple[Array, Any]:
        out, rest = self.discriminator.apply(d, rest, x)
        return out[:, 0], rest

    def shown(self, key: Array, knobs: Any, x: Array, anneal: Any) -> Array:
        """What D gets to see of a batch: augmented pictures, instance noise."""
        if "augment" in self.terms:
            key_augment = self.apart(random.fold_in(key, 1))
            x = augment(key_augment, x, self.data.shape, knobs.augment)  # type: ignore[attr-defined]
        return self.noisy(key, knobs, x, anneal)

    def noisy(self, key: Array, knobs: Any, x: Array, anneal: Any) -> Array:
        """Instance noise (Sønderby et al. 2017, arXiv 1610.04490), the same on every device."""
        if "noise" not in self.terms:
            return x
        shape = (self.config.batch, x.shape[1])
        noise = anneal(knobs.noise, knobs.noise * knobs.noise_end)
        return x + noise * self.rows(random.normal(key, shape))

    def d_gradient(
        self, state: State, knobs: Any, key: Array, real: Array, fake: Array, anneal: Any
    ) -> tuple[Array, dict[str, Array], Any]:
        """Gradient of D's loss with all penalties: (flat gradient, metrics, rest of D)."""
        keys = random.split(key, 3)
        between = self.apart(keys[2])
        real = self.shown(keys[0], knobs, real, anneal)
        fake = self.shown(keys[1], knobs, fake, anneal)

        d = self.discriminator.unravel(state.d)
        judge = lambda d: self.verdicts(d, state.rest_d, real, fake)  # noqa: E731
        (on_real, on_fake), pull, rest = jax.vjp(judge, d, has_aux=True)
        losses = functools.partial(
            objectives.d_slopes, knobs.objective, smoothing=knobs.label_smoothing
        )
        value, slopes = self.mixed(losses, on_real, on_fake)
        gradient, penalty = pull(slopes)[0], jnp.zeros(())
        if priced := [name for name in objectives.PENALTIES if name in self.terms]:
            weights = [getattr(knobs, name) for name in priced]
            weights = [anneal(weight, weight * knobs.penalty_end) for weight in weights]
            price = lambda d: self.penalties(priced, weights, d, rest, real, fake, between)  # noqa: E731
            penalty, extra = jax.value_and_grad(price)(d)
            gradient = jax.tree.map(jnp.add, gradient, extra)
        seen = {"d_loss": value, "penalty": penalty}
        seen["d_real"] = jax.nn.sigmoid(on_real).mean()
        seen["d_fake"] = jax.nn.sigmoid(on_fake).mean()
        gradient, seen = self.average((self.flat(gradient), seen))
        return gradient, seen, rest

    def verdicts(self, d: Any, rest: Any, real: Array, fake: Array) -> tuple[Any, Any]:
        """D's logits on a real and a generated batch: ((real, fake), rest of D)."""
        if self.discriminator.row_wise:  # then one pass is quicker than two
            logits, rest = self.logits(d, rest, jnp.concatenate([real, fake]))
            return tuple(jnp.split(logits, 2)), rest
        on_real, rest = self.logits(d, rest, real)
        on_fake, rest = self.logits(d, rest, fake)
        return (on_real, on_fake), rest

    def penalties(
        self,
        names: list[str],
        weights: list[Any],
        d: Any,
        rest: Any,
        real: Array,
        fake: Array,
        key: Array,
    ) -> Array:
        """The weighted sum of the penalties called `names`."""
        critic = lambda x: self.logits(d, rest, x)[0]  # noqa: E731
        each = [objectives.PENALTIES[name] for name in names]
        points = [penalty.at(real, fake, key) for penalty in each]
        if self.discriminator.row_wise:
            slopes = jnp.split(objectives.slope(critic, jnp.concatenate(points)), len(points))
        else:
            slopes = [objectives.slope(critic, at) for at in points]
        terms = zip(weights, each, slopes, strict=True)
        return sum((weight * one.of(slope) for weight, one, slope in terms), jnp.zeros(()))

    def g_slope(
        self, state: State, knobs: Any, key: Array, real: Array, fake: Array, anneal: Any
    ) -> tuple[Array, Array]:
        """G's loss and its gradient at each fake: (loss, [rows, dim])."""
        if self.config.unroll:
            loss = functools.partial(self.loss_ahead, state, knobs, key, real, anneal=anneal)
            return jax.value_and_grad(loss)(fake)
        keys = random.split(key, 3)
        params, rest_d = self.discriminator.unravel(state.d), state.rest_d
        shown = lambda i, x: self.shown(keys[i], knobs, x, anneal)  # noqa: E731
        judge = lambda i, x: self.logits(params, rest_d, shown(i, x))[0]  # noqa: E731
        on_fake, pull = jax.vjp(functools.partial(judge, 1), fake)
        on_real = jnp.full_like(on_fake, jnp.nan)  # not looked at, unless the loss pairs
        if "pairs_batch" in self.terms:
            on_real = judge(0, real)
        losses = functools.partial(objectives.g_slopes, knobs.objective)
        value, slope = self.mixed(losses, on_real, on_fake)
        slope = pull(slope)[0]
        if "feature_matching" in self.terms:
            share = knobs.feature_matching
            gap, extra = jax.value_and_grad(self.feature_gap)(fake, params, rest_d, real)
            value, slope = value + share * (gap - value), slope + share * (extra - slope)
        for name in {"l1", "l2"} & self.terms:
            apart = functools.partial(reconstruction, int(name[1]), real)
            far, extra = jax.value_and_grad(apart)(fake)
            weight = getattr(knobs, name)
            value, slope = value + weight * far, slope + weight * extra
        return value, slope

    def loss_ahead(
        self, state: State, knobs: Any, key: Array, real: Array, fake: Array, anneal: Any
    ) -> Array:
        """G's loss against the D that D will be, `unroll` updates from now on this very batch.

        Differentiable in `fake`, through these updates. (Metz et al. 2017, arXiv 1611.02163.)
        """
        keys = random.split(key, self.config.unroll)
        move = lambda state, key: (self.move_d(state, knobs, key, real, fake, anneal)[0], None)  # noqa: E731
        ahead = lax.scan(move, state, keys)[0]
        judge = functools.partial(self.logits, self.discriminator.unravel(ahead.d), ahead.rest_d)
        return objectives.g_ahead(knobs.objective, judge(real)[0], judge(fake)[0])

    def feature_gap(self, fake: Array, d: Any, rest: Any, real: Array) -> Array:
        """|E phi(real) - E phi(fake)|^2, phi what D's last layer sees (arXiv 1606.03498)."""
        phi = functools.partial(self.discriminator.features, d, rest)
        return ((phi(real).mean(axis=0) - phi(fake).mean(axis=0)) ** 2).sum()

    def move(
        self, knobs: Any, params: Array, moments: Any, gradient: Array, rate: Array, go: Array
    ) -> tuple[Array, Any]:
        """One optimiser update of a flat parameter vector, or none where `go` is false."""
        rule = optimizer(self.config, knobs.beta1, knobs.beta2)

        def update(params: Array, moments: Any, gradient: Array) -> tuple[Array, Any]:
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its int counter with betas
                change, after = rule.update(gradient, moments)
            return params - rate * change, after

        def stay(params: Array, moments: Any, gradient: Array) -> tuple[Array, Any]:
            return params, moments

        # A branch works in place; `where` would copy the old moments, and take the new ones twice.
        return lax.cond(go, update, stay, params, moments, gradient)

    def move_d(
        self, state: State, knobs: Any, key: Array, real: Array, fake: Array, anneal: Any
    ) -> tuple[State, dict[str, Array], Array]:
        gradient, seen, rest = self.d_gradient(state, knobs, key, real, fake, anneal)
        seen["grad_d"] = jnp.linalg.norm(gradient)
        fine = jnp.isfinite(seen["grad_d"]) & jnp.isfinite(seen["d_loss"])
        rate = anneal(knobs.lr_d, knobs.lr_d_end)
        go = fine & (knobs.d_steps > 0)
        d, moments = self.move(knobs, state.d, state.opt_d, gradient, rate, go)
        if "clip" in self.terms:
            d = jnp.where(knobs.clip > 0, jnp.clip(d, -knobs.clip, knobs.clip), d)
        return replace(state, d=d, opt_d=moments, rest_d=rest), seen, fine

    def move_g(
        self,
        state: State,
        knobs: Any,
        gradient: Array,
        anneal: Any,
        fine: Array,
    ) -> tuple[State, Array, Array]:
        size = jnp.linalg.norm(gradient)
        fine = fine & jnp.isfinite(size)
        rate = anneal(knobs.lr_g, knobs.lr_g_end)
        go = fine & (knobs.g_steps > 0)
        g, moments = self.move(knobs, state.g, state.opt_g, gradient, rate, go)
        ema = state.ema
        if "ema" in self.terms:
            ema = jnp.where(go, averaged(knobs.ema, ema, g), ema)
        return replace(state, g=g, opt_g=moments, ema=ema), size, fine

    def fakes(self, state: State, z: Array) -> tuple[Any, ...]:
        """G(z), the pullback to G's parameters, and the rest of G."""
        params = self.generator.unravel(state.g)
        apply = lambda g: self.generator.apply(g, state.rest_g, z)  # noqa: E731
        return jax.vjp(apply, params, has_aux=True)

    def extra_d(self, index: Array, state: State, knobs: Any, key: Array, anneal: Any) -> State:
        """One of the d_steps - 1 updates of D before the shared one."""
        key_batch, key_d = random.split(random.fold_in(key, index))
        z, real = self.batches(key_batch)
        fake = self.generator.apply(self.generator.unravel(state.g), state.rest_g, z)[0]
        return self.move_d(state, knobs, key_d, real, fake, anneal)[0]

    def extra_g(self, index: Array, state: State, knobs: Any, key: Array, anneal: Any) -> State:
        """One of the g_steps - 1 updates of G after the shared one."""
        key_batch, key_g = random.split(random.fold_in(key, index))
        z, real = self.batches(key_batch)
        fake, pull, rest = self.fakes(state, z)
        _, slope = self.g_slope(state, knobs, key_g, real, fake, anneal)
        gradient = self.average(self.flat(pull(slope)[0]))
        state = self.move_g(state, knobs, gradient, anneal, jnp.array(True))[0]
        return replace(state, rest_g=rest)

    def __call__(
        self, before: State, knobs: Any, left: Array
    ) -> tuple[State, Float[Array, "metrics"], Array]:
        """(state after, metrics in the order of METRICS, whether all was finite).

        `left` is `cosine_decay` at this step. Where something was not finite, the update that would
        have used it is not made, so the state that comes back is finite, and its step has not
        advanced.
        """
        anneal = functools.partial(annealed, left=left)
        keys = random.split(random.fold_in(unrolled(before.key), before.step), 5)
        extra_d = functools.partial(self.extra_d, knobs=knobs, key=keys[0], anneal=anneal)
        extra_g = functools.partial(self.extra_g, knobs=knobs, key=keys[1], anneal=anneal)

        state = lax.fori_loop(0, knobs.d_steps - 1, extra_d, before)
        z, real = self.batches(keys[2])
        fake, pull, rest_g = self.fakes(state, z)
        moved, seen, fine = self.move_d(state, knobs, keys[3], real, fake, anneal)
        opponent = moved if self.config.update == "alternating" else state
        seen["g_loss"], slope = self.g_slope(opponent, knobs, keys[4], real, fake, anneal)
        gradient, seen["g_loss"] = self.average((self.flat(pull(slope)[0]), seen["g_loss"]))
        moved, seen["grad_g"], fine = self.move_g(moved, knobs, gradient, anneal, fine)
        moved = replace(moved, rest_g=rest_g, step=before.step + 1)
        again = jnp.where(fine, knobs.g_steps - 1, 0)
        moved = lax.fori_loop(0, again, extra_g, moved)
        if "ema" in self.terms:
            moved = replace(moved, ema_rest=averaged(knobs.ema, moved.ema_rest, moved.rest_g))
        return self.guard(before, moved, fine), jnp.stack([seen[n] for n in METRICS]), fine

    def guard(self, before: State, after: State, fine: Array) -> State:
        """`after`, or `before` where something was not finite: half a step would not replay.

        G's weights, moments and average have not moved then, so they need no second look.
        """
        keep: Any = functools.partial(jax.tree.map, functools.partial(jnp.where, fine))
        names = ("step", "d", "opt_d", "rest_g", "rest_d", "ema_rest")
        kept = {name: keep(getattr(after, name), getattr(before, name)) for name in names}
        return replace(after, **kept)


def _batched(tree: Any, ndim: int) -> Any:
    """`vmap` axes for knobs: 0 for those with a value a run, None for shared ones."""
    return jax.tree.map(lambda leaf: 0 if leaf.ndim > ndim else None, tree)


def _chunk(
    config: Config, terms: frozenset[str], data: Any, state: State, knobs: Any, n: Array
) -> tuple[State, Array, Array, Array]:
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
        # A step ahead: XLA would else take the cosine again for each weight.
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
) -> tuple[State, Array, Array, Array]:
    if config.devices == 1:
        return _chunk(config, terms, data, state, knobs, n)
    on = functools.partial(jax.shard_map, mesh=mesh(config.devices), check_vma=False)
    if not state.step.shape:
        split = on(functools.partial(_chunk, config, terms), in_specs=P(), out_specs=P())
        return split(data, state, knobs, n)

    def share(*args: Any) -> tuple[State, Array, Array, Array]:  # runs have nothing to exchange
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


@functools.cache
def _compiled(**options: Any) -> Callable[..., tuple[State, Array, Array, Array]]:
    return jax.jit(
        _advance, static_argnums=(0, 1), donate_argnums=3, compiler_options=options or None
    )


@functools.cache
def _eigen() -> dict[str, str]:
    """What has XLA multiply matrices on a CPU by its older library; empty where it cannot."""
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=options)()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def _program(config: Config, state: State) -> Callable[..., tuple[State, Array, Array, Array]]:
    """The compiled `_advance` that suits the size of the work.

    The older library is better at sharing out products with many rows and few columns over the
    cores: a sixth of the ring's step, and of DCGAN's. For wider or smaller products, and for small
    batches, it is slower.
    """
    if jax.default_backend() != "cpu" or not (config.devices == 1 or state.step.shape):
        return _compiled()
    work = config.batch * max(state.g.size, state.d.size) // max(state.step.size, 1)
    dense = all(isinstance(net, MLP) for net in (config.generator, config.discriminator))
    tall = config.batch >= 256 and 2**22 <= work < 2**24
    return _compiled(**_eigen()) if tall or not dense else _compiled()


def traced(knobs: Knobs) -> Any:
    """Knobs as arrays, the objective as its number: what a jitted step takes."""
    names = np.atleast_1d(np.asarray(knobs.objective))
    which = np.array([objectives.index(str(name)) for name in names], np.int32)
    numbers = {name: np.asarray(getattr(knobs, name), np.float32) for name in KNOBS[1:]}
    for name in ("d_steps", "g_steps"):
        numbers[name] = numbers[name].astype(np.int32)
    which = which if np.ndim(knobs.objective) else which[0]
    values: dict[str, Any] = {"objective": which, **numbers}
    return Knobs(**values)


def terms(knobs: Knobs) -> frozenset[str]:
    """Names of the optional terms that these knobs switch on."""
    on = {name for name in TERMS if np.any(np.asarray(getattr(knobs, name)) > 0)}
    names = np.atleast_1d(np.asarray(knobs.objective))
    if any(objectives.objective(str(name)).pairs_batch for name in names):
        on.add("pairs_batch")
    return frozenset(on)


def _check_terms(config: Config, on: frozenset[str]) -> None:
    """Raise InputError where a config has no use for one of the terms that are switched on."""
    if "augment" in on and not getattr(config.data, "shape", None):
        raise InputError("augment changes pictures: set it to 0, or take data such as digits()")
    if config.unroll and (lost := sorted(on & {"feature_matching", "augment", "l1", "l2"})):
        raise InputError(
            f"an unrolled G looks through D's future loss alone: set {' and '.join(lost)} to 0, "
            "or unroll to 0"
        )


class Chunk(NamedTuple):
    """What one call of `advance` gives back, still on the device.

    `history[:done]` holds a row of METRICS a step (a row a step and run in a sweep); `fine` says
    of each run whether it was finite to the end. The last row of a run that was not is the step
    that failed, and its state is the one before that step.
    """

    state: State
    history: Float[Array, "block metrics"]
    done: Int[Array, ""]
    fine: Array


def advance(config: Config, state: State, knobs: Knobs, n: int) -> Chunk:
    """Train `n` steps (1 to BLOCK) in one jitted call. `state` is donated: do not use it again.

    A state from `init(config, [seeds])` trains all its runs at once; then knobs may be arrays
    with one value a run. Raises InputError where `n` or the length of an array does not fit.
    """
    count = int(check_number("n", n, 1, BLOCK, integer=True))
    for name in KNOBS:
        if (shape := np.shape(getattr(knobs, name))) not in ((), state.step.shape):
            raise InputError(
                f"{name} has shape {shape}, but the state holds {state.step.size} run(s); "
                "give one number for all, or init(config, [seeds]) and one number a run"
            )
    on = terms(knobs)
    _check_terms(config, on)
    go = _program(config, state)
    return Chunk(*go(config, on, config.data, state, traced(knobs), count))


@functools.partial(jax.jit, static_argnums=0)
def _generate(config: Config, g: Array, rest: Any, z: Array) -> Array:
    generator = players(config)[0]
    answer = functools.partial(generator.answer, generator.unravel(g), rest)
    whole = (len(z) - 1) // PORTION * PORTION
    if whole <= 0:
        return answer(z)
    parts = lax.map(answer, z[:whole].reshape(-1, PORTION, z.shape[1]))
    return jnp.concatenate([parts.reshape(whole, -1), answer(z[whole:])])


def generate(config: Config, state: State, z: Float[Array, "n latent"], ema: bool = False) -> Array:
    """G(z), Float[n, dim]; with `ema` by the moving average of G's weights and statistics."""
    g, rest = (state.ema, state.ema_rest) if ema else (state.g, state.rest_g)
    return _generate(config, g, rest, z)


@functools.partial(jax.jit, static_argnums=0)
def discriminate(config: Config, state: State, x: Float[Array, "n dim"]) -> Float[Array, "n"]:
    """D's logit at each point; a D that judges packs sees a pack of copies of the point.

    A D that looks `across` its batch takes these n points for the batch.
    """
    discriminator = players(config)[1]
    packs = jnp.repeat(x, config.pack, axis=0)
    return discriminator.answer(discriminator.unravel(state.d), state.rest_d, packs)[:, 0]


@functools.partial(jax.jit, static_argnums=(0, 1, 4))
def sample(
    config: Config, n: int, state: State, key: Array, ema: bool = False
) -> Float[Array, "n dim"]:
    """`n` fresh samples of the generator; with `ema` by the moving average of its weights."""
    return generate(config, state, config.latent.sample(key, n), ema)


def gradient_evaluations(config: Config, knobs: Knobs) -> int:
    """What a step costs: gradients of a scalar over one batch of `config.batch` examples.

    One for each update of a player, one more for each penalty in an update of D (its slopes at
    the inputs), and for each unrolled update of D its own gradient and the way back through it.
    """
    priced = sum(bool(np.any(np.asarray(getattr(knobs, name)))) for name in objectives.PENALTIES)
    ahead = 2 * config.unroll * (1 + priced)
    return int(knobs.d_steps) * (1 + priced) + int(knobs.g_steps) * (1 + ahead)
