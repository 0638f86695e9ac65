"""Valid calls of every kernel, noted while the op cases run, for tests that break or repeat them.

Arrays lie in one block with guard bytes between them, so that a kernel that writes beyond its
output is found out. Not a test of results: those are compared with the oracle elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import pydl
from pydl import _native as n

GUARD = 64
PATTERN = 0xA5


F32, F64, F16, BF16, I64, I32, U8, BOOL = range(8)  # codes of the element types


def z(*shape: int, code: int = F32) -> n.Array:
    """Zeros."""
    a = n.empty(shape, code)
    a.numpy()[...] = 0
    return a


def of(values: Any, dtype: str = "float32") -> n.Array:
    """An array of these values."""
    return n.from_numpy(np.array(values, dtype))


class Maker:
    """Makes the arrays of one call, in one block with guards between them."""

    def __init__(self, size: int = 1 << 19) -> None:
        self.block = np.full(size, PATTERN, np.uint8)
        self.spans: list[tuple[int, int]] = []
        self.end = GUARD

    def place(self, values: Any) -> n.Array:
        """An array in the block with these values."""
        values = np.asarray(values)
        stop = self.end + values.nbytes
        memory = self.block[self.end : stop].view(values.dtype).reshape(values.shape)
        memory[...] = values
        self.spans.append((self.end, stop))
        self.end = -(-(stop + GUARD) // 64) * 64
        return n.from_numpy(memory)

    def guards_intact(self) -> bool:
        """Whether nothing was written between the arrays."""
        edges = [0, *(e for span in self.spans for e in span), self.block.size]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        return all((self.block[a:b] == PATTERN).all() for a, b in gaps)

    def digest(self) -> str:
        """A hash of all arrays."""
        return hashlib.sha256(self.block).hexdigest()


@dataclass
class KernelCall:
    """One call of a kernel, as it came: arrays as copies of what they held."""

    name: str
    arguments: dict[str, Any]  # by parameter
    aliases: dict[str, str]  # an array -> the earlier parameter that was the very same one

    def made(self, maker: Maker) -> dict[str, Any]:
        """The arguments, in new memory."""
        made: dict[str, Any] = {}
        for parameter, value in self.arguments.items():
            if parameter in self.aliases:
                made[parameter] = made[self.aliases[parameter]]
            elif isinstance(value, list):
                made[parameter] = [
                    maker.place(v) if isinstance(v, np.ndarray) else v for v in value
                ]
            else:
                made[parameter] = maker.place(value) if isinstance(value, np.ndarray) else value
        return made

    def run(self) -> str:
        """Makes the call; a hash of all its arrays."""
        maker = Maker()
        getattr(n, self.name)(**self.made(maker))
        assert maker.guards_intact()
        return maker.digest()


KINDS = 12  # calls of one kernel that differ in their shapes or options
SMALL = 2000  # elements


class _Noting:
    """The kernel module, noting calls."""

    def __init__(
        self, parameters: dict[str, list[str]], calls: dict[str, list[KernelCall]]
    ) -> None:
        self.parameters, self.calls = parameters, calls
        self.seen: dict[str, set[str]] = {name: set() for name in parameters}

    def __getattr__(self, name: str) -> Any:
        function = getattr(n, name)
        if name not in self.parameters:
            return function

        def call(*args: Any, **kwargs: Any) -> Any:
            self.note(name, {**dict(zip(self.parameters[name], args, strict=False)), **kwargs})
            return function(*args, **kwargs)

        return call

    def note(self, name: str, args: dict[str, Any]) -> None:
        listed = [a for v in args.values() for a in (v if isinstance(v, list) else [v])]
        arrays = [a for a in listed if isinstance(a, n.Array)]
        kind = repr([(a.shape, a.code) if isinstance(a, n.Array) else a for a in listed])
        seen = self.seen[name]
        if kind in seen or len(seen) == KINDS or sum(a.size for a in arrays) > SMALL:
            return
        seen.add(kind)
        values: dict[str, Any] = {}
        aliases: dict[str, str] = {}
        owners: dict[int, str] = {}
        for parameter, v in args.items():
            values[parameter] = v
            if isinstance(v, list):
                values[parameter] = [a.numpy().copy() if isinstance(a, n.Array) else a for a in v]
            elif isinstance(v, n.Array):
                values[parameter] = v.numpy().copy()
                if v.size and v.ptr in owners:
                    aliases[parameter] = owners[v.ptr]
                owners[v.ptr] = parameter
        self.calls[name].append(KernelCall(name, values, aliases))


@functools.cache
def kernel_calls() -> dict[str, list[KernelCall]]:
    """Up to KINDS small calls of every kernel, from the op cases and the kernel cases."""
    from opcase import run
    from opcases import CASES, KERNELS
    from test_stub import kernel_signatures

    parameters = kernel_signatures()
    calls: dict[str, list[KernelCall]] = {name: [] for name in parameters}
    device = pydl.device("cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "kernels", _Noting(parameters, calls))
        for case in CASES:
            if sum(a.size for a in case.arrays()) <= SMALL:
                run(case, "cpu")
        for kernel_case in KERNELS:
            kernel_case.run("cpu")
    return calls
