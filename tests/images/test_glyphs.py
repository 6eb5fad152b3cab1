"""Glyphs: pictures whose class, place, size, angle and stroke are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gan_lessons.errors import InputError
from gan_lessons.images import GLYPHS, GlyphFactors, glyph_factors, glyphs, render_glyphs
from gan_lessons.images.drawn import FILLED, RANGES

SYMMETRIC = ("ring", "disc", "square", "triangle", "cross", "bar", "star")
spans = {name: st.floats(*span) for name, span in RANGES.items()}
one_glyph: Any = st.builds(
    dict, kind=st.sampled_from([[*GLYPHS].index(k) for k in SYMMETRIC]), **spans
)


def mass(pictures: np.ndarray) -> np.ndarray:
    """Covered area of each picture, in units where the frame is 2 x 2."""
    return (pictures + 1).mean(axis=(1, 2)) * 2


def centre(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre of mass (x, y) of each picture, the frame from -1 to 1."""
    line = (2 * np.arange(pictures.shape[1]) + 1) / pictures.shape[1] - 1
    covered = pictures + 1
    total = covered.sum(axis=(1, 2))
    x, y = covered.sum(axis=1) @ line / total, covered.sum(axis=2) @ line / total
    return x, y


@settings(max_examples=60, deadline=None)
@example({"kind": 5, "x": 0.0625, "y": 0.0, "size": 0.5, "rotation": 0.0, "stroke": 0.140625}, 8)
@given(one_glyph, st.sampled_from([8, 28, 50]))
def test_the_centre_of_mass_of_a_glyph_is_its_place(factors, size):
    """Up to what pixels of width h do to a line of width w: h^2 / 8w, or (h - w) / 2 if w < h."""
    picture = render_glyphs(GlyphFactors(**factors), size)
    assert picture.shape == (1, size, size) and picture.dtype == np.float32
    x, y = centre(picture)
    pixel = 2 / size
    off = 0.01 + max(pixel / 8, (pixel - factors["stroke"]) / 2)
    assert x[0] == pytest.approx(factors["x"], abs=off)
    assert y[0] == pytest.approx(factors["y"], abs=off)


@settings(max_examples=40, deadline=None)
@given(one_glyph)
def test_areas_are_those_of_geometry(factors):
    r, w = factors["size"], factors["stroke"]
    round_ends = np.pi / 4 * w**2
    areas = {
        "disc": np.pi * r**2,
        "ring": 2 * np.pi * r * w,
        "bar": 2 * r * w + round_ends,
        "cross": 4 * r * w + 2 * round_ends - w**2,
        "square": 4 * np.sqrt(2) * r * w - w**2 + round_ends,
        "triangle": 3 * np.sqrt(3) * r * w - 3 * np.sqrt(3) / 4 * w**2 + round_ends,
        "star": 10 * 0.5 * 0.45 * np.sin(np.pi / 5) * r**2,
    }
    area = mass(render_glyphs(GlyphFactors(**factors), 128))[0]
    assert area == pytest.approx(areas[list(GLYPHS)[factors["kind"]]], rel=0.03)


def test_glyphs_are_drawn_from_their_ranges_independently():
    factors = glyph_factors(20_000, seed=3)
    table = np.stack([factors.kind, *(getattr(factors, name) for name in RANGES)])
    assert np.abs(np.corrcoef(table) - np.eye(6)).max() < 0.03
    assert np.bincount(factors.kind).min() > 1800
    for name, (low, high) in RANGES.items():
        values = getattr(factors, name)
        assert low <= values.min() < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))


def test_glyphs_have_their_factors_class_and_a_black_margin():
    factors, images = glyph_factors(500, 7), glyphs(28, 500, 7)
    assert np.array_equal(images.labels, factors.kind)
    assert images.class_names == tuple(GLYPHS) and images.classes == 10
    assert np.array_equal(images.images, render_glyphs(factors))
    assert np.array_equal(images.images[[3, 1]], render_glyphs(factors[[3, 1]]))
    rim = np.ones((28, 28), bool)
    rim[1:-1, 1:-1] = False
    assert images.images[:, rim].max() < 0.3  # strokes stay in the frame
    assert not np.array_equal(images.images, glyphs(28, 500, 8).images)
    assert np.array_equal(images.images[:20], glyphs(28, 20, 7).images)
    assert glyphs(28, 500, 7) is images


@pytest.mark.parametrize("size", [8, 16])
def test_small_glyphs_are_large_ones_averaged(size):
    factors = glyph_factors(200, 1)
    fine = render_glyphs(factors, 8 * size).reshape(-1, size, 8, size, 8).mean(axis=(2, 4))
    assert np.abs(render_glyphs(factors, size) - fine).max() < 0.15


def test_every_kind_looks_different_and_turning_shows_except_on_round_ones():
    n = len(GLYPHS)
    still = {"x": np.zeros(n), "y": np.zeros(n), "size": np.full(n, 0.6), "stroke": np.full(n, 0.2)}
    upright = render_glyphs(GlyphFactors(np.arange(n), rotation=np.zeros(n), **still))
    turned = render_glyphs(GlyphFactors(np.arange(n), rotation=np.full(n, 0.5), **still))
    rows = upright.reshape(n, -1)
    apart = np.abs(rows[:, None] - rows).mean(axis=2) + np.eye(n)
    assert apart.min() > 0.05
    change = dict(zip(GLYPHS, np.abs(upright - turned).mean(axis=(1, 2)), strict=True))
    assert {kind for kind in change if change[kind] < 0.01} == {"ring", "disc"}
    assert set(FILLED) <= set(GLYPHS)


GOOD: dict[str, Any] = {"kind": 0, "x": 0, "y": 0, "size": 0.5, "rotation": 0, "stroke": 0.2}


def test_strange_factors_and_wishes_are_refused():
    table: list[tuple[str, list[Any]]] = [
        ("kind", [10, -1, 0.5, "ring", [[0]]]),
        ("x", [2]),
        ("y", [np.nan]),
        ("size", [0, [0.5, 0.5]]),
        ("rotation", ["left"]),
        ("stroke", [-0.1]),
    ]
    for name, values in table:
        for value in values:
            with pytest.raises(InputError, match=name):
                GlyphFactors(**GOOD | {name: value})
    for call, text in [
        (lambda: glyphs(28, 1), "number of glyphs"),
        (lambda: glyphs(28, [9]), "number of glyphs"),
        (lambda: glyphs(28, 10, -1), "seed"),
        (lambda: glyphs(29), "28"),
        (lambda: render_glyphs(glyph_factors(5), 2), "image size"),
    ]:
        with pytest.raises(InputError, match=text):
            call()
