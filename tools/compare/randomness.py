"""What is random, where only shapes, scales and fractions can be equal; and nn.utils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .creation import facts, outside
from .engine import (
    MISSING,
    Difference,
    Judge,
    Library,
    Outcome,
    Verdict,
    add,
    as_numpy,
    brief,
    dtype_name,
    flat,
    is_tensor,
    pydl,
    torch,
)
from .values import Arr, Call, Draw

THEIRS, OURS = Library(torch, "cpu", False), Library(pydl, "cpu", False)
DROPOUTS = {"dropout": 0, "dropout1d": 1, "dropout2d": 2}  # trailing dimensions that go together


def kept_fraction(library: Library, function: Any, call: Call, together: int) -> list[Any]:
    """Shape, dtype, the value of what is kept, whether channels go as one, gradient as y."""
    x = library.make(call.args[0], [])
    x.requires_grad_()
    y = function(x, *call.args[1:], **call.kwargs)
    y.backward(library.tensor(np.ones(tuple(y.shape), np.float32), "float32"))
    a, g = as_numpy(y), as_numpy(x.grad)
    p = call.args[1]
    kept = a != 0
    if together:
        lead = kept.reshape(*kept.shape[: kept.ndim - together], -1)
        whole = bool((lead.all(-1) | ~lead.any(-1)).all())
        kept = lead[..., 0]
    else:
        whole = True
    off = abs(kept.mean() - (1 - p)) > 5 * np.sqrt(p * (1 - p) / kept.size)
    values = sorted({round(float(v), 5) for v in np.unique(a)})
    return [a.shape, dtype_name(y), values, whole, bool(off), bool(np.array_equal(a, g))]


def check_dropout(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
    """Ones in; p between 0 and 1."""
    bare = name.removeprefix("random.")
    functions = [library.find("F." + bare) for library in (THEIRS, OURS)]
    if functions[1] is None:
        return MISSING, []
    shape = (16, 32, *(d.integer(2, 9) for _ in range(DROPOUTS[bare] or 2)))
    x = Arr(np.ones(shape, np.float32), "float32")
    call = Call((x, d.pick(0.1, 0.25, 0.5, 0.8)), {"training": True})
    judge = Judge(name, call, None)
    results = [
        kept_fraction(library, function, call, DROPOUTS[bare])
        for library, function in zip((THEIRS, OURS), functions, strict=True)
    ]
    if results[0] != results[1]:
        judge.differ("values", *results)
    return ("different" if judge.found else "equal"), judge.found


add(check_dropout, *("random." + n for n in DROPOUTS), most=16)


def summary(t: Any) -> list[Any]:
    """Shape, dtype and which of a few facts hold."""
    a = as_numpy(t).astype(np.float64)
    facts: list[Any] = []
    if a.size > 500:
        facts = [bool((a >= 0).all()), bool((a < 1).all()), bool((a < 10).all())]
        facts += [round(float(a.mean() / (a.std() + 1e-9)), 0), round(float(np.log(a.std())), 0)]
    return [tuple(t.shape), dtype_name(t), *facts]


def check_random(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
    """rand, randn: a shape; randint: bounds and a shape; randperm: a length."""
    bare = name.removeprefix("random.")
    if OURS.find(bare) is None:
        return MISSING, []
    shape = d.pick(d.shape(0, 3), (50, 40))
    args: tuple[Any, ...] = shape if shape and d.chance(0.5) else (shape,)
    if bare == "randint":
        args = d.pick((10, shape), (0, 10, shape), (5, 5, shape), (-9, 0, shape), (7, 2, shape))
    elif bare == "randperm":
        args = (d.size(),)
    elif bare.endswith("_like"):
        args = (Arr(np.zeros(shape, np.float32), "float32"),)
    call = Call(args)
    judge = Judge(name, call, None)
    outcomes = []
    for library in (THEIRS, OURS):
        torch.manual_seed(0)
        pydl.manual_seed(0)
        outcome = Outcome()
        try:
            t = library.find(bare)(*library.make(args, []))
            outcome.outputs = [sorted(as_numpy(t)) if bare == "randperm" else summary(t)]
        except Exception as error:
            outcome.error = brief(error)
        outcomes.append(outcome)
    return verdict(judge, *outcomes)


def verdict(judge: Judge, theirs: Outcome, ours: Outcome) -> tuple[str, list[Difference]]:
    """The verdict on two outcomes."""
    found = judge.outcomes(theirs, ours)
    return ("different" if found else "both raise" if theirs.error else "equal"), found


def check_drawn(d: Draw, name: str, device: str) -> Verdict:
    """bernoulli, multinomial, normal: what must hold for any stream of random numbers."""
    bare = name.removeprefix("random.")
    draw, look = DRAWN[bare]
    return facts(bare, draw(d), "cpu", look)


def draw_bernoulli(d: Draw) -> Call:
    """Probabilities; many are 0 or 1, seldom one is none."""
    p = d.floats(d.shape(), "unit")
    p = np.array(np.where(d.g.random(p.shape) < d.pick(0.3, 1.0), np.round(p), p), np.float32)
    if p.size and d.chance(0.1):
        p.flat[0] = d.pick(1.5, -0.1, np.nan)
    dtype = d.pick(*["float32"] * 9, "int64", "bool")
    return Call((Arr(np.nan_to_num(p).astype(dtype) if dtype != "float32" else p, dtype),))


def look_bernoulli(function: Any, x: Any) -> list[Any]:
    """Whether it is 0 or 1, and what it must be."""
    y, p = function(x), as_numpy(x)
    a = as_numpy(y)
    sure = (p == 0) | (p == 1)
    legal = [bool(((a == 0) | (a == 1)).all()), bool((a[sure] == p[sure]).all())]
    return [*outside(lambda: y), *legal]


def draw_multinomial(d: Draw) -> Call:
    """Weights, some of them 0; with replacement or not, up to all."""
    shape = d.shape(0 if d.chance(0.1) else 1, 3 if d.chance(0.1) else 2)
    w = d.floats(shape, "positive")
    w = np.array(np.where(d.g.random(shape) < d.pick(0.0, 0.0, 0.3), 0, w), np.float32)
    if w.size and d.chance(0.1):
        w.flat[0] = d.pick(-1.0, np.nan, np.inf)
    n = shape[-1] if shape else 1
    whole = d.chance(0.07)
    x = Arr(np.nan_to_num(w, posinf=9).astype("int64"), "int64") if whole else Arr(w, "float32")
    count = d.pick(n, n, 1, d.integer(0, n + 1))
    return Call((x, count), d.options(0.7, replacement=[True, False]))


def look_multinomial(function: Any, x: Any, count: int, replacement: bool = False) -> list[Any]:
    """Whether the places exist and may be drawn; without replacement, none comes twice."""
    y = function(x, count, replacement=replacement)
    w, a = (as_numpy(t).reshape(-1, t.shape[-1]) for t in (x, y))
    inside = bool(((a >= 0) & (a < w.shape[1])).all())
    positive = inside and bool((np.take_along_axis(w, a, 1) > 0).all())
    once = replacement or all(len(set(row)) == len(row) for row in a)
    return [*outside(lambda: y), inside, positive, once]


def draw_normal(d: Draw) -> Call:
    """Tensors and numbers in every combination; a standard deviation of 0 is exact."""
    mean = d.tensor(d.shape(0, 3), ("float32",), "plain", grad=False)
    spread = d.pick(0.0, 0.0, 1.0, 1.0, -1.0 if d.chance(0.3) else 1.0)
    std = Arr(np.full(mean.shape, spread, np.float32), "float32")
    numbers = (d.pick(0, 1.5), spread, d.pick(mean.shape, (2, 3)))
    return Call(d.pick((mean, std), (mean, spread), (mean,), (2.5, std), numbers, numbers[:2]))


def look_normal(function: Any, *args: Any) -> list[Any]:
    """The values too, where nothing is random."""
    y = function(*args)
    exact = len(args) > 1 and not np.any(as_numpy(args[1]) if is_tensor(args[1]) else args[1])
    return [*outside(lambda: y), *(flat(y.tolist()) if exact else [])]


DRAWN: dict[str, tuple[Callable[[Draw], Call], Callable[..., list[Any]]]] = {
    "bernoulli": (draw_bernoulli, look_bernoulli),
    "multinomial": (draw_multinomial, look_multinomial),
    "normal": (draw_normal, look_normal),
}
add(check_drawn, *("random." + n for n in DRAWN))

RANDOM = ("rand", "randn", "randint", "randperm", "rand_like", "randn_like")
add(check_random, *("random." + n for n in RANDOM), most=16)


# ---- nn.utils


def with_gradients(library: Library, values: list[Arr], gradients: list[Any]) -> list[Any]:
    """Leaves whose .grad is set."""
    leaves = []
    for v, g in zip(values, gradients, strict=True):
        t = library.make(v, [])
        t.requires_grad_()
        t.grad = None if g is None else library.make(g, [])
        leaves.append(t)
    return leaves


def use(library: Library, bare: str, call: Call) -> Outcome:
    """The result, then the gradients or values afterwards."""
    values, gradients, *rest = call.args
    leaves = with_gradients(library, values, gradients)
    function = getattr(library.root.nn.utils, bare)
    outcome = Outcome()
    try:
        more = library.make(tuple(rest), [])
        kwargs = library.make(call.kwargs, [])
        if bare == "vector_to_parameters":
            result = function(*more, leaves)
        else:
            result = function(leaves, *more, **kwargs)
        outcome.outputs = list(flat(result))
        outcome.grads = [None if t.grad is None else as_numpy(t.grad) for t in leaves]
        if bare == "vector_to_parameters":
            outcome.grads = [as_numpy(t) for t in leaves]
    except Exception as error:
        outcome.error = brief(error)
    outcome.outputs = [t.detach() if is_tensor(t) else t for t in outcome.outputs]
    return outcome


def check_utils(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
    """Some parameters, some without a gradient; NaN and Inf among the gradients."""
    bare = name.removeprefix("nn.utils.")
    if not hasattr(pydl.nn.utils, bare):
        return MISSING, []
    values = [d.tensor(None, mode="plain", grad=False) for _ in range(d.pick(0, 1, 1, 2, 3))]
    mode = d.pick("plain", "plain", "grid", "nonfinite")
    gradients = [
        None if d.chance(0.2) else d.tensor(v.shape, mode=mode, grad=False) for v in values
    ]
    args: tuple[Any, ...] = (values, gradients)
    kwargs: dict[str, Any] = {}
    if bare == "get_total_norm":
        kwargs = d.options(0.6, norm_type=[2.0, 1.0, 3, float("inf")], error_if_nonfinite=[True])
    elif bare == "clip_grad_norm_":
        args = (*args, d.pick(0.1, 1.0, 100.0, 0))
        kwargs = d.options(0.6, norm_type=[2.0, 1.0, 3, float("inf")], error_if_nonfinite=[True])
    elif bare == "clip_grad_value_":
        args = (*args, d.pick(0.1, 1.0, 100.0, 0, -1.0))
    elif bare == "vector_to_parameters":
        n = sum(int(v.array.size) for v in values)
        args = (*args, d.tensor((n,), mode="plain", grad=False))
    call = Call(args, kwargs, k=256)
    return verdict(Judge(name, call, None), use(THEIRS, bare, call), use(OURS, bare, call))


UTILS = (
    *("clip_grad_norm_", "clip_grad_value_", "get_total_norm"),
    *("parameters_to_vector", "vector_to_parameters"),
)
add(check_utils, *("nn.utils." + n for n in UTILS), most=24)
