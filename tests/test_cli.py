"""The command line: what it refuses, what it writes, and that a resumed run is the same run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from gan_lessons import cli, interpreter, papers, training
from gan_lessons.cli import doctor, interrupts, reproduce, storage, train
from gan_lessons.cli import order as orders
from gan_lessons.cli.lab import START
from gan_lessons.cli.parser import command_line_parser
from gan_lessons.cli.report import in_one_line, scores
from gan_lessons.cli.settings import read_settings
from gan_lessons.distributions import Grid, Normal, Ring, Uniform, WithBits
from gan_lessons.live.log import log_path
from gan_lessons.live.stills import snapshot
from gan_lessons.networks import MLP
from gan_lessons.presets import Preset, preset
from gan_lessons.training import Config, Knobs, checkpoints
from gan_lessons.training.run import Run
from tests.line_learner import LineConfig, LineKnobs

SMALL = "MLP((8,), 'tanh')"
TINY = ["--set", "batch=16", f"generator={SMALL}", f"discriminator={SMALL}"]
PROGRAM = "import sys; from gan_lessons.cli import main; sys.exit(main(sys.argv[1:]))"


def run_train(folder: Path, *more: str) -> int:
    return cli.main(["train", "ring", *TINY, "--out", str(folder), *more])


def order(name: str, *more: str) -> train.TrainingOrder:
    return train.training_order(command_line_parser().parse_args(["train", name, *TINY, *more]))


def last(folder: Path, *more: str) -> tuple[checkpoints.Checkpoint, list[np.ndarray]]:
    """The last checkpoint of a tiny ring, and the leaves of its state."""
    config = order("ring", *more).config
    saved = checkpoints.load(folder, training.init(config, 0), config)
    state = jax.tree.leaves(saved.state)
    keys = [jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in state]
    bits = [jax.random.key_data(a) if k else a for a, k in zip(state, keys, strict=True)]
    return saved, [np.asarray(leaf) for leaf in bits]


def same(one: Path, other: Path) -> bool:
    """Whether two finished runs are equal, bit for bit: state, knobs and history."""
    (a, state), (b, expected) = last(one), last(other)
    tables = ((folder / "metrics.csv").read_text() for folder in (one, other))
    return (
        a.step == b.step
        and all(map(np.array_equal, state, expected))
        and np.array_equal(np.asarray(a.history), np.asarray(b.history))
        and {**a.knobs, "seconds": 0} == {**b.knobs, "seconds": 0}
        and len(set(tables)) == 1
    )


def one_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What standard error says, which must be one line."""
    said = capsys.readouterr().err.strip().splitlines()
    said = [line for line in said if line.startswith("gan-lessons")]
    assert len(said) == 1
    return said[0]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figure, which costs more than the tiny training."""
    monkeypatch.setattr(train, "snapshot", lambda run: b"")


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from gan_lessons.cli import main; main(['train', '--help']); " + (
        "assert not {'jax', 'numpy', 'matplotlib', 'tqdm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=interpreter.ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr


BAD_COMMAND_LINES = [  # and what the sentence says
    (["train", "rnig"], "ring"),
    (["train", "ring", "--seed", "-1"], "seed"),
    (["train", "ring", "--steps", "0"], "steps"),
    (["train", "ring", "--steps", "many"], "many"),
    (["train", "ring", "--every", "0"], "every"),
    (["train", "ring", "--set", "lr_q=1"], "lr_g"),
    (["train", "ring", "--set", "bacth=1"], "batch"),
    (["train", "ring", "--set", "lr_d"], "KNOB=VALUE"),
    (["train", "ring", "--set", "lr_d=-1"], "lr_d"),
    (["train", "ring", "--set", "lr_d=nan"], "lr_d"),
    (["train", "ring", "--set", "lr_d=fast"], "lr_d"),
    (["train", "ring", "--set", "batch=2.5"], "whole"),
    (["train", "ring", "--set", "objective=hing"], "hinge"),
    (["train", "ring", "--set", "d_steps=0", "g_steps=0"], "d_steps"),
    (["train", "ring", "--set", "data=two-mons"], "two-moons"),
    (["train", "ring", "--set", "data=Ring(modes=0)"], "modes"),
    (["train", "ring", "--set", "data=open('x')"], "Ring"),
    (["train", "ring", "--set", "generator=64"], "MLP"),
    (["train", "ring", "--set", "latent=(3)"], "WithBits"),
    (["train", "ring", "--set", "latent=WithBits(Ball(2))"], "WithBits"),
    (["train", "ring", "--set", "latent=WithBits('norml')"], "normal"),
    (["train", "ring", "--set", "devices=4096", "batch=4096"], "devices"),
    (["reproduce", "penalty"], "penalties"),
    (["reproduce", "penalties", "--seeds", "0"], "--seeds"),
    (["reproduce", "penalties", "--seeds", "many"], "many"),
    (["reproduce"], "TABLE"),
    (["lab", "--port", "0"], "65535"),
    (["trian"], "train"),
    ([], "COMMAND"),
]


def test_a_bad_command_line_gets_a_sentence_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for argv, hint in BAD_COMMAND_LINES:
        assert cli.main(argv) == 2, argv
        assert hint in one_sentence(capsys), argv
    assert not list(tmp_path.iterdir())


def test_the_list_of_knobs_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--knobs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*training.KNOBS]
    assert all(each.help in line for each, line in zip(training.KNOBS.values(), lines, strict=True))


def test_set_reads_what_python_prints() -> None:
    """A distribution inside another, too."""
    for value in (WithBits(Normal(3), 4), Ring(modes=12), Uniform(2, -2.0, 2.0)):
        assert read_settings([f"latent={value!r}"], Config(), Knobs()) == ({"latent": value}, {})


def test_train_writes_checkpoints_metrics_and_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["train", "ring", *TINY, "--seed", "3", "--steps", "50", "--every", "20", "--json"]
    assert cli.main(argv) == 0
    (folder,) = Path("runs").glob("ring-3-*")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    told = json.loads(capsys.readouterr().out.splitlines()[-1], parse_constant=refuse)
    assert told == json.loads((folder / "metrics.json").read_text())
    assert (told["preset"], told["seed"], told["steps"]) == ("ring", 3, 50)
    assert {"modes", "high_quality", "kl", "std_ratio", "seconds"} <= told.keys()
    assert 0 <= told["modes"] <= told["perfect"]["modes"] == 8
    assert 0 <= told["high_quality"] <= 1 and told["seconds"] > 0
    assert checkpoints.steps(folder) == [20, 40, 50]
    table = np.genfromtxt(folder / "metrics.csv", delimiter=",", names=True)
    assert table.dtype.names == ("step", *training.METRICS)
    assert np.array_equal(table["step"], np.arange(1, 51))
    history = last(folder, "--seed", "3")[0].history
    assert np.array_equal(table["d_loss"].astype(np.float32), np.asarray(history)[:, 0])
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("preset", "more", "scored"),
    [
        ("one-dimension", [], "modes"),
        ("ring", ["--set", "data=two-moons"], None),
        ("ring", ["--set", "data=Normal(3)"], None),
        ("leaky-256-512", [], "frechet"),
        ("stacked-digits", [], "modes"),
        ("stacked-conv", [], "modes"),
    ],
)
def test_every_kind_of_data_gets_its_figure_and_its_score(
    preset: str, more: list[str], scored: str | None
) -> None:
    asked = order(preset, *more)
    run = Run(asked.config, asked.knobs)
    assert snapshot(run).startswith(b"\x89PNG")
    told = scores(run, asked.images)
    if preset.startswith("stacked"):
        assert "(perfect: 1000)" in in_one_line({"preset": preset, "seed": 0, **told})
    assert scored is None or told[scored] >= 0
    assert {"modes", "frechet"} & told.keys() == ({scored} if scored else set())


@pytest.mark.usefixtures("plain")
def test_the_end_of_a_schedule_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decay = [
        "--set",
        "decay_steps=10",
        "lr_d=0.002",
        "lr_d_end=0.001",
        "lr_g_end=0",
        "r1=0",
        "r2=0",
    ]
    assert run_train(tmp_path / "within", "--steps", "10", *decay) == 0
    assert "schedule" not in capsys.readouterr().err
    assert run_train(tmp_path / "past", "--steps", "12", *decay) == 0
    said = capsys.readouterr().err
    assert "the schedule ends at step 10: from there the rates stay at lr_d=0.001, lr_g=0;" in said


@pytest.mark.usefixtures("plain")
def test_any_learner_is_trained_saved_resumed_and_reported(tmp_path: Path) -> None:
    knobs = LineKnobs(rate=0.01)
    given, moved = read_settings(["batch=32", "rate=0.02", "data=grid"], LineConfig(), knobs)
    assert (given, moved) == ({"batch": 32, "data": Grid()}, {"rate": 0.02})
    asked = train.TrainingOrder(
        *("line", None, LineConfig(batch=32), knobs, {}, 0),
        steps=20,
        every=100,
        folder=tmp_path,
        json=False,
    )
    first = train.Training(asked)
    first.begin()
    first.train(threading.Event())
    again = train.Training(replace(asked, steps=30, moved={"rate": 0.5}))
    again.resume()
    again.train(threading.Event())
    assert (again.run.step, again.run.knobs.rate) == (30, 0.5)
    assert np.array_equal(again.run.history[:20], first.run.history)
    again.report()
    assert (tmp_path / "metrics.csv").read_text().startswith("step,loss\n1,")
    assert "modes" in json.loads((tmp_path / "metrics.json").read_text())


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A table of two rows that trains in no time."""

    def table() -> papers.Table:
        ring = preset("ring")
        small = replace(ring.config, batch=16, generator=MLP((8,)), discriminator=MLP((8,)))
        kinds = {"a": 21, "b": 4000}
        rows = [papers.Row(name, Preset(small, Knobs(), n)) for name, n in kinds.items()]
        count = {"modes": 8.0}
        return papers.Table("Tiny", rows, lambda samples: count, 10, count, [], True)

    monkeypatch.setitem(papers.TABLES, "tiny", table)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("tiny")
def test_reproduce_prints_a_table_and_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "tiny", "--seeds", "1", "--json", "--out", "here"]) == 0
    out = capsys.readouterr().out.splitlines()
    told = json.loads(out[-1])
    assert [row["row"] for row in told["rows"]] == ["a", "b"]
    assert any(line.startswith("b ") for line in out)
    assert {path.name for path in Path("here").glob("[!.]*")} == {"runs.csv", "figure.png"}


@pytest.mark.usefixtures("tiny")
def test_reproduce_interrupted_keeps_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Press:  # Ctrl-C while the second run trains
        def __init__(self) -> None:
            self.steps = self.initial = 0

        def update(self, taken: int) -> None:
            self.steps += taken
            if self.steps > 21:
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.3)  # this is a thread of its own

    monkeypatch.setattr(reproduce, "progress_bar", lambda *_: contextlib.nullcontext(Press()))
    assert cli.main(["reproduce", "tiny", "--seeds", "1"]) == 1
    assert "goes on" in one_sentence(capsys)
    lines = Path("runs", "reproduce-tiny", "runs.csv").read_text().splitlines()
    assert len(lines) == 2  # the heading, and the run that was finished


@pytest.mark.usefixtures("tiny")
def test_reproduce_refuses_a_folder_it_cannot_use(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("not a folder")
    assert cli.main(["reproduce", "tiny", "--out", "file/there"]) == 1
    assert "file" in one_sentence(capsys)
    Path("runs.csv").write_text("row,seed\na,x\n")
    assert cli.main(["reproduce", "tiny", "--out", "."]) == 1
    assert "runs.csv" in one_sentence(capsys)


@pytest.mark.usefixtures("plain")
def test_resume_goes_on_bit_for_bit(tmp_path: Path) -> None:
    knobs = ["--set", "ema=0.9", "noise=0.1", "decay_steps=60"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run_train(whole, "--steps", "61", *knobs) == 0
    assert run_train(parts, "--steps", "23", "--every", "7", *knobs) == 0
    assert run_train(parts, "--steps", "40", "--resume") == 0  # knobs come from the checkpoint
    assert run_train(parts, "--steps", "61", "--resume", *knobs) == 0
    assert same(whole, parts)
    assert run_train(parts, "--steps", "61", "--resume") == 0  # nothing left to do does no harm
    assert same(whole, parts)


@pytest.mark.usefixtures("plain")
def test_knobs_may_move_at_a_resume(tmp_path: Path) -> None:
    assert run_train(tmp_path, "--steps", "10") == 0
    assert run_train(tmp_path, "--steps", "20", "--resume", "--set", "lr_d=0.5") == 0
    saved, _ = last(tmp_path)
    assert (saved.step, saved.knobs["lr_d"], len(saved.history)) == (20, 0.5, 20)


@pytest.mark.usefixtures("plain")
def test_a_second_start_never_touches_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_train(tmp_path / "a", "--steps", "10") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    for more in ([], ["--steps", "20"], ["--set", "lr_d=0.002"], ["--seed", "1"]):
        capsys.readouterr()
        assert run_train(tmp_path / "a", *more) == 1
        assert "--resume" in one_sentence(capsys)
        assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "metrics.csv").write_text("of something else")
    assert run_train(tmp_path / "b", "--steps", "3") == 1
    assert (tmp_path / "b" / "metrics.csv").read_text() == "of something else"


@pytest.mark.usefixtures("plain")
def test_the_folder_s_name_depends_on_what_defines_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def folder(*more: str) -> Path:
        return train.training_order(
            command_line_parser().parse_args(["train", "ring", *more])
        ).folder

    kept = str(preset("ring").knobs.lr_d)
    asked = [
        [],
        ["--seed", "1"],
        ["--set", "lr_d=0.01"],
        ["--set", "lr_d=0.01", "batch=64"],
        ["--set", "data=two-moons"],
        ["--set", f"generator={SMALL}"],
        ["--set", f"generator={SMALL}", "data=Ring(modes=12)"],
        ["--set", f"generator={SMALL}", "data=Ring(modes=13)"],
    ]
    folders = [folder(*more) for more in asked]
    assert len(set(folders)) == len(asked)
    assert {len(each.parts) for each in folders} == {2} and max(len(f.name) for f in folders) < 100
    assert folder("--set", f"lr_d={kept}") == folder() == Path("runs", "ring-0")
    assert folder("--set", "batch=64", "lr_d=1e-2") == folder("--set", "lr_d=.01", "batch=64")


@pytest.mark.usefixtures("plain")
def test_a_resume_finds_the_run_that_was_begun_with_other_knobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With settings, a run of these settings is meant if there is one, else the plain one."""
    small = replace(preset("ring").config, batch=16, generator=MLP((8,)), discriminator=MLP((8,)))
    monkeypatch.setattr(orders, "preset", lambda _: replace(preset("ring"), config=small))
    monkeypatch.chdir(tmp_path)
    plain, own = Path("runs", "ring-0"), Path("runs", "ring-0-lr_d=0.5")
    moved = ["--set", "lr_d=0.5"]
    assert cli.main(["train", "ring", "--steps", "4"]) == 0
    assert cli.main(["train", "ring", "--steps", "6", "--resume", *moved]) == 0
    assert checkpoints.saved(plain)[-1] == 6 and not own.exists()
    assert cli.main(["train", "ring", "--steps", "5", *moved]) == 0
    assert cli.main(["train", "ring", "--steps", "9", "--resume", *moved]) == 0
    assert (checkpoints.saved(plain)[-1], checkpoints.saved(own)[-1]) == (6, 9)
    assert f"{own} is at step 5" in capsys.readouterr().err


def wait(process: subprocess.Popen, ready: Callable[[], Any]) -> None:
    until = time.monotonic() + 120
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is None and ready(), process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to a process on Windows")
@pytest.mark.usefixtures("plain")
def test_ctrl_c_saves_and_a_resume_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    folder, whole = tmp_path / "cut", tmp_path / "whole"
    argv = ["train", "ring", *TINY, "--out", str(folder), "--steps", "1000000", "--every", "100"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *argv],
        cwd=interpreter.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait(process, lambda: list(folder.glob("*-step-*00.checkpoint")))
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "--resume" in error and "Traceback" not in error and not out
    end = last(folder)[0].step + 30
    assert run_train(folder, "--steps", str(end), "--resume") == 0
    assert run_train(whole, "--steps", str(end)) == 0
    assert same(folder, whole)


@pytest.mark.skipif(os.name == "nt", reason="these signals are not there on Windows")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_whatever_ends_a_training_leaves_what_was_trained(tmp_path: Path, name: str) -> None:
    """A polite end saves the present step; SIGKILL leaves what the clock has saved."""
    argv = ["train", "ring", *TINY, "--out", str(tmp_path), "--steps", "1000000"]
    code = f"import gan_lessons.cli.train as t; t.SAVE = 0.5; {PROGRAM}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *argv, "--every", "900000"],
        cwd=interpreter.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait(process, lambda: len(checkpoints.saved(tmp_path)) > 2)
        before = checkpoints.saved(tmp_path)[-1]
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    after = checkpoints.steps(tmp_path)[-1]
    assert after >= before > 0 and "Traceback" not in error
    if name != "SIGKILL":  # the clock may have saved this very step a moment before
        assert f"step {after} is saved" in error
    assert last(tmp_path)[0].step == after == len(last(tmp_path)[0].history)


@pytest.mark.skipif(os.name == "nt", reason="a signal to oneself ends the process on Windows")
def test_a_second_ctrl_c_ends_at_once_and_a_double_one_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []
    release = threading.Event()

    def end(status: int) -> None:
        ended.append(status)
        release.set()

    monkeypatch.setattr(interrupts.os, "_exit", end)
    monkeypatch.setattr(interrupts, "DOUBLE", 0.5)

    def press(*delays: float) -> None:
        for delay in delays:
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGINT)

    def work(asked: threading.Event) -> str:  # a long compilation, which cannot be cut short
        assert asked.wait(10)
        release.wait(1.5)
        return "done"

    fast = threading.Thread(target=press, args=(0.2, 0.05, 0.05))
    fast.start()
    assert interrupts.until_asked(work) == "done" and not ended
    fast.join()
    slow = threading.Thread(target=press, args=(0.2, 1.0))
    slow.start()
    assert interrupts.until_asked(work) == "done" and ended == [1]
    slow.join()
    assert "stopping" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("plain")
def test_a_damaged_last_checkpoint_is_passed_over_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_train(tmp_path, "--steps", "30", "--every", "10") == 0
    newest = checkpoints.newest(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-1])
    assert run_train(tmp_path, "--steps", "31", "--resume") == 0
    said = capsys.readouterr().err
    assert newest.name in said and "is at step 20" in said
    assert last(tmp_path)[0].step == 31


def test_an_interrupt_at_any_other_time_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(args: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "doctor", interrupted)
    assert cli.main(["doctor"]) == 1
    assert "interrupted" in one_sentence(capsys)


@pytest.mark.usefixtures("plain")
def test_a_run_that_diverges_keeps_its_last_good_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ["--set", "objective=wasserstein", "lr_d=10", "lr_g=10", "optimizer=sgd", "r1=0", "r2=0"]
    wild += ["discriminator=MLP((8, 8), 'silu')"]  # tanh would saturate and hold it
    assert run_train(tmp_path, "--steps", "500", *wild) == 1
    assert "no longer finite" in one_sentence(capsys)
    saved, state = last(tmp_path, *wild)
    assert 0 < saved.step == len(saved.history) < 500
    assert np.isfinite(np.asarray(saved.history)).all()
    assert all(np.isfinite(leaf).all() for leaf in state)


@pytest.mark.usefixtures("plain")
def test_a_folder_that_cannot_be_resumed_gets_a_sentence_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_train(tmp_path / "none", "--resume") == 1
    assert "none" in one_sentence(capsys)
    folder = tmp_path / "run"
    assert run_train(folder, "--steps", "3") == 0
    capsys.readouterr()
    assert run_train(folder, "--resume", "--set", "batch=32") == 1
    assert "batch" in one_sentence(capsys)
    assert run_train(folder, "--resume", "--seed", "1") == 1
    assert "--seed 0" in one_sentence(capsys)
    for path in folder.glob("*.checkpoint"):
        path.write_bytes(path.read_bytes()[:-5])
    assert run_train(folder, "--resume") == 1
    assert "damaged" in one_sentence(capsys)


def test_a_folder_that_cannot_be_written_shows_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert run_train(tmp_path / "file" / "run", "--steps", "1000000") == 1
    assert "cannot save" in one_sentence(capsys)


def test_doctor_signs_every_line_and_fails_if_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["doctor"])
    *lines, verdict = capsys.readouterr().out.splitlines()
    lines = [line for line in lines if not line.startswith("kept ")]
    assert len(lines) == len(doctor.CHECKS) and verdict.endswith(".")
    signs = {line.split()[0] for line in lines}
    assert signs <= {"ok", "note", "wrong"} and status == ("wrong" in signs)
    assert any("steps a second" in line for line in lines)
    assert any(str(log_path()) in line for line in lines)

    def _broken() -> tuple[str, str]:
        raise RuntimeError("no backend\nand more")

    def _absent() -> tuple[str, str]:
        raise ModuleNotFoundError(name="jax")

    monkeypatch.setattr(doctor, "CHECKS", (_absent, _broken))
    monkeypatch.setattr(storage, "kept", lambda: iter(()))
    assert cli.main(["doctor"]) == 1
    absent, broken, _ = capsys.readouterr().out.splitlines()
    assert absent.startswith("note ") and "jax" in absent
    assert broken.startswith("wrong  broken: RuntimeError")


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The programs that this process would have become, in a checkout of a test's own."""
    seen: list[list[str]] = []
    monkeypatch.setattr(interpreter, "ROOT", tmp_path)
    monkeypatch.setattr(os, "execv", lambda path, command: seen.append(command))
    monkeypatch.setattr(os, "name", "posix")
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.chdir(tmp_path)
    return seen


@pytest.mark.parametrize("command", ["lab", "playground"])
def test_lab_opens_the_first_lesson_with_this_python(
    command: str, become: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command]) == 1
    assert "checkout" in one_sentence(capsys) and not become
    (interpreter.ROOT / "notebooks").mkdir()
    (interpreter.ROOT / "notebooks" / START).write_text('{"cells": []}')
    cli.main([command, "--port", "9000", "--no-browser"])
    (ran,) = become
    assert ran[:3] == [sys.executable, "-m", "jupyterlab"]
    assert {"--port=9000", "--no-browser"} <= set(ran)
    assert f"--ServerApp.root_dir={interpreter.ROOT / 'my-lessons'}" in ran
    assert any(option.endswith(f"/{START}") for option in ran)
    assert os.environ["JUPYTER_PREFER_ENV_PATH"] == "1"


def test_test_hands_everything_on(become: list[list[str]]) -> None:
    (interpreter.ROOT / "tests").mkdir()
    (interpreter.ROOT / "tests" / "__main__.py").touch()
    cli.main(["test", "--engine", "-h", "--", "-k", "ring"])
    assert become == [[sys.executable, "-m", "tests", "--engine", "-h", "--", "-k", "ring"]]
