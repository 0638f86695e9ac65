"""Convolutions of random shapes and options, element by element within a bound of the exact sum.

With K terms a b behind an element: |float32 - float64| <= 2 sqrt(K) eps sum |a| |b|, for the output
and the gradients of x, weight and bias. K and the sum come from the same call, of ones and of
absolute values in float64 on the numpy device. The first 1,000 cases always run, the other 9,000
with `pytest -m exhaustive tests/test_conv_exact.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pydl
from pydl import ops
from pydl.autograd import grad

CASES, ALWAYS, CHUNK = 10_000, 1_000, 50
EPS = float(np.finfo(np.float32).eps)
Array = npt.NDArray[Any]


@dataclass
class Case:
    """One call: x, weight and perhaps a bias."""

    name: str
    shapes: list[tuple[int, ...]]
    options: dict[str, Any]
    positive: bool

    def results(self, device: str, arrays: list[Array], gy: Array | None) -> list[Array]:
        """The output and the gradients; float64 on the numpy device."""
        dtype = np.float64 if device == "numpy" else np.float32
        xs = [pydl.from_numpy(a.astype(dtype), device).requires_grad_() for a in arrays]
        y = getattr(ops, self.name)(*xs, **self.options)
        gy = np.ones(y.shape) if gy is None else gy
        gradients = grad(y, xs, pydl.from_numpy(gy.astype(dtype), device))
        return [y.numpy(), *(g.numpy() for g in gradients)]

    def arrays(self, rng: np.random.Generator) -> list[Array]:
        def draw(shape: tuple[int, ...]) -> Array:
            a = rng.uniform(0, 1, shape) if self.positive else rng.normal(size=shape)
            return np.asarray(a, np.float32).astype(np.float64)

        drawn = [draw(shape) for shape in self.shapes]
        y = getattr(ops, self.name)(*(pydl.zeros(s, device="numpy") for s in self.shapes),
                                    **self.options)  # fmt: skip
        return [*drawn, draw(y.shape)]


def sizes(rng: np.random.Generator, dims: int, least: int, most: int) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(least, most + 1, dims))


def channels(rng: np.random.Generator) -> tuple[int, int, int]:
    """groups, channels of a group on the side of x, and on the other."""
    kind = rng.random()
    if kind < 0.25:  # depthwise
        return int(rng.integers(2, 20)), 1, int(rng.integers(1, 4))
    most = 40 if kind > 0.9 else 6
    least = 0 if kind > 0.97 else 1
    groups = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
    return groups, int(rng.integers(least, most)), int(rng.integers(1, most))


def case_of(i: int) -> Case:
    rng = np.random.default_rng([i, 20])
    while True:
        dims = 1 if rng.random() < 0.2 else 2
        transposed = bool(rng.random() < 0.5)
        groups, c, o = channels(rng)
        kernel = sizes(rng, dims, 1, 7 if rng.random() < 0.1 else 4)
        window: dict[str, Any] = {
            "stride": sizes(rng, dims, 1, 5 if rng.random() < 0.2 else 2),
            "padding": sizes(rng, dims, 0, 3),
            "dilation": sizes(rng, dims, 1, 3) if rng.random() < 0.4 else (1,) * dims,
        }
        most = 40 if rng.random() < 0.05 else 9
        size = sizes(rng, dims, 1, 400 if dims == 1 and rng.random() < 0.1 else most)
        ends = list(zip(size, kernel, *window.values(), strict=True))
        if transposed:
            extra = tuple(int(rng.integers(0, max(s, d))) for _, _, s, _, d in ends)
            out = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1
                   for (n, k, s, p, d), e in zip(ends, extra, strict=True)]  # fmt: skip
            window["output_padding"] = extra
        else:
            out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in ends]
        if min(out) < 1:
            continue
        images = 0 if rng.random() < 0.03 else int(rng.integers(1, 4))
        lead = () if rng.random() < 0.1 else (images,)
        weight = (groups * c, o, *kernel) if transposed else (groups * o, c, *kernel)
        shapes = [(*lead, groups * c, *size), weight]
        if rng.random() < 0.5:
            shapes.append((groups * o,))
        name = f"conv{'_transpose' * transposed}{dims}d"
        return Case(name, shapes, {**window, "groups": groups}, bool(rng.random() < 0.3))


def ratio(case: Case, i: int) -> float:
    """The largest error of all elements, relative to what is allowed."""
    *arrays, gy = case.arrays(np.random.default_rng([i, 21]))
    got = case.results("cpu", arrays, gy)
    want = case.results("numpy", arrays, gy)
    terms = case.results("numpy", [np.ones_like(a) for a in arrays], None)
    total = case.results("numpy", [np.abs(a) for a in arrays], np.abs(gy))
    worst = 0.0
    for g, w, k, t in zip(got, want, terms, total, strict=True):
        assert g.dtype == np.float32
        assert g.shape == w.shape
        error, bound = np.abs(g - w), 2 * np.sqrt(k) * EPS * t
        assert not error[bound == 0].any(), f"{case}: a sum of nothing is not 0"
        worst = max(worst, (error[bound > 0] / bound[bound > 0]).max(initial=0))
    return worst


def check(first: int) -> None:
    for i in range(first, first + CHUNK):
        case = case_of(i)
        found = ratio(case, i)
        assert found <= 1, f"case {i} is {found:.3g} times off: {case}"


@pytest.mark.parametrize("first", range(0, ALWAYS, CHUNK))
def test_within_the_bound(first: int) -> None:
    check(first)


@pytest.mark.exhaustive
@pytest.mark.parametrize("first", range(ALWAYS, CASES, CHUNK))
def test_the_others_are_within_the_bound(first: int) -> None:
    check(first)
