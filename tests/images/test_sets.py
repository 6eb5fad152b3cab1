"""Sets of images: what they accept, the embedded ones, and what they become."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gan_lessons.distributions import Empirical, Given
from gan_lessons.errors import InputError
from gan_lessons.images import (
    LOADERS,
    ImageSet,
    Stacked,
    digits,
    faces,
    glyphs,
    image_set,
    pairs,
)


@pytest.mark.parametrize(
    ("load", "size", "n"),
    [
        *((digits, size, 1797) for size in (8, 16, 28, 32)),
        *((faces, size, 100) for size in (8, 16, 25, 28, 32, 64)),
        (glyphs, 28, 10_000),
    ],
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


@pytest.mark.parametrize("layers", [2, 3])
def test_stacks_as_channels_are_the_same_stacks_seen_otherwise(layers):
    above, colours = digits().stacks(layers), digits().stacks(layers, channels=True)
    assert colours.shape == (8, 8, layers) and colours.layers == layers
    assert colours.dim == above.dim and colours != above
    drawn = np.asarray(colours.sample(jax.random.key(0), 20))
    pictures = drawn.reshape(20, 8, 8, layers)
    one_above_another = pictures.transpose(0, 3, 1, 2).reshape(20, -1)
    assert np.array_equal(one_above_another, above.sample(jax.random.key(0), 20))
    assert np.array_equal(colours.apart(drawn), one_above_another)
    assert np.array_equal(above.apart(one_above_another), one_above_another)
    low, high = np.array(colours.extent).T
    assert np.all(low <= drawn) and np.all(drawn <= high)
    assert np.array_equal(colours.apart(np.array([low]))[0], [low for low, _ in above.extent])
    leaves, tree = jax.tree.flatten(colours)
    assert jax.tree.unflatten(tree, leaves) == colours


def test_strange_stacks_and_sizes_are_refused():
    for load in LOADERS.values():
        for size in (7, 28.5, "28", None, True, [8]):
            with pytest.raises(InputError, match="28"):
                load(size)
    for layers in (0, 9, 2.5, None, "3"):
        with pytest.raises(InputError, match="layers"):
            digits().stacks(layers)
    with pytest.raises(InputError, match="channels=False"):
        COLOURS.stacks(channels=True)


def test_sets_by_name():
    assert image_set("faces") is faces(25)
    assert image_set("digits", 28) is digits(28)
    assert image_set("glyphs") is glyphs(28)
    with pytest.raises(InputError, match="did you mean 'digits'"):
        image_set("digit")


RAMP = np.linspace(-1, 1, 4 * 6 * 6).reshape(4, 6, 6)
WRONG = [
    ([np.zeros((8, 8)), np.zeros((9, 8))], r"\(8, 8\) and \(9, 8\)"),
    ((RAMP + 1) / 2, r"2 \* images - 1"),
    ((RAMP + 1) * 127.5, "127.5"),
    (((RAMP + 1) * 32767.5).astype(np.uint16), "32767.5"),
    (RAMP * 3, "-3.* / 6"),
    (np.where(RAMP > 0.9, np.nan, RAMP), "NaN"),
    (np.where(RAMP > 0.9, np.inf, RAMP), "infinite"),
    (RAMP[:1], "at least 2"),
    (np.zeros((0, 6, 6)), "at least 2"),
    (RAMP[0], "reshape"),
    (RAMP.reshape(4, 36), "reshape"),
    (np.stack([RAMP] * 4, axis=3), "alpha.*:3"),
    (np.stack([RAMP] * 2, axis=3), "alpha.*0"),
    (np.stack([RAMP] * 3, axis=1), "transpose"),
    (np.full((4, 6, 6), -1.0), "the same"),
    (np.full((3, 4, 4), "ink"), "array of numbers"),
    (None, "images must be"),
    # numbers on another scale
    ((RAMP > 0).astype(np.uint8), "astype.bool"),
    ((RAMP > 0).astype(int), r"2 \* images - 1"),
    (((RAMP + 1) * 8).astype(np.uint8), r"brightest of these is 16.*images / 8 - 1"),
    (((RAMP + 1) * 8).astype(int), r"images / 8 - 1"),
    (((RAMP + 1) * 100).astype(int), "127.5"),
    (((RAMP + 1) * 100 - 128).astype(np.int8), "-128"),
    ((RAMP + 1) / 2.05 - 0.02, "np.clip"),
    # one picture, or what is none
    (np.zeros((28, 28, 3), np.uint8), "one image of 28x28"),
    (np.zeros((28, 28, 4), np.uint8), "one image of 28x28"),
    (np.zeros((28, 28, 1)), "one image of 28x28"),
    (np.zeros((5, 4, 28, 28)), "transpose"),
    (RAMP[..., None, None], r"\(4, 6, 6, 1, 1\)"),
    # what NumPy would take without a word
    (np.ma.array(RAMP, mask=RAMP > 0.9), "masked"),
    ([np.ma.array(RAMP[0], mask=RAMP[0] < -0.9), RAMP[1]], "masked"),
    (RAMP + 0j, "complex"),
    (np.full((3, 4, 4), "1"), "text"),
    (np.full((3, 4, 4), "2020-01-01", "M8[D]"), "dates"),
    ((RAMP * 1000).astype("m8[s]"), "durations"),
    (RAMP.astype(object), "objects"),
    (RAMP.astype(np.longdouble) * np.longdouble("1e400"), "infinite"),
]


def test_what_is_wrong_with_a_set_is_named_and_what_to_try():
    for images, hint in WRONG:
        with pytest.raises(InputError, match=hint):
            ImageSet(images, None, "mine")
    for labels, hint in WRONG_LABELS:
        with pytest.raises(InputError, match=f"labels must be.*{hint}"):
            ImageSet(RAMP, labels, "mine")
    for names, hint in [
        ("cat", "a list of texts"),
        ([0, 1], "texts"),
        (5, "a list"),
        (["a"], "1 "),
    ]:
        with pytest.raises(InputError, match=f"(?i){hint}"):
            ImageSet(RAMP, [0, 1, 0, 1], "mine", names)


WRONG_LABELS = [
    (np.zeros(2, int), r"\(2,\)"),
    (np.zeros(4), "astype.int"),
    ([0.0, 1.0, 1.0, 0.5], "0.0 to 1.0"),
    ([0, 1, 1, np.nan], "nan"),
    ([-1, 0, 0, 0], "-1 to 0"),
    ([0, 0, 0, 1000], "0 to 1000"),
    (np.eye(4), "argmax"),
    (np.zeros((4, 1), int), "ravel"),
    ([True, False, True, True], "astype.int"),
    (["cat", "dog", "cat", "cat"], "np.unique"),
    (np.array(["cat", "dog", "cat", "cat"], object), "np.unique"),
    ([0, None, 1, 1], "None"),
    ([[0], [1, 2], [3], [4]], "equal length"),
    (np.ma.array([0, 1, 0, 1], mask=[0, 1, 0, 0]), "masked"),
    (3, r"\(\)"),
]


@pytest.mark.parametrize("divisor", [127.5, 32767.5])
def test_the_formulas_that_are_hinted_at_work(divisor):
    scaled = np.rint((RAMP + 1) * divisor)
    np.testing.assert_allclose(ImageSet(scaled / divisor - 1, None, "").images, RAMP, atol=0.01)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(2, 4), st.just(3), st.integers(3, 5))))
def test_bytes_are_read_as_0_to_255(pixels):
    if pixels.max() < 64 or all((pixel == pixels[0]).all() for pixel in pixels):
        with pytest.raises(InputError, match=r"the same|bytes mean 0\.\.255"):
            ImageSet(pixels, None, "bytes")
        return
    images = ImageSet(pixels, None, "bytes").images
    assert images.dtype == np.float32
    assert np.array_equal(np.rint((images + 1) * 127.5), pixels)
    for same in (pixels[..., None], list(pixels), np.ma.array(pixels), [*pixels[..., None]]):
        assert np.array_equal(ImageSet(same, None, "bytes").images, images)


def test_narrow_images_can_be_given_and_three_are_remarked_on(capsys):
    narrow = np.zeros((5, 28, 3), np.uint8)
    narrow[1] = 255
    assert ImageSet(narrow[..., None], None, "narrow").shape == (28, 3)
    assert capsys.readouterr().out == ""
    assert len(ImageSet(RAMP[:3], None, "three")) == 3
    assert "three grey images of 6x6" in capsys.readouterr().out


def test_black_and_white_and_blank_images_are_fine():
    masks = RAMP > 0
    assert set(np.unique(ImageSet(masks, None, "masks").images)) == {-1, 1}
    some = ImageSet(masks, None, "some are black")  # the first two are
    assert (some.images[0] == -1).all()
    bright = ImageSet(np.full((2, 3, 3), [[[200]], [[255]]], np.uint8), None, "bright")
    assert bright.images.min() > 0  # bytes leave no doubt about their scale
    assert bright.resized(6).images.min() > 0


def test_what_is_handed_in_stays_the_users():
    mine, labels = RAMP.astype(np.float32), np.arange(4)
    made = ImageSet(mine, labels, "mine")
    mine[:] = 0
    labels[:] = 0
    assert np.array_equal(made.images, RAMP.astype(np.float32))
    assert np.array_equal(made.labels, range(4))
    assert made.classes == 4 and ImageSet(RAMP, None, "mine").classes == 0


def test_class_names_must_cover_the_labels():
    named = ImageSet(RAMP, [0, 1, 0, 1], "mine", ("cat", "dog", "bird"))
    assert named.classes == 3
    assert named.distribution(labels=True).given == Given("label", (3,))
    with pytest.raises(InputError, match="class names"):
        ImageSet(RAMP, [0, 1, 2, 3], "mine", ("cat", "dog"))


COLOURS = ImageSet(np.stack([RAMP, -RAMP, RAMP / 2], axis=3), [0, 1, 1, 2], "colours")


def test_colour_images_become_rows_and_back():
    data = COLOURS.distribution()
    assert COLOURS.shape == data.shape == (6, 6, 3)
    assert data.dim == 108
    assert np.array_equal(np.asarray(data.points).reshape(4, 6, 6, 3), COLOURS.images)
    assert COLOURS.stacks(2).shape == (12, 6, 3)


@pytest.mark.parametrize("images", [digits(), COLOURS])
def test_labels_are_given_with_their_pictures(images):
    data = images.distribution(labels=True)
    assert data.shape == images.shape and data.given == Given("label", (images.classes,))
    x, hot = map(np.asarray, jax.jit(data.batch, static_argnums=1)(jax.random.key(0), 50))
    assert np.array_equal(x, images.distribution().sample(jax.random.key(0), 50))
    label = dict(zip((image.tobytes() for image in images.images), images.labels, strict=True))
    assert np.array_equal(hot, np.eye(images.classes)[[label[row.tobytes()] for row in x]])
    assert data == images.distribution(labels=True) != images.distribution()


def test_labels_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="no labels"):
        faces().distribution(labels=True)


# ---- pairs


@pytest.mark.parametrize("given", [digits(16).images, COLOURS.resized(8).images])
def test_pairs_are_drawn_as_pairs(given):
    targets = digits(given.shape[1]).images[: len(given)]
    data = pairs(given, ImageSet(targets, None, "targets"))
    assert data.shape == targets.shape[1:] and data.given == Given("picture", given.shape[1:])
    x, source = map(np.asarray, data.batch(jax.random.key(0), 40))
    places = {row.tobytes(): place for place, row in enumerate(targets)}
    assert np.array_equal(source, [given[places[row.tobytes()]].ravel() for row in x])


def test_what_makes_no_pairs_gets_a_sentence():
    for source, target, hint in [
        (digits(8), faces(8), "1797 sources and 100 targets"),
        (faces(8), faces(16), r"try .resized\(16\)"),
        (faces(8), np.zeros((100, 8)), "images must be"),
        ("faces", faces(8), "array of numbers"),
    ]:
        with pytest.raises(InputError, match=hint):
            pairs(source, target)


# What earlier releases gave, and stored runs were trained on.
BEFORE = {
    (digits, 8): "8aa4a98f227fcb6c0e09f481387d6fb1d13ed860d89d558098140c841f9d9acf",
    (faces, 25): "edd5974b8a6952508bbc2c51ac28e957898155c44c396266efa0333409f3205f",
}


@pytest.mark.parametrize(("load", "size"), BEFORE)
def test_original_sizes_are_the_same_on_every_machine(load, size):
    digest = hashlib.sha256(load(size).images.tobytes()).hexdigest()
    assert digest == BEFORE[load, size]


@pytest.mark.parametrize("size", [16, 32])
def test_digits_of_any_size_are_those_of_28(size):
    """Up to the blur of making them the same size again."""
    small = digits(28).resized(16).images
    assert np.corrcoef(digits(size).resized(16).images.ravel(), small.ravel())[0, 1] > 0.98


def test_made_smaller_stripes_turn_grey():
    stripes = np.tile(np.where(np.arange(64) % 2, 1.0, -1.0), (2, 64, 1))
    stripes[1] *= -1
    small = ImageSet(stripes, None, "stripes").resized(16)
    assert small.shape == (16, 16)
    assert np.abs(small.images[:, :, 2:-2]).max() < 0.05


@pytest.mark.parametrize("size", [8, 50])
def test_resizing_keeps_flat_colour_means_and_labels(size):
    flat = np.broadcast_to(np.array([[-1, 0, 0.5], [1, -0.5, 0]])[:, None, None], (2, 20, 20, 3))
    small = ImageSet(flat, [1, 0], "flat").resized(size)
    assert small.images.shape == (2, size, size, 3)
    np.testing.assert_allclose(small.images[:, 0, 0], flat[:, 0, 0], atol=1e-5)
    assert np.array_equal(small.labels, [1, 0]) and small.name == "flat"
    before, after = (each.images.mean(axis=(1, 2)) for each in (faces(), faces().resized(size)))
    np.testing.assert_allclose(after, before, atol=0.02)


def test_resizing_needs_squares_and_sense():
    assert faces().resized(25) is faces()
    with pytest.raises(InputError, match="square"):
        ImageSet(RAMP[:, :3], None, "wide").resized(8)
    for size in (3, 513, 8.5, "8", None):
        with pytest.raises(InputError, match="image size"):
            faces().resized(size)


def test_loading_warns_of_nothing_and_importing_loads_nothing():
    code = (
        "import sys, gan_lessons.images as i; assert not {'sklearn', 'skimage', 'PIL'}"
        " & set(sys.modules); i.digits(28), i.faces(8), i.glyphs(n=20)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
