"""Batches: shuffled by (seed, epoch), gathered and augmented by a thread that works ahead.

The order is a pure function of (seed, epoch) and an augmentation one of (seed, epoch, sample),
so a run can stop anywhere and go on with the same bits, whatever the prefetching did.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .augment import SampleRng, Transform
from .datasets import Split

if TYPE_CHECKING:
    from ..tensor import Tensor

Array = NDArray[Any]
Batch = tuple[Array, ...]


class DataLoader:
    """Iterates over arrays in batches, one epoch per ``for`` loop.

    Each pass has an epoch number, which decides its order and its augmentations: 0 for the
    first, one more for each next one, also when the one before was left early.

    Args:
        arrays: One `Split`, or arrays or tensors of shape (N, ...), all of the same N. An
            array that is not row-major is copied.
        batch_size: Samples in a batch; the last batch of an epoch may have fewer.
        shuffle: Whether each epoch has its own order; else the order of the arrays.
        seed: Decides orders and augmentations, 0 <= seed < 2**64.
        drop_last: Leaves out a last batch with fewer samples.
        transform: Called as ``transform(x, rng)`` on the first array of each batch, in the
            prefetch thread.
        prefetch: How many batches the thread may be ahead; 0 for no thread.
        device: Where the batches go. Arrays keep their dtype, so that uint8 images travel as
            uint8 (float64 becomes float32 on all devices but numpy).

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: a size that does not fit.
    """

    def __init__(
        self,
        *arrays: Split | Array | Tensor,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        transform: Transform | None = None,
        prefetch: int = 2,
        device: str = "cpu",
    ) -> None:
        self.arrays = _as_arrays(arrays)
        _require("batch_size", batch_size, 1, 2**31)
        _require("seed", seed, 0, 2**64)
        _require("prefetch", prefetch, 0, 2**31)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.transform = transform
        self.prefetch = prefetch
        self.device = device
        self.dataset_size = len(self.arrays[0])
        self._epoch = 0
        self._position = 0  # batches handed out in this epoch
        self._resuming = False  # whether the next pass begins at _position
        self._passes = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.dataset_size, self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    @property
    def epoch(self) -> int:
        """The number of the pass that is running, or of the next one."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Lets the next pass be number `epoch`, from its beginning."""
        _require("epoch", epoch, 0, 2**32)
        self._epoch, self._position, self._resuming = epoch, 0, False
        self._passes += 1  # a pass that is still running no longer owns the state

    def state_dict(self) -> dict[str, int]:
        """Returns where the loader stands, to be kept beside a checkpoint.

        Inside a ``for`` loop that is *after* the current batch: save when its step is done.
        """
        return {**self._identity(), "epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Lets the next pass go on where `state_dict` was taken.

        Raises:
            ValueError: the state is of a loader with other data, seed or batch size.
        """
        for key, own in self._identity().items():
            if key not in state or int(state[key]) != own:
                got = state.get(key, "nothing")
                raise ValueError(f"DataLoader: {key} is {own}, the saved state has {got}")
        epoch, position = int(state["epoch"]), int(state["position"])
        _require("position", position, 0, len(self) + 1)
        if position == len(self):
            epoch, position = epoch + 1, 0
        self.set_epoch(epoch)
        self._position, self._resuming = position, True

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        if self._position and not self._resuming:
            self.set_epoch(self._epoch + 1)  # the pass before was left early
        self._resuming = False
        self._passes += 1
        return self._run(self._epoch, self._position, self._passes)

    def _run(self, epoch: int, start: int, number: int) -> Iterator[tuple[Tensor, ...]]:
        order = self._order(epoch)
        steps = range(start, len(self))

        def make(step: int) -> Batch:
            return self._make(order[step * self.batch_size : (step + 1) * self.batch_size], epoch)

        ahead = _Ahead(make, steps, self.prefetch) if self.prefetch and len(steps) > 1 else None
        try:
            for step in steps:
                batch = ahead.get(step) if ahead else make(step)
                if number == self._passes:  # else a later pass owns the state
                    self._position = step + 1
                yield self._to_tensors(batch)
        finally:
            if ahead:
                ahead.stop()
        if number == self._passes:
            self.set_epoch(epoch + 1)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """The samples of an epoch, in order.

        Sorted random words: NumPy promises the bits of Philox for all time, but not what
        `Generator.permutation` makes of them.
        """
        if not self.shuffle:
            return np.arange(self.dataset_size, dtype=np.int64)
        bits = np.random.Philox(key=np.array([self.seed, epoch], np.uint64))
        words = np.asarray(bits.random_raw(self.dataset_size))
        return np.argsort(words, kind="stable").astype(np.int64, copy=False)

    def _make(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Gathers and augments one batch: fresh, row-major arrays."""
        x, *rest = [np.take(a, indices, axis=0) for a in self.arrays]
        if self.transform is not None:
            rng = SampleRng(self.seed, epoch, indices)
            x = np.ascontiguousarray(self.transform(x, rng))
        batch = (x, *rest)
        if self.device == "numpy":
            return batch
        return tuple(a.astype(np.float32) if a.dtype == np.float64 else a for a in batch)

    def _to_tensors(self, batch: Batch) -> tuple[Tensor, ...]:
        from ..ops.create import from_numpy

        if self.device == "numpy":
            return tuple(from_numpy(a, device="numpy") for a in batch)
        tensors = tuple(from_numpy(a) for a in batch)
        return tensors if self.device == "cpu" else tuple(t.to(self.device) for t in tensors)

    def _identity(self) -> dict[str, int]:
        """What a saved position means nothing without."""
        return {
            "dataset_size": self.dataset_size,
            "batch_size": self.batch_size,
            "shuffle": int(self.shuffle),
            "seed": self.seed,
            "drop_last": int(self.drop_last),
        }


class _Ahead:
    """A thread that makes the batches of one pass before they are asked for.

    It lives as long as the pass: it is started by it and stopped by its end, whatever ends it.
    """

    def __init__(self, make: Callable[[int], Batch], steps: range, depth: int) -> None:
        self._make, self._steps, self._depth = make, steps, depth
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._ready: deque[Batch | BaseException] = deque()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="pydl-data", daemon=True)
        self._thread.start()

    def get(self, step: int) -> Batch:
        """The batch of `step`; raises what the thread raised, with its traceback."""
        if os.getpid() != self._process:
            return self._make(step)  # a fork has no thread, but a batch depends on nothing else
        with self._changed:
            self._changed.wait_for(lambda: self._ready)
            batch = self._ready.popleft()
            self._changed.notify()
        if not isinstance(batch, BaseException):
            return batch
        try:
            raise batch
        finally:
            del batch  # else error -> traceback -> this frame -> error is a cycle

    def stop(self) -> None:
        """Ends the thread; it finishes at most the batch it is making."""
        if os.getpid() != self._process:
            return  # NOTE: a fork may have inherited the lock in a locked state
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        for step in self._steps:
            try:
                item: Batch | BaseException = self._make(step)
            except BaseException as e:
                item = e
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or len(self._ready) < self._depth)
                if self._stopped:
                    return
                self._ready.append(item)
                self._changed.notify()
            if isinstance(item, BaseException):
                return


def _as_arrays(arrays: tuple[Any, ...]) -> tuple[Array, ...]:
    if len(arrays) == 1 and isinstance(arrays[0], Split):
        arrays = tuple(arrays[0])
    if not arrays:
        raise TypeError("DataLoader: expected a Split or arrays, got nothing")
    dense = []
    for a in arrays:
        values = a if isinstance(a, np.ndarray) else a.numpy() if hasattr(a, "numpy") else None
        if values is None or values.ndim == 0:
            raise TypeError(
                f"DataLoader: expected arrays of shape (N, ...), got {type(a).__name__}"
            )
        dense.append(np.ascontiguousarray(values))
    sizes = [len(a) for a in dense]
    if len(set(sizes)) != 1:
        raise ValueError(f"DataLoader: arrays must have the same N, got {sizes}")
    return tuple(dense)


def _require(name: str, value: int, low: int, end: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"DataLoader: {name} must be an int, got {value!r}")
    if not low <= value < end:
        raise ValueError(f"DataLoader: {name} must be in [{low}, {end}), got {value}")
