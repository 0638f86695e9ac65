"""One valid call of every function of pydl._native, for tests that run, break or repeat them all.

Arrays lie in one block with guard bytes between them, so that a kernel that writes beyond its
output is found out. Not a test of results: those are compared with the oracle elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pydl import _native as n

GUARD = 64
PATTERN = 0xA5


F32, F64, F16, BF16, I64, I32, U8, BOOL = range(8)  # codes of the element types


def z(*shape: int, code: int = F32) -> n.Array:
    """Zeros."""
    a = n.empty(shape, code)
    a.numpy()[...] = 0
    return a


def of(values: Any, dtype: str = "float32") -> n.Array:
    """An array of these values."""
    return n.from_numpy(np.array(values, dtype))


class Maker:
    """Makes the arrays of one call; `s` scales the batch."""

    def __init__(self, s: int = 1, megabytes: int = 2) -> None:
        self.s = s
        self.rng = np.random.default_rng(0)
        self.block = np.full(megabytes << 20, PATTERN, np.uint8)
        self.spans: list[tuple[int, int]] = []
        self.end = GUARD

    def place(self, values: Any) -> n.Array:
        """An array in the block with these values."""
        values = np.asarray(values)
        stop = self.end + values.nbytes
        memory = self.block[self.end : stop].view(values.dtype).reshape(values.shape)
        memory[...] = values
        self.spans.append((self.end, stop))
        self.end = -(-(stop + GUARD) // 64) * 64
        return n.from_numpy(memory)

    def f(self, *shape: int) -> n.Array:
        """Random float32."""
        return self.place(self.rng.standard_normal(shape, np.float32))

    def p(self, *shape: int) -> n.Array:
        """Random float32 >= 0."""
        return self.place(np.abs(self.rng.standard_normal(shape, np.float32)))

    def i(self, high: int, *shape: int) -> n.Array:
        """Random int64 in [0, high)."""
        return self.place(self.rng.integers(0, high, shape))

    def b(self, *shape: int) -> n.Array:
        """Random bool."""
        return self.place(self.rng.integers(0, 2, shape).astype(bool))

    def state(self) -> n.Array:
        """The state of a random stream."""
        return self.place(np.array([7, 3]))

    def guards_intact(self) -> bool:
        """Whether nothing was written between the arrays."""
        edges = [0, *(e for span in self.spans for e in span), self.block.size]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        return all((self.block[a:b] == PATTERN).all() for a, b in gaps)

    def digest(self) -> str:
        """A hash of all arrays."""
        return hashlib.sha256(self.block).hexdigest()


def _conv(m: Maker) -> tuple[Any, ...]:
    return m.f(2 * m.s, 4, 9, 8), m.f(6, 2, 3, 3), m.f(2 * m.s, 6, 5, 8)


GEOMETRY = ((2, 1), (1, 2), (1, 2))  # stride, padding, dilation of _conv
WINDOW = ((3, 2), (2, 1), (1, 0), (1, 2))  # kernel, stride, padding, dilation: (9, 8) -> (5, 6)
AVERAGE = ((3, 2), (2, 2), (1, 1))  # (9, 8) -> (5, 5)


def _optim(m: Maker, lists: int, *options: Any) -> tuple[Any, ...]:
    shapes = [(5, 3), (7,), (), (33,)] * (5 if m.s == 1 else 1) + [(300 * m.s,)]
    states = [[m.p(*shape) for shape in shapes] for _ in range(lists)]
    return (*states, m.place(np.array([0.1], np.float32)), m.place(np.array([3])), *options)


SAMPLES: dict[str, Callable[[Maker], tuple[Any, ...]]] = {
    "where": lambda m: (m.b(5, 1), m.f(1, 7 * m.s), m.f(), m.f(5, 7 * m.s)),
    "copy": lambda m: (
        m.f(6, 50 * m.s),
        m.f(50 * m.s, 9),
        (50 * m.s, 6),
        50 * m.s - 1,
        (-1, 50 * m.s),
        2,
        (9, 1),
    ),
    "cast": lambda m: (m.f(9, 9 * m.s), m.i(9, 9, 9 * m.s)),
    "fill": lambda m: (m.f(9, 9 * m.s), 2.5),
    "arange": lambda m: (m.f(33 * m.s), 1.0, 0.5),
    "reduce_sum": lambda m: (m.f(3, 70 * m.s, 5), m.f(3, 5), 3, 70 * m.s, 5, 0.5),
    "reduce_prod": lambda m: (m.i(3, 3, 70 * m.s, 5), m.i(9, 3, 5), 3, 70 * m.s, 5),
    "reduce_max": lambda m: (m.f(3, 70 * m.s), m.f(3), 3, 70 * m.s, 1),
    "reduce_min": lambda m: (m.f(70 * m.s, 3), m.f(3), 1, 70 * m.s, 3),
    "reduce_any": lambda m: (m.b(3, 70 * m.s), m.b(3), 3, 70 * m.s, 1),
    "reduce_all": lambda m: (m.b(3, 70 * m.s), m.b(3), 3, 70 * m.s, 1),
    "argmax": lambda m: (m.f(3, 70 * m.s, 5), m.i(9, 3, 5), 3, 70 * m.s, 5),
    "argmin": lambda m: (m.f(3, 70 * m.s), m.i(9, 3), 3, 70 * m.s, 1),
    "gemm": lambda m: (
        m.f(2, 9, 13 * m.s),
        m.f(17, 9),
        m.f(2, 13 * m.s, 17),
        True,
        True,
        m.f(17),
        True,
        0.5,
        True,
    ),
    "conv2d": lambda m: (*_conv(m)[:2], m.f(6), m.f(2 * m.s, 6, 5, 8), *GEOMETRY, 2, True),
    "conv2d_grad_input": lambda m: (_conv(m)[2], *_conv(m)[1::-1], *GEOMETRY, 2, m.f(4)),
    "conv2d_grad_weight": lambda m: (_conv(m)[2], *_conv(m)[:2], *GEOMETRY, 2),
    "im2col": lambda m: (
        m.f(2 * m.s, 4, 9, 8),
        m.f(2 * m.s, 36, 40),
        (3, 3),
        *GEOMETRY,
    ),
    "col2im": lambda m: (
        m.f(2 * m.s, 36, 40),
        m.f(2 * m.s, 4, 9, 8),
        (3, 3),
        *GEOMETRY,
    ),
    "max_pool2d": lambda m: (
        m.f(2 * m.s, 3, 9, 8),
        m.f(2 * m.s, 3, 5, 6),
        m.place(np.zeros((2 * m.s, 3, 5, 6), np.int32)),
        *WINDOW,
    ),
    "max_pool2d_backward": lambda m: (
        m.f(2 * m.s, 3, 5, 6),
        m.place(m.rng.integers(0, 72, (2 * m.s, 3, 5, 6)).astype(np.int32)),
        m.f(2 * m.s, 3, 9, 8),
        *WINDOW,
    ),
    "avg_pool2d": lambda m: (m.f(2 * m.s, 3, 9, 8), m.f(2 * m.s, 3, 5, 5), *AVERAGE, False, 0),
    "avg_pool2d_backward": lambda m: (
        m.f(2 * m.s, 3, 5, 5),
        m.f(2 * m.s, 3, 9, 8),
        *AVERAGE,
        True,
        5,
    ),
    "adaptive_avg_pool2d": lambda m: (m.f(2 * m.s, 3, 9, 8), m.f(2 * m.s, 3, 4, 3)),
    "adaptive_avg_pool2d_backward": lambda m: (m.f(2 * m.s, 3, 4, 3), m.f(2 * m.s, 3, 9, 8)),
    "edge_pad": lambda m: (m.f(2 * m.s, 5, 6), m.f(2 * m.s, 8, 7), 2, -1, "reflect"),
    "edge_pad_backward": lambda m: (m.f(2 * m.s, 8, 7), m.f(2 * m.s, 5, 6), 2, -1, "circular"),
    "batch_norm": lambda m: (
        m.f(4 * m.s, 5, 7),
        m.f(5),
        m.f(5),
        m.f(5),
        m.p(5),
        m.f(4 * m.s, 5, 7),
        m.f(5),
        m.f(5),
        True,
        0.1,
        1e-5,
    ),
    "batch_norm_backward": lambda m: (
        m.f(4 * m.s, 5, 7),
        m.f(4 * m.s, 5, 7),
        m.f(5),
        m.f(5),
        m.p(5),
        m.f(4 * m.s, 5, 7),
        m.f(5),
        m.f(5),
        True,
    ),
    "softmax": lambda m: (m.f(4 * m.s, 11), m.f(4 * m.s, 11), 4 * m.s, 11, 1, True),
    "softmax_backward": lambda m: (
        m.f(2 * m.s, 9, 3),
        m.p(2 * m.s, 9, 3),
        m.f(2 * m.s, 9, 3),
        2 * m.s,
        9,
        3,
        False,
    ),
    "cross_entropy": lambda m: (
        m.f(6 * m.s, 10, 2),
        m.i(10, 6 * m.s, 2),
        m.p(10),
        m.f(6 * m.s, 2),
        m.f(6 * m.s, 2),
        m.f(6 * m.s, 2),
        3,
        0.1,
    ),
    "cross_entropy_backward": lambda m: (
        m.f(6 * m.s),
        m.f(6 * m.s, 10),
        m.i(10, 6 * m.s),
        None,
        m.f(6 * m.s),
        m.f(6 * m.s, 10),
        -100,
        0.0,
    ),
    "take": lambda m: (m.f(3, 7, 5), m.i(7, 40 * m.s), m.f(3, 40 * m.s, 5), 3, 7, 5),
    "take_backward": lambda m: (m.f(3, 40 * m.s, 5), m.i(7, 40 * m.s), m.f(3, 7, 5), 3, 7, 5),
    "gather": lambda m: (m.f(3, 7, 5), m.i(7, 3, 4 * m.s, 5), m.f(3, 4 * m.s, 5), 3, 7, 5),
    "gather_backward": lambda m: (m.f(3, 4 * m.s, 5), m.i(7, 3, 4 * m.s, 5), m.f(3, 7, 5), 3, 7, 5),
    "rand": lambda m: (m.f(50 * m.s), m.state(), -1.0, 1.0),
    "randn": lambda m: (m.f(50 * m.s), m.state(), 1.0, 2.0),
    "randint": lambda m: (m.i(9, 50 * m.s), m.state(), -5, 50),
    "randperm": lambda m: (m.i(9, 50 * m.s), m.state()),
    "dropout": lambda m: (m.f(50 * m.s), m.state(), m.f(50 * m.s), m.b(50 * m.s), 0.3),
    "dropout_backward": lambda m: (m.f(50 * m.s), m.b(50 * m.s), m.f(50 * m.s), 0.3),
    "sgd": lambda m: _optim(m, 3, 0.9, 0.1, 0.01, False, False),
    "adagrad": lambda m: _optim(m, 3, 0.1, 0.01, 1e-10, True),
    "adadelta": lambda m: _optim(m, 4, 0.9, 1e-6, 0.01, False),
    "rmsprop": lambda m: _optim(m, 5, 0.9, 1e-8, 0.01, 0.9, True, False),
    "adam": lambda m: _optim(m, 5, 0.9, 0.999, 1e-8, 0.01, True, False),
}
for _name in n.unary_ops():
    SAMPLES[_name] = lambda m: (m.p(3, 50 * m.s), m.f(3, 50 * m.s), 0.5, 1.5)
    SAMPLES[_name + "_backward"] = lambda m: (
        m.f(50 * m.s),
        m.p(50 * m.s),
        m.f(50 * m.s),
        0.5,
        1.5,
    )
for _name in n.binary_ops():
    _out = "b" if _name in ("eq", "ne", "lt", "le", "gt", "ge") else "f"
    SAMPLES[_name] = lambda m, out=_out: (  # type: ignore[misc]
        m.p(4, 1, 9 * m.s),
        m.f(5, 1),
        getattr(m, out)(4, 5, 9 * m.s),
    )


def run(name: str, s: int = 1, megabytes: int = 2) -> str:
    """Makes the call; a hash of all its arrays."""
    maker = Maker(s, megabytes)
    getattr(n, name)(*SAMPLES[name](maker))
    assert maker.guards_intact()
    return maker.digest()
