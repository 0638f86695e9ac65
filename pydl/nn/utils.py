"""Limits for gradients, between `backward()` and `step()`; all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..op import no_grad
from ..ops.create import zeros
from ..ops.join import concat
from ..ops.limits import clip
from ..tensor import Tensor

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scales all gradients together so that their norm is at most `max_norm`.

    Nothing is read back to the host (but for `error_if_nonfinite`), so it can be captured.

    Args:
        parameters: Those without a gradient are passed over.
        max_norm: The limit.
        norm_type: p of the p-norm; `math.inf` for the largest absolute value.
        error_if_nonfinite: Raise where the norm is NaN or infinite.

    Returns:
        The norm before clipping, 0-d.

    Raises:
        ValueError: the norm is not finite, and that was to be an error.

    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks
    (2013), algorithm 1.
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    params = _with_grad(listed)
    if not params:
        return zeros((), device=listed[0].device if listed else "cpu")
    total = _total("clip_grad_norm_", [g for _, g in params], norm_type, error_if_nonfinite)
    with no_grad():
        scale = clip(max_norm / (total + 1e-6), max=1.0)
        for p, g in params:
            # NOTE: not in place: two parameters may have one gradient tensor between them.
            p.grad = g * scale
    return total


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Nothing is read back to the host (but for `error_if_nonfinite`), so it can be captured.

    Args:
        tensors: Gradients, mostly; of none the norm is 0.
        norm_type: p of the p-norm; `math.inf` for the largest absolute value.
        error_if_nonfinite: Raise where the norm is NaN or infinite.

    Returns:
        The norm, 0-d, off the tape.

    Raises:
        ValueError: the norm is not finite, and that was to be an error.
    """
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not listed:
        return zeros(())
    return _total("get_total_norm", listed, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Cuts every element of the gradients off at -clip_value and clip_value.

    Args:
        parameters: Those without a gradient are passed over.
        clip_value: The limit.
    """
    with no_grad():
        for p, g in _with_grad(parameters):
            p.grad = clip(g, -clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters behind each other, as one vector that gradients go through.

    Args:
        parameters: At least one; of one dtype and device.

    Returns:
        (total number of elements,), a copy.

    Raises:
        ValueError: there are none.
    """
    params = list(parameters)
    if not params:
        raise ValueError("parameters_to_vector: got no parameters")
    return concat([p.reshape(-1) for p in params])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Overwrites parameters with the elements of a vector: undoes `parameters_to_vector`.

    Args:
        vec: (total number of elements,).
        parameters: What is overwritten, in order.

    Raises:
        ValueError: the numbers of elements differ; nothing is changed then.
    """
    params = list(parameters)
    total = sum(p.numel() for p in params)
    if vec.shape != (total,):
        raise ValueError(f"vector_to_parameters: {vec.shape} for parameters of {total} elements")
    at = 0
    with no_grad():
        for p in params:
            p.copy_(vec[at : at + p.numel()].reshape(p.shape))
            at += p.numel()


def _with_grad(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Each parameter that has a gradient, with it."""
    params = [parameters] if isinstance(parameters, Tensor) else parameters
    return [(p, p.grad) for p in params if p.grad is not None]


def _total(name: str, tensors: list[Tensor], p: float, error_if_nonfinite: bool) -> Tensor:
    with no_grad():
        total = _norm(concat([_norm(t, p).reshape(1) for t in tensors]), p)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise ValueError(f"{name}: the norm of the gradients is {total.item()}")
    return total


def _norm(x: Tensor, p: float) -> Tensor:
    if p == math.inf:
        return x.abs().max()  # type: ignore[no-any-return]
    if p == 2:
        return x.square().sum().sqrt()
    return (x.abs() ** p).sum() ** (1 / p)
