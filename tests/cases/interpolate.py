"""Interpolation and pixel shuffling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opcase import FLOATING, SAME, OpCase, Refusal, Rule, given, normal, refused

from pydl import ops

IMAGES: tuple[tuple[Any, ...], ...] = (  # x, options
    ((1, 2, 3, 4), {"size": (5, 7)}),
    ((2, 1, 5, 7), {"size": (3, 2)}),
    ((1, 2, 3, 4), {"size": (3, 8)}),
    ((1, 1, 2, 3), {"size": 1}),
    ((1, 2, 4, 3), {"scale_factor": (1.7, 0.7)}),
    ((1, 2, 4, 3), {"scale_factor": 1.7, "recompute_scale_factor": True}),
    ((0, 2, 4, 3), {"scale_factor": 2}),
    ((3, 5, 17, 33), {"scale_factor": 2.0}),
    ((2, 7, 61, 50), {"size": (40, 71)}),
)
SIGNALS: tuple[tuple[Any, ...], ...] = (
    ((1, 2, 5), {"size": 12}),
    ((2, 3, 7), {"scale_factor": 0.6}),
    ((3, 2, 33), {"scale_factor": 3}),
)
SHUFFLES: tuple[tuple[Any, ...], ...] = (  # C, H, W of the larger plane with leading ones, r
    ((2, 4, 6), 2),
    ((1, 2, 1, 3, 9), 3),
    ((2, 3, 4), 1),
    ((0, 2, 4, 4), 2),
)


def resized() -> Iterable[OpCase]:
    for x, options in IMAGES:
        for mode in ("nearest", "nearest-exact", "bilinear", "area"):
            call = given(ops.interpolate, **options, mode=mode)
            yield OpCase(
                f"interpolate[{mode}, {x}, {options}]", call, (normal(*x),), k=16, k_grad=36
            )
        call = given(ops.interpolate, **options, mode="bilinear", align_corners=True)
        yield OpCase(f"interpolate[corners, {x}, {options}]", call, (normal(*x),), k=16, k_grad=36)
    for x, options in SIGNALS:
        for mode in ("nearest", "nearest-exact", "linear", "area"):
            call = given(ops.interpolate, **options, mode=mode)
            yield OpCase(f"interpolate[{mode}, {x}, {options}]", call, (normal(*x),), k=4, k_grad=9)
        call = given(ops.interpolate, **options, mode="linear", align_corners=True)
        yield OpCase(f"interpolate[corners, {x}, {options}]", call, (normal(*x),), k=4, k_grad=9)


def shuffled() -> Iterable[OpCase]:
    for (*lead, c, h, w), r in SHUFFLES:
        x = (*lead, c * r * r, h, w)
        yield OpCase(f"pixel_shuffle[{x}, {r}]", given(ops.pixel_shuffle, r), (normal(*x),))
        x = (*lead, c, h * r, w * r)
        yield OpCase(f"pixel_unshuffle[{x}, {r}]", given(ops.pixel_unshuffle, r), (normal(*x),))


def refuses(message: str, *shape: int, **options: Any) -> Refusal:
    return refused("interpolate", given(ops.interpolate, **options), shape, message=message)


CASES: tuple[OpCase, ...] = (*resized(), *shuffled())
DTYPES: dict[str, Rule | None] = {
    "interpolate": FLOATING,
    "pixel_shuffle": SAME,
    "pixel_unshuffle": SAME,
}
ERRORS: tuple[Refusal, ...] = (
    refuses("^interpolate: expected either size or scale_factor", 1, 1, 4),
    refuses("^interpolate: expected either size", 1, 1, 4, size=2, scale_factor=2),
    refuses("^interpolate: mode 'cubic' is none of nearest", 1, 1, 4, size=2, mode="cubic"),
    refuses("^interpolate: mode 'linear' does not go with x", 1, 1, 4, 4, size=2, mode="linear"),
    refuses("^interpolate: mode 'nearest' does not go with x", 4, 4, size=2),
    refuses("^interpolate: mode 'area' has no align_corners", 1, 1, 4, size=2, mode="area",
            align_corners=True),
    refuses("^interpolate: there is no antialias", 1, 1, 4, 4, size=2, mode="bilinear",
            antialias=True),
    refuses(r"^interpolate: size \(2, 2\) does not fit x \(1, 1, 4\)", 1, 1, 4, size=(2, 2)),
    refuses("^interpolate: recompute_scale_factor is for", 1, 1, 4, size=2,
            recompute_scale_factor=True),
    refuses(r"^interpolate: there is nothing in \(1, 1, 4\), or in", 1, 1, 4, scale_factor=0.1),
    refused("pixel_shuffle", lambda x: ops.pixel_shuffle(x, 2), (1, 6, 2, 2),
            message=r"^pixel_shuffle: 6 channels are not a multiple of 2\^2"),
    refused("pixel_shuffle", lambda x: ops.pixel_shuffle(x, 0), (1, 6, 2, 2),
            message="^pixel_shuffle: the factor is at least 1, got 0"),
    refused("pixel_shuffle", lambda x: ops.pixel_shuffle(x, 2), (4, 4),
            message=r"^pixel_shuffle: x is \(..., C, H, W\)"),
    refused("pixel_unshuffle", lambda x: ops.pixel_unshuffle(x, 2), (1, 3, 4),
            message="^pixel_unshuffle: 2 does not divide the plane"),
)  # fmt: skip
