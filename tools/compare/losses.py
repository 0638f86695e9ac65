"""Calls of losses."""

from __future__ import annotations

from typing import Any

from .engine import op
from .values import Arr, Call, Draw

REDUCTIONS = ["mean", "sum", "none"]


def reduction(d: Draw) -> dict[str, Any]:
    """reduction=, seldom an unknown one."""
    if d.chance(0.02):
        return {"reduction": "average"}
    return d.options(0.7, reduction=REDUCTIONS)


def pair(d: Draw, mode: str | None = None, target: str | None = None) -> tuple[Arr, Arr]:
    """Input and target of one shape, seldom of shapes that broadcast or do not."""
    x = d.tensor(None, mode=mode or d.pick("plain", "plain", "grid", "special"))
    shape = x.shape if d.chance(0.9) else d.broadcast(x.shape)
    return x, d.tensor(shape, mode=target or "plain", grad=d.chance(0.3))


@op("F.mse_loss", "F.l1_loss")
def squared(d: Draw, name: str) -> Call:
    """reduction; integer targets."""
    x, t = pair(d)
    if d.chance(0.1):
        t = d.tensor(x.shape, ("int64",))
    return Call((x, t), reduction(d), k=int(x.array.size) + 8)


@op("F.smooth_l1_loss", "F.huber_loss")
def smooth(d: Draw, name: str) -> Call:
    """beta or delta."""
    x, t = pair(d)
    option = (
        {"beta": [1.0, 0.5, 0.0, -1.0, 2]} if "smooth" in name else {"delta": [1.0, 0.5, 2.0, 0.0]}
    )
    return Call((x, t), reduction(d) | d.options(0.6, **option), k=int(x.array.size) + 8)


def classes(d: Draw) -> tuple[Arr, Arr, int]:
    """Scores (C,), (N, C), (N, C, d...) and class indices; seldom one that does not exist."""
    c = d.integer(1, 6)
    if d.chance(0.12):
        shape: tuple[int, ...] = (c,)
        target: tuple[int, ...] = ()
    else:
        n, rest = d.size(), d.shape(0, 2, 0.02) if d.chance(0.4) else ()
        shape, target = (n, c, *rest), (n, *rest)
    if d.chance(0.03):
        target = (*target, 2)
    x = d.tensor(shape, mode=d.pick("plain", "plain", "plain", "grid", "nonfinite"))
    return x, d.index(target, c, d.pick(*["int64"] * 9, "int32"), wrong=0.04), c


def class_options(d: Draw, c: int, target: Arr) -> dict[str, Any]:
    """weight, ignore_index, reduction."""
    out = reduction(d)
    if d.chance(0.3):
        out["weight"] = d.tensor((c + d.chance(0.04),), mode="positive", grad=False)
    out |= d.options(0.3, ignore_index=[-100, 0, -1, c - 1])
    ignored = out.get("ignore_index", -100)
    if target.array.size and d.chance(0.2):
        target.array.flat[0] = ignored
    return out


@op("F.cross_entropy")
def cross_entropy(d: Draw, name: str) -> Call:
    """Class indices or probabilities; weight, ignore_index, label_smoothing."""
    x, target, c = classes(d)
    kwargs = class_options(d, c, target) | d.options(0.3, label_smoothing=[0.0, 0.1, 1.0, 1.5])
    if d.chance(0.25):
        kwargs.pop("ignore_index", None)
        target = d.tensor(x.shape, mode="unit", grad=d.chance(0.3))
    return Call((x, target), kwargs, k=int(x.array.size) + 32, twice=d.chance(0.3))


@op("F.nll_loss")
def nll_loss(d: Draw, name: str) -> Call:
    """Log-probabilities (any numbers) and class indices."""
    x, target, c = classes(d)
    return Call((x, target), class_options(d, c, target), k=int(x.array.size) + 32)


@op("F.binary_cross_entropy")
def binary_cross_entropy(d: Draw, name: str) -> Call:
    """Probabilities, 0 and 1 too; outside [0, 1] raises; weight."""
    shape = d.shape()
    x = d.tensor(shape, mode="unit")
    if x.array.size and d.chance(0.4):
        x.array.flat[0] = d.pick(0.0, 1.0, 0.0, 1.0, 1.5, -0.1, float("nan"))
    t = d.tensor(shape if d.chance(0.95) else d.broadcast(shape), mode="unit", grad=d.chance(0.2))
    kwargs = reduction(d)
    if d.chance(0.3):
        kwargs["weight"] = d.tensor(d.broadcast(shape, 0), mode="positive", grad=False)
    return Call((x, t), kwargs, k=int(x.array.size) + 32)


@op("F.binary_cross_entropy_with_logits")
def with_logits(d: Draw, name: str) -> Call:
    """weight, pos_weight."""
    x, t = pair(d, d.pick("plain", "plain", "special"), "unit")
    kwargs = reduction(d)
    if d.chance(0.3):
        kwargs["weight"] = d.tensor(d.broadcast(x.shape, 0), mode="positive", grad=False)
    if d.chance(0.3):
        shape = x.shape[-1:] if d.chance(0.8) else d.broadcast(x.shape)
        kwargs["pos_weight"] = d.tensor(shape, mode="positive", grad=False)
    return Call((x, t), kwargs, k=int(x.array.size) + 32)


@op("F.kl_div")
def kl_div(d: Draw, name: str) -> Call:
    """reduction batchmean too; log_target."""
    x = d.tensor(None, mode="plain")
    log = d.chance(0.4)
    shape = x.shape if d.chance(0.9) else d.broadcast(x.shape)
    t = d.tensor(shape, mode="plain" if log else "unit", grad=d.chance(0.5))
    kwargs = reduction(d)
    if d.chance(0.3):
        kwargs["reduction"] = "batchmean"
    return Call((x, t), kwargs | ({"log_target": log} if log else {}), k=int(x.array.size) + 32)


@op("F.gaussian_nll_loss")
def gaussian_nll(d: Draw, name: str) -> Call:
    """var of the input's shape, with a last 1, without the last dimension, or a number."""
    x, t = pair(d, "plain")
    n = len(x.shape)
    shape = d.pick(x.shape, (*x.shape[:-1], 1) if n else (), x.shape[: max(n - 1, 0)])
    var: Any = d.tensor(shape, mode="positive") if d.chance(0.9) else d.pick(0.5, 1.0, -1.0)
    if isinstance(var, Arr) and var.array.size and d.chance(0.1):
        var.array.flat[0] = d.pick(0.0, -1.0, 1e-9)
    kwargs = reduction(d) | d.options(0.4, full=[True, False], eps=[1e-6, 0.1])
    return Call((x, t, var), kwargs, k=int(x.array.size) + 32)


@op("F.poisson_nll_loss")
def poisson_nll(d: Draw, name: str) -> Call:
    """log_input, full, eps."""
    log = d.chance(0.6)
    x, t = pair(d, "plain" if log else "positive", "positive")
    kwargs = reduction(d) | d.options(0.4, full=[True, False], eps=[1e-8, 0.1])
    return Call((x, t), kwargs | ({} if log else {"log_input": False}), k=int(x.array.size) + 64)


def signs(d: Draw, shape: tuple[int, ...]) -> Arr:
    """1 and -1, as floats."""
    return Arr(
        d.floats(shape, "plain") * 0 + d.g.choice([-1.0, 1.0], shape).astype("float32"), "float32"
    )


@op("F.hinge_embedding_loss")
def hinge_embedding(d: Draw, name: str) -> Call:
    """margin."""
    x = d.tensor(None, mode=d.pick("plain", "grid"))
    kwargs = reduction(d) | d.options(0.5, margin=[1.0, 0.5, 2.0])
    return Call((x, signs(d, x.shape)), kwargs, k=int(x.array.size) + 8)


@op("F.soft_margin_loss")
def soft_margin(d: Draw, name: str) -> Call:
    """Logistic loss of signs."""
    x = d.tensor(None, mode=d.pick("plain", "grid"))
    return Call((x, signs(d, x.shape)), reduction(d), k=int(x.array.size) + 32)


@op("F.margin_ranking_loss")
def margin_ranking(d: Draw, name: str) -> Call:
    """Two inputs and a sign each."""
    a = d.tensor(None, mode=d.pick("plain", "grid"))
    b = d.tensor(a.shape if d.chance(0.95) else d.shape(), mode="plain")
    t = signs(d, a.shape if d.chance(0.9) else d.pick((1,), ()))
    return Call(
        (a, b, t), reduction(d) | d.options(0.5, margin=[0.0, 0.5, 2.0]), k=int(a.array.size) + 8
    )


@op("F.triplet_margin_loss")
def triplet(d: Draw, name: str) -> Call:
    """margin, p, eps, swap; (N, D) or (D,)."""
    shape = (d.size(), d.size(0)) if d.chance(0.8) else (d.size(0),)
    a, p, n = (d.tensor(shape, mode="plain") for _ in range(3))
    kwargs = d.options(0.4, margin=[1.0, 0.5, 3.0], p=[2.0, 1.0, 3], swap=[True, False], eps=[1e-6])
    return Call((a, p, n), reduction(d) | kwargs, k=256)


@op("F.cosine_embedding_loss")
def cosine_embedding(d: Draw, name: str) -> Call:
    """(N, D) with (N,), or (D,) with ()."""
    shape = (d.size(), d.size(0)) if d.chance(0.8) else (d.size(0),)
    a, b = (d.tensor(shape, mode="plain") for _ in range(2))
    t = signs(d, shape[:-1] if d.chance(0.95) else (2,))
    kwargs = reduction(d) | d.options(0.5, margin=[0.0, 0.5, -0.5])
    return Call((a, b, t), kwargs, k=256, twice=shape[-1] > 1)  # of length 1: rounding only


@op("F.multilabel_soft_margin_loss", "F.multi_margin_loss", "F.multilabel_margin_loss")
def multi(d: Draw, name: str) -> Call:
    """(N, C)."""
    n, c = d.integer(1, 4), d.integer(1, 5)
    x = d.tensor((n, c), mode="plain")
    if "soft" in name:
        return Call((x, d.tensor((n, c), mode="unit", grad=False)), reduction(d), k=64)
    return Call((x, d.index((n,) if "multi_" in name else (n, c), c)), reduction(d), k=64)
