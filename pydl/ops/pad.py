"""Padding: a border of one value, or of elements of x itself."""

from __future__ import annotations

from collections.abc import Sequence

from ..device import Shape
from ..op import Op
from ..tensor import Scalar, Tensor
from .create import empty
from .shape import place, row_major, slices

__all__ = ["pad"]


class ConstantPad(Op):
    """x inside a larger array of `value`."""

    before: tuple[int, ...]
    shape: Shape
    value: Scalar

    def forward(self, x: Tensor) -> Tensor:
        self.inner = x.shape
        out = empty(self.shape, dtype=x.dtype, device=x.device)
        x.device.kernels.fill(out.data, self.value)
        strides = row_major(self.shape)
        place(x, out, strides, sum(b * s for b, s in zip(self.before, strides, strict=True)))
        return out

    def backward(self, gy: Tensor) -> Tensor:
        return slices(gy, [slice(b, b + n) for b, n in zip(self.before, self.inner, strict=True)])


class EdgePad(Op):
    """The last two dimensions with a border of elements of x."""

    mode: str
    top: int
    left: int
    shape: Shape

    def forward(self, x: Tensor) -> Tensor:
        self.inner = x.shape
        y = empty(self.shape, dtype=x.dtype, device=x.device)
        x.device.kernels.edge_pad(x.data, y.data, self.top, self.left, self.mode)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return EdgePadBackward.apply(gy, of=self)


class EdgePadBackward(Op):
    """For each element the sum over its copies."""

    of: EdgePad

    def forward(self, gy: Tensor) -> Tensor:
        of = self.of
        gx = empty(of.inner, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.edge_pad_backward(gy.data, gx.data, of.top, of.left, of.mode)
        return gx

    def backward(self, ggx: Tensor) -> Tensor:
        of = self.of
        return EdgePad.apply(ggx, mode=of.mode, top=of.top, left=of.left, shape=of.shape)


def pad(
    x: Tensor, pad: Sequence[int], mode: str = "constant", value: Scalar | None = None
) -> Tensor:
    """x with a border.

    Args:
        x: any shape and dtype; for the other modes (N, C, H, W) or (C, H, W) with four numbers,
            (N, C, L) or (C, L) with two.
        pad: (left, right, top, bottom, ...): before and after each dimension, the last one first.
            Negative numbers cut off.
        mode: "constant" borders with `value`, "reflect" mirrors x at its edge elements, "replicate"
            repeats them, "circular" goes on at the other end of x (after what is cut off).
        value: of a constant border; 0 unless given.

    Returns:
        The dtype of x; every dimension longer by the two numbers of it.

    Raises:
        ValueError: no such mode; a value for another mode than "constant"; numbers that do not fit
            the rank of x, cut off more than there is, or ask for more than x can give: less than
            its length to reflect, at most its length to go round.

    Derivative: twice; an element gets the sum over its copies.
    Source: numpy.pad (modes constant, reflect, edge, wrap).
    """
    ends = tuple(int(n) for n in pad)
    if len(ends) % 2 or len(ends) > 2 * x.ndim:
        raise ValueError(f"pad: {ends} does not fit the {x.ndim} dimensions of {x.shape}")
    missing = x.ndim - len(ends) // 2
    before = [0] * missing + list(ends[-2::-2])
    after = [0] * missing + list(ends[-1::-2])
    if mode == "constant":
        return _constant(x, ends, before, after, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode {mode!r} is none of constant, reflect, replicate, circular")
    if value:
        raise ValueError(f"pad: a {mode} border has no value, got {value}")
    if len(ends) not in (2, 4) or x.ndim - len(ends) // 2 not in (1, 2):
        raise ValueError(
            f"pad: a {mode} border takes 4 numbers for (N, C, H, W) or (C, H, W), 2 for (N, C, L) "
            f"or (C, L), got {ends} for {x.shape}"
        )
    return _edge(x, ends, before, after, mode)


def _constant(
    x: Tensor, ends: tuple[int, ...], before: list[int], after: list[int], value: Scalar
) -> Tensor:
    inner = _cropped(x, ends, before, after)
    before, after = _borders(before), _borders(after)
    if not any(before) and not any(after):
        return inner
    shape = tuple(b + n + a for b, n, a in zip(before, inner.shape, after, strict=True))
    if not x.dtype.is_floating:
        value = int(value)
    return ConstantPad.apply(inner, before=tuple(before), shape=shape, value=value)


def _cropped(x: Tensor, ends: tuple[int, ...], before: list[int], after: list[int]) -> Tensor:
    """x without what negative numbers cut off."""
    cut = [(max(-b, 0), n - max(-a, 0)) for b, n, a in zip(before, x.shape, after, strict=True)]
    if any(start > stop for start, stop in cut):
        raise ValueError(f"pad: {ends} cuts more than there is of {x.shape}")
    return slices(x, [slice(start, stop) for start, stop in cut])


def _borders(ends: list[int]) -> list[int]:
    return [max(n, 0) for n in ends]


def _edge(
    x: Tensor, ends: tuple[int, ...], before: list[int], after: list[int], mode: str
) -> Tensor:
    first = x.ndim - len(ends) // 2
    if mode == "circular":
        x = _cropped(x, ends, before, after)
        before, after = _borders(before), _borders(after)
    elif 0 in x.shape[first - 1 :]:
        raise ValueError(f"pad: there is nothing to {mode} in {x.shape}")
    shape = tuple(b + n + a for b, n, a in zip(before, x.shape, after, strict=True))
    if mode != "circular" and (min(shape[first:]) < 0 or max(shape[first:]) == 0):
        raise ValueError(f"pad: {ends} leaves nothing of {x.shape}")
    for d in range(first, x.ndim):
        most = x.shape[d] - (mode == "reflect")
        if mode != "replicate" and max(before[d], after[d]) > most:
            raise ValueError(
                f"pad: a {mode} border of dimension {d} is at most {most}, got {ends} for {x.shape}"
            )
    return EdgePad.apply(x, mode=mode, top=before[-2], left=before[-1], shape=shape)
