"""To and from NumPy, DLPack and torch: shared memory, lifetimes, element types, refusals."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import pydl
from pydl import dtypes

TYPES = [np.float32, np.float16, np.int64, np.int32, np.uint8, np.bool_]


@pytest.mark.parametrize("dtype", TYPES)
def test_memory_is_shared_both_ways(dtype: Any, device: str) -> None:
    a = np.array([[1, 0, 1], [0, 1, 1]], dtype)
    x = pydl.from_numpy(a, device)
    assert x.dtype.numpy == a.dtype
    a[0, 1] = 1
    assert x.tolist()[0][1] == 1
    x.fill_(0)
    assert not a.any()
    b = x.numpy()
    assert b.dtype == a.dtype
    b[1, 2] = 1
    assert a[1, 2] == 1
    assert np.shares_memory(a, b)


def test_the_ndarray_outlives_its_tensor_and_the_other_way_round() -> None:
    x = pydl.ones(1000)
    a = x.numpy()
    del x
    gc.collect()
    others = [pydl.zeros(1000) for _ in range(20)]  # would reuse the memory
    assert (a == 1).all()
    assert len(others) == 20

    class Owner(np.ndarray):
        pass

    a = np.ones(1000, np.float32).view(Owner)
    gone = weakref.ref(a)
    x = pydl.from_numpy(a)
    y = x[10:20]
    del a, x
    assert gone() is not None
    assert y.tolist() == [1] * 10
    del y
    assert gone() is None


def test_views_of_views_keep_memory_alive() -> None:
    x = pydl.arange(100).reshape(10, 10)
    row = x[3]
    a = row.reshape(2, 5).numpy()
    del x, row
    gc.collect()
    assert a.tolist() == [[30, 31, 32, 33, 34], [35, 36, 37, 38, 39]]


# ---- element types


def test_types_of_new_tensors(device: str) -> None:
    def dtype(data: Any, **how: Any) -> pydl.DType:
        return pydl.tensor(data, device=device, **how).dtype

    assert dtype(1.5) is pydl.float32
    assert dtype([1, 2]) is pydl.int64
    assert dtype(True) is pydl.bool_
    assert dtype([[1.0, 2]]) is pydl.float32
    assert dtype(np.zeros(2)) is pydl.float32
    assert dtype(np.float64(1)) is pydl.float32
    assert dtype(np.zeros(2, np.int16)) is pydl.int64
    assert dtype(np.zeros(2, np.uint8)) is pydl.uint8
    assert dtype(np.zeros(2, np.int32)) is pydl.int32
    assert dtype(np.zeros(2, np.float16)) is pydl.float16
    assert dtype([1, 2], dtype=pydl.float32) is pydl.float32
    assert dtype([1.5], dtype=pydl.bfloat16) is pydl.bfloat16
    assert dtype(pydl.tensor([1, 2])) is pydl.int64


def test_a_new_tensor_is_a_copy(device: str) -> None:
    a = np.ones(3, np.float32)
    x = pydl.tensor(a, device=device)
    a[0] = 5
    y = pydl.tensor(x, device=device)
    x.fill_(7)
    assert y.tolist() == [1, 1, 1]
    backwards = pydl.tensor(np.arange(6.0).reshape(2, 3)[:, ::-1].T, device=device)
    assert backwards.tolist() == [[2, 5], [1, 4], [0, 3]]
    big_endian = pydl.tensor(np.array([1, 2], ">f4"), device=device)
    assert big_endian.tolist() == [1, 2]
    read_only = np.ones(2, np.float32)
    read_only.flags.writeable = False
    assert pydl.tensor(read_only, device=device).tolist() == [1, 1]


FLOAT64 = (
    r"^float64 exists on the numpy device only: pass dtype=pydl\.float32, or device=\"numpy\"$"
)


def test_float64_is_for_the_numpy_device() -> None:
    assert pydl.tensor([1.5], dtype=pydl.float64, device="numpy").dtype is pydl.float64
    assert pydl.from_numpy(np.ones(2), "numpy").dtype is pydl.float64
    for call in (
        lambda: pydl.tensor([1.5], dtype=pydl.float64),
        lambda: pydl.from_numpy(np.ones(2)),
        lambda: pydl.ones(2).double(),
        lambda: pydl.zeros(2, dtype=pydl.float64),
        lambda: pydl.ones(2, dtype=pydl.float64, device="numpy").cpu(),
    ):
        with pytest.raises(TypeError, match=FLOAT64):
            call()


def test_what_cannot_be_shared_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match=r"^from_numpy: array of shape \(3, 2\) is not C-contig"):
        pydl.from_numpy(np.ones((2, 3), np.float32).T, device)
    locked = np.ones(2, np.float32)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match=r"^from_numpy: array is read-only; use pydl\.tensor"):
        pydl.from_numpy(locked, device)
    for odd in (np.ones(2, np.complex64), np.array(["a"]), np.ones(2, np.int16)):
        with pytest.raises(TypeError, match=r"^dtype .* is not supported; pydl has float32, "):
            pydl.from_numpy(odd, device)
    with pytest.raises(TypeError, match="is not supported"):
        pydl.tensor(["a", "b"], device=device)
    with pytest.raises((TypeError, ValueError)):
        pydl.from_numpy(np.ones(2, ">f4"), device)


@pytest.mark.filterwarnings("error")
def test_numpy_functions_take_tensors(device: str) -> None:
    x = pydl.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    assert np.asarray(x).tolist() == [[1, 2], [3, 4]]
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert np.asarray(x, np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.sum(x.numpy()) == 10
    assert np.concatenate([x, x]).shape == (4, 2)
    np.testing.assert_allclose(x, [[1, 2], [3, 4]])


def test_an_ndarray_beside_a_tensor_is_refused_on_either_side(device: str) -> None:
    x = pydl.ones(2, device=device)
    a = np.ones(2, np.float32)
    for call in (lambda: x + a, lambda: a + x, lambda: x * a, lambda: a - x, lambda: x < a):
        with pytest.raises(TypeError, match="a NumPy array of shape"):
            call()
    assert (x + np.float32(2)).tolist() == [3, 3]
    assert (np.float64(2) * x).tolist() == [2, 2]
    assert (x + np.array(2)).tolist() == [3, 3]


@pytest.mark.parametrize("dtype", dtypes.DTYPES, ids=lambda t: t.name)
def test_pickled_types_are_the_same(dtype: pydl.DType) -> None:
    assert pickle.loads(pickle.dumps(dtype)) is dtype


# ---- DLPack


@pytest.mark.parametrize("dtype", TYPES)
def test_dlpack_with_numpy(dtype: Any, device: str) -> None:
    x = pydl.tensor(np.array([[0, 1, 1], [1, 0, 1]], dtype), device=device)
    a = np.from_dlpack(x)
    assert a.dtype == dtype
    assert np.shares_memory(a, x.numpy())
    a[0, 0] = 1
    assert x[0, 0].item() == 1
    b = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    y = pydl.from_dlpack(b)
    assert y.dtype.numpy == b.dtype
    y.fill_(0)
    assert not b.any()
    del x
    gc.collect()
    assert a[0, 0] == 1


def test_dlpack_refusals() -> None:
    with pytest.raises(TypeError, match=r"^__dlpack__: bfloat16 has no NumPy form"):
        pydl.ones(2).bfloat16().__dlpack__()
    with pytest.raises(ValueError, match=r"^from_dlpack: the source is read-only or not dense"):
        pydl.from_dlpack(np.ones((2, 3), np.float32).T)
    with pytest.raises(TypeError, match=FLOAT64):
        pydl.from_dlpack(np.ones(2))
    assert pydl.ones(2).__dlpack_device__()[0] == 1


def test_dlpack_with_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is for development only")
    t = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    x = pydl.from_dlpack(t)
    t[0, 0] = 7
    assert x[0, 0].item() == 7
    back = torch.from_dlpack(pydl.ones(3))
    assert back.sum().item() == 3
    source = pydl.zeros(4)
    shared = torch.from_dlpack(source)
    shared += 1
    assert source.tolist() == [1, 1, 1, 1]
    del source
    gc.collect()
    assert shared.sum().item() == 4
    with pytest.raises(ValueError, match="read-only or not dense"):
        pydl.from_dlpack(t.T)


# ---- numbers


def test_numbers_out_of_tensors(device: str) -> None:
    x = pydl.tensor(2.5, device=device)
    assert (x.item(), float(x), int(x), bool(x)) == (2.5, 2.5, 2, True)
    i = pydl.tensor([3], device=device)
    assert (i.item(), int(i), list(range(5))[i]) == (3, 3, 3)
    assert pydl.tensor(1.5, device=device).bfloat16().item() == 1.5
    with pytest.raises(ValueError, match=r"^item: expected one element, got shape \(2,\)"):
        pydl.ones(2, device=device).item()
    with pytest.raises(ValueError, match=r"^the truth of a tensor of shape \(2,\) is ambiguous"):
        bool(pydl.ones(2, device=device))
    with pytest.raises(TypeError, match="a float32 tensor cannot be an index"):
        [1, 2][x]


def test_devices() -> None:
    assert pydl.device("cpu") is pydl.device("cpu")
    assert repr(pydl.device("numpy")) == "pydl.device('numpy')"
    x = pydl.ones(2)
    assert x.to("cpu") is x
    moved = x.to("numpy")
    assert moved.device.name == "numpy"
    assert not np.shares_memory(moved.numpy(), x.numpy())
    with pytest.raises(ValueError, match=r'^device "cuda": this build of pydl has no CUDA; see'):
        pydl.device("cuda")
    with pytest.raises(ValueError, match=r"^device 'tpu': choose one of numpy, cpu"):
        pydl.ones(2, device="tpu")
