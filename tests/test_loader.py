"""Batches: every sample once, the same order for ever, and no thread left behind."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from typing import Any

import numpy as np
import pytest

from pydl.data import Compose, DataLoader, RandomCrop, RandomRotation, SampleRng, Split

N = 50


def numbers(**options: Any) -> DataLoader:
    options.setdefault("batch_size", 8)
    return DataLoader(np.arange(N, dtype=np.int64), **options)


def values(batches: Any) -> list[list[int]]:
    return [x.numpy().tolist() for (x,) in batches]


def flat(batches: list[list[int]]) -> list[int]:
    return [n for batch in batches for n in batch]


def data_threads() -> int:
    return sum(thread.name == "pydl-data" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    yield
    assert data_threads() == 0


@pytest.mark.parametrize("prefetch", [0, 1, 2, 100])
class TestOrder:
    def test_every_sample_once(self, prefetch: int) -> None:
        loader = numbers(shuffle=True, prefetch=prefetch)
        assert len(loader) == 7
        assert loader.dataset_size == N
        for _ in range(3):
            batches = values(loader)
            assert [len(b) for b in batches] == [8] * 6 + [2]
            assert sorted(flat(batches)) == list(range(N))

    def test_without_shuffling(self, prefetch: int) -> None:
        loader = numbers(prefetch=prefetch, drop_last=True)
        assert len(loader) == 6
        assert flat(values(loader)) == list(range(48))

    def test_order_depends_on_seed_and_epoch_alone(self, prefetch: int) -> None:
        a, b = numbers(shuffle=True, seed=5, prefetch=prefetch), numbers(shuffle=True, seed=5)
        first, second = values(a), values(a)
        assert a.epoch == 2
        assert first != second
        b.set_epoch(1)
        assert values(b) == second
        b.set_epoch(0)
        assert values(b) == first
        assert values(numbers(shuffle=True, seed=6)) != first
        whole = values(numbers(shuffle=True, seed=5, batch_size=N, prefetch=prefetch))
        assert whole == [flat(first)]

    def test_resume_anywhere(self, prefetch: int) -> None:
        loader = numbers(shuffle=True, prefetch=prefetch)
        history, states = [], [loader.state_dict()]
        for _ in range(3):
            for (x,) in loader:
                history.append(x.numpy().tolist())
                states.append(json.loads(json.dumps(loader.state_dict())))
        for done, state in enumerate(states):
            resumed = numbers(shuffle=True, prefetch=prefetch)
            resumed.load_state_dict(state)
            rest = []
            while resumed.epoch < 3:
                rest += values(resumed)
            assert rest == history[done:]

    def test_leaving_early(self, prefetch: int) -> None:
        loader = numbers(shuffle=True, prefetch=prefetch)
        for i, _ in enumerate(loader):
            if i == 2:
                break
        assert data_threads() == 0
        assert loader.state_dict()["position"] == 3
        assert loader.epoch == 0
        again = values(loader)  # the next pass is the next epoch
        assert loader.epoch == 2
        other = numbers(shuffle=True)
        other.set_epoch(1)
        assert again == values(other)

    def test_peeking_without_taking(self, prefetch: int) -> None:
        loader = numbers(shuffle=True, prefetch=prefetch)
        iter(loader)
        assert data_threads() == 0
        assert values(loader) == values(numbers(shuffle=True))

    def test_two_passes_at_once(self, prefetch: int) -> None:
        loader = numbers(shuffle=True, prefetch=prefetch)
        for a, b in zip(loader, loader, strict=True):
            assert a[0].numpy().tolist() == b[0].numpy().tolist()
        assert loader.epoch == 1


def test_the_order_is_this_one_for_ever() -> None:
    # Known answer: the rank order of the first words of Philox with key (seed, epoch).
    words = np.random.Philox(key=np.array([3, 2], np.uint64)).random_raw(6)
    loader = DataLoader(np.arange(6), batch_size=6, shuffle=True, seed=3)
    loader.set_epoch(2)
    assert values(loader) == [np.argsort(words).tolist()]


def test_batches_are_fresh_and_keep_their_dtype() -> None:
    images = np.arange(N * 4, dtype=np.uint8).reshape(N, 1, 2, 2)
    labels = np.arange(N)
    table = np.ones((N, 3), np.float64)
    before = images.copy()
    for x, y, t in DataLoader(Split(images, labels).inputs, labels, table, batch_size=7):
        for tensor, dtype in ((x, np.uint8), (y, np.int64), (t, np.float32)):
            array = tensor.numpy()
            assert array.dtype == dtype
            assert array.flags.c_contiguous
            assert array.flags.writeable
            array[...] = 0
    np.testing.assert_array_equal(images, before)
    ((x, y),) = DataLoader(Split(images, labels), batch_size=N)
    np.testing.assert_array_equal(x.numpy(), images)
    np.testing.assert_array_equal(y.numpy(), labels)
    ((t,),) = DataLoader(table, batch_size=N, device="numpy")
    assert t.numpy().dtype == np.float64
    assert t.device.name == "numpy"


def test_tensors_and_any_memory_layout() -> None:
    from pydl import from_numpy

    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    ((a, b),) = DataLoader(x.T, from_numpy(np.arange(6)), batch_size=6)
    np.testing.assert_array_equal(a.numpy(), x.T)
    assert b.numpy().tolist() == list(range(6))


def test_no_samples() -> None:
    loader = DataLoader(np.zeros((0, 3), np.float32), batch_size=4, shuffle=True)
    assert len(loader) == 0
    assert list(loader) == []
    assert loader.epoch == 1


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([], {}, TypeError, "got nothing"),
        ([[1, 2]], {}, TypeError, "got list"),
        ([np.array(1)], {}, TypeError, "expected arrays of shape"),
        ([np.zeros(3), np.zeros(4)], {}, ValueError, r"same N, got \[3, 4\]"),
        ([np.zeros(3)], {"batch_size": 0}, ValueError, r"batch_size must be in \[1"),
        ([np.zeros(3)], {"batch_size": 2.0}, TypeError, "batch_size must be an int"),
        ([np.zeros(3)], {"seed": -1}, ValueError, "seed must be in"),
        ([np.zeros(3)], {"prefetch": -1}, ValueError, "prefetch must be in"),
    ],
)
def test_wrong_arguments(
    arguments: list[Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        DataLoader(*arguments, **{"batch_size": 2, **options})


def test_the_state_of_another_loader_is_refused() -> None:
    state = numbers(shuffle=True).state_dict()
    for options in ({"batch_size": 9}, {"seed": 1}, {"shuffle": False}, {"drop_last": True}):
        with pytest.raises(ValueError, match=f"DataLoader: {next(iter(options))} is"):
            numbers(**{"shuffle": True, **options}).load_state_dict(state)
    with pytest.raises(ValueError, match="position must be in"):
        numbers(shuffle=True).load_state_dict({**state, "position": 99})


class TestTransform:
    def loader(self, **options: Any) -> DataLoader:
        images = np.random.default_rng(0).integers(0, 256, (N, 3, 12, 12), np.uint8)
        transform = Compose(RandomCrop(10, padding=1), RandomRotation(20))
        return DataLoader(
            images, np.arange(N), shuffle=True, transform=transform, **{"batch_size": 8, **options}
        )

    def by_sample(self, loader: DataLoader) -> dict[int, bytes]:
        return {
            int(i): image.tobytes()
            for x, y in loader
            for image, i in zip(x.numpy(), y.numpy(), strict=True)
        }

    def test_a_sample_does_not_depend_on_its_batch(self) -> None:
        want = self.by_sample(self.loader())
        assert len(want) == N
        assert self.by_sample(self.loader(batch_size=13, prefetch=0)) == want
        unshuffled = self.loader(batch_size=1)
        unshuffled.shuffle = False
        assert self.by_sample(unshuffled) == want
        assert self.by_sample(self.loader(seed=1)) != want

    def test_epochs_differ_and_repeat(self) -> None:
        loader = self.loader()
        first, second = self.by_sample(loader), self.by_sample(loader)
        assert all(first[i] != second[i] for i in range(N))
        loader.set_epoch(0)
        assert self.by_sample(loader) == first

    @pytest.mark.parametrize("prefetch", [0, 2])
    def test_errors_come_through_with_their_traceback(self, prefetch: int) -> None:
        def broken_transform(x: np.ndarray, rng: SampleRng) -> np.ndarray:
            if 20 in rng.indices:
                raise ZeroDivisionError("on purpose")
            return x

        loader = numbers(transform=broken_transform, prefetch=prefetch)
        seen = 0
        with pytest.raises(ZeroDivisionError, match="on purpose") as caught:  # noqa: PT012
            for _ in loader:
                seen += 1
        assert seen == 2
        assert "broken_transform" in "".join(traceback.format_tb(caught.value.__traceback__))
        assert data_threads() == 0


class TestThreads:
    def test_nothing_is_left_by_many_passes(self) -> None:
        loader = numbers(batch_size=1)
        gc.disable()
        try:
            for _ in range(100):
                next(iter(loader))
                for _ in loader:
                    break
                assert data_threads() == 0
        finally:
            gc.enable()

    def test_it_works_ahead_but_not_too_far(self) -> None:
        made = []

        def count(x: np.ndarray, rng: SampleRng) -> np.ndarray:
            made.append(len(x))
            return x

        batches = iter(numbers(batch_size=1, transform=count, prefetch=3))
        next(batches)
        deadline = time.monotonic() + 5
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(made) == 5  # one taken, three ready, one in the hand of the thread
        batches.close()  # type: ignore[attr-defined]

    def test_an_exception_in_the_loop_stops_it(self) -> None:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            for _ in numbers(batch_size=1):
                raise KeyboardInterrupt
        gc.collect()
        assert data_threads() == 0

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_fork_goes_on_alone(self) -> None:
        loader = numbers(shuffle=True, batch_size=2)
        batches = iter(loader)
        first = values([next(batches)])
        child = os.fork()
        if child == 0:
            rest = values(batches)
            fresh = numbers(shuffle=True, batch_size=2)
            os._exit(0 if first + rest == values(fresh) else 1)
        assert first + values(batches) == values(numbers(shuffle=True, batch_size=2))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                assert os.waitstatus_to_exitcode(status) == 0
                return
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the fork hangs")

    @pytest.mark.skipif(os.name == "nt", reason="SIGINT")
    def test_ctrl_c_while_waiting_for_a_slow_batch(self) -> None:
        code = (
            "import signal, time, numpy as np; from pydl.data import DataLoader\n"
            # a shell that starts the tests in the background has children ignore it
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "def slow(x, rng): print('ready', flush=True); time.sleep(0.3); return x\n"
            "try:\n"
            "    for _ in DataLoader(np.arange(100), batch_size=1, transform=slow): pass\n"
            "except KeyboardInterrupt: print('stopped', flush=True)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            began = time.monotonic()
            child.send_signal(signal.SIGINT)
            rest = child.stdout.read()
            assert child.wait(10) == 0
            assert rest.endswith(b"stopped\n")
        assert time.monotonic() - began < 2

    def test_an_open_pass_does_not_keep_the_process_alive(self) -> None:
        code = (
            "import numpy as np; from pydl.data import DataLoader\n"
            "batches = iter(DataLoader(np.arange(100), batch_size=1)); next(batches)\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
