"""Random changes to batches of images, seeded per sample.

What happens to a sample depends on (seed, epoch, index of the sample) alone: not on the batch
it is in, on the order, or on threads. So every draw is one block of Philox, a counter-based
generator, computed for all samples of the batch at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Range = tuple[float, float]

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox4x32(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Computes Philox4x32-10, ten rounds of multiplication, of many counters at once.

    Args:
        counter: (N, 4) words of 32 bits, held in uint64.
        key: Two words of 32 bits.

    Returns:
        (N, 4) random words of 32 bits, held in uint64.

    Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    c0, c1, c2, c3 = counter.T
    k0, k1 = key
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0  # 32 x 32 bits: fits in 64
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0), p1 & _LOW
        c2, c3 = (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


@dataclass(frozen=True)
class SampleRng:
    """Random numbers for the samples of one batch, a function of what is written here.

    Args:
        seed: 0 <= seed < 2**64.
        epoch: 0 <= epoch < 2**32.
        indices: (N,) which samples of the dataset the batch holds.
        stream: Tells apart the transforms that act on one sample.
    """

    seed: int
    epoch: int
    indices: NDArray[np.int64]
    stream: int = 0

    def uniform(self, count: int) -> NDArray[np.float64]:
        """Returns (N, count) numbers in [0, 1), count <= 4, the same ones at each call."""
        if not 1 <= count <= 4:
            raise ValueError(f"uniform: count must be 1 to 4, got {count}")
        index = np.asarray(self.indices).astype(np.uint64)
        counter = np.empty((len(index), 4), np.uint64)
        counter[:, 0], counter[:, 1] = index & _LOW, index >> _SHIFT
        counter[:, 2], counter[:, 3] = self.epoch, self.stream
        words = philox4x32(counter, (self.seed & 0xFFFFFFFF, self.seed >> 32))
        return words[:, :count].astype(np.float64) * 2.0**-32

    def substream(self, number: int) -> SampleRng:
        """Returns the numbers for part `number` of a transform made of several."""
        return replace(self, stream=(self.stream * 257 + number + 1) & 0xFFFFFFFF)


class Transform(Protocol):
    """Anything that `DataLoader` can apply to a batch: ``x, rng -> x``.

    A transform of one's own draws only from `rng`, and returns a new array.
    """

    def __call__(self, x: Array, rng: SampleRng, /) -> Array:
        """Changes a batch (N, C, H, W)."""


class Compose:
    """Applies transforms one after the other, each with random numbers of its own."""

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, x: Array, rng: SampleRng) -> Array:
        """Changes a batch (N, C, H, W)."""
        for i, transform in enumerate(self.transforms):
            x = transform(x, rng.substream(i))
        return x


class RandomCrop:
    """Cuts a window out of each image, at a random place.

    Args:
        size: Height and width of the window, or one number for both.
        padding: Pixels added on each side before.
        fill: Value of the added pixels.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: float = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        if min(self.size) < 1 or padding < 0:
            raise ValueError(f"RandomCrop: size={size}, padding={padding} must be positive")
        self.padding = padding
        self.fill = fill

    def __call__(self, x: Array, rng: SampleRng) -> Array:
        """Cuts (N, C, H, W) to (N, C, *size), same dtype."""
        _check_images("RandomCrop", x)
        p = self.padding
        if p:
            x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=self.fill)
        room = np.array(x.shape[2:]) - self.size
        if min(room) < 0:
            raise ValueError(f"RandomCrop: {self.size} does not fit into {x.shape[2:]}")
        top, left = np.floor(rng.uniform(2) * (room + 1)).astype(np.int64).T
        windows = np.lib.stride_tricks.sliding_window_view(x, self.size, axis=(2, 3))
        crops: Array = np.ascontiguousarray(windows[np.arange(len(x)), :, top, left])
        return crops


class RandomHorizontalFlip:
    """Mirrors each image, left to right, with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be in [0, 1], got {p}")
        self.p = p

    def __call__(self, x: Array, rng: SampleRng) -> Array:
        """Mirrors some of (N, C, H, W), same shape and dtype."""
        _check_images("RandomHorizontalFlip", x)
        flip = rng.uniform(1)[:, 0] < self.p
        out: Array = x.copy()
        out[flip] = x[flip, :, :, ::-1]
        return out


class RandomAffine:
    """Turns, scales and shifts each image about its centre, with bilinear sampling.

    Args:
        degrees: Turns by up to this much, counter-clockwise where positive, or (low, high).
        scale: (low, high) factors; above 1 the content grows.
        translate: (y, x) shifts by up to these fractions of height and width.
        fill: Value of what comes from outside the image.
    """

    def __init__(
        self,
        degrees: float | Range = 0.0,
        scale: Range = (1.0, 1.0),
        translate: Range = (0.0, 0.0),
        fill: float = 0.0,
    ) -> None:
        self.degrees = degrees if isinstance(degrees, tuple) else (-degrees, degrees)
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"RandomAffine: scale must be 0 < low <= high, got {scale}")
        self.scale = scale
        self.translate = translate
        self.fill = fill

    def __call__(self, x: Array, rng: SampleRng) -> Array:
        """Changes (N, C, H, W), same shape and dtype."""
        _check_images("RandomAffine", x)
        u = rng.uniform(4)
        angle = np.radians(_between(self.degrees, u[:, 0]))
        factor = np.exp(_between((math.log(self.scale[0]), math.log(self.scale[1])), u[:, 1]))
        limit = np.array(self.translate) * x.shape[2:]
        shift = (2 * u[:, 2:] - 1) * limit
        return _sample(x, *_source_points(x.shape[2:], angle, factor, shift), self.fill)


class RandomRotation(RandomAffine):
    """Turns each image about its centre by up to `degrees` either way, or by (low, high)."""

    def __init__(self, degrees: float | Range, fill: float = 0.0) -> None:
        super().__init__(degrees=degrees, fill=fill)


class RandomScale(RandomAffine):
    """Scales each image about its centre by a factor in (low, high), the size staying."""

    def __init__(self, scale: Range, fill: float = 0.0) -> None:
        super().__init__(scale=scale, fill=fill)


class Normalize:
    """Brings each channel to zero mean and unit variance: (x - mean) / std.

    Args:
        mean: One number, or one for each channel, on the scale 0 to 1.
        std: Likewise.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.atleast_1d(np.asarray(mean, np.float64))
        self.std = np.atleast_1d(np.asarray(std, np.float64))
        if not np.all(self.std > 0):
            raise ValueError(f"Normalize: std must be positive, got {std}")

    def __call__(self, x: Array, rng: SampleRng | None = None) -> Array:
        """Maps (N, C, H, W) to float32 (float64 stays); uint8 is divided by 255 first."""
        _check_images("Normalize", x)
        dtype = np.float64 if x.dtype == np.float64 else np.float32
        unit = 255.0 if x.dtype == np.uint8 else 1.0
        gain = (1 / (unit * self.std)).astype(dtype)[:, None, None]
        offset = (-self.mean / self.std).astype(dtype)[:, None, None]
        y: Array = x.astype(dtype)
        y *= gain
        y += offset
        return y


def _check_images(name: str, x: Array) -> None:
    if x.ndim != 4 or not (x.dtype == np.uint8 or np.issubdtype(x.dtype, np.floating)):
        raise ValueError(
            f"{name}: expected uint8 or float images (N, C, H, W), got {x.dtype} {x.shape}"
        )


def _between(bounds: Range, u: NDArray[np.float64]) -> NDArray[np.float64]:
    return bounds[0] + (bounds[1] - bounds[0]) * u


def _source_points(
    shape: tuple[int, ...],
    angle: NDArray[np.float64],
    factor: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each output pixel comes from: the affine map, inverted.

    Returns:
        y and x of the source, (N, H, W) each, in pixels.
    """
    H, W = shape
    cy, cx = (H - 1) / 2, (W - 1) / 2
    dy = (np.arange(H) - cy)[:, None] - shift[:, 0, None, None]  # (N, H, 1)
    dx = (np.arange(W) - cx) - shift[:, 1, None, None]  # (N, 1, W)
    cos = (np.cos(angle) / factor)[:, None, None]
    sin = (np.sin(angle) / factor)[:, None, None]
    y = cos * dy + sin * dx + cy
    x = cos * dx - sin * dy + cx
    return y.astype(np.float32), x.astype(np.float32)


def _sample(x: Array, y: NDArray[np.float32], x_: NDArray[np.float32], fill: float) -> Array:
    """Bilinear samples of (N, C, H, W) at the points (y, x_), `fill` outside."""
    N, C, H, W = x.shape
    acc = np.float64 if x.dtype == np.float64 else np.float32
    flat = x.reshape(N, C, H * W)
    y0, x0 = np.floor(y), np.floor(x_)
    out = np.zeros((N, C, H * W), acc)
    inside = np.zeros((N, 1, H * W), acc)
    for iy, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
        for ix, wx in ((x0, 1 - (x_ - x0)), (x0 + 1, x_ - x0)):
            valid = (iy >= 0) & (iy < H) & (ix >= 0) & (ix < W)
            weight = (wy * wx * valid).reshape(N, 1, H * W)
            row, column = (np.clip(iy, 0, H - 1), np.clip(ix, 0, W - 1))
            at = row.astype(np.int64) * W + column.astype(np.int64)
            out += weight * np.take_along_axis(flat, at.reshape(N, 1, H * W), axis=2)
            inside += weight
    out += (1 - inside) * acc(fill)
    if x.dtype == np.uint8:
        out = np.clip(np.rint(out), 0, 255)
    return out.reshape(N, C, H, W).astype(x.dtype)
