"""Makes the same call in torch and in pydl and compares everything that can be seen of it."""

from __future__ import annotations

import importlib
import operator
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .documented import by_name
from .values import Arr, Call, Draw, Dt

torch: Any = importlib.import_module("torch")  # no dependency, so the type checker lacks it
pydl: Any = importlib.import_module("pydl")

EPS = {"float32": 2.0**-23, "float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}
MISSING = "missing"
# Words of pydl's refusals to differentiate (a second time); legal where the docstring says so.
REFUSED = ("cannot be differentiated", "has no second derivative")


@dataclass(frozen=True)
class Op:
    """Something under test: its name ("abs", "F.relu", "Tensor.abs", "operator.add", "nn.ReLU").

    `check` draws a case and returns the verdict and the differences; `most` limits the cases.
    """

    name: str
    check: Callable[[Draw, str, str], tuple[str, list[Difference]]]
    most: int = 10**6


@dataclass
class Outcome:
    """What one library did: raised, or its results, and their gradients."""

    error: str = ""
    outputs: list[Any] = field(default_factory=list)
    fields: tuple[str, ...] = ()
    grad_error: str = ""
    grads: list[Any] = field(default_factory=list)
    twice_error: str = ""
    twice: list[Any] = field(default_factory=list)


@dataclass
class Difference:
    """One observed difference; `kind` is the word that the table in docs refers to."""

    op: str
    kind: str
    call: Call | None
    torch: str
    pydl: str
    case: int = 0
    shown: str = ""


Verdict = tuple[str, list[Difference]]
REGISTRY: dict[str, Op] = {}
DRAWS: dict[str, Callable[[Draw, str], Call]] = {}  # of the functions


def op(*names: str) -> Callable[[Callable[[Draw, str], Call]], Callable[[Draw, str], Call]]:
    """Register a generator of calls for one or several functions."""

    def register(draw: Callable[[Draw, str], Call]) -> Callable[[Draw, str], Call]:
        def check(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
            return compare(name, draw(d, name), device, d)

        add(check, *names)
        DRAWS.update(dict.fromkeys(names, draw))
        return draw

    return register


def add(
    check: Callable[[Draw, str, str], tuple[str, list[Difference]]], *names: str, most: int = 10**6
) -> None:
    """Register something under test."""
    for name in names:
        if name in REGISTRY:
            raise ValueError(f"add: {name} has two generators")
        REGISTRY[name] = Op(name, check, most)


# ---- the two libraries


@dataclass(frozen=True)
class Library:
    """torch or pydl: how to find a function, make a tensor and take gradients."""

    root: Any
    device: str
    double: bool

    @property
    def ours(self) -> bool:
        """Whether it is pydl."""
        return self.root is pydl

    def find(self, name: str) -> Any:
        """The function of a name; None where there is none."""
        place, _, last = name.rpartition(".")
        if place == "operator":
            return SPECIAL.get(last) or getattr(operator, last)
        if place == "F":
            return getattr(self.root.nn.functional, last, None)
        if place == "Tensor":
            return getattr(self.root.Tensor, last, None)
        if place == "nn":
            return getattr(self.root.nn, last, None)
        return getattr(self.root, last, None)

    def make(self, value: Any, leaves: list[Any]) -> Any:
        """An argument of this library; tensors that want a gradient are added to `leaves`."""
        if isinstance(value, Arr):
            t = self.tensor(value.array, value.dtype)
            if value.grad:
                t.requires_grad_()
                leaves.append(t)
            return t
        if isinstance(value, Dt):
            return self.dtype(value.name)
        if isinstance(value, (list, tuple)):
            return type(value)(self.make(v, leaves) for v in value)
        if isinstance(value, dict):
            return {name: self.make(v, leaves) for name, v in value.items()}
        return value

    def dtype(self, name: str) -> Any:
        """The element type of a name; float32 stands for the floating type of this run."""
        return getattr(self.root, "float64" if self.double and name == "float32" else name)

    def tensor(self, array: np.ndarray[Any, Any], dtype: str) -> Any:
        """A leaf with a copy of the values."""
        if self.ours:
            return pydl.tensor(array, dtype=self.dtype(dtype), device=self.device)
        return torch.tensor(array, dtype=self.dtype(dtype))


def is_tensor(value: Any) -> bool:
    """Of either library."""
    return isinstance(value, (torch.Tensor, pydl.Tensor))


def dtype_name(t: Any) -> str:
    """The bare name of an element type."""
    return str(t.dtype).split(".")[-1].removesuffix("_")


def as_numpy(t: Any) -> np.ndarray[Any, Any]:
    """The values; half types as float32."""
    t = t.detach()
    if dtype_name(t) == "bfloat16":
        t = t.float()
    return np.asarray(t.numpy())


def flat(value: Any) -> Iterable[Any]:
    """Tensors and other values, one after the other, out of nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        yield len(value)
        for v in value:
            yield from flat(v)
    else:
        yield value


def field_names(value: Any) -> tuple[str, ...]:
    """The names of a named tuple's fields."""
    if isinstance(value, torch.Size) or not isinstance(value, tuple):
        return ()
    names = getattr(value, "_fields", None)
    if names is None and hasattr(value, "n_sequence_fields"):
        names = [n for n in type(value).__dict__ if not n.startswith(("_", "n_"))]
    return tuple(sorted(names or ()))


def run(library: Library, function: Any, call: Call, parameters: Iterable[Any] = ()) -> Outcome:
    """Call it, then take the gradients of the arguments and of the parameters."""
    leaves: list[Any] = []
    outcome = Outcome()
    try:
        with np.errstate(all="ignore"):
            args = library.make(call.args, leaves)
            kwargs = library.make(call.kwargs, leaves)
    except Exception as error:
        raise RuntimeError(f"{call}: cannot make the arguments") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*args, **kwargs)
    except Exception as error:
        outcome.error = brief(error)
        return outcome
    outcome.fields = field_names(result)
    outcome.outputs = list(flat(result))
    leaves += parameters
    differentiate(library, outcome, leaves, call.twice)
    return outcome


def brief(error: Exception) -> str:
    """Type and first line of a message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"


def cotangents(outputs: list[Any]) -> list[np.ndarray[Any, Any]]:
    """Fixed values in the shape of each output, for gradients."""
    g = np.random.default_rng(1)
    return [np.asarray(g.standard_normal(tuple(t.shape)), np.float32) for t in outputs]


def differentiate(library: Library, outcome: Outcome, leaves: list[Any], twice: bool) -> None:
    """Fill in first and second gradients."""
    outputs = [t for t in outcome.outputs if is_tensor(t) and t.requires_grad]
    if not outputs or not leaves:
        return
    try:
        grads = gradient(library, outputs, leaves, twice)
        outcome.grads = [None if g is None else as_numpy(g) for g in grads]
    except Exception as error:
        outcome.grad_error = brief(error)
        if twice and any(word in str(error) for word in REFUSED):
            outcome.grad_error = ""
            outcome.twice_error = brief(error)
            try:
                grads = gradient(library, outputs, leaves, False)
                outcome.grads = [None if g is None else as_numpy(g) for g in grads]
            except Exception as again:
                outcome.grad_error = brief(again)
        return
    if twice:
        first = [g for g in grads if g is not None and g.requires_grad]
        if not first:
            return
        try:
            second = gradient(library, first, leaves, False)
            outcome.twice = [None if g is None else as_numpy(g) for g in second]
        except Exception as error:
            outcome.twice_error = brief(error)


def gradient(library: Library, outputs: list[Any], leaves: list[Any], create: bool) -> list[Any]:
    """d outputs / d leaves."""
    gys = [
        library.tensor(g, dtype_name(t)) for g, t in zip(cotangents(outputs), outputs, strict=True)
    ]
    take = pydl.grad if library.ours else torch.autograd.grad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(
            take(outputs, leaves, gys, retain_graph=True, create_graph=create, allow_unused=True)
        )


# ---- judging


def close(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any], call: Call, dtype: str) -> bool:
    """Equal to rounding: NaN and Inf in the same places, the rest within k eps of its size."""
    if ours.dtype.kind != "f":
        return bool(np.array_equal(ours, theirs))
    finite = np.isfinite(theirs)
    with np.errstate(all="ignore"):
        if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
            return False
        if not np.array_equal(
            ours[~finite & ~np.isnan(theirs)], theirs[~finite & ~np.isnan(theirs)]
        ):
            return False
        a, b = ours[finite].astype(np.float64), theirs[finite].astype(np.float64)
        if not b.size:
            return True
        size = np.abs(b) if call.pointwise else np.full_like(b, np.abs(b).max())
        floor = min(1.0, float(np.median(np.abs(b)))) if call.pointwise else 0.0
        if dtype == "float64":  # nothing more exact to ask: allow for what cancels
            size, floor = np.full_like(b, np.abs(b).max()), 1.0
        eps = EPS[dtype] * (16 + 2 * call.k)
        tolerance = (max(eps, 1e-12) if dtype == "float64" else eps) * (size + floor) + 1e-37
        return bool((np.abs(a - b) <= tolerance).all())


def worse(
    ours: np.ndarray[Any, Any],
    theirs: np.ndarray[Any, Any],
    exact: np.ndarray[Any, Any],
    least: float = 0.0,
) -> bool:
    """Whether pydl is more than four times as far from torch in float64 as torch in float32 is.

    `least` is the size of terms that may have cancelled.
    """
    if exact.shape != ours.shape or ours.dtype.kind != "f":
        return True
    with np.errstate(all="ignore"):
        if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
            return True
        finite = np.isfinite(theirs) & np.isfinite(exact)
        if not finite.any():
            return True
        a, b, e = (x[finite].astype(np.float64) for x in (ours, theirs, exact))
        bound = 4 * np.abs(b - e).max() + 8 * EPS["float32"] * np.maximum(np.abs(e), 2 * least)
        bound += 1e-15  # what is 0 but for float64's own rounding
        return bool((np.abs(a - e) > bound).any())


def show(array: np.ndarray[Any, Any]) -> str:
    """Shape and the first values."""
    values = np.array2string(array.reshape(-1)[:6], precision=6, separator=",")
    return f"{list(array.shape)} {values}".replace("\n", "")


def first_apart(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> tuple[str, str]:
    """(torch, pydl) at the worst element, for the report."""
    if ours.size <= 6:
        return show(theirs), show(ours)
    with np.errstate(all="ignore"):
        a, b = ours.astype(np.float64), theirs.astype(np.float64)
        apart = np.abs(a - b)
        apart[np.isnan(a) != np.isnan(b)] = np.inf
        at = int(np.nanargmax(np.where(np.isnan(apart), -1, apart)))
    place = np.unravel_index(at, ours.shape)
    text = ",".join(str(int(i)) for i in place)
    return f"[{text}]: {theirs.flat[at]:.7g}", f"[{text}]: {ours.flat[at]:.7g}"


class Judge:
    """Compares two outcomes; asks torch in float64 where float32 is in doubt."""

    def __init__(self, name: str, call: Call, exact: Callable[[], Outcome] | None) -> None:
        self.name, self.call, self.rerun = name, call, exact
        self.found: list[Difference] = []
        self.shape: tuple[int, ...] = ()  # of the output
        self._exact: Outcome | None = None

    def differ(self, kind: str, theirs: Any, ours: Any) -> None:
        """Note a difference."""
        self.found.append(Difference(self.name, kind, self.call, str(theirs), str(ours)))

    def exact(self) -> Outcome:
        """torch in float64."""
        if self._exact is None and self.rerun is not None:
            self._exact = self.rerun()
        return self._exact or Outcome()

    def outcomes(self, theirs: Outcome, ours: Outcome) -> list[Difference]:
        """Every difference of two outcomes."""
        if bool(theirs.error) != bool(ours.error):
            kind = "torch-raises" if theirs.error else "pydl-raises"
            self.differ(kind, theirs.error or "no error", ours.error or "no error")
        elif not theirs.error:
            self.outputs(theirs, ours)
            if not self.found:
                self.gradients(theirs, ours)
        return self.found

    def outputs(self, theirs: Outcome, ours: Outcome) -> None:
        """Structure, then every output."""
        if len(theirs.outputs) != len(ours.outputs) or theirs.fields != ours.fields:
            self.differ("structure", *(f"{len(o.outputs)} {o.fields}" for o in (theirs, ours)))
            return
        for i, (t, o) in enumerate(zip(theirs.outputs, ours.outputs, strict=True)):
            self.output(i, t, o)
            self.shape = tuple(t.shape) if is_tensor(t) else ()

    def output(self, i: int, theirs: Any, ours: Any) -> None:
        """One output: kind, shape, dtype, values, whether it is on the tape."""
        if is_tensor(theirs) != is_tensor(ours):
            self.differ("structure", type(theirs).__name__, type(ours).__name__)
            return
        if not is_tensor(theirs):
            if theirs != ours and not (theirs != theirs and ours != ours):
                self.differ("values", theirs, ours)
            return
        if tuple(theirs.shape) != tuple(ours.shape):
            self.differ("shape", tuple(theirs.shape), tuple(ours.shape))
            return
        if dtype_name(theirs) != dtype_name(ours):
            self.differ("dtype", dtype_name(theirs), dtype_name(ours))
            return
        self.arrays("values", i, as_numpy(theirs), as_numpy(ours), "outputs")
        if theirs.requires_grad != ours.requires_grad:
            flags = (f"requires_grad={t.requires_grad}" for t in (theirs, ours))
            self.differ("requires-grad", *flags)

    def arrays(self, kind: str, i: int, theirs: Any, ours: Any, which: str) -> None:
        """Values of one output or gradient."""
        if theirs is None or ours is None:
            present = ours if theirs is None else theirs
            if present is not None and present.any():
                self.differ(kind, "none" if theirs is None else show(theirs), show(present))
            return
        if theirs.shape != ours.shape:
            self.differ(kind + "-shape", theirs.shape, ours.shape)
            return
        call, least = self.call, 0.0
        if kind != "values" and not (call.pointwise and theirs.shape == self.shape):
            call, least = replace(call, pointwise=False), 1.0  # sums of terms of size 1
        if close(ours, theirs, call, str(theirs.dtype)):
            return
        if self.rerun is not None and theirs.dtype == np.float32:
            exact = getattr(self.exact(), which)
            e = exact[i] if i < len(exact) else None
            if e is not None:
                e = as_numpy(e) if is_tensor(e) else e
                if not worse(ours, theirs, e, least):
                    return
        self.differ(kind, *first_apart(ours, theirs))

    def gradients(self, theirs: Outcome, ours: Outcome) -> None:
        """First and second gradients of every leaf."""
        if bool(theirs.grad_error) != bool(ours.grad_error):
            kind = "torch-gradient-raises" if theirs.grad_error else "pydl-gradient-raises"
            self.differ(kind, theirs.grad_error or "no error", ours.grad_error or "no error")
            return
        for i, (t, o) in enumerate(zip(theirs.grads, ours.grads, strict=True)):
            self.arrays("gradient", i, t, o, "grads")
        if self.found or not theirs.twice:
            return
        if ours.twice_error:
            if not any(word in ours.twice_error for word in REFUSED):
                self.differ("second-gradient-raises", "no error", ours.twice_error)
            return
        if not ours.twice:  # no path to the leaves: the same as zeros
            ours.twice = [None] * len(theirs.twice)
        for i, (t, o) in enumerate(zip(theirs.twice, ours.twice, strict=True)):
            self.arrays("second-gradient", i, t, o, "twice")


def compare(name: str, call: Call, device: str, d: Draw) -> tuple[str, list[Difference]]:
    """ "equal", "both raise", "missing" or "different", and the differences."""
    double = device == "numpy"
    theirs_library, ours_library = Library(torch, "cpu", double), Library(pydl, device, double)
    theirs_function = theirs_library.find(name)
    ours_function = ours_library.find(name)
    if theirs_function is None:
        raise ValueError(f"{name}: torch has no such function")
    if ours_function is None:
        return MISSING, []
    theirs = run(theirs_library, theirs_function, call)
    named = by_name(call, theirs_function, name, d)
    if named is not call:  # as keywords, where torch takes them so in this form
        again = run(theirs_library, theirs_function, named)
        if not again.error or theirs.error:
            call, theirs = named, again
    ours = run(ours_library, ours_function, call)
    exact = Library(torch, "cpu", True)
    judge = Judge(name, call, None if double else lambda: run(exact, theirs_function, call))
    found = judge.outcomes(theirs, ours)
    if found:
        return "different", found
    return ("both raise" if theirs.error else "equal"), []


# ---- calls that are no functions


def _setitem(x: Any, index: Any, value: Any) -> Any:
    y = x.clone()
    y[index] = value
    return y


SPECIAL: dict[str, Callable[..., Any]] = {"setitem": _setitem}
