"""What must not break: fork, exit, threads, deep graphs, long runs, denormals, failing backward."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, _native, nn, optim

LINUX = sys.platform.startswith("linux")


def python(
    code: str, timeout: float = 120, prepare: Callable[[], Any] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, with this build of pydl."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(Path(pydl.__file__).parents[1]), **environment},
        cwd=Path(__file__).parent,  # NOTE: not the root, whose pydl/ may not be the installed one
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        preexec_fn=prepare,
    )


def network() -> nn.Module:
    pydl.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(4 * 5 * 5, 10),
    )


def batch(n: int = 4) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    return pydl.tensor(rng.normal(size=(n, 1, 12, 12))), pydl.tensor(rng.integers(0, 10, n))


def gradients(n: int = 64) -> bytes:
    """The bits of one forward and backward pass that several threads share."""
    model = network()
    x, target = batch(n)
    F.cross_entropy(model(x), target).backward()
    return b"".join(p.grad.numpy().tobytes() for p in model.parameters())


# ---- fork


def answer(queue: Any) -> None:
    queue.put(gradients())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process")  # Python 3.12 warns of fork beside threads
def test_a_forked_child_computes_the_same_bits() -> None:
    pydl.set_num_threads(3)
    expected = gradients()
    for _ in range(3):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, gradients())
            finally:
                os._exit(0)
        os.close(writer)
        got = b""
        with os.fdopen(reader, "rb") as pipe:
            timer = threading.Timer(60, os.kill, (child, signal.SIGKILL))
            timer.start()
            got = pipe.read()
            timer.cancel()
        assert os.waitpid(child, 0)[1] == 0
        assert got == expected
        assert gradients() == expected  # the parent goes on


@pytest.mark.skipif(not LINUX, reason="fork is the way on Linux only")
@pytest.mark.filterwarnings("ignore:This process")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str) -> None:
    pydl.set_num_threads(2)
    expected = gradients()
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    workers = [context.Process(target=answer, args=(queue,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=60) for _ in workers] == [expected, expected]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0


# ---- long runs, deep graphs


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_2000_steps_do_not_grow_without_the_garbage_collector() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    x, target = batch()

    def steps(n: int) -> None:
        for _ in range(n):
            loss = F.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    steps(50)
    gc.collect()
    gc.disable()
    try:
        steps(50)
        arrays, memory = _native.memory_stats()["arrays"], resident()
        steps(2000)
        grown = resident() - memory
        assert _native.memory_stats()["arrays"] == arrays
        assert gc.collect() < 50  # what little Python itself left
    finally:
        gc.enable()
    assert grown < 1 << 20


def small_stack() -> None:
    resource.setrlimit(resource.RLIMIT_STACK, (512 << 10, 512 << 10))


DEEP = """
    import pydl
    def chain(n):
        x = y = pydl.ones(2, requires_grad=True)
        for i in range(n):
            y = y * 1.0 if i % 3 else pydl.relu(y)
        return x, y
    x, y = chain(100_000)
    y.sum().backward(retain_graph=True)
    print(x.grad.tolist())
    del y  # with all that it saved
    x, y = chain(50_000)
    del y  # never walked
    print("freed", pydl._native.memory_stats()["arrays"] < 50)
"""


@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_graph_of_100000_nodes_needs_no_stack(where: str) -> None:
    code = textwrap.dedent(DEEP)
    if where == "thread":
        body = textwrap.indent(code, "    ")
        code = (
            f"import threading\ndef work():\n{body}\nthreading.stack_size(256 << 10)\n"
            "t = threading.Thread(target=work)\nt.start()\nt.join()\n"
        )
    done = python(code, prepare=small_stack if where == "main" else None)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:2] == ["[1.0, 1.0]", "freed True"]


def test_an_exception_in_backward_leaves_everything_usable() -> None:
    class Broken(pydl.op.Op):
        def forward(self, x: Tensor) -> Tensor:
            return pydl.clone(x)

        def backward(self, gy: Tensor) -> Tensor:
            raise ZeroDivisionError("on purpose")

    x = pydl.ones(3, requires_grad=True)
    y = (Broken.apply(x * 2.0) * 3.0).sum()
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        y.backward()
    assert pydl.is_grad_enabled()
    assert x.grad is None
    (x * 2.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]


def test_a_failed_allocation_leaves_everything_usable() -> None:
    expected = gradients(8)
    failures = 0
    for n in range(0, 300, 3):
        _native.fail_allocation_after(n)
        try:
            assert gradients(8) == expected
            break
        except MemoryError:
            failures += 1
        finally:
            _native.fail_allocation_after(-1)
        assert gradients(8) == expected
    assert failures > 5


# ---- denormals


def test_the_mode_of_the_caller_is_restored() -> None:
    tiny = np.full(4, 1e-40, np.float32)
    before = (tiny * np.float32(1)).copy()
    assert before[0] > 0
    x = pydl.from_numpy(tiny.copy())
    assert (x * 1.0).tolist() == [0, 0, 0, 0]  # inside kernels they are flushed
    gradients()
    np.testing.assert_array_equal(tiny * np.float32(1), before)
    seen = []

    def work() -> None:
        gradients()
        seen.append((tiny * np.float32(1)).copy())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(seen[0], before)


def seconds(fn: Callable[[], Any], repeats: int = 15) -> float:
    fn()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("name", ["mul", "matmul", "softmax", "conv2d", "sum"])
def test_denormals_cost_nothing(name: str) -> None:
    rng = np.random.default_rng(0)
    fns: dict[str, Callable[[Tensor], Tensor]] = {
        "mul": lambda t: t * t,
        "matmul": lambda t: t @ t,
        "softmax": lambda t: F.softmax(t, -1),
        "conv2d": lambda t: F.conv2d(t.reshape(4, 4, 64, 64), pydl.full((4, 4, 3, 3), 1e-38)),
        "sum": lambda t: t.sum(),
    }
    pydl.set_num_threads(1)
    common = pydl.tensor(rng.normal(size=(256, 256)))
    denormal = pydl.tensor(np.full((256, 256), 1e-40, np.float32))
    ratios = []
    for _ in range(3):  # the machine may be busy
        slow, fast = (seconds(lambda t=t: fns[name](t)) for t in (denormal, common))
        ratios.append(slow / fast)
    assert min(ratios) <= 3, ratios


# ---- exit

EXITS = {
    "normally": "",
    "with a tensor in a global": "keep = pydl.ones(1000); keep.grad = pydl.ones(1000)",
    "with a graph in a global": "x = pydl.ones(9, requires_grad=True); y = (x * x).sum()",
    "with a view of a tensor": "import builtins; builtins.keep = pydl.ones(9).numpy()",
    "by sys.exit in a thread": """
        import threading, sys
        t = threading.Thread(target=lambda: (work(), sys.exit(3)))
        t.start(); t.join()
    """,
    "with a daemon thread in a kernel": """
        import threading, time
        def forever():
            while True: work()
        for _ in range(2): threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.05)
    """,
    "while a plan records": "plan = pydl._native.Plan(); plan.begin(); y = pydl.ones(9) * 2.0",
}


@pytest.mark.parametrize("how", EXITS)
def test_a_process_ends_cleanly(how: str) -> None:
    start = """
        import pydl
        pydl.set_num_threads(3)
        a = pydl.ones(300, 300)
        def work():
            for _ in range(5): (a @ a).sum()
        work()
    """
    code = textwrap.dedent(start) + textwrap.dedent(EXITS[how])
    for _ in range(8 if "daemon" in how else 2):
        done = python(code, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


# ---- settings from outside


def test_number_of_threads_from_the_environment() -> None:
    code = "import pydl; print(pydl.num_threads(), (pydl.ones(999, 99) @ pydl.ones(99, 9)).sum())"
    first = python(code, PYDL_NUM_THREADS="5").stdout.split(maxsplit=1)
    assert first[0] == "5"
    for odd in ("0", "-3", "many", "", "100000"):
        done = python(code, PYDL_NUM_THREADS=odd)
        assert done.returncode == 0, done.stderr
        assert 1 <= int(done.stdout.split()[0]) <= 256
        assert done.stdout.split(maxsplit=1)[1] == first[1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_one_cpu_gives_one_thread() -> None:
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{cpu}]); import pydl; print(pydl.num_threads())"
    environment = {"PYDL_NUM_THREADS": ""}
    assert python(code, **environment).stdout.strip() == "1"


@pytest.mark.skipif(not LINUX, reason="RLIMIT_NPROC does not bind root everywhere")
def test_no_more_threads_to_be_had() -> None:
    code = """
        import resource, os
        import pydl
        if os.getuid() == 0:
            os.setuid(65534)  # the limit does not bind root
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        pydl.set_num_threads(7)
        print((pydl.ones(300, 300) @ pydl.ones(300, 300)).sum().item())
    """
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 300.0**3


# ---- several Python threads


def test_many_threads_train_their_own_models() -> None:
    expected = gradients(16)
    results: list[bytes] = []

    def work() -> None:
        for _ in range(5):
            results.append(own_gradients())

    def own_gradients() -> bytes:
        model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 5))
        for i, p in enumerate(model.parameters()):
            p.numpy()[...] = np.random.default_rng(i).normal(size=p.shape)
        x = pydl.tensor(np.random.default_rng(9).normal(size=(64, 20)))
        F.mse_loss(model(x), x[:, :5]).backward()
        return b"".join(p.grad.numpy().tobytes() for p in model.parameters())

    alone = own_gradients()
    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert results == [alone] * 30
    assert gradients(16) == expected
