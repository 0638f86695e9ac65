"""Gradients of every op case: the calculus by finite differences in float64 on the numpy device,
the implementation by comparing native with it. Together they prove the native gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opcase import OpCase, assert_gradients_near, output_gradient
from opcases import CASES

import pydl
from pydl import Tensor, ops
from pydl.autograd import grad
from pydl.testing import gradcheck, gradgradcheck, numerical_grad

SMOOTH = [case for case in CASES if case.differentiable]
SMALL = [case for case in SMOOTH if case.small]


def named(case: OpCase) -> str:
    return case.name


@pytest.mark.parametrize("case", SMOOTH, ids=named)
def test_native_backward(case: OpCase) -> None:
    assert_gradients_near(case)


@pytest.mark.parametrize("case", SMALL, ids=named)
def test_gradient_is_the_derivative(case: OpCase) -> None:
    assert gradcheck(case.fn, case.tensors("numpy"))


@pytest.mark.parametrize("case", [c for c in SMALL if c.twice], ids=named)
def test_second_gradient_is_the_derivative_of_the_first(case: OpCase) -> None:
    xs = case.tensors("numpy")
    gy = output_gradient(case, case.fn(*xs)).requires_grad_()
    assert gradgradcheck(case.fn, xs, gy)


@pytest.mark.parametrize(
    "case", [c for c in SMALL if not c.twice and "base 0" not in c.name], ids=named
)
def test_what_has_no_second_gradient_says_so(case: OpCase) -> None:
    xs = case.tensors("numpy")
    wanted = [x for x in xs if x.requires_grad]
    y = case.fn(*xs)
    first = grad(y, wanted[:1], output_gradient(case, y), create_graph=True)[0]
    with pytest.raises(RuntimeError, match="_backward: cannot be differentiated"):
        grad(first, wanted[:1], ops.ones_like(first))


def test_gradcheck_finds_a_wrong_derivative() -> None:
    class Wrong(pydl.op.Op):
        def forward(self, x: Tensor) -> Tensor:
            return ops.clone(x)

        def backward(self, gy: Tensor) -> Tensor:
            return gy * 1.01

    x = pydl.from_numpy(np.ones(3), "numpy").requires_grad_()
    with pytest.raises(AssertionError, match="gradcheck: gradient of input 0"):
        gradcheck(lambda t: Wrong.apply(t), [x])


def test_gradcheck_wants_float64() -> None:
    with pytest.raises(TypeError, match="gradcheck: input 0 is float32, expected float64"):
        gradcheck(ops.exp, [ops.ones(3, requires_grad=True)])
    with pytest.raises(ValueError, match="gradcheck: no input requires a gradient"):
        gradcheck(ops.exp, [ops.ones(3)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numerical_grad_of_the_textbook(dtype: Any) -> None:
    x = pydl.from_numpy(np.array([[3.0, 4.0], [0.0, 2.0]], dtype), "numpy")
    g = numerical_grad(lambda t: ops.square(t).sum(), x)
    assert (g.shape, g.dtype) == (x.shape, x.dtype)
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy(), atol=2e-3 if dtype is np.float32 else 1e-8)
    weighted = numerical_grad(ops.square, x, grad_output=ops.full_like(x, 3.0))
    np.testing.assert_allclose(weighted.numpy(), 6 * x.numpy(), atol=1e-2)
    with pytest.raises(TypeError, match=r"^numerical_grad: expected a floating tensor, got int64"):
        numerical_grad(ops.square, ops.arange(3))


def test_gradgradcheck_finds_a_wrong_second_derivative() -> None:
    class WrongTwice(pydl.op.Op):
        def forward(self, x: Tensor) -> Tensor:
            self.save(x)
            return ops.square(x.detach())

        def backward(self, gy: Tensor) -> Tensor:
            return gy * 2.0 * self.saved[0].detach()  # right, but a constant for the next one

    x = pydl.from_numpy(np.ones(3), "numpy").requires_grad_()
    assert gradcheck(lambda t: WrongTwice.apply(t), [x])
    with pytest.raises(AssertionError, match="gradcheck: gradient of input 0"):
        gradgradcheck(lambda t: WrongTwice.apply(t), [x])
    assert gradgradcheck(lambda t: ops.exp(t) * t, [x])
