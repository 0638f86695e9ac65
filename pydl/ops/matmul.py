"""Matrix products. A transposed operand is a flag of the kernel, not a copy."""

from __future__ import annotations

import math

from ..device import Shape
from ..methods import method
from ..op import Op, is_grad_enabled
from ..recording import thread
from ..tensor import Tensor
from .arithmetic import mul
from .checks import need_floating
from .diagonal import diagonal
from .elementwise import broadcast_shapes
from .precision import lowered
from .reduce import expand, sum, sum_to
from .shape import reshape

__all__ = [
    "addmm",
    "baddbmm",
    "bmm",
    "dot",
    "linear",
    "matmul",
    "mm",
    "mv",
    "outer",
    "trace",
]


class Gemm(Op):
    """y = op(a) op(b) [+ bias], op being the transpose where the flag says so.

    a (B, m, k) and b (B, k, n), either or both without B; bias (n,).
    """

    trans_a: bool = False
    trans_b: bool = False

    def forward(self, a: Tensor, b: Tensor, *bias: Tensor) -> Tensor:
        device, trans_a, trans_b = a.device, self.trans_a, self.trans_b
        added = bias[0].data if bias else None
        self.save(a, b)
        if device.matmul is not None:
            data = device.matmul(a.data, b.data, trans_a, trans_b, added)
            if data is not None:
                return Tensor(data, device)
        m = a.shape[-1] if trans_a else a.shape[-2]
        n = b.shape[-2] if trans_b else b.shape[-1]
        batch = a.shape[:-2] or b.shape[:-2]
        y = Tensor(device.empty((*batch, m, n), a.dtype), device)
        device.kernels.gemm(a.data, b.data, y.data, trans_a, trans_b, added)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = gb = None
        if self.needs[0]:
            flip = self.trans_a  # the gradient of a^T is the transpose of the gradient of a
            ga = gemm(b, gy, self.trans_b, True) if flip else gemm(gy, b, False, not self.trans_b)
            ga = sum_to(ga, a.shape)
        if self.needs[1]:
            flip = self.trans_b
            gb = gemm(gy, a, True, self.trans_a) if flip else gemm(a, gy, not self.trans_a, False)
            gb = sum_to(gb, b.shape)
        if len(self.needs) == 2:
            return ga, gb
        return ga, gb, sum_to(gy, (gy.shape[-1],)) if self.needs[2] else None


def gemm(a: Tensor, b: Tensor, trans_a: bool = False, trans_b: bool = False) -> Tensor:
    """op(a) @ op(b) of two matrices, of equal batches, or of a matrix and a batch."""
    y = _direct(a, b, trans_a, trans_b)
    return Gemm.apply(a, b, trans_a=trans_a, trans_b=trans_b) if y is None else y


def _direct(
    a: Tensor, b: Tensor, trans_a: bool, trans_b: bool, bias: Tensor | None = None
) -> Tensor | None:
    """Gemm of two matrices in one native call, where nothing is recorded.

    An op costs as much as a product of 64 x 64. None where there has to be one: for the tape, for
    other shapes, or to say what is wrong with the arguments.
    """
    device = a.device
    if device.matmul is None or b.device is not device or not Op.direct:
        return None
    wanted = a.requires_grad or b.requires_grad or (bias is not None and bias.requires_grad)
    if wanted and is_grad_enabled():
        return None
    data = device.matmul(a.data, b.data, trans_a, trans_b, None if bias is None else bias.data)
    return None if data is None else Tensor(data, device)


@method
def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product, by NumPy's rules: vectors, matrices, and batches that broadcast.

    Args:
        a: (..., m, k) or (k,), floating.
        b: (..., k, n) or (k,), the dtype of a.

    Returns:
        (..., m, n); without m where a is a vector, without n where b is one.

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: numpy.matmul; the kernel: Van Zee and van de Geijn, "BLIS" (2015).
    """
    if thread.autocast is not None:
        a, b = lowered(a, b)
    y = _direct(a, b, False, False)
    if y is not None:
        return y
    need_floating("matmul", a=a, b=b)
    rows, columns = a.shape, b.shape
    if len(rows) == len(columns) == 2 and rows[1] == columns[0]:
        return Gemm.apply(a, b)
    if not rows or not columns:
        raise ValueError(f"matmul: expected vectors or matrices, got {a.shape} and {b.shape}")
    left = reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"matmul: {a.shape} and {b.shape} do not fit: inner lengths differ")
    y = _batched(left, right)
    drop = [-2] * (a.ndim == 1) + [-1] * (b.ndim == 1)
    shape = [n for i, n in enumerate(y.shape) if i - y.ndim not in drop]
    return reshape(y, shape)


method(matmul, "__matmul__")


def _batched(a: Tensor, b: Tensor) -> Tensor:
    """a (..., m, k) @ b (..., k, n); one matrix for all of the other operand is not repeated."""
    batch_a, batch_b = a.shape[:-2], b.shape[:-2]
    lead = broadcast_shapes("matmul", batch_a, batch_b)
    shape = (*lead, a.shape[-2], b.shape[-1])
    if math.prod(batch_b) == 1:  # a single product
        return reshape(gemm(_flat(a), reshape(b, b.shape[-2:])), shape)
    if math.prod(batch_a) == 1:
        return reshape(gemm(reshape(a, a.shape[-2:]), _stack(b, lead)), shape)
    return reshape(gemm(_stack(a, lead), _stack(b, lead)), shape)


def _flat(a: Tensor) -> Tensor:
    """a (..., k) as one matrix (rows, k)."""
    return a if a.ndim == 2 else reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))


def _stack(x: Tensor, lead: Shape) -> Tensor:
    """x (..., m, n) as (B, m, n), repeated to the leading dimensions."""
    x = expand(x, (*lead, *x.shape[-2:]))
    return reshape(x, (math.prod(lead), *x.shape[-2:]))


def _ranks(name: str, a: Tensor, b: Tensor, rank_a: int, rank_b: int) -> None:
    if a.ndim != rank_a or b.ndim != rank_b:
        raise ValueError(
            f"{name}: expected {rank_a} and {rank_b} dimensions, got {a.shape} and {b.shape}"
        )


@method
def mm(a: Tensor, b: Tensor) -> Tensor:
    """The product of two matrices.

    Args:
        a: (m, k), floating.
        b: (k, n), the dtype of a.

    Returns:
        (m, n).

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: see `matmul`.
    """
    if thread.autocast is not None:
        a, b = lowered(a, b)
    _ranks("mm", a, b, 2, 2)
    return matmul(a, b)


@method
def bmm(a: Tensor, b: Tensor) -> Tensor:
    """The products of two equal batches of matrices.

    Args:
        a: (B, m, k), floating.
        b: (B, k, n), the dtype of a.

    Returns:
        (B, m, n).

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit; batches do not broadcast.

    Derivative: twice.
    Source: see `matmul`.
    """
    if thread.autocast is not None:
        a, b = lowered(a, b)
    _ranks("bmm", a, b, 3, 3)
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"bmm: batches of {a.shape} and {b.shape} differ")
    return matmul(a, b)


@method
def mv(a: Tensor, b: Tensor) -> Tensor:
    """The product of a matrix and a vector.

    Args:
        a: (m, k), floating.
        b: (k,), the dtype of a.

    Returns:
        (m,).

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: see `matmul`.
    """
    if thread.autocast is not None:
        a, b = lowered(a, b)
    _ranks("mv", a, b, 2, 1)
    return matmul(a, b)


@method
def dot(a: Tensor, b: Tensor) -> Tensor:
    """The scalar product of two vectors.

    Args:
        a: (k,), floating.
        b: (k,), the dtype of a.

    Returns:
        A 0-d tensor.

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: see `matmul`.
    """
    if thread.autocast is not None:
        a, b = lowered(a, b)
    _ranks("dot", a, b, 1, 1)
    return matmul(a, b)


@method
def outer(a: Tensor, b: Tensor) -> Tensor:
    """The outer product of two vectors.

    Args:
        a: (m,); floating, integers or bool.
        b: (n,).

    Returns:
        (m, n): a[i] * b[j], in the dtype that both promote to.

    Raises:
        ValueError: one is no vector.

    Derivative: twice.
    Source: numpy.outer.
    """
    _ranks("outer", a, b, 1, 1)
    return mul(reshape(a, (*a.shape, 1)), b)


@method
def addmm(x: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta x + alpha (mat1 @ mat2).

    Args:
        x: broadcasts to (m, n); not looked at where beta is 0.
        mat1: (m, k), floating.
        mat2: (k, n), the dtype of mat1.
        beta: factor of x.
        alpha: factor of the product.

    Returns:
        (m, n).

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: Lawson et al., "Basic linear algebra subprograms" (1979): gemm.
    """
    if thread.autocast is not None:
        x, mat1, mat2 = lowered(x, mat1, mat2)
    need_floating("addmm", x=x, mat1=mat1, mat2=mat2)
    return _add_scaled("addmm", x, mm(mat1, mat2), beta, alpha)


@method
def baddbmm(
    x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta x + alpha (batch1 @ batch2), for batches of matrices.

    Args:
        x: broadcasts to (B, m, n); not looked at where beta is 0.
        batch1: (B, m, k), floating.
        batch2: (B, k, n), the dtype of batch1.
        beta: factor of x.
        alpha: factor of the product.

    Returns:
        (B, m, n).

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: see `addmm`.
    """
    if thread.autocast is not None:
        x, batch1, batch2 = lowered(x, batch1, batch2)
    need_floating("baddbmm", x=x, batch1=batch1, batch2=batch2)
    return _add_scaled("baddbmm", x, bmm(batch1, batch2), beta, alpha)


def _add_scaled(name: str, x: Tensor, y: Tensor, beta: float, alpha: float) -> Tensor:
    if broadcast_shapes(name, x.shape, y.shape) != y.shape:
        raise ValueError(f"{name}: x {x.shape} does not broadcast to {y.shape}")
    y = y if alpha == 1 else y * alpha
    if beta == 0:
        return y
    return y + (x if beta == 1 else x * beta)


@method
def trace(x: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    Args:
        x: (m, n); floating, integers or bool.

    Returns:
        A 0-d tensor; int64 for integers and bool, else the dtype of x.

    Raises:
        ValueError: x is no matrix.

    Derivative: twice.
    Source: numpy.trace.
    """
    if x.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got shape {x.shape}")
    return sum(diagonal(x))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b.

    Args:
        x: (..., in).
        weight: (out, in), or (in,) for one output without a dimension of its own.
        bias: (out,), one number for all outputs as () or (1,), or None; 0-d beside a weight (in,).

    Returns:
        (..., out), or (...).

    Raises:
        TypeError: the dtypes are not floating, or not the same.
        ValueError: the shapes do not fit.

    Derivative: twice.
    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.1; see `matmul`.
    """
    if thread.autocast is not None:
        x, weight, bias = lowered(x, weight, bias)
    y = _direct(x, weight, False, True, bias)
    if y is not None:
        return y
    need_floating("linear", x=x, weight=weight, bias=bias)
    if weight.ndim == 1 and (bias is None or bias.ndim == 0):
        bias = None if bias is None else reshape(bias, (1,))
        return reshape(linear(x, reshape(weight, (1, *weight.shape)), bias), x.shape[:-1])
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: weight {weight.shape} is (out, in), but x {x.shape} does not end in in"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        if bias.shape not in ((), (1,)):
            raise ValueError(f"linear: bias {bias.shape} does not fit weight {weight.shape}")
        bias = expand(bias, weight.shape[:1])
    rows = x if x.ndim == 2 else _flat(x)
    y = Gemm.apply(*((rows, weight) if bias is None else (rows, weight, bias)), trans_b=True)
    return y if x.ndim == 2 else reshape(y, (*x.shape[:-1], weight.shape[0]))
