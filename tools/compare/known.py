"""The listed differences: the rows of docs/differences-from-pytorch.md, and what their keys mean.

A key is a kind of difference (engine.py: torch-raises, pydl-raises, structure, shape, dtype,
values, requires-grad, gradient, pydl-gradient-raises, ...), alone or followed by ":" and one of
PREDICATES or by words that the call or one of the messages contains; several are joined by "&". A
row without a key describes what no generated case shows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .engine import Difference
from .modules import MIRRORS
from .values import Arr, Call

DOC = Path(__file__).resolve().parents[2] / "docs" / "differences-from-pytorch.md"


def tensors(value: Any) -> Iterable[Arr]:
    """Every tensor in the arguments."""
    if isinstance(value, Call):
        yield from tensors(value.args)
        yield from tensors(value.kwargs)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from tensors(v)
    elif isinstance(value, Arr):
        yield value


def _any(test: Callable[[Arr], bool]) -> Callable[[Difference], bool]:
    return lambda difference: any(test(a) for a in tensors(difference.call))


def _special(a: Arr) -> bool:
    return a.array.dtype.kind == "f" and not bool((abs(a.array) < 1e29).all())


def _numbers(shown: str) -> list[float]:
    """The values of one element, "[place]: value", or of all, "[shape] [values]"."""
    values = shown.rpartition("]: ")[2]
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e[-+]\d+)?", values)]


def _digits(difference: Difference) -> bool:
    """Whether as many digits are equal as float32 has."""
    a, b = _numbers(difference.torch), _numbers(difference.pydl)
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-6, atol=1e-5))


def _noise(difference: Difference) -> bool:
    """Whether the difference is small beside 1, as where large terms cancel."""
    a, b = _numbers(difference.torch), _numbers(difference.pydl)
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-3, atol=1e-3))


def _few(difference: Difference) -> bool:
    """Whether a variance is of no more elements than its correction, or `dim` is empty."""
    call = difference.call
    if call is None:
        return False
    x, kwargs = call.args[0].array, call.kwargs
    dim = kwargs.get("dim")
    if dim in ((), []):
        return True
    dims = range(x.ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    n = math.prod(x.shape[i] for i in dims) if x.ndim else 1
    return bool(n <= kwargs.get("correction", kwargs.get("unbiased", (*call.args, True)[1])))


def _crossed(difference: Difference) -> bool:
    """Whether two limits, the last two tensors, are equal or the wrong way round somewhere."""
    *_, low, high = tensors(difference.call)
    return bool((low.array >= high.array).any())


PREDICATES: dict[str, Callable[[Difference], bool]] = {
    "empty": _any(lambda a: a.array.size == 0),
    "scalar": _any(lambda a: a.array.ndim == 0),
    "integer": _any(lambda a: a.dtype in ("int64", "int32", "uint8", "bool")),
    "bool": _any(lambda a: a.dtype == "bool"),
    "uint8": _any(lambda a: a.dtype == "uint8"),
    "special": _any(_special),  # NaN, Inf or 1e30
    "finite": lambda d: "nan" in d.torch and "nan" not in d.pydl,  # where torch has NaN
    "digits": _digits,
    "noise": _noise,
    "zero": _any(lambda a: bool((a.array == 0).any())),
    "ends": _any(lambda a: bool(((a.array == 0) | (a.array == 1)).any())),
    "few": _few,
    "crossed": _crossed,
}


ALIASES = {
    "clip": "clamp",
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "and_": "bitwise_and",
    "or_": "bitwise_or",
    "xor": "bitwise_xor",
    "invert": "bitwise_not",
}


@dataclass
class Row:
    """One row of the table."""

    functions: tuple[str, ...]
    kind: str
    predicate: str
    line: int
    hits: int = field(default=0)

    def matches(self, difference: Difference) -> bool:
        """Whether the row is about this difference."""
        bare = difference.op.split(".")[-1]
        bare = ALIASES.get(bare) or MIRRORS.get(bare, bare).removeprefix("F.")
        named = {"*", bare, difference.op} & set(self.functions)
        if not named or self.kind != difference.kind:
            return False
        text = f"{difference.shown or difference.call} {difference.torch} {difference.pydl}"
        return all(
            PREDICATES[word](difference) if word in PREDICATES else word in text
            for word in self.predicate.split("&")
        )


def read(path: Path = DOC) -> list[Row]:
    """The rows with a key."""
    rows = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)][1:-1]
        if len(cells) != 5 or cells[0] == "function" or set(cells[0]) <= set("-: "):
            continue
        functions = tuple(n.strip(" `") for n in cells[0].split(","))
        for key in re.findall(r"`([^`]+)`", cells[4]):
            kind, _, predicate = key.partition(":")
            rows.append(Row(functions, kind, predicate, number))
    return rows


def listed(rows: list[Row], difference: Difference) -> bool:
    """Whether a row covers it; counts the hit."""
    for row in rows:
        if row.matches(difference):
            row.hits += 1
            return True
    return False
