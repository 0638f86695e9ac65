"""IDX, the format of MNIST: a magic number, big-endian sizes, then the values.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", file formats.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from ..io.files import atomic_write
from .stream import ByteStream

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_DIMS = 32  # what every NumPy can have
_FIRST_BUFFER = 1 << 20
_DEFLATE_RATIO = 1032  # zlib's own statement of the best deflate can do


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Reads an IDX file, plain or gzipped (its first bytes decide, not its name).

    Memory is taken only as data really arrive and never beyond what the header implies, so a
    header that lies and a compression bomb cost nothing.

    Args:
        path: The file.

    Returns:
        An array of the file's shape: uint8, int8, int16, int32, float32 or float64, in the
        machine's byte order, writable.

    Raises:
        FormatError: wrong magic or type code, too little or too much data, corrupt gzip.
        OSError: the file cannot be read.
    """
    with ByteStream(path) as stream:
        dtype, shape = _read_header(stream)
        size = math.prod(shape) * dtype.itemsize  # Python's integers: cannot overflow
        _check_size(stream, shape, size)
        buffer = _read_payload(stream, shape, size)
    values = buffer.view(dtype)
    return values.astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Writes an IDX file, atomically; gzipped (with the same bytes each time) for ``*.gz``.

    Args:
        path: The file.
        array: At least one dimension; uint8, int8, int16, int32, float32 or float64.

    Raises:
        TypeError: IDX has no such dtype.
        ValueError: IDX has no such shape.
    """
    big = array.dtype.newbyteorder(">")
    code = next((code for code, dtype in _TYPES.items() if dtype == big), None)
    if code is None:
        raise TypeError(f"write_idx: IDX has no dtype {array.dtype}")
    if not 1 <= array.ndim <= _MAX_DIMS or max(array.shape) >= 2**32:
        raise ValueError(f"write_idx: IDX has no shape {array.shape}")
    header = bytes([0, 0, code, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    content = header + array.astype(big).tobytes()
    if os.fspath(path).endswith(".gz"):
        import gzip

        content = gzip.compress(content, mtime=0)
    with atomic_write(path) as file:
        file.write(content)


def _read_header(stream: ByteStream) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise FormatError(stream.path, f"truncated: {len(magic)} bytes, no IDX header")
    if magic[:2] != b"\0\0":
        raise FormatError(stream.path, f"not an IDX file: magic number 0x{magic.hex()}")
    if magic[2] not in _TYPES:
        raise FormatError(stream.path, f"unknown IDX type code 0x{magic[2]:02x}")
    ndim = magic[3]
    if not 1 <= ndim <= _MAX_DIMS:
        raise FormatError(stream.path, f"{ndim} dimensions, expected 1 to {_MAX_DIMS}")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise FormatError(stream.path, f"truncated within the sizes of {ndim} dimensions")
    return _TYPES[magic[2]], tuple(np.frombuffer(sizes, ">u4").tolist())


def _check_size(stream: ByteStream, shape: tuple[int, ...], size: int) -> None:
    """Refuses a header that the file's own size already proves wrong."""
    on_disk = stream.file_size()
    if stream.kind == "plain" and on_disk - stream.count != size:
        raise _wrong_size(stream, shape, size, f"{on_disk - stream.count}")
    if stream.kind == "gzip" and size > on_disk * _DEFLATE_RATIO:
        raise _wrong_size(stream, shape, size, f"at most {on_disk * _DEFLATE_RATIO}")
    if max(size, math.prod(n for n in shape if n) * 8) >= 2**63:
        raise FormatError(stream.path, f"shape {shape} is larger than any memory")


def _read_payload(stream: ByteStream, shape: tuple[int, ...], size: int) -> NDArray[np.uint8]:
    """`size` bytes into a buffer that doubles as they arrive, then the end of the file."""
    buffer = np.empty(min(size, _FIRST_BUFFER), np.uint8)
    have = 0
    while have < size:
        if have == len(buffer):
            # NOTE: refcheck=False is safe: no view of the buffer lives across this line.
            buffer.resize(min(size, 2 * len(buffer)), refcheck=False)
        part = stream.read(min(len(buffer) - have, 1 << 20))
        if not part:
            raise _wrong_size(stream, shape, size, f"{have}")
        buffer[have : have + len(part)] = np.frombuffer(part, np.uint8)
        have += len(part)
    if stream.read(1):
        raise _wrong_size(stream, shape, size, "more")
    return buffer


def _wrong_size(stream: ByteStream, shape: tuple[int, ...], size: int, got: str) -> FormatError:
    reason = f"the header says {size} bytes of data (shape {shape}), the file has {got}"
    return FormatError(stream.path, reason)
