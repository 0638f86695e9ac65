"""New tensors and random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from opcase import BIG, TAILS, OpCase, Refusal, normal

import pydl
from pydl import Tensor, ops
from pydl.nn import functional as F


def creation() -> Iterable[OpCase]:
    def like(x: Tensor) -> dict[str, Any]:
        return {"dtype": x.dtype, "device": x.device}

    makers: dict[str, Callable[[Tensor], Tensor]] = {
        "zeros[]": lambda x: ops.zeros(x.shape, **like(x)),
        "ones[]": lambda x: ops.ones(x.shape, **like(x)),
        "full[]": lambda x: ops.full(x.shape, 2.5, **like(x)),
        "empty[]": lambda x: ops.empty(x.shape, **like(x)).fill_(1.0),
        "zeros_like[]": ops.zeros_like,
        "ones_like[]": ops.ones_like,
        "full_like[]": lambda x: ops.full_like(x, -1.25),
        "full[cast]": lambda x: ops.full((3,), 2.9, pydl.int64, x.device),
        "zeros_like[dtype]": lambda x: ops.zeros_like(x, dtype=pydl.bool_),
        "ones_like[dtype]": lambda x: ops.ones_like(x, pydl.int32),
        "full_like[dtype]": lambda x: ops.full_like(x, -1.25, dtype=pydl.int64),
        "empty_like[]": lambda x: ops.empty_like(x).zero_(),
        "arange[float]": lambda x: ops.arange(0.5, 20.0, 0.25, **like(x)),
        "arange[int]": lambda x: ops.arange(10, -10, -3, device=x.device),
        "arange[big]": lambda x: ops.arange(BIG, device=x.device),
        "rand[]": lambda x: pydl.rand(x.shape, **like(x)),
        "randn[]": lambda x: pydl.randn(x.shape, **like(x)),
        "rand[big]": lambda x: pydl.rand(BIG, **like(x)),
        "randn[big]": lambda x: pydl.randn(BIG, **like(x)),
        "randint[]": lambda x: pydl.randint(-5, 2**31, x.shape, x.device),
        "randperm[]": lambda x: pydl.randperm(1003, x.device),
    }
    for name, fn in makers.items():
        yield OpCase(name, fn, (normal(3, 5),), grads=())
    for n in (*TAILS, BIG):
        yield OpCase(f"dropout[{n}]", dropout, (normal(n),))


def dropout(x: Tensor) -> Tensor:
    """The same stream at every call, as finite differences need it."""
    pydl.manual_seed(0)
    return F.dropout(x, 0.3)


CASES: tuple[OpCase, ...] = (*creation(),)


ERRORS: tuple[Refusal, ...] = (
    Refusal("arange", lambda d: ops.arange(0, 5, 0, device=d), ValueError,
            "^arange: step 0 does not lead from 0 to 5"),
    Refusal("full", lambda d: ops.full((2,), float("inf"), pydl.int64, d), OverflowError,
            "^cannot convert float infinity to integer"),
    Refusal("dropout", lambda d: F.dropout(ops.ones(2, device=d), 1.5), ValueError,
            r"^dropout: p is a probability, got 1\.5"),
    Refusal("randint", lambda d: pydl.randint(3, 3, (2,), d), ValueError,
            r"^randint: \[3, 3\) is empty or longer than 2\^32"),
)  # fmt: skip
