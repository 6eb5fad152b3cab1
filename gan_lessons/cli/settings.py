"""`--set KNOB=VALUE`: what a person writes for a knob or a field of a config."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from gan_lessons.distributions import DISTRIBUTIONS, Distribution, distribution
from gan_lessons.errors import InputError, check_choice
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from gan_lessons.training import KNOBS, Knob, Knobs, knobs_of

NETWORKS = (MLP, ConvGenerator, ConvDiscriminator)
EXAMPLES = {
    "data": "two-moons or Ring(modes=12)",
    "latent": "normal or WithBits(Normal(3), 4)",
    "network": "MLP((64, 64), 'tanh')",
}


def read_settings(texts: Iterable[str], config: Any, knobs: Any) -> tuple[dict, dict]:
    """What `--set` asks for, as new fields of `config` and of `knobs`, both unchecked.

    Raises: InputError for an unknown name (with the nearest) or a value that cannot be read.
    """
    given = dict(_setting(text, config, knobs) for text in texts)
    moved = {name: given.pop(name) for name in knobs_of(knobs) if name in given}
    return given, moved


def knob_list() -> str:
    """The knobs of a GAN: name, start, range and meaning, a line each."""
    lines = [(each.name, f"{getattr(Knobs(), each.name)}", _range(each)) for each in KNOBS.values()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    heads = ["  ".join(map(str.ljust, line, widths)) for line in lines]
    texts = [": ".join(filter(None, [k.help, ", ".join(k.choices)])) for k in KNOBS.values()]
    return "\n".join(f"{head}  {text}" for head, text in zip(heads, texts, strict=True))


def _range(knob: Knob) -> str:
    if knob.choices:
        return "a name"
    return f"{'above ' if knob.above else ''}{knob.low:g} to {knob.high:g}"


def _setting(text: str, config: Any, knobs: Any) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set wants KNOB=VALUE, as in --set lr_d=0.002, not {text!r}")
    known = [*knobs_of(knobs), *(field.name for field in fields(config))]
    check_choice("knob", name, known)
    return name, _value(name, value, getattr(config, name, None))


def _value(name: str, text: str, present: Any) -> Any:
    """What `text` says, read as what stands there at present."""
    if isinstance(present, Distribution):
        kinds = DISTRIBUTIONS.values()
        return _written_out(name, text, kinds) if "(" in text else distribution(text)
    if hasattr(present, "build"):
        return _written_out(name, text, NETWORKS)
    if isinstance(present, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return _number(text)


def _number(text: str) -> int | float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _written_out(name: str, text: str, kinds: Iterable[Any]) -> Any:
    """The value of a call such as `WithBits(Normal(3), 4)` of classes among `kinds` alone."""
    by_name = {kind.__name__: kind for kind in kinds}

    def value(node: Any) -> Any:
        if not isinstance(node, ast.Call):
            return ast.literal_eval(node)
        words = {word.arg or "": value(word.value) for word in node.keywords}
        return by_name[getattr(node.func, "id", "")](*map(value, node.args), **words)

    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError
        return value(call)
    except InputError:
        raise
    # The last two: brackets or signs nested thousands deep.
    except (
        *(SyntaxError, AttributeError, KeyError, TypeError, ValueError),
        *(MemoryError, RecursionError),
    ):
        example = EXAMPLES.get(name, EXAMPLES["network"])
        raise InputError(f"{name} is written like {example}, not {text!r}") from None
