"""Einstein's summation, and tensordot: both come down to matrix products of two operands.

An operand is a tensor with a label per dimension. A label is "i" (a letter of the equation) or
"...0", "...1" (what an Ellipsis stands for, counted from its right end).
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..recording import thread
from ..tensor import Tensor
from .arithmetic import mul
from .checks import need_floating
from .diagonal import diagonal
from .matmul import gemm
from .precision import lowered
from .reduce import sum
from .shape import normal_dim, permute, reshape

__all__ = [
    "einsum",
    "tensordot",
]

Labels = tuple[Any, ...]


# ---- two operands


def contract(
    name: str, a: Tensor, la: Labels, b: Tensor, lb: Labels, keep: set[Any]
) -> tuple[Tensor, Labels]:
    """The product of two operands, summed over every label that is not kept, with its labels."""
    a, la = _summed(a, la, [i for i in la if i not in keep and i not in lb])
    b, lb = _summed(b, lb, [i for i in lb if i not in keep and i not in la])
    batch = tuple(i for i in la if i in lb and i in keep)
    inner = tuple(i for i in la if i in lb and i not in keep)
    free_a = tuple(i for i in la if i not in lb)
    free_b = tuple(i for i in lb if i not in la)
    out = batch + free_a + free_b
    sizes = dict(zip(la + lb, a.shape + b.shape, strict=True))
    shape = tuple(sizes[i] for i in out)
    if not inner:  # nothing is summed
        a = _ordered(a, la, batch + free_a)
        b = _ordered(b, lb, batch + free_b)
        spread = (*(sizes[i] for i in batch + free_a), *(1 for _ in free_b))
        between = (*(sizes[i] for i in batch), *(1 for _ in free_a), *(sizes[i] for i in free_b))
        return reshape(mul(reshape(a, spread), reshape(b, between)), shape), out
    need_floating(name, a=a, b=b)
    a3, trans_a = _matrices(a, la, batch, inner, free_a)
    b3, trans_b = _matrices(b, lb, batch, inner, free_b)
    return reshape(gemm(a3, b3, trans_a, not trans_b), shape), out


def _matrices(
    x: Tensor, labels: Labels, batch: Labels, inner: Labels, free: Labels
) -> tuple[Tensor, bool]:
    """x as (batch, free, inner), or as (batch, inner, free) and True where it lies so already."""
    sizes = dict(zip(labels, x.shape, strict=True))
    b, k, n = (math.prod(sizes[i] for i in part) for part in (batch, inner, free))
    if labels == batch + inner + free:
        return reshape(x, (b, k, n) if batch else (k, n)), True
    x = _ordered(x, labels, batch + free + inner)
    return reshape(x, (b, n, k) if batch else (n, k)), False


def _ordered(x: Tensor, labels: Labels, order: Labels) -> Tensor:
    return x if labels == order else permute(x, [labels.index(i) for i in order])


def _summed(x: Tensor, labels: Labels, over: Sequence[Any]) -> tuple[Tensor, Labels]:
    if not over:
        return x, labels
    return sum(x, [labels.index(i) for i in over]), tuple(i for i in labels if i not in over)


# ---- the equation


def _parse(equation: str, operands: Sequence[Tensor]) -> tuple[list[Labels], Labels]:
    """The labels of every operand and of the output."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    words = inputs.split(",")
    if len(words) != len(operands):
        raise ValueError(
            f"einsum: {equation!r} is about {len(words)} operands, got {len(operands)}"
        )
    labels = [_labels(equation, word, x.ndim) for word, x in zip(words, operands, strict=True)]
    dots = max((_dots(word) for word in labels), default=0)
    ellipsis = tuple(f"...{i}" for i in reversed(range(dots)))
    if arrow:
        rank = len(output.replace("...", "", 1)) + (dots if "..." in output else 0)
        letters = _labels(equation, output, rank)
        seen = {i for word in labels for i in word}
        for i in letters:
            if letters.count(i) > 1 or (i not in seen and len(i) == 1):
                raise ValueError(
                    f"einsum: {i!r} of the output of {equation!r} appears twice or in no operand"
                )
        return labels, letters
    counts = Counter(i for word in labels for i in word if len(i) == 1)
    return labels, (*ellipsis, *sorted(i for i, n in counts.items() if n == 1))


def _dots(labels: Labels) -> int:
    """How many dimensions an Ellipsis stands for."""
    return len([i for i in labels if len(i) > 1])


def _labels(equation: str, word: str, ndim: int) -> Labels:
    """The labels of one operand with `ndim` dimensions."""
    letters = word.replace("...", "", 1)
    if any(c not in string.ascii_letters for c in letters):
        raise ValueError(f"einsum: {word!r} of {equation!r} holds more than letters and one '...'")
    dots = ndim - len(letters)
    if dots < 0 or (dots > 0 and letters == word):
        raise ValueError(
            f"einsum: {word!r} of {equation!r} does not fit an operand of {ndim} dimensions"
        )
    at = word.find("...")
    ellipsis = tuple(f"...{i}" for i in reversed(range(dots)))
    return (*letters[: max(at, 0)], *ellipsis, *letters[max(at, 0) :])


def _sizes(operands: Sequence[Tensor], labels: Sequence[Labels]) -> dict[Any, int]:
    """The length of every label; a length of 1 broadcasts."""
    sizes: dict[Any, int] = {}
    for x, word in zip(operands, labels, strict=True):
        for i, n in zip(word, x.shape, strict=True):
            if sizes.get(i, 1) == 1:
                sizes[i] = n
            elif n not in (1, sizes[i]):
                raise ValueError(
                    f"einsum: {i!r} is {sizes[i]} long in one operand and {n} in another"
                )
    return sizes


def _distinct(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """The diagonal wherever a label is repeated."""
    for i in [i for i, n in Counter(labels).items() if n > 1]:
        while labels.count(i) > 1:
            first = labels.index(i)
            second = labels.index(i, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(f"einsum: {i!r} is repeated, but the lengths differ in {x.shape}")
            rest = [d for d in range(x.ndim) if d not in (first, second)]
            x = diagonal(x, 0, first, second)
            labels = (*(labels[d] for d in rest), i)
    return x, labels


def _without_ones(x: Tensor, labels: Labels, sizes: dict[Any, int]) -> tuple[Tensor, Labels]:
    """Dimensions of length 1 that broadcast need not be there."""
    kept = [d for d, i in enumerate(labels) if x.shape[d] == sizes[i]]
    return reshape(x, [x.shape[d] for d in kept]), tuple(labels[d] for d in kept)


def einsum(equation: str, *operands: Any) -> Tensor:
    """Products of elements, summed over the labels that the output lacks.

    Args:
        equation: "ij,jk->ik": letters for the dimensions of each operand, then of the output.
            "..." stands for any others, which broadcast. A repeated letter takes a diagonal.
            Without "->" the output has "...", then every letter that appears once, in order.
        operands: the tensors, or one sequence of them; floating where two share a letter that the
            output lacks.

    Returns:
        The dimensions of the output, the dtype of the operands.

    Raises:
        TypeError: dtypes that have no matrix product, or two of them.
        ValueError: the equation is wrong, or does not fit the operands.

    Derivative: twice.
    Source: numpy.einsum; from left to right, two operands at a time.
    """
    if len(operands) == 1 and not isinstance(operands[0], Tensor):
        operands = tuple(operands[0])
    if thread.autocast is not None:
        operands = tuple(lowered(*operands))
    labels, output = _parse(equation, operands)
    pairs = [_distinct(x, word) for x, word in zip(operands, labels, strict=True)]
    sizes = _sizes([x for x, _ in pairs], [word for _, word in pairs])
    pairs = [_without_ones(x, word, sizes) for x, word in pairs]
    y, word = pairs[0]
    for k in range(1, len(pairs)):
        later = {i for _, other in pairs[k + 1 :] for i in other}
        y, word = contract("einsum", y, word, *pairs[k], later | set(output))
    y, word = _summed(y, word, [i for i in word if i not in output])
    return _ordered(y, word, output)


# ---- tensordot


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Any] = 2) -> Tensor:
    """The sum of products over some dimensions of a and as many of b.

    Args:
        a: any shape, floating.
        b: any shape, the dtype of a.
        dims: how many, the last of a and the first of b; or which, as two sequences.

    Returns:
        The other dimensions of a, then those of b.

    Raises:
        IndexError, ValueError: there are no such dimensions, or their lengths differ.
        TypeError: the dtypes are not floating, or not the same.

    Derivative: twice.
    Source: numpy.tensordot.
    """
    if thread.autocast is not None:
        a, b = lowered(a, b)
    need_floating("tensordot", a=a, b=b)
    over_a, over_b = _dims(a, b, dims)
    for d, e in zip(over_a, over_b, strict=True):
        if a.shape[d] != b.shape[e] and 1 in (a.shape[d], b.shape[e]):  # 1 broadcasts
            a = sum(a, d, keepdim=True) if b.shape[e] == 1 else a
            b = sum(b, e, keepdim=True) if a.shape[d] == 1 else b
        if a.shape[d] != b.shape[e]:
            raise ValueError(
                f"tensordot: dim {d} of {a.shape} and dim {e} of {b.shape} differ in length"
            )
    la: Labels = tuple(f"a{d}" for d in range(a.ndim))
    lb = tuple(f"a{over_a[over_b.index(e)]}" if e in over_b else f"b{e}" for e in range(b.ndim))
    out = tuple(i for i in la if i not in lb) + tuple(i for i in lb if i not in la)
    y, word = contract("tensordot", a, la, b, lb, set(out))
    return _ordered(y, word, out)


def _dims(a: Tensor, b: Tensor, dims: int | Sequence[Any]) -> tuple[list[int], list[int]]:
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: dims is {dims}, shapes are {a.shape} and {b.shape}")
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    if len(dims) != 2 or len(dims[0]) != len(dims[1]):
        raise ValueError(f"tensordot: dims is {dims}, expected a number or two equal sequences")
    over_a = [normal_dim("tensordot", d, a.ndim) for d in dims[0]]
    over_b = [normal_dim("tensordot", d, b.ndim) for d in dims[1]]
    if len(set(over_a)) < len(over_a) or len(set(over_b)) < len(over_b):
        raise ValueError(f"tensordot: dims {dims} names a dimension twice")
    return over_a, over_b
