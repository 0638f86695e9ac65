"""Pictures: how many times as fast as its rival each case is, and where a step's time goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .report import origin
from .results import Report, Result, Spread

FASTER, SLOWER, INK, GRID = "#2a7f62", "#c8553d", "#333333", "#dddddd"


def new_figure(rows: int, title: str, below: str, longest: int) -> tuple[Any, Any]:
    """Axes for `rows` horizontal bars, whose names have up to `longest` letters."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    height = 0.27 * rows + 1.6
    fig, ax = plt.subplots(figsize=(10.5, height), dpi=130)
    left = min(0.45, 0.05 + 0.0085 * longest)
    fig.subplots_adjust(left=left, right=0.97, top=1 - 0.75 / height, bottom=0.8 / height)
    fig.text(0.012, 1 - 0.3 / height, title, fontsize=13, weight="bold", color=INK, va="center")
    fig.text(0.012, 0.2 / height, below, fontsize=7.5, color="#777777", va="center")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=8.5, labelcolor=INK)
    ax.tick_params(axis="x", labelsize=8.5, labelcolor=INK)
    ax.set_ylim(rows - 0.4, -0.6)
    return fig, ax


def ratio_chart(family: str, rows: Sequence[tuple[Result, Spread]], below: str) -> Any:
    """Bars from 1 to the ratio, on a logarithmic axis, with the quartiles."""
    import matplotlib.ticker

    names = [r.name.partition("/")[2] for r, _ in rows]
    title = f"{family}: time of the fastest other one / time of pydl"
    fig, ax = new_figure(len(rows), title, below, max(map(len, names)))
    for i, (r, s) in enumerate(rows):
        colour = FASTER if s.median >= 1 else SLOWER
        ax.barh(i, s.median - 1, left=1, height=0.66, color=colour)
        ax.plot([s.q1, s.q3], [i, i], color=INK, linewidth=1.1, solid_capstyle="butt")
        ax.annotate(
            f"{s.median:.2f}  {r.rival}", (max(s.q3, 1), i), (5, 0), textcoords="offset points",
            va="center", fontsize=7.5, color=INK,
        )  # fmt: skip
    low, high = min(1.0, *(s.q1 for _, s in rows)), max(1.0, *(s.q3 for _, s in rows))
    ax.set_xscale("log")
    ax.set_xlim(low / 1.03, high * max((high / low) ** 0.25, 1.3))  # room for the longest label
    ax.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    ax.grid(axis="x", color=GRID, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.axvline(1, color=INK, linewidth=1.2)
    ax.set_yticks(range(len(rows)), names)
    ax.set_xlabel("times as fast; right of 1 pydl is faster", fontsize=8.5, color=INK)
    return fig


def caption(report: Report) -> str:
    """What the numbers belong to, in a line."""
    versions = report.header.get("versions", {})
    others = " ".join(f"{k} {versions[k]}" for k in ("torch", "numpy") if k in versions)
    return f"{origin(report)}; {others}; lines: quartiles of the repeats"


def save_charts(report: Report, folder: Path) -> list[Path]:
    """One picture a family that has ratios."""
    import matplotlib.pyplot as plt

    below = caption(report)
    paths = []
    for family, results in report.families().items():
        rows = [(r, s) for r in results if (s := r.ratio(r.rival)) is not None]
        if rows and family != "machine":
            fig = ratio_chart(family, rows, below)
            paths.append(folder / f"ratio-{family}.png")
            fig.savefig(paths[-1])
            plt.close(fig)
    return paths
