"""Weights to and from safetensors files.

Parsing and checking are left to the `safetensors` package, which is audited and fuzzed; there
is deliberately no second parser here, and no other format to fall back on (never pickle).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from .files import atomic_write

if TYPE_CHECKING:
    from ..tensor import Tensor

Array = NDArray[Any]

# safetensors' name of a dtype -> NumPy's. NumPy has no bfloat16: uint16 stands for it here.
_NUMPY: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(np.uint16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}


def save(
    state_dict: Mapping[str, Tensor | Array],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes named tensors to a safetensors file, atomically.

    The bytes depend on the content only, not on the order of the dict: safetensors lays the
    tensors out by falling size of their dtype, then by name, and the metadata are sorted.

    Args:
        state_dict: Names to tensors, or to NumPy arrays (uint16 stands for bfloat16).
        path: The file to write; an old one is replaced only once the new one is whole.
        metadata: Text to keep beside the tensors.

    Raises:
        TypeError: a name or metadata that is no string, or a dtype pydl does not have.
        OSError: the file cannot be written; the old one is untouched.
    """
    save_arrays(
        {name: _to_array(name, value) for name, value in state_dict.items()}, path, metadata
    )


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file.

    Args:
        path: The file.

    Returns:
        Names to tensors on the cpu, in the order of the file; float64 ones lie on the numpy
        device, the only one that has float64.

    Raises:
        FormatError: the file is malformed, or holds a dtype pydl does not have.
        OSError: the file cannot be read (FileNotFoundError where there is none).
    """
    from ..ops.create import from_numpy

    return {
        name: from_numpy(a, device="numpy") if a.dtype == np.float64 else from_numpy(a)
        for name, a in load_arrays(path).items()
    }


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Reads the text kept beside the tensors of a safetensors file ({} where there is none).

    Raises:
        FormatError: the file is malformed.
        OSError: the file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    # NOTE: safe_open words its OS errors its own way, so let open() speak first.
    with open(path, "rb"):
        pass
    try:
        with safe_open(os.fspath(path), framework="np") as file:
            return dict(sorted((file.metadata() or {}).items()))
    except SafetensorError as e:
        raise FormatError(path, f"not a valid safetensors file: {e}") from None


def save_arrays(
    arrays: Mapping[str, Array],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Does what `save` does, for NumPy arrays alone (nothing of the core is imported)."""
    from safetensors import serialize

    text = dict(sorted((metadata or {}).items()))
    for key, value in text.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"save: metadata must be str to str, got {key!r}: {value!r}")
    little = {name: _checked(name, a) for name, a in sorted(arrays.items())}
    blob = serialize({name: _spec(a) for name, a in little.items()}, metadata=text or None)
    with atomic_write(path) as file:
        if len(text) > 1:
            header, data = _sorted_header(bytes(blob))
            file.write(header)
            file.write(data)
        else:
            file.write(blob)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Does what `load` does, but returns writable NumPy arrays (uint16 for bfloat16)."""
    from safetensors import SafetensorError, deserialize

    with open(path, "rb") as file:
        blob = file.read()
    # NOTE: from bytes, not from a memory map: whoever overwrites or truncates the file later
    # cannot change the tensors or kill the process.
    try:
        parse: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = deserialize
        entries = parse(blob)
    except SafetensorError as e:
        raise FormatError(path, f"not a valid safetensors file: {e}") from None
    return {name: _entry_to_array(path, name, entry) for name, entry in entries}


def _entry_to_array(path: str | os.PathLike[str], name: str, entry: dict[str, Any]) -> Array:
    dtype = _NUMPY.get(entry["dtype"])
    if dtype is None:
        raise FormatError(path, f"tensor {name!r} has dtype {entry['dtype']}, which pydl lacks")
    try:
        little: Array = np.frombuffer(entry["data"], dtype=dtype.newbyteorder("<"))
        return np.asarray(little, dtype=dtype).reshape(tuple(entry["shape"]))
    except ValueError as e:  # more dimensions than NumPy can have
        raise FormatError(path, f"tensor {name!r} of shape {entry['shape']}: {e}") from None


def _to_array(name: str, value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value.view(np.uint16) if value.dtype.name == "bfloat16" else value
    from ..tensor import Tensor

    if not isinstance(value, Tensor):
        raise TypeError(f"save: {name!r} is a {type(value).__name__}, not a tensor or an array")
    host = value.detach()
    if host.device.name not in ("cpu", "numpy"):
        host = host.cpu()
    return _to_array(name, host.numpy())


def _checked(name: str, array: Array) -> Array:
    """`array` as safetensors wants it: dense, row-major, little-endian."""
    if not isinstance(name, str):
        raise TypeError(f"save: names must be str, got {name!r}")
    if name == "__metadata__":
        raise ValueError("save: the name '__metadata__' is reserved by safetensors")
    if array.dtype.newbyteorder("=") not in _NUMPY.values():
        raise TypeError(f"save: {name!r} has dtype {array.dtype}, which pydl lacks")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _spec(array: Array) -> Any:
    """The description of one tensor, in the words of the installed safetensors."""
    name = "bfloat16" if array.dtype == np.uint16 else array.dtype.name
    shape = list(array.shape)
    try:
        from safetensors import TensorSpec
    except ImportError:  # before 0.8
        return {"dtype": name, "shape": shape, "data": array.tobytes()}
    return TensorSpec(dtype=name, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes)


def _sorted_header(blob: bytes) -> tuple[bytes, memoryview]:
    """The same file with sorted metadata: safetensors writes them in a random order.

    `blob` is what safetensors itself has just made, so nothing here parses a stranger's file.
    """
    import json

    end = 8 + int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data stay aligned to 8 bytes
    return len(text).to_bytes(8, "little") + text, memoryview(blob)[end:]
