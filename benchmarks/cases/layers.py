"""Pooling, norms, activations, losses and movement: what is bound by memory.

`bytes` is the least that has to move: each tensor is read or written once in each direction, and
where a statistic of all elements must be known first, the input is read twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..case import Case, Run, normal, outputs, random_of
from ..libraries import Library

Shape = tuple[int, ...]
Function = Callable[..., Any]
DQN, MNIST = (128, 84), (128, 64, 24, 24)
LARGE = (128, 64, 56, 56)  # 103 MB, more than the caches


@dataclass(frozen=True)
class Layer:
    """A function of x and of what it learns; `forward` and `both` count bytes per element of x."""

    name: str
    function: Callable[[Library], Function]
    shapes: tuple[Shape, ...]
    forward: float
    both: float | None  # of forward and backward; None where only forward is measured
    learned: Callable[[Shape], tuple[Shape, ...]] = lambda shape: ()
    classes: bool = False  # the function takes class ids as well
    random: bool = False


def dropout(library: Library) -> Function:
    """As in a network that trains."""
    return lambda x: library.F.dropout(x, 0.5, True)


def batch_norm(library: Library) -> Function:
    """With the statistics of the batch, of which it keeps the running ones."""
    running: dict[int, tuple[Any, Any]] = {}

    def call(x: Any, weight: Any, bias: Any) -> Any:
        c = x.shape[1]
        if c not in running:
            running[c] = library.tensor(np.zeros(c, "f")), library.tensor(np.ones(c, "f"))
        return library.F.batch_norm(x, *running[c], weight, bias, True)

    return call


def transposed(library: Library) -> Function:
    """A matrix, or images from NCHW to NHWC, as a dense copy: in channels-last nothing to do."""

    def call(x: Any) -> Any:
        return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x.transpose(0, 1)).contiguous()

    return call


LAYERS = (
    Layer("max-pool-2x2", lambda of: lambda x: of.F.max_pool2d(x, 2),
          ((64, 6, 28, 28), MNIST, LARGE), 5, 10),
    Layer("max-pool-3x3-s2", lambda of: lambda x: of.F.max_pool2d(x, 3, 2, 1), (LARGE,), 5, 10),
    Layer("batch-norm", batch_norm, ((128, 16, 32, 32), (64, 128, 16, 16), LARGE), 12, 32,
          learned=lambda shape: ((shape[1],), (shape[1],))),
    Layer("layer-norm", lambda of: lambda x, w, b: of.F.layer_norm(x, (x.shape[1],), w, b),
          ((128, 512), (16384, 1024)), 8, 20, learned=lambda shape: ((shape[1],), (shape[1],))),
    Layer("relu", lambda of: of.F.relu, (DQN, MNIST, LARGE), 8, 20),
    Layer("softmax-cross-entropy", lambda of: of.F.cross_entropy,
          ((128, 10), (128, 1000), (8192, 4096)), 4, 12, classes=True),
    Layer("dropout", dropout, ((128, 128), (128, 64, 12, 12), LARGE), 8, 16, random=True),
    Layer("sum", lambda of: lambda x: x.sum(), (DQN, MNIST, LARGE), 4, None),
    Layer("add-channels", lambda of: lambda x, b: x + b, (MNIST, LARGE), 8, None,
          learned=lambda shape: ((shape[1], 1, 1),)),
    Layer("add-row", lambda of: lambda x, b: x + b, (DQN,), 8, None,
          learned=lambda shape: (shape[1:],)),
    Layer("transpose-copy", transposed, ((512, 784), (4096, 4096), LARGE), 8, None),
)  # fmt: skip


def build(library: Library, name: str, layer: Layer, shape: Shape, backward: bool) -> Run:
    """Data of one case."""
    rng = random_of(name)
    learned = [library.tensor(normal(rng, *s), backward) for s in layer.learned(shape)]
    x = library.tensor(normal(rng, *shape), backward)
    given = [library.tensor(rng.integers(0, shape[1], shape[0]))] if layer.classes else []
    function = layer.function(library)
    forward = partial(function, x, *learned, *given)
    if not backward:
        return Run(forward, outputs(library, forward))
    with library.no_grad():
        y = forward()
    gy = None if y.ndim == 0 else library.tensor(normal(rng, *y.shape))

    def both() -> Any:
        return library.root.autograd.grad(forward(), [x, *learned], gy)

    return Run(both, outputs(library, both), grad=True)


def cases() -> Iterator[Case]:
    """All of the family."""
    sides = ("pydl", "pydl-numpy", "torch", "torch-channels-last")
    for layer in LAYERS:
        for shape in layer.shapes:
            for backward, each in ((False, layer.forward), (True, layer.both)):
                if each is None:
                    continue
                size = "x".join(map(str, shape))
                name = f"layers/{layer.name}/{size}/{'both' if backward else 'forward'}"
                how = partial(build, name=name, layer=layer, shape=shape, backward=backward)
                images = len(shape) == 4 and layer.function is not transposed
                yield Case(
                    name, "layers", how, sides if images else sides[:3],
                    bytes=each * math.prod(shape), tolerance=None if layer.random else 1e-4,
                )  # fmt: skip
