from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest

from gan_lessons.distributions import Empirical
from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet, Stacked, digits, faces, image_set


@pytest.mark.parametrize(
    ("load", "size", "n"),
    [(digits, 8, 1797), (digits, 28, 1797), (faces, 25, 100), (faces, 28, 100)],
)
def test_sets_are_real_images_in_range_and_loaded_once(load, size, n):
    images = load(size)
    assert len(images) == n
    assert images.shape == (size, size)
    assert images.images.shape == (n, size, size)
    assert images.images.dtype == np.float32
    assert images.images.min() >= -1
    assert images.images.max() <= 1
    assert images.images.std() > 0.3
    assert load(size) is images
    with pytest.raises(ValueError, match="read-only"):
        images.images[0, 0, 0] = 0


def test_digits_keep_the_original_values_and_labels():
    original = digits()
    assert np.allclose((original.images + 1) * 8, np.rint((original.images + 1) * 8))
    assert original.images.min() == -1
    assert original.images.max() == 1
    assert original.labels is not None
    assert set(original.labels) == set(range(10))
    assert np.array_equal(original.labels, digits(28).labels)  # type: ignore[arg-type]
    assert np.mean(original.images == -1) == pytest.approx(0.49, abs=0.005)


def test_large_digits_are_the_small_ones():
    """Averaged back over the area of each pixel they correlate with the originals."""
    inner = digits(28).images[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4))
    assert np.corrcoef(inner.ravel(), digits(8).images.ravel())[0, 1] > 0.93
    assert np.mean(digits(28).images[:, [0, -1]] < -0.9) > 0.99  # black margin above and below


def test_distribution_draws_the_images_themselves():
    data = digits().distribution()
    assert data.shape == (8, 8)
    assert data.dim == 64
    drawn = np.asarray(jax.jit(data.sample, static_argnums=1)(jax.random.key(0), 20))
    rows = digits().images.reshape(-1, 64)
    assert all((rows == row).all(axis=1).any() for row in drawn)


def test_a_stack_is_independent_real_digits_and_every_triple_of_classes_occurs():
    data = digits().stacks()
    assert (data.dim, data.shape, data.layers) == (192, (24, 8), 3)
    assert len(data.extent) == 192
    draw = jax.jit(lambda key: data.sample(key, 26_000))
    drawn = np.asarray(draw(jax.random.key(0)))
    assert drawn.shape == (26_000, 192) and drawn.dtype == np.float32
    assert drawn.min() == -1 and drawn.max() == 1
    assert np.array_equal(drawn, draw(jax.random.key(0)))
    assert not np.array_equal(drawn, draw(jax.random.key(1)))
    label = {image.tobytes(): kind for image, kind in zip(*of_digits(), strict=True)}
    layers = drawn.reshape(-1, 3, 64)
    seen = np.array([[label[image.tobytes()] for image in stack] for stack in layers])
    counts = np.bincount(seen @ [100, 10, 1], minlength=1000)
    assert counts.min() > 0
    assert counts.max() < 60  # 26 each on average
    assert np.abs(np.corrcoef(seen.T) - np.eye(3)).max() < 0.03


def of_digits() -> tuple[np.ndarray, np.ndarray]:
    labels = digits().labels
    assert labels is not None
    return digits().images.reshape(-1, 64), labels


def test_stacks_are_told_apart_and_pass_through_transformations():
    data = digits().stacks()
    assert data == digits().stacks() and hash(data) == hash(digits().stacks())
    assert data != digits().stacks(2) and data != digits().distribution()
    assert repr(data).startswith("Stacked(") and repr(data) != repr(digits().stacks(2))
    leaves, tree = jax.tree.flatten(data)
    again = jax.tree.unflatten(tree, leaves)
    assert isinstance(again, Stacked) and isinstance(again, Empirical) and again == data
    one = np.asarray(faces().stacks(1).sample(jax.random.key(0), 5))
    assert np.array_equal(one.shape, (5, 625))


@pytest.mark.parametrize("layers", [0, 9, 2.5, None, "3"])
def test_a_strange_number_of_layers_is_refused(layers):
    with pytest.raises(InputError, match="layers"):
        digits().stacks(layers)


@pytest.mark.parametrize("size", [7, 28.5, "28", None, True, [8]])
def test_other_sizes_are_refused(size):
    for load in (digits, faces):
        with pytest.raises(InputError, match="28"):
            load(size)


def test_sets_by_name():
    assert image_set("faces") is faces(25)
    assert image_set("digits", 28) is digits(28)
    with pytest.raises(InputError, match="did you mean 'digits'"):
        image_set("digit")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((3, 4)), None),
        (np.zeros((1, 4, 4)), None),
        (np.full((3, 4, 4), 255), None),
        (np.full((3, 4, 4), np.nan), None),
        (np.full((3, 4, 4), "ink"), None),
        (np.zeros((3, 4, 4)), np.zeros(2, int)),
    ],
)
def test_a_users_own_set_is_checked(images, labels):
    with pytest.raises(InputError):
        ImageSet(images, labels, "mine")


def test_loading_warns_of_nothing_and_importing_loads_nothing():
    code = (
        "import sys, gan_lessons.images as i; assert not {'sklearn', 'skimage'} & set(sys.modules);"
        "i.digits(28), i.faces(28)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
