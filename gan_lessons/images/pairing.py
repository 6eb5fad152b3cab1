"""Pairs of pictures for image-to-image games: G is given the source and asked for the target."""

from __future__ import annotations

from typing import Any

from gan_lessons.distributions import Paired
from gan_lessons.errors import InputError
from gan_lessons.images.sets import ImageSet


def pairs(source: Any, target: Any) -> Paired:
    """A distribution over `target`, with the picture of `source` at the same place as its given.

    Both are always drawn together, so that an L1 term compares what G makes of a source with the
    target of that very source, as in pix2pix (Isola et al. 2017, arXiv 1611.07004).

    Args:
        source, target: image sets, or arrays that `ImageSet` takes, of equally many pictures of
            the same height and width; their channels may differ.

    Raises: InputError for anything else.
    """
    one, other = _as_set(source, "source"), _as_set(target, "target")
    if len(one) != len(other):
        raise InputError(
            f"{len(one)} sources and {len(other)} targets are no pairs; give as many of both, in "
            "the same order"
        )
    if one.shape[:2] != other.shape[:2]:
        raise InputError(
            f"source and target must have the same height and width, not {one.shape[:2]} and "
            f"{other.shape[:2]}; try .resized({other.shape[0]})"
        )
    given, rows = (each.images.reshape(len(each), -1) for each in (one, other))
    return Paired(rows, given, shape=other.shape, about="picture", given_shape=one.shape)


def _as_set(pictures: Any, name: str) -> ImageSet:
    return pictures if isinstance(pictures, ImageSet) else ImageSet(pictures, None, name)
