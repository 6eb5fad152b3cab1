"""Image data: sets that need no network, sets to download, and the user's own folder.

A new set is one loader function and one line in `LOADERS` (no network) or `DOWNLOADS`.
"""

from __future__ import annotations

from collections.abc import Callable

from gan_lessons.errors import check_choice
from gan_lessons.images.checks import as_floats
from gan_lessons.images.downloads import Source, cache_folder, fetch
from gan_lessons.images.drawn import GLYPHS, GlyphFactors, glyph_factors, glyphs, render_glyphs
from gan_lessons.images.embedded import digits, faces
from gan_lessons.images.folder import FolderSet, image_folder
from gan_lessons.images.pairing import pairs
from gan_lessons.images.published import DOWNLOADS, cifar_10, fashion_mnist, kmnist, mnist
from gan_lessons.images.sets import ImageSet
from gan_lessons.images.stacks import Stacked, StackedChannels

__all__ = [
    "DOWNLOADS",
    "GLYPHS",
    "LOADERS",
    "FolderSet",
    "GlyphFactors",
    "ImageSet",
    "Source",
    "Stacked",
    "StackedChannels",
    "as_floats",
    "cache_folder",
    "cifar_10",
    "digits",
    "faces",
    "fashion_mnist",
    "fetch",
    "glyph_factors",
    "glyphs",
    "image_folder",
    "image_set",
    "kmnist",
    "mnist",
    "pairs",
    "render_glyphs",
]

LOADERS: dict[str, Callable[..., ImageSet]] = {"digits": digits, "faces": faces, "glyphs": glyphs}


def image_set(name: str, size: int | None = None) -> ImageSet:
    """The set called `name` in LOADERS or DOWNLOADS, at its own size unless another is asked for.

    Raises: InputError for an unknown name (with the nearest known one) or size, and for a set that
        must be downloaded and cannot be.
    """
    known = LOADERS | DOWNLOADS
    load = known[check_choice("image set", name, known)]
    return load() if size is None else load(size=size)
