"""The bilinear form of two inputs: `linear` of all their products."""

from __future__ import annotations

from ..recording import thread
from ..tensor import Tensor
from .conv import float_only
from .matmul import linear
from .precision import lowered
from .shape import reshape, unsqueeze

__all__ = ["bilinear"]


def bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = x1^T W_o x2 + b_o.

    Args:
        x1: (..., I).
        x2: (..., J), the same but for its last dimension.
        weight: (O, I, J).
        bias: (O,), or None.

    Returns:
        (..., O).

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the tensors are not floating, or of different types.

    Derivative: twice.
    Source: Tenenbaum and Freeman, "Separating style and content with bilinear models" (2000),
    eq. 1.
    """
    if thread.autocast is not None:
        x1, x2, weight, bias = lowered(x1, x2, weight, bias)
    shapes = f"(x1={x1.shape}, x2={x2.shape}, w={weight.shape})"
    if x1.ndim == 0 or x1.shape[:-1] != x2.shape[:-1] or x1.ndim != x2.ndim:
        raise ValueError(f"bilinear: x1 and x2 differ before their last dimension {shapes}")
    if weight.ndim != 3 or weight.shape[1:] != (x1.shape[-1], x2.shape[-1]):
        raise ValueError(f"bilinear: weight is (O, I, J) for x1 (..., I) and x2 (..., J) {shapes}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bilinear: bias {bias.shape} does not fit weight {weight.shape}")
    float_only("bilinear", x1, x2, weight, *([] if bias is None else [bias]))
    o, i, j = weight.shape
    products = unsqueeze(x1, -1) * unsqueeze(x2, -2)  # (..., I, J)
    return linear(reshape(products, (*x1.shape[:-1], i * j)), reshape(weight, (o, i * j)), bias)
