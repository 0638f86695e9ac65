"""Elementwise kernels: a formula and its derivative on neighbouring lines; then binary and where.

`f(x, y, p0, p1)` writes y = f(x); `f_backward(gy, s, gx, p0, p1)` writes gx = gy * f'(s), where s
is what the op saves: y for exp, sqrt, reciprocal, sigmoid and tanh, otherwise x (relu: either).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .precision import A, quiet, widen

_Kernel = Callable[..., None]


def _unary(f: Callable[..., Any], df: Callable[..., Any]) -> tuple[_Kernel, _Kernel]:
    @quiet
    def forward(x: A, y: A, p0: float = 0.0, p1: float = 0.0) -> None:
        y[...] = f(widen(x), p0, p1)

    @quiet
    def backward(gy: A, s: A, gx: A, p0: float = 0.0, p1: float = 0.0) -> None:
        gx[...] = widen(gy) * df(widen(s), p0, p1)

    return forward, backward


def _binary(f: Callable[[A, A], Any]) -> _Kernel:
    @quiet
    def kernel(a: A, b: A, out: A) -> None:
        if a.dtype == np.bool_:  # is computed as 0 and 1: add is or, mul and, sub xor
            a, b = a.astype(np.int8), b.astype(np.int8)
        out[...] = f(a, b)

    return kernel


def _sign(x: A) -> A:
    return np.where(x > 0, 1, np.where(x < 0, -1, 0))


def _sigmoid(x: A) -> Any:
    return 1 / (1 + np.exp(-x))


_erfc = np.frompyfunc(math.erfc, 1, 1)


def _normal_cdf(x: A) -> A:
    return np.asarray(0.5 * _erfc(-x / math.sqrt(2)), x.dtype)


def _normal_pdf(x: A) -> Any:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _gelu_gate(x: A) -> Any:
    """(1 + tanh(u)) / 2 = sigmoid(2 u), the approximation of the normal_cdf."""
    return _sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _gelu_tanh_slope(x: A) -> Any:
    x = np.clip(x, -30, 30)  # beyond, it is 0 or 1, and x**3 might overflow
    s = _gelu_gate(x)
    return s + x * s * (1 - s) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)


def _divide(a: A, b: A) -> Any:
    """Integers: truncated towards zero, x / 0 = 0."""
    return a / b if a.dtype.kind == "f" else (a - np.fmod(a, b)) // b


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
exp, exp_backward = _unary(
    lambda x, *_: np.exp(x),
    lambda y, *_: y,
)
log, log_backward = _unary(
    lambda x, *_: np.log(x),
    lambda x, *_: 1 / x,
)
sqrt, sqrt_backward = _unary(
    lambda x, *_: np.sqrt(x),
    lambda y, *_: 0.5 / y,
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
tanh, tanh_backward = _unary(
    lambda x, *_: np.tanh(x),
    lambda y, *_: 1 - y * y,
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
elu, elu_backward = _unary(
    lambda x, alpha, _: np.where(x > 0, x, alpha * np.expm1(x)),
    lambda x, alpha, _: np.where(x > 0, 1, alpha * np.exp(x)),
)
softplus, softplus_backward = _unary(
    lambda x, beta, limit: np.where(beta * x > limit, x, np.logaddexp(0, beta * x) / beta),
    lambda x, beta, limit: np.where(beta * x > limit, 1, _sigmoid(beta * x)),
)

add = _binary(np.add)
sub = _binary(np.subtract)
mul = _binary(np.multiply)
div = _binary(_divide)
pow = _binary(_power)
maximum = _binary(np.maximum)
minimum = _binary(np.minimum)
eq = _binary(np.equal)
ne = _binary(np.not_equal)
lt = _binary(np.less)
le = _binary(np.less_equal)
gt = _binary(np.greater)
ge = _binary(np.greater_equal)


def where(cond: A, a: A, b: A, out: A) -> None:
    out[...] = np.where(cond, a, b)
