"""New tensors and random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from opcase import BIG, FLOATING, SAME, TAILS, OpCase, Refusal, Rule, normal

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
        "full_like[]": lambda x: ops.full_like(x, 1.25),
        "full[cast]": lambda x: ops.full((3,), 2.9, pydl.int64, x.device),
        "zeros_like[dtype]": lambda x: ops.zeros_like(x, dtype=pydl.bool_),
        "ones_like[dtype]": lambda x: ops.ones_like(x, pydl.int32),
        "full_like[dtype]": lambda x: ops.full_like(x, -1.25, dtype=pydl.int64),
        "empty_like[]": lambda x: ops.empty_like(x).zero_(),
        "arange[float]": lambda x: ops.arange(0.5, 20.0, 0.25, **like(x)),
        "arange[int]": lambda x: ops.arange(10, -10, -3, device=x.device),
        "arange[big]": lambda x: ops.arange(BIG, device=x.device),
        "arange[uint8]": lambda x: ops.arange(2, 9, 3, dtype=pydl.uint8, device=x.device),
        "arange[float16]": lambda x: ops.arange(3, dtype=pydl.float16, device=x.device),
        "linspace[]": lambda x: ops.linspace(-1, 2, 7, **like(x)),
        "linspace[1]": lambda x: ops.linspace(3, 5, 1, **like(x)),
        "linspace[int]": lambda x: ops.linspace(10, 0, 4, pydl.int64, x.device),
        "logspace[]": lambda x: ops.logspace(0, 3, 5, **like(x)),
        "logspace[base]": lambda x: ops.logspace(0, 3, 4, 2.0, **like(x)),
        "eye[]": lambda x: ops.eye(3, **like(x)),
        "eye[2, 3]": lambda x: ops.eye(2, 3, pydl.bool_, x.device),
        "eye[0]": lambda x: ops.eye(0, **like(x)),
        "as_tensor[]": ops.as_tensor,
        "as_tensor[dtype]": lambda x: ops.as_tensor(x, pydl.int64),
        "normal[]": lambda x: pydl.normal(x, x * x),
        "normal[numbers]": lambda x: pydl.normal(1.0, 2.0, (3, 4), x.device),
        "multinomial[]": lambda x: pydl.multinomial(x * x, 4),
        "multinomial[replacement]": lambda x: pydl.multinomial(x * x, 9, replacement=True),
        "bernoulli[]": lambda x: pydl.bernoulli(x * 0 + 0.25),
        "rand[]": lambda x: pydl.rand(x.shape, **like(x)),
        "randn[]": lambda x: pydl.randn(x.shape, **like(x)),
        "rand[big]": lambda x: pydl.rand(BIG, **like(x)),
        "randn[big]": lambda x: pydl.randn(BIG, **like(x)),
        "rand_like[]": pydl.rand_like,
        "randn_like[]": pydl.randn_like,
        "randint[]": lambda x: pydl.randint(-5, 2**31, x.shape, x.device),
        "randperm[]": lambda x: pydl.randperm(1003, x.device),
    }
    waiting = ("normal", "multinomial", "bernoulli")
    for name, fn in makers.items():
        replay = name.split("[")[0] not in waiting
        yield OpCase(name, fn, (normal(3, 5),), k=2, grads=(), replay=replay)
    for n in (*TAILS, BIG):
        yield OpCase(f"dropout[{n}]", dropped(F.dropout), (normal(n),))
    for fn, x in (
        (F.dropout1d, (2, 3, 5)),
        (F.dropout1d, (7, 2)),
        (F.dropout2d, (2, 5, 3, 3)),
        (F.dropout2d, (2, 5, 3)),
        (F.dropout2d, (33, 17, 5, 3)),
    ):
        yield OpCase(f"{fn.__name__}[{x}]", dropped(fn), (normal(*x),))


def dropped(fn: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    """With the same stream at every call, as finite differences need it."""

    def call(x: Tensor) -> Tensor:
        pydl.manual_seed(0)
        return fn(x, 0.3)

    return call


CASES: tuple[OpCase, ...] = (*creation(),)


MADE = "arange empty eye full linspace logspace rand randint randn randperm"
DTYPES: dict[str, Rule | None] = {
    "dropout": FLOATING,
    "dropout1d": FLOATING,
    "dropout2d": FLOATING,
    **dict.fromkeys(MADE.split()),
    "as_tensor": SAME,
    "bernoulli": None,
    "empty_like": SAME,
    "full_like": SAME,
    "multinomial": dict.fromkeys(FLOATING, "int64"),
    "rand_like": FLOATING,
    "randn_like": FLOATING,
    "normal": None,
    "ones_like": SAME,
    "zeros_like": SAME,
    "ones": None,
    "zeros": None,
}


ERRORS: tuple[Refusal, ...] = (
    Refusal("arange", lambda d: ops.arange(0, 5, 0, device=d), ValueError,
            "^arange: step 0 does not lead from 0 to 5"),
    Refusal("full", lambda d: ops.full((2,), float("inf"), pydl.int64, d), OverflowError,
            "^cannot convert float infinity to integer"),
    Refusal("dropout", lambda d: F.dropout(ops.ones(2, device=d), 1.5), ValueError,
            r"^dropout: p is a probability, got 1\.5"),
    Refusal("dropout1d", lambda d: F.dropout1d(ops.ones(2, 3, device=d), -0.1), ValueError,
            r"^dropout1d: p is a probability, got -0\.1"),
    Refusal("dropout1d", lambda d: F.dropout1d(ops.ones(2, device=d)), ValueError,
            r"^dropout1d: x is \(N, C, L\) or \(C, L\), got \(2,\)"),
    Refusal("dropout2d", lambda d: F.dropout2d(ops.ones(2, 3, device=d)), ValueError,
            r"^dropout2d: x is \(N, C, H, W\) or \(N, C, L\), got \(2, 3\)"),
    Refusal("randint", lambda d: pydl.randint(3, 3, (2,), d), ValueError,
            r"^randint: \[3, 3\) is empty or longer than 2\^32"),
    Refusal("arange", lambda d: ops.arange(3, dtype=pydl.bool_, device=d), TypeError,
            "^arange: bool has no sequence of numbers"),
    Refusal("linspace", lambda d: ops.linspace(0, 1, -1, device=d), ValueError,
            "^linspace: steps is -1, expected 0 or more"),
    Refusal("logspace", lambda d: ops.logspace(0, 1, -1, device=d), ValueError,
            "^logspace: steps is -1, expected 0 or more"),
    Refusal("eye", lambda d: ops.eye(-1, device=d), ValueError, "^eye: expected n and m of 0"),
    Refusal("zeros", lambda d: ops.zeros(-1, device=d), ValueError, "negative"),
    Refusal("ones", lambda d: ops.ones(2, -1, device=d), ValueError, "negative"),
    Refusal("empty", lambda d: ops.empty((-1,), device=d), ValueError, "negative"),
    Refusal("as_tensor", lambda d: ops.as_tensor("text", device=d), TypeError, "dtype <U4 is not"),
    Refusal("zeros_like", lambda d: ops.zeros_like(ops.ones(2, device=d), device="gpu"), ValueError,
            "^device 'gpu': choose one of"),
    Refusal("ones_like", lambda d: ops.ones_like(ops.ones(2, device=d), device="gpu"), ValueError,
            "^device 'gpu': choose one of"),
    Refusal("full_like", lambda d: ops.full_like(ops.ones(2, device=d), 1.0, device="gpu"),
            ValueError, "^device 'gpu': choose one of"),
    Refusal("empty_like", lambda d: ops.empty_like(ops.ones(2, device=d), device="gpu"), ValueError,
            "^device 'gpu': choose one of"),
    Refusal("rand_like", lambda d: pydl.rand_like(ops.ones(2, device=d), device="gpu"), ValueError,
            "^device 'gpu': choose one of"),
    Refusal("randn_like", lambda d: pydl.randn_like(ops.ones(2, device=d), device="gpu"),
            ValueError, "^device 'gpu': choose one of"),
    Refusal("bernoulli", lambda d: pydl.bernoulli(2 * ops.ones(2, device=d)), ValueError,
            r"^bernoulli: x holds numbers outside \[0, 1\]"),
    Refusal("multinomial", lambda d: pydl.multinomial(ops.ones(2, device=d), 3), ValueError,
            r"^multinomial: cannot draw 3 places of x \(2,\)"),
    Refusal("multinomial", lambda d: pydl.multinomial(ops.zeros(2, device=d), 1), ValueError,
            "^multinomial: x holds numbers that are negative or not finite, or all 0"),
    Refusal("normal", lambda d: pydl.normal(0.0, 1.0, device=d), ValueError, "^normal: give size"),
    Refusal("normal", lambda d: pydl.normal(ops.ones(2, device=d), -1.0), ValueError,
            "^normal: std holds negative numbers"),
    Refusal("rand", lambda d: pydl.rand(-1, device=d), ValueError, "negative"),
    Refusal("rand", lambda d: pydl.rand(2, dtype=pydl.int64, device=d), TypeError,
            "^rand: expected a floating tensor, got int64"),
    Refusal("randn", lambda d: pydl.randn(2, dtype=pydl.int64, device=d), TypeError,
            "^randn: expected a floating tensor, got int64"),
    Refusal("randn", lambda d: pydl.randn(-1, device=d), ValueError, "negative"),
    Refusal("randperm", lambda d: pydl.randperm(-1, d), ValueError, "negative"),
)  # fmt: skip
