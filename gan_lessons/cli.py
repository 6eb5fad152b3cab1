"""`gan-lessons COMMAND`: open the lessons, look at the installation, train without a notebook.

Only the standard library is imported here. The heavy rooms are imported by what needs them, so
that help is instant and `doctor` can speak where packages are missing.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lessons import __version__
from gan_lessons.errors import InputError, check_choice, check_number

if TYPE_CHECKING:
    from gan_lessons.live.panels import Panel
    from gan_lessons.run import Run
    from gan_lessons.training import Config

ROOT = Path(__file__).resolve().parent.parent
START = "00_start_here.ipynb"
CHUNK, TALK = 0.25, 10.0  # seconds of training between looks at Ctrl-C; between lines of progress
EVALUATION = 20_000  # samples for mode coverage


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv[1:]` by default) and return its exit status.

    0, 1 (it failed: one sentence on standard error) or 2 (the command line cannot be used).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["test"]:  # its options are not ours to judge
            return _become("tests", arguments[1:], "tests/__main__.py")
        args = _parser().parse_args(arguments)
        return args.command(args)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except InputError as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename}")
    except KeyboardInterrupt:
        return _fail("interrupted")


def _fail(sentence: object, status: int = 1) -> int:
    print(f"gan-lessons: {sentence}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gan-lessons", description=str(__doc__).split("\n")[0])
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, line in (
        ("lab", "open JupyterLab on the lessons"),
        ("playground", "the same: the playground is in the first lesson"),
    ):
        lab = commands.add_parser(name, help=line, description=line)
        lab.add_argument("--port", type=int, help="port of the server (the next one if taken)")
        lab.add_argument("--no-browser", action="store_true", help="only print the address")
        lab.set_defaults(command=_lab)
    doctor = commands.add_parser("doctor", help="say what is there and what is wrong")
    doctor.set_defaults(command=_doctor)
    _train_options(commands.add_parser("train", help="train a preset in the terminal"))
    commands.add_parser("test", help="run the tests; options go to `python -m tests`")
    return parser


def _train_options(train: argparse.ArgumentParser) -> None:
    add = train.add_argument
    add("preset", metavar="PRESET", help="ring, grid, ganlab-gaussians, relu-256-512-512, ...")
    add("--seed", type=int, default=0)
    add("--steps", type=int, help="train up to this step (the preset's own number)")
    add("--set", nargs="+", action="extend", default=[], metavar="KNOB=VALUE", dest="settings",
        help="lr_d=0.002, batch=64, data='Ring(modes=12)', generator='MLP((64, 64), \"tanh\")'")  # fmt: skip
    add("--out", type=Path, metavar="FOLDER", help="runs/PRESET-SEED")
    add("--every", type=int, default=1000, metavar="N", help="steps between checkpoints (1000)")
    add("--resume", action="store_true", help="go on from the last checkpoint in FOLDER")
    add("--json", action="store_true", help="end with one line of JSON on standard output")
    train.set_defaults(command=_train)


# Other programs


def _become(module: str, arguments: Sequence[str], needed: str) -> int:
    """Turn into `python -m MODULE`, in the checkout that holds the file `needed`."""
    if not (ROOT / needed).is_file():
        raise InputError(f"{ROOT / needed} is not there: this command needs a whole checkout")
    os.chdir(ROOT)
    command = [sys.executable, "-m", module, *arguments]
    sys.stdout.flush()
    if os.name == "nt":  # execv there returns to the shell before the new program has ended
        return subprocess.call(command)
    os.execv(command[0], command)


def _lab(args: argparse.Namespace) -> int:
    # Without this a kernel that some other Python left in the home folder would come first.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    options = [f"--ServerApp.root_dir={ROOT / 'notebooks'}", f"--LabApp.default_url=/lab/tree/{START}"]  # fmt: skip
    options += ["--MultiKernelManager.default_kernel_name=python3"]
    if args.port is not None:
        options.append(f"--port={check_number('port', args.port, 1, 65535, integer=True)}")
    if args.no_browser:
        options.append("--no-browser")
    if getattr(os, "geteuid", lambda: 1)() == 0:  # in a container one is often root
        options.append("--allow-root")
    return _become("jupyterlab", options, f"notebooks/{START}")


# doctor

Finding = tuple[str, str]  # ("ok", "note" or "wrong", what was found)


def _doctor(args: argparse.Namespace) -> int:
    wrong = 0
    for check in CHECKS:
        try:
            sign, text = check()
        except Exception as error:  # a broken installation can raise anything
            sign, text = "wrong", f"{check.__name__[1:]}: {type(error).__name__}: {error}"
        print(f"{sign:5}  {text.splitlines()[0]}", flush=True)
        wrong += sign == "wrong"
    print(f"{wrong} of these must be put right first." if wrong else "All is well: gan-lessons lab")
    return int(wrong > 0)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    sign = "ok" if sys.version_info >= (3, 11) else "wrong"
    return sign, f"Python {version} (3.11 or newer is needed), {sys.executable}"


def _packages() -> Finding:
    from importlib import metadata

    from gan_lessons import __main__ as start

    if start.PYPROJECT.is_file():
        wanted = start.wanted("")
    else:
        wanted = [w for w in metadata.requires("gan-lessons") or [] if "extra ==" not in w]
    found = start.distributions()
    faults = [text for text in (start.fault(each, found) for each in wanted) if text]
    main = ", ".join(f"{name} {found.get(name)}" for name in ("jax", "flax", "jupyterlab"))
    return ("wrong", "; ".join(faults)) if faults else ("ok", f"{main}, all in their windows")


def _backend() -> Finding:
    import jax

    devices = f"{len(jax.devices())} device(s), {jax.devices()[0].device_kind}"
    text = f"JAX computes on {jax.default_backend()}: {devices}"
    if jax.default_backend() == "cpu" and shutil.which("nvidia-smi"):
        return "note", f"{text}; for the NVIDIA GPU here: pip install 'gan-lessons[gpu]'"
    return "ok", text


def _data() -> Finding:
    from gan_lessons.distributions import DISTRIBUTIONS
    from gan_lessons.images import LOADERS

    sets = ", ".join(f"{len(load())} {name}" for name, load in LOADERS.items())
    return "ok", f"data without a network: {sets}, {len(DISTRIBUTIONS)} distributions"


def _folders() -> Finding:
    import jax
    import matplotlib as mpl
    from jupyter_core.paths import jupyter_runtime_dir

    caches = (mpl.get_cachedir(), jupyter_runtime_dir(), jax.config.jax_compilation_cache_dir)
    folders = [Path(cache) for cache in caches if cache]
    closed = [str(folder) for folder in folders if not _writable(folder)]
    if closed:
        return "wrong", f"cannot be written to: {', '.join(closed)}"
    return "ok", f"cache folders can be written to: {', '.join(map(str, folders))}"


def _writable(folder: Path) -> bool:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _kernel() -> Finding:
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    python = Path(spec.argv[0])
    if python.is_absolute() and python.parent != Path(sys.executable).parent:
        return "wrong", f"the Jupyter kernel python3 is another Python, {python}"
    return "ok", f"Jupyter kernel python3 runs this Python ({spec.resource_dir})"


def _lessons() -> Finding:
    count = len(list((ROOT / "notebooks").glob("*.ipynb")))
    return ("ok" if count else "note"), f"{count} lessons in {ROOT / 'notebooks'}"


def _browser() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    homes = (".cache/ms-playwright", "Library/Caches/ms-playwright", "AppData/Local/ms-playwright")
    kept = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    places = [Path(kept)] if kept else [Path.home() / home for home in homes]
    found = [*filter(None, map(shutil.which, names))]
    found += [str(path) for place in places for path in place.glob("chromium*")]
    if found:
        return "ok", f"a browser for the browser tests: {found[0]}"
    return "note", "no browser for the browser tests; the lessons do not need one to be here"


def _speed() -> Finding:
    from gan_lessons.presets import preset
    from gan_lessons.run import Run

    ring, began = preset("ring"), time.monotonic()
    run = Run(ring.config, ring.knobs)
    run.advance(1)
    compiled = time.monotonic()
    run.advance(60)
    rate = 60 / (time.monotonic() - compiled)
    spent = f"{rate:.0f} steps a second after {compiled - began:.1f} s of compiling"
    return ("wrong", run.stopped) if run.stopped else ("ok", f"training the ring runs: {spent}")


CHECKS = (_python, _packages, _backend, _data, _folders, _kernel, _lessons, _browser, _speed)


# train


def _train(args: argparse.Namespace) -> int:
    try:
        job = Job(args)
    except InputError as error:
        return _fail(error, 2)
    job.resume() if args.resume else job.begin()
    with _ctrl_c() as asked:
        job.train(asked)
    if job.run.stopped:
        return _fail(f"{job.run.stopped} (The last good step is saved in {job.folder}.)")
    if job.run.step < job.steps:
        again = "the same command with --resume goes on from there"
        return _fail(f"interrupted at step {job.run.step}, which is saved: {again}")
    job.report()
    return 0


@contextlib.contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second one interrupts at once."""
    asked = threading.Event()

    def ask(*_: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class Job:
    """One training in a terminal: set up from the command line, saved as it goes, described.

    Raises: InputError where the command line asks for something impossible.
    """

    run: Run

    def __init__(self, args: argparse.Namespace) -> None:
        from gan_lessons import training
        from gan_lessons.presets import preset

        self.args, self.preset, self.spent = args, preset(args.preset), 0.0
        given = dict(map(_setting, args.settings))
        self.moved = {name: given.pop(name) for name in training.KNOBS if name in given}
        self.config = replace(self.preset.config, **given)
        self.knobs = training.check_knobs(replace(self.preset.knobs, **self.moved))
        training.mesh(self.config.devices)
        self.seed = int(check_number("--seed", args.seed, 0, 2**31 - 1, integer=True))
        steps = self.preset.steps if args.steps is None else args.steps
        self.steps = int(check_number("--steps", steps, 1, 1e9, integer=True))
        self.every = int(check_number("--every", args.every, 1, 1e9, integer=True))
        self.folder: Path = args.out or Path("runs") / f"{args.preset}-{self.seed}"

    def begin(self) -> None:
        """Start afresh, and save step 0: a folder that cannot be written to shows at once."""
        from gan_lessons import checkpoints
        from gan_lessons.run import Run

        if there := checkpoints.steps(self.folder):
            print(f"{self.folder} holds a run up to step {there[-1]}: starting over without it "
                  "(--resume goes on with it)", file=sys.stderr)  # fmt: skip
        self.run = Run(self.config, self.knobs, self.seed, memory=1)
        self.save()

    def resume(self) -> None:
        """Take up the last checkpoint with its history and knobs; what --set names then moves."""
        import jax
        import numpy as np

        from gan_lessons import checkpoints, training
        from gan_lessons.run import Run

        like = jax.eval_shape(lambda: training.init(self.config, self.seed))
        saved = checkpoints.load(self.folder, like, self.config)
        seed = saved.knobs.get("seed", self.seed)
        if seed != self.seed:
            raise InputError(f"{saved.path} was trained from --seed {seed}, not {self.seed}")
        knobs = {name: saved.knobs[name] for name in training.KNOBS if name in saved.knobs}
        self.saved, self.spent = saved.step, saved.knobs.get("seconds", 0.0)
        self.run = Run(self.config, training.Knobs(**knobs), seed, memory=1)
        rows, state = np.asarray(saved.history), training.place(self.config, saved.state)
        self.run.land(training.Chunk(state, rows, np.int32(len(rows)), np.True_))  # type: ignore[arg-type]
        self.run.set(**self.moved)

    def save(self) -> None:
        from gan_lessons import checkpoints

        run = self.run
        told = asdict(run.knobs) | {"seed": run.seed, "seconds": self.spent}
        checkpoints.save(self.folder, run.state, run.config, told, run.history, run.step)
        self.saved = run.step

    def train(self, asked: threading.Event) -> None:
        """Train to the last step, until `asked` is set or to a number that is not finite; save."""
        run, chunk = self.run, 16
        with Progress(self) as say:
            while run.step < self.steps and run.stopped is None and not asked.is_set():
                began, due = time.monotonic(), self.every - run.step % self.every
                taken = run.advance(min(chunk, due, self.steps - run.step))
                took = time.monotonic() - began
                chunk = max(1, min(2 * chunk, int(taken * CHUNK / took)))
                self.spent += took
                say(taken)
                if taken == due:
                    self.save()
        if self.saved != run.step:
            self.save()

    def report(self) -> None:
        """Write the metrics and the figure, and say how good the generator is."""
        told = {"preset": self.args.preset, "seed": self.seed, "steps": self.run.step}
        told |= {"seconds": round(self.spent, 3), **scores(self.run, self.preset.images)}
        (self.folder / "metrics.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
        _write_history(self.run, self.folder / "metrics.csv")
        (self.folder / "figure.png").write_bytes(picture(self.run))
        print(json.dumps(told) if self.args.json else _in_words(told) + f"; in {self.folder}")


class Progress:
    """A bar on a terminal; elsewhere, or beside JSON, a line now and then. On standard error."""

    def __init__(self, job: Job) -> None:
        from tqdm import tqdm

        self.job, self.shown = job, time.monotonic()
        plain = job.args.json or not sys.stderr.isatty()
        self.bar = tqdm(total=job.steps, initial=job.run.step, unit="step", disable=plain)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, taken: int) -> None:
        losses = {name: f"{self.job.run.series(name)[-1]:.3f}" for name in ("d_loss", "g_loss")}
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update(taken)
        if self.bar.disable and time.monotonic() - self.shown > TALK:
            self.shown = time.monotonic()
            print(f"step {self.job.run.step} of {self.job.steps}, {losses}", file=sys.stderr)


def scores(run: Run, images: str | None) -> dict[str, Any]:
    """How good the generator is; under "perfect", what a perfect one would score.

    For data with modes those of `metrics.mode_coverage` (None where undefined), for the image
    set called `images` the Frechet distance, for other data nothing.
    """
    data = run.config.data
    if data.modes is not None:
        return _mode_scores(run, data.modes)
    if images is None or getattr(data, "shape", None) is None:
        return {}
    from gan_lessons.images import image_set
    from gan_lessons.metrics import FrechetMeter

    meter = FrechetMeter(image_set(images, data.shape[0]))  # type: ignore[attr-defined]
    return {"frechet": meter(run.sample(meter.n)), "perfect": {"frechet": meter.floor}}


def _mode_scores(run: Run, modes: Any) -> dict[str, Any]:
    from gan_lessons.metrics import high_quality_ceiling, kl_floor

    found = run.coverage(EVALUATION)
    told: dict[str, Any] = {"modes": int(found.modes), "high_quality": float(found.high_quality)}
    told |= {"kl": float(found.kl), "std_ratio": float(found.std_ratio)}
    told = {name: value if math.isfinite(value) else None for name, value in told.items()}
    ceiling, floor = high_quality_ceiling(modes.shape[1]), kl_floor(len(modes), EVALUATION)
    perfect = {"modes": len(modes), "high_quality": ceiling, "kl": floor, "std_ratio": 1.0}
    return {**told, "perfect": perfect}


def _in_words(told: dict[str, Any]) -> str:
    """`modes 8 (perfect: 8), ...`: the metrics on one line."""
    perfect = told.pop("perfect", {})
    words = f"{told.pop('preset')}, seed {told.pop('seed')}"
    for name, value in told.items():
        words += f", {name} {value:.4g}" if isinstance(value, float) else f", {name} {value}"
        words += f" (perfect: {perfect[name]:.4g})" if name in perfect else ""
    return words


def _write_history(run: Run, path: Path) -> None:
    """One row a step; 9 digits, which tell every float32 apart."""
    import numpy as np

    from gan_lessons.training import METRICS

    table = np.column_stack([np.arange(1, run.step + 1), run.history])
    form = ["%d"] + ["%.9g"] * len(METRICS)
    np.savetxt(path, table, form, ",", header=",".join(("step", *METRICS)), comments="")


def picture(run: Run) -> bytes:
    """What the live player would show of the run, as a PNG."""
    import jax

    from gan_lessons.live.panels import View
    from gan_lessons.live.screen import Screen
    from gan_lessons.training import traced

    panels = _panels(run.config)
    look = jax.jit(lambda state, knobs: [panel.see(run.config, state, knobs) for panel in panels])
    seen = look(run.state, traced(run.knobs))
    return Screen(panels, run, "projector").frame(seen, View(run, run.step), crisp=True)


def _panels(config: Config) -> list[Panel]:
    from gan_lessons.live import panels

    data, below = config.data, panels.GradientNorms()
    if data.modes is not None:
        below = panels.Coverage()
    if getattr(data, "shape", None) is not None:
        return [panels.ImageGrid(), panels.Losses(), below]
    if data.dim == 2:
        return [panels.Samples(), panels.Losses(), below]
    if data.dim == config.latent.dim == 1 and data.has_density:
        return [panels.Densities(), panels.Losses(), below]
    return [panels.Losses(), below]


# --set


def _setting(text: str) -> tuple[str, Any]:
    """`"lr_d=0.01"` as a name (a knob or a field of Config) and a value, not yet checked."""
    from gan_lessons.training import KNOBS, Config

    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set wants KNOB=VALUE, as in --set lr_d=0.002, not {text!r}")
    check_choice("knob", name, (*KNOBS, *(field.name for field in fields(Config))))
    if name in ("data", "latent", "generator", "discriminator"):
        return name, _made(name, value)
    return name, _number(value)


def _number(text: str) -> int | float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _made(name: str, text: str) -> Any:
    """What the text describes: `two-moons`, `Ring(modes=12)`, `MLP((64, 64), "tanh")`."""
    from gan_lessons.distributions import DISTRIBUTIONS, distribution
    from gan_lessons.networks import MLP

    kinds: dict[str, Any] = {kind.__name__: kind for kind in DISTRIBUTIONS.values()}
    example = "two-moons or 'Ring(modes=12)'"
    if name in ("generator", "discriminator"):
        kinds, example = {"MLP": MLP}, "'MLP((64, 64), "tanh")'"
    elif "(" not in text:
        return distribution(text)
    try:
        call: Any = ast.parse(text, mode="eval").body
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        return kinds[call.func.id](*map(ast.literal_eval, call.args), **named)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (SyntaxError, AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{name} must be written like {example}, not {text!r}") from None
