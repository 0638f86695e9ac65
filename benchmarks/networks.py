"""The networks of the benchmarks, written once: `nn` is pydl.nn or torch.nn, by equal names."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from .libraries import Library


def mnist_cnn(nn: Any, dropout: bool = True) -> Any:
    """PyTorch's MNIST example, as demos/mnist_cnn.py has it: (N, 1, 28, 28) to (N, 10)."""
    p1, p2 = (0.25, 0.5) if dropout else (0.0, 0.0)
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(p1), nn.Flatten()),
        *(nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(p2), nn.Linear(128, 10)),
    )


def lenet(nn: Any) -> Any:
    """LeNet-5 with the ReLU and max pooling of today: (N, 1, 28, 28) to (N, 10)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def mlp(nn: Any, *sizes: int) -> Any:
    """Fully connected layers with ReLU between them: (N, sizes[0]) to (N, sizes[-1])."""
    layers = []
    for i, (before, after) in enumerate(pairwise(sizes)):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)


def generator_28(nn: Any) -> Any:
    """Noise (N, 100, 1, 1) to images (N, 1, 28, 28)."""
    return nn.Sequential(
        *(nn.ConvTranspose2d(100, 128, 7, bias=False), nn.BatchNorm2d(128), nn.ReLU()),
        *(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh()),
    )


def discriminator_28(nn: Any) -> Any:
    """Images (N, 1, 28, 28) to logits (N, 1)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(128, 1, 7, bias=False), nn.Flatten()),
    )


def generator_64(nn: Any, width: int = 64) -> Any:
    """Noise (N, 100, 1, 1) to images (N, 3, 64, 64).

    Source: Radford et al., "Unsupervised representation learning with DCGANs" (2016), as PyTorch's
    example has it; the discriminator too.
    """
    layers = [nn.ConvTranspose2d(100, 8 * width, 4, 1, 0, bias=False)]
    for before in (8 * width, 4 * width, 2 * width):
        layers += [nn.BatchNorm2d(before), nn.ReLU()]
        layers += [nn.ConvTranspose2d(before, before // 2, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


def discriminator_64(nn: Any, width: int = 64) -> Any:
    """Images (N, 3, 64, 64) to logits (N, 1)."""
    layers = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for before in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(before, 2 * before, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(2 * before), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False), nn.Flatten())


def nature_dqn(nn: Any) -> Any:
    """Frames (N, 4, 84, 84) to the values of six actions.

    Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015).
    """
    return nn.Sequential(
        *(nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU()),
        *(nn.Conv2d(64, 64, 3, 1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 6)),
    )


def resnet20(nn: Any) -> Any:
    """Images (N, 3, 32, 32) to (N, 10); shortcuts that change the shape are 1x1 convolutions.

    Source: He et al., "Deep residual learning for image recognition" (2016), section 4.2.
    """

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.relu = nn.ReLU()
            self.shortcut = nn.Sequential()
            if stride != 1 or before != after:
                conv = nn.Conv2d(before, after, 1, stride, bias=False)
                self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    before = 16
    for after, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [Block(before, after, stride), Block(after, after, 1), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def initialise(library: Library, module: Any, rng: np.random.Generator, std: float = 0.0) -> Any:
    """Give a module weights that are the same on every side, and place it there.

    Args:
        library: The side.
        module: Its parameters are in the same order on every side.
        rng: Where the weights come from.
        std: Their deviation; 0 for 1 / sqrt(fan in). Biases are 0, weights of norms stay 1.
    """
    with library.no_grad():
        for name, p in module.named_parameters():
            if p.ndim > 1:
                scale = np.float32(std or 1 / math.sqrt(math.prod(p.shape[1:])))
                value = rng.standard_normal(tuple(p.shape), np.float32) * scale
                p.copy_(library.root.tensor(value))
            elif "bias" in name:
                p.copy_(library.root.zeros(p.shape))
    return library.place(module)
