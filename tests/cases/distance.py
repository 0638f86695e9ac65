"""Norms, distances and angles."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import FLOATING, OpCase, Refusal, Rule, away, distinct, given, ids, normal, refused

from pydl import ops


def distances() -> Iterable[OpCase]:
    for p in (1.0, 2.0, 3.0, math.inf):
        k = {"k": 5, "k_grad": 15}
        yield OpCase(f"normalize[{p}]", given(ops.normalize, p), (distinct(3, 5),), **k)
        yield OpCase(f"pairwise_distance[{p}]", given(ops.pairwise_distance, p),
                     (distinct(3, 5), away(3, 5)), **k)  # fmt: skip
        yield OpCase(f"cdist[{p}]", given(ops.cdist, p), (distinct(3, 5), away(4, 5)), k=5,
                     k_grad=20)  # fmt: skip
        for swap in (False, True):
            call = given(ops.triplet_margin_loss, 2.0, p, swap=swap)
            yield OpCase(f"triplet_margin_loss[{p}, {swap}]", call,
                         (distinct(3, 5), away(3, 5), normal(3, 5)), **k)  # fmt: skip
    for dim in (0, -1, (0, 2)):
        yield OpCase(f"normalize[dim {dim}]", given(ops.normalize, dim=dim), (normal(2, 3, 4),),
                     k=8, k_grad=24)  # fmt: skip
    yield OpCase("normalize[empty]", ops.normalize, (normal(3, 0),))
    for a, b, dim in (((3, 5), (3, 5), 1), ((3, 5), (5,), 1), ((2, 3, 4), (3, 1), 1),
                      ((4,), (4,), 0), ((), (), 0), ((0, 3), (0, 3), 1)):  # fmt: skip
        yield OpCase(f"cosine_similarity[{a}, {b}, {dim}]", given(ops.cosine_similarity, dim),
                     (away(*a), away(*b)), k=5, k_grad=30,
                     grads=None if a else ())  # of numbers it is 1 or -1  # fmt: skip
    for a, b in (((5,), (5,)), ((2, 3, 4), (3, 1)), ((0, 3), (0, 3)), ((), ())):
        call = given(ops.pairwise_distance, keepdim=True)
        yield OpCase(f"pairwise_distance[{a}, {b}]", call, (away(*a), normal(*b)), k=4, k_grad=24)
    for a, b in (
        ((2, 3, 4), (5, 4)),
        ((1, 1), (1, 1)),
        ((0, 3), (2, 3)),
        ((2, 1, 3, 4), (3, 2, 4)),
    ):
        yield OpCase(f"cdist[{a}, {b}]", ops.cdist, (normal(*a), normal(*b)), k=4, k_grad=24)
    for reduction in ("sum", "none"):
        call = given(ops.triplet_margin_loss, 5.0, reduction=reduction)
        yield OpCase(f"triplet_margin_loss[{reduction}]", call,
                     (normal(5), normal(5), normal(5)), k=5, k_grad=5)  # fmt: skip


CASES: tuple[OpCase, ...] = (*distances(),)

ERRORS: tuple[Refusal, ...] = (
    Refusal("normalize", lambda d: ops.normalize(ids((2, 3), 1, d)), TypeError,
            "^normalize: x is int64, expected float32"),
    refused("normalize", ops.normalize, (3,), error=IndexError, message="dim 1 is out of range"),
    refused("cosine_similarity", ops.cosine_similarity, (2, 3), (2, 4),
            message="^cosine_similarity: shapes .* do not broadcast"),
    refused("cosine_similarity", ops.cosine_similarity, (3,), (3,), error=IndexError,
            message="^cosine_similarity: dim 1 is out of range"),
    refused("pairwise_distance", ops.pairwise_distance, (2, 3), (2, 4),
            message="^pairwise_distance: shapes .* do not broadcast"),
    Refusal("pairwise_distance", lambda d: ops.pairwise_distance(ids((2,), 1, d), ids((2,), 1, d)),
            TypeError, "^pairwise_distance: a is int64, expected float32"),
    refused("cdist", ops.cdist, (2, 3), (2, 4), message=r"^cdist: a \(2, 3\) and b \(2, 4\) are"),
    refused("cdist", lambda x: ops.cdist(x, x, -1.0), (2, 3), message="^cdist: p must not be"),
    refused("triplet_margin_loss", ops.triplet_margin_loss, (2, 3), (2, 3), (3,),
            message=r"^triplet_margin_loss: anchor \(2, 3\), positive .* differ in"),
    refused("triplet_margin_loss", lambda x: ops.triplet_margin_loss(x, x, x, 0.0), (2, 3),
            message="^triplet_margin_loss: margin must be positive, got 0.0"),
)  # fmt: skip

DTYPES: dict[str, Rule] = {
    "cdist": FLOATING,
    "cosine_similarity": FLOATING,
    "normalize": FLOATING,
    "pairwise_distance": FLOATING,
    "triplet_margin_loss": FLOATING,
}
