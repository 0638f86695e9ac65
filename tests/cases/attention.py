"""Attention."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from opcase import FLOATING, Draw, OpCase, Refusal, Rule, coins, given, normal, refused

from pydl import Tensor, ops


def additive(*shape: int) -> Draw:
    """Numbers, and -inf here and there; throughout the first row."""

    def draw(r: np.random.Generator) -> np.ndarray:
        mask = np.where(r.random(shape) < 0.3, -math.inf, r.normal(size=shape))
        mask[..., :1, :] = -math.inf
        return mask

    return draw


def attention() -> Iterable[OpCase]:
    attend = ops.scaled_dot_product_attention
    for q, k, v in (((2, 3, 4), (2, 5, 4), (2, 5, 3)), ((3, 4), (3, 4), (3, 4)),
                    ((2, 1, 3, 4), (2, 2, 5, 4), (2, 2, 5, 1)), ((1, 1), (1, 1), (1, 1)),
                    ((0, 3, 2), (0, 4, 2), (0, 4, 2)), ((2, 3, 17, 33), (2, 3, 40, 33),
                    (2, 3, 40, 31))):  # fmt: skip
        inputs = (normal(*q), normal(*k), normal(*v))
        n = {"k": q[-1] * k[-2], "k_grad": q[-1] * k[-2]}
        yield OpCase(f"scaled_dot_product_attention[{q}]", attend, inputs, **n)
        yield OpCase(f"scaled_dot_product_attention[{q}, causal]", given(attend, is_causal=True),
                     inputs, **n)  # fmt: skip
        mask = (q[-2], k[-2])
        yield OpCase(f"scaled_dot_product_attention[{q}, bool]", attend, (*inputs, coins(*mask)),
                     **n)  # fmt: skip
        yield OpCase(f"scaled_dot_product_attention[{q}, added]", attend,
                     (*inputs, additive(*mask)), **n, grads=(0, 1, 2))  # fmt: skip

    def scaled(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        return attend(q, k, v, mask, scale=0.3)

    yield OpCase("scaled_dot_product_attention[bias]", scaled,
                 (normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2), normal(3, 5)), k=20,
                 k_grad=20)  # fmt: skip
    yield OpCase("scaled_dot_product_attention[dropout]", given(attend, dropout_p=0.4),
                 (normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)), k=20, k_grad=20,
                 smooth=False)  # fmt: skip


CASES: tuple[OpCase, ...] = (*attention(),)

TWO = ((3, 4), (5, 4), (5, 2))

ERRORS: tuple[Refusal, ...] = (
    refused("scaled_dot_product_attention", ops.scaled_dot_product_attention, (3, 4), (5, 3),
            (5, 4), message=r"^scaled_dot_product_attention: query \(3, 4\), key \(5, 3\) and"),
    refused("scaled_dot_product_attention", ops.scaled_dot_product_attention, *TWO, (2, 3, 5),
            message=r"^scaled_dot_product_attention: the mask \(2, 3, 5\) does not broadcast"),
    refused("scaled_dot_product_attention",
            given(ops.scaled_dot_product_attention, is_causal=True), *TWO, (3, 5),
            message="^scaled_dot_product_attention: give attn_mask or is_causal, not both"),
    refused("scaled_dot_product_attention",
            given(ops.scaled_dot_product_attention, enable_gqa=True), *TWO,
            message="^scaled_dot_product_attention: enable_gqa is not offered"),
)  # fmt: skip

DTYPES: dict[str, Rule] = {"scaled_dot_product_attention": FLOATING}
