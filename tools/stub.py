"""Writes the generated part of pydl/_native.pyi: one signature per elementwise function.

Usage: python tools/stub.py [--check]. With --check nothing is written, and the exit status is 1
where the file differs from what would be written, or lacks or invents a name of the module.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from pydl import _native

STUB = Path(__file__).resolve().parent.parent / "pydl" / "_native.pyi"
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


def missing(text: str) -> list[str]:
    """Complaints about public names that only the module or only the stub has."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    ours = {node.name for node in ast.parse(text).body if isinstance(node, kinds)}
    theirs = {name for name in dir(_native) if not name.startswith("_")}
    return [f"{name} is not in the stub" for name in sorted(theirs - ours)] + [
        f"{name} is not in the module" for name in sorted(ours - theirs)
    ]


def main() -> int:
    """Writes or checks the stub."""
    old = STUB.read_text()
    new = generate(old)
    complaints = missing(new)
    if "--check" not in sys.argv[1:]:
        STUB.write_text(new)
    elif old != new:
        complaints.append("out of date: run python tools/stub.py")
    for line in complaints:
        print(f"{STUB.name}: {line}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
