"""Drawing arguments: shapes with 0 and 1, values with NaN and Inf, options from documented lists.

A call is described without a library (`Arr`, `Dt`, `Call`); engine.py makes both libraries' calls.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]
NUMPY = {"float32": "float32", "int64": "int64", "int32": "int32", "uint8": "uint8", "bool": "bool"}
NUMBERS = ("float32", "float32", "float32", "int64", "int32", "uint8")
STORED = (*NUMBERS, "bool")
REST = "absent"  # an option that is left at its default


@dataclass(frozen=True)
class Arr:
    """A tensor argument: its values, its element type and whether it wants a gradient."""

    array: np.ndarray[Any, Any]
    dtype: str
    grad: bool = False

    @property
    def shape(self) -> Shape:
        """Its dimensions."""
        return tuple(self.array.shape)

    def __repr__(self) -> str:
        text = f"{self.dtype}{list(self.shape)}"
        if self.array.size <= 6:
            values = np.array2string(self.array, precision=4, separator=",").replace("\n", "")
            text += "=" + values.replace(" ", "")
        return text + ("*" if self.grad else "")


@dataclass(frozen=True)
class Dt:
    """An element type as an argument."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass
class Call:
    """One call.

    Attributes:
        args: positional arguments; the tensors among them are `Arr`.
        kwargs: named ones, under torch's names.
        k: how many terms the longest sum has: the tolerance grows with it.
        pointwise: judge each element by its own size, not by the largest.
        twice: compare second gradients too.
        tags: words that a listed difference can ask for.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    k: int = 1
    pointwise: bool = False
    twice: bool = True
    tags: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        words = [repr(a) for a in self.args] + [f"{n}={v!r}" for n, v in self.kwargs.items()]
        return "(" + ", ".join(" ".join(word.split())[:200] for word in words) + ")"


class Draw:
    """A seeded source of sizes, arrays and options."""

    def __init__(self, *seed: int | str) -> None:
        words = [s if isinstance(s, int) else zlib.crc32(s.encode()) for s in seed]
        self.g = np.random.default_rng(words)

    def pick(self, *choices: Any) -> Any:
        """One of the choices."""
        return choices[int(self.g.integers(len(choices)))]

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return bool(self.g.random() < p)

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.g.integers(low, high + 1))

    def size(self, zero: float = 0.05) -> int:
        """A length: seldom 0, often 1, now and then beyond a vector."""
        if self.chance(zero):
            return 0
        return int(self.pick(1, 1, 2, 2, 3, 3, 4, 5, 7, self.integer(8, 19)))

    def shape(self, low: int = 0, high: int = 4, zero: float = 0.05) -> Shape:
        """A shape of low to high dimensions."""
        return tuple(self.size(zero) for _ in range(self.integer(low, high)))

    def dim(self, ndim: int, wrong: float = 0.04) -> int:
        """A dimension from the front or the back; seldom one that does not exist."""
        if self.chance(wrong):
            return int(self.pick(ndim, -ndim - 1, ndim + 2))
        n = max(ndim, 1)
        return self.integer(-n, n - 1)

    def dims(self, ndim: int) -> Any:
        """None, one dimension, or several as a tuple or list; seldom twice the same."""
        if self.chance(0.2):
            return None
        if self.chance(0.4) or ndim == 0:
            return self.dim(ndim)
        k = self.integer(0 if self.chance(0.15) else 1, ndim)
        chosen = [int(d) for d in self.g.permutation(ndim)[:k]]
        chosen = [d - ndim if self.chance(0.4) else d for d in chosen]
        if chosen and self.chance(0.04):
            chosen.append(chosen[0])
        return tuple(chosen) if self.chance(0.7) else chosen

    def options(self, p: float = 0.5, /, **choices: Sequence[Any]) -> dict[str, Any]:
        """Each option with probability p, at one of its values."""
        out = {name: self.pick(*values) for name, values in choices.items() if self.chance(p)}
        return {name: value for name, value in out.items() if value is not REST}

    # ---- arrays

    def floats(self, shape: Shape, mode: str | None = None) -> np.ndarray[Any, Any]:
        """float32 values: plain, on a grid (ties and kinks), or with NaN, Inf and extremes."""
        mode = mode or self.pick(*["plain"] * 7, "grid", "special", "special")
        if mode == "unit":
            return np.asarray(self.g.random(shape), np.float32)
        if mode == "positive":
            return np.asarray(self.g.random(shape) * 4 + 0.05, np.float32)
        x = self.g.standard_normal(shape) * self.pick(1.0, 1.0, 1.0, 5.0, 0.1)
        if mode == "grid":
            x = np.round(self.g.standard_normal(shape) * 2) / self.pick(1, 2)
        x = np.array(x, np.float32)
        if mode in ("special", "nonfinite"):
            words = [np.nan, np.inf, -np.inf]
            if mode == "special":
                words += [0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e-30]
            where = self.g.random(shape) < 0.3
            x = np.array(np.where(where, self.g.choice(words, shape), x), np.float32)
        return x

    def integers(self, shape: Shape, dtype: str) -> np.ndarray[Any, Any]:
        """Small integers of a dtype, now and then its extremes."""
        if dtype == "bool":
            return np.array(self.g.random(shape) < 0.5)
        low, high = (0, 12) if dtype == "uint8" else (-6, 6)
        x = np.array(self.g.integers(low, high + 1, shape), NUMPY[dtype])
        if self.chance(0.1):
            info = np.iinfo(NUMPY[dtype])
            edges = self.g.choice(np.array([info.min, info.max], NUMPY[dtype]), shape)
            x = np.array(np.where(self.g.random(shape) < 0.2, edges, x), NUMPY[dtype])
        return x

    def tensor(
        self,
        shape: Shape | None = None,
        dtypes: Sequence[str] = ("float32",),
        mode: str | None = None,
        grad: bool | None = None,
    ) -> Arr:
        """A tensor of a shape (any by default) and of one of the dtypes."""
        shape = self.shape() if shape is None else shape
        dtype = self.pick(*dtypes)
        if dtype in ("float32", "float16", "bfloat16"):
            wants = self.chance(0.85) if grad is None else grad
            return Arr(self.floats(shape, mode), dtype, wants)
        return Arr(self.integers(shape, dtype), dtype)

    def index(
        self, shape: Shape, n: int, dtype: str = "int64", negative: bool = False, wrong: float = 0.0
    ) -> Arr:
        """Indices below n (from -n where negative ones are allowed), seldom one beyond."""
        x = np.zeros(shape, NUMPY[dtype])
        if n > 0:
            x = np.array(self.g.integers(-n if negative else 0, n, shape), NUMPY[dtype])
        if x.size and self.chance(wrong):
            x.flat[int(self.g.integers(x.size))] = self.pick(n, n + 3, -n - 1)
        return Arr(x, dtype)

    def broadcast(self, shape: Shape, wrong: float = 0.04) -> Shape:
        """A shape that broadcasts with `shape`: some lengths 1, some leading ones left out."""
        if self.chance(0.4):
            return shape
        out = [1 if self.chance(0.3) else n for n in shape][self.integer(0, len(shape)) :]
        out = [self.size() if n == 1 and self.chance(0.3) else n for n in out]
        if out and self.chance(wrong):
            out[self.integer(0, len(out) - 1)] += 1
        if self.chance(0.1):
            out = [self.size(), *([1] * (len(shape) - len(out))), *out]
        return tuple(out)
