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
    from gan_lessons.run import Run
    from gan_lessons.training import Config

ROOT = Path(__file__).resolve().parent.parent
START = "00_start_here.ipynb"
CHUNK, TALK = 0.25, 10.0  # seconds of training between looks at Ctrl-C; between lines in a log
EVALUATION = 20_000  # samples for mode coverage
BROWSERS = ("chromium", "chromium-browser", "google-chrome")  # what the browser tests look for


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
    parser = argparse.ArgumentParser("gan-lessons", description="GANs, taught by playing the game")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, line in (
        ("lab", "open JupyterLab on the lessons"),
        ("playground", "the same: the first lesson holds the playground"),
    ):
        lab = commands.add_parser(name, help=line, description=line)
        lab.add_argument("--port", type=_port, help="port of the server (the next one if taken)")
        lab.add_argument("--no-browser", action="store_true", help="only print the address")
        lab.set_defaults(command=_lab)
    doctor = commands.add_parser("doctor", help="say what is there and what is wrong")
    doctor.set_defaults(command=_doctor)
    _train_options(commands.add_parser("train", help="train a preset in the terminal"))
    _reproduce_options(commands.add_parser("reproduce", help="run a paper's table again"))
    commands.add_parser("test", help="run the tests; its options go to `python -m tests`")
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")


def _train_options(train: argparse.ArgumentParser) -> None:
    set_help = "a knob or a field of the config: lr_d=0.002 batch=64 'data=Ring(modes=12)' ..."
    add = train.add_argument
    add("preset", metavar="PRESET", help="ring, grid, ganlab-gaussians, relu-256-512-512, ...")
    add("--seed", type=int, default=0, help="0")
    add("--steps", type=int, help="train up to this step; else the preset's number of steps")
    add("--set", nargs="+", action="extend", default=[], metavar="KNOB=VALUE", help=set_help)
    add("--out", type=Path, metavar="FOLDER", help="runs/PRESET-SEED")
    add("--every", type=int, default=1000, metavar="N", help="steps between checkpoints (1000)")
    add("--resume", action="store_true", help="go on from the last checkpoint in FOLDER")
    add("--json", action="store_true", help="end with one line of JSON on standard output")
    train.set_defaults(command=_train)


def _reproduce_options(reproduce: argparse.ArgumentParser) -> None:
    add = reproduce.add_argument
    add(
        "table", metavar="TABLE", help="ring, grid, unrolled, cures, penalties, stacked-digits, ..."
    )
    add(
        "--seeds",
        type=int,
        metavar="N",
        help="how many seeds a row (3 to 10, by table; 1 with --quick)",
    )
    add("--only", default="", metavar="TEXT", help="just the rows whose name contains this")
    add("--quick", action="store_true", help="a sixth of the steps: to look at, not to quote")
    add("--out", type=Path, metavar="FOLDER", help="runs/reproduce-TABLE; finished runs stay there")
    add("--json", action="store_true", help="end with one line of JSON on standard output")
    reproduce.set_defaults(command=_reproduce)


# Other programs


def _become(module: str, arguments: Sequence[str], needed: str) -> int:
    """Turn into `python -m MODULE` in the checkout, which must hold the file `needed`."""
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
    options = [f"--ServerApp.root_dir={ROOT / 'notebooks'}"]
    options += [f"--LabApp.default_url=/lab/tree/{START}"]
    options += ["--MultiKernelManager.default_kernel_name=python3"]
    # No questions about news over the lesson (.jupyter/labconfig), and no look for updates.
    paths = [str(ROOT / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    never = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    options += [f"--LabApp.check_for_updates_class={never}"]
    if args.port is not None:
        options += [f"--port={args.port}"]
    if args.no_browser:
        options += ["--no-browser"]
    if getattr(os, "geteuid", lambda: 1)() == 0:  # as in most containers
        options += ["--allow-root"]
    return _become("jupyterlab", options, f"notebooks/{START}")


# doctor: each check returns "ok", "note" or "wrong", and what it found


def _doctor(args: argparse.Namespace) -> int:
    wrong = 0
    for check in CHECKS:
        try:
            sign, text = check()
        except ModuleNotFoundError as error:  # which is wrong, and `_packages` says so
            sign, text = "note", f"{check.__name__[1:]}: cannot be seen without {error.name}"
        except Exception as error:  # a broken installation can raise anything
            sign, text = "wrong", f"{check.__name__[1:]}: {type(error).__name__}: {error}"
        print(f"{sign:5}  {text.splitlines()[0]}", flush=True)
        wrong += sign == "wrong"
    cure = "gan-lessons lab installs what is missing; put the rest right by hand"
    print(f"Wrong: {wrong} of {len(CHECKS)}; {cure}." if wrong else "All is well.")
    return int(wrong > 0)


def _python() -> tuple[str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return "ok" if good else "wrong", f"Python {version} (needs 3.11 or newer), {sys.executable}"


def _packages() -> tuple[str, str]:
    from gan_lessons import __main__ as start

    if faults := start.missing():
        more = f" (and {len(faults) - 3} more)" if faults[3:] else ""
        return "wrong", "; ".join(faults[:3]) + more
    names = ("jax", "flax", "optax", "numpy", "matplotlib", "jupyterlab", "ipywidgets")
    found = start.distributions()
    return "ok", "packages as asked for: " + ", ".join(f"{n} {found.get(n)}" for n in names)


def _backend() -> tuple[str, str]:
    import jax

    kind, count = jax.default_backend(), len(jax.devices())
    text = f"JAX computes on {kind}: {count} device(s), {jax.devices()[0].device_kind}"
    if kind == "cpu" and shutil.which("nvidia-smi"):
        return "note", f"{text}; for the NVIDIA GPU here: pip install -e '.[gpu]'"
    return "ok", text


def _data() -> tuple[str, str]:
    from gan_lessons.distributions import DISTRIBUTIONS
    from gan_lessons.images import LOADERS

    sets = ", ".join(f"{len(load())} {name}" for name, load in LOADERS.items())
    return "ok", f"data without a network: {sets}, {len(DISTRIBUTIONS)} distributions"


def _folders() -> tuple[str, str]:
    import jax
    from jupyter_core.paths import jupyter_runtime_dir

    from gan_lessons import training  # noqa: F401  it chooses the cache

    config: Any = jax.config
    runtime, cache = Path(jupyter_runtime_dir()), config.jax_compilation_cache_dir
    there = next(path for path in (runtime, *runtime.parents) if path.exists())
    if not os.access(there, os.W_OK):
        return "wrong", f"Jupyter cannot write to {there}, so no kernel can start"
    if not (cache and os.access(cache, os.W_OK)):
        return "note", "no cache folder can be written to: every start compiles anew"
    return "ok", f"compiled programs are kept in {cache}"


def _kernel() -> tuple[str, str]:
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    from jupyter_client.kernelspec import KernelSpecManager

    python = Path(KernelSpecManager().get_kernel_spec("python3").argv[0])
    if python.is_absolute() and python.parent != Path(sys.executable).parent:
        return "wrong", f"the Jupyter kernel python3 is another Python: {python}"
    return "ok", "the Jupyter kernel python3 is this Python"


def _lessons() -> tuple[str, str]:
    count = len(list((ROOT / "notebooks").glob("*.ipynb")))
    return "ok" if count else "note", f"{count} lesson(s) in {ROOT / 'notebooks'}"


def _browser() -> tuple[str, str]:
    found = [*filter(None, map(shutil.which, BROWSERS))]
    if not found:
        return "note", f"no browser for the browser tests ({', '.join(BROWSERS)}): they are skipped"
    return "ok", f"a browser for the browser tests: {found[0]}"


def _speed() -> tuple[str, str]:
    from gan_lessons.presets import preset
    from gan_lessons.run import Run

    ring, began = preset("ring"), time.monotonic()
    run = Run(ring.config, ring.knobs)
    run.advance(1)
    compiled = time.monotonic()
    taken = run.advance(60)
    rate = f"{taken / (time.monotonic() - compiled):.0f} steps a second"
    text = f"the ring trains: {rate}, after {compiled - began:.1f} s to compile"
    return ("wrong", run.stopped) if run.stopped else ("ok", text)


CHECKS = (_python, _packages, _backend, _data, _folders, _kernel, _lessons, _browser, _speed)


# train


def _train(args: argparse.Namespace) -> int:
    try:
        job = Job(args)
    except InputError as error:
        return _fail(error, 2)
    with _ctrl_c() as asked:
        (job.resume if args.resume else job.begin)()
        job.train(asked)
    if job.run.stopped:
        return _fail(f"{job.run.stopped} The last good step is saved in {job.folder}")
    if job.run.step < job.steps:
        again = "the same command with --resume goes on from there"
        return _fail(f"interrupted; step {job.run.step} is saved, and {again}")
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


def _bar(done: int, total: int, plain: bool) -> Any:
    """A progress bar on a terminal; elsewhere, and if `plain`, a line now and then."""
    from tqdm import tqdm

    how: dict[str, Any] = {"total": total, "initial": done, "unit": " steps", "smoothing": 0}
    # Steps a second, however slow (`rate_fmt` would turn to seconds a step).
    how["bar_format"] = (
        "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"
    )
    if plain or not sys.stderr.isatty():
        line = "{n_fmt} of {total_fmt} steps, {elapsed}, {rate_noinv_fmt}\n"
        how |= {"mininterval": TALK, "miniters": 1, "bar_format": line}
    return tqdm(**how)


class Job:
    """One training in a terminal: set up by the command line, saved as it goes, described.

    Raises: InputError where the command line asks for something impossible.
    """

    run: Run
    saved = -1  # the step of the last checkpoint
    spent = 0.0  # seconds of training, those before a resume included

    def __init__(self, args: argparse.Namespace) -> None:
        from gan_lessons import training
        from gan_lessons.presets import preset

        self.args, self.preset = args, preset(args.preset)
        given = dict(map(_setting, args.set))
        self.moved = {name: given.pop(name) for name in training.KNOBS if name in given}
        self.config = replace(self.preset.config, **given)
        self.knobs = training.check_knobs(replace(self.preset.knobs, **self.moved))
        training.mesh(self.config.devices)
        self.seed = int(check_number("--seed", args.seed, 0, 2**31 - 1, integer=True))
        steps = self.preset.steps if args.steps is None else args.steps
        self.steps = int(check_number("--steps", steps, 1, 1e9, integer=True))
        self.every = int(check_number("--every", args.every, 1, 1e9, integer=True))
        self.folder: Path = args.out or Path("runs", f"{args.preset}-{self.seed}")

    def begin(self) -> None:
        """Start afresh, and save step 0: a folder that cannot be written to shows at once."""
        from gan_lessons import checkpoints
        from gan_lessons.run import Run

        if there := checkpoints.steps(self.folder):
            choice = "starting over (--resume would have gone on)"
            print(f"{self.folder} holds a run, up to step {there[-1]}: {choice}", file=sys.stderr)
        self.run = Run(self.config, self.knobs, self.seed, memory=1)
        self.save()

    def resume(self) -> None:
        """Take up the last checkpoint with its history and knobs; `--set` moves knobs from there.

        Raises: InputError where there is none, or one from another config or seed.
        """
        import jax
        import numpy as np

        from gan_lessons import checkpoints, training
        from gan_lessons.run import Run

        like = jax.eval_shape(lambda: training.init(self.config, self.seed))
        last = checkpoints.load(self.folder, like, self.config)
        if (seed := last.knobs.get("seed", self.seed)) != self.seed:
            raise InputError(f"{last.path} was trained from --seed {seed}, not {self.seed}")
        knobs = {name: last.knobs[name] for name in training.KNOBS if name in last.knobs}
        self.run = Run(self.config, training.Knobs(**knobs), seed, memory=1)
        state, rows = training.place(self.config, last.state), np.asarray(last.history)
        self.run.land(training.Chunk(state, rows, np.int32(len(rows)), np.True_))  # type: ignore[arg-type]
        del self.run.snapshots[0]  # that was a fresh run's, not this one's
        self.run.set(**self.moved)
        self.saved, self.spent = last.step, last.knobs.get("seconds", 0.0)

    def save(self) -> None:
        """Write a checkpoint; beside the knobs it keeps the seed and the time spent."""
        from gan_lessons import checkpoints

        run, also = self.run, {"seed": self.seed, "seconds": self.spent}
        told = asdict(run.knobs) | also
        checkpoints.save(self.folder, run.state, run.config, told, run.history, run.step)
        self.saved = run.step

    def train(self, asked: threading.Event) -> None:
        """Train to the last step, until `asked` is set, or to a number that is not finite."""
        run, chunk = self.run, 16
        with _bar(run.step, self.steps, self.args.json) as bar:
            while run.step < self.steps and run.stopped is None and not asked.is_set():
                began, due = time.monotonic(), self.every - run.step % self.every
                taken = run.advance(min(chunk, due, self.steps - run.step))
                took = time.monotonic() - began
                chunk = max(1, min(2 * chunk, int(taken * CHUNK / took)))
                self.spent += took
                bar.update(taken)
                if taken == due:
                    self.save()
        if self.saved != run.step:
            self.save()

    def report(self) -> None:
        """Write the metrics and the figure, and say how good the generator is."""
        told = {"preset": self.args.preset, "seed": self.seed, "steps": self.run.step}
        told |= {"seconds": round(self.spent, 3), **scores(self.run, self.preset.images)}
        line = json.dumps(told)
        (self.folder / "metrics.json").write_text(f"{line}\n", encoding="utf-8")
        write_history(self.run, self.folder / "metrics.csv")
        (self.folder / "figure.png").write_bytes(picture(self.run))
        print(line if self.args.json else f"{in_words(told)}\nfigure and metrics: {self.folder}")


def scores(run: Run, images: str | None) -> dict[str, Any]:
    """How good the generator is and, under "perfect", what a perfect one would score.

    For data with modes by `metrics.mode_coverage` (None where undefined), for stacked images of
    the set called `images` by `metrics.stack_coverage`, for single ones by
    `metrics.FrechetMeter`, for other data nothing.
    """
    import numpy as np

    from gan_lessons import metrics, tables
    from gan_lessons.images import Stacked, image_set

    data, ema = run.config.data, run.knobs.ema > 0
    shape: Any = getattr(data, "shape", None)
    if data.modes is not None:
        measure, perfect = tables.of_points(data, EVALUATION)
        seen = measure(np.asarray(run.sample(EVALUATION, ema=ema)))
    elif images and isinstance(data, Stacked):
        reader = metrics.train_feature_extractor(image_set(images, shape[1]))
        measure, perfect = tables.of_stacks(data, reader)
        seen = measure(np.asarray(run.sample(metrics.STACK_SAMPLES, ema=ema)))
    elif images and shape:
        meter = metrics.FrechetMeter(image_set(images, shape[0]))
        seen, perfect = {"frechet": meter(run.sample(meter.n, ema=ema))}, {"frechet": meter.floor}
    else:
        return {}
    told = {name: value if math.isfinite(value) else None for name, value in seen.items()}
    if "modes" in seen:
        told["modes"], perfect["modes"] = int(seen["modes"]), int(perfect["modes"])
    return {**told, "perfect": perfect}


def in_words(told: dict[str, Any]) -> str:
    """The metrics on one line: `ring, seed 0: modes 8 (perfect: 8), ...`."""
    perfect = told.pop("perfect", {})
    words = [f"{told.pop('preset')}, seed {told.pop('seed')}"]
    for name, value in told.items():
        ideal = f" (perfect: {perfect[name]:.4g})" if name in perfect else ""
        words.append(f"{name} {f'{value:.3g}' if isinstance(value, float) else value}{ideal}")
    return ", ".join(words)


def write_history(run: Run, path: Path) -> None:
    """One row a step, with the 9 digits that tell every float32 apart."""
    import numpy as np

    from gan_lessons.training import METRICS

    table = np.column_stack([np.arange(1, run.step + 1), run.history])
    head = ",".join(("step", *METRICS))
    np.savetxt(path, table, ["%d"] + ["%.9g"] * len(METRICS), ",", header=head, comments="")


def picture(run: Run) -> bytes:
    """What the live player would show of the run, as a PNG."""
    import jax

    from gan_lessons.live.panels import View
    from gan_lessons.live.screen import Screen
    from gan_lessons.training import traced

    panels = _panels(run.config)
    look = jax.jit(lambda state, knobs: [panel.see(run.config, state, knobs) for panel in panels])
    seen = look(run.state, traced(run.knobs))
    return Screen(panels, run).frame(seen, View(run, run.step), crisp=True)


def _panels(config: Config) -> list[Any]:
    from gan_lessons.live import panels

    data = config.data
    curves = [panels.Losses(), panels.GradientNorms() if data.modes is None else panels.Coverage()]
    if getattr(data, "shape", None):
        return [panels.ImageGrid(), *curves]
    if data.dim == 2:
        return [panels.Samples(), *curves]
    plain = data.dim == config.latent.dim == 1 and data.has_density
    return [panels.Densities(), *curves] if plain else curves


# --set KNOB=VALUE


def _setting(text: str) -> tuple[str, Any]:
    """The name (of a knob or a field of Config) and the value, which others check."""
    from gan_lessons.training import KNOBS, Config

    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set wants KNOB=VALUE, as in --set lr_d=0.002, not {text!r}")
    check_choice("knob", name, (*KNOBS, *(field.name for field in fields(Config))))
    made = name in ("data", "latent", "generator", "discriminator")
    return name, _made(name, value) if made else _number(value)


def _number(text: str) -> int | float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _made(name: str, text: str) -> Any:
    """What the text names or writes out: two-moons, Ring(modes=12), MLP((64, 64), "tanh")."""
    from gan_lessons.distributions import DISTRIBUTIONS, distribution
    from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator

    kinds: dict[str, Any] = {kind.__name__: kind for kind in DISTRIBUTIONS.values()}
    example = {"data": "two-moons or Ring(modes=12)", "latent": "normal or WithBits(Normal(3), 4)"}
    if name not in example:
        kinds = {kind.__name__: kind for kind in (MLP, ConvGenerator, ConvDiscriminator)}
    elif "(" not in text:
        return distribution(text)

    def value(node: Any) -> Any:
        if not isinstance(node, ast.Call):
            return ast.literal_eval(node)
        words = {word.arg or "": value(word.value) for word in node.keywords}
        return kinds[getattr(node.func, "id", "")](*map(value, node.args), **words)

    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError
        return value(call)
    except InputError:
        raise
    except (SyntaxError, AttributeError, KeyError, TypeError, ValueError):
        wanted = example.get(name, "MLP((64, 64), 'tanh')")
        raise InputError(f"{name} is written like {wanted}, not {text!r}") from None


# reproduce


def cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _reproduce(args: argparse.Namespace) -> int:
    import jax

    from gan_lessons import reproduce

    try:
        job = reproduce.Job(args.table, args.seeds, args.quick, args.out, args.only)
    except InputError as error:
        return _fail(error, 2)
    with contextlib.suppress(RuntimeError):  # JAX has computed something already: one device
        jax.config.update("jax_num_cpu_devices", min(cores(), job.asked or 10))
    job.begin()
    with _ctrl_c() as asked, _bar(*job.steps(), args.json) as bar:
        there = bar.initial
        for taken in job.train():
            bar.initial = there + job.resumed  # the rate is of what this command does
            bar.update(taken)
            if asked.is_set():
                break
    done, total = job.steps()
    if done < total:
        again = "the same command goes on from there"
        return _fail(f"interrupted; finished runs are kept in {job.path}, and {again}")
    told = job.report()
    job.draw(told)
    print(reproduce.in_words(told), f"runs and figure: {job.folder}", sep="\n")
    if args.json:
        print(json.dumps(told))
    return 0
