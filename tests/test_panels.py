"""Every panel draws a run, moves what it made once, and refuses data that it cannot show."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gan_lessons import training
from gan_lessons.distributions import (
    Empirical,
    Mixture1D,
    Normal,
    Paired,
    Ring,
    TwoMoons,
    Uniform,
    WithBits,
)
from gan_lessons.errors import InputError
from gan_lessons.images import digits, faces
from gan_lessons.live import panels as room
from gan_lessons.live.looks import Failure, Looks
from gan_lessons.live.panels import (
    Coverage,
    Densities,
    GradientNorms,
    Histogram,
    ImageGrid,
    LatentGrid,
    LatentWalk,
    Losses,
    OverTime,
    Panel,
    Quality,
    Samples,
    Sounds,
    StackModes,
    View,
)
from gan_lessons.live.pixels import Pixels
from gan_lessons.live.player import Player
from gan_lessons.live.screen import Screen
from gan_lessons.live.stills import snapshot
from gan_lessons.live.suits import suits
from gan_lessons.metrics import FrechetMeter, stack_coverage, train_feature_extractor
from gan_lessons.networks import MLP
from gan_lessons.run import Run
from gan_lessons.training import Config, Knobs
from tests.line_learner import LineConfig

SMALL = {"generator": MLP((8,), "tanh"), "discriminator": MLP((8,), "silu"), "batch": 8}
LINE = Config(Mixture1D((-1.0, 1.0), (0.4, 0.4), (0.5, 0.5)), Uniform(1), **SMALL)
PLANE = Config(Ring(), Normal(2), **SMALL)
FACES = Config(
    faces(25).distribution(), Normal(4), MLP((8,), output="tanh"), MLP((8,), "silu"), batch=8
)
STACKS = replace(FACES, data=digits().stacks(2, channels=True))
FAST = Knobs(lr_d=0.02, lr_g=0.02)

meter = functools.cache(lambda: FrechetMeter(faces(25)))  # principal components: no training
quality = lambda **options: Quality(meter(), **options)  # noqa: E731
stack_modes = lambda **options: StackModes(train_feature_extractor(digits()), **options)  # noqa: E731

rng = np.random.default_rng(0)
SOUNDS = replace(PLANE, data=Empirical(np.sin(np.arange(64) * rng.uniform(0.1, 1, (50, 1))), (64,)))
POINTS = replace(PLANE, data=Normal(5))
LINE_OF_DATA = replace(LINE, data=Empirical(rng.normal(size=(99, 1))), latent=Normal(2))
LABELS = replace(FACES, data=digits().distribution(labels=True))
TOLD = Paired(rng.normal(size=(64, 2)), np.eye(2)[np.arange(64) % 2])

CASES: dict[str, tuple[Callable[[], Panel], Any]] = {
    "Samples": (Samples, PLANE),
    "LatentGrid": (LatentGrid, PLANE),
    "Coverage": (Coverage, PLANE),
    "Losses": (Losses, PLANE),
    "GradientNorms": (GradientNorms, PLANE),
    "Densities": (Densities, LINE),
    "Histogram": (Histogram, LineConfig(LINE_OF_DATA.data)),
    "Sounds": (Sounds, LineConfig(SOUNDS.data)),
    "ImageGrid": (ImageGrid, FACES),
    "LatentWalk": (LatentWalk, FACES),
    "OverTime": (OverTime, FACES),
    "Quality": (lambda: quality(every=5), FACES),
    "StackModes": (lambda: stack_modes(every=5, n=300), STACKS),
}
PICTURE_PANELS = ("ImageGrid", "LatentWalk", "OverTime", "Quality", "StackModes")


@functools.cache
def program(kind: type[Panel], rows: int | None, config: Config) -> Looks:
    """What a kind of panel sees, compiled once for all tests."""
    return Looks([kind(rows) if rows else kind()], config)  # type: ignore[call-arg]


class Watch:
    """One panel on a screen of its own, as a player would drive it."""

    def __init__(self, panel: Panel, config: Any, seed: int = 0) -> None:
        self.panel = panel
        self.run = Run(config, FAST if config.learner == "gan" else None, seed)
        self.screen = Screen([panel], self.run)
        kind, rows = type(panel), getattr(panel, "rows", None)
        self._look = program(kind, rows, config) if panel.traced else Looks([panel], config)

    def frame(self, at: int | None = None) -> np.ndarray:
        """The pixels at the present step, or scrubbed back to an earlier one."""
        seen = self._look(self.run.state if at is None else self.run.at(at), self.run.knobs)
        view = View(self.run, self.run.step if at is None else at)
        pixels = self.screen.draw(seen, view).copy()
        assert not self.screen.stopped
        return pixels

    def trained(self, steps: int) -> np.ndarray:
        self.run.advance(steps)
        return self.frame()


def test_every_panel_is_tested():
    assert set(room.__all__) - {"Panel", "View"} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_panel_moves_what_it_made_once_and_can_be_set_up_again(name):
    make, config = CASES[name]
    watch = Watch(make(), config)
    first = watch.frame()
    made = list(map(id, watch.panel.artists))
    second, third = watch.trained(6), watch.trained(6)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    assert list(map(id, watch.panel.artists)) == made != []
    assert first.shape == second.shape and first.dtype == np.uint8
    assert np.array_equal(third, watch.frame())  # the same moment looks the same
    watch.screen = Screen([watch.panel], watch.run, "projector")
    assert watch.trained(4).shape[1] == 1368


@pytest.mark.parametrize("config", [PLANE, FACES, SOUNDS, LINE_OF_DATA, LINE])
def test_no_key_is_used_twice(config):
    state, knobs = training.init(config), training.traced(replace(FAST, noise=0.5, l1=1.0))
    panels = suits(config).panels
    with jax.debug_key_reuse(True):
        jax.jit(lambda state: [panel.see(config, state, knobs) for panel in panels])(state)


BAD_DATA = [
    *(("Samples", config) for config in (LINE, FACES)),
    *(("Densities", config) for config in (PLANE, LINE_OF_DATA, replace(LINE, latent=Normal(2)))),
    *((name, PLANE) for name in (*PICTURE_PANELS, "Sounds", "Histogram")),
    *((name, LineConfig()) for name in ("LatentGrid", "GradientNorms", "Densities")),
    ("LatentGrid", LINE),
    ("Coverage", replace(PLANE, data=TwoMoons())),
    ("ImageGrid", SOUNDS),
    ("Quality", replace(FACES, data=faces(28).distribution())),
    ("StackModes", FACES),
    ("StackModes", replace(STACKS, data=digits(16).stacks(2))),
    ("LatentWalk", LineConfig(FACES.data)),
]


def test_what_a_panel_cannot_show_is_said():
    for name, config in BAD_DATA:
        with pytest.raises(InputError):
            Screen([CASES[name][0]()], Run(config))
    for make in (ImageGrid, LatentWalk, OverTime):
        for rows in (0, -1, 1.5, 33, "many", None):
            with pytest.raises(InputError, match="rows"):
                make(rows)
    for every in (0, -5, 0.5, None):
        with pytest.raises(InputError, match="every"):
            quality(every=every)
    for bad in ({"n": 0}, {"n": 1.5}, {"every": 0}, {"every": "often"}):
        with pytest.raises(InputError, match="|".join(bad)):
            stack_modes(**bad)


@pytest.mark.parametrize("data", [PLANE.data, LINE.data, SOUNDS.data, FACES.data])
def test_panels_that_need_only_samples_show_any_learner(data):
    config = LineConfig(data)
    panels = [*suits(config).panels, *([quality()] if data is FACES.data else [])]
    assert snapshot(Run(config), panels).startswith(b"\x89PNG")


# ---- what suits

SUITS = [
    (PLANE, "Samples LatentGrid Losses Coverage", "Samples Losses Coverage", "modes"),
    (
        replace(PLANE, data=TwoMoons()),
        "Samples LatentGrid Losses",
        "Samples Losses GradientNorms",
        "",
    ),
    (LINE, "Densities Losses Coverage", "Densities Losses Coverage", "modes"),
    (LINE_OF_DATA, "Histogram Losses GradientNorms", "Histogram Losses GradientNorms", ""),
    (POINTS, "Losses GradientNorms", "Losses GradientNorms", ""),
    (SOUNDS, "Sounds Losses GradientNorms", "Sounds Losses GradientNorms", ""),
    (FACES, "ImageGrid OverTime LatentWalk Losses", "ImageGrid Losses GradientNorms", "frechet"),
    (STACKS, "ImageGrid OverTime LatentWalk Losses", "ImageGrid Losses GradientNorms", "stacks"),
    (LineConfig(), "Samples Losses Coverage", "Samples Losses Coverage", "modes"),
    (LineConfig(FACES.data), "ImageGrid OverTime Losses", "ImageGrid Losses", "frechet"),
    (LineConfig(POINTS.data), "Losses", "Losses", ""),
]


def test_every_kind_of_data_gets_what_suits_it():
    for config, panels, stills, score in SUITS:
        suited = suits(config)
        kinds = [
            " ".join(type(panel).__name__ for panel in row)
            for row in (suited.panels, suited.stills)
        ]
        assert (*kinds, suited.score) == (panels, stills, score)


@pytest.mark.parametrize("config", [POINTS, STACKS])
def test_a_snapshot_of_any_run(config):
    assert snapshot(Run(config), suits(config).panels).startswith(b"\x89PNG")


# ---- pictures


@pytest.mark.parametrize("rows", [1, 4, 8])
@pytest.mark.parametrize("make", [ImageGrid, LatentWalk, OverTime])
def test_sheets_have_the_rows_asked_for(make, rows):
    watch = Watch(make(rows), FACES)
    watch.frame()
    assert watch.panel.half == (rows <= 4)
    assert watch.panel.sheet.get_array().shape == (rows * 26 - 1, 8 * 26 - 1)


def images(panel: Panel) -> np.ndarray:
    """What the sheet shows, cut into images again: [rows, columns, 25, 25]."""
    sheet = np.pad(np.asarray(panel.sheet.get_array()), ((0, 1), (0, 1)))
    rows, columns = (size // 26 for size in sheet.shape)
    return sheet.reshape(rows, 26, columns, 26).transpose(0, 2, 1, 3)[:, :, :25, :25]


def test_the_grid_shows_what_the_generator_makes_of_its_latents():
    watch = Watch(ImageGrid(2), FACES)
    watch.trained(3)
    z = watch.panel.asked(FACES)[0]
    made = np.asarray(training.generate(FACES, watch.run.state, z)).reshape(2, 8, 25, 25)
    np.testing.assert_allclose(images(watch.panel), made, atol=1e-6)


def test_a_walk_is_straight_and_ends_where_it_should():
    walk = LatentWalk(3)
    z = np.asarray(walk.latents(FACES)).reshape(3, 8, 4)
    ends = np.asarray(FACES.latent.sample(jax.random.key(12), 6)).reshape(2, 3, 4)
    np.testing.assert_allclose([z[:, 0], z[:, -1]], ends, rtol=1e-6)
    steps = np.diff(z, axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), atol=1e-6)


def names(panel: OverTime) -> list[str]:
    return [label.get_text() for label in panel.labels if label.get_text()]


def test_over_time_keeps_the_first_picture_of_each_moment():
    watch = Watch(OverTime(), FACES)
    watch.frame()
    start = images(watch.panel)[0]
    for steps in (10, 45, 20, 30, 200):
        watch.trained(steps)
    assert names(watch.panel) == ["0", "55", "105", "now"]
    assert np.array_equal(images(watch.panel)[0], start)
    watch.trained(1)
    assert names(watch.panel) == ["0", "55", "105", "305", "now"]


def test_over_time_picks_moments_where_there_are_more_than_rows():
    watch = Watch(OverTime(3), FACES)
    for steps in (0, 50, 50, 100, 200):
        watch.trained(steps)
    assert names(watch.panel) == ["0", "200", "now"]


def test_scrubbing_forgets_nothing_and_rewinding_does():
    watch = Watch(OverTime(), FACES)
    for steps in (0, 50, 50, 100, 1):
        watch.trained(steps)
    watch.frame(at=60)
    assert names(watch.panel) == ["0", "50", "now"]
    watch.frame()
    assert names(watch.panel) == ["0", "50", "100", "200", "now"]
    watch.run.rewind(60)
    watch.frame()
    watch.trained(100)
    assert names(watch.panel) == ["0", "50", "now"]


@pytest.mark.parametrize("make", [OverTime, lambda: quality(every=5)])
def test_another_seed_starts_a_new_memory(make):
    watch = Watch(make(), FACES)
    for steps in (0, 50, 50):
        watch.trained(steps)
    watch.run.reset(3)
    assert np.array_equal(watch.frame(), Watch(make(), FACES, seed=3).frame())


def test_a_memory_outlives_a_change_of_size():
    watch = Watch(OverTime(), FACES)
    for steps in (0, 50, 50):
        watch.trained(steps)
    watch.screen = Screen([watch.panel], watch.run, "projector")
    watch.trained(1)
    assert names(watch.panel) == ["0", "50", "100", "now"]


def test_where_pictures_have_labels_each_column_of_a_grid_is_a_label():
    watch = Watch(ImageGrid(3), LABELS)
    z, given = (np.asarray(each).reshape(3, 10, -1) for each in watch.panel.asked(LABELS))
    assert np.array_equal(z, np.broadcast_to(z[:, :1], z.shape)) and len(np.unique(z[:, 0, 0])) > 1
    assert np.array_equal(given, np.broadcast_to(np.eye(10), given.shape))
    watch.frame()
    assert "label" in watch.screen.figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    "config",
    [replace(PLANE, data=TOLD), replace(PLANE, data=TOLD, d_sees_given=False), LABELS],
)
def test_every_panel_shows_data_with_something_given(config):
    run, panels = Run(config), suits(config).panels
    seen = Looks(panels, config)(run.state, run.knobs)
    screen = Screen(panels, run)
    screen.draw(seen, View(run, 0))
    assert not screen.stopped


# ---- quality


@pytest.mark.parametrize("bits", [1, 4, 6])
def test_the_latent_grid_shows_sixteen_pieces_of_many(bits):
    config = replace(PLANE, latent=WithBits(Normal(3), bits))
    lattice = np.asarray(LatentGrid().lattice(config))
    assert np.all(lattice[..., 2] == 0)  # beyond the plane: the middle
    pieces, shown = lattice.reshape(2 ** min(bits, 4), -1, 3 + bits), set()
    for piece in pieces:
        np.testing.assert_array_equal(piece[:, :2], pieces[0, :, :2])
        signs = np.unique(piece[:, 3:], axis=0)
        assert len(signs) == 1 and np.all(signs[0, 4:] == 1)
        shown.add(tuple(signs[0, :4]))
    assert len(shown) == len(pieces)
    watch = Watch(LatentGrid(), config)
    watch.frame()
    drawn = watch.panel.mesh.get_segments()
    z = jax.numpy.asarray(lattice.reshape(-1, 3 + bits))
    x = np.asarray(training.generate(config, watch.run.state, z)).reshape(*lattice.shape[:2], 2)
    np.testing.assert_allclose(np.array(drawn), x, atol=1e-5)


def test_quality_is_what_the_meter_says():
    watch = Watch(quality(every=10), FACES)
    for _ in range(5):
        watch.trained(6)
    steps, values = watch.panel.line.get_data()
    assert list(steps) == [6, 18, 30]
    fake = np.asarray(watch.run.sample(meter().n, seed=5))
    assert values[-1] == pytest.approx(meter()(fake))
    assert f"{values[-1]:.2f}" in watch.panel.text.get_text()
    assert f"{meter().floor:.2f}" in watch.panel.text.get_text()


def test_quality_shows_the_past_when_scrubbed_and_keeps_the_rest():
    watch = Watch(quality(every=10), FACES)
    for steps in (0, 10, 10, 10):
        watch.trained(steps)
    watch.frame(at=12)
    assert list(watch.panel.line.get_xdata()) == [0, 10]
    watch.frame()
    assert list(watch.panel.line.get_xdata()) == [0, 10, 20, 30]


def test_quality_fits_its_axes_to_what_it_measures():
    watch = Watch(quality(every=50), FACES)
    for steps in (0, 150, 300):
        watch.trained(steps)
    steps, values = watch.panel.line.get_data()
    (left, right), (low, high) = watch.panel.ax.get_xlim(), watch.panel.ax.get_ylim()
    assert left <= min(steps) and max(steps) <= right
    assert low < meter().floor and low < min(values) and max(values) < high


# ---- modes of stacks


def test_the_squares_of_a_stack_are_its_counted_modes():
    watch = Watch(stack_modes(every=10, n=300), STACKS)
    watch.trained(12)
    fakes = STACKS.data.apart(np.asarray(watch.run.sample(300, seed=5)))
    found = stack_coverage(train_feature_extractor(digits()), fakes)
    shown = watch.panel.sheet.get_array()
    assert shown.shape == (10, 10)
    assert np.array_equal(np.ma.filled(shown, 0).ravel(), found.counts)
    assert np.array_equal(np.ma.getmaskarray(shown).ravel(), found.counts == 0)
    assert f"{found.modes} of 100 modes" in watch.panel.text.get_text()


# ---- in a player


def test_a_still_picture_shows_the_run_on_its_way(monkeypatch):
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    panels = [OverTime(4), quality(every=25)]
    player = Player(FACES, FAST, panels=panels, steps=120)
    player.still()
    assert player.run.step == 120 and len(shown) == 1
    assert names(panels[0]) == ["0", "50", "100", "now"]
    assert list(panels[1].line.get_xdata()) == [0, 50, 100]


# ---- arrows


def arrows(config: Config, state: Any, **knobs: Any) -> np.ndarray:
    """What `Samples` draws at each of its fakes, over the number of fakes."""
    panel = Samples()
    return panel.see(config, state, training.traced(Knobs(**knobs)))[2] / panel.shown


def test_arrows_are_the_slope_of_the_loss_that_g_follows_now():
    """With feature matching, L1 and L2 written out by hand; noise and unrolling bend it."""
    panel, state = Samples(), training.init(PLANE, 0)
    key_z, key_x, *_ = jax.random.split(jax.random.key(7), 4)
    fake = training.generate(PLANE, state, PLANE.latent.sample(key_z, panel.shown))
    real = PLANE.data.sample(key_x, panel.shown)
    d = training.players(PLANE)[1]
    nothing = jax.numpy.zeros((panel.shown, 0))
    phi = lambda x: d.features(d.unravel(state.d), state.rest_d, x, nothing)  # noqa: E731
    extras = {
        "feature_matching": lambda x: ((phi(real).mean(0) - phi(x).mean(0)) ** 2).sum(),
        "l1": lambda x: jax.numpy.abs(x - real).mean(),
        "l2": lambda x: ((x - real) ** 2).mean(),
    }
    plain = arrows(PLANE, state)
    for name, extra in extras.items():
        wanted = -np.asarray(jax.grad(extra)(fake))[: panel.arrows]
        found = arrows(PLANE, state, **{name: 1.0})
        found = found if name == "feature_matching" else found - plain
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    bent = {
        "noise": arrows(PLANE, state, noise=0.5),
        "decayed": arrows(PLANE, state, l1=1.0, noise=0.5),
        "ahead": arrows(replace(PLANE, unroll=3), state, lr_d=0.1),
    }
    for found in bent.values():
        assert np.isfinite(found).all() and np.abs(found - plain).max() > 0.01 * np.abs(plain).max()


def test_a_look_follows_the_terms_that_the_knobs_switch_on():
    run = Run(PLANE, FAST)
    look = Looks([Samples()], PLANE)
    for knobs in (FAST, replace(FAST, l1=1.0), replace(FAST, l1=2.0), FAST):
        by_itself = Samples().see(PLANE, run.state, training.traced(knobs))[2]
        np.testing.assert_allclose(look(run.state, knobs)[0][2], by_itself, rtol=1e-4, atol=1e-6)


def test_a_panel_that_cannot_see_costs_no_other_its_look():
    class Blind(Losses):
        def see(self, config, state, knobs):
            raise ValueError("blind")

    run = Run(PLANE, FAST)
    for _ in range(2):  # while it is traced, and from the compiled program
        losses, blind, coverage = Looks([Losses(), Blind(), Coverage()], PLANE)(run.state, FAST)
        assert losses == () and coverage.modes >= 0
        assert isinstance(blind, Failure) and "blind" in str(blind.error)


def test_packs_and_devices_do_not_matter_to_the_arrows():
    packed = replace(PLANE, discriminator=MLP((8,), "silu", pack=7), batch=14)
    assert np.isfinite(arrows(packed, training.init(packed, 0))).all()


def drawn(make, data, extent, limits):
    """Pixels of a figure on which `make(ax, data, extent)` puts an image."""
    figure = Figure(figsize=(2.1, 1.7), dpi=100)
    canvas, ax = FigureCanvasAgg(figure), figure.add_subplot()
    make(ax, data, extent)
    ax.set(xlim=limits[:2], ylim=limits[2:], aspect="auto")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(float)


@pytest.mark.parametrize("limits", [(-1, 3, 0, 2), (-1, 3, 2, 0), (0, 2, 0.5, 1.5)])
@pytest.mark.parametrize("origin", ["upper", "lower"])
@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3), (60, 90)])
def test_pixels_stand_where_imshow_puts_them(shape, origin, limits):
    data = np.random.default_rng(0).random(shape)
    if shape[0] > 9:  # matplotlib and Pillow blend neighbours in different ways
        data = np.cumsum(np.cumsum(data - 0.5, 0), 1) / 60 + 0.5
    ours, theirs = (
        drawn(make, data, (-1, 3, 0, 2), limits)
        for make in (
            lambda ax, x, extent: Pixels(ax, x, extent=extent, origin=origin, cmap="gray"),
            lambda ax, x, extent: ax.imshow(
                x, extent=extent, origin=origin, cmap="gray", vmin=0, vmax=1
            ),
        )
    )
    assert np.mean(np.abs(ours - theirs) > 40) < 0.04  # an edge may lie a pixel off


@pytest.mark.parametrize("weights", [None, (9.0, 1.0)])
def test_coverage_draws_the_true_shares(weights):
    data = Mixture1D((-1.0, 1.0), (0.05, 0.05), weights)
    panel, ax = Coverage(), Figure().subplots()
    panel.setup(ax, Run(replace(LINE, data=data)))
    lines = [y for line in ax.lines for y in line.get_ydata()]
    lines += [
        y for each in ax.collections for path in each.get_paths() for y in path.vertices[:, 1]
    ]
    assert set(lines) == ({0.5} if weights is None else {0.9, 0.1})
    assert max(lines) < ax.get_ylim()[1]
