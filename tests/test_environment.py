"""No traceback from the environment: a sentence with the cause and the way out, or it works."""

from __future__ import annotations

import filecmp
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from gan_lessons import cli, environment, folders, interpreter
from gan_lessons.cli import doctor
from gan_lessons.errors import InputError
from gan_lessons.live.log import keep_traceback, log_path
from gan_lessons.networks import MLP
from gan_lessons.training import Config, Knobs, devices, init, runtime
from gan_lessons.training.run import Run

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "import sys; from gan_lessons.cli import main; sys.exit(main(sys.argv[1:]))"
TINY = Config(batch=16, generator=MLP((4,)), discriminator=MLP((4,)))


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without a variable of JAX, before JAX is loaded."""
    for name in list(os.environ):
        if name.startswith(("JAX_", "XLA_")):
            monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    return monkeypatch


def process(
    *command: str, cwd: Path = ROOT, without: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess:
    """Run a Python as a person would, with some variables more and some less."""
    inherited = {k: v for k, v in os.environ.items() if k not in (*without, "GAN_LESSONS_FAST")}
    ours = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=inherited | ours | variables,
        capture_output=True,
        timeout=120,
        text=True,
        errors="replace",
    )


# ---- variables of JAX


@pytest.mark.parametrize(
    "value", ["cuda", "gpu,cpu", "tpu", "rocm", "CPU", " cpu", "garbage", "cpu,x"]
)
def test_a_platform_that_is_not_here_is_named(value: str, clean: pytest.MonkeyPatch) -> None:
    clean.setenv("JAX_PLATFORMS", value)
    clean.setattr(interpreter, "installed_versions", dict)
    with pytest.raises(InputError, match=f"JAX_PLATFORMS={value}.*unset JAX_PLATFORMS"):
        environment.check_variables()


@pytest.mark.parametrize(
    ("value", "found"), [("cuda", "jax-cuda12-plugin"), ("METAL", "jax-metal")]
)
def test_a_platform_whose_plugin_is_here_is_left_to_jax(
    value: str, found: str, clean: pytest.MonkeyPatch
) -> None:
    clean.setenv("JAX_PLATFORMS", value)
    clean.setattr(interpreter, "installed_versions", lambda: {found: "1"})
    environment.check_variables()


GARBAGE = [
    ("XLA_FLAGS", "--xla_nonsense=1"),
    ("XLA_FLAGS", "nonsense"),
    ("XLA_FLAGS", "--xla_force_host_platform_device_count=two"),
    ("JAX_DEFAULT_MATMUL_PRECISION", "garbage"),
    ("JAX_ENABLE_X64", ""),
    ("MPLBACKEND", "garbage"),
]


@pytest.mark.parametrize(("name", "value"), GARBAGE)
def test_what_jax_cannot_read_is_named_before_jax_is_loaded(
    name: str, value: str, clean: pytest.MonkeyPatch
) -> None:
    clean.setenv(name, value)
    with pytest.raises(InputError, match=f"^{name}={value}: .*unset {name}"):
        environment.check_variables()


def test_usual_variables_are_not_tried_in_a_process(clean: pytest.MonkeyPatch) -> None:
    clean.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    for name, value in {
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "True",
        "JAX_NUM_CPU_DEVICES": "8",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_COMPILATION_CACHE_DIR": "/some/where",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "XLA_FLAGS": "",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": ".5",
    }.items():
        clean.setenv(name, value)
    environment.check_variables()


def test_good_flags_are_let_through(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    environment.check_variables()


MATTERS = {
    "JAX_ENABLE_X64": "1",
    "JAX_DISABLE_JIT": "true",
    "JAX_DEBUG_NANS": "True",
    "JAX_DEBUG_INFS": "on",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_TRANSFER_GUARD": "disallow",
    "JAX_RANDOM_SEED_OFFSET": "3",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_CHECK_TRACER_LEAKS": "1",
}


def test_what_a_program_has_no_use_for_is_set_aside_and_said(clean: pytest.MonkeyPatch) -> None:
    for name, value in MATTERS.items():
        clean.setenv(name, value)
    clean.setenv("JAX_NUMPY_RANK_PROMOTION", "raise")
    notes = environment.set_aside()
    assert [note.split(" ")[0] for note in notes] == [
        f"{n}={MATTERS[n]}" for n in environment.ASIDE if n in MATTERS
    ]
    assert not MATTERS.keys() & os.environ.keys()
    assert os.environ["JAX_NUMPY_RANK_PROMOTION"] == "raise"
    assert environment.set_aside() == []


def test_what_changes_nothing_is_not_spoken_of(clean: pytest.MonkeyPatch) -> None:
    for name, aside in environment.ASIDE.items():
        clean.setenv(name, aside.harmless[0].upper() if "PRNG" not in name else aside.harmless[0])
    assert environment.set_aside() == []


TRAIN = """
from gan_lessons import environment
environment.check_variables()
assert len(environment.set_aside()) == 9
from gan_lessons.networks import MLP
from gan_lessons.training import Config
from gan_lessons.training.run import Run
run = Run(Config(batch=16, generator=MLP((4,)), discriminator=MLP((4,))))
run.advance(3)
print(run.history.tobytes().hex())
"""


def test_what_is_set_aside_changes_no_number(tmp_path: Path) -> None:
    """In a process of its own, with all of it and without a home, against a run in this one."""
    (tmp_path / "file").touch()  # no home, even for root
    done = process("-c", TRAIN, **MATTERS, HOME=str(tmp_path / "file"), cwd=tmp_path)
    run = Run(TINY)
    run.advance(3)
    assert done.stdout.strip() == run.history.tobytes().hex(), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_seed_gives_the_same_run_whatever_random_numbers_jax_is_set_to() -> None:
    plain, sweep = Run(TINY), init(TINY, [0, 1])
    plain.advance(3)
    with jax.default_prng_impl("rbg"):
        other = Run(TINY)
        other.advance(3)
        assert np.array_equal(plain.history, other.history)
        assert np.array_equal(plain.sample(5), other.sample(5))
        assert np.array_equal(sweep.g, init(TINY, [0, 1]).g)


@pytest.mark.parametrize("setting", ["jax_debug_nans", "jax_debug_infs"])
def test_a_run_that_diverges_stops_with_its_sentence_where_jax_would_raise(setting: str) -> None:
    jax.config.update(setting, True)
    try:
        wild = Run(TINY, Knobs(objective="wasserstein", lr_d=10.0, lr_g=10.0))
        wild.set(lr_d=10.0)
        for _ in range(40):
            wild.advance(50)
            wild._state = jax.tree.map(
                lambda leaf: leaf * np.float32(1e30) if leaf.dtype == np.float32 else leaf,
                wild.state,
            )
            if wild.stopped:
                break
    finally:
        jax.config.update(setting, False)
    assert wild.stopped and "no longer finite" in wild.stopped


def test_jax_without_a_device_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(InputError, match="JAX_PLATFORMS=cuda"):
        devices.check_devices()
    with pytest.raises(InputError, match="JAX_PLATFORMS=cuda"):
        init(TINY, 0)


def test_a_failing_command_is_asked_whether_there_is_a_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gan_lessons.cli import train

    def fail(args: Any) -> int:
        raise AssertionError

    monkeypatch.setattr(train, "train_command", fail)
    with pytest.raises(AssertionError):  # a mistake of ours stays one
        cli.main(["train", "ring"])
    monkeypatch.setattr(jax, "devices", fail)
    assert cli.main(["train", "ring"]) == 1
    assert "compute" in capsys.readouterr().err


def test_the_variables_of_a_notebook_are_set_back(
    clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean.setenv("JAX_DEBUG_NANS", "1")
    clean.setenv("JAX_ENABLE_X64", "1")  # this one is refused, not changed
    jax.config.update("jax_debug_nans", True)
    try:
        runtime._set_back()
        assert not jax.config.jax_debug_nans
    finally:
        jax.config.update("jax_debug_nans", False)
    assert "JAX_DEBUG_NANS=1" in capsys.readouterr().err


def test_doctor_names_every_variable_that_is_wrong_and_goes_on(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("JAX_PLATFORMS", "garbage")
    clean.setenv("XLA_FLAGS", "--xla_nonsense=1")
    clean.setenv("JAX_DEBUG_NANS", "1")
    sign, text = doctor._variables()
    assert sign == "wrong"
    assert all(word in text for word in ("JAX_PLATFORMS=garbage", "XLA_FLAGS", "JAX_DEBUG_NANS=1"))
    assert doctor._variables()[0] == "ok"


# ---- in a notebook


def first_cell(code: str, cwd: Path, **variables: str) -> str:
    """What IPython shows of a cell."""
    done = process(
        "-m", "IPython", "--simple-prompt", "--no-banner", "-c", code, cwd=cwd, **variables
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "variables",
    [{"JAX_PLATFORMS": "cuda"}, {"XLA_FLAGS": "--xla_no=1"}, {"JAX_TRANSFER_GUARD": "disallow"}],
)
def test_a_first_cell_shows_one_sentence(variables: dict[str, str], tmp_path: Path) -> None:
    shown = first_cell("from gan_lessons.live import playground", tmp_path, **variables)
    (line,) = [line for line in shown.splitlines() if line.strip()]
    (name,) = variables
    assert line.startswith(f"InputError: {name}={variables[name]}") and f"unset {name}" in line


def test_importing_the_package_alone_loads_and_changes_nothing(tmp_path: Path) -> None:
    code = "import sys, gan_lessons; print(sorted({'jax', 'flax'} & set(sys.modules)))"
    assert first_cell(code, tmp_path).strip() == "[]"
    assert process("-c", code, JAX_PLATFORMS="garbage").stdout.strip() == "[]"


def test_a_file_that_hides_a_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flax.py").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"flax\.py.*rename"):
        environment.check_notebook()


def test_versions_that_do_not_fit_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert interpreter.misfits() == []
    jaxlib = tmp_path / "jaxlib-0.4.1.dist-info"
    jaxlib.mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (fault,) = interpreter.misfits()
    assert "jaxlib is 0.4.1" in fault
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"jaxlib is 0\.4\.1.*gan_lessons lab"):
        environment.check_notebook()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'flax'", name="flax"), ("flax", "not installed")),
        (ImportError("libfoo.so: cannot open"), ("libfoo.so", "doctor")),
        (RuntimeError("jaxlib version 9 is newer than jax"), ("jaxlib version 9", "environment")),
        (AttributeError("module 'jax' has no attribute 'x'"), ("no attribute", "environment")),
    ],
)
def test_packages_that_do_not_load_are_explained(error: Exception, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as told, environment.explained():
        raise error
    assert all(word in str(told.value) for word in words)
    assert "\n" not in str(told.value)


# ---- another gan_lessons


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Another version of the package, in another checkout."""
    root = tmp_path / "clone"
    shutil.copytree(ROOT / "gan_lessons", root / "gan_lessons")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "notebooks").mkdir()
    return root


def test_another_version_is_told_and_one_that_is_alike_is_not(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = [entry for entry in sys.path if not (Path(entry) / "gan_lessons").is_dir()]
    monkeypatch.setattr(sys, "path", ["", str(ROOT), *rest])
    monkeypatch.chdir(clone / "notebooks")
    assert environment.other_copies() == [] and environment.copy_of_this_folder() is None
    (clone / "gan_lessons" / "cli" / "fail.py").write_text("# another version\n")
    filecmp.clear_cache()
    other = (clone / "gan_lessons").resolve()
    assert environment.other_copies() == [other]
    with pytest.raises(InputError, match=str(clone)):
        environment.check_notebook()
    assert cli.main(["train", "rnig"]) == 2
    told = capsys.readouterr().err
    assert str(other) in told and str(ROOT / "gan_lessons") in told
    assert doctor._package()[0] == "note"
    monkeypatch.chdir(ROOT)
    assert environment.other_copies() == [] and doctor._package()[0] == "ok"
    monkeypatch.setattr(sys, "path", ["", str(clone), str(ROOT), *rest])
    assert environment.copy_that_kernels_load() == other
    assert doctor._package()[0] == "wrong"


def test_a_folder_that_was_deleted_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    environment.other_copies()


# ---- homes and folders


def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom no list knows."""

    def unknown(number: int) -> Any:
        raise KeyError(number)

    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no list of users to be missing in")
@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_nothing_is_kept_and_nothing_is_called_tilde(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody(monkeypatch)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    assert folders.home() is folders.our_cache("x") is log_path() is None
    runtime._cache_compiled_programs()
    keep_traceback(ValueError("x"), "here")
    assert doctor._log()[0] == doctor._folders()[0] == "note"
    assert list(tmp_path.iterdir()) == []


def test_relative_folders_in_variables_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, "relative")
    assert folders.our_cache("x") == tmp_path / ".cache" / "gan-lessons" / "x"
    assert log_path() == tmp_path / ".local" / "state" / "gan-lessons" / "errors.log"


@pytest.mark.parametrize("kind", ["file", "missing", "folder", "link to nowhere"])
def test_whether_a_folder_can_be_written_to(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("")
    if kind == "folder":
        place.mkdir()
    if kind == "link to nowhere":
        place.symlink_to(tmp_path / "nowhere")
    good = kind in ("missing", "folder")
    assert folders.writable(place / "inner") is good
    assert place.is_dir() is (kind == "folder")  # it only looked
    assert folders.made(place / "inner") is good


UNPRIVILEGED = """
import fcntl, json, os, pwd, sys, tempfile, uuid
from jupyter_core import paths
from gan_lessons import cli, interpreter
from gan_lessons.cli import lessons, storage
from pathlib import Path
interpreter.ROOT = Path(sys.argv[1])
os.chdir(sys.argv[1])
os.setgroups([]), os.setgid(54321), os.setuid(54321)
os.execv = lambda path, command: print("ran", *command)
sys.exit(cli.main(["lab", "--no-browser"]) or 0)
"""


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can become a user who may not write to the checkout",
)
def test_lab_in_a_read_only_checkout_of_an_unknown_user_works_on_copies_elsewhere(
    tmp_path: Path,
) -> None:
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    shutil.copytree(ROOT / "notebooks", checkout / "notebooks")
    home.mkdir()
    os.chown(home, 54321, 54321)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001 and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    done = process("-c", UNPRIVILEGED, str(checkout), HOME=str(home))
    assert "Traceback" not in done.stderr and "ran" in done.stdout, done.stderr
    assert f"root_dir={home / 'my-gan-lessons'}" in done.stdout
    assert str(home / "my-gan-lessons") in done.stderr
    assert (home / "my-gan-lessons" / "00_start_here.ipynb").is_file()
    assert not (checkout / "my-lessons").exists()
    done = process("-c", UNPRIVILEGED, str(checkout), without=("HOME",))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "HOME" in done.stderr.splitlines()[-1]


# ---- streams


def help_into(stream: Any) -> subprocess.CompletedProcess:
    """Print a help text; its writing fails at the end, as it does not fill the buffer."""
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", PROGRAM, "lab", "--help"]
    return subprocess.run(
        command, cwd=ROOT, env=buffered, stdout=stream, stderr=subprocess.PIPE, text=True
    )


def test_a_pipe_that_nobody_reads_ends_in_a_sentence() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = help_into(writer)
    os.close(writer)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gan-lessons: nobody reads")


@pytest.mark.skipif(os.name == "nt", reason="a shell's way to close a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_do_no_harm(closed: str) -> None:
    command = f'"{sys.executable}" -c "{PROGRAM}" lab --help {closed}'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_under_the_output_is_a_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = help_into(full)
    assert done.returncode == 1
    assert done.stderr == "gan-lessons: No space left on device\n"


def test_a_terminal_in_ascii_gets_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert cli.main(["train", "--knobs"]) == 0
    sys.stdout.flush()
    assert b"Weight ? of the penalty" in written.getvalue()
