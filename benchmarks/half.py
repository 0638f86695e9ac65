"""Half precision beside float32 and beside torch: products, convolutions, kernels bound by memory.

Usage: python -m benchmarks.half [--family F] [--only TEXT] [--threads N] [--out DIR]. All sides of
a case run in this process in turn, again and again; what counts are medians. Speeds are in GFLOP/s
(gemm, conv) or in milliseconds (memory); "of f32" is how much faster than pydl's own float32, "of
torch" than torch in the same type. torch's float16 is left out where it takes too long.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import pydl
from pydl.ops.matmul import gemm

from .cases.conv import DIRECTIONS, LAYERS, Layer
from .cases.gemm import KINDS, SHAPES
from .libraries import installed
from .machine import commit, cpu_name

Call = Callable[[], Any]
Case = tuple[str, float, dict[str, Call]]  # name, GFLOP (0: none), calls by side
TYPES = {"f32": pydl.float32, "bf16": pydl.bfloat16, "f16": pydl.float16}
LONG = 3e8  # floating-point operations beyond which torch's float16 is left out
IMAGES = 2e7  # pixels of a batch; larger ones are cut to a quarter


def torch_or_none() -> Any:
    """The rival, where it is installed."""
    return importlib.import_module("torch") if installed("torch") else None


def drawn(rng: np.random.Generator, *shape: int) -> Any:
    """Normal numbers."""
    return rng.standard_normal(shape, np.float32)


def gemm_cases(torch: Any) -> Iterator[Case]:
    """Products of the shapes of the float32 benchmark, which of them transposed in memory."""
    for m, n, k in SHAPES:
        for kind in KINDS:
            rng, (ta, tb) = np.random.default_rng(0), (c == "t" for c in kind)
            a = drawn(rng, *((k, m) if ta else (m, k)))
            b = drawn(rng, *((n, k) if tb else (k, n)))
            calls: dict[str, Call] = {}
            for side, dtype in TYPES.items():
                x, y = (pydl.from_numpy(array).to(dtype) for array in (a, b))
                calls[side] = partial(gemm, x, y, ta, tb)
            for side in ("bf16", "f16") if torch else ():
                if side == "f16" and 2.0 * m * n * k > LONG:
                    continue
                dtype = torch.bfloat16 if side == "bf16" else torch.float16
                x, y = (torch.from_numpy(array).to(dtype) for array in (a, b))
                x, y = x.T if ta else x, y.T if tb else y
                calls[f"torch-{side}"] = partial(torch.mm, x, y)
            yield f"{m}x{n}x{k}/{kind}", 2e-9 * m * n * k, calls


def conv_cases(torch: Any) -> Iterator[Case]:
    """The layers of the float32 benchmark; of transposed ones the convolution that they turn."""
    kernels = pydl.device("cpu").kernels
    for layer in LAYERS:
        N, C, O, size = sizes(layer)  # noqa: E741
        K, s, p, g = layer.K, layer.stride, layer.padding, layer.groups
        out = (size + 2 * p - K) // s + 1
        rng = np.random.default_rng(0)
        x, w = drawn(rng, N, C, size, size), drawn(rng, O, C // g, K, K)
        y = drawn(rng, N, O, out, out)
        how = ((s, s), (p, p), (1, 1), g)
        flops = 2e-9 * N * O * out * out * (C // g) * K * K
        for direction in DIRECTIONS:
            calls: dict[str, Call] = {}
            for side, dtype in TYPES.items():
                X, W, Y = (pydl.from_numpy(t.copy()).to(dtype).data for t in (x, w, y))
                calls[side] = {
                    "forward": partial(kernels.conv2d, X, W, None, Y, *how),
                    "input-gradient": partial(kernels.conv2d_grad_input, Y, W, X, *how),
                    "weight-gradient": partial(kernels.conv2d_grad_weight, Y, X, W, *how),
                }[direction]
            if torch:
                X, W, Y = (torch.from_numpy(t).bfloat16() for t in (x, w, y))
                wanted = [direction == "input-gradient", direction == "weight-gradient", False]
                back = torch.ops.aten.convolution_backward
                calls["torch-bf16"] = (
                    partial(torch.conv2d, X, W, None, s, p, 1, g)
                    if direction == "forward"
                    else partial(back, Y, X, W, None, [s, s], [p, p], [1, 1], False, [0, 0], g,
                                 wanted)
                )  # fmt: skip
            yield f"{layer.name}/{direction}", flops, calls


def sizes(layer: Layer) -> tuple[int, int, int, int]:
    """N, C, O and the size of the images of a layer as an ordinary convolution."""
    N, C, O, size = layer.N, layer.C, layer.O, layer.size  # noqa: E741
    if layer.transposed:
        C, O, size = O, C, layer.out  # noqa: E741
    return (max(1, N // 4) if N * C * size * size > IMAGES else N), C, O, size


def memory_cases(_: Any) -> Iterator[Case]:
    """Kernels on 16 Mi elements, beyond the caches."""
    made = {side: kernels_of(dtype) for side, dtype in TYPES.items()}
    for name in made["f32"]:
        yield name, 0.0, {side: calls[name] for side, calls in made.items()}


def kernels_of(dtype: pydl.DType) -> dict[str, Call]:
    """Calls of kernels by name."""
    k, n, rows, cols = pydl.device("cpu").kernels, 1 << 24, 1 << 14, 1 << 10
    rng = np.random.default_rng(0)

    def half(*shape: int) -> Any:
        return pydl.from_numpy(drawn(rng, *shape)).to(dtype).data

    def wide(*shape: int, dtype: pydl.DType = pydl.float32) -> Any:
        return pydl.ones(*shape, dtype=dtype).data

    x, y, z, row, column = half(n), half(n), half(n), half(cols), half(rows)
    a, b, c = half(rows, cols), half(rows, cols), half(rows, cols)
    images, others, small = half(64, 64, 64, 64), half(64, 64, 64, 64), half(64, 64, 32, 32)
    back = half(64, 64, 64, 64)
    places = wide(64, 64, 32, 32, dtype=pydl.int32)
    stats = [wide(64) for _ in range(5)]
    lines = [wide(rows) for _ in range(3)]
    affine = [wide(cols) for _ in range(4)]
    ids = pydl.zeros(rows, dtype=pydl.int64).data
    order = pydl.from_numpy(rng.permutation(rows)).data
    coins = pydl.from_numpy(rng.random(n) < 0.5).data
    mask, state = wide(n // 8, dtype=pydl.uint8), pydl.zeros(2, dtype=pydl.int64).data
    window = ((2, 2), (2, 2), (0, 0))
    one = pydl.ones(()).data
    m, r, w, gw, gb = stats
    lw, lb, lgw, lgb = affine
    return {
        "copy": lambda: k.copy(x, y, (n,), 0, (1,), 0, (1,)),
        "where": lambda: k.where(coins, x, z, y),
        "add": lambda: k.add(x, z, y),
        "mul, a number": lambda: k.mul(x, one, y),
        "add, a row": lambda: k.add(a, row, c),
        "relu": lambda: k.relu(x, y),
        "relu_backward": lambda: k.relu_backward(z, x, y),
        "sigmoid_backward": lambda: k.sigmoid_backward(z, x, y),
        "reduce_sum": lambda: k.reduce_sum(a, column, rows, cols, 1),
        "reduce_sum, columns": lambda: k.reduce_sum(a, row, 1, rows, cols),
        "reduce_max": lambda: k.reduce_max(a, column, rows, cols, 1),
        "dropout_backward": lambda: k.dropout_backward(x, mask, y, 0.5),
        "batch_norm": lambda: k.batch_norm(images, w, w, None, None, others, m, r, True, 0.1, 1e-5),
        "batch_norm_backward": lambda: k.batch_norm_backward(others, images, w, m, r, back, gw, gb,
                                                             True),
        "layer_norm": lambda: k.layer_norm(a, lw, lb, c, lines[0], lines[1], 1, cols, 1, 1e-5),
        "layer_norm_backward": lambda: k.layer_norm_backward(b, a, lw, lines[0], lines[1], c, lgw,
                                                             lgb, 1, cols, 1),
        "max_pool2d": lambda: k.max_pool2d(images, small, places, *window, (1, 1)),
        "max_pool2d_backward": lambda: k.max_pool2d_backward(small, places, back),
        "avg_pool2d": lambda: k.avg_pool2d(images, small, *window, True, 0),
        "softmax": lambda: k.softmax(a, c, rows, cols, 1, False),
        "softmax_backward": lambda: k.softmax_backward(b, a, c, rows, cols, 1, False),
        "cross_entropy": lambda: k.cross_entropy(a, ids, None, *lines, -100, 0.0),
        "take": lambda: k.take(a, order, c, 1, rows, cols),
        "exp": lambda: k.exp(x, y),
        "gelu": lambda: k.gelu(x, y),
        "dropout": lambda: k.dropout(x, state, y, mask, 0.5),
    }  # fmt: skip


FAMILIES: dict[str, Callable[[Any], Iterator[Case]]] = {
    "gemm": gemm_cases,
    "conv": conv_cases,
    "memory": memory_cases,
}


def medians(calls: dict[str, Call], seconds: float) -> dict[str, float]:
    """Seconds of each side, all in turn until about so many are over."""
    once, rare = {}, set()
    for side, call in calls.items():
        call()
        began = time.perf_counter()
        call()
        once[side] = max(time.perf_counter() - began, 1e-7)
        if once[side] > seconds:
            rare.add(side)
    inner = {side: max(1, int(2e-4 / t)) for side, t in once.items()}
    each = sum(once[side] * inner[side] for side in calls if side not in rare)
    found: dict[str, list[float]] = {side: [once[side]] if side in rare else [] for side in calls}
    for _ in range(max(5, min(40, int(seconds * len(calls) / max(each, 1e-9))))):
        for side, call in calls.items():
            if side in rare:
                continue
            began = time.perf_counter()
            for _ in range(inner[side]):
                call()
            found[side].append((time.perf_counter() - began) / inner[side])
    return {side: statistics.median(times) for side, times in found.items()}


def row(name: str, gflop: float, t: dict[str, float]) -> dict[str, Any]:
    """A line of the table."""
    line: dict[str, Any] = {"case": name}
    for side, seconds in t.items():
        line[side] = gflop / seconds if gflop else seconds * 1e3
    for side in ("bf16", "f16"):
        line[f"{side} of f32"] = t["f32"] / t[side]
        if f"torch-{side}" in t:
            line[f"{side} of torch"] = t[f"torch-{side}"] / t[side]
    return line


def markdown(lines: list[dict[str, Any]]) -> str:
    """The table."""
    columns = list(dict.fromkeys(key for line in lines for key in line))
    text = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    for line in lines:
        cells = [line.get(c, "") for c in columns]
        shown = [c if isinstance(c, str) else f"{c:.2f}" if c < 10 else f"{c:.0f}" for c in cells]
        text.append("| " + " | ".join(shown) + " |")
    return "\n".join(text) + "\n"


def main() -> None:
    """Measures one family or all, and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=FAMILIES, help="only this one")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each side of a case")
    parser.add_argument("--out", type=Path, help="a folder for half-<family>.md and .json")
    given = parser.parse_args()
    torch = torch_or_none()
    pydl.set_num_threads(given.threads)
    if torch:
        torch.set_num_threads(given.threads)
    for family, cases in FAMILIES.items():
        if given.family not in (None, family):
            continue
        lines = []
        for name, gflop, calls in tqdm(cases(torch), desc=family, unit=" cases"):
            if given.only in name:
                lines.append(row(name, gflop, medians(calls, given.seconds)))
        print(markdown(lines))
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            about: dict[str, Any] = {
                "cpu": cpu_name(),
                "commit": commit(),
                "isa": pydl._native.isa(),
            }
            about |= {"threads": given.threads, "lines": lines}
            stem = f"half-{family}-{given.threads}"
            (given.out / f"{stem}.json").write_text(json.dumps(about, indent=1) + "\n")
            (given.out / f"{stem}.md").write_text(markdown(lines))


if __name__ == "__main__":
    main()
