"""Scaled dot-product attention, composed of products and a softmax."""

from __future__ import annotations

import math

from ..dtypes import bool_
from ..recording import thread
from ..tensor import Tensor
from .checks import need_floating
from .comparison import eq, ge, where
from .create import arange
from .elementwise import broadcast_shapes
from .matmul import gemm, matmul
from .precision import lowered
from .reduce import all, expand
from .shape import reshape, unsqueeze
from .softmax import softmax

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale query key^T + mask) value: values, weighted by how well their keys fit.

    Args:
        query: (..., L, E), floating.
        key: (..., S, E); leading dimensions broadcast.
        value: (..., S, Ev).
        attn_mask: broadcasts to (..., L, S): bool, True where attention is paid, or floating, added
            to the scores. Where a whole row is masked, so that nothing is attended to, the result
            is 0.
        dropout_p: probability with which a weight is dropped, in training and evaluation alike.
        is_causal: position i attends to the first i + 1 only; not together with attn_mask.
        scale: 1 / sqrt(E) by default.
        enable_gqa: refused: repeat key and value over the heads instead.

    Returns:
        (..., L, Ev), of the dtype of query.

    Raises:
        ValueError: the shapes do not fit, both a mask and is_causal are given, or enable_gqa is.
        TypeError: the dtypes differ or are not floating.

    Derivative: twice.
    Source: Vaswani et al., "Attention is all you need" (2017), equation 1.
    """
    if thread.autocast is not None:
        query, key, value, attn_mask = lowered(query, key, value, attn_mask)
    name = "scaled_dot_product_attention"
    floating = None if attn_mask is None or attn_mask.dtype is bool_ else attn_mask
    need_floating(name, query=query, key=key, value=value, attn_mask=floating)
    _fit(name, query, key, value)
    if attn_mask is not None and is_causal:
        raise ValueError(f"{name}: give attn_mask or is_causal, not both")
    if enable_gqa:
        raise ValueError(f"{name}: enable_gqa is not offered; repeat key and value over the heads")
    factor = scale if scale is not None else 1.0 / math.sqrt(max(query.shape[-1], 1))
    if is_causal:
        L, S = (arange(t.shape[-2], device=query.device) for t in (query, key))
        attn_mask = ge(unsqueeze(L, 1), S)
    weights = attention_weights(name, query * factor, key, attn_mask)
    if dropout_p > 0.0:
        from ..random import dropout  # which is built on ops

        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _fit(name: str, query: Tensor, key: Tensor, value: Tensor) -> None:
    fits = min(query.ndim, key.ndim, value.ndim) >= 2
    if fits and query.shape[-1] == key.shape[-1] and key.shape[-2] == value.shape[-2]:
        return
    raise ValueError(
        f"{name}: query {query.shape}, key {key.shape} and value {value.shape} are not "
        "(..., L, E), (..., S, E) and (..., S, Ev)"
    )


def attention_weights(name: str, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(query key^T + mask) over the keys, 0 in rows that are masked throughout.

    Args:
        name: of the caller, for errors.
        query: (..., L, E), scaled.
        key: (..., S, E).
        mask: bool, True where attention is paid, or floating; broadcasts to (..., L, S).
    """
    lead = broadcast_shapes(name, query.shape[:-2], key.shape[:-2])
    q, k = (
        reshape(expand(t, (*lead, *t.shape[-2:])), (math.prod(lead), *t.shape[-2:]))
        for t in (query, key)
    )
    shape = (*lead, query.shape[-2], key.shape[-2])
    scores = reshape(gemm(q, k, trans_b=True), shape)
    if mask is None:
        return softmax(scores, -1)
    if broadcast_shapes(name, mask.shape, shape) != shape:
        raise ValueError(f"{name}: the mask {mask.shape} does not broadcast to {shape}")
    if mask.dtype is bool_:
        scores = where(mask, scores, -math.inf)
        none = all(eq(mask, False), -1, keepdim=True)
    else:
        scores = scores + mask
        none = all(eq(mask, -math.inf), -1, keepdim=True)
    # What is masked throughout has a gradient of 0, not of NaN.
    return where(none, 0.0, softmax(where(none, 0.0, scores), -1))
