"""What people type into `Player` and `playground`, made into what these need, or a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from gan_lessons.distributions import DISTRIBUTIONS
from gan_lessons.errors import InputError, check_choice, nearest
from gan_lessons.live import panels as looks
from gan_lessons.live.panels import Panel
from gan_lessons.live.suits import meter_panel, suits
from gan_lessons.objectives import OBJECTIVES, OWN, Objective
from gan_lessons.presets import PRESETS, Preset, preset
from gan_lessons.training import knobs_of, learner_of

STEPS = 2000  # for a config that says nothing about it
USUAL = ("objective", "lr_d", "lr_g", "r1", "noise", "d_steps")  # sliders in sight, of a GAN
IN_SIGHT = 6  # sliders in sight of another learner


@dataclass(frozen=True)
class Start:
    """What a player starts from."""

    config: Any
    knobs: Any = None
    steps: int = STEPS
    images: str | None = None  # the image set by which pictures can be scored

    @property
    def known(self) -> Mapping[str, Any]:
        """The descriptions of the learner's knobs."""
        return knobs_of(learner_of(self.config).knobs)


def start_of(config: Any, knobs: Any = None) -> Start:
    """What a player starts from, given a config, a preset or the name of one."""
    if isinstance(config, Start):
        return config
    if isinstance(config, str):
        config = named_preset(config)
    if isinstance(config, type) and hasattr(config, "learner"):
        config = config()
    if not isinstance(config, Preset):
        if not hasattr(config, "learner"):
            raise InputError(
                f"a player is of a config like Config(), or of a preset like 'ring', not {config!r}"
            )
        return Start(config, knobs)
    if isinstance(knobs, Mapping):
        known = knobs_of(config.knobs)
        knobs = replace(
            config.knobs, **{check_choice("knob", name, known): knobs[name] for name in knobs}
        )
    return Start(
        config.config, config.knobs if knobs is None else knobs, config.steps, config.images
    )


def named_preset(name: str) -> Preset:
    """The preset called `name`; InputError says how to ask for a distribution instead."""
    if name in DISTRIBUTIONS and name not in PRESETS:
        raise InputError(f"{name!r} is a distribution and no preset: say playground(data={name!r})")
    return preset(name)


def panels_from(given: Any, start: Start) -> list[Panel]:
    """Panels as somebody wrote them; by default those that suit."""
    if given is None:
        return [*suits(start.config).panels, *meter_panel(start.config, start.images)]
    if isinstance(given, (Panel, str)) or not isinstance(given, Iterable):
        given = [given]
    made = [_panel(each) for each in given]
    if not made or len({id(panel) for panel in made}) < len(made):
        raise InputError(
            "panels must be one or more, each made for itself, like [Samples(), Losses()]"
        )
    return made


def _panel(given: Any) -> Panel:
    if isinstance(given, Panel):
        return given
    if isinstance(given, type) and issubclass(given, Panel):
        try:
            return given()
        except TypeError as error:
            raise InputError(f"{given.__name__} has to be made by you: {error}") from None
    names = {name.lower(): name for name in looks.__all__}
    hint = nearest(str(given).lower(), names) if isinstance(given, str) else ""
    for low, name in names.items():
        hint = hint.replace(f"{low!r}", f"{name}()")
    raise InputError(f"panels are made by their classes, like Samples(), not {given!r}{hint}")


def controls_from(given: Any, knobs: Any) -> tuple[str, ...]:
    """Names of the knobs whose sliders are in sight."""
    movable = [name for name, each in knobs_of(knobs).items() if each.slider]
    if given is None:
        usual = [name for name in USUAL if name in movable]
        return tuple(usual or movable[:IN_SIGHT])
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, (Sequence, set, frozenset)):
        raise InputError(f"controls are names of knobs, like ['lr_d', 'r1'], not {given!r}")
    return tuple(dict.fromkeys(check_choice("control", name, movable) for name in given))


def refuse_unknown(unknown: Mapping[str, Any], start: Start) -> None:
    """Raise InputError for keywords that `Player` does not have."""
    for name in unknown:
        if name in start.known:
            raise InputError(
                f"{name} is a knob: say Player(config, {{{name!r}: {unknown[name]!r}}})"
            )
        check_choice("keyword of Player", name, OPTIONS)


OPTIONS = ("panels", "controls", "steps", "seed", "size", "goals")


def with_changes(chosen: Start, changes: Mapping[str, Any]) -> tuple[Start, dict[str, Any]]:
    """A start with other config fields and knobs, and the changes that are left for `Player`."""
    config, left = chosen.config, dict(changes)
    begin = chosen.knobs if chosen.knobs is not None else learner_of(config).knobs()
    known = [field.name for field in fields(config)]
    for name in changes:
        check_choice("keyword of playground", name, (*known, *chosen.known, *OPTIONS))
    if "objective" in changes:
        left |= _objective(left.pop("objective"))
    elif changes.get("losses") is not None:
        left["objective"] = OWN
    config = replace(config, **{name: left.pop(name) for name in known if name in left})
    knobs = replace(begin, **{name: left.pop(name) for name in chosen.known if name in left})
    images = chosen.images if config.data is chosen.config.data else None
    return Start(config, knobs, chosen.steps, images), left


def _objective(given: Any) -> dict[str, Any]:
    """The changes that play an objective: the name of one, or losses of one's own."""
    if isinstance(given, Objective) and OBJECTIVES.get(given.name) == given:
        given = given.name
    return {"objective": given} if isinstance(given, str) else {"losses": given, "objective": OWN}
