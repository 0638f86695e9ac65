"""Convolution, and the explicit im2col (`unfold`) and col2im (`fold`) that the books teach.

The native kernels are implicit GEMMs: im2col happens while packing, never in memory. Input
gradient and weight gradient are ops too, each differentiable again by the other two: a convolution
is linear in x and in w.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..device import Shape
from ..op import Op
from ..tensor import Tensor
from .create import empty
from .pad import pad
from .reduce import sum

__all__ = [
    "conv2d",
    "fold",
    "unfold",
]

Pair = tuple[int, int]


def pair(name: str, what: str, value: Any, least: int) -> Pair:
    """An int or two as (height, width).

    Raises:
        ValueError: it is neither, or below `least`.
    """
    two = (value, value) if isinstance(value, int) else tuple(value)
    if len(two) != 2 or min(two) < least:
        raise ValueError(f"{name}: {what} is an int or a pair of at least {least}, got {value}")
    return int(two[0]), int(two[1])


class Geometry(NamedTuple):
    """How a window moves over an image."""

    stride: Pair
    padding: Pair
    dilation: Pair

    @classmethod
    def of(cls, name: str, stride: Any, padding: Any, dilation: Any) -> Geometry:
        """From the arguments of `name`, checked."""
        return cls(
            pair(name, "stride", stride, 1),
            pair(name, "padding", padding, 0),
            pair(name, "dilation", dilation, 1),
        )

    def out(self, name: str, size: Shape, kernel: Shape, ceil_mode: bool = False) -> Pair:
        """(OH, OW) for an image of (H, W).

        Raises:
            ValueError: the window is larger than the padded image.
        """
        lengths = []
        for i in range(2):
            span = self.dilation[i] * (kernel[i] - 1) + 1
            room = size[i] + 2 * self.padding[i] - span
            if room < 0:
                raise ValueError(
                    f"{name}: a window of {span} is larger than the padded input of "
                    f"{size[i] + 2 * self.padding[i]} (input {tuple(size)}, "
                    f"kernel {tuple(kernel)}, padding {self.padding}, dilation {self.dilation})"
                )
            n = room // self.stride[i] + 1
            if ceil_mode and room % self.stride[i]:
                # torch's rule: a window must begin inside the image or its left padding
                n += n * self.stride[i] < size[i] + self.padding[i]
            lengths.append(n)
        return lengths[0], lengths[1]


class Conv2d(Op):
    geometry: Geometry
    groups: int

    def forward(self, x: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
        oh, ow = self.geometry.out("conv2d", x.shape[2:], w.shape[2:])
        y = empty(x.shape[0], w.shape[0], oh, ow, dtype=x.dtype, device=x.device)
        b = bias[0].data if bias else None
        x.device.kernels.conv2d(x.data, w.data, b, y.data, *self.geometry, self.groups)
        self.save(x, w)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.saved
        how = {"geometry": self.geometry, "groups": self.groups}
        gx = Conv2dGradInput.apply(gy, w, shape=x.shape, **how) if self.needs[0] else None
        gw = Conv2dGradWeight.apply(gy, x, shape=w.shape, **how) if self.needs[1] else None
        if len(self.needs) == 2:
            return gx, gw
        return gx, gw, sum(gy, (0, 2, 3)) if self.needs[2] else None


class Conv2dGradInput(Op):
    name = "conv2d_grad_input"
    geometry: Geometry
    groups: int
    shape: Shape

    def forward(self, gy: Tensor, w: Tensor) -> Tensor:
        gx = empty(self.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.conv2d_grad_input(gy.data, w.data, gx.data, *self.geometry, self.groups)
        self.save(gy, w)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor | None, ...]:
        gy, w = self.saved
        how = {"geometry": self.geometry, "groups": self.groups}
        ggy = Conv2d.apply(ggx, w, **how) if self.needs[0] else None
        gw = Conv2dGradWeight.apply(gy, ggx, shape=w.shape, **how) if self.needs[1] else None
        return ggy, gw


class Conv2dGradWeight(Op):
    name = "conv2d_grad_weight"
    geometry: Geometry
    groups: int
    shape: Shape

    def forward(self, gy: Tensor, x: Tensor) -> Tensor:
        gw = empty(self.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.conv2d_grad_weight(gy.data, x.data, gw.data, *self.geometry, self.groups)
        self.save(gy, x)
        return gw

    def backward(self, ggw: Tensor) -> tuple[Tensor | None, ...]:
        gy, x = self.saved
        how = {"geometry": self.geometry, "groups": self.groups}
        ggy = Conv2d.apply(x, ggw, **how) if self.needs[0] else None
        gx = Conv2dGradInput.apply(gy, ggw, shape=x.shape, **how) if self.needs[1] else None
        return ggy, gx


def _same(x: Tensor, kernel: Shape, stride: Pair, dilation: Pair) -> tuple[Tensor, Pair]:
    """x and the padding that keep the size of an image; what is uneven goes right and below.

    Raises:
        ValueError: the stride is not 1.
    """
    if stride != (1, 1):
        raise ValueError(f"conv2d: padding 'same' needs stride 1, got {stride}")
    below, right = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    if below % 2 or right % 2:
        x = pad(x, (0, right % 2, 0, below % 2))
    return x, (below // 2, right // 2)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """2-D convolution (cross-correlation, as everywhere in deep learning).

    Args:
        x: (N, C, H, W).
        weight: (O, C / groups, KH, KW).
        bias: (O,), or None.
        stride: int or (height, width).
        padding: int or (height, width) of zeros on each side, "valid" or "same".
        dilation: int or (height, width): distance between the taps of the window.
        groups: C and O are cut into this many groups that do not see each other.

    Returns:
        (N, O, OH, OW), OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    Raises:
        ValueError: the shapes do not fit.

    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998); the
    implicit GEMM: Chetlur et al., "cuDNN: efficient primitives for deep learning" (2014).
    """
    both = f"(x={x.shape}, w={weight.shape})"
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(f"conv2d: x is (N, C, H, W) and weight (O, C/groups, KH, KW), got {both}")
    if groups < 1 or x.shape[1] % groups or weight.shape[0] % groups:
        raise ValueError(f"conv2d: groups={groups} does not divide C and O {both}")
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"conv2d: weight has C={weight.shape[1] * groups}, input has C={x.shape[1]} {both}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"conv2d: bias {bias.shape} does not fit weight {weight.shape}")
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f"conv2d: padding {padding!r}: choose 'valid', 'same' or numbers")
        steps = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
        x, padding = (x, 0) if padding == "valid" else _same(x, weight.shape[2:], *steps)
    geometry = Geometry.of("conv2d", stride, padding, dilation)
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return Conv2d.apply(*inputs, geometry=geometry, groups=groups)


# ---- the explicit form


class Unfold(Op):
    kernel: Pair
    geometry: Geometry

    def forward(self, x: Tensor) -> Tensor:
        self.size = x.shape[2:]
        oh, ow = self.geometry.out("unfold", x.shape[2:], self.kernel)
        taps = self.kernel[0] * self.kernel[1]
        col = empty(x.shape[0], x.shape[1] * taps, oh * ow, dtype=x.dtype, device=x.device)
        x.device.kernels.im2col(x.data, col.data, self.kernel, *self.geometry)
        return col

    def backward(self, gy: Tensor) -> Tensor:
        return Fold.apply(gy, size=self.size, kernel=self.kernel, geometry=self.geometry)


class Fold(Op):
    size: Pair
    kernel: Pair
    geometry: Geometry

    def forward(self, col: Tensor) -> Tensor:
        channels = col.shape[1] // (self.kernel[0] * self.kernel[1])
        x = empty(col.shape[0], channels, *self.size, dtype=col.dtype, device=col.device)
        col.device.kernels.col2im(col.data, x.data, self.kernel, *self.geometry)
        return x

    def backward(self, gy: Tensor) -> Tensor:
        return Unfold.apply(gy, kernel=self.kernel, geometry=self.geometry)


def unfold(
    x: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """im2col: every window of an image as a column.

    Args:
        x: (N, C, H, W).
        kernel_size: int or (KH, KW).
        dilation: int or pair, as for conv2d.
        padding: int or pair.
        stride: int or pair.

    Returns:
        (N, C * KH * KW, OH * OW).
    """
    if x.ndim != 4:
        raise ValueError(f"unfold: x is (N, C, H, W), got {x.shape}")
    kernel = pair("unfold", "kernel_size", kernel_size, 1)
    geometry = Geometry.of("unfold", stride, padding, dilation)
    return Unfold.apply(x, kernel=kernel, geometry=geometry)


def fold(
    x: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """col2im: columns summed into an image; the adjoint of `unfold`, not its inverse.

    Args:
        x: (N, C * KH * KW, OH * OW).
        output_size: int or (H, W).
        kernel_size: int or (KH, KW).
        dilation: int or pair.
        padding: int or pair.
        stride: int or pair.

    Returns:
        (N, C, H, W).
    """
    size = pair("fold", "output_size", output_size, 1)
    kernel = pair("fold", "kernel_size", kernel_size, 1)
    geometry = Geometry.of("fold", stride, padding, dilation)
    oh, ow = geometry.out("fold", size, kernel)
    if x.ndim != 3 or x.shape[1] % (kernel[0] * kernel[1]) or x.shape[2] != oh * ow:
        raise ValueError(
            f"fold: x is (N, C*KH*KW, OH*OW) with KH*KW={kernel[0] * kernel[1]} and "
            f"OH*OW={oh * ow}, got {x.shape}"
        )
    return Fold.apply(x, size=size, kernel=kernel, geometry=geometry)
