"""Whole training steps, as a user writes them: zero_grad, forward, loss, backward, step. Twice:
eagerly, and captured where the side is pydl.

Networks, weights, data and optimizers are the same on every side. For the check a step is made
`exact`: without dropout and with the same noise each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from .. import networks
from ..case import Array, Case, Run, normal, random_of
from ..libraries import Library

Step = Callable[[], Any]  # returns the loss
Network = Callable[[Any, bool], Any]  # of nn, and whether with dropout
ADAM = ("Adam", {"lr": 1e-3})
DCGAN_ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}
SGD = ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4})


def classifier(
    library: Library,
    exact: bool,
    network: Network,
    shape: tuple[int, ...],
    optimizer: tuple[str, dict[str, Any]],
) -> Step:
    """Images (N, ...) and classes, cross entropy."""
    rng = random_of("classifier")
    model = networks.initialise(library, network(library.nn, not exact), rng)
    x, t = library.tensor(normal(rng, *shape)), library.tensor(rng.integers(0, 10, shape[0]))
    kind, options = optimizer
    descent = library.optimizer(kind, model.parameters(), **options)

    def step() -> Any:
        descent.zero_grad()
        loss = library.F.cross_entropy(model(x), t)
        loss.backward()
        descent.step()
        return loss

    return step


def dcgan(library: Library, exact: bool, make_g: Any, make_d: Any, shape: tuple[int, ...]) -> Step:
    """One iteration: D on real images, D on false ones, then G.

    Source: PyTorch's example; Radford et al. (2016).
    """
    rng = random_of("dcgan")
    generate = networks.initialise(library, make_g(library.nn), rng, std=0.02)
    judge = networks.initialise(library, make_d(library.nn), rng, std=0.02)
    n = shape[0]
    real = library.tensor(np.tanh(normal(rng, *shape)))
    ones, zeros = (library.tensor(np.full((n, 1), v, np.float32)) for v in (1, 0))
    fixed = library.tensor(normal(rng, n, 100, 1, 1)) if exact else None
    adam_g = library.optimizer("Adam", generate.parameters(), **DCGAN_ADAM)
    adam_d = library.optimizer("Adam", judge.parameters(), **DCGAN_ADAM)
    loss_of = library.F.binary_cross_entropy_with_logits

    def step() -> Any:
        adam_d.zero_grad()
        loss_real = loss_of(judge(real), ones)
        loss_real.backward()
        fake = generate(library.randn(n, 100, 1, 1) if fixed is None else fixed)
        loss_fake = loss_of(judge(fake.detach()), zeros)
        loss_fake.backward()
        adam_d.step()
        adam_g.zero_grad()
        loss = loss_of(judge(fake), ones)
        loss.backward()
        adam_g.step()
        return loss + loss_real + loss_fake

    return step


def q_learning(
    library: Library, exact: bool, network: Network, shape: tuple[int, ...], actions: int
) -> Step:
    """A step of DQN from a batch of transitions; frames are uint8, as a replay buffer keeps them.

    Source: Mnih et al. (2015), algorithm 1; the loss and Adam as in CleanRL.
    """
    rng = random_of("q_learning")
    online = networks.initialise(library, network(library.nn, False), rng)
    target = networks.initialise(library, network(library.nn, False), rng)
    n, frames = shape[0], len(shape) == 4
    before, after = (
        library.tensor(rng.integers(0, 256, shape, np.uint8) if frames else normal(rng, *shape))
        for _ in range(2)
    )
    action = library.tensor(rng.integers(0, actions, (n, 1)))
    reward = library.tensor(normal(rng, n))
    done = library.tensor((rng.random(n) < 0.1).astype(np.float32))
    adam = library.optimizer("Adam", online.parameters(), lr=1e-4)

    def seen(x: Any) -> Any:
        return x.float() / 255.0 if frames else x

    def step() -> Any:
        with library.no_grad():
            best = target(seen(after)).max(1)[0]
            wanted = reward + 0.99 * best * (1.0 - done)
        value = online(seen(before)).gather(1, action).squeeze(1)
        loss = library.F.mse_loss(value, wanted)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    return step


def sequence(library: Library, exact: bool, kind: str) -> Step:
    """A recurrent layer: sequences of 64, batch 32, 128 inputs and 128 hidden."""
    rng = random_of("sequence")
    model = networks.initialise(library, getattr(library.nn, kind)(128, 128), rng)
    x = library.tensor(normal(rng, 64, 32, 128))
    adam = library.optimizer("Adam", model.parameters(), lr=1e-3)

    def step() -> Any:
        y, _ = model(x)
        loss = y.square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    return step


def digits(network: Network, batch: int) -> partial[Step]:
    """MNIST's shape and Adam."""
    return partial(classifier, network=network, shape=(batch, 1, 28, 28), optimizer=ADAM)


STEPS: dict[str, Callable[[Library, bool], Step]] = {
    "mnist-cnn-b64": digits(networks.mnist_cnn, 64),
    "mnist-cnn-b128": digits(networks.mnist_cnn, 128),
    "lenet-b64": digits(lambda nn, dropout: networks.lenet(nn), 64),
    "mlp-b128": partial(
        classifier, network=lambda nn, dropout: networks.mlp(nn, 784, 512, 256, 10),
        shape=(128, 784), optimizer=ADAM,
    ),
    "dcgan-28-b128": partial(
        dcgan, make_g=networks.generator_28, make_d=networks.discriminator_28,
        shape=(128, 1, 28, 28),
    ),
    "dcgan-64-b64": partial(
        dcgan, make_g=networks.generator_64, make_d=networks.discriminator_64,
        shape=(64, 3, 64, 64),
    ),
    "dqn-mlp-b128": partial(
        q_learning, network=lambda nn, dropout: networks.mlp(nn, 4, 120, 84, 2), shape=(128, 4),
        actions=2,
    ),
    "nature-dqn-b32": partial(
        q_learning, network=lambda nn, dropout: networks.nature_dqn(nn), shape=(32, 4, 84, 84),
        actions=6,
    ),
    "resnet20-b128": partial(
        classifier, network=lambda nn, dropout: networks.resnet20(nn), shape=(128, 3, 32, 32),
        optimizer=SGD,
    ),
    "lstm-b32": partial(sequence, kind="LSTM"),
    "gru-b32": partial(sequence, kind="GRU"),
    "rnn-b32": partial(sequence, kind="RNN"),
}  # fmt: skip


def step_of(library: Library, name: str, exact: bool) -> Step:
    """A step of one side."""
    if library.side == "jax":
        from .. import jax_side

        return jax_side.STEPS[name]()
    return STEPS[name](library, exact)


def build(library: Library, name: str, captured: bool = False) -> Run:
    """A step of one side, and three losses of an exact one; `captured` where the side can."""
    wrap = library.captured if captured else lambda step: step

    def check() -> list[Array]:
        step = wrap(step_of(library, name, True))
        # The third loss depends on two backward passes and updates.
        return [np.array([library.array(step()) for _ in range(3)])]

    library.manual_seed(0)
    return Run(wrap(step_of(library, name, False)), check, grad=True)


def cases() -> Iterator[Case]:
    """All of the family."""
    sides = ("pydl", "pydl-numpy", "torch", "torch-channels-last", "torch-fused", "torch-compile")
    for family, name in product(("steps", "captured"), STEPS):
        images = not name.startswith(("mlp", "dqn", "lstm", "gru", "rnn"))
        chosen = tuple(s for s in sides if images or s != "torch-channels-last")
        chosen += ("jax",) if name in ("mlp-b128", "dqn-mlp-b128") else ()
        how = partial(build, name=name, captured=family == "captured")
        yield Case(f"{family}/{name}", family, how, chosen, tolerance=2e-3)
