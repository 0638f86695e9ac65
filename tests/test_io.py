"""Weights files and atomic writing: every byte back, every malformed file refused."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pydl.errors import FormatError
from pydl.io import atomic_write, load, load_arrays, load_metadata, save, save_arrays

DTYPES = ["float32", "float64", "float16", "uint16", "int64", "int32", "uint8", "bool"]


def some_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {name: (rng.random((3, 5)) * 99).astype(name) for name in DTYPES}
    arrays["scalar"] = np.array(2.5, np.float32)
    arrays["empty"] = np.zeros((0, 4), np.float32)
    return arrays


def file_of(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file with any header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


class TestWeights:
    def test_round_trip_of_every_dtype(self, tmp_path: Path) -> None:
        arrays = some_arrays()
        save(arrays, tmp_path / "w.safetensors")
        tensors = load(tmp_path / "w.safetensors")
        assert set(tensors) == set(arrays)
        for name, array in arrays.items():
            got = tensors[name].numpy()
            assert got.shape == array.shape
            np.testing.assert_array_equal(got.view(array.dtype), array)  # of ml_dtypes, perhaps
        assert tensors["uint16"].dtype.name == "bfloat16"
        assert tensors["float64"].device.name == "numpy"
        assert tensors["float32"].device.name == "cpu"

    def test_tensors_are_saved_like_arrays(self, tmp_path: Path) -> None:
        from pydl import from_numpy

        arrays = {k: v for k, v in some_arrays().items() if k != "float64"}
        save(arrays, tmp_path / "a")
        save({k: from_numpy(v.copy()) for k, v in arrays.items()}, tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    def test_any_memory_layout(self, tmp_path: Path) -> None:
        x = np.arange(24, dtype=np.float32).reshape(4, 6)
        arrays = {"t": x.T, "step": x[::2, ::-1], "big": x.astype(">f4")}
        save_arrays(arrays, tmp_path / "w")
        for name, got in load_arrays(tmp_path / "w").items():
            np.testing.assert_array_equal(got, arrays[name])
            assert got.dtype == np.float32
            assert got.flags.writeable

    def test_same_content_same_bytes(self, tmp_path: Path) -> None:
        arrays = some_arrays()
        metadata = {f"key {i}": f'é"\\\n\x01 {i}' for i in range(20)}
        digests = set()
        for i in range(4):
            order = list(arrays) if i % 2 else list(reversed(arrays))
            texts = list(metadata) if i < 2 else list(reversed(metadata))
            save_arrays(
                {k: arrays[k] for k in order}, tmp_path / "w", {k: metadata[k] for k in texts}
            )
            digests.add(hashlib.sha256((tmp_path / "w").read_bytes()).hexdigest())
        assert len(digests) == 1
        assert load_metadata(tmp_path / "w") == metadata
        assert set(load_arrays(tmp_path / "w")) == set(arrays)

    def test_the_reference_implementation_reads_it(self, tmp_path: Path) -> None:
        from safetensors.numpy import load_file

        arrays = {k: v for k, v in some_arrays().items() if k != "uint16"}
        save(arrays, tmp_path / "w", {"b": "2", "a": "1"})
        for name, got in load_file(tmp_path / "w").items():
            np.testing.assert_array_equal(got, arrays[name])

    def test_empty_dict_and_no_metadata(self, tmp_path: Path) -> None:
        save({}, tmp_path / "w")
        assert load(tmp_path / "w") == {}
        assert load_metadata(tmp_path / "w") == {}

    def test_loaded_tensors_outlive_the_file(self, tmp_path: Path) -> None:
        save({"x": np.ones(1000, np.float32)}, tmp_path / "w")
        loaded = load_arrays(tmp_path / "w")["x"]
        save({"x": np.zeros(1000, np.float32)}, tmp_path / "w")
        (tmp_path / "w").write_bytes(b"")
        assert loaded.sum() == 1000

    @pytest.mark.parametrize(
        "value", [np.zeros(2, np.int8), np.array(["a"]), np.array([None]), [1.0], 3]
    )
    def test_what_cannot_be_saved(self, tmp_path: Path, value: Any) -> None:
        with pytest.raises(TypeError, match="save: 'x' "):
            save({"x": value}, tmp_path / "w")
        assert not list(tmp_path.iterdir())

    def test_names_and_metadata_are_text(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="metadata must be str to str"):
            save({}, tmp_path / "w", {"epoch": 3})  # type: ignore[dict-item]
        with pytest.raises(TypeError, match="names must be str"):
            save({1: np.zeros(1)}, tmp_path / "w")  # type: ignore[dict-item]
        with pytest.raises(ValueError, match="reserved"):
            save({"__metadata__": np.zeros(1)}, tmp_path / "w")

    def test_missing_file(self, tmp_path: Path) -> None:
        for read in (load, load_metadata):
            with pytest.raises(FileNotFoundError):
                read(tmp_path / "none")

    MALFORMED: ClassVar = {
        "empty": b"",
        "no header": b"\0" * 8,
        "seven bytes": b"\1" * 7,
        "huge header": b"\xff" * 8 + b"{}",
        "header over 100 MB": (100_000_001).to_bytes(8, "little") + b"{}",
        "not json": file_of(b"{'x': 1}"),
        "not utf-8": file_of(b'{"\xff\xfe": 1}'),
        "array": file_of(b"[]"),
        "deep": file_of(b"[" * 100_000),
        "trailing byte": file_of({}, b"x"),
        "truncated": file_of(entry(), b"123"),
        "hole": file_of(entry(offsets=(4, 8)), b"12345678"),
        "offsets backwards": file_of(entry(offsets=(4, 0)), b"1234"),
        "offsets unlike shape": file_of(entry(shape=(2,)), b"1234"),
        "shape overflows": file_of(entry(shape=(2**62, 2**62)), b"1234"),
        "negative shape": file_of(entry(shape=(-1,)), b"1234"),
        "float shape": file_of(entry(shape=(1.5,)), b"1234"),
        "infinite shape": file_of(b'{"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}'),
        "unknown dtype": file_of(entry("F31"), b"1234"),
        "no shape": file_of({"x": {"dtype": "F32", "data_offsets": [0, 4]}}, b"1234"),
        "metadata not text": file_of({"__metadata__": {"a": 1}}),
    }

    @pytest.mark.parametrize("name", MALFORMED)
    def test_malformed(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(self.MALFORMED[name])
        for read in (load, load_metadata):
            with pytest.raises(FormatError, match="not a valid safetensors file") as caught:
                read(path)
            assert str(caught.value).startswith(f"{path}: ")

    @pytest.mark.parametrize(("dtype", "size"), [("I8", 1), ("U16", 2), ("U64", 8)])
    def test_dtypes_pydl_lacks(self, tmp_path: Path, dtype: str, size: int) -> None:
        (tmp_path / "w").write_bytes(file_of(entry(dtype, offsets=(0, size)), b"\0" * size))
        with pytest.raises(FormatError, match=f"tensor 'x' has dtype {dtype}"):
            load(tmp_path / "w")

    def test_too_many_dimensions(self, tmp_path: Path) -> None:
        (tmp_path / "w").write_bytes(file_of(entry(shape=(1,) * 100), b"1234"))
        with pytest.raises(FormatError, match="tensor 'x' of shape"):
            load(tmp_path / "w")

    def test_mutated_files_load_or_are_refused(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        path = tmp_path / "w"
        save(some_arrays(), path, {"a": "b", "c": "d"})
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        refused = 0
        for _ in range(2000):
            mutated = whole[: rng.integers(1, len(whole) + 1)].copy()
            if rng.random() < 0.5:
                mutated = whole.copy()
                at = rng.integers(0, 700, rng.integers(1, 4))
                mutated[at] = rng.integers(0, 256, len(at))
            path.write_bytes(mutated.tobytes())
            for read in (load, load_metadata):
                message = ""
                try:
                    read(path)
                except FormatError as e:
                    message = str(e)
                assert not message or message.startswith(f"{path}: ")
                refused += bool(message)
        assert refused > 2000


class TestAtomicWrite:
    def test_writes_bytes_and_text(self, tmp_path: Path) -> None:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"\0\n")
        with atomic_write(tmp_path / "b", "w") as file:
            file.write("é")
        assert (tmp_path / "a").read_bytes() == b"\0\n"
        assert (tmp_path / "b").read_bytes() == "é".encode()
        with pytest.raises(ValueError, match='mode must be "wb" or "w"'), atomic_write("x", "ab"):
            pass

    @pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, GeneratorExit, SystemExit])
    def test_an_error_leaves_everything_as_it_was(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        path = tmp_path / "w"
        path.write_bytes(b"old")
        with pytest.raises(error), atomic_write(path) as file:  # noqa: PT012
            file.write(b"new")
            raise error
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["w"]

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_a_full_disk_leaves_everything_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        def fail(*args: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        path = tmp_path / "w"
        save({"x": np.ones(3, np.float32)}, path)
        before = path.read_bytes()
        monkeypatch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            save({"x": np.zeros(9, np.float32)}, path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["w"]

    def test_synced_before_and_after_the_rename(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []
        fsync, replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("sync"), fsync(fd)))
        monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
        with atomic_write(tmp_path / "w") as file:
            file.write(b"1")
        assert calls == ["sync", "rename", "sync"]

    @pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
    def test_permissions(self, tmp_path: Path) -> None:
        old = os.umask(0o027)
        try:
            with atomic_write(tmp_path / "new") as file:
                file.write(b"1")
            (tmp_path / "old").write_bytes(b"0")
            (tmp_path / "old").chmod(0o604)
            with atomic_write(tmp_path / "old") as file:
                file.write(b"1")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
        assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o604

    @pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "target").write_bytes(b"old")
        (tmp_path / "link").symlink_to("folder/target")
        with atomic_write(tmp_path / "link") as file:
            file.write(b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "target").read_bytes() == b"new"

    def test_only_regular_files_are_replaced(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="not a regular file"), atomic_write(tmp_path):
            pass

    @pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
    def test_killed_while_writing(self, tmp_path: Path) -> None:
        (tmp_path / "w").write_bytes(b"old")
        code = (
            "import sys, time; from pydl.io.files import atomic_write\n"
            "with atomic_write(sys.argv[1]) as file:\n"
            "    file.write(b'n' * 100_000); file.flush(); print('ready', flush=True)\n"
            "    time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "w")], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert (tmp_path / "w").read_bytes() == b"old"
