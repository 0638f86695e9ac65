"""Tensor.graph: the recorded graph as DOT and SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import pydl
from pydl import nn

SVG = "{http://www.w3.org/2000/svg}"


def test_the_boxes_and_arrows_of_a_small_graph() -> None:
    w = pydl.tensor([[1.0, 2.0]], requires_grad=True)
    b = pydl.tensor([3.0], requires_grad=True)
    y = (w * w + b).sum(dim=1)
    g = y.graph({"w": w, "b": b, "y": y})
    assert [(n.kind, n.lines[0]) for n in g.nodes] == [
        ("leaf", "w"), ("leaf", "b"), ("op", "mul"), ("op", "add"), ("op", "y = sum"),
        ("output", "y"),
    ]  # fmt: skip
    assert g.edges == [(0, 2), (0, 2), (2, 3), (1, 3), (3, 4), (4, 5)]
    assert g.nodes[0].lines[1] == "float32 (1, 2)"
    assert "dims=(1,)" in g.nodes[4].lines[1]
    dot = g.dot.splitlines()
    assert dot[0] == "digraph {"
    assert '  0 [label="w\\nfloat32 (1, 2)", fillcolor="#dbeafe"]' in dot
    assert "  3 -> 4" in dot
    assert dot[-1] == "}"


def test_the_picture_is_well_formed_and_no_box_overlaps_another() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    x = pydl.randn(2, 1, 4, 4)
    loss = nn.functional.cross_entropy(net(x), pydl.tensor([0, 2]))
    g = loss.graph(dict(net.named_parameters()))
    root = ElementTree.fromstring(g.svg)
    boxes = [
        tuple(float(r.get(k, "0")) for k in ("x", "y", "width", "height"))
        for r in root.iter(f"{SVG}rect")
        if r.get("rx")
    ]
    assert len(boxes) == len(g.nodes)
    for i, (x0, y0, w0, h0) in enumerate(boxes):
        assert x0 >= 0
        assert y0 >= 0
        assert x0 + w0 <= float(root.get("width", "0"))
        assert y0 + h0 <= float(root.get("height", "0"))
        for x1, y1, w1, h1 in boxes[:i]:
            assert x0 + w0 <= x1 or x1 + w1 <= x0 or y0 + h0 <= y1 or y1 + h1 <= y0
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert {"0.weight", "0.bias", "3.weight", "3.bias", "cross_entropy"} <= set(texts)
    assert len(list(root.iter(f"{SVG}path"))) == len(g.edges) + 1  # and the arrow's tip


def test_arrows_go_down() -> None:
    x = pydl.ones(3, requires_grad=True)
    y = x.exp()
    g = (y + (y * y).tanh() * x).sum().graph()
    row = {i: r for r, nodes in enumerate(g._rows()) for i in nodes}
    assert all(row[a] < row[b] for a, b in g.edges)


def test_leaves_deep_graphs_and_names_with_signs(tmp_path: Path) -> None:
    x = pydl.ones(2, requires_grad=True)
    g = x.graph({'a<b>"': x})
    assert [n.kind for n in g.nodes] == ["leaf"]
    assert ElementTree.fromstring(g.svg) is not None
    assert 'label="a<b>\\"\\nfloat32 (2,)"' in g.dot
    y = x
    for _ in range(3000):
        y = y * 1.0
    assert len(y.graph().nodes) == 3002
    g.save(tmp_path / "g.svg")
    g.save(tmp_path / "g.dot")
    assert (tmp_path / "g.svg").read_text() == g.svg == g._repr_svg_()
    assert (tmp_path / "g.dot").read_text() == g.dot
    with pytest.raises(ValueError, match=r"ends with neither \.svg nor \.dot"):
        g.save(tmp_path / "g.png")
