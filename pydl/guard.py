"""Clear errors for arguments that are no tensors: what stands around the public functions.

Ops ask for `x.shape` and `x.dtype` before anything else, and so stay short; where x is None, a list
or a NumPy array, that fails deep inside. Here it becomes a TypeError that names the function, the
argument, and what was expected. Arguments are looked at after a failure alone.
"""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable
from typing import Any

__all__: list[str] = []


@functools.cache
def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, but a failure over an argument that is no tensor says so."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception:
            problem = complaint(function, args, kwargs)
            if problem is None:
                raise
        raise TypeError(problem)

    return call


def guard(namespace: dict[str, Any]) -> None:
    """Guard every op of a namespace that takes a tensor; it is pickled under the new name."""
    for name, value in list(namespace.items()):
        if inspect.isfunction(value) and value.__module__.startswith(("pydl.ops.", "pydl.random")):
            annotations = [v for k, v in value.__annotations__.items() if k != "return"]
            if any("Tensor" in annotation for annotation in annotations):
                call = namespace[name] = guarded(value)
                if call.__module__ == value.__module__:
                    call.__module__, call.__qualname__ = namespace["__name__"], name


def complaint(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str | None:
    """What to say of the first argument that is no tensor, where the annotation asks for one."""
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:  # Python's own message is about the call
        return None
    for name, value in given.items():
        parameter = signature.parameters[name]
        annotation, parts = parameter.annotation, {name: value}
        several = parameter.kind is parameter.VAR_POSITIONAL or annotation == "Sequence[Tensor]"
        if several and isinstance(value, (list, tuple)):
            annotation = annotation.removeprefix("Sequence[").removesuffix("]")
            parts = {f"{name}[{i}]": one for i, one in enumerate(value)}
        for what, one in parts.items():
            if not fits(one, annotation):
                kind = "None" if one is None else f"a {type(one).__name__}"
                expected = annotation.replace(" | ", " or ")
                return f"{function.__name__}: {what} is {kind}, expected a {expected}"
    return None


def fits(value: Any, annotation: str) -> bool:
    """Whether a value is what an annotation with a Tensor in it says; other ones are not judged."""
    from .tensor import Tensor

    known: dict[str, Any] = {
        "Tensor": Tensor,
        "None": type(None),
        "Sequence[Tensor]": (list, tuple, Tensor),
        **dict.fromkeys(("Scalar", "float", "int"), numbers.Number),
    }
    kinds = annotation.split(" | ")
    judged = "Tensor" in annotation and all(kind in known for kind in kinds)
    return not judged or any(isinstance(value, known[kind]) for kind in kinds)
