"""IDX files: what is written comes back, and nothing hostile does any harm."""

from __future__ import annotations

import gzip
import lzma
import math
import os
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from pydl.data import read_idx, write_idx
from pydl.errors import FormatError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def idx(code: int, shape: tuple[int, ...], data: bytes = b"", magic: bytes = b"\0\0") -> bytes:
    """An IDX file, right or wrong."""
    sizes = b"".join(n.to_bytes(4, "big") for n in shape)
    return magic + bytes([code, len(shape)]) + sizes + data


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["x", "x.gz"])
@pytest.mark.parametrize("shape", [(5,), (0,), (3, 0, 2), (2, 3, 4)])
def test_round_trip(tmp_path: Path, dtype: str, name: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    write_idx(tmp_path / name, values)
    got = read_idx(tmp_path / name)
    assert got.dtype == values.dtype
    assert got.shape == shape
    assert got.flags.writeable
    np.testing.assert_array_equal(got, values)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "x", np.array([[1, -2]], np.int32))
    want = b"\0\0\x0c\x02" + b"\0\0\0\x01" + b"\0\0\0\x02" + b"\0\0\0\x01" + b"\xff\xff\xff\xfe"
    assert (tmp_path / "x").read_bytes() == want


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    plain = idx(8, (2,), b"ab")
    (tmp_path / "x.gz").write_bytes(plain)
    (tmp_path / "y").write_bytes(gzip.compress(plain))
    (tmp_path / "z").write_bytes(lzma.compress(plain))
    for name in ("x.gz", "y", "z"):
        assert read_idx(tmp_path / name).tobytes() == b"ab"


def test_gzip_of_several_members(tmp_path: Path) -> None:
    plain = idx(8, (4,), b"abcd")
    (tmp_path / "x").write_bytes(gzip.compress(plain[:7]) + gzip.compress(plain[7:]))
    assert read_idx(tmp_path / "x").tobytes() == b"abcd"


def test_a_large_gzip_passes_every_buffer_size(tmp_path: Path) -> None:
    values = np.arange(3_000_001, dtype=np.uint32).astype(np.uint8)
    write_idx(tmp_path / "x.gz", values)
    np.testing.assert_array_equal(read_idx(tmp_path / "x.gz"), values)


def test_what_idx_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no dtype int64"):
        write_idx(tmp_path / "x", np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="no shape"):
        write_idx(tmp_path / "x", np.zeros((), np.uint8))
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


GOOD = idx(8, (2, 3), b"abcdef")
BROKEN = {
    "empty": (b"", "truncated: 0 bytes"),
    "three bytes": (GOOD[:3], "truncated: 3 bytes"),
    "magic": (idx(8, (2,), b"ab", magic=b"\0\1"), "not an IDX file: magic number 0x0001"),
    "html": (b"<!DOCTYPE html>", "not an IDX file"),
    "type": (idx(0x0A, (2,), b"ab"), "unknown IDX type code 0x0a"),
    "no dimensions": (idx(8, (), b"a"), "0 dimensions"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"a", "255 dimensions"),
    "no sizes": (GOOD[:7], "truncated within the sizes of 2 dimensions"),
    "too little": (GOOD[:-1], r"says 6 bytes of data \(shape \(2, 3\)\), the file has 5"),
    "too much": (GOOD + b"x", "says 6 bytes"),
    "no data": (GOOD[:12], "says 6 bytes"),
    "overflow to 0": (idx(8, (2**31, 2**31, 4)), "says 18446744073709551616 bytes"),
    "overflow to 6": (idx(8, (2**32 - 1,) * 3, b"abcdef"), "bytes of data"),
    "terabytes": (idx(0x0E, (2**20, 2**20), b"abcdef"), "says 8796093022208 bytes"),
    "empty but huge": (idx(8, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)), "larger than any memory"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path: Path, name: str, packed: bool) -> None:
    content, reason = BROKEN[name]
    path = tmp_path / "file.idx"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(FormatError, match=reason) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")


GZIPPED = gzip.compress(idx(8, (2, 3), b"abcdef"))
BROKEN_GZIP = {
    "truncated": (GZIPPED[:-9], "truncated: the gzip data have no end"),
    "no checksum": (GZIPPED[:-8], "truncated: the gzip data have no end"),
    "wrong checksum": (GZIPPED[:-8] + b"\0\0\0\0" + GZIPPED[-4:], "corrupt gzip data"),
    "wrong length": (GZIPPED[:-4] + b"\0\0\0\0", "corrupt gzip data"),
    "garbage after": (GZIPPED + b"garbage", "garbage after gzip data"),
    "another member": (GZIPPED + gzip.compress(b"x"), "the file has more"),
    "header only": (GZIPPED[:5], "truncated"),
    "two bytes": (GZIPPED[:2], "truncated"),
}


@pytest.mark.parametrize("name", BROKEN_GZIP)
def test_broken_gzip(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN_GZIP[name]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        read_idx(tmp_path / "x")


def peak_of_refusal(path: Path) -> int:
    """Bytes allocated, at most, while `path` is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def zeros_gzipped(path: Path, header: bytes, count: int) -> None:
    """A gzip file whose content is `header` and then `count` zeros, made without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    with open(path, "wb") as file:
        file.write(packer.compress(header))
        for _ in range(count >> 20):
            file.write(packer.compress(block))
        file.write(packer.flush())


def test_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    zeros_gzipped(path, idx(8, (10, 28, 28)), 1 << 28)
    began = time.monotonic()
    assert peak_of_refusal(path) < 4 << 20
    assert time.monotonic() - began < 1.0


def test_header_that_claims_more_than_gzip_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "liar.gz"
    path.write_bytes(gzip.compress(idx(8, (2**31,), b"abc")))
    assert peak_of_refusal(path) < 1 << 20
    with pytest.raises(FormatError, match="the file has at most"):
        read_idx(path)


def test_header_that_claims_twice_what_is_there(tmp_path: Path) -> None:
    # The claim is one that gzip could hold, so only the data can disprove it.
    path = tmp_path / "liar.gz"
    zeros_gzipped(path, idx(8, (1 << 25,)), 1 << 24)
    assert peak_of_refusal(path) < (1 << 25) + (4 << 20)


def test_honest_file_costs_no_more_than_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    write_idx(path, np.zeros(1 << 24, np.uint8))
    tracemalloc.start()
    try:
        read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (1 << 24) + (4 << 20)


def mutate(rng: np.random.Generator, whole: bytes) -> bytes:
    """Changes, cuts, repeats or adds bytes; headers more often than the rest."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(0, 5)
        at = int(rng.integers(0, min(len(data), 24) if rng.random() < 0.6 else len(data)))
        if kind == 0:
            data[at] = int(rng.integers(0, 256))
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        else:
            del data[max(at, 1) :]
        if not data:
            return b""
    return bytes(data)


def test_thousands_of_mutated_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path
    path = folder / f"pydl-idx-{os.getpid()}"
    seeds = [idx(8, (4, 5, 6), bytes(range(120))), idx(0x0D, (7, 3), rng.bytes(84)), GOOD]
    seeds += [gzip.compress(seed) for seed in seeds]
    accepted = 0
    tracemalloc.start()
    try:
        for i in range(6000):
            content = mutate(rng, seeds[i % len(seeds)])
            path.write_bytes(content)
            message = f"{path}: "
            try:
                array = read_idx(path)
            except FormatError as e:
                message = str(e)
            else:
                accepted += 1
                assert math.prod(array.shape) * array.itemsize <= 1032 * max(len(content), 1)
            assert message.startswith(f"{path}: ")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        path.unlink()
    assert 0 < accepted < 3000
    assert peak < 8 << 20
