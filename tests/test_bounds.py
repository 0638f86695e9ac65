"""No kernel reads or writes beside its arrays.

Every array of every op case lies against a page that must not be touched, and new ones hold NaN.
One process per ISA, as a mistake ends it.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydl import _native

LINUX = sys.platform.startswith("linux")


def guarded(shape: tuple[int, ...], dtype: Any, at_end: bool) -> np.ndarray:
    """An array of 0xFF bytes whose end (or start) is that of the accessible memory."""
    page, size = mmap.PAGESIZE, math.prod(shape) * np.dtype(dtype).itemsize
    total = -(-size // page) * page + 2 * page
    memory = mmap.mmap(-1, total)
    every = np.frombuffer(memory, np.uint8)
    every[page : total - page] = 0xFF
    libc = ctypes.CDLL(None, use_errno=True)
    for start in (0, total - page):
        address = ctypes.c_void_p(every.ctypes.data + start)
        assert libc.mprotect(address, ctypes.c_size_t(page), 0) == 0
    offset = total - page - size if at_end else page
    return np.frombuffer(memory, dtype, math.prod(shape), offset).reshape(shape)


def walk(at_end: bool) -> int:
    """Run every case that is not too large; the last line printed names the one that failed."""
    from opcase import run
    from opcases import CASES, KERNELS

    import pydl
    from pydl.device import NativeDevice

    todo = [case for case in CASES if sum(a.size for a in case.arrays()) <= 10_000]
    expected = [[t.numpy().tobytes() for t in flat(run(case, "cpu"))] for case in todo]

    def empty(self: NativeDevice, shape: Any, dtype: Any) -> Any:
        return _native.from_numpy(guarded(tuple(shape), dtype.numpy, at_end))

    def from_numpy(self: NativeDevice, array: np.ndarray) -> Any:
        copy = guarded(array.shape, array.dtype, at_end)
        copy[...] = array
        return _native.from_numpy(copy)

    NativeDevice.empty, NativeDevice.from_numpy = empty, from_numpy  # type: ignore[method-assign]
    pydl.device("cpu").constants.clear()
    pydl.random._states.clear()
    for case, bits in zip(todo, expected, strict=True):
        print(case.name, flush=True)
        if [t.numpy().tobytes() for t in flat(run(case, "cpu"))] != bits:
            print("other bits beside a page that holds 0xFF")
            return 1
    for kernel_case in KERNELS:
        print(kernel_case.name, flush=True)
        kernel_case.run("cpu")
    print(len(todo), "cases")
    return 0


def flat(result: Any) -> list[Any]:
    y, gradients = result
    return [y, *gradients]


@pytest.mark.skipif(not LINUX, reason="mprotect")
@pytest.mark.parametrize("side", ["end", "start"])
@pytest.mark.parametrize("isa", _native.available_isas())
def test_nothing_beside_an_array_is_touched(isa: str, side: str) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(_native.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, __file__, side],
        env={**os.environ, "PYDL_ISA": isa, "PYTHONPATH": path, "PYDL_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0, f"{lines[-2:]}: status {done.returncode}\n{done.stderr[-2000:]}"
    assert int(lines[-1].split()[0]) > 1000


if __name__ == "__main__":
    sys.exit(walk(sys.argv[1] == "end"))
