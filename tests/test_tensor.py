"""Tensor itself: methods against NumPy, promotion, operators, printing, in-place changes."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, dtypes, ops

A = np.array([[1.5, -2.0, 0.5], [4.0, 0.25, -1.0]], np.float32)


def test_what_it_is(device: str) -> None:
    x = pydl.tensor(A, device=device)
    assert (x.shape, x.ndim, x.dim(), x.numel(), len(x)) == ((2, 3), 2, 2, 6, 2)
    assert (x.size(), x.size(1), x.size(-1)) == ((2, 3), 3, 3)
    assert x.dtype is pydl.float32
    assert x.device is pydl.device(device)
    assert x.contiguous() is x
    assert x.grad is None
    assert pydl.zeros(0, 3, device=device).numel() == 0


# ---- methods against NumPy

METHODS: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Any]]] = {
    "exp": (lambda x: x.exp(), np.exp),
    "log": (lambda x: x.abs().log(), lambda a: np.log(np.abs(a))),
    "sqrt": (lambda x: x.abs().sqrt(), lambda a: np.sqrt(np.abs(a))),
    "square": (lambda x: x.square(), np.square),
    "abs": (abs, np.abs),
    "sign": (lambda x: x.sign(), np.sign),
    "neg": (operator.neg, np.negative),
    "reciprocal": (lambda x: x.reciprocal(), np.reciprocal),
    "pow": (lambda x: x.pow(2), lambda a: a**2),
    "clip": (lambda x: x.clip(-1, 1), lambda a: np.clip(a, -1, 1)),
    "clamp": (lambda x: x.clamp(max=1), lambda a: np.minimum(a, 1)),
    "relu": (lambda x: x.relu(), lambda a: np.maximum(a, 0)),
    "sigmoid": (lambda x: x.sigmoid(), lambda a: 1 / (1 + np.exp(-a))),
    "tanh": (lambda x: x.tanh(), np.tanh),
    "softmax": (lambda x: x.softmax(0), lambda a: np.exp(a) / np.exp(a).sum(0)),
    "log_softmax": (lambda x: x.log_softmax(), lambda a: a - np.log(np.exp(a).sum(1)[:, None])),
    "sum": (lambda x: x.sum(0), lambda a: a.sum(0)),
    "sum of both": (lambda x: x.sum((0, 1), keepdim=True), lambda a: a.sum((0, 1), keepdims=True)),
    "mean": (lambda x: x.mean(-1, True), lambda a: a.mean(-1, keepdims=True)),
    "var": (lambda x: x.var(1), lambda a: a.var(1, ddof=1)),
    "var of all": (lambda x: x.var(correction=0), lambda a: a.var()),
    "std": (lambda x: x.std(0), lambda a: a.std(0, ddof=1)),
    "max": (lambda x: x.max(), np.max),
    "min": (lambda x: x.min(1).values, lambda a: a.min(1)),
    "max indices": (lambda x: x.max(1, keepdim=True)[1], lambda a: a.argmax(1)[:, None]),
    "argmax": (lambda x: x.argmax(), np.argmax),
    "argmin": (lambda x: x.argmin(1, keepdim=True), lambda a: a.argmin(1)[:, None]),
    "argmax, keepdim": (lambda x: x.argmax(keepdim=True), lambda a: a.argmax(keepdims=True)),
    "any": (lambda x: (x > 2).any(1), lambda a: (a > 2).any(1)),
    "all": (lambda x: (x > -3).all(), lambda a: np.bool_(True)),
    "reshape": (lambda x: x.reshape(3, 2), lambda a: a.reshape(3, 2)),
    "view": (lambda x: x.view((-1,)), lambda a: a.reshape(-1)),
    "flatten": (lambda x: x.flatten(), np.ravel),
    "permute": (lambda x: x.permute(1, 0), np.transpose),
    "transpose": (lambda x: x.transpose(0, -1), np.transpose),
    "T": (lambda x: x.T, lambda a: a.T),
    "squeeze": (lambda x: x[:1].squeeze(0), lambda a: a[0]),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    "expand": (lambda x: x.expand(4, 2, -1), lambda a: np.broadcast_to(a, (4, 2, 3))),
    "clone": (lambda x: x.clone(), np.copy),
    "matmul": (lambda x: x @ x.T, lambda a: a @ a.T),
    "matmul method": (lambda x: x.T.matmul(x), lambda a: a.T @ a),
    "long": (lambda x: x.long(), lambda a: a.astype(np.int64)),
    "int": (lambda x: x.int(), lambda a: a.astype(np.int32)),
    "bool": (lambda x: x.bool(), lambda a: a != 0),
    "half": (lambda x: x.half(), lambda a: a.astype(np.float16)),
    "bfloat16": (lambda x: x.bfloat16().float(), np.copy),  # these numbers fit
}


@pytest.mark.parametrize("name", METHODS)
def test_method(name: str, device: str) -> None:
    ours, theirs = METHODS[name]
    with np.errstate(divide="ignore"):
        want = np.asarray(theirs(A))
    got = ours(pydl.tensor(A, device=device))
    assert got.shape == want.shape
    assert got.numpy().dtype == want.dtype
    np.testing.assert_allclose(got.numpy(), want, rtol=2e-6, atol=1e-6)


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt,
    operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
    operator.floordiv, operator.mod,
]  # fmt: skip


@pytest.mark.parametrize("op", OPERATORS, ids=lambda f: f.__name__)
def test_operators_on_both_sides(op: Any, device: str) -> None:
    a = np.abs(A)
    x = pydl.tensor(a, device=device)
    for other in (2.0, 3, 0.5) if op is operator.sub else (2.0, 3, 0.5, True):
        number = np.float32(other)
        np.testing.assert_allclose(op(x, other).numpy(), op(a, number), rtol=1e-6)
        np.testing.assert_allclose(op(other, x).numpy(), op(number, a), rtol=1e-6)
    y = pydl.tensor(a[::-1], device=device)
    np.testing.assert_allclose(op(x, y).numpy(), op(a, a[::-1]), rtol=1e-6)


@pytest.mark.parametrize(
    "op", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]
)
def test_bit_operators_on_both_sides(op: Any, device: str) -> None:
    a, b = np.array([5, 2, 7]), np.array([1, 3, 0])
    x, y = (pydl.tensor(v, device=device) for v in (a, b))
    assert op(x, y).tolist() == op(a, b).tolist()
    assert op(x, 3).tolist() == op(a, 3).tolist()
    assert op(6, x).tolist() == op(6, a).tolist()
    assert (~x).tolist() == (~a).tolist()
    if op not in (operator.lshift, operator.rshift):
        assert op(x > 2, y > 0).tolist() == op(a > 2, b > 0).tolist()
        assert op(True, x > 2).dtype is pydl.bool_
        assert (~(x > 2)).tolist() == (a <= 2).tolist()


def test_comparison_with_what_is_no_number(device: str) -> None:
    x = pydl.ones(2, device=device)
    assert (x == None) is False  # noqa: E711 - that it may be asked
    assert x != "1"


def test_comparison_makes_a_tensor_and_hash_is_identity(device: str) -> None:
    x, y = pydl.ones(2, device=device), pydl.ones(2, device=device)
    assert (x == y).tolist() == [True, True]
    assert (x != y).tolist() == [False, False]
    assert len({x, y, x}) == 2


# ---- promotion: PyTorch's rules

PROMOTED = [
    ("float32", "int64", "float32"), ("float16", "int64", "float16"), ("uint8", "int32", "int32"),
    ("bool", "uint8", "uint8"), ("int32", "int64", "int64"), ("float16", "float32", "float32"),
    ("bool", "float16", "float16"), ("bool", "bool", "bool"),
]  # fmt: skip


def by_name(name: str) -> dtypes.DType:
    return next(t for t in dtypes.DTYPES if t.name == name)


@pytest.mark.parametrize(("a", "b", "want"), PROMOTED)
def test_promotion_of_two_tensors(a: str, b: str, want: str) -> None:
    for left, right in ((a, b), (b, a)):
        x = pydl.tensor([1, 0], dtype=by_name(left), device="numpy")
        y = pydl.tensor([1, 1], dtype=by_name(right), device="numpy")
        assert dtypes.result_type(x, y).name == want
        assert (x + y).dtype.name == want
    assert dtypes.promote(pydl.float16, pydl.bfloat16) is pydl.float32


def test_tensors_without_dimensions_give_way(device: str) -> None:
    """Those with dimensions decide, unless the kind of the other is higher."""

    def zeros(dtype: dtypes.DType, *shape: int) -> pydl.Tensor:
        return pydl.zeros(shape, dtype=dtype, device=device)

    for array, scalar, want in (
        (pydl.int32, pydl.int64, pydl.int32), (pydl.uint8, pydl.int64, pydl.uint8),
        (pydl.bool_, pydl.uint8, pydl.uint8), (pydl.int64, pydl.float32, pydl.float32),
        (pydl.float32, pydl.int64, pydl.float32),
    ):  # fmt: skip
        assert (zeros(array, 2) + zeros(scalar)).dtype is want
        assert (zeros(scalar) + zeros(array, 0)).dtype is want
    assert (zeros(pydl.int32) + zeros(pydl.uint8)).dtype is pydl.int32
    assert (zeros(pydl.uint8) + 7).dtype is pydl.uint8
    assert (zeros(pydl.uint8, 2) - 1).tolist() == [255, 255]


def test_numbers_take_the_type_of_the_tensor(device: str) -> None:
    i, f = pydl.tensor([1, 2], device=device), pydl.tensor([1.0, 2.0], device=device)
    b = pydl.tensor([True, False], device=device)
    u = pydl.tensor([1, 2], dtype=pydl.uint8, device=device)
    assert (i + 1).dtype is pydl.int64
    assert (i + 1.5).tolist() == [2.5, 3.5]
    assert (i + True).tolist() == [2, 3]
    assert (f + 1).dtype is pydl.float32
    assert (u + 1).dtype is pydl.uint8
    assert (b + 1).dtype is pydl.int64
    assert (b + 0.5).dtype is pydl.float32
    assert (i / 2).tolist() == [0.5, 1]
    assert (i / i).dtype is pydl.float32
    assert (i**2).tolist() == [1, 4]
    assert (-i).tolist() == [-1, -2]
    assert abs(-i).tolist() == [1, 2]
    assert i.square().tolist() == [1, 4]
    assert i.clip(max=1).tolist() == [1, 1]
    assert (i * f).dtype is pydl.float32
    assert (i < 1.5).tolist() == [True, False]
    assert (u + 255).tolist() == [0, 1]


def test_what_integers_cannot_do(device: str) -> None:
    i = pydl.tensor([1, 2], device=device)
    for name in ("elu", "gelu", "silu"):
        with pytest.raises(TypeError, match=f"^{name}: expected a floating tensor, got int64"):
            getattr(F, name)(i)
    for name in ("exp", "log", "sqrt", "tanh", "sigmoid", "sin", "reciprocal"):
        assert getattr(i, name)().dtype is pydl.float32
    for name in ("relu", "sign", "abs", "square", "floor"):
        assert getattr(i, name)().dtype is pydl.int64
    with pytest.raises(TypeError, match=r"^mean: x is int64, expected float32"):
        i.mean()


# ---- new tensors


def test_creation(device: str) -> None:
    how = {"device": device}
    assert pydl.zeros(2, 3, **how).tolist() == [[0] * 3] * 2
    assert pydl.ones((2,), dtype=pydl.int32, **how).tolist() == [1, 1]
    assert pydl.full((2,), 7, **how).dtype is pydl.int64
    assert pydl.full(2, 7.0, **how).dtype is pydl.float32
    assert pydl.full((), True, **how).dtype is pydl.bool_
    assert pydl.zeros(2, requires_grad=True, **how).requires_grad
    assert pydl.empty(2, 0, **how).shape == (2, 0)
    assert pydl.full((3,), 1.5, dtype=pydl.bfloat16, **how).float().tolist() == [1.5] * 3
    assert pydl.arange(5, **how).tolist() == [0, 1, 2, 3, 4]
    assert pydl.arange(5, 0, -2, **how).tolist() == [5, 3, 1]
    assert pydl.arange(0, 1, 0.25, **how).tolist() == [0, 0.25, 0.5, 0.75]
    assert pydl.arange(3, 3, **how).shape == (0,)
    assert pydl.arange(1.0, 2.0, 0.1, **how).shape == np.arange(1.0, 2.0, 0.1).shape


def test_large_whole_numbers_stay_exact(device: str) -> None:
    big = 2**62 + 1
    x = pydl.tensor([big], device=device)
    assert (x + 1).item() == big + 1
    assert pydl.full((), big, device=device).item() == big
    assert pydl.arange(big, big + 2, device=device).tolist() == [big, big + 1]
    assert x.sum().item() == big
    assert (x == big).item()


# ---- in place


def test_in_place_methods(device: str) -> None:
    x = pydl.zeros(2, 3, device=device)
    assert x.fill_(2) is x
    assert x.tolist() == [[2] * 3] * 2
    assert x.copy_(pydl.tensor([1, 2, 3], device=device)) is x
    assert x.tolist() == [[1, 2, 3]] * 2
    x.copy_(pydl.full((2, 1), 0.5, dtype=pydl.float16))  # another device and type
    assert x.tolist() == [[0.5] * 3] * 2
    x.zero_()
    assert x.version == [4]
    assert x.sum().item() == 0
    with pytest.raises(ValueError, match=r"^expand: \(2,\) does not broadcast to \(2, 3\)"):
        x.copy_(pydl.ones(2))
    row = x[1]
    row.fill_(5)
    assert x.tolist() == [[0] * 3, [5] * 3]
    assert row.version is x.version


# ---- printing, copying


def test_repr() -> None:
    assert repr(pydl.tensor([1.5, 2.0])) == "tensor([1.5, 2. ])"
    assert repr(pydl.tensor([[1, 2], [3, 4]])) == "tensor([[1, 2],\n        [3, 4]])"
    assert repr(pydl.tensor(True)) == "tensor(True)"
    assert repr(pydl.ones(1).half()) == "tensor([1.], dtype=pydl.float16)"
    assert repr(pydl.ones(1).bfloat16()) == "tensor([1.], dtype=pydl.bfloat16)"
    assert repr(pydl.ones(1, device="numpy")) == "tensor([1.], device='numpy')"
    x = pydl.ones(1, requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2.0) == "tensor([2.], op=mul)"
    assert repr(pydl.leaky_relu(x)) == "tensor([1.], op=leaky_relu)"
    assert "..." in repr(pydl.ones(5000))


def test_deepcopy_of_a_leaf(device: str) -> None:
    x = pydl.tensor([1.0, 2.0], device=device, requires_grad=True)
    y = copy.deepcopy(x)
    with pydl.no_grad():
        y.fill_(0.0)
    assert x.tolist() == [1, 2]
    assert y.requires_grad


# ---- special values


def test_special_values(device: str) -> None:
    x = pydl.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0], device=device)
    assert math.isnan(x.max().item())
    assert x.argmax().item() == 0
    assert x.bool().tolist() == [True, True, True, False, False]
    assert x.long().tolist()[0] == 0
    assert (x == x).tolist() == [False, True, True, True, True]
    assert pydl.maximum(x, 0.0).tolist()[1:] == [math.inf, 0, 0, 0]
    assert math.isnan(pydl.mean(pydl.zeros(0, device=device)).item())
    assert pydl.sum(pydl.zeros(0, device=device)).item() == 0
    assert pydl.ops.prod(pydl.zeros(0, device=device)).item() == 1
    assert pydl.softmax(pydl.tensor([1000.0, 1000.0], device=device)).tolist() == [0.5, 0.5]


def test_the_limits_of_size(device: str) -> None:
    with pytest.raises((MemoryError, ValueError)):
        pydl.empty(2**40, 2**20, device=device)
    with pytest.raises((ValueError, OverflowError)):
        pydl.empty(-1, device=device)
    eight = pydl.ones(*[1] * 8, device=device)
    assert (eight + eight).shape == (1,) * 8


def test_shapes_of_the_eighth_dimension_and_beyond() -> None:
    with pytest.raises(ValueError, match="8"):
        pydl.ones(*[1] * 9)
    x = pydl.ones(2, 1, 2, 1, 2, 1, 2, 1)
    assert ops.permute(x, (7, 6, 5, 4, 3, 2, 1, 0)).shape == (1, 2) * 4
