"""Matrix products. A transposed operand is a flag of the kernel, not a copy."""

from __future__ import annotations

from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .create import empty
from .elementwise import broadcast_shapes
from .reduce import expand, sum_to
from .shape import reshape

__all__ = [
    "linear",
    "matmul",
]


class Gemm(Op):
    """y = op(a) op(b) [+ bias], op being the transpose where the flag says so.

    a (B, m, k) and b (B, k, n), or both without B; bias (n,).
    """

    trans_a: bool = False
    trans_b: bool = False

    def forward(self, a: Tensor, b: Tensor, *bias: Tensor) -> Tensor:
        m = a.shape[-1] if self.trans_a else a.shape[-2]
        n = b.shape[-2] if self.trans_b else b.shape[-1]
        y = empty((*a.shape[:-2], m, n), dtype=a.dtype, device=a.device)
        a.device.kernels.gemm(
            a.data, b.data, y.data, self.trans_a, self.trans_b, bias[0].data if bias else None
        )
        self.save(a, b)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = gb = None
        if self.needs[0]:
            flip = self.trans_a  # the gradient of a^T is the transpose of the gradient of a
            ga = gemm(b, gy, self.trans_b, True) if flip else gemm(gy, b, False, not self.trans_b)
        if self.needs[1]:
            flip = self.trans_b
            gb = gemm(gy, a, True, self.trans_a) if flip else gemm(a, gy, not self.trans_a, False)
        if len(self.needs) == 2:
            return ga, gb
        return ga, gb, sum_to(gy, (gy.shape[-1],)) if self.needs[2] else None


def gemm(a: Tensor, b: Tensor, trans_a: bool = False, trans_b: bool = False) -> Tensor:
    """op(a) @ op(b) of two matrices, or two equal batches of them."""
    return Gemm.apply(a, b, trans_a=trans_a, trans_b=trans_b)


@method
def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product, by NumPy's rules: vectors, matrices, and batches that broadcast.

    Raises:
        ValueError: the shapes do not fit.
    """
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: expected vectors or matrices, got {a.shape} and {b.shape}")
    left = reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"matmul: {a.shape} and {b.shape} do not fit: inner lengths differ")
    y = _batched(left, right)
    drop = [-2] * (a.ndim == 1) + [-1] * (b.ndim == 1)
    shape = [n for i, n in enumerate(y.shape) if i - y.ndim not in drop]
    return reshape(y, shape)


def _batched(a: Tensor, b: Tensor) -> Tensor:
    if b.ndim == 2:  # one matrix for all of a: a single product
        y = gemm(_flat(a), b)
        return reshape(y, (*a.shape[:-1], b.shape[-1]))
    lead = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    batch = 1
    for n in lead:
        batch *= n
    a3 = reshape(expand(a, (*lead, *a.shape[-2:])), (batch, *a.shape[-2:]))
    b3 = reshape(expand(b, (*lead, *b.shape[-2:])), (batch, *b.shape[-2:]))
    y = gemm(a3, b3)
    return reshape(y, (*lead, *y.shape[-2:]))


def _flat(a: Tensor) -> Tensor:
    rows = 1
    for n in a.shape[:-1]:
        rows *= n
    return reshape(a, (rows, a.shape[-1]))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b.

    Args:
        x: (..., in).
        weight: (out, in), or (in,) for one output without a dimension of its own.
        bias: (out,), or None; 0-d beside a weight (in,).

    Returns:
        (..., out), or (...).

    Raises:
        ValueError: the shapes do not fit.
    """
    if weight.ndim == 1 and (bias is None or bias.ndim == 0):
        bias = None if bias is None else reshape(bias, (1,))
        return reshape(linear(x, reshape(weight, (1, *weight.shape)), bias), x.shape[:-1])
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: weight {weight.shape} is (out, in), but x {x.shape} does not end in in"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias {bias.shape} does not fit weight {weight.shape}")
    inputs = (_flat(x), weight) if bias is None else (_flat(x), weight, bias)
    y = Gemm.apply(*inputs, trans_b=True)
    return reshape(y, (*x.shape[:-1], weight.shape[0]))
