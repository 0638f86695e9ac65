"""The native module by itself: arrays and their lifetime, plans, threads, fork, start.

That every kernel computes what the oracle computes is tested with the ops.
"""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from native_samples import BF16, BOOL, F16, F32, F64, I32, I64, U8, of, z

from pydl import _native as n

NUMPY = ["float32", "float64", "float16", "uint16", "int64", "int32", "uint8", "bool"]


# ---- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [F32, F16, BF16, I64, I32, U8, BOOL])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (1, 2, 3, 1, 2, 1, 1, 2)])
def test_array_round_trip(code: int, shape: tuple[int, ...]) -> None:
    a = n.empty(shape, code)
    assert (a.shape, a.code, a.size) == (shape, code, int(np.prod(shape)))
    assert a.ptr % 64 == 0
    values = np.arange(a.size).reshape(shape).astype(NUMPY[code])
    y = a.numpy()
    assert (y.dtype, y.shape) == (values.dtype, shape)
    y[...] = values
    assert np.array_equal(np.asarray(memoryview(a)), values)
    back = n.from_numpy(y)
    assert (back.ptr, back.code, back.shape) == (a.ptr, code, shape)


def test_item() -> None:
    assert of(2.5).item() == 2.5
    assert n.from_numpy(np.array([[1.5]], "float16")).item() == 1.5
    assert n.from_numpy(np.array(0x3FC0, "uint16")).item() == 1.5  # bfloat16
    assert of(-(2**62), "int64").item() == -(2**62)
    assert of(True, "bool").item() is True
    with pytest.raises(ValueError, match=r"item: array is float32 \(2,\), expected one element"):
        z(2).item()


def test_view_shares_memory_and_stays_inside() -> None:
    a = of(np.arange(12))
    v = a.view((2, 3), 4)
    assert v.numpy().tolist() == [[4, 5, 6], [7, 8, 9]]
    v.numpy()[0, 0] = 100
    assert a.numpy()[4] == 100
    assert v.view((2,), 4).numpy().tolist() == [8, 9]
    assert a.view((0,), 12).size == 0
    for shape, offset in [((13,), 0), ((1,), 12), ((2,), -1), ((-1,), 0), ((1,), 2**62)]:
        with pytest.raises(ValueError, match=r"view|shape"):
            a.view(shape, offset)
    for shape in [(2**62, 2**62), (2**32, 2**32), (1,) * 9, (2**63,), (-(2**70),)]:
        with pytest.raises(ValueError, match=r"too large|dimensions|int64"):
            a.view(shape)
    with pytest.raises(TypeError, match="view: shape holds a float, expected integers"):
        a.view((2.0,))  # type: ignore[arg-type]


def test_empty_refuses() -> None:
    with pytest.raises(TypeError, match="empty: float64 exists on the numpy device only"):
        n.empty((1,), F64)
    with pytest.raises(ValueError, match="empty: dtype code 8"):
        n.empty((1,), 8)
    with pytest.raises(MemoryError, match="empty: cannot allocate 140737488355328 bytes"):
        n.empty((2**45,), F32)
    assert n.empty((4,), F32).size == 4


def test_from_numpy_refuses() -> None:
    a = np.zeros((4, 4), np.float32)
    frozen = a.copy()
    frozen.flags.writeable = False
    unaligned = np.zeros(17, np.uint8)[1:].view(np.float32)
    for array, text in [
        (a.T[1:], "not C-contiguous"),
        (a[:, ::2], "not C-contiguous"),
        (frozen, "read-only"),
        (unaligned, "not aligned"),
        (a.astype(">f4"), "not in native byte order"),
    ]:
        with pytest.raises(ValueError, match=f"from_numpy: the array is {text}"):
            n.from_numpy(array)
    for dtype in ["float64", "complex64", "uint32", "int8", "M8[s]", "S4", "f4,f4", "O"]:
        with pytest.raises(TypeError, match=r"from_numpy: dtype .*, expected float32"):
            n.from_numpy(np.zeros(3, dtype))
    with pytest.raises(ValueError, match="more than 8 dimensions"):
        n.from_numpy(np.zeros((1,) * 9, np.float32))
    with pytest.raises(TypeError):
        n.from_numpy([1.0])  # type: ignore[arg-type]


def test_lifetimes() -> None:
    a = np.arange(6, dtype=np.float32)
    alive = weakref.ref(a)
    x = n.from_numpy(a).view((2,), 3)
    del a
    gc.collect()
    assert x.numpy().tolist() == [3, 4]
    del x
    assert alive() is None

    before = n.memory_stats()["live"]
    y = z(1000).view((10,), 990).numpy()
    assert n.memory_stats()["live"] > before
    y += 1
    assert y.tolist() == [1] * 10
    del y
    assert n.memory_stats()["live"] == before

    m = memoryview(z(3))
    gc.collect()
    assert m.tolist() == [0, 0, 0]


def test_unmade_arrays_are_refused() -> None:
    with pytest.raises(TypeError):
        n.Array()
    base = n.Array.__mro__[1]
    for new in (n.Array.__new__, n.Plan.__new__, base.__new__, object.__new__):
        for kind in (n.Array, n.Plan):
            with pytest.raises(TypeError):
                new(kind)
    with pytest.raises(TypeError):
        type("Mine", (n.Array,), {})
    with pytest.raises(TypeError, match=r"sgd: params\[0\] is a NoneType, expected an Array"):
        n.sgd([None], [z(1)], [], z(1), z(1, code=I64), 0.0, 0.0, 0.0, False, False)  # type: ignore[list-item]


# ---- plans -------------------------------------------------------------------------------------


class Mlp:
    """A training step made of raw kernels; a new batch is written into x and t before each."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.rng = rng
        self.x, self.t = z(32, 20), z(32, code=I64)
        shapes = [(16, 20), (16,), (5, 16), (5,)]
        self.params = [of(0.3 * rng.standard_normal(shape)) for shape in shapes]
        self.momenta = [z(*shape) for shape in shapes]
        self.random = of([11, 0], "int64")
        self.lr, self.count, self.one = of([0.1]), z(1, code=I64), of([1], "int64")
        self.loss = z(1)

    def next_batch(self) -> None:
        self.x.numpy()[...] = self.rng.standard_normal((32, 20))
        self.t.numpy()[...] = self.rng.integers(0, 5, 32)

    def step(self) -> None:
        w1, b1, w2, b2 = self.params
        h, d, y = (n.empty((32, k), F32) for k in (16, 16, 5))
        mask = n.empty((64,), U8)  # a bit for each element of h
        n.gemm(self.x, w1, h, trans_b=True, bias=b1, relu=True)
        n.dropout(h, self.random, d, mask, 0.25)
        n.gemm(d, w2, y, trans_b=True, bias=b2)
        loss, weights, lse, gl = (n.empty((32,), F32) for _ in range(4))
        n.cross_entropy(y, self.t, None, loss, weights, lse, -100, 0.1)
        n.reduce_sum(loss, self.loss, 1, 32, 1, 1 / 32)
        n.fill(gl, 1 / 32)
        gy, gh = n.empty((32, 5), F32), n.empty((32, 16), F32)
        n.cross_entropy_backward(gl, y, self.t, None, lse, gy, -100, 0.1)
        grads = [n.empty(p.shape, F32) for p in self.params]
        n.gemm(gy, d, grads[2], trans_a=True)
        n.reduce_sum(gy, grads[3], 1, 32, 5)
        n.gemm(gy, w2, gh)
        n.dropout_backward(gh, mask, gh, 0.25)
        n.relu_backward(gh, h, gh)
        n.gemm(gh, self.x, grads[0], trans_a=True)
        n.reduce_sum(gh, grads[1], 1, 32, 16)
        n.add(self.count, self.one, self.count)
        n.sgd(self.params, grads, self.momenta, self.lr, self.count, 0.9, 0.0, 1e-3, True, False)

    def bits(self) -> list[bytes]:
        arrays = [*self.params, *self.momenta, self.random, self.count, self.loss]
        return [a.numpy().tobytes() for a in arrays]


def test_replay_is_eager_and_does_not_grow() -> None:
    eager, planned, plan = Mlp(), Mlp(), n.Plan()
    planned.next_batch()
    planned.step()
    planned.next_batch()
    plan.begin()
    planned.step()
    plan.end()
    assert len(plan) == 18  # two look at the classes
    history = []
    for i in range(30):
        eager.next_batch()
        eager.step()
        history.append(eager.loss.item())
        if i >= 2:
            planned.next_batch()
            plan.replay()
        if i >= 1:
            assert planned.bits() == eager.bits()
    assert history[-1] < history[0]
    assert eager.random.numpy()[1] == 30 * 32 * 16 // 4
    before = n.memory_stats()
    for _ in range(200):
        plan.replay()
        eager.step()
    assert n.memory_stats() == before


def test_plan_keeps_what_it_uses_and_gives_it_back() -> None:
    plan, y = n.Plan(), z(3)
    x = np.ones(3, np.float32)
    alive = weakref.ref(x)
    plan.begin()
    n.neg(n.from_numpy(x), y)
    plan.end()
    x[...] = 5
    del x
    gc.collect()
    plan.replay()
    assert y.numpy().tolist() == [-5, -5, -5]
    del plan
    assert alive() is None


def test_plan_recorded_again() -> None:
    plan, y = n.Plan(), z(3)
    plan.begin()
    kept = of([1, 2, 3]).view((3,))
    x = n.empty((3,), F32)
    n.neg(kept, x)
    plan.end()
    plan.begin()
    n.neg(x, y)  # x belongs to the first recording
    del x
    n.fill(n.empty((3,), F32), 9.0)
    plan.end()
    y.numpy()[...] = 0
    plan.replay()
    assert y.numpy().tolist() == [1, 2, 3]
    assert len(plan) == 2


def test_plan_misuse() -> None:
    a, b = n.Plan(), n.Plan()
    with pytest.raises(RuntimeError, match=r"Plan.end: this plan is not being recorded"):
        a.end()
    a.begin()
    with pytest.raises(RuntimeError, match="already being recorded"):
        b.begin()
    with pytest.raises(RuntimeError, match="a plan is being recorded"):
        b.replay()
    errors = []

    def elsewhere() -> None:
        for call in (a.begin, a.replay, a.end):
            try:
                call()
            except RuntimeError as e:
                errors.append(str(e))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(errors) == 3
    assert "in use" in errors[0]
    a.end()
    n.Plan().begin()  # forgotten while it records
    n.neg(z(2), z(2))
    b.begin()
    b.end()
    assert len(b) == 0


# ---- threads, fork, start ----------------------------------------------------------------------


def busy() -> list[bytes]:
    """The results of some kernels on more than one piece of work each."""
    rng = np.random.default_rng(0)
    a, b = (of(rng.standard_normal((300, 300))) for _ in range(2))
    y, total, state = z(300, 300), z(1), of([7, 3], "int64")
    done = []
    for name, *args in (("gemm", a, b, y), ("gelu", a, y), ("softmax", a, y, 300, 300, 1, False),
                        ("add", a, b, y), ("randn", y, state, 0.0, 1.0)):  # fmt: skip
        getattr(n, name)(*args)
        done.append(y.numpy().tobytes())
    n.reduce_sum(a, total, 1, 90000, 1)
    return [*done, total.numpy().tobytes()]


def digest() -> str:
    """A hash of the results of `busy`."""
    return hashlib.sha256(b"".join(busy())).hexdigest()


def test_thread_counts_are_checked() -> None:
    assert 1 <= n.usable_cpus() <= 256
    for wrong in (0, -1, 257, 2**40):
        with pytest.raises(ValueError, match=r"set_num_threads: n is -?\d+, expected \[1, 256\]"):
            n.set_num_threads(wrong)


def test_concurrent_python_threads() -> None:
    n.set_num_threads(2)
    expected = busy()
    wrong: list[int] = []

    def work(seed: int) -> None:
        wrong.extend(seed for _ in range(10) if busy() != expected)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_after_use() -> None:
    n.set_num_threads(3)
    expected = digest()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, digest().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == expected
    assert os.waitpid(pid, 0)[1] == 0
    assert digest() == expected


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = str(Path(n.__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_isa_is_forced_or_refused() -> None:
    assert n.isa() in n.available_isas()
    for isa in n.available_isas():
        done = python("from pydl import _native as n; print(n.isa())", PYDL_ISA=isa)
        assert done.stdout.strip() == isa, done.stderr
    done = python("from pydl import _native", PYDL_ISA="mmx")
    assert "ImportError: PYDL_ISA=mmx: not available here; choose one of: scalar" in done.stderr


def test_exit_while_a_daemon_thread_computes() -> None:
    code = """
import threading, time
from pydl import _native as n
a, b, c = (n.empty((300, 300), 0) for _ in range(3))
n.fill(a, 1.0); n.fill(b, 1.0)
def work():
    while True:
        n.gemm(a, b, c)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
