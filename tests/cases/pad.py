"""Padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opcase import SAME, OpCase, Refusal, Rule, given, normal, refused

from pydl import ops

CONSTANT: tuple[tuple[Any, ...], ...] = (  # x, ends, value
    ((3, 4), (1, 2), 0.0),
    ((2, 3, 4), (1, 0, 2, 3), 1.5),
    ((3, 4), (-1, 2, 0, -1), None),
    ((2, 3, 4), (), 2.0),
    ((0, 3), (2, 1), 2.0),
    ((9, 5, 41, 43), (1, 1, 1, 1), None),
)
EDGES: tuple[tuple[Any, ...], ...] = (  # x, ends
    ((2, 3, 5), (2, 1)),
    ((3, 5), (4, 4)),
    ((1, 2, 3, 4), (1, 2, 2, 0)),
    ((2, 3, 4), (0, 3, 1, 1)),
    ((1, 2, 5, 6), (-1, 2, 1, -2)),
    ((2, 5), (0, 0)),
    ((1, 1, 1), (0, 0)),
    ((0, 2, 3), (1, 1)),
    ((2, 3, 33), (17, 15)),
    ((5, 7, 31, 45), (9, 8, 3, 2)),
)


def pads() -> Iterable[OpCase]:
    for x, ends, value in CONSTANT:
        yield OpCase(f"pad[{x}, {ends}, {value}]", given(ops.pad, ends, value=value), (normal(*x),))
    for mode in ("reflect", "replicate", "circular"):
        for x, ends in EDGES:
            call = given(ops.pad, ends, mode)
            yield OpCase(f"pad[{mode}, {x}, {ends}]", call, (normal(*x),), k_grad=30)
    yield OpCase("pad[replicate, far]", given(ops.pad, (-6, 9), "replicate"), (normal(2, 3, 5),),
                 k_grad=9)  # fmt: skip
    yield OpCase("pad[replicate, nothing]", given(ops.pad, (-3, 0, 1, 1), "replicate"),
                 (normal(2, 3, 3),))  # fmt: skip


CASES: tuple[OpCase, ...] = (*pads(),)
DTYPES: dict[str, Rule | None] = {"pad": SAME}
ERRORS: tuple[Refusal, ...] = (
    refused("pad", lambda x: ops.pad(x, (1,)), (3,), message=r"^pad: \(1,\) does not fit"),
    refused("pad", lambda x: ops.pad(x, (1, 1, 1, 1)), (3,), message="^pad: .* does not fit"),
    refused("pad", lambda x: ops.pad(x, (-2, -2)), (3,), message=r"^pad: \(-2, -2\) cuts"),
    refused("pad", lambda x: ops.pad(x, (-4, 4)), (3,), message=r"^pad: \(-4, 4\) cuts"),
    refused("pad", lambda x: ops.pad(x, (1, 1), "mirror"), (2, 3),
            message="^pad: mode 'mirror' is none of constant"),
    refused("pad", lambda x: ops.pad(x, (1, 1), "reflect", 2), (2, 3),
            message="^pad: a reflect border has no value, got 2"),
    refused("pad", lambda x: ops.pad(x, (1, 1), "reflect"), (3,),
            message="^pad: a reflect border takes 4 numbers"),
    refused("pad", lambda x: ops.pad(x, (1, 1), "circular"), (1, 1, 3, 3),
            message="^pad: a circular border takes 4 numbers"),
    refused("pad", lambda x: ops.pad(x, (3, 0), "reflect"), (2, 3),
            message="^pad: a reflect border of dimension 1 is at most 2"),
    refused("pad", lambda x: ops.pad(x, (0, 0, 4, 0), "circular"), (1, 1, 3, 3),
            message="^pad: a circular border of dimension 2 is at most 3"),
    refused("pad", lambda x: ops.pad(x, (1, 1), "replicate"), (2, 0),
            message="^pad: there is nothing to replicate"),
    refused("pad", lambda x: ops.pad(x, (-2, -1), "replicate"), (2, 3),
            message=r"^pad: \(-2, -1\) leaves nothing"),
)  # fmt: skip
