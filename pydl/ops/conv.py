"""Convolution of signals (N, C, L) and images (N, C, H, W), and what all moving windows share.

The native kernels are implicit GEMMs: im2col happens while packing, never in memory. Input
gradient and weight gradient are ops too, each differentiable again by the other two: a convolution
is linear in x and in w. In one dimension it is that of images of height 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

from ..device import Shape
from ..op import Op
from ..recording import thread
from ..tensor import Tensor
from .create import empty
from .pad import pad
from .precision import lowered
from .reduce import sum
from .shape import reshape

__all__ = [
    "conv1d",
    "conv2d",
]

Pair = tuple[int, int]


def pair(name: str, what: str, value: Any, least: int, dims: int = 2) -> Pair:
    """An int or one per dimension as (height, width); with `dims` = 1 the height is `least`.

    Raises:
        ValueError: it is neither, or below `least`.
    """
    given = tuple(value) if isinstance(value, Sequence) else (value,)
    given = given * dims if len(given) == 1 else given
    if len(given) != dims or not all(isinstance(v, Integral) and int(v) >= least for v in given):
        kind = "an int or a pair" if dims == 2 else "an int"
        raise ValueError(f"{name}: {what} is {kind} of at least {least}, got {value!r}")
    return least if dims == 1 else int(given[0]), int(given[-1])


class Geometry(NamedTuple):
    """How a window moves over an image."""

    stride: Pair
    padding: Pair
    dilation: Pair

    @classmethod
    def of(cls, name: str, stride: Any, padding: Any, dilation: Any, dims: int = 2) -> Geometry:
        """From the arguments of `name`, checked."""
        return cls(
            pair(name, "stride", stride, 1, dims),
            pair(name, "padding", padding, 0, dims),
            pair(name, "dilation", dilation, 1, dims),
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
            if room < 0 and (not ceil_mode or room <= -self.stride[i]):
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
    """`size` is (OH, OW)."""

    geometry: Geometry
    groups: int
    size: Shape

    def forward(self, x: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
        y = empty((x.shape[0], w.shape[0], *self.size), dtype=x.dtype, device=x.device)
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
    """With a bias of each channel of gx: the transposed convolution."""

    name = "conv2d_grad_input"
    geometry: Geometry
    groups: int
    shape: Shape

    def forward(self, gy: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
        gx = empty(self.shape, dtype=gy.dtype, device=gy.device)
        b = bias[0].data if bias else None
        gy.device.kernels.conv2d_grad_input(
            gy.data, w.data, gx.data, *self.geometry, self.groups, b
        )
        self.save(gy, w)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor | None, ...]:
        gy, w = self.saved
        how = {"geometry": self.geometry, "groups": self.groups}
        ggy = Conv2d.apply(ggx, w, size=gy.shape[2:], **how) if self.needs[0] else None
        gw = Conv2dGradWeight.apply(gy, ggx, shape=w.shape, **how) if self.needs[1] else None
        if len(self.needs) == 2:
            return ggy, gw
        return ggy, gw, sum(ggx, (0, 2, 3)) if self.needs[2] else None


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
        ggy = Conv2d.apply(x, ggw, size=gy.shape[2:], **how) if self.needs[0] else None
        gx = Conv2dGradInput.apply(gy, ggw, shape=x.shape, **how) if self.needs[1] else None
        return ggy, gx


# ---- what conv and conv_transpose share; dims is 1 (signals) or 2 (images)


def float_only(name: str, *tensors: Tensor) -> None:
    """Raise TypeError unless all tensors are of one floating type."""
    for t in tensors:
        if not t.dtype.is_floating:
            raise TypeError(f"{name}: expected floating tensors (float32), got {t.dtype.name}")
        if t.dtype is not tensors[0].dtype:
            raise TypeError(f"{name}: got {tensors[0].dtype.name} and {t.dtype.name}")


def check_layout(name: str, dims: int, x: Tensor, weight: Tensor, layout: str) -> str:
    """The shapes, for messages.

    Raises:
        TypeError: element types.
        ValueError: numbers of dimensions, or a window without elements.
    """
    both = f"(x={x.shape}, w={weight.shape})"
    if x.ndim not in (dims + 1, dims + 2) or weight.ndim != dims + 2:
        taps, size = ("K", "L") if dims == 1 else ("KH, KW", "H, W")
        raise ValueError(
            f"{name}: x is (N, C, {size}) or (C, {size}) and weight ({layout}, {taps}), got {both}"
        )
    if min(weight.shape[2:]) < 1:
        raise ValueError(f"{name}: the window of the weight is empty {both}")
    float_only(name, x, weight)
    return both


def images(x: Tensor, dims: int) -> Tensor:
    """x, a weight too, as (N, C, H, W): what is missing has length 1."""
    shape = x.shape if x.ndim == dims + 2 else (1, *x.shape)
    shape = (*shape[:2], 1, *shape[2:]) if dims == 1 else shape
    return x if shape == x.shape else reshape(x, shape)


def like_input(y: Tensor, x: Tensor, dims: int) -> Tensor:
    """y (N, O, OH, OW) without what `images` added to x."""
    shape = (*y.shape[:2], *y.shape[4 - dims :])[dims + 2 - x.ndim :]
    return y if shape == y.shape else reshape(y, shape)


def _same(
    name: str, dims: int, x: Tensor, kernel: Shape, stride: Any, dilation: Any
) -> tuple[Tensor, Shape]:
    """x and the padding that keep the size of an image; what is uneven goes right and below.

    Raises:
        ValueError: the stride is not 1.
    """
    if pair(name, "stride", stride, 1, dims) != (1, 1):
        raise ValueError(f"{name}: padding 'same' needs stride 1, got {stride}")
    steps = pair(name, "dilation", dilation, 1, dims)[2 - dims :]
    around = tuple(d * (k - 1) for k, d in zip(kernel, steps, strict=True))
    if any(n % 2 for n in around):
        x = pad(x, [m for n in reversed(around) for m in (0, n % 2)])
    return x, tuple(n // 2 for n in around)


def _convolution(
    name: str,
    dims: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    both = check_layout(name, dims, x, weight, "O, C/groups")
    c = x.shape[-dims - 1]
    if groups < 1 or c % groups or weight.shape[0] % groups:
        raise ValueError(f"{name}: groups={groups} does not divide C and O {both}")
    if c != weight.shape[1] * groups:
        raise ValueError(f"{name}: weight has C={weight.shape[1] * groups}, input has C={c} {both}")
    inputs = [images(x, dims), images(weight, dims)]
    if bias is not None:
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"{name}: bias {bias.shape} does not fit weight {weight.shape}")
        float_only(name, x, bias)
        inputs.append(bias)
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f"{name}: padding {padding!r}: choose 'valid', 'same' or numbers")
        padded, padding = (
            (x, 0) if padding == "valid"
            else _same(name, dims, x, weight.shape[2:], stride, dilation)
        )  # fmt: skip
        inputs[0] = images(padded, dims)
    geometry = Geometry.of(name, stride, padding, dilation, dims)
    size = geometry.out(name, inputs[0].shape[2:], inputs[1].shape[2:])
    return like_input(Conv2d.apply(*inputs, geometry=geometry, groups=groups, size=size), x, dims)


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """1-D convolution (cross-correlation, as everywhere in deep learning).

    Args:
        x: (N, C, L) or (C, L).
        weight: (O, C / groups, K).
        bias: (O,), or None.
        stride: the step from window to window.
        padding: so many zeros on each side, "valid" for none, "same" for OL = L (stride 1).
        dilation: the distance between the taps of the window.
        groups: C and O are cut into this many groups that do not see each other.

    Returns:
        (N, O, OL) or (O, OL), OL = (L + 2 padding - dilation (K - 1) - 1) // stride + 1.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the tensors are not floating, or of different types.

    Derivative: twice.
    Source: Waibel et al., "Phoneme recognition using time-delay neural networks" (1989).
    """
    if thread.autocast is not None:
        x, weight, bias = lowered(x, weight, bias)
    return _convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


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
        x: (N, C, H, W) or (C, H, W).
        weight: (O, C / groups, KH, KW).
        bias: (O,), or None.
        stride: int or (height, width).
        padding: int or (height, width) of zeros on each side, "valid" for none, "same" for
            OH, OW = H, W (stride 1).
        dilation: int or (height, width): distance between the taps of the window.
        groups: C and O are cut into this many groups that do not see each other.

    Returns:
        (N, O, OH, OW) or (O, OH, OW), OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the tensors are not floating, or of different types.

    Derivative: twice.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998); the
    implicit GEMM: Chetlur et al., "cuDNN: efficient primitives for deep learning" (2014).
    """
    if thread.autocast is not None:
        x, weight, bias = lowered(x, weight, bias)
    return _convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)
