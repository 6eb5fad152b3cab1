"""What somebody asks of a player or an explorer, as data: a queue of wishes is done in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Wish:
    """Something to be done; this one asks for nothing but a fresh picture.

    Attributes:
        plays: whether it leaves things playing; None where that stays as it was.
    """

    plays: ClassVar[bool | None] = None


@dataclass(frozen=True)
class Play(Wish):
    """Go on from what is shown."""

    plays = True


@dataclass(frozen=True)
class Pause(Wish):
    """Stop after what is under way."""

    plays = False


@dataclass(frozen=True)
class TakeStep(Wish):
    """Take one step of "d", "g" or "both", and stay paused."""

    plays = False
    who: str = "both"


@dataclass(frozen=True)
class Scrub(Wish):
    """Show snapshot number `index`, and stay paused."""

    plays = False
    index: int = 0


@dataclass(frozen=True)
class Reset(Wish):
    """Start over, from `seed` or from the same one."""

    seed: int | None = None


@dataclass(frozen=True)
class Turn(Wish):
    """Turn some knobs, or set some of an explorer's values."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class SetSpeed(Wish):
    """Play at so many steps a second; None is as fast as it goes."""

    speed: float | None


@dataclass(frozen=True)
class Resize(Wish):
    """Draw in another size: a name for a player, dots per inch for an explorer."""

    size: Any


@dataclass(frozen=True)
class Drag(Wish):
    """A finger has moved: [number of the press, x and y where it began, x and y now]."""

    places: tuple[float, ...]


@dataclass(frozen=True)
class Say(Wish):
    """Show a sentence, after what earlier wishes have had shown."""

    sentence: str


def playing_after(playing: bool, wishes: Iterable[Wish]) -> bool:
    """Whether something plays once all these wishes are done, one after the other."""
    for wish in wishes:
        playing = playing if wish.plays is None else wish.plays
    return playing
