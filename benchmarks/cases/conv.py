"""Convolutions of the demos and of ResNet: forward, input gradient and weight gradient apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..case import Case, Run, normal, outputs, random_of
from ..libraries import Library

DIRECTIONS = ("forward", "input-gradient", "weight-gradient")


@dataclass(frozen=True)
class Layer:
    """A layer with square images and windows. Of a transposed one, `size` is that of its input."""

    name: str
    N: int
    C: int
    O: int  # noqa: E741 - the letter of output channels everywhere
    size: int
    K: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    transposed: bool = False

    @property
    def out(self) -> int:
        """Height and width of the output."""
        if self.transposed:
            return (self.size - 1) * self.stride - 2 * self.padding + self.K
        return (self.size + 2 * self.padding - self.K) // self.stride + 1

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """Shape of the weight."""
        if self.transposed:
            return (self.C, self.O, self.K, self.K)
        return (self.O, self.C // self.groups, self.K, self.K)

    @property
    def flops(self) -> float:
        """Of each direction: every window times the weight."""
        windows = self.N * (self.size if self.transposed else self.out) ** 2
        return 2.0 * windows * self.C * self.O // self.groups * self.K**2


LAYERS = (
    Layer("mnist1", 128, 1, 32, 28, 3),
    Layer("mnist2", 128, 32, 64, 26, 3),
    Layer("lenet1", 64, 1, 6, 28, 5, padding=2),
    Layer("lenet2", 64, 6, 16, 14, 5),
    Layer("dcgan-d1", 64, 3, 64, 64, 4, 2, 1),
    Layer("dcgan-d2", 64, 64, 128, 32, 4, 2, 1),
    Layer("dcgan-d3", 64, 128, 256, 16, 4, 2, 1),
    Layer("dcgan-d4", 64, 256, 512, 8, 4, 2, 1),
    Layer("dcgan-g1", 64, 100, 512, 1, 4, transposed=True),
    Layer("dcgan-g2", 64, 512, 256, 4, 4, 2, 1, transposed=True),
    Layer("dcgan-g3", 64, 256, 128, 8, 4, 2, 1, transposed=True),
    Layer("dcgan-g4", 64, 128, 64, 16, 4, 2, 1, transposed=True),
    Layer("dcgan-g5", 64, 64, 3, 32, 4, 2, 1, transposed=True),
    Layer("nature1", 32, 4, 32, 84, 8, 4),
    Layer("nature2", 32, 32, 64, 20, 4, 2),
    Layer("nature3", 32, 64, 64, 9, 3),
    Layer("resnet-3x3", 16, 64, 64, 56, 3, padding=1),
    Layer("resnet-1x1", 16, 256, 64, 56, 1),
    Layer("depthwise-3x3", 16, 128, 128, 56, 3, padding=1, groups=128),
)


def forward(library: Library, layer: Layer, x: Any, w: Any, b: Any) -> Callable[[], Any]:
    """The layer as a user calls it."""
    if layer.transposed:
        function = library.F.conv_transpose2d
        return partial(function, x, w, b, layer.stride, layer.padding)
    return partial(library.F.conv2d, x, w, b, layer.stride, layer.padding, 1, layer.groups)


def pydl_gradient(layer: Layer, direction: str, x: Any, w: Any, gy: Any) -> Callable[[], Any]:
    """The op that a walk over the tape applies.

    A transposed convolution is an input gradient itself, so in its own gradients the input and the
    gradient of the output change places.
    """
    from pydl.ops.conv import Conv2d, Conv2dGradInput, Conv2dGradWeight, Geometry

    geometry = Geometry((layer.stride,) * 2, (layer.padding,) * 2, (1, 1))
    how = {"geometry": geometry, "groups": layer.groups}
    if direction == "weight-gradient":
        inputs = (x, gy) if layer.transposed else (gy, x)
        return partial(Conv2dGradWeight.apply, *inputs, shape=w.shape, **how)
    if layer.transposed:
        return partial(Conv2d.apply, gy, w, size=x.shape[2:], **how)
    return partial(Conv2dGradInput.apply, gy, w, shape=x.shape, **how)


def torch_gradient(
    torch: Any, layer: Layer, direction: str, x: Any, w: Any, gy: Any
) -> Callable[[], Any]:
    """The function that autograd calls, asked for one gradient alone."""
    wanted = [direction == "input-gradient", direction == "weight-gradient", False]
    window = [layer.stride] * 2, [layer.padding] * 2, [1, 1]
    backward = torch.ops.aten.convolution_backward.default
    args = (gy, x, w, None, *window, layer.transposed, [0, 0], layer.groups, wanted)
    return lambda: backward(*args)[wanted.index(True)]


def build(library: Library, layer: Layer, direction: str) -> Run:
    """Data of one case."""
    rng = random_of(f"{layer.name}/{direction}")
    x = library.tensor(normal(rng, layer.N, layer.C, layer.size, layer.size))
    w = library.tensor(normal(rng, *layer.weight))
    if direction == "forward":
        call = forward(library, layer, x, w, library.tensor(normal(rng, layer.O)))
    else:
        gy = library.tensor(normal(rng, layer.N, layer.O, layer.out, layer.out))
        if library.is_pydl:
            call = pydl_gradient(layer, direction, x, w, gy)
        else:
            call = torch_gradient(library.root, layer, direction, x, w, gy)
    return Run(call, outputs(library, call))


def cases() -> Iterator[Case]:
    """All of the family."""
    sides = ("pydl", "pydl-numpy", "torch", "torch-channels-last")
    for layer in LAYERS:
        for direction in DIRECTIONS:
            how = partial(build, layer=layer, direction=direction)
            yield Case(f"conv/{layer.name}/{direction}", "conv", how, sides, flops=layer.flops)
