"""Whatever somebody types into `Player` and `playground` works, or gets one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from gan_lessons.distributions import Ring
from gan_lessons.errors import InputError
from gan_lessons.images import image_set
from gan_lessons.live import Losses, Player, Quality, Samples, playground
from gan_lessons.live.arguments import Start, controls_from, panels_from, start_of, with_changes
from gan_lessons.live.suits import suits
from gan_lessons.networks import MLP
from gan_lessons.objectives import objective
from gan_lessons.presets import preset
from gan_lessons.training import Config, Knobs
from tests.line_learner import LineConfig, LineKnobs

CONFIG = Config(generator=MLP((8,)), discriminator=MLP((8,)), batch=16)
POINTS = np.random.default_rng(0).normal(size=(50, 2))


class Maker(nnx.Module):
    def __init__(self, n_in: int, n_out: int, *, rngs: nnx.Rngs) -> None:
        self.layer = nnx.Linear(n_in, n_out, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.layer(x)


def d_loss(real: Any, fake: Any) -> Any:
    return (jax.nn.softplus(-real) + jax.nn.softplus(fake)).mean()


def g_loss(real: Any, fake: Any) -> Any:
    return jax.nn.softplus(-fake).mean()


def changed(**changes: Any) -> tuple[Start, dict[str, Any]]:
    return with_changes(start_of("playground"), changes)


WORKS: list[tuple[Callable[[], Any], Any]] = [
    (lambda: start_of("ring").steps, 4000),
    (lambda: start_of(preset("ring")).knobs, preset("ring").knobs),
    (lambda: start_of(preset("ring"), {"lr_d": 1}).knobs.lr_d, 1),
    (lambda: start_of(Config).config, Config()),
    (lambda: start_of(CONFIG, {"lr_d": 1}).knobs, {"lr_d": 1}),
    (lambda: controls_from("lr_d", Knobs()), ("lr_d",)),
    (lambda: controls_from(["r1", "lr_d", "r1"], Knobs()), ("r1", "lr_d")),
    (lambda: controls_from(None, Knobs())[:2], ("objective", "lr_d")),
    (lambda: controls_from(None, LineKnobs()), ("rate",)),
    (
        lambda: [type(panel) for panel in panels_from([Samples, Losses()], Start(CONFIG))],
        [Samples, Losses],
    ),
    (lambda: [type(panel) for panel in panels_from(Samples(), Start(CONFIG))], [Samples]),
    (lambda: changed(data="two-moons")[0].config.data.kind, "plane"),
    (lambda: changed(data=POINTS)[0].config.data.dim, 2),
    (lambda: changed(data=image_set("digits"))[0].config.data.kind, "pictures"),
    (lambda: changed(objective="hinge", batch=64)[0].knobs.objective, "hinge"),
    (lambda: changed(objective=objective("hinge"))[0].knobs.objective, "hinge"),
    (lambda: changed(objective=(d_loss, g_loss))[0].knobs.objective, "own"),
    (lambda: changed(losses=lambda r, f: (d_loss(r, f), g_loss(r, f)))[0].knobs.objective, "own"),
    (lambda: changed(steps=5, size="projector")[1], {"steps": 5, "size": "projector"}),
    (lambda: with_changes(start_of(LineConfig()), {"rate": 0.5})[0].knobs, LineKnobs(0.5)),
    (lambda: Player(CONFIG, steps=1e2).steps, 100),
]

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Player(), "config"),
    (lambda: Player("rnig"), "'ring'"),
    (lambda: Player(Ring()), "config"),
    (lambda: Player(CONFIG, {"lrd": 1}), "'lr_d'"),
    (lambda: Player("ring", {"lrd": 1}), "'lr_d'"),
    (lambda: Player(CONFIG, 5), "knobs"),
    (lambda: Player(CONFIG, steps="100"), "steps"),
    (lambda: Player(CONFIG, steps=-5), "steps"),
    (lambda: Player(CONFIG, seed="a"), "seed"),
    (lambda: Player(CONFIG, size="big"), "size"),
    (lambda: Player(CONFIG, sed=1), "'seed'"),
    (lambda: Player(CONFIG, lr_d=1), "knob"),
    (lambda: Player(CONFIG, controls=["lrd"]), "'lr_d'"),
    (lambda: Player(CONFIG, controls=3), "controls"),
    (lambda: Player(CONFIG, panels=["samples"]), r"Samples\(\)"),
    (lambda: Player(CONFIG, panels=[Quality]), "meter"),
    (lambda: Player(CONFIG, panels=[]), "panels"),
    (lambda: Player(CONFIG, panels=2 * [Losses()]), "panels"),
    (lambda: playground("two-moons"), "data='two-moons'"),
    (lambda: playground(lrd=1), "'lr_d'"),
    (lambda: playground(objective="minmax"), "'minimax'"),
    (lambda: playground(objective=3), "objective"),
    (lambda: playground(objective=lambda real: real), "your d_loss"),
    (lambda: playground(generator="mlp"), "network"),
    (lambda: playground(data=np.zeros(9)), "shape"),
    (lambda: playground(lr_d="fast"), "lr_d"),
]


def test_what_works() -> None:
    for number, (make, wanted) in enumerate(WORKS):
        assert make() == wanted, number


def test_what_is_refused_in_a_sentence() -> None:
    for make, said in REFUSED:
        with pytest.raises(InputError, match=said):
            make()


def test_ones_own_modules_and_losses_play() -> None:
    own = {"generator": Maker, "discriminator": Maker, "objective": (d_loss, g_loss)}
    player = playground(data=POINTS, **own)
    player.run.advance(3)
    assert player.run.step == 3 and player.picture().startswith(b"\x89PNG")


def test_presets_of_pictures_are_scored_unless_their_data_are_changed() -> None:
    assert [type(each).__name__ for each in playground("digits-8x8").panels][-1] == "Quality"
    stacks = playground("stacked-digits").panels[-1]
    assert type(stacks).__name__ == "StackModes" and stacks.extractor.pixels == 64
    other = playground("digits-8x8", data="two-moons")
    assert [*map(type, other.panels)] == [*map(type, suits(other.run.config).panels)]
