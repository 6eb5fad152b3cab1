"""Reproduced tables: what is trained, that nothing is trained twice, what is said and written."""

from __future__ import annotations

import csv
import functools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_lessons import metrics, papers, training
from gan_lessons.distributions import Ring
from gan_lessons.errors import InputError
from gan_lessons.networks import MLP
from gan_lessons.papers import TABLES, Reproduction, Row, Table, reproduction, stacked, sweep
from gan_lessons.papers.cures import BUDGET
from gan_lessons.papers.recipe import QUICK, recipe_key
from gan_lessons.papers.words import SHOWN
from gan_lessons.presets import DENSE_PAIRS, PRESETS, Preset
from gan_lessons.training import Config, Knobs

STEPS = 24
RESULTS = Path(__file__).parent.parent / "notebooks" / "results"
STORED = sorted(path.parent for path in RESULTS.glob("*/runs.csv"))
SMALL = Config(Ring(), generator=MLP((8,), "tanh"), discriminator=MLP((8,), "silu"), batch=16)


def measure(samples: np.ndarray) -> dict[str, float]:
    found = metrics.mode_coverage(samples, SMALL.data.modes, SMALL.data.mode_std)
    return {"modes": float(found.modes), "kl": float(found.kl)}


def tiny() -> Table:
    recipe = Preset(SMALL, Knobs(decay_steps=STEPS), STEPS)
    hinge = replace(recipe, knobs=replace(recipe.knobs, objective="hinge"))
    rows = [Row("plain", recipe, {"modes": 3.3}, "a paper"), Row("hinge", hinge)]
    return Table("A tiny table", rows, measure, 200, {"modes": 8.0, "kl": 0.02}, ["A note."], True)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TABLES, "tiny", tiny)
    monkeypatch.setattr(reproduction, "provenance", lambda: "commit 1234567")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The objective and the seeds of every training that begins."""
    seen: list[tuple[str, int]] = []
    train = Reproduction._sweep

    def watch(job: Reproduction, row: Row, seeds: list[int]) -> Iterator[int]:
        seen.extend((row.name, seed) for seed in seeds)
        return train(job, row, seeds)

    monkeypatch.setattr(Reproduction, "_sweep", watch)
    return seen


def job(seeds: int = 2, **how: Any) -> Reproduction:
    made = Reproduction("tiny", seeds, **how)
    made.begin()
    return made


def numbers(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{k: v for k, v in line.items() if k != "seconds"} for line in csv.DictReader(file)]


def test_every_seed_of_every_row_is_trained_once_and_written(trained: list) -> None:
    run = job()
    assert run.steps() == (0, 4 * STEPS)
    assert sum(run.train()) == 4 * STEPS
    assert run.steps() == (4 * STEPS, 4 * STEPS)
    assert trained == [("plain", 0), ("plain", 1), ("hinge", 0), ("hinge", 1)]
    lines = numbers(run.path)
    assert [(line["row"], int(line["seed"])) for line in lines] == trained
    assert {line["made"] for line in lines} == {"commit 1234567"}
    assert {float(line["steps"]) for line in lines} == {STEPS}
    assert len({line["recipe"] for line in lines}) == 2
    assert not [*run.folder.glob("under-way/*")]


def test_after_an_interrupt_nothing_finished_is_trained_again(trained: list) -> None:
    cut = job()
    for _ in cut.train():
        if len(trained) == 3:
            break  # as Ctrl-C does, in the midst of the third run
    assert len(numbers(cut.path)) == 2
    again = job()
    done, total = again.steps()
    assert (done, total) == (2 * STEPS, 4 * STEPS)
    assert sum(again.train()) == total - done
    assert trained == [("plain", 0), ("plain", 1), ("hinge", 0), ("hinge", 0), ("hinge", 1)]
    whole = job(folder=Path("whole"))
    assert sum(whole.train()) == total
    assert numbers(whole.path) == numbers(again.path)  # and it ends as if nothing had been
    assert sum(job().train()) == 0


def test_two_at_work_on_one_table_share_it_and_lose_nothing(trained: list) -> None:
    one, other = job(), job()
    first = one.train()
    next(first)  # has begun with the first run
    assert sum(other.train()) == 3 * STEPS  # takes all the others
    assert sum(first) == STEPS
    assert Counter(trained) == Counter(
        (name, seed) for name in ("plain", "hinge") for seed in (0, 1)
    )
    assert len(numbers(one.path)) == 4 and one.steps() == (4 * STEPS, 4 * STEPS)
    assert other.steps() == (3 * STEPS, 4 * STEPS)  # as it was when it ended
    assert job().steps() == (4 * STEPS, 4 * STEPS)
    assert not [*one.folder.glob("under-way/*")]


def test_a_row_that_another_process_finishes_is_not_trained_again(trained: list) -> None:
    one, other = job(1), job(1)
    assert sum(one.train()) == 2 * STEPS
    assert sum(other.train()) == 0 and len(trained) == 2
    assert numbers(one.path) == numbers(other.path) and other.steps()[0] == 2 * STEPS


def test_only_what_differs_from_the_defaults_makes_a_key() -> None:
    row = tiny().rows[0]
    plain = row.preset
    later = make_dataclass("Config", [("new_field", int, 0)], bases=(Config,), frozen=True)
    same = replace(plain, config=later(**vars(SMALL)))
    assert recipe_key(replace(row, preset=same), 200) == recipe_key(row, 200)
    others = [
        replace(plain, knobs=Knobs(decay_steps=STEPS, r1=0.1)),
        replace(plain, knobs=Knobs(decay_steps=STEPS, lr_d=0.1)),
        replace(plain, steps=STEPS + 1),
        replace(plain, config=replace(SMALL, discriminator=MLP((8,), "silu", pack=2))),
        replace(plain, config=later(**vars(SMALL), new_field=1)),
    ]
    keys = {recipe_key(replace(row, preset=each), 200) for each in (plain, *others)}
    assert len(keys | {recipe_key(row, 100)}) == 2 + len(others)


def test_more_seeds_later_train_only_the_new_ones(trained: list) -> None:
    assert sum(job(1).train()) == 2 * STEPS
    assert sum(job(3).train()) == 4 * STEPS
    assert sorted(trained) == sorted((row, seed) for row in ("plain", "hinge") for seed in range(3))


def test_another_recipe_is_trained_anew(monkeypatch: pytest.MonkeyPatch, trained: list) -> None:
    assert sum(job(1).train()) == 2 * STEPS
    table = tiny()
    first = replace(table.rows[0].preset, knobs=Knobs(lr_d=0.002))
    table.rows[0] = replace(table.rows[0], preset=first)
    monkeypatch.setitem(TABLES, "tiny", lambda: table)
    run = job(1)
    assert sum(run.train()) == STEPS
    assert [row for row, _ in trained] == ["plain", "hinge", "plain"]
    assert len(numbers(run.path)) == 3
    assert [len(run.finished(row)) for row in table.rows] == [1, 1]


def test_the_report_has_means_spreads_and_the_papers_numbers() -> None:
    run = job(3)
    assert sum(run.train()) == 6 * STEPS
    told = run.report()
    assert told == json.loads(json.dumps(told, allow_nan=False))
    plain = told["rows"][0]
    values = [float(line["kl"]) for line in numbers(run.path) if line["row"] == "plain"]
    assert plain["runs"]["kl"] == values
    assert plain["mean"]["kl"] == pytest.approx(np.mean(values))
    assert plain["std"]["kl"] == pytest.approx(np.std(values, ddof=1))
    assert plain["published"] == {"modes": 3.3} and told["rows"][1]["published"] == {}
    assert told["real"]["modes"] == told["perfect"]["modes"] == 8
    text = papers.in_words(told)
    assert all(part in text for part in ("plain", "hinge", "3.3", "a paper", "A note.", "1234567"))
    assert "QUICK" not in text
    table = papers.in_markdown(told).split("\n\n")[1].splitlines()
    assert len(table) == 2 + 4 and len({line.count("|") for line in table}) == 1
    assert all(part in papers.in_markdown(told) for part in ("plain", "a paper", "1234567"))
    run.draw(told)
    assert (run.folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_cut_in_two_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    table = replace(tiny(), looks=4)
    monkeypatch.setitem(TABLES, "tiny", lambda: table)
    taken: list[int] = []
    advance = training.advance

    def watch(config: Config, state: Any, knobs: Knobs, n: int) -> Any:
        taken.append(n)
        return advance(config, state, knobs, n)

    monkeypatch.setattr(training, "advance", watch)
    cut, whole = job(1), job(1, folder=Path("whole"))
    for _ in cut.train():
        if sum(taken) >= STEPS // 2:
            break  # as Ctrl-C does
    before = sum(taken)
    again = job(1)
    assert sum(again.train()) == 2 * STEPS  # what the bar shows: the steps of before too
    assert sum(taken) == 2 * STEPS and again.resumed == before < STEPS
    assert sum(whole.train()) == 2 * STEPS
    for name in ("runs.csv", "looks.csv"):
        assert numbers(again.folder / name) == numbers(whole.folder / name)
    assert not [*again.folder.glob("under-way/*")]


def test_looks_on_the_way_say_when_every_mode_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    table = replace(tiny(), looks=6)
    monkeypatch.setitem(TABLES, "tiny", lambda: table)
    lost = job(2)
    assert sum(lost.train()) == 4 * STEPS
    looks = numbers(lost.folder / "looks.csv")
    assert [int(look["step"]) for look in looks[:6]] == [4, 8, 12, 16, 20, 24]
    assert len(looks) == 2 * 2 * 6
    assert "evaluations" in lost.report()["names"]
    assert lost.report()["rows"][0]["mean"]["evaluations"] is None  # nobody got there so soon

    def held(state: Any) -> np.ndarray:
        there = np.asarray(state.step) >= 12
        return np.stack([8 + 0 * there, np.where(there, 8, 3), 0.5 + 0 * there], axis=1)

    monkeypatch.setattr(sweep, "_look", lambda *args: held)
    found = job(2, folder=Path("found"))
    assert sum(found.train()) == 4 * STEPS
    told = found.report()
    assert told["rows"][0]["runs"]["evaluations"] == [12 * 2, 12 * 2]  # two gradients a step
    again = job(2, folder=Path("found"))
    assert again.looks == found.looks and again.report() == told


def test_a_quick_look_is_shorter_apart_and_labelled() -> None:
    run = Reproduction("tiny", quick=True)
    run.begin()
    assert sum(run.train()) == 2 * STEPS // QUICK
    assert run.folder != job().folder
    assert all(row.preset.knobs.decay_steps == row.preset.steps for row in run.table.rows)
    told = run.report()
    assert told["quick"] is True and told["seeds"] == 1
    assert told["rows"][0]["std"]["kl"] is None
    assert papers.in_words(told).startswith("QUICK LOOK")


def test_only_some_rows_are_trained_and_the_others_kept(trained: list) -> None:
    assert sum(job(1).train()) == 2 * STEPS
    again = job(2, only="hin")
    assert sum(again.train()) == STEPS
    assert trained[2:] == [("hinge", 1)]
    assert [row["row"] for row in again.report()["rows"]] == ["hinge"]
    assert len(job(2).finished(tiny().rows[0])) == 1
    with pytest.raises(InputError, match=r"there are.*plain"):
        job(only="pluto")


@pytest.mark.parametrize(("pack", "shared"), [(1, [8]), (4, [4, 4])])
def test_seeds_are_shared_out_as_packs_and_devices_allow(
    monkeypatch: pytest.MonkeyPatch, pack: int, shared: list[int]
) -> None:
    """A batch of 16 in packs of 4 does not split over eight devices: four seeds at a time."""
    table, seen = tiny(), []
    critic = replace(SMALL, discriminator=replace(SMALL.discriminator, pack=pack))
    table = replace(table, rows=[Row("packs", Preset(critic, Knobs(), STEPS))])
    monkeypatch.setitem(TABLES, "tiny", lambda: table)
    monkeypatch.setattr(reproduction.jax, "devices", lambda: [None] * 8)

    def watch(job: Reproduction, row: Row, seeds: list[int]) -> Iterator[int]:
        seen.append(replace(row.preset.config, devices=len(seeds)).devices)
        yield 0

    monkeypatch.setattr(Reproduction, "_sweep", watch)
    run = job(8)
    assert sum(run.train()) == 0 and seen == shared


def test_a_run_that_diverges_is_counted_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    table = tiny()
    wild = Knobs("wasserstein", lr_d=10, lr_g=10)
    config = replace(SMALL, optimizer="sgd", discriminator=MLP((8, 8), "silu"))
    table.rows[0] = Row("wild", Preset(config, wild, 400))
    monkeypatch.setitem(TABLES, "tiny", lambda: table)
    run = job(1)
    assert sum(run.train()) == 400 + STEPS
    told = run.report()
    assert [row["diverged"] for row in told["rows"]] == [1, 0]
    assert "diverged" in papers.in_words(told)
    assert sum(job(1).train()) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-30],  # ends in the midst of a line
        lambda text: text.replace(f",{STEPS},", ",many,"),
        lambda text: text.replace("modes,", ""),  # the columns of another table
        lambda text: "row,seed\n1,x\n",
        lambda text: "\x00" * 9,
        lambda text: "",
    ],
)
def test_damaged_results_are_refused_and_kept(damage: Any) -> None:
    run = job(1)
    assert sum(run.train()) > 0
    run.path.write_text(harmed := damage(run.path.read_text()))
    with pytest.raises(InputError, match=r"runs\.csv"):
        job(1)
    assert run.path.read_text() == harmed


@pytest.mark.parametrize(
    ("name", "seeds", "hint"),
    [
        ("penalty", None, "did you mean 'penalties'"),
        ("stacked", None, "stacked-digits"),
        ("", None, "known:"),
        ("tiny", 0, "--seeds"),
        ("tiny", 2.5, "--seeds"),
        ("tiny", 1001, "--seeds"),
    ],
)
def test_bad_input_gets_a_sentence_and_writes_nothing(name: str, seeds: Any, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        Reproduction(name, seeds)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_ready_and_real_data_scores_about_the_floor(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "stacked-mnist":  # of digits in place of MNIST
        digits = functools.partial(stacked.image_set, "digits", 28)
        monkeypatch.setattr(stacked, "image_set", lambda _: digits())
    table = TABLES[name]()
    names = [row.name for row in table.rows]
    assert len(set(names)) == len(names)
    data = {row.preset.config.data for row in table.rows}
    assert len(data) == 1
    assert table.looks == 0 or table.rows[0].preset.config.data.modes is not None
    for row in table.rows:
        training.check_knobs(row.preset.knobs)
        assert row.published.keys() <= table.perfect.keys()
    run = Reproduction(name)
    run.table = table
    assert len({run.key(row, 0) for row in table.rows}) == len(table.rows)
    (imitated,) = data
    import jax

    real = table.measure(np.asarray(imitated.sample(jax.random.key(0), table.n)))
    assert real.keys() == table.perfect.keys() <= SHOWN.keys()
    assert real["modes"] == table.perfect["modes"]
    assert real["kl"] == pytest.approx(table.perfect["kl"], rel=0.7)


def test_every_cure_has_the_same_networks_widths_and_budget() -> None:
    rows = TABLES["cures"]().rows
    assert {row.preset.config.generator for row in rows} == {MLP((64,) * 3, "tanh", scale=4.0)}
    assert {row.preset.config.discriminator.hidden for row in rows} == {(64,) * 3}
    assert {row.preset.config.batch for row in rows} == {128}
    assert {row.preset.knobs.decay_steps for row in rows} == {row.preset.steps for row in rows}
    for row in rows:
        assert 0 <= BUDGET - row.cost * row.preset.steps < row.cost


def test_penalties_are_two_losses_by_four_penalties() -> None:
    rows = TABLES["penalties"]().rows
    knobs = [row.preset.knobs for row in rows]
    assert {(each.objective, each.r1 > 0, each.r2 > 0) for each in knobs} == {
        (loss, r1, r2)
        for loss in ("non_saturating", "relativistic")
        for r1 in (False, True)
        for r2 in (False, True)
    }
    for row, each in zip(rows, knobs, strict=True):
        assert ("R1" in row.name, "R2" in row.name) == (each.r1 > 0, each.r2 > 0)
        assert each.objective.replace("_", "-") in row.name


def test_what_a_run_was_made_with_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "jax" in papers.provenance() and "commit" in papers.provenance()
    monkeypatch.setenv("PATH", "")
    assert "commit unknown" in papers.provenance()


@pytest.mark.parametrize("folder", STORED, ids=[folder.name for folder in STORED])
def test_stored_results_are_of_the_tables_as_they_are(folder: Path) -> None:
    """Whoever changes a recipe must run it again, or the lesson shows what nobody can make."""
    run = Reproduction(folder.name, folder=folder)
    run.load()
    names = {run.key(row, 0)[0]: row for row in run.table.rows}
    assert run.ledger.runs
    for (recipe, seed), found in run.ledger.runs.items():
        row = names[recipe]
        assert found["row"] == row.name and found["steps"] <= row.preset.steps
        assert "commit" in found["made"] and "jax" in found["made"]
        assert "-changed" not in found["made"] and "unknown" not in found["made"]
        if run.table.looks:
            held = [look["step"] for look in run.looks[recipe, seed] if look["held"] >= full(row)]
            assert found["evaluations"] == pytest.approx(
                held[0] * row.cost if held else np.nan, nan_ok=True
            )


def test_the_stored_race_gave_every_network_the_same_time() -> None:
    with (RESULTS / "images" / "race.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"small-conv", "digits", "dcgan", *DENSE_PAIRS} <= {row["name"] for row in rows}
    assert {row["name"] for row in rows} <= set(PRESETS)
    assert len({row["seconds"] for row in rows}) == len({row["floor"] for row in rows}) == 1
    (made,) = {row["made"] for row in rows}
    assert "commit" in made and "-changed" not in made and "unknown" not in made
    seeds = Counter(row["name"] for row in rows)
    assert set(seeds.values()) == {5} and len(rows) == len({(r["name"], r["seed"]) for r in rows})


def full(row: Row) -> int:
    modes = row.preset.config.data.modes
    assert modes is not None
    return len(modes)
