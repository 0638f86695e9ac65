"""Calls of normalisations and of distances between vectors."""

from __future__ import annotations

from typing import Any

from .engine import op
from .values import Call, Draw

PLAIN = ("plain", "plain", "plain", "grid", "nonfinite")


def affine(d: Draw, shape: tuple[int, ...], p: float = 0.7) -> dict[str, Any]:
    """weight and bias, each or not."""
    out: dict[str, Any] = {}
    if d.chance(p):
        out["weight"] = d.tensor(shape, mode="plain")
    if d.chance(p):
        out["bias"] = d.tensor(shape, mode="plain")
    return out


def statistics(d: Draw, channels: int) -> tuple[Any, Any]:
    """Running mean and variance."""
    return (
        d.tensor((channels,), mode="plain", grad=False),
        d.tensor((channels,), mode="positive", grad=False),
    )


@op("F.batch_norm")
def batch_norm(d: Draw, name: str) -> Call:
    """(N, C), (N, C, L), (N, C, H, W); training or not; affine or not."""
    shape = (d.size(), d.integer(1, 5), *d.shape(0, 2))
    x = d.tensor(shape, mode=d.pick(*PLAIN))
    training = d.chance(0.6)
    mean, var = statistics(d, shape[1]) if not training or d.chance(0.5) else (None, None)
    kwargs = affine(d, (shape[1] + (1 if d.chance(0.02) else 0),)) | {"training": training}
    kwargs |= d.options(0.3, momentum=[0.1, 0.5, 0.0], eps=[1e-5, 1e-2])
    terms = int(x.array.size)
    return Call((x, mean, var), kwargs, k=16 * terms + 64, twice=False)


@op("F.instance_norm")
def instance_norm(d: Draw, name: str) -> Call:
    """(N, C, L), (N, C, H, W); use_input_stats."""
    shape = (d.size(0.02), d.integer(1, 5), *d.shape(1, 2, 0.02))
    x = d.tensor(shape, mode="plain")
    use = d.chance(0.8)
    stats = statistics(d, shape[1]) if not use or d.chance(0.3) else (None, None)
    kwargs = affine(d, (shape[1],)) | {"use_input_stats": use}
    kwargs |= d.options(0.3, momentum=[0.1, 0.5], eps=[1e-5, 1e-2])
    return Call((x, *stats), kwargs, k=16 * int(x.array.size) + 64, twice=False)


@op("F.layer_norm", "F.rms_norm")
def layer_norm(d: Draw, name: str) -> Call:
    """The last dimensions; a wrong normalized_shape raises."""
    shape = d.shape(1, 4)
    n = d.integer(1, len(shape))
    inner = shape[len(shape) - n :]
    if d.chance(0.04):
        inner = (*inner[:-1], inner[-1] + 1)
    kwargs = affine(d, inner)
    if name == "F.rms_norm":
        kwargs.pop("bias", None)
    kwargs |= d.options(0.4, eps=[1e-5, 1e-2])
    x = d.tensor(shape, mode=d.pick(*PLAIN))
    arg: Any = list(inner) if d.chance(0.5) else inner
    return Call((x, arg), kwargs, k=16 * int(x.array.size) + 64)


@op("F.group_norm")
def group_norm(d: Draw, name: str) -> Call:
    """Groups that divide the channels, seldom not."""
    groups = d.integer(1, 4)
    channels = groups * d.integer(1, 3) + (1 if d.chance(0.04) else 0)
    shape = (d.size(), channels, *d.shape(0, 2))
    x = d.tensor(shape, mode=d.pick(*PLAIN))
    kwargs = affine(d, (channels,)) | d.options(0.4, eps=[1e-5, 1e-2])
    return Call((x, groups), kwargs, k=16 * int(x.array.size) + 64)


@op("F.local_response_norm")
def local_response_norm(d: Draw, name: str) -> Call:
    """size, alpha, beta, k."""
    x = d.tensor((d.size(), d.size(), *d.shape(0, 3)), mode="plain")
    kwargs = d.options(0.5, alpha=[1e-4, 0.5], beta=[0.75, 0.5, 1.0], k=[1.0, 2])
    return Call((x, d.integer(1, 5)), kwargs, k=64)


@op("F.normalize")
def normalize(d: Draw, name: str) -> Call:
    """p, dim (one or several), eps."""
    x = d.tensor(d.shape(1, 4), mode=d.pick(*PLAIN))
    kwargs = d.options(0.5, p=[1, 2.0, 3, float("inf")], eps=[1e-12, 1e-2])
    dims = d.dims(len(x.shape))
    if dims is not None:
        kwargs["dim"] = tuple(dims) if isinstance(dims, list) else dims
    return Call((x,), kwargs, k=64)


@op("F.cosine_similarity", "cosine_similarity")
def cosine_similarity(d: Draw, name: str) -> Call:
    """Broadcasting; dim of the result of it."""
    shape = d.shape(1, 3)
    a, b = d.tensor(shape, mode=d.pick(*PLAIN)), d.tensor(d.broadcast(shape), mode="plain")
    return Call(
        (a, b), d.options(0.7, dim=[d.dim(len(shape))]) | d.options(0.3, eps=[1e-8, 0.5]), k=64
    )


@op("F.pairwise_distance", "pairwise_distance")
def pairwise_distance(d: Draw, name: str) -> Call:
    """p, eps, keepdim; broadcasting."""
    shape = d.shape(1, 3)
    a, b = d.tensor(shape, mode=d.pick(*PLAIN)), d.tensor(d.broadcast(shape), mode="plain")
    kwargs = d.options(0.5, p=[1.0, 2.0, 3.0, float("inf"), 0.0], eps=[1e-6, 1e-2], keepdim=[True])
    return Call((a, b), kwargs, k=64)


@op("cdist")
def cdist(d: Draw, name: str) -> Call:
    """Distances between two sets of vectors."""
    k = d.size()
    a, b = d.tensor((d.size(), k), mode="plain"), d.tensor((d.size(), k), mode="plain")
    return Call((a, b), d.options(0.5, p=[1.0, 2.0, float("inf")]), k=256, twice=False)
