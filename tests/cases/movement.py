"""Ops that move elements, casts and other devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import (
    BIG,
    SAME,
    TAILS,
    OpCase,
    Refusal,
    Rule,
    constant,
    given,
    ids,
    normal,
    refused,
    whole,
)

import pydl
from pydl import Tensor, ops


def movement() -> Iterable[OpCase]:
    moves: list[tuple[str, Callable[[Tensor], Tensor], tuple[int, ...]]] = [
        ("reshape[3x4 to 2x-1]", given(ops.reshape, (2, -1)), (3, 4)),
        ("reshape[empty]", given(ops.reshape, (0, 5)), (3, 0)),
        ("flatten[1]", given(ops.flatten, 1), (2, 3, 4)),
        ("flatten[0-d]", ops.flatten, ()),
        ("squeeze[all]", ops.squeeze, (1, 3, 1)),
        ("squeeze[two]", given(ops.squeeze, (0, 1)), (1, 3, 1)),
        ("squeeze[0-d]", given(ops.squeeze, -1), ()),
        ("squeeze[-1]", given(ops.squeeze, -1), (1, 3, 1)),
        ("unsqueeze[1]", given(ops.unsqueeze, 1), (2, 3)),
        ("clone[33]", ops.clone, (33,)),
        ("narrow[1]", given(ops.narrow, 1, 1, 2), (3, 4)),
        ("narrow[from the end]", given(ops.narrow, 0, -2, 1), (3, 4)),
        ("ravel[]", ops.ravel, (2, 3)),
        ("unflatten[-1]", given(ops.unflatten, -1, (2, -1)), (3, 4)),
        ("unflatten[0]", given(ops.unflatten, 0, (0, 2)), (0, 4)),
        ("t[]", ops.t, (3, 4)),
        ("t[vector]", ops.t, (3,)),
        ("swapaxes[0, 2]", given(ops.swapaxes, 0, 2), (2, 3, 4)),
        ("swapdims[-1, 0]", given(ops.swapdims, -1, 0), (2, 3)),
        ("movedim[0, 2]", given(ops.movedim, 0, 2), (2, 3, 4)),
        ("movedim[two]", given(ops.movedim, (0, 1), (-1, 0)), (2, 3, 4)),
        ("moveaxis[]", given(ops.moveaxis, -1, 0), (2, 3, 4)),
        ("mT[]", lambda x: x.mT, (2, 3, 4)),
        ("T[]", lambda x: x.T, (2, 3, 4)),
        ("fliplr[]", ops.fliplr, (3, 4)),
        ("flipud[]", ops.flipud, (3,)),
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
    for name, fn, shape in (*moves, *repetitions(), *parts(), *diagonals()):
        yield OpCase(name, fn, (normal(*shape),), k_grad=8)


Moves = Iterable[tuple[str, Callable[[Tensor], Tensor], tuple[int, ...]]]


def repetitions() -> Moves:
    for dims, shape in (((2,), (3,)), ((2, 3), (3,)), ((2,), (3, 2)), ((2, 1, 3), (1, 3, 2)),
                        ((0, 2), (3, 2)), ((), (2,)), ((2, 2), ())):  # fmt: skip
        yield f"tile[{dims}, {shape}]", given(ops.tile, dims), shape
    yield "repeat[]", lambda x: x.repeat(2, 1, 3), (3, 2)
    yield "repeat_interleave[None]", given(ops.repeat_interleave, 2), (3, 2)
    yield "repeat_interleave[0]", given(ops.repeat_interleave, 3, 0), (3, 2)
    yield "repeat_interleave[empty]", given(ops.repeat_interleave, 0, 1), (3, 2)
    yield "broadcast_to[]", given(ops.broadcast_to, (2, -1, 3)), (4, 1)
    yield "expand_as[]", lambda x: x.expand_as(ops.ones(2, 4, 3, device=x.device)), (4, 1)
    for shifts, dims, shape in ((2, None, (5,)), (1, None, (2, 3)), (-7, 0, (5, 2)),
                                ((1, 2), (0, -1), (2, 3)), ((1, 1), (0, 0), (3,)), (1, 0, (0, 2)),
                                (3, 0, (3,))):  # fmt: skip
        yield f"roll[{shifts}, {dims}, {shape}]", given(ops.roll, shifts, dims), shape


def parts() -> Moves:
    yield "split[2]", lambda x: ops.split(x, 2, 1)[2], (3, 5)
    yield "split[lengths]", lambda x: ops.split(x, [0, 2, 1])[1], (3, 5)
    yield "split[twice]", lambda x: ops.cat(ops.split(x, 2)[::-1]), (5,)
    yield "chunk[3]", lambda x: ops.chunk(x, 3)[1], (5, 2)
    yield "chunk[empty]", lambda x: ops.chunk(x, 3, 0)[2], (0, 2)
    yield "unbind[1]", lambda x: ops.unbind(x, 1)[2], (2, 3)


def diagonals() -> Moves:
    for offset, shape in ((0, (3, 3)), (1, (3, 4)), (-1, (3, 4)), (5, (3, 4)), (0, (0, 3))):
        yield f"diagonal[{offset}, {shape}]", given(ops.diagonal, offset), shape
        yield f"diag[{offset}, {shape}]", given(ops.diag, offset), shape
        yield f"tril[{offset}, {shape}]", given(ops.tril, offset), shape
        yield f"triu[{offset}, {shape}]", given(ops.triu, offset), shape
    yield "diagonal[dims]", given(ops.diagonal, 1, 2, 0), (3, 2, 4)
    yield "diagonal[row]", given(ops.diagonal, 0), (1, 4)
    yield "diag[vector]", ops.diag, (3,)
    yield "diag[vector, -2]", given(ops.diag, -2), (3,)
    yield "tril[batch]", ops.tril, (2, 3, 4)


def joining() -> Iterable[OpCase]:
    for dim, shapes in ((0, ((2, 3), (1, 3), (4, 3))), (1, ((3, 2), (3, 0), (3, 65))),
                        (-1, ((2, 3, 4), (2, 3, 1))), (0, ((BIG,), (7,)))):  # fmt: skip
        inputs = tuple(normal(*s) for s in shapes)
        yield OpCase(f"cat[{shapes}, {dim}]", lambda *xs, d=dim: ops.cat(xs, d), inputs)
    for dim in (0, 1, -1):
        inputs = (normal(3, 4), normal(3, 4))
        yield OpCase(f"stack[{dim}]", lambda *xs, d=dim: ops.stack(xs, d), inputs)
    yield OpCase("concat[]", lambda *xs: ops.concat(xs), (normal(2), normal(3)))
    yield OpCase("concatenate[]", lambda *xs: ops.concatenate(xs), (normal(2), normal(3)))
    yield OpCase("cat[empty vector]", lambda *xs: ops.cat(xs, -1), (normal(0), normal(2, 3)))
    yield OpCase("cat[promoted]", lambda *xs: ops.cat(xs), (whole(0, 9, 3), normal(2)))
    for shapes in (((2,), (3,)), ((2, 3), (2, 1)), ((), ())):
        yield OpCase(
            f"hstack[{shapes}]", lambda *xs: ops.hstack(xs), tuple(normal(*s) for s in shapes)
        )
    for shapes in (((3,), (2, 3)), ((2, 3), (1, 3)), ((), ())):
        yield OpCase(
            f"vstack[{shapes}]", lambda *xs: ops.vstack(xs), tuple(normal(*s) for s in shapes)
        )
    for i in (0, 1, 2):
        yield OpCase(f"meshgrid[{i}]", lambda *xs, i=i: ops.meshgrid(*xs)[i],
                     (normal(2), normal(3), normal()), k_grad=6)  # fmt: skip
        yield OpCase(f"meshgrid[xy, {i}]", lambda *xs, i=i: ops.meshgrid(xs, indexing="xy")[i],
                     (normal(2), normal(3), normal(2)), k_grad=6)  # fmt: skip
    yield OpCase("broadcast_tensors[]", lambda *xs: ops.broadcast_tensors(*xs)[0],
                 (normal(2, 1), normal(3)), k_grad=3)  # fmt: skip
    yield OpCase("repeat_interleave[tensor]", lambda x, n: ops.repeat_interleave(x, n, 1),
                 (normal(2, 3), constant([2, 0, 1])), k_grad=2, replay=False)  # fmt: skip
    yield OpCase("repeat_interleave[counts]", ops.repeat_interleave, (constant([2, 0, 1]),),
                 replay=False)  # fmt: skip


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
    yield OpCase("type_as[]", Tensor.type_as, (normal(3, 4), whole(0, 2, 2)), grads=())
    yield OpCase("numel[]", lambda x: x + ops.numel(x), (normal(3, 4),), grads=())


CASES: tuple[OpCase, ...] = (
    *movement(),
    *joining(),
    *conversions(),
)


MOVED = """
broadcast_tensors broadcast_to cat chunk clone concat concatenate diag diagonal flatten flip fliplr
flipud hstack meshgrid moveaxis movedim narrow permute ravel repeat_interleave reshape roll split
squeeze stack swapaxes swapdims t tile transpose tril triu unbind unflatten unsqueeze vstack
"""
DTYPES: dict[str, Rule | None] = {**dict.fromkeys(MOVED.split(), SAME), "numel": None}


ERRORS: tuple[Refusal, ...] = (
    refused("reshape", lambda x: ops.reshape(x, (4, 2)), (2, 3),
            message=r"^reshape: \(2, 3\) has 6 elements, cannot become \(4, 2\)"),
    refused("flatten", lambda x: ops.flatten(x, 1, 0), (2, 3), message="^flatten: start_dim 1"),
    refused("numel", lambda: ops.numel([1.0]), error=TypeError,
            message="^numel: x is a list, expected a Tensor"),
    refused("permute", lambda x: ops.permute(x, (0, 0)), (2, 3),
            message=r"^permute: \(0, 0\) is no permutation of 2 dimensions"),
    refused("narrow", lambda x: ops.narrow(x, 1, 2, 2), (2, 3), error=IndexError,
            message="^narrow: 2 to 4 leaves dimension 1 of length 3"),
    refused("cat", lambda: ops.cat([]), message="^cat: expected at least one tensor"),
    refused("cat", lambda *x: ops.cat(x), (2, 3), (2, 4), message="^cat: tensor 1 has"),
    refused("cat", lambda *x: ops.cat(x), (), (), message="^cat: a tensor has no dimensions"),
    refused("stack", lambda *x: ops.stack(x), (2, 3), (2, 4), message="^stack: tensor 1 has"),
    refused("stack", lambda: ops.stack([]), message="^stack: expected at least one tensor"),
    refused("hstack", lambda *x: ops.hstack(x), (2, 3), (3, 3), message="^cat: tensor 1 has"),
    refused("vstack", lambda *x: ops.vstack(x), (2, 3), (2, 4), message="^cat: tensor 1 has"),
    refused("concat", lambda: ops.concat([]), message="^cat: expected at least one tensor"),
    refused("concatenate", lambda: ops.concatenate([]), message="^cat: expected at least one"),
    refused("split", lambda x: ops.split(x, 0), (3,), message="^split: parts of length 0 out of 3"),
    refused("split", lambda x: ops.split(x, [1, 1]), (3,), message=r"^split: lengths \[1, 1\] do"),
    refused("chunk", lambda x: ops.chunk(x, 0), (3,), message="^chunk: chunks is 0"),
    refused("chunk", lambda x: ops.chunk(x, 2**40), (0,), message="^chunk: 1099511627776 parts of"),
    refused("unflatten", lambda x: ops.unflatten(x, 0, (0, -1)), (0,),
            message=r"^unflatten: dimension 0 of length 0 cannot become \(0, -1\)"),
    refused("unbind", ops.unbind, (), error=IndexError, message="^unbind: dim 0 is out of range"),
    refused("tile", lambda x: ops.tile(x, (-1,)), (3,), message=r"^tile: dims \(-1,\) are not all"),
    refused("repeat_interleave", lambda x: ops.repeat_interleave(x, -1), (3,),
            message="^repeat_interleave: repeats are -1 for a length of 3"),
    refused("repeat_interleave", lambda x: ops.repeat_interleave(x, 2, output_size=5), (3,),
            message="^repeat_interleave: output_size is 5, 6 came out"),
    refused("repeat_interleave", lambda x: ops.repeat_interleave(x, x), (3,), error=TypeError,
            message="^repeat_interleave: index is float32, expected integers"),
    refused("broadcast_to", lambda x: ops.broadcast_to(x, (2,)), (3,),
            message=r"^expand: \(3,\) does not broadcast to \(2,\)"),
    refused("broadcast_tensors", ops.broadcast_tensors, (3,), (2,),
            message=r"^broadcast_tensors: shapes \(3,\) and \(2,\) do not broadcast together"),
    refused("roll", lambda x: ops.roll(x, (1, 2), 0), (3,), message="^roll: 2 shifts for 1 dims"),
    refused("meshgrid", ops.meshgrid, (3, 1), message=r"^meshgrid: expected vectors, got shapes"),
    refused("meshgrid", lambda x: ops.meshgrid(x, indexing="a"), (3,),
            message="^meshgrid: indexing is 'a', expected"),
    Refusal("meshgrid", lambda d: ops.meshgrid(ops.ones(2, device=d), ids((2,), 1, d)), TypeError,
            r"^meshgrid: dtypes differ: \['float32', 'int64'\]"),
    refused("unflatten", lambda x: ops.unflatten(x, 0, (2, -1)), (3,),
            message=r"^unflatten: dimension 0 of length 3 cannot become \(2, -1\)"),
    refused("ravel", lambda x: ops.ravel(x, 1), (3,), error=TypeError, message="takes 1 pos"),
    refused("clone", lambda x: ops.clone(x, 1), (3,), error=TypeError, message="takes 1 pos"),
    refused("squeeze", lambda x: ops.squeeze(x, 1), (3,), error=IndexError,
            message="^squeeze: dim 1 is out of range for 1 dimensions"),
    refused("squeeze", lambda x: ops.squeeze(x, (0, -2)), (1, 1), message="^squeeze: dim .* twice"),
    refused("unsqueeze", lambda x: ops.unsqueeze(x, 2), (3,), error=IndexError,
            message="^unsqueeze: dim 2 is out of range"),
    refused("transpose", lambda x: ops.transpose(x, 0, 2), (3, 2), error=IndexError,
            message="^transpose: dim 2 is out of range"),
    refused("swapaxes", lambda x: ops.swapaxes(x, 0, 2), (3, 2), error=IndexError,
            message="^transpose: dim 2 is out of range"),
    refused("swapdims", lambda x: ops.swapdims(x, 0, 2), (3, 2), error=IndexError,
            message="^transpose: dim 2 is out of range"),
    refused("t", ops.t, (1, 2, 3), message=r"^t: expected two dimensions at most, got shape"),
    refused("movedim", lambda x: ops.movedim(x, (0, 0), (0, 1)), (3, 2),
            message=r"^movedim: \[0, 0\] cannot go to \[0, 1\]"),
    refused("moveaxis", lambda x: ops.moveaxis(x, 0, (0, 1)), (3, 2),
            message=r"^movedim: \[0\] cannot go to \[0, 1\]"),
    refused("flip", lambda x: ops.flip(x, (0, -1)), (3,), message=r"^flip: dims \(0, -1\) name a"),
    refused("fliplr", ops.fliplr, (3,), error=IndexError, message="^fliplr: dim 1 is out of range"),
    refused("flipud", ops.flipud, (), error=IndexError, message="^flipud: dim 0 is out of range"),
    refused("diagonal", lambda x: ops.diagonal(x, 0, 1, -1), (3, 2),
            message="^diagonal: dim1 and dim2 are both 1"),
    refused("diag", ops.diag, (), message=r"^diag: expected a vector or a matrix, got shape \(\)"),
    refused("tril", ops.tril, (3,), message=r"^tril: expected matrices, got shape \(3,\)"),
    refused("triu", ops.triu, (3,), message=r"^triu: expected matrices, got shape \(3,\)"),
)  # fmt: skip
