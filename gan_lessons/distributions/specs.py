"""What a person may write for a distribution: a name, an array, a class, a set of images."""

from __future__ import annotations

from typing import Any

from gan_lessons.distributions.arrays import Empirical
from gan_lessons.distributions.base import DISTRIBUTIONS, Distribution
from gan_lessons.errors import InputError, check_choice


def distribution(spec: object) -> Distribution:
    """The `Distribution` that `spec` stands for.

    Args:
        spec: a `Distribution`, a name in `DISTRIBUTIONS`, an array [n, dim], a class of
            distributions (used with its defaults), or anything with a method `distribution()`,
            such as an `ImageSet`.

    Raises:
        InputError: an unknown name (the nearest is suggested), an unusable array, anything else.
    """
    if isinstance(spec, Distribution):
        return spec
    if isinstance(spec, str):
        return DISTRIBUTIONS[check_choice("distribution", spec, DISTRIBUTIONS)]()
    if isinstance(spec, type):
        return _by_default(spec)
    if callable(getattr(spec, "distribution", None)):
        return distribution(spec.distribution())  # type: ignore[attr-defined]
    if isinstance(spec, (list, tuple)) or hasattr(spec, "__array__"):
        return Empirical(spec)
    raise InputError(
        f"a distribution is a name like 'ring', an array [n, dim], a Distribution such as Ring() "
        f"or a set of images, not {spec!r}"
    )


def _by_default(kind: Any) -> Distribution:
    if not issubclass(kind, Distribution):
        raise InputError(f"{kind.__name__} is a class, but not one of distributions; give a value")
    try:
        return kind()
    except TypeError:
        raise InputError(f"{kind.__name__} has no defaults; call it with what it needs") from None
