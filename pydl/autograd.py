"""Gradients as values: `grad` returns them instead of filling `.grad`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import op as tape
from .ops.create import ones_like, zeros_like
from .tensor import Tensor

__all__ = ["grad"]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Sequence[Tensor] | Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """d outputs / d inputs, `.grad` left alone.

    Args:
        outputs: tensors on the tape.
        inputs: tensors they depend on.
        grad_outputs: the gradient of each output, of its shape; ones by default for one element.
        retain_graph: keep the saved tensors; `create_graph` by default.
        create_graph: make the gradients differentiable.
        allow_unused: give None for an input that the outputs do not depend on; `materialize_grads`
            by default.
        materialize_grads: give zeros instead of None.

    Returns:
        One gradient per input, of its shape. Only what leads from the outputs to the inputs is
        walked, and freed.

    Raises:
        RuntimeError: an input does not require a gradient, or is not used.
        ValueError: a gradient is missing or of another shape.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs]
    for y in outputs:
        if not y.requires_grad:
            raise RuntimeError("grad: an output does not require a gradient")
        if grad_outputs is None and y.numel() != 1:
            raise ValueError(f"grad: an output of shape {y.shape} needs grad_outputs")
    for x in inputs:
        if not x.requires_grad:
            raise RuntimeError("grad: an input does not require a gradient")
    if grad_outputs is None:
        grad_outputs = [ones_like(y) for y in outputs]
    for y, gy in zip(outputs, grad_outputs, strict=True):
        if y.shape != gy.shape:
            raise ValueError(f"grad: gradient of shape {gy.shape} for an output of shape {y.shape}")
    keep = create_graph if retain_graph is None else retain_graph
    found = tape.backward(outputs, grad_outputs, keep, create_graph, inputs)
    results = [found.get(id(x.node or x)) for x in inputs]
    if not (materialize_grads if allow_unused is None else allow_unused):
        for i, g in enumerate(results):
            if g is None:
                raise RuntimeError(
                    f"grad: the outputs do not depend on input {i}; see allow_unused"
                )
    if materialize_grads:
        return tuple(
            zeros_like(x) if g is None else g for x, g in zip(inputs, results, strict=True)
        )
    return tuple(results)
