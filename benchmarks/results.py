"""Result: what was measured of a case, the statistics of it, and its line in a file."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .cases import CASES
from .cases.machine import COPY, FMA_ALL

FILE = "results.jsonl"


class Spread(NamedTuple):
    """A median between its quartiles."""

    q1: float
    median: float
    q3: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))

    @property
    def relative(self) -> float:
        """The interquartile range by the median."""
        return (self.q3 - self.q1) / self.median if self.median else 0.0

    def apart(self, other: Spread) -> bool:
        """Whether the ranges between the quartiles do not touch."""
        return self.q1 > other.q3 or self.q3 < other.q1


@dataclass
class Result:
    """The repeats of every side, in turn: entry i of each side belongs to round i."""

    name: str
    family: str
    unit: str = "s"
    flops: float = 0.0
    bytes: float = 0.0
    rivals: tuple[str, ...] = ()
    values: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def spread(self, side: str) -> Spread | None:
        """Of one side, None where it was not measured."""
        values = self.values.get(side)
        return Spread.of(values) if values else None

    @property
    def measured(self) -> bool:
        """Whether anything came of it."""
        return any(self.values.values()) or bool(self.errors)

    @property
    def rival(self) -> str | None:
        """The fastest of those that pydl is held against."""
        measured = [s for s in self.rivals if self.values.get(s)]
        return min(measured, key=lambda s: statistics.median(self.values[s]), default=None)

    def ratio(self, side: str | None) -> Spread | None:
        """How many times as long a side takes as pydl, round by round."""
        ours, theirs = self.values.get("pydl"), self.values.get(side or "")
        if not ours or not theirs:
            return None
        return Spread.of([b / a for a, b in zip(ours, theirs, strict=False)])

    def rate(self, side: str = "pydl") -> float | None:
        """Floating-point operations, or else bytes, in a second."""
        spread = self.spread(side)
        work = self.flops or self.bytes
        return work / spread.median if spread and work and self.unit == "s" else None

    def best_rate(self) -> float | None:
        """That of the fastest repeat of any side: a peak is what the machine can do."""
        fastest = min((v for values in self.values.values() for v in values), default=None)
        return (self.flops or self.bytes) / fastest if fastest else None

    def line(self) -> str:
        """As JSON, with what follows from the values for those who read it without this class."""
        found = asdict(self)
        for side in self.values:
            found.setdefault("spread", {})[side] = self.spread(side)
        ratio = self.ratio(self.rival)
        found |= {"kind": "case", "rival": self.rival, "ratio": ratio, "rate": self.rate()}
        return json.dumps(found)


@dataclass
class Report:
    """A header and its results."""

    header: dict[str, Any]
    results: list[Result]

    @property
    def peaks(self) -> tuple[float | None, float | None]:
        """Operations and bytes in a second, None where they were not measured."""
        best = {r.name: r.best_rate() for r in self.results if r.family == "machine"}
        return best.get(FMA_ALL), best.get(COPY)

    def percent(self, result: Result) -> float | None:
        """Of the peak that bounds the case."""
        rate, peak = result.rate(), self.peaks[0 if result.flops else 1]
        return 100 * rate / peak if rate and peak else None

    def families(self) -> dict[str, list[Result]]:
        """The results by family, in the order of the table."""
        found: dict[str, list[Result]] = {}
        for r in self.results:
            found.setdefault(r.family, []).append(r)
        return found

    def save(self, folder: Path) -> None:
        """Write FILE into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"kind": "header", **self.header}), *(r.line() for r in self.results)]
        (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` wrote; `path` is the file or its folder."""
        path = path / FILE if path.is_dir() else path
        lines = [json.loads(x) for x in path.read_text(encoding="utf-8").splitlines()]
        names = Result.__dataclass_fields__
        results = [Result(**{k: v for k, v in x.items() if k in names}) for x in lines[1:]]
        return cls({k: v for k, v in lines[0].items() if k != "kind"}, results)


def new_result(name: str) -> Result:
    """An empty one for a case of the table."""
    case = CASES[name]
    return Result(name, case.family, case.unit, case.flops, case.bytes, case.rivals)


def geometric_mean(values: Iterable[float]) -> float | None:
    """None where there are none."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else None
