"""The other side of the engine rows: GANs in eager PyTorch, written as its tutorials teach it.

One generator pass serves both players, real points are drawn on the fly, nothing is recorded.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

Batches = Iterator[tuple[Tensor, Tensor]]
bce = nn.BCEWithLogitsLoss()


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def ring(batch: int, device: str) -> Batches:
    """Eight Gaussians of standard deviation .01 on the unit circle, and latents N(0, I)."""
    angle = 2 * math.pi * torch.arange(8, device=device) / 8
    centers = torch.stack([angle.cos(), angle.sin()], 1)
    while True:
        mode = torch.randint(8, (batch,), device=device)
        x = centers[mode] + 0.01 * torch.randn(batch, 2, device=device)
        yield x, torch.randn(batch, 2, device=device)


def ganlab(batch: int, device: str, size: int = 12000) -> Batches:
    """GAN Lab's two Gaussians and truncated normal noise, in turn from fixed atlases."""
    mean, spread = torch.tensor([[[0.3, 0.7]], [[0.7, 0.4]]]), torch.tensor([[[0.1]], [[0.05]]])
    spread = torch.cat([spread, torch.tensor([[[0.1]], [[0.2]]])], 2)
    points = (mean + spread * torch.randn(2, size // 2, 2)).reshape(size, 2)
    x = points[torch.randperm(size)].to(device)
    z = nn.init.trunc_normal_(torch.empty(size, 2), 0.5, 0.25, 0.0, 1.0).to(device)
    while True:
        yield from zip(x.split(batch), z.split(batch), strict=True)


def digits(x: Tensor, batch: int) -> Batches:
    """Pictures drawn from all `x`, and latents uniform on [-1, 1]."""
    while True:
        rows = torch.randint(len(x), (batch,), device=x.device)
        yield x[rows], 2 * torch.rand(batch, 100, device=x.device) - 1


def trainer(
    g: nn.Module,
    d: nn.Module,
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    batches: Batches,
    label: float = 1.0,
    d_steps: int = 1,
) -> Callable[[], None]:
    """One full step of the non-saturating game, D first, as a function to call again and again."""
    optimizer_g, optimizer_d = optimizers
    x, _ = next(batches)
    real, fooled, zeros = (torch.full((len(x), 1), value).to(x) for value in (label, 1.0, 0.0))

    def step_d(x: Tensor, fake: Tensor) -> None:
        optimizer_d.zero_grad()
        (bce(d(x), real) + bce(d(fake), zeros)).backward()
        optimizer_d.step()

    def step() -> None:
        for _ in range(d_steps - 1):
            x, z = next(batches)
            with torch.no_grad():
                fake = g(z)
            step_d(x, fake)
        x, z = next(batches)
        fake = g(z)
        step_d(x, fake.detach())
        optimizer_g.zero_grad()
        bce(d(fake), fooled).backward()
        optimizer_g.step()

    return step


def ring_step(width: int, batch: int, device: str) -> Callable[[], None]:
    """`ring-2x64` and `ring-2x128`: two hidden layers in each player, Adam as it comes."""
    g, d = mlp(2, width, width, 2).to(device), mlp(2, width, width, 1).to(device)
    optimizers = torch.optim.Adam(g.parameters()), torch.optim.Adam(d.parameters())
    return trainer(g, d, optimizers, ring(batch, device))


def ganlab_step(device: str) -> Callable[[], None]:
    """GAN Lab's default: 2 -> 8 -> 8 in both, SGD .03 and .1, two steps of D, real label .95."""
    g = mlp(2, 8, 8, 2).append(nn.Tanh()).to(device)
    d = mlp(2, 8, 8, 1).to(device)
    optimizers = torch.optim.SGD(g.parameters(), 0.03), torch.optim.SGD(d.parameters(), 0.1)
    return trainer(g, d, optimizers, ganlab(150, device), label=0.95, d_steps=2)


def dcgan_players() -> tuple[nn.Module, nn.Module]:
    """`dcgan`: 28x28 grey pictures, batch normalisation but for G's last and D's first layer."""
    g = nn.Sequential(
        nn.Linear(100, 128 * 7 * 7, bias=False),
        nn.Unflatten(1, (128, 7, 7)),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Tanh(),
    )
    d = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
    )
    return g, d


def dcgan_step(pictures: Any, device: str, order: str) -> Callable[[], None]:
    """One step on `pictures` [n, 784], batch 64, with "channels first" or "channels last"."""
    form: Any = torch.channels_last if order == "channels last" else torch.contiguous_format
    x = torch.tensor(pictures, device=device).reshape(-1, 1, 28, 28).to(memory_format=form)
    players: Any = dcgan_players()  # its `to` is not typed for memory formats
    g, d = (each.to(device, memory_format=form) for each in players)
    adam_g, adam_d = (torch.optim.Adam(each.parameters(), 2e-4, (0.5, 0.999)) for each in (g, d))
    return trainer(g, d, (adam_g, adam_d), digits(x, 64))


def product(size: int) -> Callable[[], None]:
    """The product of two square matrices of that size on the CPU."""
    a, b = torch.randn(size, size), torch.randn(size, size)

    def run() -> None:
        torch.mm(a, b)

    return run


def repeated(step: Callable[[], None], threads: int, device: str) -> Callable[[int], None]:
    """`run(n)`: n steps on that many threads, finished when it returns."""

    def run(n: int) -> None:
        torch.set_num_threads(threads)  # holds for the process, so it is set before every run
        for _ in range(n):
            step()
        if device != "cpu":
            torch.cuda.synchronize()

    return run


def device_for(backend: str) -> str:
    """PyTorch's device where JAX runs on `backend`: the GPU only if both have one."""
    return "cuda" if backend == "gpu" and torch.cuda.is_available() else "cpu"


def thread_counts(device: str) -> list[int]:
    """PyTorch's default and 1 (small nets are often faster on one); on a GPU just the default."""
    counts = {torch.get_num_threads()} | ({1} if device == "cpu" else set())
    return sorted(counts)
