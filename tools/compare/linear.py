"""Calls of matrix products."""

from __future__ import annotations

from typing import Any

from .elementwise import both
from .engine import op
from .values import STORED, Arr, Call, Draw

MODES = ("plain", "plain", "plain", "grid", "nonfinite")


def operands(d: Draw, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Arr, Arr]:
    """Two tensors of one dtype, seldom of two."""
    dtype = d.pick(*["float32"] * 8, "int64", "int32", "bool")
    other = dtype if d.chance(0.95) else d.pick("float32", "int64")
    mode = d.pick(*MODES)
    return d.tensor(a, (dtype,), mode), d.tensor(b, (other,), mode)


def inner(d: Draw, k: int) -> int:
    """The other operand's inner length: seldom wrong."""
    return k + 1 if d.chance(0.04) else k


@op(*both("matmul"), "operator.matmul")
def matmul(d: Draw, name: str) -> Call:
    """All rank combinations, batches that broadcast."""
    m, k, n = d.size(), d.size(), d.size()
    batch = d.shape(0, 2)
    a: tuple[int, ...] = (m, k)
    b: tuple[int, ...] = (inner(d, k), n)
    kind = d.integer(0, 9)
    if kind == 0:
        a = (k,)
    elif kind == 1:
        b = b[:1]
    elif kind == 2:
        a, b = (k,), b[:1]
    if kind == 3:
        a = d.pick((), a)
    if kind > 3 or d.chance(0.4):
        a = a if len(a) < 2 else (*d.broadcast(batch), *a)
        b = b if len(b) < 2 else (*d.broadcast(batch), *b)
    return Call(operands(d, a, b), k=k + m * n)


@op(*both("mm", "bmm", "mv", "dot"))
def fixed(d: Draw, name: str) -> Call:
    """Fixed ranks; others raise."""
    m, k, n, batch = d.size(), d.size(), d.size(), d.size()
    bare = name.removeprefix("Tensor.")
    a: tuple[int, ...] = {"mm": (m, k), "bmm": (batch, m, k), "mv": (m, k), "dot": (k,)}[bare]
    b: tuple[int, ...] = {"mm": (k, n), "bmm": (batch, k, n), "mv": (k,), "dot": (k,)}[bare]
    if d.chance(0.04):
        a = (*a, 1)
    if d.chance(0.04):
        b = (b[0] + 1, *b[1:])
    return Call(operands(d, a, b), k=k + m * n)


@op("tensordot")
def tensordot(d: Draw, name: str) -> Call:
    """A number of dimensions, or two lists of them."""
    a, b = d.shape(0, 3), d.shape(0, 3)
    n = d.integer(0, min(len(a), len(b)))
    if d.chance(0.5):
        b = (*a[len(a) - n :], *b[n:])
        dims: Any = n if d.chance(0.93) else d.pick(n + 1, -1, 4)
    else:
        left = [int(i) for i in d.g.permutation(len(a))[:n]]
        right = [int(i) for i in d.g.permutation(len(b))[:n]]
        sizes = list(b)
        for i, j in zip(left, right, strict=True):
            sizes[j] = a[i] if d.chance(0.95) else a[i] + 1
        b = tuple(sizes)
        left = [i - len(a) if d.chance(0.3) else i for i in left]
        dims = (left, right) if d.chance(0.9) else (left, [*right, 0])
    x, y = operands(d, a, b)
    return Call((x, y), {"dims": dims}, k=int(x.array.size + y.array.size) + 1)


@op(*both("trace"))
def trace(d: Draw, name: str) -> Call:
    """Matrices; another rank raises."""
    x = d.tensor((d.size(), d.size()) if d.chance(0.9) else d.shape(0, 3), STORED)
    return Call((x,), k=8)


@op(*both("outer"))
def outer(d: Draw, name: str) -> Call:
    """Two vectors."""
    return Call(operands(d, (d.size(),), (d.size(),)), k=16)


@op(*both("addmm", "baddbmm"))
def addmm(d: Draw, name: str) -> Call:
    """beta * x + alpha * a @ b."""
    m, k, n, batch = d.size(), d.size(), d.size(), d.size()
    lead = (batch,) if name.endswith("baddbmm") else ()
    a, b = d.tensor((*lead, m, k), mode="plain"), d.tensor((*lead, k, n), mode="plain")
    x = d.tensor(d.broadcast((*lead, m, n)), mode="plain")
    return Call((x, a, b), d.options(0.4, beta=[1, 0.5, 0], alpha=[1, 2.0]), k=k + m * n)


EQUATIONS = [
    ("ij,jk->ik", "ij jk"), ("ij,jk", "ij jk"), ("bij,bjk->bik", "bij bjk"), ("ij->ji", "ij"),
    ("ij->", "ij"), ("ij->i", "ij"), ("i,j->ij", "i j"), ("i,i->", "i i"), ("ii->i", "ii"),
    ("ii", "ii"), ("ba", "ba"), ("bn,anm,bm->ba", "bn anm bm"), ("...ij->...ji", "xyij"),
    ("...ij,...jk->...ik", "xij xjk"), ("ij,ij->ij", "ij ij"), ("ijk,l->ijkl", "ijk l"),
    ("bij,kj->bik", "bij kj"), ("i...->...", "ixy"), (" i j , j k -> i k ", "ij jk"),
    ("ij,jk,kl->il", "ij jk kl"), ("bhid,bhjd->bhij", "bhid bhjd"), ("ijk->kij", "ijk"),
    ("...,...->...", "xy y"), ("iij->j", "iij"), ("ij,k->", "ij k"), ("i->ii", "i"),
    ("ij,jk->iz", "ij jk"), ("ij->ij", "i"), ("ij,jk->ik->ij", "ij jk"), ("i.j->ij", "ij"),
]  # fmt: skip


@op("einsum")
def einsum(d: Draw, name: str) -> Call:
    """Products, traces, diagonals, sums, transposes, Ellipsis; illegal equations."""
    equation, letters = d.pick(*EQUATIONS)
    sizes = {c: d.integer(0 if d.chance(0.1) else 1, 4) for c in "abcdefghijklmnxyz"}
    dtype = d.pick(*["float32"] * 6, "int64")
    operands: list[Any] = []
    for word in letters.split():
        shape = [sizes[c] for c in word]
        if d.chance(0.03):
            shape[0] += 1
        operands.append(d.tensor(tuple(shape), (dtype,), d.pick("plain", "grid")))
    return Call((equation, *operands) if d.chance(0.8) else (equation, operands), k=300)


@op("F.linear")
def linear(d: Draw, name: str) -> Call:
    """Any leading dimensions, none, a weight vector; bias or none."""
    n, m = d.size(), d.size()
    x = d.tensor((*d.shape(0, 3), inner(d, n)), ("float32",), d.pick(*MODES))
    weight = d.tensor((m, n) if d.chance(0.93) else (n,), ("float32",), "plain")
    kind = d.integer(0, 9)
    bias = None if kind < 4 else d.tensor((m,) if len(weight.shape) > 1 else (), mode="plain")
    if kind == 9 and len(weight.shape) > 1:
        bias = d.tensor(d.pick((m + 1,), (1,), (), (1, m)), mode="plain")
    k = int(x.array.size) + n
    return Call((x, weight), {"bias": bias}, k=k) if kind % 2 else Call((x, weight, bias), k=k)


@op("F.bilinear", "bilinear")
def bilinear(d: Draw, name: str) -> Call:
    """Two inputs of equal leading dimensions."""
    m, n, k = d.size(), d.size(), d.size()
    lead = d.shape(1, 3)
    a, b = d.tensor((*lead, inner(d, m)), mode="plain"), d.tensor((*lead, n), mode="plain")
    weight = d.tensor((k, m, n), mode="plain")
    bias = d.tensor((k,)) if d.chance(0.6) else None
    return Call((a, b, weight, bias), k=m * n + int(a.array.size))


@op("F.scaled_dot_product_attention")
def attention(d: Draw, name: str) -> Call:
    """Batches, a bool or float mask, causal, scale; no dropout."""
    lead = d.shape(0, 2, 0.02)
    n, s, e, v = d.size(0.02), d.size(0.02), d.size(0.02), d.size(0.02)
    q = d.tensor((*lead, n, e), mode="plain")
    k = d.tensor((*lead, s, inner(d, e)), mode="plain")
    kwargs: dict[str, Any] = {}
    kind = d.integer(0, 4)
    if kind == 1:
        kwargs["is_causal"] = True
    elif kind == 2:
        kwargs["attn_mask"] = d.tensor(d.pick((n, s), (*lead, n, s)), ("float32",), "plain")
    elif kind == 3:
        kwargs["attn_mask"] = d.tensor((n, s), ("bool",))
    elif kind == 4 and d.chance(0.2):
        kwargs |= {"is_causal": True, "attn_mask": d.tensor((n, s), ("bool",))}
    kwargs |= d.options(0.3, scale=[None, 0.5, 1.0], dropout_p=[0.0])
    return Call((q, k, d.tensor((*lead, s, v), mode="plain")), kwargs, k=8 * (n + s + e + v) + 32)
