"""What JAX is measured with: compiled products and the training steps of the two small MLPs."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .case import normal, random_of

Layers = list[tuple[Any, Any]]  # weight (out, in) and bias of each


def product(a: Any, b: Any, kind: str) -> Callable[[], Any]:
    """op(a) op(b), compiled."""
    multiply = jax.jit(
        lambda a, b: jnp.matmul(a.T if kind[0] == "t" else a, b.T if kind[1] == "t" else b)
    )
    return lambda: multiply(a, b).block_until_ready()


def mlp(rng: np.random.Generator, *sizes: int) -> Layers:
    """The weights that `networks.initialise` gives."""
    layers = []
    for before, after in pairwise(sizes):
        w = normal(rng, after, before) * np.float32(1 / math.sqrt(before))
        layers.append((jnp.asarray(w), jnp.zeros(after)))
    return layers


def forward(layers: Layers, x: Any) -> Any:
    """The MLP with ReLU between its layers."""
    for i, (w, b) in enumerate(layers):
        x = (jax.nn.relu(x) if i else x) @ w.T + b
    return x


def adam_step(loss_of: Callable[[Layers], Any], layers: Layers, lr: float) -> Callable[[], Any]:
    """A compiled step that changes `layers`; Adam as in the paper, with the usual betas."""

    def update(layers: Any, m: Any, v: Any, t: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(layers)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - lr * m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

        return jax.tree.map(moved, layers, m, v), m, v, t + 1, loss

    compiled = jax.jit(update, donate_argnums=(1, 2))
    zeros = jax.tree.map(jnp.zeros_like, layers)
    state: list[Any] = [layers, zeros, jax.tree.map(jnp.zeros_like, layers), jnp.float32(1)]

    def step() -> Any:
        *state[:], loss = compiled(*state)
        return loss.block_until_ready()

    return step


def classifier() -> Callable[[], Any]:
    """steps/mlp-b128."""
    rng = random_of("classifier")
    layers = mlp(rng, 784, 512, 256, 10)
    x, t = jnp.asarray(normal(rng, 128, 784)), jnp.asarray(rng.integers(0, 10, 128))

    def loss_of(layers: Layers) -> Any:
        return -jax.nn.log_softmax(forward(layers, x))[jnp.arange(128), t].mean()

    return adam_step(loss_of, layers, 1e-3)


def q_learning() -> Callable[[], Any]:
    """steps/dqn-mlp-b128."""
    rng = random_of("q_learning")
    online, target = mlp(rng, 4, 120, 84, 2), mlp(rng, 4, 120, 84, 2)
    before, after = (jnp.asarray(normal(rng, 128, 4)) for _ in range(2))
    action = jnp.asarray(rng.integers(0, 2, (128, 1)))
    reward = jnp.asarray(normal(rng, 128))
    done = jnp.asarray((rng.random(128) < 0.1).astype(np.float32))

    def loss_of(layers: Layers) -> Any:
        wanted = reward + 0.99 * forward(target, after).max(1) * (1 - done)
        value = jnp.take_along_axis(forward(layers, before), action, 1)[:, 0]
        return ((value - wanted) ** 2).mean()

    return adam_step(loss_of, online, 1e-4)


STEPS = {"mlp-b128": classifier, "dqn-mlp-b128": q_learning}
