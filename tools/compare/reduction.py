"""Calls of reductions, scans, sorting."""

from __future__ import annotations

from typing import Any

from .elementwise import both
from .engine import op
from .values import NUMBERS, STORED, Call, Draw, Dt

ANY = (*["float32"] * 5, *STORED)


def terms(x: Any) -> int:
    """How many terms a sum over everything has."""
    return max(int(x.array.size), 1)


@op(*both("sum", "mean", "prod"))
def sums(d: Draw, name: str) -> Call:
    """dim, keepdim, dtype."""
    mode = d.pick("plain", "nonfinite", "grid", None)
    x = d.tensor(None, ANY, mode)
    kwargs = d.options(0.25, dtype=[Dt("float32"), Dt("int64"), Dt("int32"), None])
    if d.chance(0.75):
        one = name.endswith("prod")
        kwargs["dim"] = d.dim(len(x.shape)) if one else d.dims(len(x.shape))
        kwargs |= d.options(0.4, keepdim=[True, False])
    return Call((x,), kwargs, k=terms(x))


@op(*both("var", "std"), "var_mean", "std_mean")
def spread(d: Draw, name: str) -> Call:
    """dim, correction or unbiased, keepdim."""
    x = d.tensor(None, (*["float32"] * 8, "int64"), d.pick("plain", "nonfinite", "grid"))
    kwargs: dict[str, Any] = {}
    if d.chance(0.8):
        kwargs["dim"] = d.dims(len(x.shape))
        kwargs |= d.options(0.4, keepdim=[True, False])
        kwargs |= d.options(0.4, correction=[0, 1, 2, 3])
    elif d.chance(0.5):
        return Call((x, d.pick(True, False)), k=terms(x))
    if "correction" not in kwargs:
        kwargs |= d.options(0.3, unbiased=[True, False])
    return Call((x,), kwargs, k=terms(x))


@op(*both("norm"))
def norm(d: Draw, name: str) -> Call:
    """p, dim, keepdim."""
    x = d.tensor(d.shape(0, 3), ("float32",) * 9 + ("int64",), d.pick("plain", "nonfinite", "grid"))
    kwargs = d.options(0.7, p=[1, 2, 3, 0, 0.5, -1, float("inf"), -float("inf"), "fro"])
    if d.chance(0.7):
        kwargs["dim"] = d.dims(len(x.shape))
        kwargs |= d.options(0.4, keepdim=[True, False])
    alone = x.array.size == 1  # |x|, whose second derivative is rounding only
    return Call((x,), kwargs, k=terms(x), twice=not alone)


@op(*both("logsumexp"))
def logsumexp(d: Draw, name: str) -> Call:
    """dim is required."""
    x = d.tensor(None, ("float32",) * 9 + ("int64",))
    dim = d.dims(len(x.shape))
    return Call((x,), {"dim": 0 if dim is None else dim} | d.options(0.4, keepdim=[True]), k=8)


@op(*both("cumsum", "cumprod"))
def scans(d: Draw, name: str) -> Call:
    """dim, dtype."""
    x = d.tensor(None, ANY, d.pick("plain", "nonfinite", "grid"))
    kwargs = d.options(0.2, dtype=[Dt("float32"), Dt("int64"), Dt("int32")])
    return Call((x, d.dim(len(x.shape))), kwargs, k=terms(x))


@op(*both("cummax", "cummin", "logcumsumexp"))
def running(d: Draw, name: str) -> Call:
    """dim."""
    x = d.tensor(None, ("float32",) * 4 + ("int64",))
    return Call((x, d.dim(len(x.shape))), k=terms(x))


@op(*both("max", "min"))
def extremes(d: Draw, name: str) -> Call:
    """All; one dim with indices; two tensors."""
    x = d.tensor(None, ANY)
    kind = d.integer(0, 9)
    if kind < 3:
        return Call((x,))
    if kind == 3:
        return Call((x, d.tensor(d.broadcast(x.shape), (x.dtype,))))
    dim = d.dim(len(x.shape))
    if kind < 6:
        return Call((x, dim, d.pick(True, False)))
    return Call((x,), {"dim": dim} | d.options(0.5, keepdim=[True, False]))


@op(*both("amax", "amin"))
def amax(d: Draw, name: str) -> Call:
    """Several dimensions; equal ones share the gradient."""
    x = d.tensor(None, ANY)
    dim = d.dims(len(x.shape))
    return Call((x,), ({} if dim is None else {"dim": dim}) | d.options(0.4, keepdim=[True]))


@op(*both("argmax", "argmin"))
def arguments(d: Draw, name: str) -> Call:
    """dim or the flattened tensor, keepdim."""
    x = d.tensor(None, (*["float32"] * 5, *NUMBERS), d.pick(None, "grid", "special"))
    kwargs = d.options(0.7, dim=[None, d.dim(len(x.shape)), d.dim(len(x.shape))])
    return Call((x,), kwargs | d.options(0.4, keepdim=[True, False]))


@op(*both("any", "all"))
def truth(d: Draw, name: str) -> Call:
    """dim (one, several or None), keepdim."""
    x = d.tensor(None, (*STORED, "bool", "bool"), d.pick(None, "grid"))
    if d.chance(0.3):
        return Call((x,))
    return Call((x,), {"dim": d.dims(len(x.shape))} | d.options(0.4, keepdim=[True, False]))


@op(*both("sort", "argsort"))
def sorting(d: Draw, name: str) -> Call:
    """dim, descending, stable; always stable where indices are compared with ties."""
    x = d.tensor(None, ANY, d.pick(None, "grid", "special"))
    kwargs = d.options(0.6, dim=[d.dim(len(x.shape))]) | d.options(0.5, descending=[True, False])
    return Call((x,), {"stable": True, **kwargs})


@op(*both("topk"))
def topk(d: Draw, name: str) -> Call:
    """k, dim, largest; distinct values, because torch leaves the order of equals open."""
    shape = d.shape(0 if d.chance(0.1) else 1)
    x = d.tensor(shape, ("float32",) * 4 + ("int64",), "plain", grad=True)
    if x.dtype == "int64":
        values = d.g.permutation(int(x.array.size)).reshape(shape)
        x = type(x)(values.astype("int64"), "int64")
    dim = d.dim(len(shape))
    inside = -len(shape) <= dim < len(shape)
    n = shape[dim] if inside else 1
    k = d.integer(0, n) if d.chance(0.95) else d.pick(n + 1, -1)
    kwargs = {"dim": dim} if d.chance(0.7) else {}
    if not kwargs and shape:
        k = min(k, shape[-1]) if d.chance(0.95) else k
    return Call((x, k), kwargs | d.options(0.5, largest=[True, False]) | d.options(sorted=[True]))


@op(*both("median"))
def median(d: Draw, name: str) -> Call:
    """All, or dim with indices (distinct values)."""
    x = d.tensor(None, ("float32",), "plain")
    return Call((x,)) if d.chance(0.4) else Call((x, d.dim(len(x.shape))))


@op(*both("count_nonzero"))
def count_nonzero(d: Draw, name: str) -> Call:
    """dim."""
    x = d.tensor(None, STORED, "grid")
    return Call((x,), d.options(0.6, dim=[d.dims(len(x.shape))]))
