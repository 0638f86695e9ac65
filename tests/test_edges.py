"""Where two rules meet: NaN, limits, mixed dtypes, and what is ignored."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor


def leaf(values: object, device: str) -> Tensor:
    return pydl.tensor(values, dtype=pydl.float32, device=device).requires_grad_()


@pytest.mark.parametrize("function", [F.hardshrink, F.softshrink])
def test_the_gradient_passes_through_a_nan_that_shrinking_keeps(function, device: str) -> None:
    x = leaf([math.nan, 0.25, 2.0], device)
    y = function(x)
    assert math.isnan(y[0].item())
    y.sum().backward()
    assert x.grad.tolist() == [1, 0, 1]


def test_the_slope_of_acosh_is_positive(device: str) -> None:
    x = leaf([-1.0, 1.0], device)
    pydl.acosh(x).sum().backward()
    assert x.grad.tolist() == [math.inf, math.inf]


def test_softplus_is_flat_from_the_threshold_on(device: str) -> None:
    x = leaf([2.0, 2.5, 3.0], device)
    (g,) = pydl.grad(F.softplus(x, 2.0, 5.0).sum(), x, create_graph=True)
    (gg,) = pydl.grad(g.sum(), x)
    assert (gg.numpy() > 0).tolist() == [True, False, False]


def test_alpha_is_multiplied_in_the_common_type(device: str) -> None:
    def of(values: object, dtype: pydl.dtypes.DType) -> Tensor:
        return pydl.tensor(values, dtype=dtype, device=device)

    many, few = of([2**31 - 1, 0], pydl.int32), of([0, 255], pydl.uint8)
    x = of([1.0, 1.0], pydl.float32)
    assert pydl.sub(x, many, alpha=2).tolist() == [-(2.0**32), 1.0]
    assert pydl.sub(x, few, alpha=-1).tolist() == [1.0, 256.0]
    assert pydl.sub(of(3, pydl.int64), of(7, pydl.uint8), alpha=-1).item() == 10
    assert pydl.add(few, of([True, True], pydl.bool_), alpha=2).dtype is pydl.uint8
    assert pydl.add(few, few, alpha=-1).tolist() == [0, 0]
    both = pydl.add(of([True, False], pydl.bool_), of([False, False], pydl.bool_), alpha=2)
    assert (both.dtype, both.tolist()) == (pydl.bool_, [True, False])


def test_bools_are_close_within_a_tolerance_of_one(device: str) -> None:
    a, b = pydl.tensor([True, False], device=device), pydl.tensor([False, False], device=device)
    assert pydl.isclose(a, b).tolist() == [False, True]
    assert pydl.isclose(a, b, atol=1.0).tolist() == [True, True]
    assert not pydl.allclose(a, b, rtol=0.5, atol=0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("create_graph", [False, True])
def test_an_ignored_row_takes_no_gradient(
    device: str, smoothing: float, create_graph: bool
) -> None:
    """Not even where all are ignored, and the mean is 0 / 0."""
    x = leaf([[0.5, -1.0, 2.0]], device)
    loss = F.cross_entropy(x, pydl.tensor([-100], device=device), label_smoothing=smoothing)
    assert math.isnan(loss.item())
    (g,) = pydl.grad(loss, x, create_graph=create_graph)
    np.testing.assert_array_equal(g.detach().numpy(), np.zeros((1, 3), np.float32))
    if create_graph:
        (gg,) = pydl.grad(g.sum(), x)
        np.testing.assert_array_equal(gg.numpy(), np.zeros((1, 3), np.float32))


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_bias_for_all_outputs(device: str, shape: tuple[int, ...]) -> None:
    x, w = pydl.ones(2, 3, device=device), pydl.ones(4, 3, device=device)
    b = pydl.full(shape, 0.5, device=device).requires_grad_()
    y = F.linear(x, w, b)
    assert y.tolist() == [[3.5] * 4] * 2
    y.sum().backward()
    assert (b.grad.shape, b.grad.item()) == (shape, 8)
