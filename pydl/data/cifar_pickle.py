"""Reads the python release of CIFAR-10, a pickle, as what it is: a program by a stranger.

A pickle may name any function of any module and call it. Here, the machine that runs it has
only the operations that the release needs, and the few names it may use stand for inert
classes below: neither NumPy's unpickling nor any import is within its reach.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError

# What protocol 2 (the release itself) and the others up to 4 (copies of it) write for a dict of
# bytes, lists of numbers and one array. No PERSID, EXT, INST, OBJ, NEWOBJ, BYTEARRAY8, BUFFER.
_OPERATIONS = """
    PROTO FRAME STOP MARK MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET
    NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1
    STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8
    UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS
    EMPTY_DICT DICT SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD
"""


def read_batch(blob: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Reads one batch.

    Args:
        blob: The file's content.
        name: The file's name, for errors.

    Returns:
        Images, uint8 (N, 3072), and labels, int64 (N,), not yet checked against each other.

    Raises:
        FormatError: anything but the dict of the release.
    """
    try:
        batch = _Unpickler(blob).load()
        if not isinstance(batch, dict):
            raise ValueError(f"a {type(batch).__name__}, not a dict")
        text = {k.decode() if isinstance(k, bytes) else k: v for k, v in batch.items()}
        labels = text["labels"]
        if not isinstance(labels, list) or not all(type(label) is int for label in labels):
            raise ValueError("its labels are not a list of integers")
        return text["data"].to_numpy(), np.array(labels, np.int64)
    except Exception as e:  # a hostile file can provoke any error here
        raise FormatError(name, f"not a batch of CIFAR-10: {type(e).__name__}: {e}") from None


# NOTE: the one written in Python: the one in C allocates tables as large as the file demands.
class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        code: handler
        for code, handler in pickle._Unpickler.dispatch.items()
        if code in {getattr(pickle, name)[0] for name in _OPERATIONS.split()}
    }

    def __init__(self, blob: bytes) -> None:
        super().__init__(io.BytesIO(blob), encoding="bytes")
        self._names = _allowed_names()

    def find_class(self, module: str, name: str) -> Any:
        """Gives a stand-in for one of the allowed names; never imports anything."""
        try:
            return self._names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def _allowed_names() -> dict[tuple[str, str], Any]:
    """Stand-ins made anew for each file, so that no file can prepare them for the next one."""

    class DType:
        def __init__(self, code: Any, *rest: Any) -> None:
            self.is_bytes = code in ("u1", b"u1")

        def __setstate__(self, state: Any) -> None:
            """Byte order and fields: one byte has none."""

    class Array:
        shape: tuple[int, ...] = ()
        blob = b""

        def __setstate__(self, state: Any) -> None:
            _, shape, dtype, fortran, blob = state
            if not (isinstance(dtype, DType) and dtype.is_bytes) or fortran:
                raise ValueError("its data are not row-major bytes")
            if not isinstance(blob, bytes) or math.prod(shape) != len(blob) or min(shape) < 0:
                raise ValueError(f"its data do not have the shape {shape}")
            self.shape, self.blob = tuple(shape), blob

        def to_numpy(self) -> NDArray[np.uint8]:
            return np.frombuffer(bytearray(self.blob), np.uint8).reshape(self.shape)

    def reconstruct(kind: Any, shape: Any, code: Any) -> Array:
        return Array()

    def encode(text: str, encoding: str) -> bytes:  # how Python 3 writes bytes in protocol 2
        if encoding not in ("latin1", b"latin1"):
            raise ValueError(f"it asks for encoding {encoding!r}")
        return text.encode("latin-1")

    return {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): DType,
        ("_codecs", "encode"): encode,
    }
