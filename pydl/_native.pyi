# The native module: arrays, plans, and one function per kernel (csrc/bindings). Kernels read their
# inputs, write their outputs in place and return nothing; pydl/backends/numpy.py has the same list
# in NumPy. Arrays are dense and row-major; shapes and dtypes are checked again here (ValueError,
# TypeError), so that no mistake in Python can touch memory that is not an array's.
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

# Of a plan: the kernel, and for each array its name there, the code of its dtype, its shape, address
# and bytes, and whether it is written.
Operand = tuple[str, int, tuple[int, ...], int, int, bool]
Step = tuple[str, tuple[Operand, ...]]

class Array:
    """A dense, row-major block of elements in native memory. Has the buffer protocol."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def code(self) -> int:
        """Index of the dtype in pydl.dtypes.DTYPES."""
    @property
    def size(self) -> int: ...
    @property
    def ptr(self) -> int: ...
    def view(self, shape: Sequence[int], offset: int = 0) -> Array:
        """Another shape over the same memory, starting `offset` elements in."""
    def item(self) -> float | int | bool:
        """The value of the only element."""
    def numpy(self) -> npt.NDArray[np.generic]:
        """Zero-copy ndarray; bfloat16 appears as uint16."""

class Plan:
    """A recorded list of kernel calls with the memory they use.

    Misuse (nested recording, replay of a plan in use, end of another) raises RuntimeError.
    """

    def __init__(self) -> None: ...
    def begin(self, companion: Plan | None = None) -> None:
        """Start to note this thread's kernel calls.

        New arrays come from the plan's private pool, or from that of a companion, which then must
        never run at the same time.
        """
    def pause(self) -> None:
        """Note nothing, and leave new arrays to the shared pool, until `resume`."""
    def resume(self) -> None: ...
    def host(self, function: Callable[[], object], after: bool = False) -> None:
        """Have each replay call a Python function at this place; where it was started, when it is
        waited for (`after`), or before all kernels."""
    def end(self) -> None: ...
    def replay(self) -> None: ...
    def patch(self, step: int, function: Callable[[], object]) -> None:
        """Call a function whose kernel calls do not run, but take the place of steps from `step` on.

        They must be calls of the same kernels with other numbers (ValueError otherwise).
        """
    def profile(self) -> list[float]:
        """A replay; the seconds of each step."""
    def finish(
        self,
        slots: Sequence[Array],
        results: Sequence[Array],
        others: Sequence[Array],
        passing: list[Array],
        passes: Sequence[str],
    ) -> None:
        """Say what `call` copies into and from, and that nothing is to be added.

        Args:
            slots: what arguments are copied into.
            results: what is copied out of.
            others: further arrays that are still there. Their memory, and that of the results, may
                get another address where no other Array shares it.
            passing: arrays of calls that `patch` replaces, each in one more list. Where no other
                holds them, what is in them may be overwritten by later calls.
            passes: what is done to the calls, see pydl/plan.py; without any, nothing is moved.
        """
    def call(self, args: tuple[object, ...], tensor: type) -> list[Array] | None:
        """Copy the arguments into their slots, replay, return copies of the results.

        An argument is an Array, an ndarray, a Tensor (`tensor` is that class), or None where its
        slot is filled. None comes back where one does not fit its slot. RuntimeError where
        `stale()` is not None.
        """
    def start(self, args: tuple[object, ...], tensor: type, repeat: int) -> bool:
        """As `call`, on a thread of its own, `repeat` times on end.

        Calls back into Python are made once, now or in `wait`. False where an argument does not fit its slot.
        """
    def wait(self) -> list[Array]:
        """Wait for what was started; copies of the results of the last time."""
    def stale(self) -> Step | None:
        """The first step over memory that nobody holds any more but plans."""
    def written(self) -> list[Array]:
        """Memory from outside of the plan that its calls write, as bytes (uint8)."""
    def owns(self, array: Array) -> bool:
        """Whether an array lies in the private pool."""
    def holds(self, address: int) -> bool:
        """Whether an address lies in memory that only the plan knows."""
    def steps(self) -> list[Step]: ...
    @property
    def bytes(self) -> int:
        """Of the pool, whether in use or not."""
    def __len__(self) -> int: ...

def empty(shape: Sequence[int], code: int) -> Array:
    """Contents undefined. float64 (code 1) raises TypeError: it is for the numpy device."""

def from_numpy(array: npt.NDArray[np.generic]) -> Array:
    """The same memory, kept alive; uint16 becomes bfloat16.

    Read-only, non-contiguous, unaligned or byte-swapped arrays raise ValueError.
    """

def isa() -> str: ...
def compiler() -> str:
    """Name and version of what built the module."""

def available_isas() -> list[str]: ...
def cuda_status() -> str: ...
def num_threads() -> int: ...
def set_num_threads(n: int) -> None:
    """1 to 256; results do not depend on it."""

def usable_cpus() -> int: ...
def fma_peak(pieces: int, rounds: int) -> float:
    """Work without memory on all threads, to be timed; returns its floating-point operations."""

def memory_stats() -> dict[str, int]:
    """Bytes: `live`, `peak`, `cached`; and blocks: `arrays` that live, `made` by the system so far.

    In a steady training step `made` does not change: every block was there before.
    """

def reset_peak_memory() -> None: ...
def empty_cache() -> None: ...
def fail_allocation_after(n: int) -> None:
    """For tests: the n-th allocation from now raises MemoryError; negative switches it off."""

def unary_ops() -> list[str]: ...
def binary_ops() -> dict[str, tuple[list[str], bool]]:
    """By name: the element types that it takes, and whether the result is bool."""

# elementwise, y = f(x; p0, p1), float32; s is what the backward function is computed from
# [unary: generated by tools/stub.py]
def neg(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def neg_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * neg'(x); s is x."""

def abs(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def abs_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * abs'(x); s is x."""

def sign(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def sign_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * sign'(x); s is x."""

def floor(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def floor_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * floor'(x); s is x."""

def ceil(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def ceil_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * ceil'(x); s is x."""

def trunc(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def trunc_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * trunc'(x); s is x."""

def round(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def round_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * round'(x); s is x."""

def exp(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def exp_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * exp'(x); s is y."""

def exp2(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def exp2_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * exp2'(x); s is y."""

def expm1(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def expm1_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * expm1'(x); s is y."""

def log(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def log_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * log'(x); s is x."""

def log1p(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def log1p_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * log1p'(x); s is x."""

def log2(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def log2_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * log2'(x); s is x."""

def log10(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def log10_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * log10'(x); s is x."""

def sqrt(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def sqrt_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * sqrt'(x); s is y."""

def rsqrt(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def rsqrt_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * rsqrt'(x); s is y."""

def square(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def square_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * square'(x); s is x."""

def reciprocal(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def reciprocal_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * reciprocal'(x); s is y."""

def clip(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def clip_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * clip'(x); s is x."""

def sin(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def sin_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * sin'(x); s is x."""

def cos(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def cos_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * cos'(x); s is x."""

def tan(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def tan_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * tan'(x); s is y."""

def asin(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def asin_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * asin'(x); s is x."""

def acos(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def acos_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * acos'(x); s is x."""

def atan(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def atan_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * atan'(x); s is x."""

def sinh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def sinh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * sinh'(x); s is x."""

def cosh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def cosh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * cosh'(x); s is x."""

def asinh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def asinh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * asinh'(x); s is x."""

def acosh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def acosh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * acosh'(x); s is x."""

def atanh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def atanh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * atanh'(x); s is x."""

def erf(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def erf_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * erf'(x); s is x."""

def erfc(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def erfc_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * erfc'(x); s is x."""

def step(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def step_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * step'(x); s is x."""

def relu(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def relu_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * relu'(x); s is y."""

def leaky_relu(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def leaky_relu_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * leaky_relu'(x); s is x."""

def sigmoid(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def sigmoid_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * sigmoid'(x); s is y."""

def logsigmoid(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def logsigmoid_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * logsigmoid'(x); s is x."""

def tanh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def tanh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * tanh'(x); s is y."""

def tanhshrink(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def tanhshrink_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * tanhshrink'(x); s is x."""

def gelu(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def gelu_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * gelu'(x); s is x."""

def gelu_tanh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def gelu_tanh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * gelu_tanh'(x); s is x."""

def silu(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def silu_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * silu'(x); s is x."""

def mish(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def mish_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * mish'(x); s is x."""

def elu(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def elu_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * elu'(x); s is x."""

def celu(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def celu_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * celu'(x); s is x."""

def softplus(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def softplus_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * softplus'(x); s is x."""

def softsign(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def softsign_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * softsign'(x); s is x."""

def hardtanh(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def hardtanh_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * hardtanh'(x); s is x."""

def hardsigmoid(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def hardsigmoid_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * hardsigmoid'(x); s is x."""

def hardswish(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def hardswish_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * hardswish'(x); s is x."""

def hardshrink(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def hardshrink_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * hardshrink'(x); s is x."""

def softshrink(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def softshrink_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * softshrink'(x); s is x."""

def threshold(x: Array, y: Array, p0: float = 0.0, p1: float = 0.0) -> None: ...
def threshold_backward(gy: Array, s: Array, gx: Array, p0: float = 0.0, p1: float = 0.0) -> None:
    """gx = gy * threshold'(x); s is x."""

# [end]

# out = f(a, b) with NumPy broadcasting; comparisons write bool
# [binary: generated by tools/stub.py]
def add(a: Array, b: Array, out: Array) -> None: ...
def sub(a: Array, b: Array, out: Array) -> None: ...
def mul(a: Array, b: Array, out: Array) -> None: ...
def div(a: Array, b: Array, out: Array) -> None: ...
def pow(a: Array, b: Array, out: Array) -> None: ...
def fmod(a: Array, b: Array, out: Array) -> None: ...
def remainder(a: Array, b: Array, out: Array) -> None: ...
def floor_divide(a: Array, b: Array, out: Array) -> None: ...
def atan2(a: Array, b: Array, out: Array) -> None: ...
def maximum(a: Array, b: Array, out: Array) -> None: ...
def minimum(a: Array, b: Array, out: Array) -> None: ...
def bitwise_and(a: Array, b: Array, out: Array) -> None: ...
def bitwise_or(a: Array, b: Array, out: Array) -> None: ...
def bitwise_xor(a: Array, b: Array, out: Array) -> None: ...
def bitwise_left_shift(a: Array, b: Array, out: Array) -> None: ...
def bitwise_right_shift(a: Array, b: Array, out: Array) -> None: ...
def eq(a: Array, b: Array, out: Array) -> None: ...
def ne(a: Array, b: Array, out: Array) -> None: ...
def lt(a: Array, b: Array, out: Array) -> None: ...
def le(a: Array, b: Array, out: Array) -> None: ...
def gt(a: Array, b: Array, out: Array) -> None: ...
def ge(a: Array, b: Array, out: Array) -> None: ...

# [end]
def where(cond: Array, a: Array, b: Array, out: Array) -> None: ...
def copy(
    src: Array,
    dst: Array,
    shape: Sequence[int],
    src_offset: int,
    src_strides: Sequence[int],
    dst_offset: int,
    dst_strides: Sequence[int],
) -> None:
    """dst[dst_offset + i . dst_strides] = src[src_offset + i . src_strides], in elements."""

def cast(x: Array, out: Array) -> None: ...
def fill(out: Array, value: float | int | bool) -> None:
    """An integer array takes whole numbers within its range only."""

def arange(out: Array, start: float | int, step: float | int) -> None:
    """float32, int64 or int32; integers take whole numbers only and may not overflow."""

# reductions of x (outer, n, inner) to out (outer, inner)
def reduce_sum(
    x: Array, out: Array, outer: int, n: int, inner: int, scale: float = 1.0
) -> None: ...
def reduce_prod(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...
def reduce_max(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...
def reduce_min(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...
def reduce_any(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...
def reduce_all(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...
def argmax(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...
def argmin(x: Array, out: Array, outer: int, n: int, inner: int) -> None: ...

# along the middle of (outer, n, inner); from the end if `reverse`
def cumsum(x: Array, y: Array, outer: int, n: int, inner: int, reverse: bool = False) -> None: ...
def cumprod(x: Array, y: Array, outer: int, n: int, inner: int, reverse: bool = False) -> None: ...
def recurrence(
    a: Array, b: Array, y: Array, outer: int, n: int, inner: int, reverse: bool = False
) -> None:
    """y[k] = a[k] y[k-1] + b[k]; a[0] is not read."""

def argsort(
    x: Array, index: Array, outer: int, n: int, inner: int, k: int, descending: bool = False
) -> None:
    """index (outer, k, inner) = the first k places of the stable sort; NaN is the largest."""

# matrix product: a (m, k) or (B, m, k), transposed if so said; batches of 1 broadcast
def gemm(
    a: Array,
    b: Array,
    out: Array,
    trans_a: bool = False,
    trans_b: bool = False,
    bias: Array | None = None,
    relu: bool = False,
    alpha: float = 1.0,
    accumulate: bool = False,
) -> None:
    """out = [relu](alpha * op(a) @ op(b) + bias + (out if accumulate)); bias is (n,)."""

def matmul(a: Array, b: Array, trans_a: bool, trans_b: bool, bias: Array | None, /) -> Array | None:
    """op(a) @ op(b) + bias as a new array; None unless a and b are float32 matrices that fit."""

# convolution; stride, padding, dilation are (height, width)
def conv2d(
    x: Array,
    w: Array,
    bias: Array | None,
    y: Array,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    relu: bool = False,
) -> None: ...
def conv2d_grad_input(
    gy: Array,
    w: Array,
    gx: Array,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    bias: Array | None = None,
) -> None: ...
def conv2d_grad_weight(
    gy: Array,
    x: Array,
    gw: Array,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None: ...
def im2col(
    x: Array,
    col: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> None: ...
def col2im(
    col: Array,
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> None: ...

# pooling of x (..., H, W); indices int32, h * W + w
def max_pool2d(
    x: Array,
    y: Array,
    indices: Array | None,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> None: ...
def max_pool2d_backward(gy: Array, indices: Array, gx: Array) -> None: ...
def max_unpool2d(x: Array, indices: Array, y: Array) -> None:
    """indices: int64."""

def avg_pool2d(
    x: Array,
    y: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    count_include_pad: bool,
    divisor: int,
) -> None: ...
def avg_pool2d_backward(
    gy: Array,
    gx: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    count_include_pad: bool,
    divisor: int,
) -> None: ...
def adaptive_max_pool2d(x: Array, y: Array, indices: Array) -> None: ...
def adaptive_avg_pool2d(x: Array, y: Array) -> None: ...
def adaptive_avg_pool2d_backward(gy: Array, gx: Array) -> None: ...

# padding with elements of x (..., H, W); mode is reflect, replicate or circular
def edge_pad(x: Array, y: Array, top: int, left: int, mode: str) -> None: ...
def edge_pad_backward(gy: Array, gx: Array, top: int, left: int, mode: str) -> None: ...

# recurrent layers (csrc/core/args/recurrent.h has the formulas); states is (2, T, N, H)
def rnn(a: Array, h0: Array, w: Array, h: Array, relu: bool, reverse: bool) -> None: ...
def rnn_backward(
    gh: Array, h: Array, w: Array, ga: Array, gh0: Array, relu: bool, reverse: bool
) -> None: ...
def lstm(
    a: Array,
    h0: Array,
    c0: Array,
    w: Array,
    gates: Array | None,
    states: Array,
    reverse: bool,
) -> None: ...
def lstm_backward(
    gstates: Array,
    gates: Array,
    states: Array,
    c0: Array,
    w: Array,
    ga: Array,
    gh0: Array,
    gc0: Array,
    reverse: bool,
) -> None: ...
def gru(
    a: Array,
    h0: Array,
    w: Array,
    b: Array | None,
    gates: Array | None,
    h: Array,
    reverse: bool,
) -> None: ...
def gru_backward(
    gh: Array,
    gates: Array,
    h: Array,
    h0: Array,
    w: Array,
    ga: Array,
    gu: Array,
    gh0: Array,
    reverse: bool,
) -> None: ...

# interpolation of x (..., H, W); mode is nearest, nearest-exact, linear or corners; scales are
# inputs per output
def resize(x: Array, y: Array, mode: str, scale_h: float, scale_w: float) -> None: ...
def resize_backward(gy: Array, gx: Array, mode: str, scale_h: float, scale_w: float) -> None: ...

# normalisation, softmax, losses (csrc/core/kernels.h has the formulas); x is (N, C, ...)
def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    y: Array,
    mean: Array,
    rstd: Array,
    training: bool,
    momentum: float,
    eps: float,
) -> None: ...
def batch_norm_backward(
    gy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    gx: Array | None,
    gweight: Array,
    gbias: Array,
    training: bool,
) -> None: ...
def layer_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    y: Array,
    mean: Array,
    rstd: Array,
    groups: int,
    channels: int,
    inner: int,
    eps: float,
) -> None: ...
def layer_norm_backward(
    gy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    gx: Array | None,
    gweight: Array | None,
    gbias: Array | None,
    groups: int,
    channels: int,
    inner: int,
) -> None: ...
def softmax(x: Array, y: Array, outer: int, n: int, inner: int, log: bool) -> None: ...
def softmax_backward(
    gy: Array, y: Array, gx: Array, outer: int, n: int, inner: int, log: bool
) -> None: ...
def cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None,
    loss: Array,
    count: Array,
    lse: Array,
    ignore_index: int,
    smoothing: float,
) -> None: ...
def cross_entropy_backward(
    gy: Array,
    x: Array,
    target: Array,
    weight: Array | None,
    lse: Array,
    gx: Array,
    ignore_index: int,
    smoothing: float,
) -> None: ...
def check_range(index: Array, low: int, end: int) -> None:
    """Every index in [low, end); on each replay of a recorded step, too."""

# indexing along the middle of (outer, n, inner). take, put: index (k,); gather, scatter: index
# (outer, k, inner); int64 in [0, n), with `wrap` in [-n, n)
def take(
    x: Array, index: Array, out: Array, outer: int, n: int, inner: int, wrap: bool = False
) -> None: ...
def gather(
    x: Array, index: Array, out: Array, outer: int, n: int, inner: int, wrap: bool = False
) -> None: ...
def put(
    src: Array,
    index: Array,
    out: Array,
    outer: int,
    n: int,
    inner: int,
    mode: str = "set",
    wrap: bool = False,
) -> None:
    """Where an index repeats, the last one stays; mode "add" or "multiply" combines them all."""

def scatter(
    src: Array,
    index: Array,
    out: Array,
    outer: int,
    n: int,
    inner: int,
    mode: str = "set",
    wrap: bool = False,
) -> None:
    """Where an index repeats, the last one stays; mode "add" or "multiply" combines them all."""

# random numbers; state is int64 (2,): seed, offset, advanced by the kernel
def rand(out: Array, state: Array, low: float, high: float) -> None: ...
def randn(out: Array, state: Array, mean: float, std: float) -> None: ...
def randint(out: Array, state: Array, low: int, high: int) -> None:
    """int64 in [low, high), high - low at most 2**32."""

def randperm(out: Array, state: Array) -> None: ...
def dropout(x: Array, state: Array, y: Array, mask: Array, p: float) -> None: ...
def dropout_backward(gy: Array, mask: Array, gx: Array, p: float) -> None: ...

# experience replay (csrc/core/args/replay.h): frames (N, T, ...), actions, rewards and flags (N, T),
# cursor (N,), tree float32 (2 L,) or None; index is e * T + place
def replay_add(
    frames: Array,
    actions: Array,
    rewards: Array,
    flags: Array,
    cursor: Array,
    tree: Array | None,
    observation: Array,
    action: Array,
    reward: Array,
    terminated: Array,
    truncated: Array,
    last: Array,
    valid: Array,
    stack: int,
    n_step: int,
) -> None:
    """Appends a step (N, ...), or steps (K, N, ...), of each environment where `valid` is True."""

def replay_draw(
    actions: Array,
    rewards: Array,
    flags: Array,
    cursor: Array,
    tree: Array | None,
    state: Array,
    index: Array,
    next: Array,
    action: Array,
    reward: Array,
    discount: Array,
    priority: Array,
    stack: int,
    n_step: int,
    gamma: float,
) -> None:
    """Draws rows: alike likely, or by the priorities of the tree; places are -1 where none can be."""

def replay_stack(frames: Array, index: Array, out: Array, stack: int) -> None:
    """The `stack` frames up to each place, oldest first."""

def replay_priorities(tree: Array, index: Array, priority: Array, places: int) -> None:
    """New priorities of rows that can be drawn, where they are positive and finite."""

# optimizers, in place on params and states; lr float32 (1,), step int64 (1,)
def unscale(grads: Sequence[Array], scale: Array, found: Array, kept: Array) -> None:
    """grads /= scale; found = 1 and kept = 0 where one of them is not finite."""

def update_scale(
    scale: Array, good: Array, found: Array, growth: float, backoff: float, interval: int
) -> None: ...
def sgd(
    params: Sequence[Array],
    grads: Sequence[Array],
    momentum_buffers: Sequence[Array],
    lr: Array,
    step: Array,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None:
    """momentum_buffers is empty where momentum is 0."""

def adagrad(
    params: Sequence[Array],
    grads: Sequence[Array],
    sums: Sequence[Array],
    lr: Array,
    step: Array,
    lr_decay: float,
    weight_decay: float,
    eps: float,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
def adadelta(
    params: Sequence[Array],
    grads: Sequence[Array],
    square_avgs: Sequence[Array],
    acc_deltas: Sequence[Array],
    lr: Array,
    step: Array,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
def rmsprop(
    params: Sequence[Array],
    grads: Sequence[Array],
    square_avgs: Sequence[Array],
    momentum_buffers: Sequence[Array],
    grad_avgs: Sequence[Array],
    lr: Array,
    step: Array,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None:
    """momentum_buffers is empty where momentum is 0, grad_avgs where centered is false."""

def adam(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_avg_sqs: Sequence[Array],
    max_exp_avg_sqs: Sequence[Array],
    lr: Array,
    step: Array,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None:
    """Adam, or AdamW where decoupled; max_exp_avg_sqs is empty unless amsgrad."""

def nadam(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_avg_sqs: Sequence[Array],
    lr: Array,
    step: Array,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    momentum_decay: float,
    decoupled: bool,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
def radam(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_avg_sqs: Sequence[Array],
    lr: Array,
    step: Array,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
def adamax(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_infs: Sequence[Array],
    lr: Array,
    step: Array,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
def rprop(
    params: Sequence[Array],
    grads: Sequence[Array],
    prevs: Sequence[Array],
    step_sizes: Sequence[Array],
    lr: Array,
    step: Array,
    eta_minus: float,
    eta_plus: float,
    smallest: float,
    largest: float,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
def lion(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    lr: Array,
    step: Array,
    beta1: float,
    beta2: float,
    weight_decay: float,
    maximize: bool,
    kept: Array | None = None,
    halves: Sequence[Array] = (),
) -> None: ...
