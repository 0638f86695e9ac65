"""Recurrent layers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from opcase import FLOATING, Draw, KernelCase, OpCase, Refusal, Rule, normal, ones, refused, uniform

from pydl import Tensor, ops

GATES = {"rnn": 1, "lstm": 4, "gru": 3}

# T, N, I, H: units of less and more than a vector and a panel, and rows than a tile; in the last of
# each op the weights are so large that every step is cut by itself, with two blocks of rows
SHAPES = ((2, 2, 2, 3), (1, 4, 1, 1), (3, 1, 2, 2), (2, 0, 3, 2), (5, 17, 7, 33), (3, 70, 9, 16),
          (4, 9, 8, 100))  # fmt: skip
LARGE = {"rnn": (2, 66, 3, 365), "lstm": (2, 66, 3, 183), "gru": (2, 66, 3, 211)}


def call(op: str, reverse: bool, **how: Any) -> Any:
    """The op, its two results as one."""

    def fn(*tensors: Tensor) -> Tensor:
        y = getattr(ops, op)(*tensors, reverse=reverse, **how)
        return ops.cat(y, 1) if op == "lstm" else y

    return fn


def inputs(op: str, shape: tuple[int, int, int, int], bias: bool) -> tuple[Draw, ...]:
    T, N, I, H = shape  # noqa: E741
    rows, r = GATES[op] * H, 1 / math.sqrt(H)
    states = (normal(N, H),) * (2 if op == "lstm" else 1)
    weights = (uniform(-r, r, rows, I), uniform(-r, r, rows, H))
    return (normal(T, N, I), *states, *weights, *(normal(rows),) * 2 * bias)


def layers() -> Iterable[OpCase]:
    for op in GATES:
        for shape in (*SHAPES, LARGE[op]):
            T, N, I, H = shape  # noqa: E741
            k, k_grad = (I + H) * T, max(N, GATES[op] * H) * T
            for reverse in (False, True):
                how = f"{shape}{', reverse' * reverse}"
                fn, with_bias = call(op, reverse), inputs(op, shape, True)
                yield OpCase(f"{op}[{how}]", fn, with_bias, k=k, k_grad=k_grad, twice=False)
                if op == "rnn":
                    relu = call(op, reverse, nonlinearity="relu")
                    yield OpCase(f"{op}[{how}, relu]", relu, with_bias, k=k, k_grad=k_grad,
                                 twice=False)  # fmt: skip
            yield OpCase(f"{op}[{shape}, no bias]", call(op, False), inputs(op, shape, False), k=k,
                         k_grad=k_grad, twice=False)  # fmt: skip


def kernels() -> Iterable[KernelCase]:
    """No steps; and what is not kept without a derivative."""
    T, N, H = 0, 3, 5
    w = {op: normal(q * H, H) for op, q in GATES.items()}
    one, h = normal(N, H), normal(T, N, H)
    a, gates, states = normal(T, N, 3 * H), normal(T, N, 4 * H), normal(2, T, N, H)
    yield KernelCase("rnn[T=0]", {"a": h, "h0": one, "w": w["rnn"], "h": h},
                     {"relu": False, "reverse": False})  # fmt: skip
    yield KernelCase("rnn_backward[T=0]", {"gh": h, "h": h, "w": w["rnn"], "ga": h, "gh0": one},
                     {"relu": False, "reverse": True})  # fmt: skip
    yield KernelCase("lstm[T=0]", {"a": gates, "h0": one, "c0": one, "w": w["lstm"],
                                   "gates": gates, "states": states},
                     {"reverse": False})  # fmt: skip
    yield KernelCase("lstm_backward[T=0]", {"gstates": states, "gates": gates, "states": states,
                                            "c0": one, "w": w["lstm"], "ga": gates, "gh0": one,
                                            "gc0": one},
                     {"reverse": True})  # fmt: skip
    yield KernelCase("gru[T=0]", {"a": a, "h0": one, "w": w["gru"], "gates": gates, "h": h},
                     {"b": None, "reverse": True})  # fmt: skip
    yield KernelCase("gru_backward[T=0]", {"gh": h, "gates": gates, "h": h, "h0": one,
                                           "w": w["gru"], "ga": a, "gu": a, "gh0": one},
                     {"reverse": False})  # fmt: skip
    yield KernelCase("lstm[no gates]", {"a": normal(2, N, 4 * H), "h0": one, "c0": one,
                                        "w": w["lstm"], "states": normal(2, 2, N, H)},
                     {"gates": None, "reverse": True}, k=2 * H)  # fmt: skip
    yield KernelCase("gru[no gates]", {"a": normal(2, N, 3 * H), "h0": one, "w": w["gru"],
                                       "b": normal(3 * H), "h": normal(2, N, H)},
                     {"gates": None, "reverse": False}, k=2 * H)  # fmt: skip


CASES: tuple[OpCase, ...] = (*layers(),)


KERNELS: tuple[KernelCase, ...] = tuple(kernels())


DTYPES: dict[str, Rule] = {"rnn": FLOATING, "lstm": FLOATING, "gru": FLOATING}


def whole_numbers(d: str) -> tuple[Tensor, ...]:
    return tuple(ones(*s)(d).long() for s in ((2, 3, 4), (3, 5), (5, 4), (5, 5)))


ERRORS: tuple[Refusal, ...] = (
    refused("rnn", ops.rnn, (3, 4), (3, 5), (5, 4), (5, 5),
            message=r"^rnn: x is \(T, N, I\) with at least one step, got \(3, 4\)"),
    refused("rnn", ops.rnn, (2, 3, 4), (3, 6), (5, 4), (5, 5),
            message=r"^rnn: h0 is \(3, 6\), expected \(3, 5\) \(x=\(2, 3, 4\), w_hh=\(5, 5\)\)"),
    refused("rnn", lambda *t: ops.rnn(*t, nonlinearity="elu"), (2, 3, 4), (3, 5), (5, 4), (5, 5),
            message="^rnn: nonlinearity is \"tanh\" or \"relu\", got 'elu'"),
    Refusal("rnn", lambda d: ops.rnn(*whole_numbers(d)), TypeError,
            "^rnn: expected a floating tensor, got int64"),
    Refusal("rnn", lambda d: ops.rnn(*(t.float() for t in whole_numbers(d)[:3]),
                                     whole_numbers(d)[3]),
            TypeError, "^rnn: w_hh is int64, x is float32"),
    refused("lstm", ops.lstm, (0, 3, 4), (3, 5), (3, 5), (20, 4), (20, 5),
            message=r"^lstm: x is \(T, N, I\) with at least one step, got \(0, 3, 4\)"),
    refused("lstm", ops.lstm, (2, 3, 4), (3, 5), (3, 5), (20, 4), (15, 5),
            message=r"^lstm: w_hh is \(4 \* H, H\), got \(15, 5\)"),
    refused("lstm", ops.lstm, (2, 3, 4), (3, 5), (2, 5), (20, 4), (20, 5),
            message=r"^lstm: c0 is \(2, 5\), expected \(3, 5\)"),
    refused("lstm", ops.lstm, (2, 3, 4), (3, 5), (3, 5), (20, 5), (20, 5),
            message=r"^lstm: w_ih is \(20, 5\), expected \(20, 4\)"),
    refused("gru", ops.gru, (2, 3, 4), (3, 5), (15, 4), (15, 5), (15,),
            message="^gru: give b_ih and b_hh, or neither"),
    refused("gru", ops.gru, (2, 3, 4), (3, 5), (15, 4), (15, 5), (15,), (5,),
            message=r"^gru: b_hh is \(5,\), expected \(15,\)"),
)  # fmt: skip
