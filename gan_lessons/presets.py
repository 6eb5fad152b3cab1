"""Set-ups that are known to work (or to fail in an instructive way), by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gan_lessons import networks
from gan_lessons.distributions import (
    Distribution,
    GanLabDisjoint,
    GanLabGaussians,
    GanLabLine,
    GanLabRing,
    Grid,
    Mixture1D,
    Normal,
    Ring,
    TruncatedNormal,
    Uniform,
    WithBits,
)
from gan_lessons.errors import check_choice
from gan_lessons.images import image_set
from gan_lessons.networks import MLP, ConvDiscriminator, ConvGenerator
from gan_lessons.training import Config, Knobs


@dataclass(frozen=True)
class Preset:
    """A config, its knobs and how many steps they are meant for."""

    config: Config
    knobs: Knobs = field(default_factory=Knobs)
    steps: int = 3000
    images: str | None = None  # name of the image set, for a Frechet distance


def decayed(
    objective: str, rate: float, rate_g_end: float, gamma: float, penalty_end: float, steps: int
) -> Knobs:
    """R1 and R2 of weight gamma and one rate for both players, all decayed over `steps`."""
    return Knobs(
        objective=objective,
        lr_g=rate,
        lr_g_end=rate_g_end,
        lr_d=rate,
        lr_d_end=1e-4,
        r1=gamma,
        r2=gamma,
        penalty_end=penalty_end,
        decay_steps=steps,
    )


def _modes(data: Distribution, size: float, steps: int) -> Preset:
    """A game that ends with all modes found, evenly full, of high quality and of the right width.

    That takes three things together. With signs in its latent G can jump from mode to mode, where
    a latent in one piece would make it draw bridges. With waves (random Fourier features, the
    finest of them one radian in .8 of a mode's width) D sees how wide a mode is. And with a
    penalty that starts heavy, and no momentum, the shares of the modes even out.

    Args:
        size: about the largest coordinate of the data: the scale of G's output, and of the
            penalties.
    """
    fine = 1.25 / data.mode_std  # type: ignore[operator]
    config = Config(
        data=data,
        latent=WithBits(Normal(2)),
        generator=MLP((128,) * 3, "tanh", scale=size),
        discriminator=MLP((128,) * 3, "silu", fourier=64, band=(0.5, fine)),
        batch=512,
    )
    gamma = 0.2 * size**2
    rates = Knobs(lr_g=1.5e-3, lr_d=1.5e-3, lr_d_end=1e-3, decay_steps=steps, beta1=0.0)
    return Preset(config, replace(rates, r1=gamma, r2=gamma, penalty_end=0.04), steps)


def _playground() -> Preset:
    """The ring, with networks that a laptop trains live, and rates that stay as they are set."""
    config = Config(
        data=Ring(),
        generator=MLP((64,) * 3, "tanh"),
        discriminator=MLP((64,) * 3, "silu"),
        batch=128,
    )
    return Preset(config, Knobs(objective="non_saturating", r1=0.1), 3000)


def _five() -> Preset:
    """Five heaps wide enough to see; D is quick, so that its verdict is to be seen as well."""
    start = _playground()
    config = replace(start.config, data=Ring(5, 1.0, 0.15))
    return Preset(config, replace(start.knobs, r1=0.02, lr_d=4e-3, lr_g=1e-3), 1500)


def _line() -> Preset:
    """One dimension, as in Goodfellow et al. 2014 (arXiv 1406.2661), Figure 1.

    G starts as a nearly straight line ("lecun"), one lump between the two modes; with three
    updates of D to one of G, D stays near D* and q settles on both.
    """
    config = Config(
        data=Mixture1D((-1.0, 1.0), (0.3, 0.3), (0.5, 0.5)),
        latent=Uniform(1),
        generator=MLP((32, 32), "tanh", init="lecun"),
        discriminator=MLP((64, 64), "silu"),
        batch=256,
    )
    knobs = Knobs(objective="minimax", lr_d=4e-3, lr_g=5e-4, d_steps=3, r1=0.003)
    return Preset(config, knobs, 2000)


def _ganlab(
    data: Distribution,
    latent: Distribution,
    g: tuple[int, int],
    d: tuple[int, int],
    rates: tuple[float, float],
    d_steps: int,
) -> Preset:
    """One of GAN Lab's stored set-ups: (extra layers, width) of each network, SGD, log loss."""

    def network(layers: int, width: int, output: str) -> MLP:
        return MLP((width,) * (layers + 1), "relu", output, init="ganlab")

    config = Config(
        data, latent, network(*g, "tanh"), network(*d, "linear"), batch=150, optimizer="sgd"
    )
    knobs = Knobs(lr_d=rates[0], lr_g=rates[1], d_steps=d_steps, label_smoothing=0.05)
    return Preset(config, knobs, 10000)


# The fully connected pairs of the seed articles, named by what they are.
DENSE_PAIRS: dict[str, tuple[MLP, MLP]] = {
    "leaky-256-512": (
        MLP((256, 512), "leaky_relu", "tanh"),
        MLP((512, 256), "leaky_relu"),
    ),
    "relu-256-512-1024": (
        MLP((256, 512, 1024), "relu", "tanh"),
        MLP((1024, 512, 256), "relu"),
    ),
    "relu-256-512-512": (
        MLP((256, 512, 512), "relu", "tanh"),
        MLP((512, 512, 512), "leaky_relu"),
    ),
}


ADAM = Knobs(lr_d=2e-4, lr_g=2e-4, beta1=0.5, beta2=0.999)  # DCGAN's


def _article(pair: str) -> Preset:
    """An article's networks as published, on digits, with the losses and Adam(2e-4, .5) of DCGAN.

    1,400 steps are 100 epochs of 1,797 digits in batches of 128, as the first article asks.
    """
    config = Config(_digits(), Normal(100), *DENSE_PAIRS[pair], batch=128)
    return Preset(config, ADAM, 1400, images="digits")


def _small(
    images: str, size: int, hidden: str = "silu", steps: int = 3000, **knobs: float
) -> Preset:
    """Two layers of 128 in each player, R1 and decaying rates: pictures within seconds on a laptop.

    R1 is what matters, because without it D learns the few images by heart. Its weight goes with
    the square of the distances between images, so that 8x8 takes less than 28x28.
    """
    data = image_set(images, size).distribution()
    g, d = MLP((128, 128), hidden, "tanh"), MLP((128, 128), hidden)
    usual = {"lr_d": 2e-3, "lr_g": 2e-3, "lr_d_end": 1e-4, "lr_g_end": 1e-4, "decay_steps": steps}
    config = Config(data, Normal(32), g, d, batch=64)
    return Preset(config, Knobs(**(usual | knobs)), steps, images)  # type: ignore[arg-type]


# The convolutional pair of a seed article. As printed, G ends in batch normalisation and a leaky
# ReLU, with which it can hardly reach -1, the value of blank paper; a tanh is the smallest cure.
CONV_PAIR: tuple[ConvGenerator, ConvDiscriminator] = (
    ConvGenerator(
        28, 1, (100, 256, 128), "leaky_relu", "batch", output="leaky_relu", norm_output=True
    ),
    ConvDiscriminator(28, 1, (64, 128, 256), dropout=0.3),
)


def _conv_article(**end: Any) -> Preset:
    g, d = CONV_PAIR
    config = Config(_digits(), Normal(100), replace(g, **end), d, batch=64)
    return Preset(config, ADAM, 1000, images="digits")


def _dcgan(images: str, labels: bool = False, steps: int = 2000) -> Preset:
    """DCGAN (Radford et al. 2015, arXiv 1511.06434) on 28x28, with its latents, rates and start."""
    data = image_set(images, 28).distribution(labels)
    config = Config(data, Uniform(100), *networks.dcgan(), batch=64)
    return Preset(config, ADAM, steps, images)


def _small_conv() -> Preset:
    """R3GAN's ideas in small networks (Huang et al. 2024, arXiv 2501.05441).

    It has no batch normalisation; it compares pairs of real and fake, with R1 and R2, and keeps a
    moving average of G.
    """
    config = Config(_digits(), Normal(32), *networks.small(), batch=64)
    knobs = replace(decayed("relativistic", 8e-3, 1e-4, 3.0, 0.1, 1500), ema=0.97)
    return Preset(config, knobs, 1500, images="digits")


def _digits() -> Distribution:
    return image_set("digits", 28).distribution()


def _stacked_digits() -> Preset:
    """1,000 modes: three digits drawn independently, as three channels of one image.

    The loss and both penalties are R3GAN's (Huang et al. 2024, arXiv 2501.05441); the small
    networks and the decays are ours. About 1,000 steps find every mode, the rest evens them out.
    """
    g, d = MLP((256,) * 3, "silu", "tanh"), MLP((256,) * 3, "silu")
    config = Config(image_set("digits").stacks(), Normal(64), g, d, batch=128)
    knobs = decayed("relativistic", 1e-3, 1e-5, 1.0, 0.1, 6000)
    return Preset(config, knobs, 6000, images="digits")


def _stacked_conv() -> Preset:
    """The same with digits of 28x28 as red, green and blue, for small convolutions.

    With the rate and the penalty of `small-conv` (8e-3 and 3) only a handful of modes is found.
    """
    data, nets = image_set("digits", 28).stacks(channels=True), networks.small(channels=3)
    config = Config(data, Normal(64), *nets, batch=64)
    knobs = replace(decayed("relativistic", 2e-3, 1e-5, 1.0, 0.1, 3000), ema=0.99)
    return Preset(config, knobs, 3000, images="digits")


_MAKERS = {
    "ring": lambda: _modes(Ring(), 1.0, 4000),
    "grid": lambda: _modes(Grid(), 4.0, 8000),
    "playground": _playground,
    "five-modes": _five,
    "one-dimension": _line,
    "ganlab-line": lambda: _ganlab(GanLabLine(), Uniform(2, 0, 1), (1, 5), (1, 6), (0.03, 0.01), 2),
    "ganlab-gaussians": lambda: _ganlab(
        GanLabGaussians(), TruncatedNormal(2), (1, 8), (1, 8), (0.1, 0.03), 2
    ),
    "ganlab-ring": lambda: _ganlab(GanLabRing(), Uniform(2, 0, 1), (1, 10), (2, 9), (0.1, 0.03), 3),
    "ganlab-disjoint": lambda: _ganlab(
        GanLabDisjoint(), TruncatedNormal(2), (2, 10), (2, 11), (0.1, 0.03), 1
    ),
    "digits": lambda: _small("digits", 28, r1=3.0),
    "digits-8x8": lambda: _small("digits", 8, r1=1.0),
    "stacked-digits": _stacked_digits,
    "stacked-conv": _stacked_conv,
    "faces": lambda: _small("faces", 25, "leaky_relu", r1=3.0, noise=0.3, lr_d=5e-4, lr_g=5e-4),
    "leaky-256-512": lambda: _article("leaky-256-512"),
    "relu-256-512-1024": lambda: _article("relu-256-512-1024"),
    "relu-256-512-512": lambda: _article("relu-256-512-512"),
    "conv-256-128": _conv_article,
    "conv-256-128-tanh": lambda: _conv_article(output="tanh", norm_output=False),
    "dcgan": lambda: _dcgan("digits"),
    "dcgan-labels": lambda: _dcgan("digits", labels=True),
    "dcgan-faces": lambda: _dcgan("faces"),
    "small-conv": _small_conv,
}
PRESETS: tuple[str, ...] = tuple(_MAKERS)


def preset(name: str) -> Preset:
    """The set-up called `name`; InputError with the nearest name if there is none."""
    return _MAKERS[check_choice("preset", name, PRESETS)]()
