"""The oracle proved without another framework: what networks and their training add.

Convolution against nested loops, gradients as adjoints of linear maps or by finite differences, the
rules at the edges by hand.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pydl.backends import numpy as K

NAN, INF = math.nan, math.inf
ONE, ZERO = (1, 1), (0, 0)


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


# ---- convolution


def conv_problem(rng: Any) -> Any:
    """x, w, the shape of y, and stride, padding, dilation, groups: small, odd and random."""
    while True:
        G, N, C, maps = (int(v) for v in rng.integers(1, 4, 4))
        KH, KW, *geometry = (int(v) for v in rng.integers(1, 4, 8))
        s, p, d = (tuple(v) for v in np.reshape(geometry, (3, 2)).tolist())
        p = (p[0] - 1, p[1] - 1)
        H, W = (int(v) for v in rng.integers(1, 10, 2))
        OH = (H + 2 * p[0] - d[0] * (KH - 1) - 1) // s[0] + 1
        OW = (W + 2 * p[1] - d[1] * (KW - 1) - 1) // s[1] + 1
        if OH > 0 and OW > 0:
            x = rng.normal(size=(N, C * G, H, W))
            w = rng.normal(size=(maps * G, C, KH, KW))
            return x, w, (N, maps * G, OH, OW), (s, p, d, G)


def taps(x: Any, kernel: Any, size: Any, s: Any, p: Any, d: Any) -> Iterator[tuple[int, ...]]:
    """Every (oh, ow, kh, kw, h, w) whose (h, w) lies in the image."""
    for oh, ow, kh, kw in itertools.product(*(range(n) for n in (*size, *kernel))):
        h, w = oh * s[0] + kh * d[0] - p[0], ow * s[1] + kw * d[1] - p[1]
        if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
            yield oh, ow, kh, kw, h, w


@pytest.mark.parametrize("seed", range(40))
def test_conv2d_is_six_nested_loops_and_its_gradients_are_adjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w, shape, options = conv_problem(rng)
    s, p, d, G = options
    want = np.zeros(shape)
    for oh, ow, kh, kw, h, v in taps(x, w.shape[2:], shape[2:], s, p, d):
        for o, c in itertools.product(range(w.shape[0]), range(w.shape[1])):
            first = o // (w.shape[0] // G) * w.shape[1]  # input channel where o's group begins
            want[:, o, oh, ow] += w[o, c, kh, kw] * x[:, first + c, h, v]
    y = np.empty(shape)
    K.conv2d(x, w, None, y, *options)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)

    gy, gx, gw = rng.normal(size=shape), np.empty_like(x), np.empty_like(w)
    K.conv2d_grad_input(gy, w, gx, *options)
    K.conv2d_grad_weight(gy, x, gw, *options)
    product = np.vdot(gy, y)  # y is linear in x and in w
    np.testing.assert_allclose([np.vdot(gx, x), np.vdot(gw, w)], product, rtol=1e-11, atol=1e-11)
    dx, dw = rng.normal(size=x.shape), rng.normal(size=w.shape)
    K.conv2d(dx, w, None, y, *options)
    np.testing.assert_allclose(np.vdot(gx, dx), np.vdot(gy, y), rtol=1e-11, atol=1e-11)
    K.conv2d(x, dw, None, y, *options)
    np.testing.assert_allclose(np.vdot(gw, dw), np.vdot(gy, y), rtol=1e-11, atol=1e-11)

    bias = rng.normal(size=shape[1])
    K.conv2d(x, w, bias, y, *options, relu=True)
    want = np.maximum(want + bias[:, None, None], 0)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_im2col_lists_the_taps_and_col2im_is_its_adjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w, (N, _, OH, OW), (s, p, d, _) = conv_problem(rng)
    C, kernel = x.shape[1], w.shape[2:]
    cells = np.zeros((N, C, *kernel, OH, OW))
    for oh, ow, kh, kw, h, v in taps(x, kernel, (OH, OW), s, p, d):
        cells[:, :, kh, kw, oh, ow] = x[:, :, h, v]
    col = np.empty((N, C * kernel[0] * kernel[1], OH * OW))
    K.im2col(x, col, kernel, s, p, d)
    np.testing.assert_array_equal(col, cells.reshape(col.shape))
    gcol, gx = rng.normal(size=col.shape), np.empty_like(x)
    K.col2im(gcol, gx, kernel, s, p, d)
    np.testing.assert_allclose(np.vdot(gcol, col), np.vdot(gx, x), rtol=1e-12, atol=1e-12)
    basis = np.zeros_like(x)
    basis[0, -1, 0, -1] = 1
    K.im2col(basis, col, kernel, s, p, d)
    np.testing.assert_allclose(np.vdot(gcol, col), gx[0, -1, 0, -1], rtol=1e-12, atol=1e-12)


# ---- pooling


def max_pool(x: Any, size: Any, k: Any, s: Any, p: Any, d: Any = ONE) -> tuple[Any, Any]:
    x = f64(*x)[None, None]
    y, indices = np.empty((1, 1, *size)), np.empty((1, 1, *size), np.int32)
    K.max_pool2d(x, y, indices, k, s, p, d)
    return y[0, 0].tolist(), indices[0, 0].tolist()


def test_max_pool_takes_the_first_of_equals_and_the_last_nan() -> None:
    assert max_pool([[3, 3], [3, 3]], (1, 1), (2, 2), ONE, ZERO) == ([[3]], [[0]])
    assert max_pool([[1, 2], [2, 0]], (1, 1), (2, 2), ONE, ZERO) == ([[2]], [[1]])
    y, indices = max_pool([[9, NAN, NAN, INF]], (1, 1), (1, 4), ONE, ZERO)
    assert math.isnan(y[0][0])
    assert indices == [[2]]


def test_max_pool_never_takes_padding() -> None:
    low = [[-INF, -INF], [-INF, -INF]]
    assert max_pool(low, (2, 2), (2, 2), (2, 2), ONE) == (low, [[0, 1], [2, 3]])
    # ceil_mode: the last window has one column only
    assert max_pool([[-1, -2, -3]], (1, 2), (1, 2), (1, 2), ZERO) == ([[-1, -3]], [[0, 2]])
    # dilation: the first window has columns -1 and 1
    assert max_pool([[7, -2, 5]], (1, 3), (1, 2), ONE, (0, 1), (1, 2)) == (
        [[-2, 7, -2]],
        [[1, 0, 1]],
    )


def test_max_pool_backward_sums_into_the_winners() -> None:
    indices = np.array([[[[1, 1, 3, -1]]]], np.int32)
    gx = np.full((1, 1, 2, 2), NAN)
    K.max_pool2d_backward(f64(1, 2, 4, 8).reshape(1, 1, 1, 4), indices, gx)
    assert gx.reshape(-1).tolist() == [0, 3, 0, 4]
    K.max_pool2d_backward(np.ones((1, 1, 1, 4)), indices - 1, gx)
    assert gx.reshape(-1).tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize(
    ("padding", "size", "include", "divisor", "y"),
    [
        # x = 1 2 3 4, kernel 3, stride 2, the last window hanging over
        (0, 2, True, 0, [2, 7 / 2]),
        (0, 2, False, 0, [2, 7 / 2]),
        (0, 2, True, 5, [6 / 5, 7 / 5]),
        # one column of padding counts, the overhang behind it does not
        (1, 3, True, 0, [3 / 3, 9 / 3, 4 / 2]),
        (1, 3, False, 0, [3 / 2, 9 / 3, 4 / 1]),
        (1, 3, False, 2, [3 / 2, 9 / 2, 4 / 2]),
    ],
)
def test_avg_pool_divisors(padding: int, size: int, include: bool, divisor: int, y: Any) -> None:
    x, gy = f64(1, 2, 3, 4), np.arange(1.0, size + 1)
    for axis in (2, 3):  # the same along the height and along the width

        def image(v: Any, axis: int = axis) -> Any:
            return np.ascontiguousarray(np.expand_dims(np.atleast_2d(v)[:, None], 5 - axis))

        pairs = [(1, n) if axis == 3 else (n, 1) for n in (3, 2)]
        options = (*pairs, (0, padding) if axis == 3 else (padding, 0), include, divisor)
        out = np.empty_like(image(gy))
        K.avg_pool2d(image(x), out, *options)
        np.testing.assert_allclose(out.reshape(-1), y, rtol=1e-15)
        gx, jacobian = np.empty_like(image(x)), np.empty_like(image(np.empty((4, size))))
        K.avg_pool2d_backward(image(gy), gx, *options)
        K.avg_pool2d(image(np.eye(4)), jacobian, *options)
        np.testing.assert_allclose(gx.reshape(-1), jacobian.reshape(4, size) @ gy, rtol=1e-14)


def test_max_unpool_keeps_the_later_of_two() -> None:
    y = np.full((2, 2, 2), NAN)
    x, indices = f64(1, 2, 3, 4).reshape(2, 1, 2), np.array([[[0, 0]], [[3, 1]]])
    K.max_unpool2d(x, indices, y)
    assert y.reshape(2, 4).tolist() == [[2, 0, 0, 0], [0, 4, 0, 3]]


def test_adaptive_max_pool_bins_overlap() -> None:
    x, y = f64(1, 2, 5, 4, NAN).reshape(1, 1, 5), np.empty((1, 1, 3))
    indices = np.empty((1, 1, 3), np.int32)
    K.adaptive_max_pool2d(x, y, indices)  # columns [0, 2), [1, 4), [3, 5)
    np.testing.assert_array_equal(y.reshape(-1), [2, 5, NAN])
    assert indices.reshape(-1).tolist() == [1, 2, 4]


def test_adaptive_avg_pool_bins_overlap() -> None:
    x, y = f64(1, 2, 3, 4, 5).reshape(1, 1, 1, 5), np.empty((1, 1, 2, 3))
    K.adaptive_avg_pool2d(x, y)  # columns [0, 2), [1, 4), [3, 5)
    assert y.tolist() == [[[[1.5, 3, 4.5]] * 2]]
    gx = np.empty((1, 1, 1, 5))
    K.adaptive_avg_pool2d_backward(f64(2, 3, 4, 0, 0, 6).reshape(1, 1, 2, 3), gx)
    np.testing.assert_allclose(gx.reshape(-1), [1, 2, 1, 6, 5], rtol=1e-15)


# ---- normalisation, softmax, losses


def batch_norm(x: Any, training: bool, state: Any = None, w: Any = None, b: Any = None) -> Any:
    y, mean, rstd = np.empty_like(x), np.empty(x.shape[1]), np.empty(x.shape[1])
    K.batch_norm(x, w, b, *(state or (None, None)), y, mean, rstd, training, 0.25, 0.75)
    return y, mean, rstd


def test_batch_norm_by_hand() -> None:
    x = f64(1, 2, 3, 4).reshape(2, 1, 2)  # mean 2.5, variance 5/4; with eps 3/4 sqrt is sqrt(2)
    state = f64(10), f64(20)
    y, mean, rstd = batch_norm(x, True, state, f64(3), f64(1))
    want = (x - 2.5) / math.sqrt(2) * 3 + 1
    np.testing.assert_allclose(y, want, rtol=1e-15)
    np.testing.assert_allclose([mean.item(), rstd.item()], [2.5, 1 / math.sqrt(2)], rtol=1e-15)
    np.testing.assert_allclose(state, [[7.5 + 0.625], [15 + 0.25 * 5 / 3]], rtol=1e-15)
    y, mean, rstd = batch_norm(x, False, (f64(1), f64(3.25)))
    np.testing.assert_allclose(y, (x - 1) / 2, rtol=1e-15)
    assert (mean.item(), rstd.item()) == (1, 0.5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_backward_is_the_derivative(rng: Any, training: bool, affine: bool) -> None:
    x, gy = rng.normal(size=(4, 3, 2, 2)), rng.normal(size=(4, 3, 2, 2))
    w, b = (rng.normal(size=3), rng.normal(size=3)) if affine else (None, None)

    def loss(x: Any, w: Any, b: Any) -> Any:
        return np.vdot(gy, batch_norm(x, training, (np.zeros(3), np.full(3, 2.0)), w, b)[0])

    _, mean, rstd = batch_norm(x, training, (np.zeros(3), np.full(3, 2.0)), w, b)
    gx, gw, gb = np.empty_like(x), np.empty(3), np.empty(3)
    K.batch_norm_backward(gy, x, w, mean, rstd, gx, gw, gb, training)
    np.testing.assert_allclose(gx, difference(lambda x: loss(x, w, b), x), rtol=1e-6, atol=1e-8)
    if affine:
        np.testing.assert_allclose(gw, difference(lambda w: loss(x, w, b), w), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(gb, difference(lambda b: loss(x, w, b), b), rtol=1e-6, atol=1e-8)


def difference(f: Any, x: Any, h: float = 1e-5) -> Any:
    """Gradient of f at x by central differences."""
    g = np.empty_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        g[i] = (f(up) - f(down)) / (2 * h)
    return g


@pytest.mark.parametrize("log", [False, True])
def test_softmax_and_its_derivative(rng: Any, log: bool) -> None:
    shape = (2, 5, 3)
    x, gy, gx = rng.normal(size=shape), rng.normal(size=shape), np.empty(shape)

    def softmax(x: Any) -> Any:
        y = np.empty(x.shape)
        K.softmax(x, y, *x.shape, log)
        return y

    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(x), np.log(p) if log else p, rtol=1e-13)
    K.softmax_backward(gy, softmax(x), gx, *shape, log)
    want = difference(lambda x: np.vdot(gy, softmax(x)), x)
    np.testing.assert_allclose(gx, want, rtol=1e-6, atol=1e-8)
    large = f64(1000, -INF, 1000).reshape(1, 3, 1)
    want = [-math.log(2), -INF, -math.log(2)] if log else [0.5, 0, 0.5]
    np.testing.assert_allclose(softmax(large).reshape(-1), want, rtol=1e-15)
    assert np.isnan(softmax(np.full((1, 2, 1), -INF))).all()
    assert softmax(np.empty((2, 0, 3))).size == 0


def cross_entropy(x: Any, target: Any, w: Any, ignore: int, smoothing: float) -> Any:
    loss, count, lse = (np.empty(target.shape) for _ in range(3))
    K.cross_entropy(x, target, w, loss, count, lse, ignore, smoothing)
    return loss, count, lse


def test_cross_entropy_by_hand() -> None:
    x = np.log(f64([1, 2, 5], [3, 4, 1], [6, 1, 1], [1, 1, 2]))  # each sums to 8 (the last to 4)
    target, w = np.array([2, -7, 1, 0]), f64(1, 2, 4)
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=f"^cross_entropy: target holds {wrong}, expected"):
            cross_entropy(x, np.array([2, -7, wrong, 0]), None, -7, 0.0)
    loss, count, lse = cross_entropy(x, target, None, -7, 0.0)
    np.testing.assert_allclose(lse, np.log([8, 8, 8, 4]), rtol=1e-15)
    np.testing.assert_allclose(loss, [math.log(8 / 5), 0, math.log(8), math.log(4)], rtol=1e-14)
    np.testing.assert_array_equal(count, [1, 0, 1, 1])
    loss, count, _ = cross_entropy(x, target, w, -7, 0.3)
    smooth = 0.1 * (1 * math.log(8) + 2 * math.log(4) + 4 * math.log(8 / 5))
    np.testing.assert_allclose(loss[0], 4 * 0.7 * math.log(8 / 5) + smooth, rtol=1e-14)
    np.testing.assert_array_equal(count, [4, 0, 2, 1])
    # an ignored class may be a real one, and a masked logit is no NaN
    x[0, 0] = -INF
    loss, count, _ = cross_entropy(x, np.array([2, 0, 0, 0]), None, 0, 0.0)
    np.testing.assert_allclose(loss, [math.log(7 / 5), 0, 0, 0], rtol=1e-14)
    assert count.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_backward_is_the_derivative(
    rng: Any, smoothing: float, weighted: bool
) -> None:
    x, w = rng.normal(size=(3, 4, 2)), rng.random(4) + 0.5 if weighted else None
    target, gy = np.array([[0, 3], [1, 1], [2, 1]]), rng.normal(size=(3, 2))
    lse = cross_entropy(x, target, w, 1, smoothing)[2]
    gx = np.empty_like(x)
    K.cross_entropy_backward(gy, x, target, w, lse, gx, 1, smoothing)
    want = difference(lambda x: np.vdot(gy, cross_entropy(x, target, w, 1, smoothing)[0]), x)
    np.testing.assert_allclose(gx, want, rtol=1e-6, atol=1e-8)
    K.cross_entropy_backward(gy * INF, x, target, w, lse, gx, 1, smoothing)
    assert (gx[1] == 0).all()  # ignored, whatever arrives


# ---- optimizers


def arrays(value: float) -> Any:
    return [np.float64([value])]


def update(
    kernel: Any, p: float, g: float, states: Any, lr: float, step: int, *options: Any
) -> Any:
    params, grads = arrays(p), arrays(g)
    kernel(params, grads, *states, np.float64([lr]), np.int64([step]), *options)
    assert grads[0].item() == g
    return params[0].item()


def test_sgd_by_hand() -> None:
    assert update(K.sgd, 1, 2, [[]], 0.5, 1, 0, 0, 0, False, False) == 0
    assert update(K.sgd, 1, 2, [[]], 0.5, 1, 0, 0, 4, False, True) == 0  # g = -2 + 4 p
    v = arrays(NAN)  # the first step does not read it
    assert update(K.sgd, 1, 2, [v], 0.5, 1, 0.5, 0.75, 0, False, False) == 0
    assert v[0].item() == 2
    assert update(K.sgd, 1, 4, [v], 0.5, 2, 0.5, 0.75, 0, False, False) == 0  # v = 1 + 4/4
    assert update(K.sgd, 1, 4, [v], 0.5, 3, 0.5, 0, 0, True, False) == -2.25  # v = 5; 4 + 5/2


def test_adagrad_and_adadelta_by_hand() -> None:
    s = arrays(7)
    assert update(K.adagrad, 1, 3, [s], 2, 3, 0.5, 0, 4, False) == 1 - 1 * 3 / (4 + 4)
    assert s[0].item() == 16
    s, a = arrays(4), arrays(3)
    # g^2 = 36, so s = 20; with eps 5 the roots are of 25 and of 3 + 5
    p = update(K.adadelta, 1, 6, [s, a], 0.5, 1, 0.5, 5, 0, False)
    delta = math.sqrt(8) / 5 * 6
    np.testing.assert_allclose([p, s[0].item()], [1 - 0.5 * delta, 20], rtol=1e-15)
    np.testing.assert_allclose(a[0], (3 + delta**2) / 2, rtol=1e-15)


def test_rmsprop_by_hand() -> None:
    s, v, a = arrays(14), arrays(1), arrays(5)
    p = update(K.rmsprop, 1, 6, [s, [], []], 2, 1, 0.5, 1, 0, 0, False, False)
    assert (p, s[0].item()) == (1 - 2 * 6 / (5 + 1), 25)
    s = arrays(50)  # becomes 33, and a 4.5: the variance is 12.75
    p = update(K.rmsprop, 1, 4, [s, v, a], 2, 1, 0.5, 1, 0, 0.5, True, False)
    np.testing.assert_allclose(v[0], 0.5 + 4 / (math.sqrt(12.75) + 1), rtol=1e-15)
    np.testing.assert_allclose(p, 1 - 2 * v[0].item(), rtol=1e-15)
    assert a[0].item() == 4.5


def test_adam_by_hand() -> None:
    m, v = arrays(0), arrays(0)
    p = update(K.adam, 1, -4, [m, v, []], 0.5, 1, 0.9, 0.75, 0, 0, False, False)
    np.testing.assert_allclose(p, 1.5, rtol=1e-15)  # the first step is lr * sign
    np.testing.assert_allclose([m[0].item(), v[0].item()], [-0.4, 4], rtol=1e-15)
    for decoupled, g in [(False, 1 + 0.25 * 2), (True, 1)]:
        m, v, top = arrays(2), arrays(4), arrays(9)
        options = (0.5, 0.5, 1, 0.25, decoupled, False)
        p = update(K.adam, 2, 1, [m, v, top], 0.5, 2, *options)
        m2, v2 = (2 + g) / 2, (4 + g * g) / 2
        shrunk = 2 * (1 - 0.5 * 0.25) if decoupled else 2
        want = shrunk - 0.5 / 0.75 * m2 / (math.sqrt(9 / 0.75) + 1)  # amsgrad: 9 > v2
        np.testing.assert_allclose([p, m[0].item(), v[0].item()], [want, m2, v2], rtol=1e-14)
        assert top[0].item() == 9
