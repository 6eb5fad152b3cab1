"""Pictures made by a formula, so that everything about them is known.

For real images nobody can say what the modes are or how often each should occur. Here the class,
place, size, angle and stroke of every picture are known numbers, drawn independently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gan_lessons.errors import InputError, check_number
from gan_lessons.images.embedded import allowed_size
from gan_lessons.images.sets import ImageSet

GLYPH_SIZES = (8, 16, 25, 28, 32, 64)
RANGES = {
    "x": (-0.16, 0.16),
    "y": (-0.16, 0.16),
    "size": (0.44, 0.68),
    "rotation": (-np.pi / 6, np.pi / 6),
    "stroke": (0.14, 0.26),
}
LIMITS = {"x": (-1, 1), "y": (-1, 1), "size": (0.01, 2), "rotation": (-10, 10), "stroke": (0, 1)}


@dataclass(frozen=True, eq=False)
class GlyphFactors:
    """What `render_glyphs` draws: one number per picture in each of six arrays [n].

    The unit of length is half a side: the frame goes from -1 to 1, x to the right and y downwards.

    Attributes:
        kind: index into GLYPHS, 0 to 9.
        x, y: place of the glyph's centre, each from -1 to 1.
        size: from the centre to the farthest point (to the middle of the line there), .01 to 2.
        rotation: in radians, clockwise as seen, from -10 to 10.
        stroke: width of the line, 0 to 1; disc, star and moon are filled and have no line.

    Raises: InputError for arrays of unequal length or numbers outside these ranges.
    """

    kind: Int[np.ndarray, " n"]
    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    size: Float[np.ndarray, " n"]
    rotation: Float[np.ndarray, " n"]
    stroke: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        kind = np.atleast_1d(self.kind)
        whole = kind.ndim == 1 and kind.size and kind.dtype.kind in "iu"
        if not whole or kind.min() < 0 or kind.max() >= len(GLYPHS):
            raise InputError("kind must be whole numbers from 0 to 9, places in the list GLYPHS")
        self.__dict__["kind"] = kind
        for name, (low, high) in LIMITS.items():
            self.__dict__[name] = _numbers(name, getattr(self, name), len(kind), low, high)

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, which: Any) -> GlyphFactors:
        """The factors of some pictures: a slice, a mask or a list of indices."""
        return GlyphFactors(*(getattr(self, name)[which] for name in ("kind", *LIMITS)))


def glyph_factors(n: int = 10_000, seed: int = 0) -> GlyphFactors:
    """Factors of `n` glyphs, drawn independently and uniformly from RANGES.

    Angles stay within 30 degrees to either side, which is less than half the smallest turn that
    maps any shape to itself. So the angle can be read off a picture, except for ring and disc,
    which look the same at every angle. Strokes stay inside the frame.

    Args:
        n: from 2 to 200,000.
        seed: whole number from 0. A longer set of the same seed begins with the shorter one.

    Raises: InputError for anything else.
    """
    n, seed = _whole(n, seed)
    drawn = np.random.default_rng(seed).random((n, 1 + len(RANGES)))
    kind = (len(GLYPHS) * drawn[:, 0]).astype(np.int32)
    low, high = np.transpose(list(RANGES.values()))
    return GlyphFactors(kind, *(low + (high - low) * drawn[:, 1:]).T)


def render_glyphs(factors: GlyphFactors, size: int = 28) -> Float[np.ndarray, "n size size"]:
    """White glyphs on black, float32 in [-1, 1], edges one pixel soft.

    Brightness is the share of a pixel that the glyph covers, estimated from the signed distance d
    between the pixel's centre and the glyph's edge: clip(1/2 - d / pixel, 0, 1). Below 28 pixels
    strokes would be thinner than a pixel, so the picture is drawn larger and averaged.

    Args:
        size: height and width in pixels, from 4 to 512.

    Raises: InputError for another size.
    """
    size = int(check_number("image size", size, 4, 512, integer=True))
    pictures = np.empty((len(factors), size, size), np.float32)
    batch = max(1, 2**19 // max(size, 56) ** 2)  # limits the memory in use
    for kind in range(len(GLYPHS)):
        members = np.flatnonzero(factors.kind == kind)
        for start in range(0, len(members), batch):
            which = members[start : start + batch]
            pictures[which] = _render(kind, factors[which], size)
    return pictures


def glyphs(size: int = 28, n: int = 10_000, seed: int = 0) -> ImageSet:
    """`n` pictures of ten shapes with known factors; labels are places in GLYPHS.

    `glyph_factors(n, seed)` gives the factors of these very pictures.

    Raises: InputError for a size not in GLYPH_SIZES, or as `glyph_factors` does.
    """
    return _glyphs(allowed_size("glyphs", size, GLYPH_SIZES), *_whole(n, seed))


@lru_cache(maxsize=8)
def _glyphs(size: int, n: int, seed: int) -> ImageSet:
    factors = glyph_factors(n, seed)
    pictures = render_glyphs(factors, size)
    return ImageSet(pictures, factors.kind, f"glyphs {size}x{size}", tuple(GLYPHS))


# ---- drawing: distances in the glyph's own frame, where it is upright and reaches from -1 to 1

Plane = Float[np.ndarray, "n p"]
Points = Sequence[tuple[float, float]]


def _render(kind: int, factors: GlyphFactors, size: int) -> Float[np.ndarray, "n size size"]:
    finer = 1 if size >= 28 else -(-56 // size)
    side = finer * size
    name, distance = list(GLYPHS.items())[kind]
    half_line = 0 if name in FILLED else _column(factors.stroke) / 2
    edge = _column(factors.size) * distance(*_own_frame(factors, side)) - half_line
    covered = np.clip(0.5 - edge * (side / 2), 0, 1)
    means = covered.reshape(-1, size, finer, size, finer).mean(axis=(2, 4))
    return (2 * means - 1).astype(np.float32)


def _own_frame(factors: GlyphFactors, side: int) -> tuple[Plane, Plane]:
    """Each pixel's place in the glyph's own frame: shifted back, turned back and scaled."""
    line = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    x, y = (grid.reshape(1, -1) for grid in np.meshgrid(line, line))
    x, y = x - _column(factors.x), y - _column(factors.y)
    cos, sin = (_column(turn(factors.rotation) / factors.size) for turn in (np.cos, np.sin))
    return x * cos + y * sin, y * cos - x * sin


def _column(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 1"]:
    return values[:, None].astype(np.float32)  # twice as fast as float64


def _to_lines(u: Plane, v: Plane, *paths: Points) -> Plane:
    """Distance to the nearest of the lines that join the points of each path."""
    ends = [pair for path in paths for pair in pairwise(path)]
    return np.sqrt(np.min([_to_segment(u, v, *pair) for pair in ends], axis=0))


def _to_segment(u: Plane, v: Plane, a: tuple[float, float], b: tuple[float, float]) -> Plane:
    """Squared distance to the segment from a to b."""
    along_u, along_v = b[0] - a[0], b[1] - a[1]
    from_u, from_v = u - a[0], v - a[1]
    share = np.clip((from_u * along_u + from_v * along_v) / (along_u**2 + along_v**2), 0, 1)
    return (from_u - share * along_u) ** 2 + (from_v - share * along_v) ** 2


def _polygon(corners: int, first: float = -90.0, inner: float | None = None) -> Points:
    """A closed regular polygon of radius 1; with `inner`, a star with notches at that radius."""
    count = corners if inner is None else 2 * corners
    angles = np.radians(first + 360 * np.arange(count + 1) / count)
    radii = np.where(np.arange(count + 1) % 2, inner or 1, 1)
    x, y = radii * np.cos(angles), radii * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _inside(u: Plane, v: Plane, path: Points) -> np.ndarray:
    """Whether a ray to the right crosses the closed path an odd number of times."""
    odd = np.zeros(u.shape, bool)
    for (au, av), (bu, bv) in pairwise(path):
        if av != bv:
            odd ^= ((av > v) != (bv > v)) & (u < au + (bu - au) * (v - av) / (bv - av))
    return odd


def _star(u: Plane, v: Plane) -> Plane:
    path = _polygon(5, inner=0.45)
    return np.where(_inside(u, v, path), -1, 1) * _to_lines(u, v, path)


def _arc(u: Plane, v: Plane) -> Plane:
    """The lower half of a circle about (0, -.4)."""
    v = v + 0.4
    ends = np.hypot(np.abs(u) - 0.9, v)
    return np.where(v > 0, np.abs(np.hypot(u, v) - 0.9), ends)


def _moon(u: Plane, v: Plane) -> Plane:
    """A disc out of which another disc is cut on the right."""
    return np.maximum(np.hypot(u, v) - 1, 0.8 - np.hypot(u - 0.5, v))


FILLED = ("disc", "star", "moon")
GLYPHS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 1),
    "disc": lambda u, v: np.hypot(u, v) - 1,
    "square": lambda u, v: _to_lines(u, v, _polygon(4, first=45)),
    "triangle": lambda u, v: _to_lines(u, v, _polygon(3)),
    "cross": lambda u, v: _to_lines(u, v, [(-1, 0), (1, 0)], [(0, -1), (0, 1)]),
    "bar": lambda u, v: _to_lines(u, v, [(0, -1), (0, 1)]),
    "arrow": lambda u, v: _to_lines(u, v, [(0, 1), (0, -1)], [(-0.7, -0.3), (0, -1), (0.7, -0.3)]),
    "arc": _arc,
    "star": _star,
    "moon": _moon,
}


def _whole(n: object, seed: object) -> tuple[int, int]:
    n = int(check_number("number of glyphs", n, 2, 200_000, integer=True))
    return n, int(check_number("seed", seed, 0, 2**53, integer=True))


def _numbers(name: str, given: Any, n: int, low: float, high: float) -> Float[np.ndarray, " n"]:
    try:
        values = np.atleast_1d(np.asarray(given, np.float64))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (n,) or not np.all((values >= low) & (values <= high)):
        raise InputError(f"{name} must be {n} numbers from {low:g} to {high:g}, one a glyph")
    return values
