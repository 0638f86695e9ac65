"""Outputs that no cache holds are written past them (csrc/cpu/vec.h): the same bits as in parts.

The sizes are just above and below the limit, odd, and begin on an address that is no vector's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor

LIMIT = 8 << 20  # floats

OPS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "exp": lambda x: x.exp(),
    "add": lambda x: x + x,
    "mul-number": lambda x: x * 3.0,
    "greater": lambda x: x > 0.5,
}


def values(n: int) -> Tensor:
    return pydl.from_numpy(np.random.default_rng(n).normal(size=n).astype(np.float32))


@pytest.mark.parametrize("n", [LIMIT - 1, LIMIT, LIMIT + 37])
@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("name", OPS)
def test_elementwise(name: str, first: int, n: int) -> None:
    x = values(n + first)[first:]
    y = OPS[name](x).numpy()
    for at in range(0, n, 1 << 20):
        assert (y[at : at + (1 << 20)] == OPS[name](x[at : at + (1 << 20)]).numpy()).all()


@pytest.mark.parametrize("cols", [4096, 4095, 17])
def test_rows_plus_a_row(cols: int) -> None:
    x = values((LIMIT // cols + 1) * cols).reshape(-1, cols)
    row = values(cols)
    assert ((x + row).numpy() == x.numpy() + row.numpy()).all()


def test_gradient_of_relu() -> None:
    x = values(LIMIT + 5).requires_grad_()
    F.relu(x).backward(pydl.ones(LIMIT + 5))
    assert x.grad is not None
    assert (x.grad.numpy() == (x.numpy() > 0)).all()


def test_dropout() -> None:
    x = pydl.ones(LIMIT + 5, requires_grad=True)
    y = F.dropout(x, 0.5)
    y.backward(pydl.ones(LIMIT + 5))
    kept = y.numpy()
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert abs((kept > 0).mean() - 0.5) < 1e-3
    assert x.grad is not None
    assert (x.grad.numpy() == kept).all()


@pytest.mark.parametrize("plane", [(64, 64), (64, 63), (3, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(plane: tuple[int, int], training: bool) -> None:
    """A batch of two halves that are equal: each has the statistics of the whole."""
    h, w = plane
    half = values((LIMIT // (16 * h * w) + 1) * 8 * h * w).reshape(-1, 8, h, w)
    results = []
    for x in (pydl.cat([half, half]), half):
        x.requires_grad_()
        y = F.batch_norm(x, pydl.zeros(8), pydl.ones(8), None, None, training)
        y.backward(x.detach() * 2.0)
        assert x.grad is not None
        results.append((y.numpy(), x.grad.numpy()))
    for whole, part in zip(*results, strict=True):
        assert (whole[: len(part)] == whole[len(part) :]).all()
        assert np.abs(whole[: len(part)] - part).max() < 1e-4
