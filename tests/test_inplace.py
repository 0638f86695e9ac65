"""In-place changes: assignment by every kind of index, arithmetic, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_indexing import KEYS, X, as_key, random_key, reference

import pydl
from pydl import Tensor, ops


@pytest.mark.parametrize("i", range(len(KEYS)), ids=lambda i: f"{i}")
def test_assignment_like_numpy(i: int, device: str) -> None:
    key = KEYS[i]
    values: list[Any] = [3.5, np.float64(2), np.arange(X[key].size).reshape(X[key].shape)]
    if X[key].ndim > 0:
        values.append(np.full((1, *X[key].shape[-1:]), 7, np.int32))
    for value in values:
        want, x = X.copy(), pydl.tensor(X, device=device)
        want[key] = value
        for tensors in (False, True):
            x[as_key(key, device, tensors)] = value
            np.testing.assert_array_equal(x.numpy(), want, err_msg=str(key))
        if isinstance(value, np.ndarray):
            x = pydl.tensor(X, device=device)
            x[as_key(key, device, True)] = pydl.tensor(value, device=device)
            np.testing.assert_array_equal(x.numpy(), want, err_msg=str(key))


@pytest.mark.parametrize("seed", range(10))
def test_random_assignment_like_numpy(seed: int, device: str) -> None:
    rng = np.random.default_rng([seed, 7])
    seen = 0
    for _ in range(50):
        shape = [(4, 5, 6), (3,), (2, 3, 4, 3), (1, 3), (3, 0, 2), (5, 5)][rng.integers(6)]
        key = random_key(rng, shape)
        want = rng.normal(size=shape).astype(np.float32)
        x = pydl.tensor(want, device=device)
        try:
            places = reference(np.arange(want.size).reshape(shape), key)
        except IndexError:
            with pytest.raises(IndexError):
                x[key] = 1.0
            continue
        values = rng.normal(size=places.shape[rng.integers(0, 3) :]).astype(np.float32)
        for place, value in zip(places.reshape(-1), np.broadcast_to(values, places.shape).flat,
                                strict=True):  # fmt: skip
            want.flat[place] = value
        x[as_key(key, device, bool(rng.random() < 0.5))] = values
        np.testing.assert_array_equal(x.numpy(), want, err_msg=f"{shape} {key}")
        seen += 1
    assert seen > 25


@pytest.mark.parametrize("dtype", [pydl.int64, pydl.int32, pydl.uint8, pydl.bool_, pydl.float16])
def test_values_take_the_type_of_the_tensor(dtype: pydl.DType, device: str) -> None:
    x = pydl.zeros(3, 4, dtype=dtype, device=device)
    x[1] = 2.5
    x[2, [1, 3]] = pydl.tensor([1.0, 2.75], device=device)
    x[0, pydl.tensor([True, False, False, True], device=device)] = 1
    whole = not dtype.is_floating
    want = np.zeros((3, 4))
    want[1], want[2, [1, 3]], want[0, [0, 3]] = 2.5, (1, 2.75), 1
    want = want != 0 if dtype is pydl.bool_ else np.trunc(want) if whole else want
    np.testing.assert_array_equal(x.numpy(), want)


def test_a_part_of_the_same_memory_is_read_first(device: str) -> None:
    x = pydl.arange(6.0, device=device)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x[[0, 1, 2]] = x[3:]
    assert x.tolist() == [2, 3, 4, 2, 3, 4]
    x.add_(x[:1])
    assert x.tolist() == [4, 5, 6, 4, 5, 6]
    x.copy_(x[5])
    assert x.tolist() == [6] * 6


def test_a_mask_and_a_number_need_no_places(device: str) -> None:
    x = pydl.tensor(X, device=device)
    x[x > 50] = 0.0
    x[pydl.tensor([True, False, False, True], device=device)] = -1
    want = np.where(X > 50, 0, X)
    want[[0, 3]] = -1
    np.testing.assert_array_equal(x.numpy(), want)


@pytest.mark.parametrize(
    ("key", "value", "error", "message"),
    [
        (4, 0.0, IndexError, "^index 4 is out of range"),
        ([4], 0.0, IndexError, r"^index holds 4, expected \[-4, 4\)"),
        (0, [1.0], TypeError, "^setitem: expected a tensor, array or number, got list"),
        (0, np.ones(3), ValueError, r"^setitem: a value of shape \(3,\) does not broadcast to \("),
        ([0, 1], np.ones((4, 5, 6)), ValueError, r"^setitem: a value of shape \(4, 5, 6\)"),
    ],
)
def test_assignment_refused(
    key: Any, value: Any, error: type[Exception], message: str, device: str
) -> None:
    x = pydl.tensor(X, device=device)
    with pytest.raises(error, match=message):
        x[key] = value
    np.testing.assert_array_equal(x.numpy(), X)


# ---- arithmetic


CHANGES: list[tuple[Callable[..., Tensor], Callable[..., Any], tuple[Any, ...]]] = [
    (Tensor.add_, lambda x, y: x + y, (2.0,)),
    (lambda x, y: x.add_(y, alpha=3), lambda x, y: x + 3 * y, (np.ones(3),)),
    (lambda x, y: x.sub_(y, alpha=2), lambda x, y: x - 2 * y, (np.ones((2, 1)),)),
    (Tensor.mul_, lambda x, y: x * y, (np.arange(3),)),
    (Tensor.div_, lambda x, y: x / y, (np.full((1, 3), 4.0),)),
    (Tensor.clamp_, np.clip, (1.5, 3.5)),
    (Tensor.lerp_, lambda x, y, w: x + w * (y - x), (np.ones((2, 3)), 0.25)),
    (Tensor.fill_, lambda x, y: np.full((2, 3), y), (2.0,)),
    (Tensor.copy_, lambda x, y: np.broadcast_to(y, (2, 3)), (np.arange(3),)),
    (lambda x, m, v: x.masked_fill_(m, v), lambda x, m, v: np.where(m, v, x),
     (np.array([True, False, True]), -1.0)),
]  # fmt: skip


def as_tensor(value: Any, device: str) -> Any:
    return pydl.tensor(value, device=device) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("i", range(len(CHANGES)))
def test_arithmetic_in_place(i: int, device: str) -> None:
    change, fn, arguments = CHANGES[i]
    x = pydl.tensor(np.arange(6.0).reshape(2, 3), device=device)
    memory, seen = x.numpy(), x.detach()
    want = fn(memory.copy(), *arguments).astype(np.float32)
    before = x.version[0]
    assert change(x, *(as_tensor(a, device) for a in arguments)) is x
    np.testing.assert_array_equal(memory, want)
    assert seen.version[0] == x.version[0] == before + 1


WRITES: list[tuple[str, tuple[Any, ...]]] = [
    ("scatter", (0, np.array([[1, 0, 1]]), np.ones((1, 3), np.float32))),
    ("scatter_add", (1, np.array([[1, 1]]), np.ones((1, 2), np.float32))),
    ("index_add", (1, np.array([2, 2]), np.ones((2, 2), np.float32), 3)),
    ("index_copy", (0, np.array([1]), np.ones((1, 3), np.float32))),
    ("index_fill", (1, np.array([-1]), 9.0)),
    ("masked_scatter", (np.array([True, False, True]), np.ones(5, np.float32))),
]


@pytest.mark.parametrize("name", [name for name, _ in WRITES])
def test_writing_in_place_and_anew(name: str, device: str) -> None:
    arguments = [as_tensor(a, device) for a in dict(WRITES)[name]]
    x = pydl.tensor(np.arange(6.0).reshape(2, 3), device=device)
    before = x.tolist()
    want = getattr(x, name)(*arguments)
    assert x.tolist() == before != want.tolist()
    memory = x.numpy()
    assert getattr(x, name + "_")(*arguments) is x
    np.testing.assert_array_equal(memory, want.numpy())
    assert x.version == [1]
    leaf = x.requires_grad_()
    for t in (leaf, leaf * 2):
        with pytest.raises(RuntimeError, match=f"^{name}_: this tensor is on the tape"):
            getattr(t, name + "_")(*arguments)


def test_results_that_do_not_fit_are_refused(device: str) -> None:
    x = pydl.tensor([1, 2], device=device)
    with pytest.raises(TypeError, match=r"^add_: the result is float32, which int64 cannot hold"):
        x.add_(1.5)
    with pytest.raises(TypeError, match=r"^div_: the result is float32, which int64 cannot hold"):
        x /= 2
    with pytest.raises(TypeError, match=r"^add_: the result is int64, which bool cannot hold"):
        x.bool().add_(x)
    with pytest.raises(ValueError, match=r"^mul_: \(3, 2\) does not broadcast to \(2,\)"):
        x.mul_(pydl.ones(3, 2, dtype=pydl.int64, device=device))
    with pytest.raises(ValueError, match=r"^fill_: value has shape \(2,\), expected a number"):
        x.fill_(x.clone())
    with pytest.raises(ValueError, match=r"^masked_fill_: \(3, 2\) does not broadcast to \(2,\)"):
        x.masked_fill_(pydl.ones(3, 2, device=device).bool(), 1)
    with pytest.raises(TypeError, match=r"^masked_fill_: mask is int64, expected bool"):
        x.masked_fill_(x, 1)
    assert x.int().add_(x).tolist() == [2, 4]
    assert x.tolist() == [1, 2]


# ---- x += y


def test_augmented_assignment_of_a_leaf_is_in_place(device: str) -> None:
    x = pydl.tensor([1.0, 2.0], device=device)
    same = x
    x += 1
    x *= pydl.tensor([2.0, 3.0], device=device)
    x -= 1
    x /= 2
    assert x is same
    assert same.tolist() == [1.5, 4]
    w = pydl.tensor([1.0, 2.0], device=device, requires_grad=True)
    (w * w).sum().backward()
    with pydl.no_grad():
        w -= 0.5 * w.grad
    assert w.requires_grad
    assert w.node is None
    assert w.tolist() == [0, 0]


def test_augmented_assignment_on_the_tape_makes_a_new_tensor(device: str) -> None:
    w = pydl.tensor([1.0, 2.0], device=device, requires_grad=True)
    y = w * 2
    old = y
    y += w
    assert y is not old
    total = pydl.zeros(2, device=device)
    total += y
    total.sum().backward()
    assert w.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match=r"^add_: this tensor is on the tape"):
        w += 1


# ---- the tape


CHANGED: list[Callable[[Tensor], Any]] = [
    lambda t: t.__setitem__(0, 1.0), lambda t: t.__setitem__([0], 1.0),
    lambda t: t.__setitem__(t.detach() > 0, 1.0), lambda t: t.add_(1), lambda t: t.sub_(1),
    lambda t: t.mul_(2), lambda t: t.div_(2), lambda t: t.clamp_(0, 1), lambda t: t.zero_(),
    lambda t: t.lerp_(pydl.ones(2, device=t.device), 0.5), lambda t: t.fill_(1.0),
    lambda t: t.copy_(pydl.ones(2, device=t.device)),
    lambda t: t.masked_fill_(t.detach() > 0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(CHANGED)))
def test_changes_on_the_tape_are_refused_and_others_are_counted(i: int, device: str) -> None:
    change = CHANGED[i]
    w = pydl.tensor([1.0, 2.0], device=device, requires_grad=True)
    for t in (w, w * 2):
        with pytest.raises(RuntimeError, match=r"^\w+: this tensor is on the tape; use detach\(\)"):
            change(t)
    c = pydl.tensor([3.0, 4.0], device=device)
    y = (w * c).sum()
    change(c)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    y = (w * c).sum()
    change(c.reshape(1, 2)[0])  # a view
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    with pydl.no_grad():
        change(w)


def test_values_that_want_a_gradient_are_refused(device: str) -> None:
    w = pydl.tensor(2.0, device=device, requires_grad=True)
    x = pydl.zeros(3, device=device)
    index = pydl.tensor([0], device=device)
    changes: list[Callable[[], Any]] = [
        lambda: x.__setitem__(0, w), lambda: x.__setitem__([0], w), lambda: x.copy_(w),
        lambda: x.add_(w), lambda: x.fill_(w), lambda: x.lerp_(w, 0.5),
        lambda: x.scatter_(0, index, ops.reshape(w, (1,))),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(RuntimeError, match=r"^\w+: the value requires a gradient"):
            change()
    with pydl.no_grad():
        for change in changes:
            change()


def test_what_cannot_be_differentiated_says_so(device: str) -> None:
    x = pydl.ones(3, device=device, requires_grad=True)
    y = x.scatter(0, pydl.tensor([0], device=device), 2.0, reduce="multiply")
    with pytest.raises(RuntimeError, match=r'^scatter: reduce="multiply" cannot be differentiated'):
        y.sum().backward()


def test_a_factor_of_bytes_wraps_as_their_sums_do(device: str) -> None:
    x = pydl.tensor([5, 9], dtype=pydl.uint8, device=device)
    index = pydl.tensor([0], device=device)
    assert x.index_add(0, index, x[:1] - 3, alpha=-1).tolist() == [3, 9]
