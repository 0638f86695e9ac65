"""Calls of convolutions, unfold and fold."""

from __future__ import annotations

from typing import Any

from .engine import op
from .values import Call, Draw

MODES = ("plain", "plain", "plain", "plain", "grid", "nonfinite")


def each(d: Draw, n: int, *choices: int) -> Any:
    """A number for all dimensions, or a tuple of one each."""
    if d.chance(0.4):
        return d.pick(*choices)
    return tuple(d.pick(*choices) for _ in range(n))


def spread(value: Any, n: int) -> tuple[int, ...]:
    """One for each dimension."""
    return (value,) * n if isinstance(value, int) else tuple(value)


def reach(kernel: int, dilation: int) -> int:
    """The extent of a dilated kernel."""
    return dilation * (kernel - 1) + 1


def bias_of(d: Draw, channels: int) -> Any:
    """A bias, none, or seldom one of a wrong length."""
    if d.chance(0.4):
        return None
    return d.tensor((channels + (1 if d.chance(0.03) else 0),), mode="plain")


@op("F.conv1d", "F.conv2d")
def conv(d: Draw, name: str) -> Call:
    """Batched or not, stride beyond the kernel, padding (numbers, "same", "valid"), groups."""
    n = int(name[-2])
    groups = d.pick(1, 1, 1, 2, 3)
    channels, filters = groups * d.pick(1, 1, 2, 3), groups * d.pick(1, 2, 3)
    depthwise = d.chance(0.15)
    if depthwise:
        groups = channels
        filters = channels * d.pick(1, 2)
    kernel = tuple(d.pick(1, 1, 2, 3, 3, 4, 5) for _ in range(n))
    stride, dilation = each(d, n, 1, 1, 2, 3, 6), each(d, n, 1, 1, 1, 2, 3)
    padding: Any = each(d, n, 0, 0, 1, 2, 4)
    if d.chance(0.15):
        padding = d.pick("same", "valid")
        stride = stride if d.chance(0.1) else 1
    least = [reach(k, s) for k, s in zip(kernel, spread(dilation, n), strict=True)]
    size = [max(1, d.integer(low - 1, low + 6)) for low in least]
    if d.chance(0.03):
        size[0] = 0
    wrong = d.chance(0.03)
    batch = () if d.chance(0.15) else (d.pick(0, 1, 2, 3) if d.chance(0.3) else d.pick(1, 2),)
    dtype = (d.pick(*["float32"] * 24, "int64"),)
    x = d.tensor((*batch, channels + wrong, *size), dtype, d.pick(*MODES))
    weight = d.tensor((filters, max(channels // groups, 1), *kernel), dtype, "plain")
    kwargs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if d.chance(0.05):
        kwargs[d.pick("stride", "dilation", "groups", "padding")] = d.pick(0, -1)
    kwargs = {
        key: v for key, v in kwargs.items() if v not in (1, 0) or d.chance(0.5) or key == "groups"
    }
    terms = int(weight.array.size) + int(x.array.size)
    return Call((x, weight, bias_of(d, filters)), kwargs, k=terms)


@op("F.conv_transpose1d", "F.conv_transpose2d")
def conv_transpose(d: Draw, name: str) -> Call:
    """Batched or not, output_padding below stride or dilation, groups."""
    n = int(name[-2])
    groups = d.pick(1, 1, 1, 2, 3)
    channels, filters = groups * d.pick(1, 1, 2, 3), groups * d.pick(1, 2, 3)
    kernel = tuple(d.pick(1, 2, 3, 3, 4) for _ in range(n))
    stride, dilation = each(d, n, 1, 1, 2, 3, 5), each(d, n, 1, 1, 1, 2)
    padding, extra = each(d, n, 0, 0, 1, 2), each(d, n, 0, 0, 0, 1, 2)
    size = tuple(d.integer(0 if d.chance(0.05) else 1, 6) for _ in range(n))
    batch = () if d.chance(0.15) else (d.pick(0, 1, 2, 3) if d.chance(0.3) else d.pick(1, 2),)
    x = d.tensor((*batch, channels + d.chance(0.03), *size), mode=d.pick(*MODES))
    weight = d.tensor((channels, filters // groups, *kernel), mode="plain")
    kwargs = {
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "groups": groups,
        "dilation": dilation,
    }
    kwargs = {
        key: v for key, v in kwargs.items() if v not in (1, 0) or d.chance(0.5) or key == "groups"
    }
    terms = int(weight.array.size) + int(x.array.size)
    return Call((x, weight, bias_of(d, filters)), kwargs, k=terms)


def window(d: Draw) -> dict[str, Any]:
    """The options that unfold and fold share."""
    options = d.options(0.6, stride=[1, 2, (2, 1), (1, 3), 5], padding=[0, 1, (0, 2), 2])
    return options | d.options(0.4, dilation=[1, 2, (1, 2)])


@op("F.unfold")
def unfold(d: Draw, name: str) -> Call:
    """Images, batched or not."""
    batch = () if d.chance(0.15) else (d.pick(0, 1, 2) if d.chance(0.2) else 2,)
    dtype = d.pick(*["float32"] * 15, "float16", "bool")
    x = d.tensor((*batch, d.integer(1, 3), d.integer(2, 9), d.integer(2, 9)), (dtype,))
    return Call((x, each(d, 2, 1, 2, 3, 4)), window(d), k=64)


@op("F.fold")
def fold(d: Draw, name: str) -> Call:
    """Columns that fit the output size, seldom one too many."""
    kernel, options = spread(each(d, 2, 1, 2, 3), 2), window(d)
    size = (d.integer(3, 9), d.integer(3, 9))
    count = 1
    for i in range(2):
        stride, padding = (
            spread(options.get(o, o == "stride"), 2)[i] for o in ("stride", "padding")
        )
        dilation = spread(options.get("dilation", 1), 2)[i]
        count *= max((size[i] + 2 * padding - reach(kernel[i], dilation)) // stride + 1, 0)
    count += d.chance(0.05)
    batch = () if d.chance(0.15) else (d.integer(1, 2),)
    x = d.tensor((*batch, d.integer(1, 3) * kernel[0] * kernel[1], count))
    return Call((x, size, kernel), options, k=64)
