"""The oracle proved without another framework: elementwise, memory, reductions, random.

The native kernels are tested against the oracle, so it must be right by itself: cases by hand,
finite differences, Python's own arithmetic. What networks add is in test_oracle_nn.py.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydl.backends import numpy as K
from pydl.backends import philox

NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def f64(*values: Any) -> Any:
    return np.array(values, np.float64)


def bits(values: Any) -> Any:
    """float32 as bfloat16."""
    x = np.asarray(values, np.float32)
    out = np.empty(x.shape, np.uint16)
    K.cast(x, out)
    return out


def test_signatures_are_those_of_the_native_module() -> None:
    stub = Path(__file__).parents[1] / "pydl" / "_native.pyi"
    kernels = 0
    for node in ast.parse(stub.read_text()).body:
        if not isinstance(node, ast.FunctionDef) or ast.unparse(node.returns or node) != "None":
            continue
        args = [(a.arg, ast.unparse(a.annotation or a)) for a in node.args.args]
        if any(re.search(r"\bArray\b", annotation) for _, annotation in args):
            kernels += 1
            mine = inspect.signature(inspect.unwrap(getattr(K, node.name))).parameters
            assert list(mine) == [name for name, _ in args], node.name
            defaults = [p.default for p in mine.values() if p.default is not p.empty]
            assert defaults == [ast.literal_eval(d) for d in node.args.defaults], node.name
    assert kernels > 40


# ---- elementwise

# name: (values by the textbook at POINTS, parameters, whether backward takes y)
POINTS = f64(-2.5, -0.75, -0.1, 0.3, 0.8, 2.0)
FORMULAS: dict[str, tuple[Any, tuple[float, ...], bool]] = {
    "neg": (lambda x: -x, (), False),
    "abs": (abs, (), False),
    "sign": (lambda x: math.copysign(1, x), (), False),
    "exp": (math.exp, (), True),
    "log": (math.log, (), False),
    "floor": (math.floor, (), False),
    "ceil": (math.ceil, (), False),
    "trunc": (math.trunc, (), False),
    "round": (round, (), False),
    "exp2": (lambda x: 2**x, (), True),
    "expm1": (math.expm1, (), True),
    "log1p": (math.log1p, (), False),
    "log2": (math.log2, (), False),
    "log10": (math.log10, (), False),
    "rsqrt": (lambda x: 1 / math.sqrt(x), (), True),
    "sin": (math.sin, (), False),
    "cos": (math.cos, (), False),
    "tan": (math.tan, (), True),
    "asin": (math.asin, (), False),
    "acos": (math.acos, (), False),
    "atan": (math.atan, (), False),
    "sinh": (math.sinh, (), False),
    "cosh": (math.cosh, (), False),
    "asinh": (math.asinh, (), False),
    "acosh": (math.acosh, (), False),
    "atanh": (math.atanh, (), False),
    "erf": (math.erf, (), False),
    "erfc": (math.erfc, (), False),
    "logsigmoid": (lambda x: -math.log1p(math.exp(-x)), (), False),
    "tanhshrink": (lambda x: x - math.tanh(x), (), False),
    "mish": (lambda x: x * math.tanh(math.log1p(math.exp(x))), (), False),
    "celu": (lambda x: x if x > 0 else 1.5 * math.expm1(x / 1.5), (1.5,), False),
    "softsign": (lambda x: x / (1 + abs(x)), (), False),
    "hardtanh": (lambda x: max(-0.5, min(x, 0.9)), (-0.5, 0.9), False),
    "hardsigmoid": (lambda x: max(0.0, min(x + 3, 6)) / 6, (), False),
    "hardswish": (lambda x: x * max(0.0, min(x + 3, 6)) / 6, (), False),
    "hardshrink": (lambda x: x if abs(x) > 0.5 else 0.0, (0.5,), False),
    "softshrink": (lambda x: max(0.0, abs(x) - 0.5) * math.copysign(1, x), (0.5,), False),
    "threshold": (lambda x: x if x > 0.5 else -2.0, (0.5, -2.0), False),
    "sqrt": (math.sqrt, (), True),
    "square": (lambda x: x**2, (), False),
    "reciprocal": (lambda x: 1 / x, (), True),
    "clip": (lambda x: max(-0.5, min(x, 0.9)), (-0.5, 0.9), False),
    "step": (lambda x: float(x > 0), (), False),
    "relu": (lambda x: max(x, 0), (), False),
    "leaky_relu": (lambda x: max(x, 0) + 0.1 * min(x, 0), (0.1,), False),
    "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), (), True),
    "tanh": (math.tanh, (), True),
    "gelu": (lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2, (), False),
    "gelu_tanh": (
        lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        (),
        False,
    ),
    "silu": (lambda x: x / (1 + math.exp(-x)), (), False),
    "elu": (lambda x: 1.25 * x if x > 0 else 1.5 * math.expm1(x), (1.5, 1.25), False),
    "softplus": (
        lambda x: x if 2 * x > 3.5 else math.log1p(math.exp(2 * x)) / 2,
        (2.0, 3.5),
        False,
    ),
}


def points(name: str) -> Any:
    if name in ("log", "log2", "log10", "sqrt", "rsqrt"):
        return np.abs(POINTS)
    if name == "acosh":
        return np.abs(POINTS) + 1
    if name in ("floor", "ceil", "trunc", "round"):
        return POINTS + 0.01
    return POINTS / (3 if name in ("asin", "acos", "atanh", "log1p") else 1)


@pytest.mark.parametrize("name", FORMULAS)
def test_unary_is_the_formula_and_backward_its_derivative(name: str) -> None:
    f, p, takes_y = FORMULAS[name]
    x = points(name)
    y, gx = np.empty_like(x), np.empty_like(x)
    getattr(K, name)(x, y, *p)
    np.testing.assert_allclose(y, [f(v) for v in x.tolist()], rtol=3e-14)

    h = 1e-6
    slope = [(f(v + h) - f(v - h)) / (2 * h) for v in x.tolist()]
    gy = np.arange(1.0, 7.0)
    getattr(K, name + "_backward")(gy, y if takes_y else x, gx, *p)
    np.testing.assert_allclose(gx, gy * slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_unary_in_short_types_is_float64_rounded(name: str, dtype: Any) -> None:
    _, p, _ = FORMULAS[name]
    x = points(name).astype(dtype)
    y, exact = np.empty_like(x), np.empty(x.shape)
    getattr(K, name)(x, y, *p)
    getattr(K, name)(x.astype(np.float64), exact, *p)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y, exact, rtol=4 * eps, atol=eps)


@pytest.mark.parametrize(
    ("name", "p", "x", "y", "slope"),
    [
        ("relu", (), (0, -0.0, NAN), (0, 0, NAN), (0, 0, 1)),
        ("clip", (-1, 2), (-1.5, -1, 2, 2.5, NAN), (-1, -1, 2, 2, NAN), (0, 1, 1, 0, 0)),
        ("abs", (), (0, -INF, NAN), (0, INF, NAN), (0, -1, 0)),
        ("sign", (), (0, -INF, NAN), (0, -1, 0), (0, 0, 0)),
        ("step", (), (0, 1e-9, NAN), (0, 1, 0), (0, 0, 0)),
        ("leaky_relu", (0.5,), (0, -INF), (0, -INF), (0.5, 0.5)),
        ("elu", (2, 1), (0, -INF), (0, -2), (2, 0)),
        ("celu", (2,), (0, -INF), (0, -2), (1, 0)),
        ("hardtanh", (-1, 2), (-1, 2, 3, NAN), (-1, 2, 2, NAN), (0, 0, 0, 0)),
        ("hardsigmoid", (), (-3, 3, INF, NAN), (0, 1, 1, NAN), (0, 0, 0, 0)),
        ("hardswish", (), (-3, 3, INF), (0, 3, INF), (0, 1, 1)),
        ("hardshrink", (0.5,), (0.5, -0.5, -INF, NAN), (0, 0, -INF, NAN), (0, 0, 1, 1)),
        ("softshrink", (0.5,), (0.5, -0.5, -INF, NAN), (0, 0, -INF, NAN), (0, 0, 1, 1)),
        ("threshold", (1, 5), (1, 2, NAN), (5, 2, NAN), (0, 1, 1)),
        ("round", (), (0.5, 1.5, -2.5), (0, 2, -2), (0, 0, 0)),
        ("mish", (), (-1000, 1000), (0, 1000), (0, 1)),
        ("logsigmoid", (), (-1000, 1000), (-1000, 0), (1, 0)),
        ("erfc", (), (6, -INF), (2.1519736712498913e-17, 2), None),
        ("rsqrt", (), (0, INF, -1), (INF, 0, NAN), None),
        ("log", (), (0, -1, INF), (-INF, NAN, INF), (INF, -1, 0)),
        ("softplus", (1, 20), (20, 21, -INF, 1000), (20 + 2.061153620314381e-9, 21, 0, 1000), None),
        ("softplus", (1, 0), (0, 0.5), (math.log(2), 0.5), (0.5, 1)),
        ("softplus", (1, 2000), (1500, -1500), (1500, 0), (1, 0)),
        ("gelu", (), (-8, 40), (-4.976768e-15, 40), None),
        ("gelu_tanh", (), (-40, 40, 1e200), (0, 40, 1e200), (0, 1, 1)),
        ("silu", (), (-1000, 1000), (0, 1000), (0, 1)),
    ],
)
def test_unary_at_kinks_and_extremes(name: str, p: Any, x: Any, y: Any, slope: Any) -> None:
    out = np.empty(len(x))
    getattr(K, name)(f64(*x), out, *p)
    np.testing.assert_allclose(out, y, rtol=1e-6, atol=1e-300)
    if slope is not None:
        getattr(K, name + "_backward")(np.ones(len(x)), f64(*x), out, *p)
        np.testing.assert_allclose(out, slope)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "exp"])
def test_saturated_functions_have_no_slope(name: str) -> None:
    y, gx = np.empty(2), np.empty(2)
    getattr(K, name)(f64(-INF, -1000), y)
    getattr(K, name + "_backward")(np.ones(2), y, gx)
    np.testing.assert_array_equal(gx, [0, 0])


def binary(name: str, a: Any, b: Any, dtype: Any = None) -> Any:
    a, b = np.asarray(a), np.asarray(b)
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), dtype or a.dtype)
    getattr(K, name)(a, b, out)
    return out


def test_binary_broadcasts_and_nan_wins() -> None:
    a, b = f64([1], [2]), f64(10, 20, 30)
    np.testing.assert_array_equal(binary("sub", a, b), [[-9, -19, -29], [-8, -18, -28]])
    np.testing.assert_array_equal(binary("maximum", f64(NAN, 1, 2), f64(1, NAN, 3)), [NAN, NAN, 3])
    np.testing.assert_array_equal(binary("minimum", f64(NAN, 1, 2), f64(1, NAN, 3)), [NAN, NAN, 2])
    np.testing.assert_array_equal(binary("div", f64(1, -1, 0), f64(0, 0, 0)), [INF, -INF, NAN])
    np.testing.assert_array_equal(binary("pow", f64(0, -2, -8), f64(0, 3, 1 / 3)), [1, -8, NAN])
    for name, want in {"eq": [0, 0], "ne": [1, 1], "lt": [0, 1], "ge": [0, 0]}.items():
        np.testing.assert_array_equal(binary(name, f64(NAN, 1), f64(NAN, 2), bool), want)


def test_integers_truncate_and_wrap() -> None:
    a = np.array([7, -7, 7, -7, -(2**63)])
    b = np.array([2, 2, -2, -2, -1])
    np.testing.assert_array_equal(binary("div", a, b), [3, -3, -3, 3, -(2**63)])
    np.testing.assert_array_equal(binary("floor_divide", a, b), [3, -4, -4, 3, -(2**63)])
    np.testing.assert_array_equal(binary("fmod", a, b), [1, -1, 1, -1, 0])
    np.testing.assert_array_equal(binary("remainder", a, b), [1, 1, -1, -1, 0])
    for name in ("div", "fmod", "remainder", "floor_divide"):
        with pytest.raises(ZeroDivisionError, match="b holds 0"):
            binary(name, a, 0 * b)
    a, b = np.array([1, 1, -8, -8, 3]), np.array([3, 64, 2, -1, -1])
    np.testing.assert_array_equal(binary("bitwise_left_shift", a, b), [8, 0, -32, 0, 0])
    np.testing.assert_array_equal(binary("bitwise_right_shift", a, b), [0, 0, -2, -1, 0])
    a, b = np.array([2, 2, -1, -1, 0, 1, 5]), np.array([10, -1, -3, -2, -1, -9, 0])
    np.testing.assert_array_equal(binary("pow", a, b), [1024, 0, -1, 1, 0, 1, 1])
    u8 = np.array([200, 3], np.uint8)
    np.testing.assert_array_equal(binary("add", u8, u8), [144, 6])
    np.testing.assert_array_equal(binary("sub", np.uint8([[3]]), u8), [[59, 0]])
    np.testing.assert_array_equal(
        binary("add", np.array(2**31 - 1, np.int32), np.int32(1)), -(2**31)
    )


def test_bool_is_computed_as_zero_and_one() -> None:
    a, b = np.array([False, False, True, True]), np.array([False, True, False, True])
    want = {"add": a | b, "sub": a ^ b, "mul": a & b, "maximum": a | b, "lt": ~a & b, "eq": a == b}
    for name, y in want.items():
        np.testing.assert_array_equal(binary(name, a, b), y, err_msg=name)


# ---- memory


def test_copy_moves_by_strides_and_stays_inside() -> None:
    x, y = np.arange(12.0), np.zeros(12)
    K.copy(x, y, (4, 3), 0, (1, 4), 0, (3, 1))
    np.testing.assert_array_equal(y.reshape(4, 3), x.reshape(3, 4).T)
    K.copy(x, y, (12,), 11, (-1,), 0, (1,))
    np.testing.assert_array_equal(y, x[::-1])
    K.copy(x, y, (2, 1, 3), 5, (0, 0, 0), 1, (6, 9, 2))
    np.testing.assert_array_equal(y[[1, 3, 5, 7, 9, 11]], 5)
    for offset, stride in [(0, -1), (10, 1), (0, 6), (-1, 1)]:
        with pytest.raises(ValueError):  # noqa: PT011 - the message is NumPy's
            K.copy(x, y, (3,), offset, (stride,), 0, (1,))
    K.copy(x, np.empty(0), (0, 5), 12, (1, 1), 0, (5, 1))


def test_where_keeps_bits() -> None:
    out = np.empty(3, np.uint16)
    K.where(np.array([True, False, True]), np.uint16([0x7FC1]), np.uint16([1, 2, 3]), out)
    np.testing.assert_array_equal(out, [0x7FC1, 2, 0x7FC1])


@pytest.mark.parametrize("source", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("target", [np.uint8, np.int32, np.int64])
def test_float_to_integer_truncates_and_saturates(source: Any, target: Any) -> None:
    least, most = np.iinfo(target).min, np.iinfo(target).max
    x = np.array([NAN, INF, -INF, 1.9, 0.9, -0.9, 254.5], source)
    out = np.empty(x.shape, target)
    K.cast(x, out)
    assert out.tolist() == [0, most, least, 1, 0, 0, 254]
    if source is not np.float16:
        x = np.array([2.0**63, -(2.0**63), 2.0**62, -1.5], source)
        out = np.empty(x.shape, target)
        K.cast(x, out)
        assert out.tolist() == [most, least, min(most, 2**62), max(least, -1)]


def test_bfloat16_rounds_to_nearest_even() -> None:
    one = 2.0**-7  # the last bit of a bfloat16 at 1
    x = [1, 1 + one / 2, 1 + 3 * one / 2, 1 + one / 2 + 2.0**-23, 1 + one / 2 - 2.0**-23, -1 - one]
    assert bits(x).tolist() == [0x3F80, 0x3F80, 0x3F82, 0x3F81, 0x3F80, 0xBF81]
    most = float(np.finfo(np.float32).max)
    assert bits([INF, -INF, 0, -0.0, most, -most]).tolist() == [
        *(0x7F80, 0xFF80, 0, 0x8000),
        *(0x7F80, 0xFF80),
    ]
    signalling = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    back = np.empty(2, np.float32)
    K.cast(bits(signalling), back)
    assert np.isnan(back).all()


def test_every_bfloat16_survives_float32() -> None:
    every = np.arange(2**16).astype(np.uint16)
    wide, back = np.empty(2**16, np.float32), np.empty(2**16, np.uint16)
    K.cast(every, wide)
    K.cast(wide, back)
    number = ~np.isnan(wide)
    np.testing.assert_array_equal(back[number], every[number])
    assert (back[~number] & 0x7FFF > 0x7F80).all()


def test_casts_to_bool_half_and_between_integers() -> None:
    out = np.empty(5, bool)
    K.cast(f64(0, -0.0, NAN, 1e-300, 2), out)
    assert out.tolist() == [False, False, True, True, True]
    K.cast(bits([0, -0.0, NAN, 1e-30, 2]), out)
    assert out.tolist() == [False, False, True, True, True]
    half = np.empty(3, np.float16)
    K.cast(np.float32([65519, 65520, 1 + 2.0**-11]), half)
    assert half.tolist() == [65504, INF, 1]
    u8 = np.empty(2, np.uint8)
    K.cast(np.array([-1, 257]), u8)
    assert u8.tolist() == [255, 1]
    K.cast(bits([300, 1.5]), u8)
    assert u8.tolist() == [255, 1]


def test_fill_and_arange() -> None:
    out = np.empty((2, 2), np.uint16)
    K.fill(out, 1.5)
    assert (out == 0x3FC0).all()
    i64 = np.empty((), np.int64)
    K.fill(i64, 2**62 + 1)
    assert i64 == 2**62 + 1
    x, i = np.empty(3, np.float32), np.empty(3, np.int64)
    K.arange(x, 0.1, 0.1)
    assert x.tolist() == np.float32([0.1, 0.2, 0.1 + 2 * 0.1]).tolist()
    K.arange(i, 2**60, -1)
    assert i.tolist() == [2**60, 2**60 - 1, 2**60 - 2]


# ---- reductions, products


def reduce(name: str, x: Any, dtype: Any = None, *extra: float) -> Any:
    out = np.empty((x.shape[0], x.shape[2]), dtype or x.dtype)
    getattr(K, name)(x, out, *x.shape, *extra)
    return out


def test_reductions() -> None:
    x = f64([1, 5], [3, 5], [2, -5]).reshape(1, 3, 2)
    assert reduce("reduce_sum", x, None, 0.5).tolist() == [[3, 2.5]]
    assert reduce("reduce_prod", x).tolist() == [[6, -125]]
    assert reduce("reduce_max", x).tolist() == [[3, 5]]
    assert reduce("reduce_min", x).tolist() == [[1, -5]]
    assert reduce("argmax", x, np.int64).tolist() == [[1, 0]]
    assert reduce("argmin", x, np.int64).tolist() == [[0, 2]]
    x = f64([1, NAN], [NAN, 2], [NAN, 3]).reshape(1, 3, 2)
    assert np.isnan(reduce("reduce_max", x)).all()
    assert np.isnan(reduce("reduce_min", x)).all()
    assert reduce("argmax", x, np.int64).tolist() == [[1, 0]]
    assert reduce("argmin", x, np.int64).tolist() == [[1, 0]]
    none = np.empty((2, 0, 1))
    assert reduce("reduce_sum", none).tolist() == [[0], [0]]
    assert reduce("reduce_prod", none).tolist() == [[1], [1]]
    assert reduce("reduce_any", none > 0).tolist() == [[False], [False]]
    assert reduce("reduce_all", none > 0).tolist() == [[True], [True]]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64])
def test_integer_sums_and_products_are_int64(dtype: Any) -> None:
    x = np.full((1, 40, 1), np.iinfo(dtype).max // 2 if dtype in (np.uint8, np.int32) else 1, dtype)
    top = int(x[0, 0, 0])
    assert reduce("reduce_sum", x, np.int64).item() == 40 * top
    assert reduce("reduce_prod", x[:, :2].copy(), np.int64).item() == top**2
    assert reduce("argmax", x, np.int64).item() == 0


def test_half_sums_do_not_stall() -> None:
    assert reduce("reduce_sum", np.ones((1, 5000, 1), np.float16)).item() == 5000


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize(
    ("batch_a", "batch_b"), [((), ()), ((3,), (3,)), ((1,), (3,)), ((3,), (1,)), ((3,), ())]
)
def test_gemm(rng: Any, trans_a: bool, trans_b: bool, batch_a: Any, batch_b: Any) -> None:
    m, n, k = 3, 4, 5
    a = rng.normal(size=(*batch_a, *((k, m) if trans_a else (m, k))))
    b = rng.normal(size=(*batch_b, *((n, k) if trans_b else (k, n))))
    bias = rng.normal(size=n)
    letters = f"...{'ki' if trans_a else 'ik'},...{'jk' if trans_b else 'kj'}->...ij"
    product = np.einsum(letters, a, b)
    out = np.empty(product.shape)
    K.gemm(a, b, out, trans_a, trans_b)
    np.testing.assert_allclose(out, product, rtol=1e-13, atol=1e-13)
    K.gemm(a, b, out, trans_a, trans_b, bias, True, -0.5, True)
    want = np.maximum(-0.5 * product + bias + product, 0)
    np.testing.assert_allclose(out, want, rtol=1e-13, atol=1e-13)


def test_gemm_of_nothing_is_the_bias() -> None:
    out = np.empty((2, 3))
    K.gemm(np.empty((2, 0)), np.empty((0, 3)), out, bias=f64(1, -2, 3), relu=True)
    assert out.tolist() == [[1, 0, 3]] * 2


# ---- indexing


def test_take_and_gather_and_how_they_are_written() -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    index, out, gx = np.array([2, 0, 2]), np.empty((2, 3, 2)), np.zeros((2, 3, 2))
    K.take(x, index, out, 2, 3, 2)
    np.testing.assert_array_equal(out, x[:, [2, 0, 2]])
    K.put(x, index, gx, 2, 3, 2, "add")
    np.testing.assert_array_equal(gx[0], [[2, 3], [0, 0], [4, 6]])
    K.put(x, index, gx, 2, 3, 2)
    np.testing.assert_array_equal(gx[0], [[2, 3], [0, 0], [4, 5]])

    index, out = np.array([[[0, 2]], [[1, -2]]]), np.empty((2, 1, 2))
    K.gather(x, index, out, 2, 3, 2, wrap=True)
    np.testing.assert_array_equal(out, [[[0, 5]], [[8, 9]]])
    index = np.array([[[0, 2], [0, 1]], [[1, 1], [1, 2]]])
    gx = np.ones((2, 3, 2))
    K.scatter(np.full((2, 2, 2), 3.0), index, gx, 2, 3, 2, "multiply")
    np.testing.assert_array_equal(gx, [[[9, 1], [1, 3], [1, 3]], [[1, 1], [9, 3], [1, 3]]])
    none = np.empty((0, 1, 2), np.int64)
    K.gather(np.empty((0, 3, 2)), none, np.empty((0, 1, 2)), 0, 3, 2)
    K.scatter(np.empty((0, 1, 2)), none, np.empty((0, 3, 2)), 0, 3, 2)


def test_accumulation_goes_in_the_order_of_the_index() -> None:
    gy, gx = np.float32([2.0**24, 1, 1]).reshape(1, 3, 1), np.zeros((1, 1, 1), np.float32)
    K.put(gy, np.zeros(3, np.int64), gx, 1, 1, 1, "add")
    assert gx.item() == 2.0**24
    gx[...] = 0
    K.scatter(gy[:, ::-1].copy(), np.zeros((1, 3, 1), np.int64), gx, 1, 1, 1, "add")
    assert gx.item() == 2.0**24 + 2


# ---- random numbers


def state_of(seed: int, offset: int = 0) -> Any:
    return np.array([seed, offset], np.int64)


def reference_words(seed: int, offset: int, n: int) -> list[int]:
    """Philox4x32-10 in Python's whole numbers."""
    words = []
    for block in range(-(-n // 4)):
        counter = (offset + block) % 2**64
        key = seed % 2**64
        words += philox_block([counter % 2**32, counter >> 32, 0, 0], [key % 2**32, key >> 32])
    return words[:n]


def philox_block(c: list[int], k: list[int]) -> list[int]:
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q % 2**32, (p >> 32) ^ c[3] ^ k[1], p % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def test_philox_known_answers() -> None:
    """Of Random123; the last two have counters that no kernel reaches."""
    want = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox_block([0] * 4, [0] * 2) == want
    assert philox.philox4x32(0, 0, 1).tolist() == [want]
    ones = 0xFFFFFFFF
    want = [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert philox_block([ones] * 4, [ones] * 2) == want
    counter, key = (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
    )
    assert philox_block(counter, key) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@pytest.mark.parametrize(
    ("seed", "offset"), [(1, 0), (-1, 2**32 - 1), (0x299F31D0A4093822, -2), (7, 2**63 - 1)]
)
@pytest.mark.parametrize("n", [0, 1, 4, 7, 33])
def test_random_kernels_use_the_stream_and_move_on(seed: int, offset: int, n: int) -> None:
    words = reference_words(seed, offset, 2 * n + 2)
    u = np.array([w >> 8 for w in words], np.float32) * np.float32(2.0**-24)

    def advanced(words: int) -> list[int]:
        after = (offset + -(-words // 4) + 2**63) % 2**64 - 2**63
        return [seed, after]

    state, out = state_of(seed, offset), np.empty(n, np.float32)
    K.rand(out, state, -1.0, 3.0)
    np.testing.assert_array_equal(out, np.float32(-1) + np.float32(4) * u[:n])
    assert state.tolist() == advanced(n)

    state, out64 = state_of(seed, offset), np.empty(n, np.int64)
    K.randint(out64, state, -5, 10)
    assert out64.tolist() == [-5 + (w * 15 >> 32) for w in words[:n]]
    assert state.tolist() == advanced(n)

    state = state_of(seed, offset)
    K.randn(out, state, 2.0, 3.0)
    z = []
    for w0, w1 in zip(words[::2], words[1::2], strict=True):
        r, turn = math.sqrt(-2 * math.log((w0 + 1) / 2**32)), 2 * math.pi * w1 / 2**32
        z += [2 + 3 * r * math.cos(turn), 2 + 3 * r * math.sin(turn)]
    np.testing.assert_allclose(out, z[:n], rtol=3e-7, atol=1e-6)
    assert state.tolist() == advanced(n)

    state = state_of(seed, offset)
    K.randperm(out64, state)
    keys = [words[2 * i] << 32 | words[2 * i + 1] for i in range(n)]
    assert out64.tolist() == sorted(range(n), key=lambda i: keys[i])
    assert state.tolist() == advanced(2 * n)


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_dropout(p: float) -> None:
    x, y, mask, state = np.arange(1.0, 1001), np.empty(1000), np.empty(125, np.uint8), state_of(3)
    K.dropout(x, state, y, mask, p)
    u = np.array(reference_words(3, 0, 1000)) / 2**32
    np.testing.assert_array_equal([mask[i // 8] >> i % 8 & 1 for i in range(1000)], u >= p)
    want = np.where(u >= p, x / (1 - p) if p < 1 else 0, 0)
    np.testing.assert_allclose(y, want, rtol=1e-15)
    assert state.tolist() == [3, 250]
    gx = np.empty(1000)
    K.dropout_backward(x, mask, gx, p)
    np.testing.assert_array_equal(gx, y)
