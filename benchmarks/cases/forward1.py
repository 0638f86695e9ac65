"""One sample through each network, as when it is used: no gradients, layers as in testing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

from .. import networks
from ..case import Case, Run, normal, outputs, random_of
from ..libraries import Library

NETWORKS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "mnist-cnn": (networks.mnist_cnn, (1, 1, 28, 28)),
    "lenet": (networks.lenet, (1, 1, 28, 28)),
    "mlp": (lambda nn: networks.mlp(nn, 784, 512, 256, 10), (1, 784)),
    "dcgan-28-generator": (networks.generator_28, (1, 100, 1, 1)),
    "dcgan-28-discriminator": (networks.discriminator_28, (1, 1, 28, 28)),
    "dcgan-64-generator": (networks.generator_64, (1, 100, 1, 1)),
    "dcgan-64-discriminator": (networks.discriminator_64, (1, 3, 64, 64)),
    "dqn-mlp": (lambda nn: networks.mlp(nn, 4, 120, 84, 2), (1, 4)),
    "nature-dqn": (networks.nature_dqn, (1, 4, 84, 84)),
    "resnet20": (networks.resnet20, (1, 3, 32, 32)),
    "lstm": (lambda nn: nn.LSTM(128, 128), (64, 1, 128)),
}


def build(library: Library, name: str, captured: bool = False) -> Run:
    """A network with its input; `captured` where the side can."""
    make, shape = NETWORKS[name]
    rng = random_of(name)
    model = networks.initialise(library, make(library.nn).eval(), rng)
    x = library.tensor(normal(rng, *shape))

    def call() -> Any:
        y = model(x)
        return y[0] if name == "lstm" else y

    return Run(library.captured(call) if captured else call, outputs(library, call))


def cases() -> Iterator[Case]:
    """All of the family."""
    sides = ("pydl", "pydl-numpy", "torch", "torch-channels-last", "torch-compile")
    for kind, (name, (_, shape)) in product(("forward1/", "captured/one-"), NETWORKS.items()):
        chosen = tuple(s for s in sides if len(shape) == 4 or s != "torch-channels-last")
        how = partial(build, name=name, captured=kind != "forward1/")
        yield Case(kind + name, kind.partition("/")[0], how, chosen)
