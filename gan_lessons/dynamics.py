"""Games with one parameter a player: vector fields, ways to step, eigenvalues, verdicts.

    field -> jacobian -> eigenvalues                        in continuous time
    linearised field -> update -> step_eigenvalues          in steps of size h
    field -> update, many times -> trajectory -> verdict    from any start

A point is w = (theta, psi): theta is G's parameter, psi is D's. Both players minimise, so the
field is v(w) = (-dg/dtheta, -dd/dpsi) with g, d their losses; from there w flows along v.
Called with numbers, a function computes in float64, whatever JAX is set to, and returns NumPy;
called under `jit`, `grad` or `vmap`, it is plain JAX in the precision of what it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from gan_lessons import objectives
from gan_lessons.errors import InputError, check_choice, check_number

Point = Float[Array, "2"]
Memory = Float[Array, "rows 2"]  # row 0 is w, the others are what a method remembers
Field = Callable[[Point], Point]

NOISE = 34  # points of noise; with 21 a Fibonacci lattice: pairs of them fill the square evenly
_normal = np.array([NormalDist().inv_cdf((i + 0.5) / NOISE) for i in range(NOISE)])
_ON_FAKE = _normal / _normal.std()  # so that the variance is exactly 1
_ON_REAL = _ON_FAKE[(21 * np.arange(NOISE)) % NOISE]

# ---- games


def _numbers(what: str, value: Any, shape: tuple[int, ...], example: str) -> Any:
    """`value` as finite float64 of this shape (a tracer as it is), else InputError."""
    if isinstance(value, jax.core.Tracer):
        return value
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        size = " by ".join(map(str, shape))
        raise InputError(f"{what} must be {size} finite numbers, like {example}, not {value!r}")
    return array


class Game:
    """What is played: write `field` in a subclass under `@register`.

    Attributes:
        equilibrium: where G has copied the data and D has nothing to say, (theta, psi).
        smooth: whether the field has a Jacobian there.
    """

    equilibrium: tuple[float, float] = (0.0, 0.0)
    smooth: bool = True

    def field(self, w: Point) -> Point:
        """The direction in which both players want to go at w."""
        raise NotImplementedError

    def project(self, w: Point) -> Point:
        """What is done to w after every step; nothing, as a rule."""
        return w


def _compiled_for(name: str, value: Any) -> bool:
    """Whether JAX compiles for this field: names, and costly terms that are switched off."""
    return isinstance(value, str) or (name in ("noise", "consensus") and _off(value))


def _off(weight: Any) -> bool:
    return isinstance(weight, (int, float)) and weight == 0


G = TypeVar("G", bound=Game)


@dataclass_transform(frozen_default=True)
def register(cls: type[G]) -> type[G]:
    """Class decorator: a frozen dataclass whose numbers JAX traces, so that they may move."""
    made: Any = dataclass(frozen=True)(cls)
    names = [entry.name for entry in fields(made)]

    def flatten(game: Any) -> tuple[list[Any], tuple[tuple[str, Any], ...]]:
        fixed = tuple((n, getattr(game, n)) for n in names if _compiled_for(n, getattr(game, n)))
        return [getattr(game, n) for n in names if n not in dict(fixed)], fixed

    def unflatten(fixed: tuple[tuple[str, Any], ...], numbers: Any) -> Any:
        game = object.__new__(made)  # no checks: JAX puts in tracers and placeholders
        traced = [n for n in names if n not in dict(fixed)]
        game.__dict__.update(fixed, **dict(zip(traced, numbers, strict=True)))
        return game

    jax.tree_util.register_pytree_node(made, flatten, unflatten)
    return made


@register
class Linear(Game):
    """v(w) = matrix w, with a matrix [2, 2]; near an equilibrium every smooth game is like this.

    The default is the bilinear game, min over theta and max over psi of theta psi.
    Raises: InputError if the matrix is not [2, 2] and finite.
    """

    matrix: Any = ((0.0, -1.0), (1.0, 0.0))

    def __post_init__(self) -> None:
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(self.matrix)):
            _numbers("matrix", self.matrix, (2, 2), "((0, -1), (1, 0))")

    def field(self, w: Point) -> Point:
        return jnp.asarray(self.matrix, w.dtype) @ w


@register
class Dirac(Game):
    """The Dirac-GAN: all real data at one point, G makes one point theta, D(x) = psi x.

    As published, the payoff is f(psi theta) + f(0) with f(t) = -log(1 + e^-t): psi x is the
    logit of *fake*. Our objectives take logits of *real*, here -psi x; with "minimax" both are
    one game. Weights are from 0, and 0 switches a term off.

    Attributes:
        objective: a name in `gan_lessons.objectives`.
        r1: gamma in D's penalty gamma/2 psi^2. D's slope is psi everywhere, so R1, R2 and every
            zero-centred gradient penalty are the same here.
        gp, target: D's penalty gp/2 (|psi| - target)^2: WGAN-GP, which wants the slope `target`.
        noise: standard deviation of the instance noise on real and fake points.
        consensus: gamma in v - gamma grad ||v||^2 / 2 (Mescheder et al. 2017, arXiv 1705.10461).
        decay: weight decay of both players, v - decay w.
        clip: |psi| is cut at `clip` after every step; inf never cuts.
        place: where the data lies; then D(x) = psi (x - place).

    Source: L. Mescheder, A. Geiger, S. Nowozin (2018), arXiv 1801.04406, definition 2.1.
    Raises: InputError for an unknown objective or a weight out of range.
    """

    objective: str = "minimax"
    r1: float = 0.0
    gp: float = 0.0
    target: float = 1.0
    noise: float = 0.0
    consensus: float = 0.0
    decay: float = 0.0
    clip: float = float("inf")
    place: float = 0.0

    def __post_init__(self) -> None:
        check_choice("objective", self.objective, objectives.NAMES)
        for name, value in list(vars(self).items())[1:]:
            if not isinstance(value, jax.core.Tracer) and (name, value) != ("clip", np.inf):
                low = -1e6 if name == "place" else 0
                check_number(name, value, low, 1e6, above=name == "clip")

    @property
    def equilibrium(self) -> tuple[float, float]:  # type: ignore[override]
        return (self.place, 0.0)

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        return self.gp == 0 or self.target == 0

    def losses(self, theta: Array, psi: Array) -> tuple[Array, Array]:
        """(what G minimises, what D minimises), the mean over the noise."""
        payoff = objectives.objective(self.objective)
        at_real, at_fake = jnp.zeros((1,), theta.dtype), (theta - self.place)[None]
        if not _off(self.noise):
            at_real = at_real + self.noise * jnp.asarray(_ON_REAL, theta.dtype)
            at_fake = at_fake + self.noise * jnp.asarray(_ON_FAKE, theta.dtype)
        real, fake = -psi * at_real, -psi * at_fake
        penalty = self.r1 * psi**2 + self.gp * (jnp.abs(psi) - self.target) ** 2
        return payoff.g_loss(real, fake), payoff.d_loss(real, fake) + penalty / 2

    def downhill(self, w: Point) -> Point:
        """Each player down its own loss: the field without consensus and weight decay."""
        g = jax.grad(lambda theta: self.losses(theta, w[1])[0])(w[0])
        d = jax.grad(lambda psi: self.losses(w[0], psi)[1])(w[1])
        return -jnp.stack([g, d])

    def field(self, w: Point) -> Point:
        v = (
            self.downhill(w)
            if _off(self.consensus)
            else _agreeing(self.downhill, w, self.consensus)
        )
        return v - self.decay * w

    def project(self, w: Point) -> Point:
        return w.at[1].set(jnp.clip(w[1], -self.clip, self.clip))


def _agreeing(field: Field, w: Point, gamma: Any) -> Point:
    """v - gamma grad ||v||^2 / 2 = v - gamma (Dv)^T v."""
    v, pull = jax.vjp(field, w)
    return v - gamma * pull(v)[0]


GAMES: dict[str, Game] = {
    "bilinear": Linear(),
    "gan": Dirac(),
    "non_saturating": Dirac("non_saturating"),
    "relativistic": Dirac("relativistic"),
    "least_squares": Dirac("least_squares"),
    "hinge": Dirac("hinge"),
    "wgan": Dirac("wasserstein"),
    "wgan_clip": Dirac("wasserstein", clip=1.0),
    "wgan_gp": Dirac("wasserstein", gp=0.7),
    "wgan_r1": Dirac("wasserstein", r1=1.0),
    "gan_r1": Dirac(r1=0.3),
    "gan_r1_critical": Dirac(r1=1.0),
    "non_saturating_r1": Dirac("non_saturating", r1=0.3),
    "instance_noise": Dirac(noise=1.0),
    "consensus": Dirac(consensus=1.0),
    "weight_decay": Dirac(decay=0.1),
}


def game(spec: object) -> Game:
    """A `Game` from its name in `GAMES`, or the game itself; InputError for anything else."""
    return spec if isinstance(spec, Game) else GAMES[check_choice("game", spec, GAMES)]


# ---- ways to step


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["coefficient"],
    meta_fields=["step", "rows", "smooth"],
)
@dataclass(frozen=True)
class Integrator:
    """A way to step through a field.

    Attributes:
        step: (field, memory, h, coefficient) -> memory; h holds both step sizes, [2].
        coefficient: momentum, or whatever else the method weighs something with.
        rows: rows of memory, 1 if nothing but w is remembered. The others start at 0.
        smooth: whether the update has a Jacobian at an equilibrium.
    """

    step: Callable[[Field, Memory, Point, Any], Memory]
    coefficient: float = 0.0
    rows: int = 1
    smooth: bool = True


def _simultaneous(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """w + h v(w): both answer what the other was."""
    return memory + (h * field(memory[0]))[None]


def _alternating(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """G steps, then D, who sees where G has gone."""
    for turn in jnp.diag(h):
        memory = _simultaneous(field, memory, turn, None)
    return memory


def _momentum(field: Field, memory: Memory, h: Point, beta: Any) -> Memory:
    """m = beta m + v(w), w + h m (Polyak 1964)."""
    push = beta * memory[1] + field(memory[0])
    return jnp.stack([memory[0] + h * push, push])


def _alternating_momentum(field: Field, memory: Memory, h: Point, beta: Any) -> Memory:
    """The same in turns (Gidel et al. 2019, arXiv 1807.04740, for beta < 0)."""
    for turn in jnp.diag(h):
        memory = jnp.where(turn[None] > 0, _momentum(field, memory, turn, beta), memory)
    return memory


def _extragradient(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """w + h v(w + h v(w)) (Korpelevich 1976; Gidel et al. 2019, arXiv 1802.10551)."""
    ahead = memory[0] + h * field(memory[0])
    return memory + (h * field(ahead))[None]


def _optimistic(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """w + h (2 v_t - v_(t-1)) (Daskalakis et al. 2018, arXiv 1711.00141)."""
    now = field(memory[0])
    return jnp.stack([memory[0] + h * (2 * now - memory[1]), now])


def _consensus(field: Field, memory: Memory, h: Point, gamma: Any) -> Memory:
    """Steps along v - gamma grad ||v||^2 / 2 (Mescheder et al. 2017, arXiv 1705.10461)."""
    return memory + (h * _agreeing(field, memory[0], gamma))[None]


def _adam(field: Field, memory: Memory, h: Point, beta: Any, decay: float = 0.99) -> Memory:
    """Kingma and Ba 2015, arXiv 1412.6980."""
    w, mean, square, count = memory
    v, count = field(w), count + 1
    mean, square = beta * mean + (1 - beta) * v, decay * square + (1 - decay) * v**2
    root = jnp.sqrt(square / (1 - decay**count)) + 1e-8
    return jnp.stack([w + h * mean / (1 - beta**count) / root, mean, square, count])


def _runge_kutta(field: Field, memory: Memory, h: Point, _: Any) -> Memory:
    """Kutta 1901: the flow itself, with an error of order h^5 a step."""
    (w,) = memory
    a = field(w)
    b = field(w + h / 2 * a)
    c = field(w + h / 2 * b)
    return (w + h / 6 * (a + 2 * b + 2 * c + field(w + h * c)))[None]


INTEGRATORS: dict[str, Integrator] = {
    "simultaneous": Integrator(_simultaneous),
    "alternating": Integrator(_alternating),
    "momentum": Integrator(_momentum, 0.5, rows=2),
    "negative_momentum": Integrator(_momentum, -0.5, rows=2),
    "alternating_negative": Integrator(_alternating_momentum, -0.5, rows=2),
    "extragradient": Integrator(_extragradient),
    "optimistic": Integrator(_optimistic, rows=2),
    "consensus": Integrator(_consensus, 1.0),
    "adam": Integrator(_adam, 0.5, rows=4, smooth=False),
    "runge_kutta": Integrator(_runge_kutta),
}


def integrator(spec: object) -> Integrator:
    """An `Integrator` from its name in `INTEGRATORS`, or itself; InputError for anything else."""
    if isinstance(spec, Integrator):
        return spec
    return INTEGRATORS[check_choice("integrator", spec, INTEGRATORS)]


# ---- input, and the precision of what runs


def _point(what: str, w: Any) -> Any:
    return _numbers(what, w, (2,), "(1.0, 1.0) for theta and psi")


def _step_sizes(h: Any) -> Any:
    """One step size for both players, or one each (h_g, h_d), as [2]."""
    if isinstance(h, jax.core.Tracer):
        return jnp.broadcast_to(h, (2,))
    pair = h if isinstance(h, (tuple, list, np.ndarray)) and np.shape(h) == (2,) else (h, h)
    return np.array([check_number("step size", each, 0, 1000, above=True) for each in pair])


@functools.cache
def _cpu() -> Any:
    """The CPU, which beats any accelerator at two numbers; None where JAX was denied it."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def _precise(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a jitted function: in float64, with NumPy back, unless JAX is tracing an argument."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
        return function(*arguments)
    with jax.enable_x64(True), jax.default_device(_cpu()):
        return jax.tree.map(np.asarray, function(*arguments))


# ---- the field


_field = jax.jit(lambda played, w: played.field(w))
_jacobian = jax.jit(lambda played, w: jax.jacfwd(played.field)(w))


def vector_field(played: object, w: Any) -> Point:
    """v(w) at w [2], with all that the game adds to it: [2].

    Raises: InputError for an unknown game, or a w that is not two finite numbers.
    """
    return _precise(_field, game(played), _point("w", w))


def jacobian(played: object, w: Any) -> Float[Array, "2 2"]:
    """Rows: components of v; columns: derivatives by theta and by psi, at w [2].

    Raises: InputError as `vector_field` does.
    """
    return _precise(_jacobian, game(played), _point("w", w))


def eigenvalues(played: object, at: Any = None) -> Complex[np.ndarray, "2"]:
    """Eigenvalues of the Jacobian of v, [2] complex, those with larger parts first.

    Negative real parts: the flow converges there, like exp(Re t). An imaginary part: it turns,
    by Im radians per unit of time. `at` is [2], by default the equilibrium; NaN where the field
    has no Jacobian there (WGAN-GP).

    Raises: InputError as `vector_field` does.
    """
    played = game(played)
    if at is None and not played.smooth:
        return np.full(2, np.nan + 0j)
    made = np.linalg.eigvals(jacobian(played, played.equilibrium if at is None else at))
    return np.sort_complex(made)[::-1].astype(complex)


# ---- steps


def _start(method: Integrator, w: Point) -> Memory:
    return jnp.zeros((method.rows, 2), w.dtype).at[0].set(w)


def _update(played: Game, method: Integrator, memory: Memory, h: Point) -> Memory:
    memory = method.step(played.field, memory, h, method.coefficient)
    return memory.at[0].set(played.project(memory[0]))


@jax.jit
def _update_jacobian(played: Game, method: Integrator, h: Point) -> Array:
    """Jacobian at w = 0 of the update of all rows of memory as one vector."""

    def flat(memory: Array) -> Array:
        return _update(played, method, memory.reshape(-1, 2), h).ravel()

    return jax.jacfwd(flat)(_start(method, jnp.zeros_like(h)).ravel())


def step_eigenvalues(played: object, method: object, h: Any) -> Complex[np.ndarray, "2*rows"]:
    """Eigenvalues of one update at the equilibrium, [2 rows] complex, largest magnitude first.

    Steps converge from nearby if all magnitudes are below 1, and leave if one is above. A method
    with memory has more of them than the game has parameters: they belong to w and memory
    together. All methods here see the field alone, so near an equilibrium they do to the game
    what they do to its linearisation. NaN without a Jacobian (WGAN-GP; Adam).

    Args:
        h: the step size, above 0, or the pair (h_g, h_d): two time scales.

    Raises: InputError for an unknown game or integrator, or a step size out of range.
    """
    played, method, h = game(played), integrator(method), _step_sizes(h)
    if not (played.smooth and method.smooth):
        return np.full(2 * method.rows, np.nan + 0j)
    nearby = Linear(jacobian(played, played.equilibrium))
    made = np.linalg.eigvals(_precise(_update_jacobian, nearby, method, h))
    return made[np.argsort(-np.abs(made), kind="stable")].astype(complex)


def spectral_radius(played: object, method: object, h: Any) -> float:
    """The largest magnitude in `step_eigenvalues`, same arguments; NaN where these are."""
    return float(np.abs(step_eigenvalues(played, method, h)).max())


@functools.partial(jax.jit, static_argnums=4)
def _trajectory(played: Game, method: Integrator, w: Point, h: Point, steps: int) -> Array:
    def advance(memory: Memory, _: None) -> tuple[Memory, Point]:
        memory = _update(played, method, memory, h)
        return memory, memory[0]

    path = jax.lax.scan(advance, _start(method, w), length=steps)[1]
    return jnp.concatenate([w[None], path])


def trajectory(
    played: object, method: object, start: Any = (1.0, 1.0), h: Any = 0.2, steps: int = 500
) -> Float[Array, "steps+1 2"]:
    """Where w is after 0, 1, ..., `steps` steps, [steps + 1, 2]; not finite once it overflows.

    Args:
        start: (theta, psi), finite.
        h: the step size, above 0, or the pair (h_g, h_d).
        steps: 1 to 1,000,000.

    Raises: InputError for an unknown game or integrator, or a value out of range.
    """
    steps = int(check_number("steps", steps, 1, 1_000_000, integer=True))
    given = game(played), integrator(method), _point("start", start), _step_sizes(h)
    return _precise(lambda *given: _trajectory(*given, steps), *given)


def distance(played: object, path: Float[Array | np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
    """How far each point of a trajectory is from the game's equilibrium."""
    offsets = np.asarray(path) - np.array(game(played).equilibrium)
    with np.errstate(over="ignore"):  # a game may run away to infinity
        return np.hypot(*offsets.T)


# ---- verdicts


class Verdict(NamedTuple):
    """What becomes of a game.

    Attributes:
        word: what the long trajectory does: "converges" to the equilibrium, "orbits",
            "diverges", or comes to rest "elsewhere".
        radius: spectral radius of the update at the equilibrium; NaN without a Jacobian.
        nearby: what `radius` says of starts close to the equilibrium: "converges" below 1,
            "leaves" above it, "undecided" at 1 (to 1e-6) or NaN.
        distance: from the equilibrium at the end of the trajectory.
    """

    word: str
    radius: float
    nearby: str
    distance: float


def verdict(
    played: object, method: object, h: Any = 0.2, start: Any = (1.0, 1.0), steps: int = 4000
) -> Verdict:
    """Judge by the spectral radius and by `steps` steps (100 or more); all else as `trajectory`."""
    check_number("steps", steps, 100, 1_000_000, integer=True)
    path = np.asarray(trajectory(played, method, start, h, steps))
    radius, far = spectral_radius(played, method, h), distance(played, path)
    decided = abs(radius - 1) > 1e-6
    nearby = ("converges" if radius < 1 else "leaves") if decided else "undecided"
    return Verdict(_word(path, far, nearby), radius, nearby, float(far[-1]))


def _word(path: np.ndarray, far: np.ndarray, nearby: str) -> str:
    """Quarter by quarter: farther and farther, closer and closer, at rest, or none of these.

    A game whose slopes saturate moves out in stalls, so "never comes back" counts as farther.
    """
    half, last = len(far) // 2, len(far) - len(far) // 4
    reach = np.array([part.max() for part in np.array_split(far, 4)])
    grows = (reach[1:] > 1.02 * reach[:-1]).all() or far[half:].min() >= far[:half].max()
    if not np.isfinite(far).all() or (grows and far[-1] > 1e-3):
        return "diverges"
    shrinks = (reach[1:] < 0.98 * reach[:-1]).all() and far[-1] < far[0]
    if nearby != "leaves" and (shrinks or reach[-1] < 1e-3):
        return "converges"
    return "elsewhere" if np.ptp(path[last:], axis=0).max() < 1e-3 * reach[-1] else "orbits"
