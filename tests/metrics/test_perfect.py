"""What is printed as perfect is what real samples score, whatever the weights and widths."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from gan_lessons.distributions import (
    DISTRIBUTIONS,
    GanLabGaussians,
    Grid,
    Mixture,
    Mixture1D,
    Normal,
    Ring,
)
from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet
from gan_lessons.metrics import (
    FeatureExtractor,
    coverage_of,
    high_quality_ceiling,
    kl_floor,
    mode_coverage,
    perfect_coverage,
)
from gan_lessons.papers import of_points, of_stacks
from gan_lessons.run import Run
from gan_lessons.training import Config

UNEQUAL = Mixture1D((-1.0, 1.0), (0.3, 0.3), (0.9, 0.1))
APART = [
    Ring(),
    Mixture1D((-1.0, 0.0, 2.0), (0.05, 0.05, 0.05), (8.0, 1.0, 1.0)),
    Mixture(((0.0,) * 5, (9.0,) * 5), (0.1, 0.1), (0.002, 0.998)),
]
TOUCHING = [
    *(UNEQUAL, GanLabGaussians()),
    Ring(modes=100, std=0.05),
    Mixture(((0.0, 0.0), (1.0, 1.0), (1.0, 1.2)), (0.1, 0.4, 0.1), (1.0, 2.0, 3.0)),
]
N, TRIES = 500, 40


@pytest.mark.parametrize("data", [*APART, *TOUCHING], ids=repr)
def test_perfect_is_the_mean_of_real_samples(data):
    perfect = perfect_coverage(data, N)
    assert perfect.measured == (data in TOUCHING)
    samples = np.asarray(data.sample(jax.random.key(4), N * TRIES)).reshape(TRIES, N, -1)
    found = jax.jit(jax.vmap(lambda x: coverage_of(data, x)))(samples)
    for name in ("modes", "high_quality", "kl", "std_ratio"):
        seen = np.asarray(getattr(found, name), float)
        off = 5 * seen.std() * (1 / TRIES + perfect.measured / 16) ** 0.5
        assert abs(seen.mean() - getattr(perfect, name)) <= off + 2e-3 * seen.mean() + 1e-6, name
    shares = np.asarray(found.counts).mean(axis=0) / N
    np.testing.assert_allclose(perfect.shares, shares, atol=5 * (0.25 / N / 16) ** 0.5)


def test_every_distribution_with_modes_says_what_they_are():
    for data in [*APART, *TOUCHING, *(kind() for kind in DISTRIBUTIONS.values())]:
        if data.modes is None:
            assert data.mode_weights is None and data.mode_std is None and not data.modes_apart
        elif data.mode_weights is not None:
            assert data.mode_weights.sum() == pytest.approx(1)
            assert data.mode_weights.shape == (len(data.modes),)
    with pytest.raises(InputError):
        perfect_coverage(Normal(2), 100)


def test_a_generator_that_ignores_the_weights_is_not_perfect():
    wrong = Mixture1D(UNEQUAL.means, UNEQUAL.stds)
    measure, perfect = of_points(UNEQUAL, 20_000)
    real, fake = (
        measure(np.asarray(d.sample(jax.random.key(0), 20_000))) for d in (UNEQUAL, wrong)
    )
    assert real["kl"] < 12 * perfect["kl"] < 1e-3
    assert fake["kl"] == pytest.approx(-np.log(0.6), abs=0.02)  # of 1:1 from 9:1
    counted = Run(Config(data=UNEQUAL, latent=1, generator=(4,), discriminator=(4,))).coverage(500)
    by_hand = np.asarray(counted.counts) / 500
    weighed = np.sum(by_hand * np.log(np.maximum(by_hand, 1e-9) / UNEQUAL.mode_weights))
    assert float(counted.kl) == pytest.approx(weighed, abs=1e-5)


def test_where_all_modes_are_alike_nothing_has_changed():
    for data, n in ((Ring(), 2500), (Grid(), 20_000), (Ring(radius=0.5, std=0.005), 2500)):
        perfect = of_points(data, n)[1]
        assert perfect == {
            "modes": len(data.modes),
            "high_quality": high_quality_ceiling(2),
            "kl": kl_floor(len(data.modes), n, exact=True),
            "std_ratio": 1.0,
        }


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.7, 0.2, 0.1), (0.9, 0.0999, 0.0001)])
@pytest.mark.parametrize("n", [1, 7, 400])
def test_the_floor_for_any_weights_is_the_mean_of_draws(weights, n):
    weights = np.array(weights) / np.sum(weights)
    share = np.random.default_rng(0).multinomial(n, weights, size=20_000) / n
    kl = np.sum(share * np.log(np.where(share > 0, share / weights, 1)), axis=1)
    floor = kl_floor(3, n, exact=True, weights=weights)
    assert floor == pytest.approx(kl.mean(), abs=5 * kl.std() / 20_000**0.5)
    if np.ptp(weights) == 0:
        assert floor == pytest.approx(kl_floor(3, n, exact=True), rel=1e-9)
    assert kl_floor(3, 10**6, exact=True, weights=weights) == pytest.approx(1e-6, rel=0.02)


def test_a_mode_is_held_at_a_quarter_of_its_own_share():
    modes = np.array([[0.0], [10.0]])
    for few, held in ((2, 1), (3, 2)):  # of 100 samples, 10 of which are due
        samples = np.repeat(modes, [100 - few, few], axis=0)
        assert mode_coverage(samples, modes, 1.0, weights=[9, 1]).held == held
        assert mode_coverage(samples, modes, 1.0).held == 1


def test_what_float32_cannot_hold_is_refused():
    for make in (
        lambda: Ring(radius=1e6, std=1e-3),
        lambda: Mixture1D((1e6, 0.0), (0.01, 0.01)),
        lambda: mode_coverage(np.full((9, 1), 1e6, np.float32), [[1e6]], 1e-3),
    ):
        with pytest.raises(InputError, match="float32"):
            make()
    modes = np.array([[1e4, 0.0], [1e4, 1.0]])
    samples = np.repeat(modes, 50, axis=0) + 1e-4 * np.random.default_rng(0).standard_normal(
        (100, 2)
    )
    found = mode_coverage(samples, modes, 1e-4)
    assert found.high_quality > 0.95 and found.counts.tolist() == [50, 50]
    assert float(found.std_ratio) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("weights", [[1], [1, -1], [1, 0], [1, np.nan], "ab", [[1, 1]]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(InputError, match="weights"):
        mode_coverage(np.zeros((4, 1)), [[0.0], [1.0]], 0.1, weights=weights)
    with pytest.raises(InputError, match="weights"):
        kl_floor(2, 10, True, weights)


def test_samples_that_are_none_are_refused():
    for samples, std in ((np.zeros((0, 1)), 1), (["ink"], 1), ([[0.0]], 0), ([[0.0]], [1, 1])):
        with pytest.raises(InputError):
            mode_coverage(samples, [[0.0], [1.0]], std)  # type: ignore[arg-type]


def test_stacks_of_classes_that_are_not_equally_frequent():
    """Two classes, dark and light, 3:1: a perfect generator is not at the uniform floor."""
    shades = np.repeat([-1.0, 1.0], [30, 10]).astype(np.float32)
    images = np.broadcast_to(shades[:, None, None], (40, 4, 4))
    data = ImageSet(images, (shades > 0).astype(int), "shades").stacks()
    reader = FeatureExtractor(
        lambda x: x, 16, 1.0, lambda x: np.stack([-x[:, 0], x[:, 0]], axis=1), classes=2
    )
    measure, perfect = of_stacks(data, reader)
    real = measure(np.asarray(data.sample(jax.random.key(0), 26_000)))
    assert real["modes"] == perfect["modes"] == 8
    assert real["kl"] == pytest.approx(perfect["kl"], rel=0.03)
    assert perfect["kl"] > 100 * kl_floor(8, 26_000)
