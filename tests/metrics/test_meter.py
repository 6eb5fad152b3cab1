"""Feature extractors, and the Frechet distance to a set of images in their features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet, digits, faces
from gan_lessons.metrics import (
    FeatureExtractor,
    FrechetMeter,
    features,
    frechet_features,
    train_feature_extractor,
)


def others(images: ImageSet, meter: FrechetMeter) -> np.ndarray:
    """The half of the set that the meter does not compare with."""
    return images.images[np.random.default_rng(0).permutation(len(images))[1::2][: meter.n]]


@pytest.mark.parametrize("size", [8, 28])
def test_meter_on_digits(size):
    images, rng = digits(size), np.random.default_rng(0)
    meter = FrechetMeter(images)
    assert meter.accuracy is not None
    assert meter.accuracy >= 0.97
    assert meter.n == 898
    real = others(images, meter)
    assert meter(real) == meter.floor == meter(real.reshape(meter.n, -1))
    noise = rng.standard_normal(real.shape)
    noisy = [meter(np.clip(real + s * noise, -1, 1)) for s in (0.2, 0.4, 0.8)]
    blurred = [meter(gaussian_filter(real, (0, s, s))) for s in (0.6, 1, 2)]
    assert [meter.floor, *noisy] == sorted([meter.floor, *noisy])
    assert [meter.floor, *blurred] == sorted([meter.floor, *blurred])
    assert meter(rng.uniform(-1, 1, real.shape)) > 40 * meter.floor
    one_class = images.images[images.labels == 3]
    assert meter(one_class) > 20 * meter.floor  # mode collapse is seen


def test_meter_on_faces_uses_components_and_sees_collapse():
    meter = FrechetMeter(faces())
    real = others(faces(), meter)
    assert meter.accuracy is None
    assert meter.n == 50
    assert meter(real) == meter.floor
    assert meter(np.repeat(real[:5], 10, axis=0)) > 2 * meter.floor
    assert meter(-real) > 2 * meter.floor


def test_extractor_is_kept_and_the_same_for_the_same_seed():
    extractor = train_feature_extractor(digits(), 0)
    assert train_feature_extractor(digits(), 0) is FrechetMeter(digits()).extractor
    same = ImageSet(digits().images, digits().labels, "copy")
    again = train_feature_extractor(same, 0)
    assert np.array_equal(again(same.images[:9]), extractor(same.images[:9]))
    assert frechet_features(extractor, same.images, same.images) == pytest.approx(0, abs=1e-6)


def coloured(n=60, seed=0):
    """Two kinds of colour pictures: red at the top, or blue at the bottom."""
    rng = np.random.default_rng(seed)
    labels, images = np.arange(n) % 2, rng.uniform(-1, -0.5, (n, 6, 5, 3))
    images[labels == 0, :3, :, 0] += 1
    images[labels == 1, 3:, :, 2] += 1
    return images.astype(np.float32), labels


@pytest.mark.parametrize("labels", [True, False])
def test_colour_pictures(labels):
    images, kinds = coloured()
    meter = FrechetMeter(ImageSet(images, kinds if labels else None, "colours"))
    fresh, kinds = coloured(seed=1)
    assert meter.extractor.pixels == 90
    assert meter.accuracy == (1 if labels else None)
    assert meter(fresh) == pytest.approx(meter(fresh.reshape(60, -1)))
    assert meter(fresh[kinds == 0]) > 5 * meter(fresh)
    assert meter(fresh[..., ::-1]) > 5 * meter(fresh)  # red and blue exchanged


def test_any_function_can_be_the_extractor():
    def bright(rows):
        return np.stack([np.asarray(rows).mean(axis=1), np.asarray(rows).std(axis=1)], axis=1)

    meter = FrechetMeter(digits(), extractor=FeatureExtractor(bright, 64))
    images = digits().images
    assert meter(images) < 0.01 < meter(-images)
    assert meter.accuracy is None
    with pytest.raises(InputError, match="labels"):
        meter.extractor.logits(images)


def test_one_picture_repeated_has_a_distance():
    meter = FrechetMeter(digits())
    black = np.full((50, 8, 8), -1.0)
    assert np.isfinite(meter(black)) and meter(black) > 20 * meter.floor


def test_what_are_not_images_of_the_set_is_refused():
    meter, images = FrechetMeter(digits()), digits().images[:50]
    sizes = (np.zeros((1, 8, 8)), np.zeros((5, 28, 28)), np.zeros(64), np.zeros((5, 74)))
    for bad in (*sizes, np.full((9, 64), np.nan), ["ink"], 127.5 * (images + 1)):
        with pytest.raises(InputError):
            meter(bad)
    assert np.isfinite(meter(3 * images))  # a generator without tanh may do this


class Enough(Exception):
    """Raised in place of training."""


def test_a_large_set_is_seen_more_than_once(monkeypatch):
    def stop(rows, targets, key, steps):
        raise Enough(steps)

    monkeypatch.setattr(features, "LEAST_STEPS", 1)
    monkeypatch.setattr(features, "_fit", stop)
    few = ImageSet(digits().images[:300], np.asarray(digits().labels)[:300], "few")
    with pytest.raises(Enough, match=str(3 * 240 // 128)):
        train_feature_extractor(few)
