"""Ops that move elements, casts and other devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import BIG, TAILS, OpCase, Refusal, given, ids, normal, refused

import pydl
from pydl import Tensor, ops


def movement() -> Iterable[OpCase]:
    moves: list[tuple[str, Callable[[Tensor], Tensor], tuple[int, ...]]] = [
        ("reshape[3x4 to 2x-1]", given(ops.reshape, (2, -1)), (3, 4)),
        ("reshape[empty]", given(ops.reshape, (0, 5)), (3, 0)),
        ("flatten[1]", given(ops.flatten, 1), (2, 3, 4)),
        ("flatten[0-d]", ops.flatten, ()),
        ("squeeze[all]", ops.squeeze, (1, 3, 1)),
        ("squeeze[-1]", given(ops.squeeze, -1), (1, 3, 1)),
        ("unsqueeze[1]", given(ops.unsqueeze, 1), (2, 3)),
        ("clone[33]", ops.clone, (33,)),
        ("narrow[1]", given(ops.narrow, 1, 1, 2), (3, 4)),
        ("flip[0]", given(ops.flip, 0), (5, 3)),
        ("flip[both]", given(ops.flip, (0, 1)), (33, 17)),
        ("transpose[0, 1]", given(ops.transpose, 0, 1), (3, 4)),
        ("transpose[big]", given(ops.transpose, 0, 1), (301, 257)),
        ("permute[2, 0, 1]", given(ops.permute, (2, 0, 1)), (2, 3, 4)),
        ("permute[0, 2, 3, 1]", given(ops.permute, (0, 2, 3, 1)), (3, 17, 31, 33)),
        ("permute[3, 2, 1, 0]", given(ops.permute, (3, 2, 1, 0)), (5, 8, 7, 6)),
        ("permute[1, 0, 2]", given(ops.permute, (1, 0, 2)), (33, 65, 16)),
    ]
    keys: list[tuple[str, Any]] = [
        ("1", 1), ("-1", -1), ("1:3", slice(1, 3)), ("::2", slice(None, None, 2)),
        ("::-1", slice(None, None, -1)), ("..., 0", (..., 0)), (":, 1:, ::2", np.s_[:, 1:, ::2]),
        ("None, 1, :, None", np.s_[None, 1, :, None]), ("5:2", slice(5, 2)),
        ("2::-2, ::3", np.s_[2::-2, ::3]), ("list", [0, 2, 2]), (":, list", np.s_[:, [3, 0, -1]]),
        ("1:3, :, list", np.s_[1:3, :, [1, 1]]), ("list, :, list", np.s_[[0, 1], :, [1, 0]]),
    ]  # fmt: skip
    for text, key in keys:
        moves.append((f"take[x[{text}]]", given(Tensor.__getitem__, key), (4, 5, 3)))
    for name, fn, shape in moves:
        yield OpCase(name, fn, (normal(*shape),), k_grad=3)
    for dim, shapes in ((0, ((2, 3), (1, 3), (4, 3))), (1, ((3, 2), (3, 0), (3, 65))),
                        (-1, ((2, 3, 4), (2, 3, 1))), (0, ((BIG,), (7,)))):  # fmt: skip
        inputs = tuple(normal(*s) for s in shapes)
        yield OpCase(f"cat[{shapes}, {dim}]", lambda *xs, d=dim: ops.cat(xs, d), inputs)
    for dim in (0, 1, -1):
        inputs = (normal(3, 4), normal(3, 4))
        yield OpCase(f"stack[{dim}]", lambda *xs, d=dim: ops.stack(xs, d), inputs)
    yield OpCase("concat[]", lambda *xs: ops.concat(xs), (normal(2), normal(3)))
    yield OpCase("concatenate[]", lambda *xs: ops.concatenate(xs), (normal(2), normal(3)))


def there_and_back(x: Tensor) -> Tensor:
    """To the other device, as float32."""
    other = "cpu" if x.device.name == "numpy" else "numpy"
    return x.float().to(other).to(x.device).to(x.dtype)


def conversions() -> Iterable[OpCase]:
    for n in TAILS:
        call = given(Tensor.to, pydl.float16)
        yield OpCase(f"to[float16, {n}]", call, (normal(n),), smooth=False)
    yield OpCase("to[device]", there_and_back, (normal(3, 4),), smooth=False, replay=False)
    yield OpCase("to[int64]", Tensor.long, (normal(3, 4, scale=9),), grads=())


CASES: tuple[OpCase, ...] = (
    *movement(),
    *conversions(),
)


ERRORS: tuple[Refusal, ...] = (
    refused("reshape", lambda x: ops.reshape(x, (4, 2)), (2, 3),
            message=r"^reshape: \(2, 3\) has 6 elements, cannot become \(4, 2\)"),
    refused("flatten", lambda x: ops.flatten(x, 1, 0), (2, 3), message="^flatten: start_dim 1"),
    refused("permute", lambda x: ops.permute(x, (0, 0)), (2, 3),
            message=r"^permute: \(0, 0\) is no permutation of 2 dimensions"),
    refused("narrow", lambda x: ops.narrow(x, 1, 2, 2), (2, 3), error=IndexError,
            message="^narrow: 2 to 4 leaves dimension 1 of length 3"),
    refused("cat", lambda: ops.cat([]), message="^cat: expected at least one tensor"),
    refused("cat", lambda *x: ops.cat(x), (2, 3), (2, 4), message="^cat: tensor 1 has"),
    Refusal("cat", lambda d: ops.cat([ops.ones(2, device=d), ids((2,), 1, d)]), TypeError,
            "^cat: tensor 1 is int64, tensor 0 float32"),
    refused("stack", lambda *x: ops.stack(x), (2, 3), (2, 4), message="^stack: tensor 1 has"),
)  # fmt: skip
