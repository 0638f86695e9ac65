"""Convolution and transposed convolution of signals and images; Unfold and Fold, their steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from ..device import Device
from ..dtypes import DType, float32
from ..ops.conv import pair
from ..ops.create import empty
from ..tensor import Tensor
from . import functional as F
from .layers import reset
from .module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Fold", "Unfold"]

Lengths = int | tuple[int, ...]


class _Convolution(Module):
    """What the four have in common: numbers, weights, repr. `dims` is 1 or 2."""

    dims: ClassVar[int]
    transposed: ClassVar[bool] = False

    def _set(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths,
        padding: Lengths | str,
        output_padding: Lengths,
        dilation: Lengths,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: str | Device,
        dtype: DType,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{self._name()}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._lengths("kernel_size", kernel_size, 1)
        self.stride = self._lengths("stride", stride, 1)
        self.padding: str | tuple[int, ...] = (
            padding if isinstance(padding, str) else self._lengths("padding", padding, 0)
        )
        self.output_padding = self._lengths("output_padding", output_padding, 0)
        self.dilation = self._lengths("dilation", dilation, 1)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check_padding()
        ends = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (ends[0], ends[1] // groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(empty((out_channels,), dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def _name(self) -> str:
        return type(self).__name__

    def _lengths(self, what: str, value: Any, least: int) -> tuple[int, ...]:
        return pair(self._name(), what, value, least, self.dims)[2 - self.dims :]

    def _check_padding(self) -> None:
        modes = ["zeros"] if self.transposed else ["zeros", "reflect", "replicate", "circular"]
        if self.padding_mode not in modes:
            raise ValueError(
                f"{self._name()}: padding_mode must be one of {', '.join(modes)}, "
                f"got {self.padding_mode!r}"
            )
        if not isinstance(self.padding, str):
            return
        if self.transposed or self.padding not in ("same", "valid"):
            names = "" if self.transposed else '"same" or "valid" or '
            raise ValueError(
                f"{self._name()}: padding must be {names}numbers, got {self.padding!r}"
            )
        if self.padding == "same" and max(self.stride) > 1:
            raise ValueError(f'{self._name()}: padding="same" needs stride 1, got {self.stride}')

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        reset(self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        none = (0,) * self.dims
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != none:
            text += f", padding={self.padding}"
        if max(self.dilation) > 1:
            text += f", dilation={self.dilation}"
        if self.output_padding != none:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths | str = 0,
        dilation: Lengths = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self._set(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _border(self) -> list[int]:
        """What `pad` takes: before and after each dimension, the last one first."""
        around = [(0, 0)] * self.dims
        if self.padding == "same":
            spans = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            around = [(n // 2, n - n // 2) for n in spans]
        elif not isinstance(self.padding, str):
            around = [(n, n) for n in self.padding]
        return [n for both in reversed(around) for n in both]

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) or (C, ...) to (N, O, ...) or (O, ...)."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            x, padding = F.pad(x, self._border(), mode=self.padding_mode), 0
        convolve = F.conv1d if self.dims == 1 else F.conv2d
        return convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """Cross-correlation of signals (N, C, L) with O kernels, to (N, O, OL), also without N.

    OL = floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1. Weights and bias are drawn from
    U(-r, r), r = 1 / sqrt(C / groups * K).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: K.
        stride: Step from window to window.
        padding: So much on each side; "valid" for none, "same" for OL = L (stride 1).
        dilation: Distance between the elements of a window.
        groups: Channels are split into so many groups that do not mix.
        bias: Whether to add a number to each output channel.
        padding_mode: What the border is: "zeros", "reflect", "replicate" or "circular".
        device: Where the weights are.
        dtype: Of the weights.

    Raises:
        ValueError: channels that groups does not divide, "same" with a stride, another
            padding_mode, or sizes out of range.
    """

    dims = 1


class Conv2d(_Conv):
    """Cross-correlation of images (N, C, H, W) with O kernels, to (N, O, OH, OW), also without N.

    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and OW likewise. Weights and
    bias are drawn from U(-r, r), r = 1 / sqrt(C / groups * KH * KW).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: (KH, KW), or one number for both, as in the following.
        stride: Step from window to window.
        padding: So much on each side; "valid" for none, "same" for OH, OW = H, W (stride 1).
        dilation: Distance between the elements of a window.
        groups: Channels are split into so many groups that do not mix.
        bias: Whether to add a number to each output channel.
        padding_mode: What the border is: "zeros", "reflect", "replicate" or "circular".
        device: Where the weights are.
        dtype: Of the weights.

    Raises:
        ValueError: channels that groups does not divide, "same" with a stride, another
            padding_mode, or sizes out of range.
    """

    dims = 2


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths = 0,
        output_padding: Lengths = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Lengths = 1,
        padding_mode: str = "zeros",
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self._set(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, x: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """What leads to `output_size`.

        Raises:
            ValueError: nothing does.
        """
        size, given = tuple(output_size), x.shape[-self.dims :]
        if len(size) not in (self.dims, x.ndim):
            raise ValueError(
                f"{self._name()}: output_size has {self.dims} or {x.ndim} numbers, got {size}"
            )
        size = size[-self.dims :]
        padding = cast(tuple[int, ...], self.padding)
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                given, self.stride, padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        extra = tuple(n - m for n, m in zip(size, least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
            raise ValueError(
                f"{self._name()}: output_size {size} is not within {least} and {most}, which an "
                f"input of {given} allows"
            )
        return extra

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """x (N, C, ...) or (C, ...) to (N, O, ...) or (O, ...).

        `output_size`, with or without the leading dimensions, chooses among the sizes that a stride
        leaves open, instead of output_padding.
        """
        extra = self.output_padding if output_size is None else self._output_padding(x, output_size)
        convolve = F.conv_transpose1d if self.dims == 1 else F.conv_transpose2d
        return convolve(
            x, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of signals (N, C, L) to (N, O, OL), also without N.

    OL = (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1: the adjoint of the
    Conv1d from O to C channels. Weights (C, O / groups, K) and bias are drawn from U(-r, r),
    r = 1 / sqrt(O / groups * K).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: K.
        stride: Step in the output from one element of the input to the next.
        padding: So much is cut off each side of the output.
        output_padding: So much more of the output at its end; smaller than stride or dilation.
        groups: Channels are split into so many groups that do not mix.
        bias: Whether to add a number to each output channel.
        dilation: Distance between the elements of a window.
        padding_mode: "zeros" is all there is.
        device: Where the weights are.
        dtype: Of the weights.

    Raises:
        ValueError: channels that groups does not divide, another padding_mode, or sizes out of
            range.
    """

    dims = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images (N, C, H, W) to (N, O, OH, OW), also without N.

    OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, and OW likewise: the
    adjoint of the Conv2d from O to C channels. Weights (C, O / groups, KH, KW) and bias are drawn
    from U(-r, r), r = 1 / sqrt(O / groups * KH * KW).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: (KH, KW), or one number for both, as in the following.
        stride: Step in the output from one pixel of the input to the next.
        padding: So much is cut off each side of the output.
        output_padding: So much more of the output below and right; smaller than stride or
            dilation.
        groups: Channels are split into so many groups that do not mix.
        bias: Whether to add a number to each output channel.
        dilation: Distance between the elements of a window.
        padding_mode: "zeros" is all there is.
        device: Where the weights are.
        dtype: Of the weights.

    Raises:
        ValueError: channels that groups does not divide, another padding_mode, or sizes out of
            range.
    """

    dims = 2


class Unfold(Module):
    """im2col: images (N, C, H, W) to their windows (N, C KH KW, OH OW), also without N.

    Args:
        kernel_size: (KH, KW), or one number for both, as in the following.
        dilation: Distance between the elements of a window.
        padding: Zeros on each side.
        stride: Step from window to window.
    """

    def __init__(
        self, kernel_size: Lengths, dilation: Lengths = 1, padding: Lengths = 0, stride: Lengths = 1
    ) -> None:
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to (N, C KH KW, OH OW)."""
        return F.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The window."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """col2im: windows (N, C KH KW, OH OW) summed into images (N, C, H, W), also without N.

    Args:
        output_size: (H, W), or one number for both, as in the following.
        kernel_size: (KH, KW).
        dilation: Distance between the elements of a window.
        padding: Zeros on each side of the image.
        stride: Step from window to window.
    """

    def __init__(
        self,
        output_size: Lengths,
        kernel_size: Lengths,
        dilation: Lengths = 1,
        padding: Lengths = 0,
        stride: Lengths = 1,
    ) -> None:
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C KH KW, OH OW) to (N, C, H, W)."""
        return F.fold(
            x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        """The image and the window."""
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
