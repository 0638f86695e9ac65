"""pydl/_native.pyi says exactly what the native module has."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pydl
from pydl import _native

STUB = Path(pydl.__file__).parent / "_native.pyi"
TOOL = Path(__file__).parents[1] / "tools" / "stub.py"


def functions() -> dict[str, ast.FunctionDef]:
    body = ast.parse(STUB.read_text()).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def kernel_signatures() -> dict[str, list[str]]:
    """Parameter names of every kernel: a function that takes arrays and returns nothing."""
    found = {}
    for name, node in functions().items():
        takes = any(re.search(r"\bArray\b", ast.unparse(a.annotation or a)) for a in node.args.args)
        if takes and node.returns is not None and ast.unparse(node.returns) == "None":
            found[name] = [a.arg for a in node.args.args]
    return found


def native_parameters(name: str) -> list[tuple[str, str | None]]:
    """Names and defaults, from the signature line that pybind11 writes."""
    doc = getattr(_native, name).__doc__
    inside = re.search(rf"^{name}\((.*)\) -> ", doc or "", re.MULTILINE)
    assert inside is not None, doc
    depth, parts = 0, [""]
    for c in inside[1]:
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    found = []
    for part in filter(None, (p.strip() for p in parts)):
        name_and_type, _, default = part.partition(" = ")
        found.append((name_and_type.split(":")[0].strip(), default or None))
    return found


@pytest.mark.parametrize("name", sorted(functions()))
def test_parameters(name: str) -> None:
    arguments = functions()[name].args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    missing = [None] * (len(names) - len(arguments.defaults))
    defaults = [*missing, *(ast.literal_eval(d) for d in arguments.defaults)]
    theirs = native_parameters(name)
    assert [n for n, _ in theirs] == names
    for (parameter, text), default in zip(theirs, defaults, strict=True):
        value = ast.literal_eval(text) if text is not None else None
        assert value == default, parameter


def test_names() -> None:
    kinds = (ast.FunctionDef, ast.ClassDef)
    ours = {node.name for node in ast.parse(STUB.read_text()).body if isinstance(node, kinds)}
    assert ours == {name for name in dir(_native) if not name.startswith("_")}


@pytest.mark.parametrize("cls", ["Array", "Plan"])
def test_methods(cls: str) -> None:
    classes = (n for n in ast.parse(STUB.read_text()).body if isinstance(n, ast.ClassDef))
    node = next(n for n in classes if n.name == cls)
    ours = {n.name for n in node.body if isinstance(n, ast.FunctionDef)} - {"__init__"}
    theirs = {n for n in vars(getattr(_native, cls)) if not n.startswith("_") or n == "__len__"}
    assert ours == theirs


def test_generated_part_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"],
        env={**os.environ, "PYTHONPATH": str(STUB.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
