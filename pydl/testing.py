"""Checks for people who write ops: `gradcheck` against finite differences, `assert_close`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .autograd import grad
from .op import no_grad
from .ops.create import from_numpy
from .tensor import Tensor


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
    got = actual.numpy() if isinstance(actual, Tensor) else np.asarray(actual)
    want = expected.numpy() if isinstance(expected, Tensor) else np.asarray(expected)
    if got.shape != want.shape:
        raise AssertionError(f"{what}: shape {got.shape}, expected {want.shape}")
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=what)


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
    gradients = grad(y, [inputs[i] for i in checked], w, materialize_grads=True)
    for i, g in zip(checked, gradients, strict=True):
        expected = _central_differences(fn, inputs, i, weights, eps)
        assert_close(g, expected, rtol, atol, f"gradcheck: gradient of input {i}")
    return True


def _central_differences(
    fn: Callable[..., Tensor], inputs: Sequence[Tensor], i: int, weights: Any, eps: float
) -> np.ndarray[Any, Any]:
    base = inputs[i].numpy()
    out = np.empty_like(base)
    with no_grad():
        for at in np.ndindex(base.shape):
            values = []
            for sign in (1, -1):
                moved = base.copy()
                moved[at] += sign * eps
                x = from_numpy(moved, inputs[i].device)
                y = fn(*inputs[:i], x, *inputs[i + 1 :])
                values.append(float((y.numpy() * weights).sum()))
            out[at] = (values[0] - values[1]) / (2 * eps)
    return out
