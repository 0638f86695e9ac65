"""Indexing against NumPy's rules: every kind of index, alone and mixed, read and differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydl
from pydl import Tensor, ops

X = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
MASK = np.random.default_rng(0).random((4, 5)) < 0.4
KEYS: list[Any] = [
    0, -1, 3, np.int64(2), slice(None), slice(1, 3), slice(None, None, 2), slice(None, None, -1),
    slice(-3, None), slice(10, 20), slice(3, 1), slice(5, None, -2), slice(1, 2),
    None, ..., (), (0, 1), (0, 1, 2), (-1, -1, -1), (..., 2), (..., None), (None, ..., None),
    (slice(None), 1), (slice(1, 3), slice(None), 0), (..., slice(None, None, -2)),
    (0, ..., slice(1, 5, 3)), (slice(None), None, 2, None), (2, slice(1, 4)),
    [0, 2], [1], [-1, 0, 0], [[0, 1], [2, 3]], np.array([3, 1]), np.array(2), np.array([], int),
    np.array([1, 2], np.int32), (slice(None), [0, 4, 4]), (..., [5, 0]), (0, [1, 2]),
    ([0, 1], slice(1, 3)), ([0, 1], [2, 3]), ([0, 1], [2, 3], [4, 5]), ([[0], [1]], [2, 3, 4]),
    (slice(None), [0, 1], [2, 3]), ([0, 1], slice(None), [2, 3]), (None, [0, 1]),
    ([0, 1], None, [2, 3]), (slice(1, 3), [0, 1, 2]), (slice(None, None, -1), [0, 1], slice(2, 4)),
    MASK, MASK[:, 0], (slice(None), MASK[0]), (MASK, slice(2, 4)),
    (MASK, 1), (MASK, ...), (MASK, None), np.zeros((4, 5), bool), np.ones(4, bool),
    [True, False, True, False], (0, MASK[0]), (..., np.array([True] * 3 + [False] * 3)),
]  # fmt: skip


def as_key(key: Any, device: str, tensors: bool) -> Any:
    """The same index, its arrays as tensors where asked."""
    if isinstance(key, tuple):
        return tuple(as_key(k, device, tensors) for k in key)
    if tensors and isinstance(key, (list, np.ndarray)):
        return pydl.tensor(np.asarray(key), device=device)
    return key


@pytest.mark.parametrize("tensors", [False, True], ids=["as it is", "tensors"])
@pytest.mark.parametrize("i", range(len(KEYS)), ids=lambda i: f"{i}")
def test_like_numpy(i: int, device: str, tensors: bool) -> None:
    key = KEYS[i]
    x = pydl.tensor(X, device=device)
    want = X[key]
    got = x[as_key(key, device, tensors)]
    assert got.shape == want.shape, key
    np.testing.assert_array_equal(got.numpy(), want, err_msg=str(key))


@pytest.mark.parametrize("i", range(len(KEYS)), ids=lambda i: f"{i}")
def test_gradient_counts_the_uses(i: int, device: str) -> None:
    key = KEYS[i]
    x = pydl.tensor(X, device=device, requires_grad=True)
    weights = np.arange(1, X[key].size + 1, dtype=np.float32).reshape(X[key].shape)
    y = x[as_key(key, device, True)]
    (y * pydl.tensor(weights, device=device)).sum().backward()
    want = np.zeros_like(X)
    np.add.at(want, key, weights)
    np.testing.assert_array_equal(x.grad.numpy(), want)


@pytest.mark.parametrize("dtype", [pydl.int64, pydl.int32, pydl.uint8, pydl.bool_, pydl.float16])
def test_every_type_can_be_indexed(dtype: pydl.DType, device: str) -> None:
    x = pydl.tensor(X % 7, device=device).to(dtype)
    for key in (1, slice(1, 3), [0, 2], (..., slice(None, None, -1)), MASK):
        np.testing.assert_array_equal(x[key].numpy(), x.numpy()[key])
        assert x[key].dtype is dtype


def test_leading_slices_share_memory_and_others_do_not(device: str) -> None:
    x = pydl.tensor(X, device=device)
    for key in (0, -1, slice(1, 3), slice(1, 2), ...):
        assert np.shares_memory(x[key].numpy(), x.numpy()), key
    for key in ((slice(None), 0), slice(None, None, 2), [0, 1], (slice(None), slice(1, 3))):
        assert not np.shares_memory(x[key].numpy(), x.numpy()), key
    x[1].fill_(-1.0)
    assert (x.numpy()[1] == -1).all()


def test_index_tensors_as_integers() -> None:
    x = pydl.tensor(X)
    at = pydl.tensor(2)
    np.testing.assert_array_equal(x[at].numpy(), X[2])
    np.testing.assert_array_equal(x[int(at) :].numpy(), X[2:])
    np.testing.assert_array_equal(x[: pydl.tensor(3)].numpy(), X[:3])
    assert [10, 20, 30][at] == 30


def test_iteration_and_unpacking(device: str) -> None:
    x = pydl.tensor(X, device=device)
    rows = list(x)
    assert len(rows) == len(x) == 4
    np.testing.assert_array_equal(rows[3].numpy(), X[3])
    a, b = pydl.tensor([1.0, 2.0], device=device)
    assert (a.item(), b.item()) == (1, 2)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (4, IndexError, r"^index 4 is out of range for length 4 \(tensor of shape \(4, 5, 6\)\)"),
        (-5, IndexError, "^index -5 is out of range for length 4"),
        ((0, 0, 6), IndexError, "^index 6 is out of range for length 6"),
        ((0, 0, 0, 0), IndexError, r"^too many indices: 4 for a tensor of shape \(4, 5, 6\)"),
        ((..., ...), IndexError, "^an index can hold only one Ellipsis"),
        ("a", TypeError, "^an index is an integer, slice, None, Ellipsis, list, array or tensor"),
        (1.0, TypeError, "^an index is an integer, .* not float"),
        ([4], IndexError, "4"),
        ([-5], IndexError, "-?[15]"),
        (([0], [5]), IndexError, "^index 5 is out of range for length 5"),
        (([0], [-6]), IndexError, "^index -6 is out of range for length 5"),
        (([0, 1], [0, 1, 2]), ValueError, r"^index: shapes \(2,\) and \(3,\) do not broadcast"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (np.ones((4, 4), bool), IndexError,
         r"^a mask of length 4 does not fit a dimension of length 5 \(tensor of shape"),
        (np.zeros(5, bool), IndexError, "^a mask of length 5 does not fit a dimension of length 4"),
        ((..., np.ones(5, bool)), IndexError, "^a mask of length 5 .* of length 6"),
        ([0.5], TypeError, "^(an index holds integers|index: index is float32)"),
    ],
    ids=lambda v: "" if isinstance(v, type) else str(v).replace("\n", "")[:30],
)  # fmt: skip
def test_refused(key: Any, error: type[Exception], message: str, device: str) -> None:
    x = pydl.tensor(X, device=device)
    with pytest.raises(error, match=message):
        x[key]
    with pytest.raises(error, match=message):
        x[as_key(key, device, True)]


def test_an_integer_is_taken_first_as_in_torch(device: str) -> None:
    """NumPy would count it among the arrays and put the looked-up dimension in front: (2, 5)."""
    x = pydl.tensor(X, device=device)
    np.testing.assert_array_equal(x[1, :, [2, 3]].numpy(), X[1][:, [2, 3]])


def test_zero_dimensions_have_no_index(device: str) -> None:
    x = pydl.tensor(3.0, device=device)
    assert x[()].item() == x[...].item() == 3
    assert x[None].shape == (1,)
    with pytest.raises(IndexError, match=r"^too many indices"):
        x[0]
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(x)
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(x)


def test_gather_take_and_one_hot(device: str) -> None:
    x = pydl.tensor(X[0], device=device)
    index = np.array([[0, -1, 2], [4, 4, 0]])
    got = ops.gather(x, 0, pydl.tensor(index, device=device))
    np.testing.assert_array_equal(got.numpy(), np.take_along_axis(X[0][:, :3], index, 0))
    got = ops.index_select(x, 1, pydl.tensor([[1, 2], [-1, 0]], device=device))
    np.testing.assert_array_equal(got.numpy(), X[0][:, [[1, 2], [-1, 0]]])
    hot = ops.one_hot(pydl.tensor([1, 0, 7, -1], device=device), 3)
    assert hot.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    rows, columns = ops.nonzero(pydl.tensor(MASK, device=device))
    np.testing.assert_array_equal(np.stack([rows.numpy(), columns.numpy()]), np.nonzero(MASK))


def test_gradient_of_repeated_rows_is_in_a_fixed_order() -> None:
    rng = np.random.default_rng(0)
    index = pydl.tensor(rng.integers(0, 3, 5000))
    seen = set()
    for threads in (1, 2, 5):
        pydl.set_num_threads(threads)
        x = pydl.tensor(rng.normal(size=(3, 64)), requires_grad=True)
        gy = pydl.tensor(np.random.default_rng(1).normal(size=(5000, 64)))
        (x[index] * gy).sum().backward()
        seen.add(x.grad.numpy().tobytes())
    assert len(seen) == 1


def test_slices_of_slices(device: str) -> None:
    x = pydl.tensor(X, device=device, requires_grad=True)
    y: Tensor = x[1:][:, ::2][..., 1][1]
    np.testing.assert_array_equal(y.numpy(), X[1:][:, ::2][..., 1][1])
    y.sum().backward()
    want = np.zeros_like(X)
    want[2, ::2, 1] = 1
    np.testing.assert_array_equal(x.grad.numpy(), want)
