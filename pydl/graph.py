"""The recorded graph of a tensor as a picture: DOT for Graphviz, or SVG with a layout of our own.

The layout is the first half of Sugiyama's: rows by longest path, order in a row by the mean place
of the neighbours.
"""

from __future__ import annotations

import html
import inspect
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from .op import Op
from .tensor import Tensor

ROW, GAP, HEIGHT, LETTER = 64, 24, 34, 7.2  # pixels
_FILL = {"leaf": "#dbeafe", "op": "#f3f4f6", "output": "#dcfce7"}


class Node(NamedTuple):
    """A box: `kind` is leaf, op or output."""

    kind: str
    lines: tuple[str, ...]


class Graph:
    """What `Tensor.graph` returns: boxes and arrows from the leaves to the tensor.

    Attributes:
        nodes: the boxes; parents come before children.
        edges: (from, to) as places in `nodes`.
    """

    def __init__(self, nodes: list[Node], edges: list[tuple[int, int]]) -> None:
        self.nodes = nodes
        self.edges = edges

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        lines = ["digraph {", "  node [shape=box, style=filled, fontname=monospace]"]
        for i, node in enumerate(self.nodes):
            label = json.dumps("\n".join(node.lines), ensure_ascii=False)
            lines.append(f'  {i} [label={label}, fillcolor="{_FILL[node.kind]}"]')
        lines += [f"  {a} -> {b}" for a, b in self.edges]
        return "\n".join([*lines, "}", ""])

    @property
    def svg(self) -> str:
        """The graph as a picture."""
        rows = self._rows()
        widths = [max(map(len, node.lines)) * LETTER + 14 for node in self.nodes]
        spans = [sum(widths[i] + GAP for i in row) for row in rows]
        width = max(spans)
        x, y = [0.0] * len(self.nodes), [0.0] * len(self.nodes)
        for r, row in enumerate(rows):
            at = (width - spans[r]) / 2
            for i in row:
                x[i], y[i] = at + (GAP + widths[i]) / 2, GAP + HEIGHT / 2 + r * ROW
                at += widths[i] + GAP
        parts = [_HEAD.format(width=round(width), height=round(len(rows) * ROW + GAP / 2))]
        for a, b in self.edges:
            top, bottom = y[a] + HEIGHT / 2, y[b] - HEIGHT / 2 - 5
            bend = (bottom - top) / 2
            parts.append(
                f'<path d="M{x[a]:.0f} {top:.0f}C{x[a]:.0f} {top + bend:.0f} '
                f'{x[b]:.0f} {bottom - bend:.0f} {x[b]:.0f} {bottom:.0f}"/>'
            )
        parts.append("</g>")
        for i, node in enumerate(self.nodes):
            parts.append(_box(node, x[i], y[i], widths[i]))
        return "\n".join([*parts, "</svg>", ""])

    def _repr_svg_(self) -> str:  # notebooks show it
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file.

        Args:
            path: it ends with .svg or .dot.

        Raises:
            ValueError: it ends otherwise.
        """
        kind = os.path.splitext(os.fspath(path))[1]
        if kind not in (".svg", ".dot"):
            raise ValueError(f"save: {os.fspath(path)!r} ends with neither .svg nor .dot")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg if kind == ".svg" else self.dot)

    def _rows(self) -> list[list[int]]:
        """The nodes of each row, from left to right."""
        depth = [0] * len(self.nodes)
        for a, b in self.edges:  # parents come first
            depth[b] = max(depth[b], depth[a] + 1)
        first_use: dict[int, int] = {}
        for a, b in self.edges:
            first_use[a] = min(first_use.get(a, depth[b]), depth[b])
        for i, node in enumerate(self.nodes):
            if node.kind == "leaf" and i in first_use:  # right above what uses it first
                depth[i] = first_use[i] - 1
        rows: list[list[int]] = [[] for _ in range(max(depth) + 1)]
        for i, d in enumerate(depth):
            rows[d].append(i)
        near: list[list[int]] = [[] for _ in self.nodes]
        for a, b in self.edges:
            near[a].append(b)
            near[b].append(a)
        for _ in range(4):
            place = {i: n / len(row) for row in rows for n, i in enumerate(row)}
            for row in rows:
                row.sort(key=lambda i: sum(place[j] for j in near[i]) / max(1, len(near[i])))
                place.update({i: n / len(row) for n, i in enumerate(row)})
        return rows


_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
font-family="monospace" font-size="12" text-anchor="middle">
<defs><marker id="tip" viewBox="0 0 6 6" refX="1" refY="3" markerWidth="6" markerHeight="6" \
orient="auto"><path d="M0 0L6 3L0 6z" fill="#6b7280"/></marker></defs>
<rect width="100%" height="100%" fill="white"/>
<g fill="none" stroke="#6b7280" marker-end="url(#tip)">"""


def _box(node: Node, x: float, y: float, width: float) -> str:
    rect = (
        f'<rect x="{x - width / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{width:.0f}" '
        f'height="{HEIGHT}" rx="5" fill="{_FILL[node.kind]}" stroke="#6b7280"/>'
    )
    first = y + 4 - 7 * (len(node.lines) - 1)
    texts = [
        f'<text x="{x:.0f}" y="{first + 14 * i:.0f}">{html.escape(line)}</text>'
        for i, line in enumerate(node.lines)
    ]
    return "".join([rect, *texts])


def graph(x: Tensor, names: Mapping[str, Tensor] | None = None) -> Graph:
    """See `Tensor.graph`."""
    known = {id(t.node or t): name for name, t in (names or {}).items()}
    start = x.node or x
    seen: set[Any] = {start}
    todo: list[Any] = [start]
    while todo:
        item = todo.pop()
        for parent in item.parents if isinstance(item, Op) else ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                todo.append(parent)
    ops = sorted((item for item in seen if isinstance(item, Op)), key=lambda op: op.seq)
    leaves = [item for item in seen if isinstance(item, Tensor)]
    order = {id(p): (op.seq, n) for op in reversed(ops) for n, p in enumerate(op.parents)}
    leaves.sort(key=lambda leaf: order.get(id(leaf), (0, 0)))
    items: list[Op | Tensor] = [*leaves, *ops]
    index = {id(item): i for i, item in enumerate(items)}
    nodes = [_node(item, known.get(id(item))) for item in items]
    edges = [(index[id(p)], index[id(op)]) for op in ops for p in op.parents if p is not None]
    if x.node is not None:
        nodes.append(Node("output", (known.get(id(x.node), "output"), _kind(x))))
        edges.append((index[id(x.node)], len(nodes) - 1))
    return Graph(nodes, edges)


def _kind(t: Tensor) -> str:
    return f"{t.dtype.name} {t.shape}"


def _node(item: Op | Tensor, name: str | None) -> Node:
    if isinstance(item, Tensor):
        return Node("leaf", (name or "leaf", _kind(item)))
    # An op declares its options as annotations.
    declared = (
        key for c in type(item).__mro__ if c is not Op for key in inspect.get_annotations(c)
    )
    values = {key: vars(item).get(key) for key in declared}
    options = ", ".join(f"{key}={v}" for key, v in values.items() if v is not False and _plain(v))
    title = item.name if name is None else f"{name} = {item.name}"
    return Node("op", (title, options[:60]) if options else (title,))


def _plain(value: Any) -> bool:
    """Whether an option of an op is short and says something to a reader."""
    if isinstance(value, tuple):
        return all(isinstance(v, int) for v in value)
    return isinstance(value, (int, float, str))
