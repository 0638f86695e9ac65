"""Checks for people who write ops and for those who learn what a gradient is: `numerical_grad` by
finite differences, `gradcheck` and `gradgradcheck` against it, `assert_close`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .autograd import grad
from .op import enable_grad, no_grad
from .ops.create import from_numpy, ones_like, zeros_like
from .ops.join import cat
from .tensor import Tensor

__all__ = ["assert_close", "gradcheck", "gradgradcheck", "numerical_grad"]


def _array(x: Any) -> np.ndarray[Any, Any]:
    if not isinstance(x, Tensor):
        return np.asarray(x)
    return (x.detach().float() if x.dtype is dtypes.bfloat16 else x).numpy()


def assert_close(
    actual: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6, what: str = ""
) -> None:
    """Raise AssertionError where |actual - expected| > atol + rtol |expected| anywhere.

    Args:
        actual: tensor or array.
        expected: tensor or array of the same shape.
        rtol: relative tolerance.
        atol: absolute tolerance.
        what: for the message.
    """
    got, want = _array(actual), _array(expected)
    if got.shape != want.shape:
        raise AssertionError(f"{what}: shape {got.shape}, expected {want.shape}")
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=what)


def numerical_grad(
    fn: Callable[..., Tensor],
    x: Tensor,
    eps: float | None = None,
    grad_output: Tensor | None = None,
) -> Tensor:
    """The gradient of fn at x by central differences: (f(x + eps) - f(x - eps)) / (2 eps).

    It calls fn twice per element of x: for checking a derivative, not for training.

    Args:
        fn: takes a tensor of the shape of x; returns a tensor, whose sum is differentiated.
        x: any shape, floating. Its values are left alone.
        eps: the difference step; the cube root of the precision of x by default.
        grad_output: weights of the elements of fn(x), of its shape; ones by default.

    Returns:
        The gradient, of the shape, dtype and device of x.

    Raises:
        TypeError: x is not floating.

    Source: Saito, "Deep Learning from Scratch" (2016), section 4.3.
    """
    if not x.dtype.is_floating:
        raise TypeError(f"numerical_grad: expected a floating tensor, got {x.dtype.name}")
    step = float(np.finfo(x.dtype.numpy).eps) ** (1 / 3) if eps is None else eps
    weights = 1.0 if grad_output is None else grad_output.detach().numpy().astype(np.float64)
    base = x.detach().numpy()
    out = np.empty_like(base)
    with no_grad():
        for at in np.ndindex(base.shape):
            values, places = [], []
            for sign in (1, -1):
                moved = base.copy()
                moved[at] += sign * step
                places.append(float(moved[at]))
                y = fn(from_numpy(moved, x.device)).numpy().astype(np.float64)
                values.append(float((y * weights).sum()))
            out[at] = (values[0] - values[1]) / (places[0] - places[1])
    return from_numpy(out, x.device)


def gradcheck(
    fn: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compare backward with central differences, in float64 on the numpy device.

    Args:
        fn: takes the inputs and returns a tensor of any shape; must be deterministic.
        inputs: float64 tensors on the numpy device; those that require a gradient are checked.
        eps: the difference step.
        atol: absolute tolerance of a derivative.
        rtol: relative tolerance of a derivative.

    Returns:
        True.

    Raises:
        TypeError: an input that is to be checked is not float64.
        AssertionError: a derivative is wrong; says which.

    Source: the defaults are PyTorch's.
    """
    checked = [i for i, x in enumerate(inputs) if x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires a gradient")
    for i in checked:
        if inputs[i].dtype is not dtypes.float64:
            raise TypeError(f"gradcheck: input {i} is {inputs[i].dtype.name}, expected float64")
    y = fn(*inputs)
    # One random direction per output element would be a full Jacobian; a random weighting of all
    # outputs tests the same entries at the cost of one backward.
    weights = np.random.Generator(np.random.Philox(key=[1, 2])).uniform(0.5, 1.5, y.shape)
    w = from_numpy(np.array(weights), y.device)
    xs = [inputs[i] for i in checked]
    if y.requires_grad:
        gradients = grad(y, xs, w, materialize_grads=True)
    else:  # it is a constant, or claims to be
        gradients = tuple(zeros_like(x) for x in xs)
    for i, g in zip(checked, gradients, strict=True):

        def of_one(x: Tensor, i: int = i) -> Tensor:
            return fn(*inputs[:i], x, *inputs[i + 1 :])

        expected = numerical_grad(of_one, inputs[i], eps, w)
        assert_close(g, expected, rtol, atol, f"gradcheck: gradient of input {i}")
    return True


def gradgradcheck(
    fn: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    grad_output: Tensor | None = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compare the second derivatives with central differences of the first.

    Args:
        fn: as for `gradcheck`.
        inputs: as for `gradcheck`.
        grad_output: the gradient of the output, of its shape; ones by default. It is checked too,
            where it requires a gradient.
        eps: the difference step.
        atol: absolute tolerance of a derivative.
        rtol: relative tolerance of a derivative.

    Returns:
        True.

    Raises:
        TypeError: an input that is to be checked is not float64.
        AssertionError: a second derivative is wrong.
        RuntimeError: an op on the way is differentiable once only.
    """
    checked = [x.requires_grad for x in inputs]
    gy = ones_like(fn(*inputs)) if grad_output is None else grad_output

    def first(*values: Tensor) -> Tensor:
        with enable_grad():  # gradcheck moves values without a gradient
            xs = [
                x if x.requires_grad or not wanted else x.detach().requires_grad_()
                for x, wanted in zip(values, checked, strict=False)
            ]
            wanted = [x for x, want in zip(xs, checked, strict=True) if want]
            found = grad(fn(*xs), wanted, values[-1], create_graph=True, materialize_grads=True)
            return cat([g.reshape(-1) for g in found])

    return gradcheck(first, [*inputs, gy], eps, atol, rtol)
