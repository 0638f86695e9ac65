"""Indexing against NumPy's rules: every kind of index, alone and mixed, read and differentiated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import pydl
from pydl import Tensor, nn, ops

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
    [], (slice(None), []), ([], []), True, False, (True, 0), (slice(None), True, [0, 1]),
    (True, slice(None), [0, 1]), (False, [0]), np.array(True), ([0, 1], slice(None), None, [2, 3]),
    (slice(None, None, 2), [[0], [1]], ..., None, [3, 1]), (MASK, [0]), (MASK[:, 0], ..., [2]),
    (slice(1, 3), [0, 1], slice(None, None, -2)), np.array([3, 1], np.uint8), (..., MASK[0], 2),
]  # fmt: skip


def as_key(key: Any, device: str, tensors: bool) -> Any:
    """The same index, its arrays as tensors where asked."""
    if isinstance(key, tuple):
        return tuple(as_key(k, device, tensors) for k in key)
    if tensors and isinstance(key, (list, np.ndarray)):
        array = np.asarray(key)
        return pydl.tensor(
            array.astype(int) if isinstance(key, list) and not key else array, device=device
        )
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
    for key in (0, -1, slice(1, 3), slice(1, 2), ..., (2, slice(1, 3)), (0, 3), (0, 1, 2),
                (1, 2, slice(2, 5)), (slice(1, 2), slice(0, 2)), (None, 1, ..., None)):  # fmt: skip
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
        ([4], IndexError, r"^index holds 4, expected \[-4, 4\) \(tensor of shape \(4, 5, 6\)\)"),
        ([-5], IndexError, r"^index holds -5, expected \[-4, 4\)"),
        (np.array([0, 5]), IndexError, r"^index holds 5, expected \[-4, 4\)"),
        (([0], [5]), IndexError, r"^index holds 5, expected \[-5, 5\)"),
        (([0], [-6]), IndexError, r"^index holds -6, expected \[-5, 5\)"),
        (([0, 1], [0, 1, 2]), IndexError, r"^index: shapes \(2,\) and \(3,\) do not broadcast"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (np.ones((4, 4), bool), IndexError,
         r"^a mask of shape \(4, 4\) does not fit dimensions \(4, 5\) of a tensor of shape"),
        (np.zeros(5, bool), IndexError, r"^a mask of shape \(5,\) does not fit dimensions \(4,\)"),
        ((..., np.ones(5, bool)), IndexError, r"^a mask of shape \(5,\) .* \(6,\)"),
        ([0.5], TypeError, "^an index holds integers or bools, not float"),
        ((..., np.ones((5, 6, 1), bool)), IndexError, r"^a mask of shape \(5, 6, 1\) does not fit"),
        (np.ones((4, 5, 6, 1), bool), IndexError, "^too many indices: 4"),
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


def reference(x: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    """NumPy's result, integers taken first, and an Ellipsis for nothing left out, as torch does."""
    used = sum(np.ndim(k) if np.asarray(k).dtype == bool else 1
               for k in key if k is not None and k is not Ellipsis)  # fmt: skip
    if used == x.ndim:
        key = tuple(k for k in key if k is not Ellipsis)
    first = [(slice(None),) * np.ndim(k) if np.asarray(k).dtype == bool else () if k is None
             else (k if isinstance(k, int) or k is Ellipsis else slice(None),)
             for k in key]  # fmt: skip
    rest = tuple(k for k in key if not isinstance(k, int) or isinstance(k, bool))
    return x[tuple(k for part in first for k in part)][rest]


def random_key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A mixture of every kind of index."""
    key: list[Any] = []
    group = tuple(rng.integers(1, 4, rng.integers(0, 3)))
    d = 0
    while d < len(shape) and rng.random() < 0.85:
        n, kind = shape[d], rng.integers(0, 8)
        if kind == 0:
            key.append(None)
        elif kind == 1 and Ellipsis not in [k for k in key if k is Ellipsis]:
            key.append(Ellipsis)
            d += int(rng.integers(0, len(shape) - d))
        elif kind == 2:
            key.append(bool(rng.random() < 0.9))
        elif kind == 3 and n > 0:
            key.append(int(rng.integers(-n, n)))
            d += 1
        elif kind == 4 and 0 not in shape:
            rank = int(rng.integers(1, len(shape) - d + 1))
            mask = np.zeros(shape[d : d + rank], bool)
            count = min(mask.size, (*group, 1)[-2 if group else 0])
            mask.flat[rng.choice(mask.size, count, replace=False)] = True
            key.append(mask)
            d += rank
        elif kind == 5 and n > 0:
            part = tuple(1 if rng.random() < 0.2 else k for k in group[rng.integers(0, 2) :])
            key.append(rng.integers(-n, n, part or (1,)))
            d += 1
        else:
            a, b = (int(v) for v in rng.integers(-n - 1, n + 2, 2))
            key.append(slice(a, b, int(rng.choice([-2, -1, 1, 2]))))
            d += 1
    return tuple(key)


@pytest.mark.parametrize("seed", range(20))
def test_random_mixtures_like_numpy(seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    seen = 0
    for _ in range(50):
        shape = [(4, 5, 6), (3,), (2, 3, 4, 3), (1, 3), (3, 0, 2), (5, 5)][rng.integers(6)]
        array = rng.normal(size=shape).astype(np.float32)
        key = random_key(rng, shape)
        x = pydl.tensor(array, device=device, requires_grad=True)
        try:
            want = reference(array, key)
        except IndexError:
            with pytest.raises(IndexError):
                x[key]
            continue
        y = x[as_key(key, device, bool(rng.random() < 0.5))]
        assert y.shape == want.shape, (shape, key)
        np.testing.assert_array_equal(y.numpy(), want, err_msg=f"{shape} {key}")
        counts = pydl.grad(y, [x], pydl.ones(y.shape, device=device))[0]
        used = np.zeros(array.size)
        np.add.at(used, reference(np.arange(array.size).reshape(shape), key).reshape(-1), 1)
        np.testing.assert_array_equal(counts.numpy().reshape(-1), used, err_msg=f"{shape} {key}")
        seen += 1
    assert seen > 25


def test_gather_take_and_one_hot(device: str) -> None:
    x = pydl.tensor(X[0], device=device)
    index = np.array([[0, 3, 2], [4, 4, 0]])
    got = ops.gather(x, 0, pydl.tensor(index, device=device))
    np.testing.assert_array_equal(got.numpy(), np.take_along_axis(X[0][:, :3], index, 0))
    got = ops.index_select(x, 1, pydl.tensor([1, 5, 1], device=device))
    np.testing.assert_array_equal(got.numpy(), X[0][:, [1, 5, 1]])
    hot = ops.one_hot(pydl.tensor([1, 0], device=device), 3)
    assert hot.tolist() == [[0, 1, 0], [1, 0, 0]]
    mask = pydl.tensor(MASK, device=device)
    rows, columns = ops.nonzero(mask, as_tuple=True)
    np.testing.assert_array_equal(np.stack([rows.numpy(), columns.numpy()]), np.nonzero(MASK))
    np.testing.assert_array_equal(mask.nonzero().numpy(), np.argwhere(MASK))


def test_places_that_are_not_zero(device: str) -> None:
    x = pydl.tensor([0.0, -0.0, math.nan, 1e-30, -2.0], device=device)
    assert x.nonzero().tolist() == [[2], [3], [4]]
    assert x.bfloat16().argwhere().tolist() == [[2], [3], [4]]
    for value in (0.0, 3.0):
        number = pydl.tensor(value, device=device)
        assert number.nonzero().shape == (int(value > 0), 0)
        assert [p.tolist() for p in number.nonzero(as_tuple=True)] == [[0] if value else []]


def test_the_padding_of_an_embedding_gets_no_gradient(device: str) -> None:
    pydl.manual_seed(0)
    layer = nn.Embedding(5, 3, padding_idx=-4, device=device)
    assert repr(layer) == "Embedding(5, 3, padding_idx=1)"
    assert list(layer.state_dict()) == ["weight"]
    assert layer.weight[1].tolist() == [0, 0, 0]
    assert (layer.weight[2].numpy() != 0).all()
    layer(pydl.tensor([[1, 0], [1, 4]], device=device)).sum().backward()
    assert layer.weight.grad[:, 0].tolist() == [1, 0, 0, 0, 1]


def test_an_embedding_of_a_given_table(device: str) -> None:
    table = pydl.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    assert np.shares_memory(layer.weight.numpy(), table.numpy())
    assert layer(pydl.tensor([1, 1, 0], device=device)).tolist() == [[3, 4], [3, 4], [1, 2]]
    with pytest.raises(ValueError, match=r"^from_pretrained: embeddings has shape \(2,\)"):
        nn.Embedding.from_pretrained(table[0])
    with pytest.raises(ValueError, match=r"^Embedding: padding_idx is 3, expected \[-3, 3\)"):
        nn.Embedding(3, 2, padding_idx=3)
    with pytest.raises(ValueError, match=r"^Embedding: max_norm, .* are not supported"):
        nn.Embedding(3, 2, max_norm=1.0)


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
