"""Elementwise kernels: a formula and its derivative on neighbouring lines; then binary and where.

`f(x, y, p0, p1)` writes y = f(x); `f_backward(gy, s, gx, p0, p1)` writes gx = gy * f'(s), where s
is what the op saves (csrc/ops/unary_list.h): y where the parameter is called so (relu: either),
otherwise x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .precision import A, quiet

_Kernel = Callable[..., None]


def _unary(f: Callable[..., Any], df: Callable[..., Any]) -> tuple[_Kernel, _Kernel]:
    @quiet
    def forward(x: A, y: A, p0: float = 0.0, p1: float = 0.0) -> None:
        y[...] = f(x, p0, p1)

    @quiet
    def backward(gy: A, s: A, gx: A, p0: float = 0.0, p1: float = 0.0) -> None:
        gx[...] = gy * df(s, p0, p1)

    return forward, backward


def _binary(f: Callable[[A, A], Any], divides: bool = False) -> _Kernel:
    @quiet
    def kernel(a: A, b: A, out: A) -> None:
        if divides and out.size > 0 and b.dtype.kind in "iu" and not b.all():
            raise ZeroDivisionError("division: b holds 0 (integers)")
        if a.dtype == np.bool_:  # is computed as 0 and 1: add is or, mul and, sub xor
            a, b = a.astype(np.int8), b.astype(np.int8)
        out[...] = f(a, b)

    return kernel


def _sign(x: A) -> A:
    return np.where(x > 0, 1, np.where(x < 0, -1, 0))


def _sigmoid(x: A) -> Any:
    return 1 / (1 + np.exp(-x))


_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _normal_cdf(x: A) -> A:
    return np.asarray(0.5 * _erfc(-x / math.sqrt(2)), x.dtype)


def _normal_pdf(x: A) -> Any:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _tanhshrink(x: A) -> Any:
    """x - tanh x; near 0, where that cancels, by the continued fraction of tanh."""
    z = np.minimum(x * x, 1)
    fraction = 21 + z
    for n in range(19, 3, -2):
        fraction = n + z / fraction
    # tanh x = x / (1 + z / (3 + z / fraction)), so x - tanh x = x q / (1 + q)
    q = z / (3 + z / fraction)
    return np.where(np.abs(x) < 1, x * q / (1 + q), x - np.tanh(x))


def _mish_slope(x: A) -> Any:
    t = np.tanh(np.logaddexp(0, x))
    return t + np.clip(x, -1000, 1000) * (1 - t * t) * _sigmoid(x)


def _gelu_gate(x: A) -> Any:
    """(1 + tanh(u)) / 2 = sigmoid(2 u), the approximation of the normal_cdf."""
    return _sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _gelu_tanh_slope(x: A) -> Any:
    x = np.clip(x, -30, 30)  # beyond, it is 0 or 1, and x**3 might overflow
    s = _gelu_gate(x)
    return s + x * s * (1 - s) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)


def _divide(a: A, b: A) -> Any:
    """Integers: truncated towards zero."""
    return a / b if a.dtype.kind == "f" else (a - np.fmod(a, b)) // b


def _remainder(a: A, b: A) -> Any:
    """With the sign of b, but 0 has that of a."""
    r = np.fmod(a, b)
    return np.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)


def _left_shift(a: A, b: A) -> Any:
    """By a negative number, or by all bits and more: 0."""
    far = (b < 0) | (b >= 8 * a.itemsize)
    return np.where(far, 0, a << np.where(far, 0, b).astype(b.dtype))


def _right_shift(a: A, b: A) -> Any:
    """By a negative number, or by all bits and more: the sign alone is left."""
    most = 8 * a.itemsize - 1
    far = (b < 0) | (b > most)
    sign = np.where(a < 0, -1, 0).astype(a.dtype)
    return np.where(far, sign, a >> np.where(far, 0, b).astype(b.dtype))


def _power(a: A, b: A) -> Any:
    """Integers: a negative power is 0 but for the bases 1 and -1."""
    if a.dtype.kind == "f":
        return a**b
    inverse = np.where(np.abs(a) == 1, a ** (b & 1), 0)
    return np.where(b < 0, inverse, a ** np.maximum(b, 0))


neg, neg_backward = _unary(
    lambda x, *_: -x,
    lambda x, *_: -np.ones_like(x),
)
abs, abs_backward = _unary(
    lambda x, *_: np.abs(x),
    lambda x, *_: _sign(x),
)
sign, sign_backward = _unary(
    lambda x, *_: _sign(x),
    lambda x, *_: np.zeros_like(x),
)
floor, floor_backward = _unary(
    lambda x, *_: np.floor(x),
    lambda x, *_: np.zeros_like(x),
)
ceil, ceil_backward = _unary(
    lambda x, *_: np.ceil(x),
    lambda x, *_: np.zeros_like(x),
)
trunc, trunc_backward = _unary(
    lambda x, *_: np.trunc(x),
    lambda x, *_: np.zeros_like(x),
)
round, round_backward = _unary(
    lambda x, *_: np.rint(x),
    lambda x, *_: np.zeros_like(x),
)
exp, exp_backward = _unary(
    lambda x, *_: np.exp(x),
    lambda y, *_: y,
)
exp2, exp2_backward = _unary(
    lambda x, *_: np.exp2(x),
    lambda y, *_: y * math.log(2),
)
expm1, expm1_backward = _unary(
    lambda x, *_: np.expm1(x),
    lambda y, *_: y + 1,
)
log, log_backward = _unary(
    lambda x, *_: np.log(x),
    lambda x, *_: 1 / x,
)
log1p, log1p_backward = _unary(
    lambda x, *_: np.log1p(x),
    lambda x, *_: 1 / (1 + x),
)
log2, log2_backward = _unary(
    lambda x, *_: np.log2(x),
    lambda x, *_: 1 / (x * math.log(2)),
)
log10, log10_backward = _unary(
    lambda x, *_: np.log10(x),
    lambda x, *_: 1 / (x * math.log(10)),
)
sqrt, sqrt_backward = _unary(
    lambda x, *_: np.sqrt(x),
    lambda y, *_: 0.5 / y,
)
rsqrt, rsqrt_backward = _unary(
    lambda x, *_: 1 / np.sqrt(x),
    lambda y, *_: -0.5 * y**3,
)
square, square_backward = _unary(
    lambda x, *_: x * x,
    lambda x, *_: 2 * x,
)
reciprocal, reciprocal_backward = _unary(
    lambda x, *_: 1 / x,
    lambda y, *_: -y * y,
)
clip, clip_backward = _unary(
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda x, low, high: (x >= low) & (x <= high),
)
sin, sin_backward = _unary(
    lambda x, *_: np.sin(x),
    lambda x, *_: np.cos(x),
)
cos, cos_backward = _unary(
    lambda x, *_: np.cos(x),
    lambda x, *_: -np.sin(x),
)
tan, tan_backward = _unary(
    lambda x, *_: np.tan(x),
    lambda y, *_: 1 + y * y,
)
asin, asin_backward = _unary(
    lambda x, *_: np.arcsin(x),
    lambda x, *_: 1 / np.sqrt((1 - x) * (1 + x)),
)
acos, acos_backward = _unary(
    lambda x, *_: np.arccos(x),
    lambda x, *_: -1 / np.sqrt((1 - x) * (1 + x)),
)
atan, atan_backward = _unary(
    lambda x, *_: np.arctan(x),
    lambda x, *_: 1 / (1 + x * x),
)
sinh, sinh_backward = _unary(
    lambda x, *_: np.sinh(x),
    lambda x, *_: np.cosh(x),
)
cosh, cosh_backward = _unary(
    lambda x, *_: np.cosh(x),
    lambda x, *_: np.sinh(x),
)
asinh, asinh_backward = _unary(
    lambda x, *_: np.arcsinh(x),
    lambda x, *_: 1 / np.sqrt(1 + x * x),
)
acosh, acosh_backward = _unary(
    lambda x, *_: np.arccosh(x),
    lambda x, *_: 1 / np.sqrt((x - 1) * (x + 1) + 0),  # -0 at x = -1
)
atanh, atanh_backward = _unary(
    lambda x, *_: np.arctanh(x),
    lambda x, *_: 1 / ((1 - x) * (1 + x)),
)
erf, erf_backward = _unary(
    lambda x, *_: np.asarray(_erf(x), x.dtype),
    lambda x, *_: 2 / math.sqrt(math.pi) * np.exp(-x * x),
)
erfc, erfc_backward = _unary(
    lambda x, *_: np.asarray(_erfc(x), x.dtype),
    lambda x, *_: -2 / math.sqrt(math.pi) * np.exp(-x * x),
)
step, step_backward = _unary(
    lambda x, *_: x > 0,
    lambda x, *_: np.zeros_like(x),
)
relu, relu_backward = _unary(
    lambda x, *_: np.maximum(x, 0),
    lambda x, *_: ~(x <= 0),
)
leaky_relu, leaky_relu_backward = _unary(
    lambda x, slope, _: np.where(x > 0, x, slope * x),
    lambda x, slope, _: np.where(x > 0, 1, slope),
)
sigmoid, sigmoid_backward = _unary(
    lambda x, *_: _sigmoid(x),
    lambda y, *_: y * (1 - y),
)
logsigmoid, logsigmoid_backward = _unary(
    lambda x, *_: -np.logaddexp(0, -x),
    lambda x, *_: _sigmoid(-x),
)
tanh, tanh_backward = _unary(
    lambda x, *_: np.tanh(x),
    lambda y, *_: 1 - y * y,
)
tanhshrink, tanhshrink_backward = _unary(
    lambda x, *_: _tanhshrink(x),
    lambda x, *_: np.tanh(x) ** 2,
)
gelu, gelu_backward = _unary(
    lambda x, *_: x * _normal_cdf(x),
    lambda x, *_: _normal_cdf(x) + x * _normal_pdf(x),
)
gelu_tanh, gelu_tanh_backward = _unary(
    lambda x, *_: x * _gelu_gate(x),
    lambda x, *_: _gelu_tanh_slope(x),
)
silu, silu_backward = _unary(
    lambda x, *_: x * _sigmoid(x),
    lambda x, *_: _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),
)
mish, mish_backward = _unary(
    lambda x, *_: x * np.tanh(np.logaddexp(0, x)),
    lambda x, *_: _mish_slope(x),
)
elu, elu_backward = _unary(
    lambda x, alpha, scale: np.where(x > 0, scale * x, alpha * np.expm1(x)),
    lambda x, alpha, scale: np.where(x <= 0, alpha * np.exp(x), scale),
)
celu, celu_backward = _unary(
    lambda x, alpha, _: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
    lambda x, alpha, _: np.where(x <= 0, np.exp(x / alpha), 1),
)
softplus, softplus_backward = _unary(
    lambda x, beta, limit: np.where(beta * x > limit, x, np.logaddexp(0, beta * x) / beta),
    lambda x, beta, limit: np.where(beta * x > limit, 1, _sigmoid(beta * x)),
)

softsign, softsign_backward = _unary(
    lambda x, *_: x / (1 + np.abs(x)),
    lambda x, *_: 1 / (1 + np.abs(x)) ** 2,
)
hardtanh, hardtanh_backward = _unary(
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda x, low, high: (x > low) & (x < high),
)
hardsigmoid, hardsigmoid_backward = _unary(
    lambda x, *_: np.minimum(np.maximum(x + 3, 0), 6) / 6,
    lambda x, *_: (np.abs(x) < 3) / 6,
)
hardswish, hardswish_backward = _unary(
    lambda x, *_: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
    lambda x, *_: np.where(x <= -3, 0, np.where(x < 3, x / 3 + 0.5, 1)),
)
hardshrink, hardshrink_backward = _unary(
    lambda x, limit, _: np.where(np.abs(x) <= limit, 0, x),
    lambda x, limit, _: ~(np.abs(x) <= limit),
)
softshrink, softshrink_backward = _unary(
    lambda x, limit, _: np.where(np.abs(x) <= limit, 0, x - np.copysign(limit, x)),
    lambda x, limit, _: ~(np.abs(x) <= limit),
)
threshold, threshold_backward = _unary(
    lambda x, limit, value: np.where(x <= limit, value, x),
    lambda x, limit, value: ~(x <= limit),
)

add = _binary(np.add)
sub = _binary(np.subtract)
mul = _binary(np.multiply)
div = _binary(_divide, divides=True)
pow = _binary(_power)
fmod = _binary(np.fmod, divides=True)
remainder = _binary(_remainder, divides=True)
floor_divide = _binary(np.floor_divide, divides=True)
atan2 = _binary(np.arctan2)
maximum = _binary(np.maximum)
minimum = _binary(np.minimum)
bitwise_and = _binary(np.bitwise_and)
bitwise_or = _binary(np.bitwise_or)
bitwise_xor = _binary(np.bitwise_xor)
bitwise_left_shift = _binary(_left_shift)
bitwise_right_shift = _binary(_right_shift)
eq = _binary(np.equal)
ne = _binary(np.not_equal)
lt = _binary(np.less)
le = _binary(np.less_equal)
gt = _binary(np.greater)
ge = _binary(np.greater_equal)


def where(cond: A, a: A, b: A, out: A) -> None:
    out[...] = np.where(cond, a, b)
