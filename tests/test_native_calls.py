"""Calls of the native kernels that must be refused, survived, or repeated with the same bits.

Not a test of results: those are compared with the oracle with the ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from native_samples import F16, I32, I64, U8, kernel_calls, of, z

from pydl import _native as n


@pytest.fixture
def no_failures() -> Iterator[None]:
    yield
    n.fail_allocation_after(-1)


# ---- refusals: the message is asserted ---------------------------------------------------------

A, B44 = z(3, 4), z(4, 4)
ONES = ((1, 1), (0, 0), (1, 1))
ONE, STEP = of([1.0]), of([1], "int64")
REFUSALS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: n.neg(z(3, code=I64), z(3)), TypeError, r"neg: x is int64 \(3,\), expected float32"),
    (lambda: n.neg(z(3), z(4)), ValueError, r"neg: y has shape \(4,\), expected \(3,\) as x"),
    (lambda: n.neg(A.view((4,), 0), A.view((4,), 2)), ValueError, r"neg: y overlaps x \(float32"),
    (lambda: n.add(z(2, 3), z(4), z(2, 3)), ValueError, r"add: shapes \(2, 3\) \(4,\) do not bro"),
    (lambda: n.add(z(1), z(1), z(1, 1)), ValueError, r"\(1,\) \(1,\) do not broadcast to out \(1"),
    (lambda: n.add(z(1), z(1), z(2)), ValueError, "do not broadcast to out"),
    (lambda: n.add(z(2, code=I64), z(2), z(2)), TypeError, "add: b is float32, expected int64 as"),
    (lambda: n.lt(z(2), z(2), z(2)), TypeError, r"lt: out is float32 \(2,\), expected bool"),
    (
        lambda: n.add(z(2, code=F16), z(2), z(2)),
        TypeError,
        "add: b is float32, expected float16 as",
    ),
    (lambda: n.add(A, A.view((4,)), A.view((3, 4))), ValueError, "add: out overlaps b .*in place"),
    (lambda: n.where(z(2), A, A, A), TypeError, r"where: cond is float32 \(2,\), expected bool"),
    (lambda: n.copy(A, A, (2,), 0, (1,), 1, (1,)), ValueError, "copy: dst overlaps src"),
    (lambda: n.copy(A, z(9), (3,), 11, (-6,), 0, (1,)), ValueError, "strides leave src float32"),
    (lambda: n.copy(A, z(9), (3,), 0, (2**62,), 0, (1,)), ValueError, "strides leave src"),
    (lambda: n.copy(A, z(9), (3,), 0, (1,), 2**62, (1,)), ValueError, "strides leave dst"),
    (lambda: n.copy(A, z(9), (3,), 0, (1,), 0, (0,)), ValueError, "write an element twice"),
    (lambda: n.copy(A, z(9), (3, 3), 0, (1, 1), 0, (2, 1)), ValueError, "an element twice"),
    (lambda: n.copy(A, z(9), (3,), 0, (1, 1), 0, (1,)), ValueError, "differ in length"),
    (lambda: n.copy(A, z(9, code=I32), (1,), 0, (1,), 0, (1,)), TypeError, "src is float32, exp"),
    (lambda: n.cast(A, z(12)), ValueError, r"cast: out has shape \(12,\), expected \(3, 4\) as x"),
    (lambda: n.fill(z(2, code=I32), 2.5), ValueError, "fill: value is 2.5, expected an int64"),
    (lambda: n.fill(z(2, code=U8), 256), ValueError, "fill: value is 256, which is beyond uint8"),
    (lambda: n.fill(z(2), "one"), TypeError, "real number"),  # type: ignore[arg-type]
    (lambda: n.arange(z(3, code=I32), 0, 2**30), ValueError, "arange: the last element is beyond"),
    (lambda: n.reduce_sum(A, z(3), 3, 5, 1), ValueError, r"12 elements, expected .* = \(3, 5, 1\)"),
    (lambda: n.reduce_sum(A, z(3), 3, 2**62, 4), ValueError, "reduce_sum: x has 12 elements"),
    (lambda: n.reduce_max(z(0), z(1), 1, 0, 1), ValueError, "reduce_max: nothing to choose from"),
    (lambda: n.argmax(A, z(3), 3, 4, 1), TypeError, r"argmax: out is float32 \(3,\), expected int"),
    (lambda: n.reduce_any(A, z(3), 3, 4, 1), TypeError, "reduce_any: x is .*, expected bool"),
    (lambda: n.gemm(A, z(3, 4), z(3, 4)), ValueError, "gemm: a has k=4, b has k=3"),
    (lambda: n.gemm(A, B44, z(4, 3)), ValueError, r"gemm: out has shape \(4, 3\), expected \(3, 4"),
    (
        lambda: n.gemm(z(2, 3, 4), z(3, 4, 4), z(3, 3, 4)),
        ValueError,
        r"batches of a \(2\) and b \(",
    ),
    (lambda: n.gemm(A, B44, A), ValueError, "gemm: out overlaps a"),
    (
        lambda: n.gemm(A, B44, z(3, 4), bias=z(3)),
        ValueError,
        r"bias has shape \(3,\), expected \(4",
    ),
    (
        lambda: n.conv2d(z(1, 2, 5, 5), z(16, 3, 3, 3), None, z(1, 16, 3, 3), *ONES, 2),
        ValueError,
        r"conv2d: w has shape \(16, 3, 3, 3\), expected \(O, C/groups, KH, KW\) with C/groups=1",
    ),
    (
        lambda: n.conv2d(z(1, 2, 5, 5), z(3, 2, 3, 3), None, z(1, 3, 4, 3), *ONES, 1),
        ValueError,
        r"conv2d: y has shape \(1, 3, 4, 3\), expected \(1, 3, 3, 3\)",
    ),
    (
        lambda: n.conv2d(z(1, 2, 2, 5), z(3, 2, 3, 3), None, z(1, 3, 0, 3), *ONES, 1),
        ValueError,
        "conv2d: kernel of H spans 3, the padded input only 2",
    ),
    (
        lambda: n.im2col(A, z(1, 9, 9), (3, 3), *ONES),
        ValueError,
        r"im2col: x has shape \(3, 4\), expected \(N, C, H, W\)",
    ),
    (
        lambda: n.avg_pool2d(z(1, 1, 5, 5), z(1, 1, 4, 2), (2, 2), (2, 2), (0, 0), True, 0),
        ValueError,
        r"avg_pool2d: y has shape \(1, 1, 4, 2\), expected OH=2, OW=2 \(or one more, ceil_mode\)",
    ),
    (
        lambda: n.avg_pool2d(z(1, 1, 5, 5), z(1, 1, 7, 7), (2, 2), (1, 1), (2, 2), True, 0),
        ValueError,
        r"padding of H is 2, expected at most half the window \(2\)",
    ),
    (
        lambda: n.batch_norm(A, None, None, None, None, z(3, 4), z(3), z(4), True, 0.1, 1e-5),
        ValueError,
        r"batch_norm: mean has shape \(3,\), expected \(4,\)",
    ),
    (
        lambda: n.batch_norm(A, None, None, None, None, z(3, 4), z(4), z(4), False, 0.1, 1e-5),
        ValueError,
        "batch_norm: running_mean is needed",
    ),
    (lambda: n.softmax(A, A, 3, 4, 1, False), ValueError, "softmax: y overlaps x"),
    (
        lambda: n.cross_entropy(A, of([0, 4, 1], "int64"), None, z(3), z(3), z(3), -100, 0.0),
        IndexError,
        r"cross_entropy: target holds 4, expected \[0, 4\)",
    ),
    (
        lambda: n.cross_entropy(A, z(4, code=I64), None, z(3), z(3), z(3), -100, 0.0),
        ValueError,
        r"cross_entropy: target has shape \(4,\), expected \(3, 4\) without C, as x",
    ),
    (
        lambda: n.take(A, of([1, -1], "int64"), z(3, 2), 3, 4, 1),
        IndexError,
        r"take: index holds -1, expected \[0, 4\)",
    ),
    (
        lambda: n.gather(A, of([[4], [0], [0]], "int64"), z(3, 1), 3, 4, 1),
        IndexError,
        r"gather: index holds 4, expected \[0, 4\)",
    ),
    (
        lambda: n.randint(z(3, code=I64), z(2, code=I64), 5, 5),
        ValueError,
        "expected 0 < high - low",
    ),
    (
        lambda: n.rand(z(3), z(3, code=I64), 0, 1),
        ValueError,
        r"state has shape \(3,\), expected \(2",
    ),
    (lambda: n.dropout_backward(z(3), z(1, code=U8), z(3), 1.5), ValueError, "p is 1.5"),
    (
        lambda: n.sgd([z(2)], [z(3)], [], ONE, STEP, 0.0, 0.0, 0.0, False, False),
        ValueError,
        r"sgd: grads has shape \(3,\), expected \(2,\) as params",
    ),
    (
        lambda: n.sgd([z(2)], [z(2)], [], ONE, STEP, 0.9, 0.0, 0.0, False, False),
        ValueError,
        "sgd: momentum_buffers has 0 arrays, expected 1 as params",
    ),
    (
        lambda: n.sgd([A, A], [z(3, 4), z(3, 4)], [], ONE, STEP, 0.0, 0.0, 0.0, False, False),
        ValueError,
        "sgd: arrays overlap that are read and written",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSALS, ids=lambda v: None)
def test_refusals(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_in_place_where_it_is_allowed() -> None:
    x = of(np.arange(40).reshape(5, 8))
    n.add(x, of([1] * 8), x)
    n.relu(x, x)
    n.where(of([[True]], "bool"), x, of(0.0), x)
    assert x.numpy().tolist() == (np.arange(40).reshape(5, 8) + 1).tolist()


def test_ceil_mode_sizes() -> None:
    x = z(1, 1, 5, 5)
    for size in (2, 3):  # floor and ceil of (5 - 2) / 2 + 1
        n.avg_pool2d(x, z(1, 1, size, size), (2, 2), (2, 2), (0, 0), True, 0)
    with pytest.raises(ValueError, match="ceil_mode"):  # that window would begin in the padding
        n.avg_pool2d(z(1, 1, 3, 3), z(1, 1, 4, 4), (2, 2), (2, 2), (1, 1), True, 0)


# ---- every kernel: repeated, and without memory ------------------------------------------------


def test_every_kernel_has_calls_that_can_be_repeated() -> None:
    for name, calls in kernel_calls().items():
        assert calls, name
        for call in calls:
            assert call.run() == call.run(), name


@pytest.mark.usefixtures("no_failures")
def test_failing_allocations() -> None:
    for name, calls in kernel_calls().items():
        for call in calls[:3]:
            expected = call.run()
            for k in range(10):
                n.fail_allocation_after(k)
                try:
                    assert call.run() == expected
                    break
                except MemoryError as e:
                    assert "cannot allocate" in str(e)  # noqa: PT017
            else:
                pytest.fail(f"{name} does not come to an end")
            n.fail_allocation_after(-1)
            assert call.run() == expected
