"""What an op case is: the inputs, how they are run on a device, and how near results must be.

The cases themselves are in opcases.py. Tolerances follow from the element type and the length of
the sums; no case sets its own.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import pydl
from pydl import Tensor, ops
from pydl.autograd import grad

Array = npt.NDArray[Any]
Draw = Callable[[np.random.Generator], Array]

ULPS = 4  # what csrc/ops/math.h promises for one function; a sum of k terms adds sqrt(k)
TINY = 2.0**-126  # denormals are flushed

TAILS = (0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 100, 1003)  # lengths around those of vectors
BIG = 100_003  # several pieces of work, and a tail


# What a public op makes of each element type; the types that a rule leaves out raise TypeError.
Rule = dict[str, str]
INTEGERS = ("int64", "int32", "uint8")
NATIVE = ("float32", *INTEGERS, "bool")
HALVES = ("float16", "bfloat16")
FLOATS = ("float32", *HALVES)
FLOATING: Rule = {t: t for t in FLOATS}
# Integers and bools become float32.
PROMOTED: Rule = {**dict.fromkeys(NATIVE, "float32"), **FLOATING}
NUMBERS: Rule = {t: t for t in (*FLOATS, *INTEGERS)}
SAME: Rule = {t: t for t in (*NATIVE, *HALVES)}
INTEGRAL: Rule = {t: t for t in INTEGERS}
BITS: Rule = {t: t for t in (*INTEGERS, "bool")}
SUMMED: Rule = {**dict.fromkeys(NATIVE, "int64"), **FLOATING}
TO_BOOL: Rule = dict.fromkeys((*NATIVE, *HALVES), "bool")
TO_INT64: Rule = dict.fromkeys((*NATIVE, *HALVES), "int64")


@dataclass(frozen=True)
class OpCase:
    """One call of one public function.

    Args:
        name: unique, "op[what is special]".
        fn: takes the tensors, returns the output.
        inputs: what draws each input; floating ones are float32 numbers on every device.
        k: the longest sum behind one element of the output, in multiply-adds.
        k_grad: the longest sum behind one element of a gradient.
        grads: inputs that take a gradient; all floating ones by default.
        twice: it can be differentiated twice.
        replay: a recorded plan may be replayed with other values.
        smooth: finite differences of it mean something.
    """

    name: str
    fn: Callable[..., Tensor]
    inputs: tuple[Draw, ...]
    k: int = 1
    k_grad: int = 1
    grads: tuple[int, ...] | None = None
    twice: bool = True
    replay: bool = True
    smooth: bool = True

    @property
    def op(self) -> str:
        """The public function."""
        return self.name.split("[")[0]

    def arrays(self, seed: int = 0) -> list[Array]:
        """The inputs as float64, integer or bool arrays."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        drawn = [np.asarray(draw(rng)) for draw in self.inputs]
        return [
            a.astype(np.float32).astype(np.float64) if a.dtype.kind == "f" else a for a in drawn
        ]

    def tensors(self, device: str, seed: int = 0) -> list[Tensor]:
        """The inputs: float64 on the numpy device, float32 elsewhere; gradients wanted."""
        out = []
        for i, a in enumerate(self.arrays(seed)):
            floating = a.dtype.kind == "f"
            dtype = np.float32 if floating and device != "numpy" else a.dtype
            t = pydl.from_numpy(np.array(a, dtype, order="C"), device)
            wanted = floating if self.grads is None else i in self.grads
            out.append(t.requires_grad_() if wanted else t)
        return out

    @property
    def differentiable(self) -> bool:
        """Whether any input takes a gradient."""
        if self.grads is not None:
            return len(self.grads) > 0
        return any(a.dtype.kind == "f" for a in self.arrays())

    @property
    def small(self) -> bool:
        """Whether finite differences are affordable and mean something."""
        return (
            self.smooth
            and sum(a.size for a in self.arrays()) <= 200
            and max(self.k, self.k_grad) <= 2000
        )


def output_gradient(case: OpCase, y: Tensor, flips: int = 0) -> Tensor:
    """A gradient for the output, the same on every device; some signs turned where `flips` > 0."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    gy = rng.uniform(-1, 2, y.shape).astype(np.float32).astype(y.dtype.numpy)
    if flips:
        gy = gy * np.random.default_rng(flips).choice([-1, 1], y.shape).astype(gy.dtype)
    return pydl.from_numpy(np.array(gy, order="C"), y.device)


def run(
    case: OpCase, device: str, seed: int = 0, flips: int = 0
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The output and the gradients of the inputs that take one."""
    xs = case.tensors(device, seed)
    pydl.manual_seed(0)
    y = case.fn(*xs)
    wanted = [x for x in xs if x.requires_grad]
    if not wanted:
        return y, ()
    return y, grad(y, wanted, output_gradient(case, y, flips), materialize_grads=True)


def assert_gradients_near(case: OpCase) -> None:
    """Native gradients against the oracle's.

    A gradient is linear in that of the output: its terms may cancel, and then are larger than it.
    In small cases, where that happens by chance, their size shows with other signs.
    """
    got, want = run(case, "cpu")[1], run(case, "numpy")[1]
    others = [run(case, "numpy", flips=i)[1] for i in (1, 2, 3)] if case.small else []
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        sizes = (np.abs(o[i].numpy()).max(initial=0) for o in others)
        k = max(case.k, case.k_grad)
        assert_near(g, w, k, whole=True, least=max(sizes, default=0), what=f"{case.name}: {i}")


def assert_near(
    got: Any, want: Any, k: int = 1, whole: bool = False, least: float = 0.0, what: str = ""
) -> None:
    """Within ULPS * sqrt(k) roundings of float32.

    Args:
        got: tensor or array, float32 or not floating (then it must be equal).
        want: the same in float64.
        k: the length of the sums behind an element.
        whole: the error is relative to the largest element: for sums, and for gradients, whose
            terms cancel.
        least: what the error is relative to, where all elements are smaller.
        what: for the message.
    """
    got, want = (a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in (got, want))
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], err_msg=what)
    size = np.abs(want[finite])
    if size.size == 0:
        return
    scale = max(size.max(), least) if whole or k > 1 else size
    bound = ULPS * math.sqrt(k) * np.finfo(np.float32).eps * scale + TINY
    error = np.abs(got[finite].astype(np.float64) - want[finite])
    worst = int(np.argmax(error - bound))
    allowed = np.broadcast_to(bound, error.shape)[worst]
    assert (error <= bound).all(), (
        f"{what}: off by {error[worst]:.3g}, allowed {allowed:.3g} "
        f"(got {got[finite][worst]}, expected {want[finite][worst]}, k={k})"
    )


@dataclass(frozen=True)
class KernelCase:
    """One direct call of a kernel; every array is compared afterwards.

    Args:
        name: "kernel[what is special]".
        arrays: by parameter; a list for the multi-tensor kernels.
        options: the other parameters; numbers become float32 ones.
        k: the longest sum behind one element.
    """

    name: str
    arrays: dict[str, Draw | list[Draw]]
    options: dict[str, Any] = field(default_factory=dict)
    k: int = 1

    def run(self, device: str) -> list[Array]:
        """All arrays after the call: float64 on the numpy device, float32 elsewhere."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        where, seen = pydl.device(device), []

        def make(draw: Draw) -> Any:
            a = np.asarray(draw(rng))
            if a.dtype.kind == "f":
                a = a.astype(np.float32).astype(np.float64 if device == "numpy" else np.float32)
            seen.append(np.array(a, order="C"))
            return where.from_numpy(seen[-1])

        arrays = {n: [make(x) for x in d] if isinstance(d, list) else make(d)
                 for n, d in self.arrays.items()}  # fmt: skip
        options = {
            name: float(np.float32(value)) if isinstance(value, float) else value
            for name, value in self.options.items()
        }
        getattr(where.kernels, self.name.split("[")[0])(**arrays, **options)
        return seen


@dataclass(frozen=True)
class Refusal:
    """A call that must raise; `call` gets the device's name."""

    op: str
    call: Callable[[str], Any]
    error: type[Exception]
    message: str


def ones(*shape: int) -> Callable[[str], Tensor]:
    return lambda device: ops.ones(*shape, device=device)


def refused(
    op: str, fn: Callable[..., Any], *shapes: tuple[int, ...], error: type[Exception] = ValueError,
    message: str,
) -> Refusal:  # fmt: skip
    """`fn` of float32 ones of such shapes."""
    return Refusal(op, lambda d: fn(*(ops.ones(s, device=d) for s in shapes)), error, message)


def ids(shape: tuple[int, ...], value: int, device: str) -> Tensor:
    return ops.full(shape, value, device=device)


def given(fn: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[..., Any]:
    """`fn` of some tensors, with what else it takes."""
    return lambda *tensors: fn(*tensors, *arguments, **options)


# ---- what draws inputs


def normal(*shape: int, scale: float = 1.0) -> Draw:
    return lambda r: np.asarray(r.normal(0, scale, shape))


def terms(*shape: int) -> Draw:
    """Of both signs, but with a sum that does not vanish beside them."""
    return uniform(-1, 2, *shape)


def uniform(low: float, high: float, *shape: int) -> Draw:
    return lambda r: np.asarray(r.uniform(low, high, shape))


def away(*shape: int, kinks: tuple[float, ...] = (0.0,), gap: float = 0.05) -> Draw:
    """In [-3, 3], at least `gap` from every kink."""

    def draw(r: np.random.Generator) -> Array:
        x = np.asarray(r.uniform(-3, 3, shape))
        for kink in kinks:
            x = np.where(np.abs(x - kink) < gap, kink + np.copysign(gap, x - kink), x)
        return x

    return draw


def distinct(*shape: int) -> Draw:
    """No two closer than 4 / size."""
    size = math.prod(shape)
    return lambda r: (r.permutation(size) * (4.0 / max(size, 1)) - 2.0).reshape(shape)


def grid(*shape: int, shift: float = 0.0) -> Draw:
    """Multiples of 1/4, many of them equal, all moved by `shift`."""
    return lambda r: np.asarray(np.round(4 * r.normal(size=shape)) / 4 + shift)


def whole(low: int, high: int, *shape: int) -> Draw:
    """int64 in [low, high)."""
    return lambda r: np.asarray(r.integers(low, high, shape))


def coins(*shape: int, chance: float = 0.5) -> Draw:
    """bool, true with such a chance."""
    return lambda r: np.asarray(r.random(shape) < chance)


def simplex(n: int, c: int) -> Draw:
    """Rows of probabilities."""
    return lambda r: r.dirichlet(np.ones(c), n)


def constant(value: Any) -> Draw:
    return lambda r: np.asarray(value)
