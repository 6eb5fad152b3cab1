"""What convolutional generators and discriminators share.

Every layer halves or doubles the side of the picture with a 4x4 kernel and stride 2, as in DCGAN
(Radford et al. 2015, arXiv 1511.06434). Pictures come and go as rows [n, size * size * channels],
so the engine, the metrics and the panels treat them like any other data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Array

from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.networks.base import ELEMENTWISE, INITIALIZERS


@dataclass(frozen=True)
class ConvSpec:
    """The fields of both specs, and their checks; see there."""

    size: int = 28
    channels: int = 1
    widths: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    norm: str = "none"
    init: str = "he"

    def __post_init__(self) -> None:
        if not isinstance(self.widths, (tuple, list)) or not self.widths:
            raise InputError(
                f"widths must be a tuple of channels like (64, 128), not {self.widths!r}"
            )
        checked = (int(check_number("width", each, 1, 4096, integer=True)) for each in self.widths)
        object.__setattr__(self, "widths", tuple(checked))
        for name, low, high in (("size", 4, 256), ("channels", 1, 16)):
            value = check_number(name, getattr(self, name), low, high, integer=True)
            object.__setattr__(self, name, int(value))
        check_choice("activation", self.activation, ELEMENTWISE)
        check_choice("init", self.init, INITIALIZERS)
        if 2 ** len(self.widths) > self.size:
            raise InputError(
                f"{len(self.widths)} layers of stride 2 leave nothing of {self.size} pixels; "
                f"give widths at most {self.size.bit_length() - 1} entries"
            )

    @property
    def pixels(self) -> int:
        """Numbers in a picture: size * size * channels."""
        return self.size**2 * self.channels

    def check_rows(self, numbers: int) -> None:
        """Raise InputError unless this is the length of a row of pixels."""
        if numbers != self.pixels:
            raise InputError(
                f"rows have {numbers} numbers, but pictures of {self.size}x{self.size}x"
                f"{self.channels} have {self.pixels}; set size and channels to those of the data"
            )


def initial(name: str, gain: float = 1.0) -> Callable[..., Array]:
    """An entry of INITIALIZERS, times `gain` where its width depends on the number of inputs.

    With stride 2 the 16 weights of a 4x4 kernel go to four different outputs, so an output of a
    transposed convolution has only a quarter of the inputs that the kernel's shape suggests.
    """
    scale = gain if name in ("he", "lecun") else 1.0
    return lambda *args: scale * INITIALIZERS[name](*args)
