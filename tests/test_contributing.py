"""What `.github/CONTRIBUTING.md` tells people to write works as it stands there."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from gan_lessons.distributions import DISTRIBUTIONS
from gan_lessons.training import KNOBS, Knobs
from gan_lessons.training.learner import LEARNERS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def followed() -> Iterator[types.ModuleType]:
    """A module into which somebody has typed every code block, in order."""
    module = types.ModuleType("followed")
    sys.modules["followed"] = module
    exec("\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)), vars(module))
    yield module
    del sys.modules["followed"]
    DISTRIBUTIONS.pop("crescent")
    LEARNERS.pop("mean")


def test_the_guide_works_as_it_stands(followed: types.ModuleType) -> None:
    assert followed.config.data == followed.Crescent()
    assert followed.run.step == 5 and followed.run.history.shape == (5, 1)
    from gan_lessons.live import Player

    player = Player(followed.MeanConfig())
    player.step()
    player.wait()
    assert player.run.step == 1 and player.picture()
    player.close()


def test_every_file_it_names_is_there() -> None:
    for name in re.findall(r"`((?:gan_lessons|tests|\.ci)/[\w./]+)`", TEXT):
        assert (ROOT / name).exists(), name


def test_the_code_in_the_readme_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks about the engine and about one's own networks; the one on pictures downloads."""
    monkeypatch.setenv("GAN_LESSONS_DISPLAY", "still")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    engine, own = (each for each in blocks if "image_folder" not in each)
    exec(engine.replace("1000", "20").replace("200", "10"), {})
    names: dict[str, object] = {}
    exec(own.replace("playground(data", "player = playground(data"), names)
    player = names["player"]
    player.step()
    player.wait()
    assert player.run.step == 1 and player.run.knobs.objective == "own"
    player.close()


def knob_table() -> str:
    """The README's table of knobs, from the one place where they are described."""
    lines = ["| knob | from | to | at first | |", "|---|---|---|---|---|"]
    for name, each in KNOBS.items():
        start = getattr(Knobs(), name)
        if each.choices:
            span, first = "| " + ", ".join(f"`{one}`" for one in each.choices), f"`{start}`"
            lines.append(f"| `{name}` {span} | | {first} | {each.help} |")
        else:
            low = f"above {each.low:g}" if each.above else f"{each.low:g}"
            lines.append(f"| `{name}` | {low} | {each.high:g} | {start:g} | {each.help} |")
    return "\n".join(lines)


def test_the_readme_lists_the_knobs_as_they_are() -> None:
    assert knob_table() in (ROOT / "README.md").read_text(encoding="utf-8"), knob_table()
