"""Calls of functions that make new tensors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .engine import (
    Judge,
    Library,
    Outcome,
    Verdict,
    add,
    brief,
    dtype_name,
    flat,
    op,
    pydl,
    torch,
)
from .values import STORED, Call, Draw, Dt

CAST = [Dt("float32"), Dt("int64"), Dt("bool")]


@op("arange")
def arange(d: Draw, name: str) -> Call:
    """end; start, end; start, end, step; whole or not; dtype."""
    whole = d.chance(0.6)
    values = [d.integer(-9, 9) if whole else d.pick(-2.5, 0.0, 0.5, 3.25, 7) for _ in range(2)]
    step = d.pick(1, 2, 3, -1, -2, 0) if whole else d.pick(0.5, 0.25, 1, -0.5)
    args = d.pick(values[:1], values, [*values, step])
    return Call(tuple(args), d.options(0.3, dtype=[Dt("float32"), Dt("int64"), Dt("int32"), None]))


@op("linspace")
def linspace(d: Draw, name: str) -> Call:
    """start, end, steps."""
    return Call((d.pick(0, -3, 1.5), d.pick(1, 10, -2.25), d.pick(0, 1, 2, 5, 17)), pointwise=True)


@op("eye")
def eye(d: Draw, name: str) -> Call:
    """n, m."""
    args = (d.size(),) if d.chance(0.5) else (d.size(), d.size())
    return Call(args, d.options(0.3, dtype=[Dt("float32"), Dt("int64"), Dt("bool")]))


@op("zeros", "ones")
def zeros(d: Draw, name: str) -> Call:
    """A shape, spread out or not; dtype."""
    shape = d.shape()
    args = shape if shape and d.chance(0.5) else (d.pick(shape, list(shape)),)
    return Call(args, d.options(0.4, dtype=[Dt(n) for n in STORED]))


@op("full")
def full(d: Draw, name: str) -> Call:
    """A shape and a number."""
    value = d.pick(0, 1, -2, 2.5, True, float("inf"))
    if value in (float("inf"), -2):
        return Call((d.shape(), value))
    return Call((d.shape(), value), d.options(0.4, dtype=[Dt(n) for n in STORED]))


@op("zeros_like", "ones_like", "full_like")
def like(d: Draw, name: str) -> Call:
    """dtype may differ."""
    x = d.tensor(None, STORED)
    value = (d.pick(0, 1, 2.0),) if name == "full_like" else ()
    return Call((x, *value), d.options(0.3, dtype=[Dt(n) for n in STORED]))


DATA: tuple[Any, ...] = (
    1, 2.5, True, [], [1, 2], [1, 2.5], [[1], [2]], [True, False], [[1.0, 2], [3, 4]], [[], []],
    [[1], [2, 3]], "word", None, (1, 2, 3), [float("nan")], [True, 2], [1, None],
)  # fmt: skip


@op("tensor")
def tensor(d: Draw, name: str) -> Call:
    """Numbers and nested lists."""
    return Call((d.pick(*DATA),), d.options(0.3, dtype=[*CAST, None]))


@op("as_tensor")
def as_tensor(d: Draw, name: str) -> Call:
    """Numbers, nested lists, arrays and tensors, which stay on the tape."""
    x = d.tensor(None, STORED)
    data = d.pick(d.pick(*DATA), x.array, x, x)
    return Call((data,), d.options(0.3, dtype=[*CAST, None]))


@op("logspace")
def logspace(d: Draw, name: str) -> Call:
    """start, end, steps, base."""
    args = (d.pick(0, -3, 1.5), d.pick(1, 10, -2.25), d.pick(0, 1, 2, 5, 17, -1))
    return Call(args, d.options(0.4, base=[10.0, 2, 0.5, 1]), k=8, pointwise=True)


# ---- where the values are not all


def facts(name: str, call: Call, device: str, look: Callable[..., list[Any]]) -> Verdict:
    """What `look` sees of the same call in both libraries."""
    judge, outcomes = Judge(name, call, None), []
    for library in (Library(torch, "cpu", False), Library(pydl, device, False)):
        outcome = Outcome()
        try:
            args, kwargs = library.make(call.args, []), library.make(call.kwargs, [])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outcome.outputs = look(library.find(name), *args, **kwargs)
        except Exception as error:
            outcome.error = brief(error)
        outcomes.append(outcome)
    found = judge.outcomes(*outcomes)
    return ("different" if found else "both raise" if outcomes[0].error else "equal"), found


def outside(function: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """All but the values."""
    t = function(*args, **kwargs)
    return [tuple(t.shape), dtype_name(t), t.requires_grad]


def check_empty(d: Draw, name: str, device: str) -> Verdict:
    """A shape, spread out or not, or a tensor; dtype, requires_grad."""
    kwargs = d.options(0.4, dtype=[Dt(n) for n in (*STORED, "float16")])
    kwargs |= d.options(0.2, requires_grad=[True, False])
    shape: Any = d.shape()
    if d.chance(0.05):
        shape = (*shape, -1)
    if name == "empty_like":
        return facts(name, Call((d.tensor(None, STORED),), kwargs), device, outside)
    args = shape if shape and d.chance(0.5) else (d.pick(shape, list(shape)),)
    return facts(name, Call(args, kwargs), device, outside)


add(check_empty, "empty", "empty_like")


def sharing(function: Any, array: Any) -> list[Any]:
    """Values, and those after the array has changed."""
    array = array.copy() if array.flags.c_contiguous and array.flags.writeable else array
    t = function(array)
    before = t.tolist()
    if array.flags.writeable:
        array[...] = 1
    return [tuple(t.shape), dtype_name(t), *flat(before), *flat(t.tolist())]


def check_from_numpy(d: Draw, name: str, device: str) -> Verdict:
    """Every dtype; transposed or read-only now and then; what is no array."""
    array = d.tensor(None, STORED, "plain").array
    kind = d.integer(0, 15)
    if kind == 0:
        array = array.T
    elif kind == 1:
        array.flags.writeable = False
    elif kind == 2:
        array = array.astype(d.pick("float16", "float64", "int16", "complex64", "S1"))
    data = d.pick([1.0], 2, None) if kind == 3 else array
    return facts(name, Call((data,)), device, sharing)


add(check_from_numpy, "from_numpy")
