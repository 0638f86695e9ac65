"""What people read: the Markdown table of a report, and the comparison of two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .results import Report, Result, Spread, geometric_mean

TABLE = "table.md"
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))


def amount(spread: Spread, unit: str) -> str:
    """A median with its spread: `1.23 ms ± 4 %`; the spread is the interquartile range."""
    value = spread.median
    if unit == "s":
        least, unit = next(u for u in UNITS if value >= u[0])
        value /= least or 1e-9
    digits = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} {unit} ± {100 * spread.relative:.0f} %"


def times(spread: Spread | None) -> str:
    """A ratio between its quartiles."""
    if spread is None:
        return ""
    text = f"{spread.median:.2f} ({spread.q1:.2f} to {spread.q3:.2f})"
    return f"**{text}**" if spread.median < 1 else text


def rate(report: Report, r: Result) -> tuple[str, str]:
    """GFLOP/s or GB/s, and the percentage of the peak that bounds it."""
    value, percent = r.rate(), report.percent(r)
    if value is None:
        return "", ""
    unit = "GFLOP/s" if r.flops else "GB/s"
    return f"{value / 1e9:.3g} {unit}", "" if percent is None else f"{percent:.0f} %"


def row(report: Report, r: Result, sides: Sequence[str]) -> list[str]:
    """The cells of a case."""
    cells = [r.name.partition("/")[2]]
    for side in sides:
        spread = r.spread(side)
        cells.append("failed" if side in r.errors else amount(spread, r.unit) if spread else "")
    return [*cells, times(r.ratio(r.rival)), *rate(report, r)]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown, the first row being the head; all columns but the first are numbers."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return [lines[0], f"| --- |{' ---: |' * (len(rows[0]) - 1)}", *lines[1:]]


def sides_of(results: Sequence[Result]) -> list[str]:
    """The sides that have something to show, pydl first."""
    found = dict.fromkeys(side for r in results for side in (*r.values, *r.errors))
    return sorted(found, key=lambda s: s != "pydl")


def means(results: Sequence[Result]) -> list[str]:
    """The geometric mean of the ratios to each side."""
    lines = []
    for side in [None, *sides_of(results)]:
        ratios = [r.ratio(r.rival if side is None else side) for r in results]
        mean = geometric_mean(ratio.median for ratio in ratios if ratio is not None)
        if mean is not None and side != "pydl":
            what = "the fastest of the others" if side is None else side
            number = sum(ratio is not None for ratio in ratios)
            lines.append(f"{what} / pydl: {mean:.2f} (of {number})")
    return lines


def origin(report: Report) -> str:
    """Machine, threads and commit, in a line."""
    h = report.header
    date = str(h.get("date"))[:10]
    return f"{h.get('cpu')}, {h.get('isa')}, {h.get('threads')} threads; {h.get('commit')}, {date}"


def heading(report: Report) -> list[str]:
    """Where and how it was measured."""
    h = report.header
    flops, copied = report.peaks
    versions = ", ".join(f"{k} {v}" for k, v in h.get("versions", {}).items())
    lines = [
        f"{h.get('cpu')}, {h.get('isa')}, **{h.get('threads')} threads**, {h.get('repeats')} "
        f"repeats; {versions}; {h.get('compiler')}; commit {h.get('commit')}, {h.get('date')}.",
    ]
    if flops and copied:
        lines += ["", f"Peaks: {flops / 1e9:.0f} GFLOP/s of multiply-adds on these threads, "
                      f"{copied / 1e9:.1f} GB/s copied (read + written)."]  # fmt: skip
    if h.get("busy", 0) > 0.1:
        lines += ["", f"**Others kept the CPUs {100 * h['busy']:.0f} % busy: do not publish.**"]
    return lines


def markdown(report: Report) -> str:
    """Everything as one document."""
    lines = ["# Benchmarks", "", *heading(report)]
    for family, results in report.families().items():
        sides = sides_of(results)
        head = ["case", *sides, "ratio", "pydl's rate", "of the peak"]
        lines += ["", f"## {family}", "", *table([head, *(row(report, r, sides) for r in results)])]
        lines += ["", *(f"Geometric mean, {m}  " for m in means(results))]
        failures = [f"- {r.name}: {s}: {why}" for r in results for s, why in r.errors.items()]
        lines += ["", *failures] if failures else []
    return "\n".join(lines).rstrip() + "\n"


def save_table(report: Report, folder: Path) -> Path:
    """Write TABLE into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TABLE
    path.write_text(markdown(report), encoding="utf-8")
    return path


def comparison(new: Report, old: Report) -> str:
    """new / old of pydl's times and of the ratios, case by case.

    A mark stands where the ranges between the quartiles do not touch: `+` faster, `-` slower. The
    ratio to the rival is the one to trust where the two runs were apart in time.
    """
    before = {r.name: r for r in old.results}
    rows = [["case", "old", "new", "new / old", "", "old ratio", "new ratio", ""]]
    for r in new.results:
        a, b = before[r.name].spread("pydl") if r.name in before else None, r.spread("pydl")
        if a is None or b is None:
            continue
        ratios = before[r.name].ratio(before[r.name].rival), r.ratio(r.rival)
        better = mark(*ratios, larger="+") if ratios[0] and ratios[1] else ""
        rows.append(
            [r.name, amount(a, r.unit), amount(b, r.unit), f"{b.median / a.median:.2f}",
             mark(a, b, larger="-"), *map(times, ratios), better]
        )  # fmt: skip
    heads = [f"- {what}: {origin(r)}" for what, r in (("old", old), ("new", new))]
    return "\n".join([*heads, "", *table(rows)]) + "\n"


def mark(old: Spread | None, new: Spread | None, larger: str) -> str:
    """`larger` or its opposite where the two are apart."""
    if old is None or new is None or not new.apart(old):
        return ""
    return larger if new.median > old.median else {"+": "-", "-": "+"}[larger]
