"""Recorder: stands in front of the kernels of a device and notes the time and work of each call."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The first prefix that fits decides; what fits none is elementwise.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "gemm": ("gemm",),
    "conv": ("conv2d", "im2col", "col2im"),
    "recurrent": ("rnn", "lstm", "gru"),
    "pool": ("max_pool", "avg_pool", "adaptive_", "max_unpool"),
    "norm": ("batch_norm", "layer_norm"),
    "loss": ("softmax", "cross_entropy"),
    "optim": (
        "sgd",
        "ada",
        "rmsprop",
        "nadam",
        "radam",
        "rprop",
        "lion",
        "unscale",
        "update_scale",
    ),
    "random": ("rand", "dropout"),
    "reduce": ("reduce_", "argmax", "argmin", "cumsum", "cumprod", "recurrence"),
    "movement": (
        *("copy", "cast", "fill", "arange", "take", "gather", "put", "scatter", "where"),
        "check_range",
        *("empty", "edge_pad", "resize", "argsort", "from_numpy", "replay_"),
    ),
    "elementwise": ("",),
}

# Where among the arguments the recurrent weight is, which each step is multiplied by.
RECURRENT_WEIGHT = {"rnn": 2, "gru": 2, "lstm": 3}
RECURRENT_WEIGHT |= {"rnn_backward": 2, "gru_backward": 4, "lstm_backward": 4}


def category(kernel: str) -> str:
    """What a kernel is counted as."""
    return next(c for c, prefixes in CATEGORIES.items() if kernel.startswith(prefixes))


def flops(kernel: str, args: tuple[Any, ...]) -> float:
    """Multiplications and additions of a product or a convolution, 0 for all else."""
    if kernel == "gemm":
        a, _, c, trans_a = args[:4]
        times, size = int(a.shape[-2 if trans_a else -1]), c.shape
    elif kernel == "conv2d":
        times, size = math.prod(args[1].shape[1:]), args[3].shape
    elif kernel in ("conv2d_grad_input", "conv2d_grad_weight"):
        weight = args[1 if kernel == "conv2d_grad_input" else 2]
        times, size = math.prod(weight.shape[1:]), args[0].shape
    elif kernel in RECURRENT_WEIGHT:  # args[0] is (..., T, N, H)
        times, size = math.prod(args[RECURRENT_WEIGHT[kernel]].shape), args[0].shape[-3:-1]
    else:
        return 0.0
    return float(2 * times * math.prod(size))


class Recorder:
    """The kernels of a device, with what they took."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels
        self.seconds: dict[str, float] = defaultdict(float)  # by category
        self.flops = 0.0

    def __getattr__(self, name: str) -> Any:
        kernel, what = getattr(self._kernels, name), category(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = kernel(*args, **kwargs)
            self.seconds[what] += time.perf_counter() - began
            self.flops += flops(name, args)
            return result

        self.__dict__[name] = call  # found at once the next time
        return call


@contextmanager
def recording(device: Any) -> Iterator[Recorder]:
    """Within the block, the kernels of a device are noted, and products go the long way to them."""
    before, matmul = device.kernels, device.matmul
    device.kernels = recorder = Recorder(before)
    device.matmul = None
    try:
        yield recorder
    finally:
        device.kernels, device.matmul = before, matmul
