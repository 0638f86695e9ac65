"""Writes the generated part of pydl/_native.pyi (one signature per elementwise function), and
pydl/methods.pyi (the ops that are methods of Tensor).

Usage: python tools/stub.py [--check]. With --check nothing is written, and the exit status is 1
where a file differs from what would be written, or lacks or invents a name of the module.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

from pydl import _native
from pydl.methods import Methods

PACKAGE = Path(__file__).resolve().parent.parent / "pydl"
STUB = PACKAGE / "_native.pyi"
METHODS = PACKAGE / "methods.pyi"
WIDTH = 100
PARAMETERS = "p0: float = 0.0, p1: float = 0.0"


def function(name: str, arguments: str) -> str:
    """A stub, with the last line of the native docstring where there is more than a signature."""
    lines = (getattr(_native, name).__doc__ or "").strip().splitlines()
    doc = lines[-1] if len(lines) > 1 else ""
    head, tail = f"def {name}({arguments})", " -> None:" + ("" if doc else " ...")
    if len(head + tail) > WIDTH:
        head = f"def {name}(\n    {arguments}\n)"
    return head + tail + (f'\n    """{doc}"""\n' if doc else "")


def unary() -> list[str]:
    """The functions of one argument and their derivatives."""
    stubs = []
    for name in _native.unary_ops():
        stubs.append(function(name, f"x: Array, y: Array, {PARAMETERS}"))
        stubs.append(function(f"{name}_backward", f"gy: Array, s: Array, gx: Array, {PARAMETERS}"))
    return stubs


def binary() -> list[str]:
    """The functions of two arguments."""
    return [function(name, "a: Array, b: Array, out: Array") for name in _native.binary_ops()]


def generate(text: str) -> str:
    """`text` with both generated parts made anew."""
    for kind, stubs in ("unary", unary()), ("binary", binary()):
        part = re.compile(rf"(# \[{kind}: [^\n]*\n).*?(# \[end\])", re.DOTALL)
        body = "\n".join(stubs).rstrip("\n") + "\n\n"  # as `ruff format` has it
        text, count = part.subn(lambda m, body=body: m[1] + body + m[2], text)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"{STUB}: no part [{kind}: ...] ... [end]")
    return text


METHODS_HEAD = '''"""Written by tools/stub.py from the ops marked `@method`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .device import Device, Shape
from .dtypes import DType
from .tensor import Dims, Scalar, Selected, Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])

def method(fn: _Function, name: str | None = None) -> _Function: ...

class Methods:
'''


def methods() -> str:
    """The stub of pydl/methods.py: each op without its first parameter."""
    text = METHODS_HEAD
    for name, fn in sorted(vars(Methods).items()):
        if not inspect.isfunction(fn):
            continue
        node = ast.parse(inspect.getsource(fn)).body[0]
        assert isinstance(node, ast.FunctionDef)
        first = (node.args.posonlyargs or node.args.args)[0]
        first.arg, first.annotation = "self", None
        returns = ast.unparse(node.returns) if node.returns else "Any"
        arguments, tail = ast.unparse(node.args), f" -> {returns}: ...\n"
        line = f"    def {name}({arguments})"
        if len(line + tail) > WIDTH + 1:
            line = f"    def {name}(\n        {arguments}\n    )"
        text += line + tail
    return text


def missing(text: str) -> list[str]:
    """Complaints about public names that only the module or only the stub has."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    ours = {node.name for node in ast.parse(text).body if isinstance(node, kinds)}
    theirs = {name for name in dir(_native) if not name.startswith("_")}
    return [f"{name} is not in {STUB.name}" for name in sorted(theirs - ours)] + [
        f"{name} of {STUB.name} is not in the module" for name in sorted(ours - theirs)
    ]


def main() -> int:
    """Writes or checks the stubs."""
    new = {STUB: generate(STUB.read_text()), METHODS: methods()}
    complaints = missing(new[STUB])
    for path, text in new.items():
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            complaints.append(f"{path.name} is out of date: run python tools/stub.py")
    for line in complaints:
        print(line, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
