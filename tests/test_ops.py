"""Forward of every op case: native against the oracle, replay against eager, refusals.

The native tests are repeated for every ISA by test_isa.py, which picks them by their names.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from cases.elementwise import BINARY, UNARY
from opcase import (
    TAILS,
    TINY,
    ULPS,
    KernelCase,
    OpCase,
    Refusal,
    assert_near,
    output_gradient,
    run,
)
from opcases import CASES, ERRORS, KERNELS

import pydl
from pydl import Tensor, _native, dtypes, ops
from pydl.autograd import grad
from pydl.backends import numpy as oracle


def named(case: Any) -> str:
    return str(case.name)


def test_names_are_unique() -> None:
    names = [case.name for case in (*CASES, *KERNELS)]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_native_forward(case: OpCase) -> None:
    with pydl.no_grad():
        got, want = (case.fn(*case.tensors(device)) for device in seeded("cpu", "numpy"))
    assert got.dtype in (want.dtype, pydl.float32)
    assert_near(got, want, case.k, what=case.name)


def seeded(*devices: str) -> Any:
    for device in devices:
        pydl.manual_seed(0)
        yield device


@pytest.mark.parametrize("case", KERNELS, ids=named)
def test_native_kernel(case: KernelCase) -> None:
    for i, (got, want) in enumerate(zip(case.run("cpu"), case.run("numpy"), strict=True)):
        assert_near(got, want, case.k, whole=True, what=f"{case.name}: array {i}")


@pytest.mark.parametrize("i", range(len(ERRORS)), ids=lambda i: f"{i}-{ERRORS[i].op}")
def test_refusal(i: int, device: str) -> None:
    refusal: Refusal = ERRORS[i]
    with pytest.raises(refusal.error, match=refusal.message):
        refusal.call(device)
    assert (ops.ones(3, device=device) + 1.0).tolist() == [2, 2, 2]  # nothing is left behind


# ---- replay: what capture stands on


def bits(tensors: Any) -> list[bytes]:
    return [t.numpy().tobytes() for t in tensors]


def step(case: OpCase, xs: list[Tensor], gy: Tensor) -> list[Tensor]:
    y = case.fn(*xs)
    wanted = [x for x in xs if x.requires_grad]
    return [y, *(grad(y, wanted, gy, materialize_grads=True) if wanted else ())]


@pytest.mark.parametrize("case", [c for c in CASES if c.replay], ids=named)
def test_native_replay_has_the_bits_of_eager(case: OpCase) -> None:
    eager = {}
    for seed in (0, 1):
        y, grads = run(case, "cpu", seed)
        eager[seed] = bits([y, *grads])
    xs = case.tensors("cpu")
    gy = output_gradient(case, y)
    pydl.manual_seed(0)
    plan = _native.Plan()
    plan.begin()
    try:
        out = step(case, xs, gy)
    finally:
        plan.end()
    assert bits(out) == eager[0]
    for seed in (1, 0):
        for x, values in zip(xs, case.arrays(seed), strict=True):
            x.numpy()[...] = values
        for t in out:
            if not any(np.shares_memory(t.numpy(), x.numpy()) for x in (*xs, gy)):
                t.numpy()[...] = 77  # replay must write everything again
        pydl.manual_seed(0)
        plan.replay()
        assert bits(out) == eager[seed]


# ---- elementwise: every value, every tail, every alignment

SPECIAL = np.array(
    [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1e-40, 1.1754944e-38, -1.1754944e-38,
     3.4028235e38, -3.4028235e38, 1.0, -1.0, 88.7, -87.3, 104.0, -104.0, 20.0, -20.0, 1e-4,
     0.99999994, 1.0000001, 5.0, -9.0, 13.0, 1e10, -1e10, 1e20, -1e20, 1e-20],
    np.float32,
)  # fmt: skip
KERNEL_OF = {"gelu[tanh]": "gelu_tanh", "clamp": "clip", "clamp_min": "clip", "clamp_max": "clip",
             "selu": "elu", "relu6": "hardtanh"}  # fmt: skip
PARAMETERS = {
    "clip": (-0.5, 0.9), "leaky_relu": (0.1,), "elu": (1.5, 1.25), "softplus": (2.0, 3.5),
    "celu": (1.5,), "hardtanh": (-0.5, 0.9), "hardshrink": (0.5,), "softshrink": (0.5,),
    "threshold": (0.25, -2.0),
}  # fmt: skip
BINARY_OPS = _native.binary_ops()
LANES = [name for name, (types, _) in BINARY_OPS.items() if "float32" in types]


def native(name: str, x: np.ndarray, *parameters: float) -> np.ndarray:
    y = np.empty_like(x)
    getattr(_native, name)(_native.from_numpy(x), _native.from_numpy(y), *parameters)
    return y


def flushed(x: np.ndarray) -> np.ndarray:
    """float64, float32 denormals as zeros of their sign."""
    wide = x.astype(np.float64)
    return np.where(np.abs(wide) < TINY, np.copysign(0.0, wide), wide)


def unary_values() -> np.ndarray:
    rng = np.random.default_rng(0)
    magnitude = np.exp(rng.uniform(math.log(1e-37), math.log(3e38), 20_000))
    near = rng.uniform(-100, 100, 20_000)
    signs = rng.choice([-1, 1], 20_000)
    return np.concatenate([SPECIAL, magnitude * signs, near, near / 100]).astype(np.float32)


def steepness(name: str, x: np.ndarray, *parameters: float) -> np.ndarray:
    """|x f'(x)|."""
    wide, slope = x.astype(np.float64), np.empty(x.shape)
    getattr(oracle, name + "_backward")(np.ones(x.shape), wide, slope, *parameters)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.abs(wide * slope))  # -inf * 0


@pytest.mark.parametrize("name", _native.unary_ops())
def test_native_unary_over_all_magnitudes(name: str) -> None:
    x, p = unary_values(), PARAMETERS.get(name, ())
    want = np.empty(x.shape)
    getattr(oracle, name)(flushed(x), want, *p)
    with np.errstate(over="ignore", under="ignore"):
        rounded = want.astype(np.float32)
    got = native(name, x, *p)
    kind = np.stack([np.isnan(rounded), rounded == math.inf, rounded == -math.inf])
    # What rounds to the last number before infinity may overflow, and the other way round.
    edge = np.abs(want) >= float(np.finfo(np.float32).max) * (1 - ULPS * 2.0**-23)
    seen = np.stack([np.isnan(got), got == math.inf, got == -math.inf])
    wrong = (kind != seen).any(axis=0) & ~(edge & np.isfinite(want))
    assert not wrong.any(), list(zip(x[wrong], got[wrong], rounded[wrong], strict=True))[:5]
    finite = np.isfinite(rounded) & np.isfinite(got)
    error = np.abs(got[finite].astype(np.float64) - want[finite])
    unit = np.exp2(np.floor(np.log2(np.maximum(np.abs(want[finite]), TINY))) - 23)
    # What is multiplied with x may have underflowed before. Where the argument of exp is rounded
    # itself, that counts as much as the function is steep.
    unit += TINY * (1 + np.abs(np.nan_to_num(x[finite], posinf=0, neginf=0)))
    if name in ("gelu", "gelu_tanh", "celu"):
        unit += steepness(name, x[finite], *p) * 2.0**-24
    worst = int(np.argmax(error / unit))
    assert error[worst] <= ULPS * unit[worst], (
        f"{name}({x[finite][worst]!r}) = {got[finite][worst]!r}, expected {want[finite][worst]!r}: "
        f"{error[worst] / unit[worst]:.1f} ulp"
    )


@pytest.mark.parametrize("name", LANES)
def test_native_binary_special_values(name: str) -> None:
    # powf and fmodf may see denormals, or not
    lanewise = name in ("pow", "fmod", "remainder", "floor_divide")
    values = SPECIAL[(SPECIAL == 0) | ~(np.abs(SPECIAL) < TINY)] if lanewise else SPECIAL
    a, b = (np.ascontiguousarray(v) for v in np.meshgrid(values, values))
    out_type = bool if BINARY_OPS[name][1] else np.float32
    got = np.empty(a.shape, out_type)
    getattr(_native, name)(*(_native.from_numpy(v) for v in (a, b, got)))
    want = np.empty(a.shape, out_type if out_type is bool else np.float64)
    getattr(oracle, name)(flushed(a), flushed(b), want)
    with np.errstate(over="ignore"):
        rounded = want.astype(out_type)
    if out_type is bool:
        np.testing.assert_array_equal(got, want)
        return
    small = np.abs(rounded) <= TINY
    assert (np.abs(got[small]) <= TINY).all()
    np.testing.assert_allclose(got[~small], rounded[~small], rtol=ULPS * 2.0**-24)


@pytest.mark.parametrize("offset", [0, 1, 3])
def test_native_tails_touch_nothing_else(offset: int) -> None:
    for n in TAILS:
        for name in (*_native.unary_ops(), *LANES):
            binary = name in BINARY_OPS
            compared = binary and BINARY_OPS[name][1]
            x = np.full(n + 40, 1.5, np.float32)[offset : offset + n]
            buffer = np.full(n + 40, 77, bool if compared else np.float32)
            before = buffer.copy()
            y = buffer[offset + 8 : offset + 8 + n]
            arrays = [x, x, y] if binary else [x, y]
            getattr(_native, name)(*map(_native.from_numpy, arrays))
            before[offset + 8 : offset + 8 + n] = y
            np.testing.assert_array_equal(buffer, before, err_msg=f"{name}, n={n}")


def test_unary_table_is_complete() -> None:
    assert {KERNEL_OF.get(name, name) for name in UNARY} == set(_native.unary_ops())
    assert set(BINARY) == set(BINARY_OPS)


# ---- element types

WHOLE = [np.int64, np.int32, np.uint8, bool]


def integers(dtype: Any, n: int = 200) -> np.ndarray:
    if dtype is bool:
        return np.random.default_rng(0).random(n) < 0.5
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(max(info.min, -20), 20, n).astype(dtype)
    x[:3] = info.min, info.max, 0
    return x


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, t) for n in BINARY_OPS for t in WHOLE if np.dtype(t).name in BINARY_OPS[n][0]],
)
def test_native_binary_of_integers(name: str, dtype: Any) -> None:
    a, b = integers(dtype), np.roll(integers(dtype), 7)
    if dtype is not bool and name in ("div", "fmod", "remainder", "floor_divide"):
        with pytest.raises(ZeroDivisionError):
            getattr(_native, name)(*map(_native.from_numpy, (a, b, np.empty_like(a))))
        b[b == 0] = 3
    compared = BINARY_OPS[name][1]
    got, want = (np.empty(a.shape, bool if compared else dtype) for _ in range(2))
    getattr(_native, name)(*map(_native.from_numpy, (a, b, got)))
    getattr(oracle, name)(a, b, want)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [*WHOLE, np.float32])
@pytest.mark.parametrize(
    "fn", [ops.sum, ops.prod, ops.max, ops.min, ops.argmax, ops.argmin, ops.any, ops.all],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_native_reductions_of_every_type(fn: Any, dtype: Any) -> None:
    x = integers(dtype, 24) if dtype is not np.float32 else SPECIAL[[0, 1, 11, 12, 21, 22, 23, 24]]
    for shape, dim in ((x.shape, None), ((2, -1), 0), ((2, -1), 1), ((4, -1), 1)):
        got, want = (fn(pydl.from_numpy(x.reshape(shape).copy(), d), dim) for d in ("cpu", "numpy"))
        if isinstance(got, tuple):
            np.testing.assert_array_equal(got.indices.numpy(), want.indices.numpy())
            got, want = got.values, want.values
        assert got.dtype is want.dtype
        np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize("fn", [ops.max, ops.min, ops.argmax, ops.argmin, ops.sum])
@pytest.mark.parametrize("at", [0, 5, 16, 40])
def test_native_reductions_see_a_nan_anywhere(fn: Any, at: int) -> None:
    x = np.arange(41, dtype=np.float32)
    x[at] = math.nan
    for shape, dim in (((41,), None), ((41, 1), 0), ((1, 41), 1)):
        got = fn(pydl.tensor(x.reshape(shape)), dim)
        got = getattr(got, "values", got).numpy()
        if fn in (ops.argmax, ops.argmin):
            assert got.item() == at
        else:
            assert np.isnan(got).all()


def pattern(dtype: dtypes.DType) -> np.ndarray:
    """Values that every conversion has to think about, in the NumPy form of `dtype`."""
    if dtype is pydl.bfloat16:
        return np.arange(2**16, dtype=np.uint16)
    if dtype is pydl.float16:
        return np.arange(2**16, dtype=np.uint16).view(np.float16)
    if dtype is pydl.float32:
        halves = np.array([1 + 2.0**-8, 1 + 2.0**-11, 1 + 3 * 2.0**-11, 65519.9, 65520, 2.0**-25])
        whole = [2.5, -2.5, 255.9, 256, -1, 2.0**31, -(2.0**31), 2.0**63, -(2.0**63), 2.0**62]
        rng = np.random.default_rng(0)
        any_bits = rng.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
        some = np.concatenate([SPECIAL, halves, whole, rng.normal(0, 300, 500)])
        return np.concatenate([some.astype(np.float32), any_bits])
    return integers(np.dtype(dtype.numpy).type if dtype is not pydl.bool_ else bool)


NATIVE = [t for t in dtypes.DTYPES if t is not pydl.float64]


@pytest.mark.parametrize("source", NATIVE, ids=lambda t: t.name)
@pytest.mark.parametrize("target", NATIVE, ids=lambda t: t.name)
def test_native_cast(source: dtypes.DType, target: dtypes.DType) -> None:
    x = pattern(source)
    got, want = (np.empty(x.shape, target.numpy) for _ in range(2))
    _native.cast(_native.from_numpy(x.copy()), _native.from_numpy(got))
    oracle.cast(x, want)
    if target.is_floating:
        same_nan(got, want, target)
    else:
        np.testing.assert_array_equal(got, want)


def same_nan(got: np.ndarray, want: np.ndarray, dtype: dtypes.DType) -> None:
    """Equal bits; the bits of a NaN may differ; float32 denormals may be zero."""
    if dtype is pydl.bfloat16:
        nan = want & 0x7FFF > 0x7F80
        assert (got[nan] & 0x7FFF > 0x7F80).all()
        got, want = got[~nan], want[~nan]
        small = want & 0x7F80 == 0
        assert ((got[small] == want[small]) | (got[small] == want[small] & 0x8000)).all()
        np.testing.assert_array_equal(got[~small], want[~small])
        return
    nan = np.isnan(want)
    assert np.isnan(got[nan]).all()
    got, want = got[~nan], want[~nan]
    if dtype is pydl.float32:
        small = np.abs(want) < TINY
        assert ((got[small] == want[small]) | (got[small] == 0)).all()
        got, want = got[~small], want[~small]
    np.testing.assert_array_equal(got, want)


def test_native_half_types_survive_float32() -> None:
    for dtype in (pydl.float16, pydl.bfloat16):
        x = np.arange(2**16, dtype=np.uint16)
        half = x.view(dtype.numpy)
        wide, back = np.empty(2**16, np.float32), np.empty(2**16, dtype.numpy)
        _native.cast(_native.from_numpy(half), _native.from_numpy(wide))
        _native.cast(_native.from_numpy(wide), _native.from_numpy(back))
        normal = np.isfinite(wide) & (np.abs(wide) >= TINY)
        np.testing.assert_array_equal(back.view(np.uint16)[normal], x[normal])
        if dtype is pydl.float16:  # its denormals are normal in float32
            exact = ~np.isnan(wide)
            np.testing.assert_array_equal(back.view(np.uint16)[exact], x[exact])


@pytest.mark.parametrize("dtype", NATIVE, ids=lambda t: t.name)
def test_native_movement_keeps_the_bits_of_every_type(dtype: dtypes.DType) -> None:
    raw = pattern(dtype)[:120].reshape(4, 5, 6)
    x, o = (pydl.from_numpy(raw.copy(), d) for d in ("cpu", "numpy"))
    index = np.array([3, 0, -1, 1])
    moves: list[Any] = [
        lambda t: ops.permute(t, (2, 0, 1)), lambda t: ops.flip(t, (0, 2)), lambda t: t[1:3, ::2],
        lambda t: ops.cat([t, t], 1), lambda t: ops.expand(t[:, :1], t.shape), ops.clone,
        lambda t: t[index], lambda t: ops.where(ops.zeros(5, 1, dtype=pydl.bool_, device=t.device),
                                                t, t[0]),
        lambda t: ops.gather(t, 0, pydl.tensor(np.zeros((1, 5, 6), int), device=t.device)),
        lambda t: ops.full_like(t, 1), lambda t: ops.pad(t, (1, 1), value=1),
    ]  # fmt: skip
    for i, move in enumerate(moves):
        got, want = move(x), move(o)
        assert got.dtype is dtype
        assert got.numpy().tobytes() == want.numpy().tobytes(), i
