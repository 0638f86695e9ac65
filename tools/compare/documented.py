"""The names of parameters as torch documents them, and calls that use them as keywords."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from .values import Arr, Call, Draw

# pydl calls the tensors x, a, b: these are always positional.
BY_DESIGN = {
    "input",
    "self",
    "other",
    "tensors",
    "tensor",
    "mat2",
    "vec",
    "vec2",
    "input1",
    "input2",
}
BY_DESIGN |= {"batch1", "batch2", "mat1", "x1", "x2", "anchor", "q", "k", "v", "end", "tensor1"}
BY_DESIGN |= {"tensor2", "sequence", "exponent"}


def parameter_names(function: Any, name: str) -> list[str]:
    """Positional parameters, from the first line of the documentation or from the signature."""
    bare = name.split(".")[-1]
    found = re.search(rf"(?:^|[\s.]){bare}\(([^)]*)\)", function.__doc__ or "")
    if found:
        words = [w.split("=")[0].strip() for w in re.sub(r"\([^)]*", "", found[1]).split(",")]
    else:
        try:
            words = list(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            return []
    names = ["self", *words] if name.startswith("Tensor.") and found else words
    stop = next((i for i, n in enumerate(names) if not n.isidentifier()), len(names))
    return names[:stop]


def by_name(call: Call, function: Any, name: str, d: Draw) -> Call:
    """Some of the last positional arguments as keywords, now and then."""
    if len(call.args) < 2 or not d.chance(0.2):
        return call
    names = parameter_names(function, name)
    first = d.integer(1, len(call.args) - 1)
    moved = names[first : len(call.args)]
    legal = len(names) >= len(call.args) and not BY_DESIGN & set(moved)
    if (
        not legal
        or set(moved) & set(call.kwargs)
        or not isinstance(call.args[0], (Arr, list, tuple))
    ):
        return call
    kwargs = dict(zip(moved, call.args[first:], strict=True)) | call.kwargs
    return dataclasses.replace(call, args=call.args[:first], kwargs=kwargs)
