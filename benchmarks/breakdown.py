"""Where the time of each training step goes: kernels by kind, and Python around them.

The kernels are timed one call at a time while steps run eagerly, the checks of their arguments
included; Python is the rest of the step, with the clocks themselves (half a microsecond a call).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pydl

from .cases.steps import STEPS
from .chart import INK, new_figure
from .libraries import library
from .recorder import CATEGORIES, recording

COLOURS = {
    "gemm": "#27476e", "conv": "#3f76b0", "recurrent": "#7fa8d1", "pool": "#2a7f62",
    "norm": "#6bb392", "elementwise": "#e0a030", "reduce": "#f0cf80", "loss": "#c8553d",
    "optim": "#8d5a97", "random": "#c49bcb", "movement": "#a9a9a9", "Python": "#555555",
}  # fmt: skip
STEPS_TIMED, SECONDS = 10, 1.0  # at least, of each step
LEAST = 0.045  # of the whole: narrower parts have no room for their number


def measure(step: Callable[[], Any], device: Any) -> dict[str, float]:
    """Milliseconds by category of the fastest of some steps."""
    for _ in range(3):
        step()
    steps: list[tuple[float, dict[str, float]]] = []
    started = time.perf_counter()
    while len(steps) < STEPS_TIMED or time.perf_counter() - started < SECONDS:
        with recording(device) as seen:
            began = time.perf_counter()
            step()
            steps.append((time.perf_counter() - began, seen.seconds))
    whole, kernels = min(steps, key=lambda s: s[0])
    found = {c: 1e3 * kernels[c] for c in CATEGORIES}
    return found | {"Python": 1e3 * whole - sum(found.values())}


def milliseconds(parts: dict[str, float]) -> str:
    """The whole, with three digits where there are any behind the point."""
    whole = sum(parts.values())
    return f"{whole:,.0f} ms" if whole >= 100 else f"{whole:.3g} ms"


def picture(rows: dict[str, dict[str, float]], below: str) -> Any:
    """Bars of equal length, one a step, cut by the share of each category."""
    fig, ax = new_figure(len(rows) + 2, "where the time of a training step goes", below, 26)
    for i, parts in enumerate(rows.values()):
        whole, left = sum(parts.values()), 0.0
        for what, value in parts.items():
            share = value / whole
            ax.barh(i, share, left=left, height=0.72, color=COLOURS[what],
                    label=what if i == 0 else None)  # fmt: skip
            if share > LEAST:
                ax.text(left + share / 2, i, f"{100 * share:.0f}", ha="center", va="center",
                        fontsize=7.5, color="white")  # fmt: skip
            left += share
    ax.set_yticks(range(len(rows)), [f"{n}   {milliseconds(p)}" for n, p in rows.items()])
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    legend = ax.legend(
        ncols=6, loc="lower center", bbox_to_anchor=(0.5, 0.0), borderaxespad=0, fontsize=7.5,
        frameon=False, handlelength=1, handleheight=1,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_color(INK)
    return fig


def draw(only: Sequence[str], threads: int, folder: Path) -> int:
    """Measure the steps whose names fit and write breakdown.json and breakdown.png."""
    ours = library("pydl", threads)
    rows: dict[str, dict[str, float]] = {}
    for name, build in STEPS.items():
        if not only or any(fnmatch(f"steps/{name}", pattern) for pattern in only):
            rows[name] = measure(build(ours, False), pydl.device("cpu"))
            parts = ", ".join(f"{k} {v:.2f}" for k, v in rows[name].items() if v >= 0.005)
            print(f"{name:16} {sum(rows[name].values()):8.2f} ms: {parts}")
    if not rows:
        print("no step has a name that fits")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    config = f"pydl {pydl.__version__}, {pydl._native.isa()}, {threads} threads; percent of a step"
    (folder / "breakdown.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    picture(rows, config).savefig(folder / "breakdown.png")
    print(folder / "breakdown.png")
    return 0
