"""Half precision: conversions bit for bit, every op and kernel in both types, optimizers.

The native tests are repeated for every ISA by test_isa.py, which picks them by their names.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from opcase import KernelCase, OpCase
from opcases import CASES, KERNELS

import pydl
import pydl.nn.functional as F
from pydl import Tensor, _native, nn, ops, optim
from pydl.autograd import grad
from pydl.backends import numpy as oracle
from pydl.dtypes import DType

Array = npt.NDArray[Any]

TYPES = (pydl.float16, pydl.bfloat16)
EPS = {pydl.float16: 2.0**-10, pydl.bfloat16: 2.0**-7}  # one unit in the last place of 1
LEAST = {pydl.float16: 2.0**-24, pydl.bfloat16: 2.0**-126}  # float32 flushes what is below
both = pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.name)


# ---- conversions


def convert(x: Array, dtype: DType) -> Array:
    """By the native kernel, as bits."""
    y = np.empty(x.shape, dtype.numpy)
    _native.cast(_native.from_numpy(x), _native.from_numpy(y))
    return y.view(np.uint32 if dtype is pydl.float32 else np.uint16)


def reference(x: Array, dtype: DType) -> Array:
    """By NumPy (float16), or the definition of bfloat16 in integers, as ml_dtypes has it."""
    with np.errstate(all="ignore"):
        if dtype is pydl.float16:
            return x.astype(np.float16).view(np.uint16)
    u = x.view(np.uint32)
    rounded = (u + np.uint32(0x7FFF) + ((u >> 16) & 1)) >> 16
    nan = (u >> 16 & 0x8000) | 0x7FC0
    return np.where(u & 0x7FFFFFFF > 0x7F800000, nan, rounded).astype(np.uint16)


def test_native_every_half_pattern_as_float32() -> None:
    u = np.arange(2**16, dtype=np.uint16)
    wide = u.view(np.float16).astype(np.float32).view(np.uint32)
    np.testing.assert_array_equal(convert(u.view(np.float16), pydl.float32), wide)
    np.testing.assert_array_equal(convert(u.copy(), pydl.float32), u.astype(np.uint32) << 16)


@both
def test_native_every_half_pattern_survives(dtype: DType) -> None:
    u = np.arange(2**16, dtype=np.uint16)
    wide = convert(u.view(dtype.numpy), pydl.float32).view(np.float32)
    nan = np.isnan(wide)
    back = convert(wide, dtype)
    np.testing.assert_array_equal(back[~nan], u[~nan])
    np.testing.assert_array_equal(back, reference(wide, dtype))


@both
def test_native_a_sample_of_float32_as_half(dtype: DType) -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(0, 2**32, 2**24, dtype=np.uint64).astype(np.uint32)
    # Half of them in the range where the numbers of both types lie dense, and ties among them.
    u[: 2**23] = u[: 2**23] % np.uint32(0x10000000) + np.uint32(0x33000000)
    u[: 2**20] &= np.uint32(0xFFFFF000)
    x = u.view(np.float32)
    np.testing.assert_array_equal(convert(x, dtype), reference(x, dtype))


@pytest.mark.slow
@both
def test_every_float32_as_half(dtype: DType) -> None:
    for high in range(2**8):
        x = np.arange(high << 24, (high + 1) << 24, dtype=np.uint64).astype(np.uint32)
        np.testing.assert_array_equal(
            convert(x.view(np.float32), dtype), reference(x.view(np.float32), dtype)
        )


def test_native_half_tails_touch_nothing_else() -> None:
    for n in (*range(1, 40), 100, 1027):
        for dtype in TYPES:
            buffer = np.full(n + 64, 77, np.uint16)
            y = buffer[16 : 16 + n].view(dtype.numpy)
            _native.cast(_native.from_numpy(np.ones(n, np.float32)), _native.from_numpy(y))
            assert (buffer[:16] == 77).all()
            assert (buffer[16 + n :] == 77).all()
            assert (y.view(np.uint16) == {0: 0x3C00, 1: 0x3F80}[TYPES.index(dtype)]).all()


def test_bfloat16_as_ml_dtypes_has_it() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    u = np.arange(2**16, dtype=np.uint16)
    wide = u.view(ml_dtypes.bfloat16).astype(np.float32).view(np.uint32)
    np.testing.assert_array_equal(convert(u.copy(), pydl.float32), wide)
    x = np.random.default_rng(1).integers(0, 2**32, 2**20, dtype=np.uint64).astype(np.uint32)
    with np.errstate(all="ignore"):
        want = x.view(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)
    np.testing.assert_array_equal(convert(x.view(np.float32), pydl.bfloat16), want)
    t = pydl.from_numpy(np.array([1.5, -2.0], ml_dtypes.bfloat16))
    assert t.dtype is pydl.bfloat16
    assert t.tolist() == [1.5, -2.0]


def test_bfloat16_without_ml_dtypes_is_uint16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydl.dtypes, "_bfloat16_of_ml_dtypes", lambda: None)
    array = pydl.tensor([1.5, -2.0], dtype=pydl.bfloat16).numpy()
    assert array.dtype == np.uint16
    assert array.tolist() == [0x3FC0, 0xC000]
    assert pydl.from_numpy(array).dtype is pydl.bfloat16


# ---- every op


def wide(t: Tensor) -> Array:
    """The numbers as float64, whatever the type."""
    return (t if t.dtype in (pydl.float64, pydl.float32) else t.float()).numpy().astype(np.float64)


def rounded(a: Array, dtype: DType, device: str) -> Tensor:
    """a rounded to a half type; on the numpy device those very numbers in float64."""
    t = pydl.from_numpy(np.array(a, np.float32, order="C")).to(dtype)
    return t if device == "cpu" else pydl.from_numpy(wide(t), "numpy")


def run(case: OpCase, dtype: DType, device: str, flips: int = 0) -> list[Tensor]:
    """The output and the gradients, of half inputs (cpu) or of the same numbers in float64.

    With `flips` some signs of the output's gradient are turned.
    """
    xs = []
    for i, a in enumerate(case.arrays()):
        if a.dtype.kind != "f":
            xs.append(pydl.from_numpy(np.array(a, order="C"), device))
            continue
        t = rounded(a, dtype, device)
        wanted = case.grads is None or i in case.grads
        xs.append(t.requires_grad_() if wanted else t)
    pydl.manual_seed(0)
    y = case.fn(*xs)
    sources = [x for x in xs if x.requires_grad]
    if not sources or not y.requires_grad:
        return [y]
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    drawn = np.asarray(rng.uniform(-1, 2, y.shape))
    if flips:
        drawn = drawn * np.random.default_rng(flips).choice([-1, 1], y.shape)
    gy = rounded(drawn, dtype, device).to(y.dtype)
    return [y, *grad(y, sources, gy, materialize_grads=True)]


COMPOSED = 4.0  # units: what several ops after each other may round
FEW = [c for c in CASES if sum(a.size for a in c.arrays()) <= 200_000]


@both
@pytest.mark.parametrize("case", FEW, ids=lambda c: c.name)
def test_native_op_in_half(case: OpCase, dtype: DType) -> None:
    """Within COMPOSED units of the type; most are within half a one (the next test).

    The terms of a gradient may cancel; in small cases their size shows with other signs.
    """
    if "[float16" in case.name and dtype is pydl.bfloat16:
        pytest.skip("its result is of another type")
    got, want = run(case, dtype, "cpu"), run(case, dtype, "numpy")
    others = [run(case, dtype, "numpy", flips=i) for i in (1, 2, 3)] if case.small else []
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        if not w.dtype.is_floating:
            np.testing.assert_array_equal(g.numpy(), w.numpy())
            continue
        assert g.dtype in (dtype, pydl.float32)
        if k > 0 and case.op == "rnn":
            continue  # 1 - h^2, or whether h > 0, of an h near the edge that was rounded
        error, size = error_of(g, w, dtype, whole=case.k > 1 or k > 0)
        size = max([size, *(np.abs(wide(o[k])).max(initial=0) for o in others)]) if k else size
        assert (error <= COMPOSED * EPS[dtype] * size + LEAST[dtype]).all(), (
            f"{case.name}, {k}: {(error / (EPS[dtype] * size)).max():.2f} units"
        )


def error_of(got: Tensor, want: Tensor, dtype: DType, whole: bool) -> tuple[Array, Any]:
    """Errors where the result is in the range of the type, and what they are relative to."""
    g, w = wide(got).reshape(-1), wide(want).reshape(-1)
    kept = np.isfinite(w) & (np.abs(w) < dtype.largest * (1 - EPS[dtype]))
    np.testing.assert_array_equal(np.isnan(g), np.isnan(w))
    g, w = g[kept], w[kept]
    size = np.abs(w).max(initial=0) if whole else np.abs(w)
    return np.abs(g - w), size + 1e-300


# Kernels that load and store half types: one rounding, and sums in float32.
SINGLE = (
    *("add", "sub", "mul", "maximum", "minimum", "relu", "sigmoid", "tanh", "exp", "log", "sqrt"),
    *("gelu", "silu", "softplus", "leaky_relu", "elu", "sum", "mean", "prod", "amax", "amin"),
    *("matmul", "mm", "bmm", "linear", "conv2d", "conv1d", "max_pool2d", "avg_pool2d"),
    *("adaptive_avg_pool2d", "batch_norm", "layer_norm", "group_norm", "softmax", "log_softmax"),
    *("cross_entropy", "embedding", "dropout", "where", "clip", "cumsum", "conv_transpose2d"),
)


@both
@pytest.mark.parametrize("case", [c for c in FEW if c.op in SINGLE], ids=lambda c: c.name)
def test_native_kernel_in_half_rounds_once(case: OpCase, dtype: DType) -> None:
    """Half a unit of the output type, plus what float32 sums of k terms may be off."""
    if case.name in ("mul[twice the same]", "add[alpha]", "sub[alpha]"):
        pytest.skip("two ops")
    with pydl.no_grad():
        got, want = (run(case, dtype, device)[0] for device in ("cpu", "numpy"))
    if not want.dtype.is_floating:
        return
    error, size = error_of(got, want, dtype, whole=False)
    sums = 4 * np.sqrt(case.k) * 2.0**-23 * size.max(initial=0)
    # A number just below a power of two may round up to it, where units are twice as large.
    unit = np.exp2(np.floor(np.log2(size * (1 + EPS[dtype] / 2)))) * EPS[dtype]
    bound = 0.5 * np.maximum(unit, LEAST[dtype]) * (1 + 1e-6) + sums + 4 * 2.0**-23 * size
    assert (error <= bound).all(), f"{case.name}: {(error / bound).max():.3f} of the bound"


@both
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (17, 33, 65), (64, 1008, 1025),
                                   (130, 100, 2050), (200, 2500, 30), (1, 300, 1000), (65, 17, 0),
                                   (257, 49, 1), (70, 1100, 1301), (130, 4200, 1101),
                                   (1, 512, 3136), (6, 70, 701), (5, 1, 1300), (301, 3, 500),
                                   (4, 1000, 33), (2, 2, 2)])  # fmt: skip
def test_native_half_gemm(shape: tuple[int, int, int], dtype: DType) -> None:
    m, n, k = shape
    rng = np.random.default_rng(0)
    bias = rng.standard_normal(n).astype(np.float32)
    for flags in range(4):
        ta, tb = bool(flags & 1), bool(flags & 2)
        a, b = (rounded(rng.standard_normal(s), dtype, "cpu")
                for s in ((k, m) if ta else (m, k), (n, k) if tb else (k, n)))  # fmt: skip
        y = rounded(rng.standard_normal((m, n)), dtype, "cpu")
        product = (wide(a).T if ta else wide(a)) @ (wide(b).T if tb else wide(b))
        sizes = np.abs(wide(a).T if ta else wide(a)) @ np.abs(wide(b).T if tb else wide(b))
        want = np.maximum(0.5 * product + wide(y) + bias, 0)
        _native.gemm(a.data, b.data, y.data, ta, tb, _native.from_numpy(bias), True, 0.5, True)
        error = np.abs(wide(y) - want)
        bound = 0.5 * EPS[dtype] * np.abs(want) + 2.0**-21 * (sizes + 3) + LEAST[dtype]
        assert (error <= bound).all()


# N, C, H, W, O, K, stride, padding, groups: each of the ways of conv.cc and conv_half.cc.
CONVOLUTIONS = (
    (5, 6, 9, 11, 7, 3, 1, 1, 1), (3, 2, 28, 28, 32, 3, 1, 0, 1), (4, 32, 13, 13, 64, 3, 1, 0, 1),
    (3, 3, 16, 16, 16, 3, 1, 1, 1), (5, 16, 16, 16, 24, 4, 2, 1, 1), (3, 4, 42, 42, 32, 8, 4, 0, 1),
    (2, 64, 7, 7, 130, 1, 1, 0, 1), (2, 70, 9, 9, 65, 1, 1, 0, 1), (3, 8, 10, 10, 6, 3, 2, 1, 2),
    (3, 5, 6, 6, 4, 6, 1, 0, 1), (3, 9, 12, 10, 50, 5, 1, 2, 1), (1, 33, 8, 8, 17, 3, 2, 1, 1),
    (0, 3, 8, 8, 4, 3, 1, 1, 1), (7, 4, 20, 20, 4, 3, 1, 1, 4), (40, 20, 14, 14, 50, 5, 1, 0, 1),
    (19, 64, 8, 8, 70, 4, 2, 1, 1), (9, 40, 4, 4, 97, 4, 2, 1, 1), (17, 48, 5, 6, 50, 5, 1, 2, 1),
    (8, 33, 4, 4, 65, 3, 2, 1, 1), (35, 100, 7, 7, 48, 3, 1, 0, 1),
)  # fmt: skip


@both
@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_native_half_conv(shape: tuple[int, ...], dtype: DType) -> None:
    N, C, H, W, O, K, stride, pad, groups = shape  # noqa: E741
    rng, how = np.random.default_rng(0), ((stride,) * 2, (pad,) * 2, (1, 1), groups)
    sizes = (H + 2 * pad - K) // stride + 1, (W + 2 * pad - K) // stride + 1
    x, w, y = (rounded(rng.standard_normal(s), dtype, "cpu")
               for s in ((N, C, H, W), (O, C // groups, K, K), (N, O, *sizes)))  # fmt: skip
    bias, back = (rng.standard_normal(n).astype(np.float32) for n in (O, C))
    for name, operands, extra, result in (
        ("conv2d", (x, w), bias, y), ("conv2d_grad_input", (y, w), back, x),
        ("conv2d_grad_weight", (y, x), None, w),
    ):  # fmt: skip
        out = pydl.empty(*result.shape, dtype=dtype)
        exact, magnitude = np.zeros(result.shape), np.zeros(result.shape)
        called = [
            (_native, [t.data for t in operands], out.data, _native.from_numpy),
            (oracle, [wide(t) for t in operands], exact, np.float64),
            (oracle, [np.abs(wide(t)) for t in operands], magnitude, np.float64),
        ]
        for kernels, arrays, to, convert_bias in called:
            b = None if extra is None else convert_bias(extra)
            if name == "conv2d":
                kernels.conv2d(*arrays, b, to, *how)
            elif name == "conv2d_grad_input":
                kernels.conv2d_grad_input(*arrays, to, *how, b)
            else:
                kernels.conv2d_grad_weight(*arrays, to, *how)
        sums = 2.0**-18 * magnitude.max(initial=0)
        bound = 0.5 * EPS[dtype] * np.abs(exact) * (1 + 1e-6) + sums + LEAST[dtype]
        assert (np.abs(wide(out) - exact) <= bound).all(), name


@both
def test_native_half_sums_and_moves_of_matrices(dtype: DType) -> None:
    """Sums of columns run in a stream, transpositions by tiles: sizes about both."""
    rng = np.random.default_rng(0)
    for m, n in ((1, 1), (3, 130), (127, 129), (128, 128), (257, 65), (5, 4097), (1000, 33)):
        x = rounded(rng.standard_normal((m, n)), dtype, "cpu")
        want, bound = wide(x).sum(0), 2.0**-22 * np.abs(wide(x)).sum(0) + LEAST[dtype]
        error = np.abs(wide(x.sum(0)) - want)
        assert (error <= 0.5 * EPS[dtype] * np.abs(want) * (1 + 1e-6) + bound).all()
        np.testing.assert_array_equal(x.mT.contiguous().numpy(), x.numpy().T)


def test_native_half_bits_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(0)
    results = []
    for threads in (1, 2, 3):
        pydl.set_num_threads(threads)
        bits = []
        for dtype in TYPES:
            rng = np.random.default_rng(0)
            a, b = (rounded(rng.standard_normal(s), dtype, "cpu") for s in ((130, 700), (700, 260)))
            x = rounded(rng.standard_normal((9, 5, 20, 20)), dtype, "cpu")
            w = rounded(rng.standard_normal((7, 5, 3, 3)), dtype, "cpu").requires_grad_()
            y = F.conv2d(x, w, padding=1)
            y.float().sum().backward()
            assert w.grad is not None
            found = [a @ b, y, w.grad, F.batch_norm(x, None, None, training=True), x.sum((0, 2))]
            small = rounded(rng.standard_normal((35, 64, 4, 4)), dtype, "cpu")
            wide_w = rounded(rng.standard_normal((70, 64, 4, 4)), dtype, "cpu")
            found += [F.conv2d(small, wide_w, stride=2, padding=1), a[:3] @ b, a[:3] @ a.mT]
            found += [F.max_pool2d(x, 2), F.softmax(a, 1), F.layer_norm(a, (700,)), ops.exp(a)]
            bits.append([t.detach().numpy().tobytes() for t in found])
        results.append(bits)
    pydl.set_num_threads(1)
    assert results[0] == results[1] == results[2]


@both
@pytest.mark.parametrize("case", [c for c in KERNELS if c.name.startswith(("adam[", "sgd["))],
                         ids=lambda c: c.name)  # fmt: skip
def test_native_optimizer_on_half_parameters(case: KernelCase, dtype: DType) -> None:
    """The master moves as a float32 parameter does; the parameter is the master, rounded."""
    name = case.name.split("[")[0]
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    drawn = {k: [np.asarray(d(rng), np.float32) for d in v] if isinstance(v, list)
             else np.asarray(v(rng)) for k, v in case.arrays.items()}  # fmt: skip
    drawn = {k: v.astype(np.float32) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
             for k, v in drawn.items()}  # fmt: skip
    halves = [pydl.tensor(p).to(dtype) for p in drawn["params"]]
    grads = [pydl.tensor(g).to(dtype) for g in drawn["grads"]]
    masters = [h.float() if i % 2 else pydl.tensor(p) for i, (h, p) in enumerate(
        zip(halves, drawn["params"], strict=True))]  # fmt: skip
    plain = [m.clone() for m in masters]

    def arrays(params: list[Tensor], gradients: list[Tensor]) -> dict[str, Any]:
        rest = {k: [_native.from_numpy(x.copy()) for x in v] if isinstance(v, list)
                else _native.from_numpy(v.copy()) for k, v in drawn.items()}  # fmt: skip
        return {**rest, "params": [p.data for p in params], "grads": [g.data for g in gradients]}

    kernel: Callable[..., None] = getattr(_native, name)
    kernel(**arrays(masters, grads), **case.options, halves=[h.data for h in halves])
    kernel(**arrays(plain, [g.float() for g in grads]), **case.options)
    kept = drawn.get("kept", np.ones(1))[0]
    for half, master, other in zip(halves, masters, plain, strict=True):
        np.testing.assert_array_equal(master.numpy(), other.numpy())
        if kept:
            np.testing.assert_array_equal(half.numpy(), master.to(dtype).numpy())


OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in (
        "SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop",
        "Rprop", "Lion")},
    "SGD, momentum": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "Adam, amsgrad": ("Adam", {"amsgrad": True}),
    "RMSprop, centered": ("RMSprop", {"centered": True, "momentum": 0.9}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [pydl.float32, *TYPES], ids=lambda t: t.name)
def test_a_thousand_steps_without_gradient_stay_finite(name: str, dtype: DType) -> None:
    p = pydl.tensor(np.linspace(-1, 1, 37, dtype=np.float32)).to(dtype).requires_grad_()
    before = p.float().numpy().copy()
    kind, options = OPTIMIZERS[name]
    optimizer = getattr(optim, kind)([p], lr=0.01, **options)
    p.grad = pydl.zeros_like(p)
    for _ in range(1000):
        optimizer.step()
    assert np.isfinite(p.float().numpy()).all()
    for state in optimizer.state[p].values():
        assert np.isfinite(state.float().numpy()).all()
    if "W" not in name:  # AdamW decays
        np.testing.assert_array_equal(p.float().numpy(), before)


@both
def test_small_steps_add_up_in_the_master(dtype: DType) -> None:
    p = pydl.ones(3, dtype=dtype).requires_grad_()
    optimizer = optim.SGD([p], lr=1e-4)
    for _ in range(1000):
        p.grad = pydl.ones(3, dtype=dtype)
        optimizer.step()
    np.testing.assert_allclose(p.float().numpy(), 0.9, atol=EPS[dtype])
    assert optimizer.state[p]["master"].dtype is pydl.float32


@both
def test_a_parameter_that_was_written_is_the_master(dtype: DType) -> None:
    p = pydl.ones(3, dtype=dtype).requires_grad_()
    optimizer = optim.SGD([p], lr=0.5)
    for value in (4.0, 8.0):
        with pydl.no_grad():
            p.fill_(value)
        p.grad = pydl.ones(3, dtype=dtype)
        optimizer.step()
        assert p.tolist() == [value - 0.5] * 3


@both
def test_the_state_of_half_parameters_is_loaded_bit_for_bit(dtype: DType) -> None:
    def trained(steps: int, state: Any = None, start: Any = None) -> tuple[Tensor, Any]:
        p = pydl.ones(5, dtype=dtype).requires_grad_()
        if start is not None:
            with pydl.no_grad():
                p.copy_(start)
        optimizer = optim.Adam([p], lr=0.01)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            p.grad = (p.detach() * 2.0).to(dtype)
            optimizer.step()
        return p, optimizer.state_dict()

    whole, _ = trained(20)
    half, state = trained(10)
    rest, _ = trained(10, state, half.detach())
    assert whole.numpy().tobytes() == rest.numpy().tobytes()


# ---- modules and files


@both
def test_a_module_in_half(dtype: DType) -> None:
    pydl.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(36, 3))  # fmt: skip
    x = pydl.randn(8, 1, 8, 8)
    want = net(x)
    net.to(dtype)
    assert {p.dtype for p in net.parameters()} == {dtype}
    y = net(x.to(dtype))
    assert y.dtype is dtype
    np.testing.assert_allclose(y.float().numpy(), want.numpy(), atol=16 * EPS[dtype])
    F.cross_entropy(y, pydl.tensor([0, 1, 2, 0, 1, 2, 0, 1])).backward()
    assert {p.grad.dtype for p in net.parameters() if p.grad is not None} == {dtype}
    assert net.float()(x).dtype is pydl.float32


def test_bfloat16_of_a_module() -> None:
    assert nn.Linear(2, 3).bfloat16().weight.dtype is pydl.bfloat16


@both
def test_lbfgs_refuses_half_parameters(dtype: DType) -> None:
    with pytest.raises(TypeError, match=r"^LBFGS: .* of a half type"):
        optim.LBFGS([pydl.ones(3, dtype=dtype).requires_grad_()])


@both
def test_safetensors_keep_the_bits(dtype: DType, tmp_path: Any) -> None:
    u = np.arange(2**16, dtype=np.uint16)
    pydl.save({"x": pydl.from_numpy(u.view(dtype.numpy).copy())}, tmp_path / "x.safetensors")
    loaded = pydl.load(tmp_path / "x.safetensors")["x"]
    assert loaded.dtype is dtype
    np.testing.assert_array_equal(loaded.numpy().view(np.uint16), u)
