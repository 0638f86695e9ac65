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
from pydl.testing import gradcheck

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


def first_derivative(case: OpCase, count: int) -> Any:
    """The gradients as one function of the inputs and of the output's gradient."""

    def fn(*tensors: Tensor) -> Tensor:
        xs, gy = tensors[:count], tensors[count]
        # A copy of each, as gradcheck hands in values without a gradient for what it moves.
        with pydl.enable_grad():
            inputs = [x if x.requires_grad or not wanted else x.detach().requires_grad_()
                      for x, wanted in zip(xs, flags, strict=True)]  # fmt: skip
            wanted_inputs = [x for x, wanted in zip(inputs, flags, strict=True) if wanted]
            found = grad(case.fn(*inputs), wanted_inputs, gy, create_graph=True, materialize_grads=True)
            return ops.cat([g.reshape(-1) for g in found])

    flags = [x.requires_grad for x in case.tensors("numpy")]
    return fn


@pytest.mark.parametrize("case", [c for c in SMALL if c.twice], ids=named)
def test_second_gradient_is_the_derivative_of_the_first(case: OpCase) -> None:
    xs = case.tensors("numpy")
    gy = output_gradient(case, case.fn(*xs)).requires_grad_()
    assert gradcheck(first_derivative(case, len(xs)), [*xs, gy])


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
