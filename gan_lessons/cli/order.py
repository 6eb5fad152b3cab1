"""What a command line of `gan-lessons train` asks for, and which folder that run has."""

from __future__ import annotations

import argparse
import hashlib
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gan_lessons.cli.settings import read_settings
from gan_lessons.errors import check_number
from gan_lessons.files import typed_path
from gan_lessons.presets import preset
from gan_lessons.training import checkpoints, knobs_of

LONGEST = 60  # characters of settings in a folder's name


@dataclass(frozen=True)
class TrainingOrder:
    """What a command line asks for.

    Attributes:
        name, images: the preset, and its image set.
        moved: the knobs that `--set` names; `knobs` has them set already.
        steps: train up to this step; every: steps between two checkpoints.
        folder: where the run is kept.
    """

    name: str
    images: str | None
    config: Any
    knobs: Any
    moved: dict[str, Any]
    seed: int
    steps: int
    every: int
    folder: Path
    json: bool


def training_order(args: argparse.Namespace) -> TrainingOrder:
    """Read a command line; InputError where it asks for something impossible."""
    chosen = preset(args.preset)
    given, moved = read_settings(args.set, chosen.config, chosen.knobs)
    config, knobs = replace(chosen.config, **given), replace(chosen.knobs, **moved)
    seed = int(check_number("--seed", args.seed, 0, 2**31 - 1, integer=True))
    steps = chosen.steps if args.steps is None else args.steps
    plain = Path("runs", f"{args.preset}-{seed}")
    folder = plain.with_name(plain.name + _suffix(chosen, config, knobs))
    if args.resume and not checkpoints.saved(folder) and checkpoints.saved(plain):
        folder = plain  # knobs moved in the run that began without settings
    return TrainingOrder(
        args.preset,
        chosen.images,
        config,
        knobs,
        moved,
        seed,
        steps=int(check_number("--steps", steps, 1, 1e9, integer=True)),
        every=int(check_number("--every", args.every, 1, 1e9, integer=True)),
        folder=folder if args.out is None else typed_path(args.out, "--out"),
        json=args.json,
    )


def _suffix(chosen: Any, config: Any, knobs: Any) -> str:
    """What the folder's name says of settings that differ from the preset's: equal if they are."""
    pairs = [(name, getattr(knobs, name), getattr(chosen.knobs, name)) for name in knobs_of(knobs)]
    for field in fields(config):
        if field.repr:
            pairs.append(
                (field.name, getattr(config, field.name), getattr(chosen.config, field.name))
            )
    texts = [f"{name}={now}" for name, now, before in pairs if repr(now) != repr(before)]
    if not texts:
        return ""
    text = ",".join(texts)
    plain = re.sub(r"[^\w.,=+-]+", "_", text, flags=re.ASCII)
    if plain == text and len(text) <= LONGEST:
        return f"-{text}"
    return f"-{plain[: LONGEST - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
