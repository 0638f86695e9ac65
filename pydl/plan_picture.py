"""The memory of a plan as a picture: what lies where, and from which call to which."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

SURFACE, INK, MUTED = "#ffffff", "#1f2937", "#6b7280"
COLOURS = ("#3f76b0", "#e0a030", "#2a7f62", "#c8553d", "#8d5a97", "#7fa8d1")


class Block(NamedTuple):
    """A part of the memory between the first and the last call that uses it, both included."""

    first: int
    last: int
    address: int
    bytes: int
    kernel: str


def blocks(steps: list[Any], inside: Callable[[int], bool]) -> list[Block]:
    """The life of each array inside the pool: it begins anew where a call overwrites it unread."""
    live: dict[int, Block] = {}
    done: list[Block] = []
    for i, (kernel, operands) in enumerate(steps):
        read = {address for _, _, _, address, _, written in operands if not written}
        for _, _, _, address, size, written in operands:
            if not inside(address) or size == 0:
                continue
            known = live.get(address)
            begins = known is None or (written and address not in read and known.last < i)
            if known is not None and begins:
                done.append(known)
            live[address] = (
                Block(i, i, address, size, kernel)
                if known is None or begins
                else known._replace(last=i, bytes=max(known.bytes, size))
            )
    return sorted([*done, *live.values()])


def rows(found: list[Block]) -> dict[int, int]:
    """Addresses without the gaps between them."""
    places, at = {}, 0
    for address in sorted({block.address for block in found}):
        places[address] = at
        at += max(block.bytes for block in found if block.address == address)
    return places


def draw(
    steps: list[Any], inside: Callable[[int], bool], path: str | os.PathLike[str], title: str
) -> None:
    """Write the picture.

    Args:
        steps: see `Plan.steps` of _native.pyi.
        inside: whether an address lies in the memory of the plan.
        path: PNG, or what else Matplotlib writes.
        title: above the picture.

    Raises:
        ImportError: Matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            'draw: a picture needs Matplotlib: pip install "pydl-nn[demos]"'
        ) from None
    found = blocks(steps, inside)
    places = rows(found)
    scale = 1e6 if sum(b.bytes for b in found) > 1e6 else 1e3
    fig = Figure(figsize=(9, 5), facecolor=SURFACE, layout="constrained")
    ax = fig.add_subplot(facecolor=SURFACE)
    kernels = list(dict.fromkeys(b.kernel for b in found))
    usual = sorted(kernels, key=lambda k: -sum(b.bytes for b in found if b.kernel == k))
    colours = dict(zip(usual, COLOURS, strict=False))
    for b in found:
        ax.barh(places[b.address] / scale, b.last - b.first + 1, left=b.first,
                height=b.bytes / scale, align="edge", color=colours.get(b.kernel, "#a9a9a9"),
                edgecolor=SURFACE, linewidth=0.3)  # fmt: skip
    handles = [ax.barh(0, 0, color=colour, label=kernel) for kernel, colour in colours.items()]
    if len(usual) > len(COLOURS):
        handles.append(ax.barh(0, 0, color="#a9a9a9", label="others"))
    ax.legend(handles=handles, frameon=False, fontsize=8, loc="upper left", ncols=4,
              bbox_to_anchor=(0, -0.12), title="made by", title_fontsize=8)  # fmt: skip
    ax.set_xlim(0, max(len(steps), 1))
    ax.set_ylim(0, None)
    ax.set_xlabel("kernel call", color=MUTED)
    ax.set_ylabel("memory, MB" if scale == 1e6 else "memory, kB", color=MUTED)
    ax.set_title(title.strip("<>"), loc="left", color=INK, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=150)
