"""Where data sets are looked for, how they are downloaded, and what hostile files achieve.

No network: mirrors are served from this process, on the loopback interface.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydl.data import (
    DatasetNotFound,
    DownloadError,
    cache,
    cache_folder,
    cifar,
    cifar10,
    datasets,
    digits,
    fashion_mnist,
    image_folder,
    iris,
    mnist,
    write_idx,
)
from pydl.data.cache import RemoteFile, download
from pydl.errors import FormatError

REAL_DATA = os.environ.get("PYDL_DATA")


@pytest.fixture(autouse=True)
def no_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the data sets of this machine; makes the retries of a download quick."""
    monkeypatch.delenv("PYDL_DATA", raising=False)
    monkeypatch.setenv("PYDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(cache, "PAUSE", 0.0)
    monkeypatch.setattr(cache, "TIMEOUT", 5.0)


def write_mnist(folder: Path, train: int = 5, shade: int = 7, suffix: str = ".gz") -> Path:
    """A small data set with the files of MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", 3)):
        images = np.full((count, 28, 28), shade, np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", images)
        labels = np.arange(count, dtype=np.uint8) % 10
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", labels)
    return folder


class TestSearch:
    def test_what_a_data_set_looks_like(self, tmp_path: Path) -> None:
        data = mnist(write_mnist(tmp_path / "d"))
        assert data.name == "mnist"
        assert data.classes == tuple("0123456789")
        assert data.source == str(tmp_path / "d")
        images, labels = data.train
        assert images.shape == (5, 1, 28, 28)
        assert images.dtype == np.uint8
        assert labels.shape == (5,)
        assert labels.dtype == np.int64
        assert len(data.train) == 5
        assert len(data.test) == 3
        assert data.train.images is images

    @pytest.mark.parametrize("suffix", [".gz", ""])
    def test_order_of_the_places(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        monkeypatch.setenv("PYDL_DATA", str(tmp_path / "env"))
        write_mnist(tmp_path / "system" / "mnist", 2, suffix=suffix)
        assert len(mnist().train) == 2
        write_mnist(tmp_path / "env", 3, suffix=suffix)
        assert len(mnist().train) == 3
        write_mnist(tmp_path / "env" / "mnist", 4, suffix=suffix)
        assert len(mnist().train) == 4
        write_mnist(tmp_path / "root" / "mnist", 5, suffix=suffix)
        assert len(mnist(tmp_path / "root").train) == 5
        assert len(mnist(tmp_path / "root" / "mnist").train) == 5

    def test_root_excludes_all_other_places(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYDL_DATA", str(write_mnist(tmp_path / "env")))
        root = write_mnist(tmp_path / "root")
        (root / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(DatasetNotFound) as caught:
            mnist(root)
        assert "lacks t10k-labels-idx1-ubyte[.gz]" in str(caught.value)
        assert str(tmp_path / "env") not in str(caught.value)
        with pytest.raises(DatasetNotFound, match="no such folder"):
            mnist(tmp_path / "none")

    def test_the_error_tells_where_and_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            mnist(download=False)
        text = str(caught.value)
        for part in (
            "mnist was not found",
            "PYDL_DATA: not set",
            f"{tmp_path}/system/mnist (system): no such folder",
            f"{tmp_path}/cache/mnist (cache): no such folder",
            "not tried, as download=False",
            "train-images-idx3-ubyte.gz",
            "pass root=F",
        ):
            assert part in text

    def test_mnist_is_not_taken_for_fashion_mnist(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_mnist(tmp_path)
        labels = np.repeat(np.arange(10, dtype=np.uint8), datasets._MNIST_COUNTS)
        write_idx(tmp_path / "train-labels-idx1-ubyte.gz", labels)
        with pytest.raises(DatasetNotFound, match="its files are those of mnist"):
            fashion_mnist(tmp_path)
        monkeypatch.setenv("PYDL_DATA", str(tmp_path))
        write_mnist(tmp_path / "system" / "fashion-mnist", 4)
        assert len(fashion_mnist().train) == 4

    def test_malformed_files_are_not_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYDL_DATA", str(write_mnist(tmp_path / "env")))
        write_mnist(tmp_path / "system" / "mnist")
        path = tmp_path / "env" / "train-images-idx3-ubyte.gz"
        write_idx(path, np.zeros((5, 28, 27), np.uint8))
        with pytest.raises(FormatError, match="expected uint8 images"):
            mnist()
        write_idx(path, np.zeros((4, 28, 28), np.uint8))
        with pytest.raises(FormatError, match="5 labels for 4 images"):
            mnist()
        write_idx(tmp_path / "env" / "t10k-labels-idx1-ubyte.gz", np.full(3, 10, np.uint8))
        write_idx(path, np.zeros((5, 28, 28), np.uint8))
        with pytest.raises(FormatError, match="label 10, expected 0 to 9"):
            mnist()

    def test_cache_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert cache_folder() == tmp_path / "cache"
        monkeypatch.delenv("PYDL_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "pydl"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        monkeypatch.setenv("HOME", "/home/someone")
        if sys.platform == "linux":
            assert cache_folder() == Path("/home/someone/.cache/pydl")

    @pytest.mark.skipif(not REAL_DATA, reason="PYDL_DATA is not set: no real MNIST to read")
    def test_real_mnist(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYDL_DATA", str(REAL_DATA))
        data = mnist(download=False)
        assert data.train.images.shape == (60000, 1, 28, 28)
        assert data.test.images.shape == (10000, 1, 28, 28)
        assert np.bincount(data.train.labels).tolist() == datasets._MNIST_COUNTS
        hashes = [remote.content_sha256 for remote in datasets._MNIST.remotes]
        for part, want in ((data.train, hashes[0]), (data.test, hashes[2])):
            header = b"\0\0\x08\x03" + np.array([len(part), 28, 28], ">u4").tobytes()
            assert hashlib.sha256(header + part.images.tobytes()).hexdigest() == want


class Mirror:
    """An HTTP server with files in memory, whose moods a test can choose."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.ranges = True
        self.drop_after: list[int] = []  # bytes after which successive answers break off
        self.length = True
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers["Range"]
        self.requests.append((request.path, wanted))
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        if start >= len(content) > 0:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.length:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        stop = start + self.drop_after.pop(0) if self.drop_after else len(content)
        request.wfile.write(content[start:stop])


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    yield server
    server.server.shutdown()
    server.server.server_close()


CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def remote(mirror: Mirror) -> RemoteFile:
    mirror.files["/a"] = CONTENT
    return RemoteFile("a", (f"{mirror.url}/a",), 400_000, hashlib.sha256(CONTENT).hexdigest())


class TestDownload:
    def test_whole_and_only_once(self, tmp_path: Path, mirror: Mirror, remote: RemoteFile) -> None:
        for _ in range(2):
            assert download(remote, tmp_path / "new" / "folder").read_bytes() == CONTENT
        assert mirror.requests == [("/a", None)]
        assert os.listdir(tmp_path / "new" / "folder") == ["a"]

    def test_dropped_connection_is_continued(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile
    ) -> None:
        mirror.drop_after = [100_000, 50_000, 0]
        assert download(remote, tmp_path).read_bytes() == CONTENT
        ranges = [wanted for _, wanted in mirror.requests]
        assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]

    def test_an_earlier_attempt_is_continued(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile
    ) -> None:
        (tmp_path / "a.part").write_bytes(CONTENT[:123_456])
        assert download(remote, tmp_path).read_bytes() == CONTENT
        assert mirror.requests == [("/a", "bytes=123456-")]

    def test_a_complete_part_is_not_fetched_again(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile
    ) -> None:
        (tmp_path / "a.part").write_bytes(CONTENT)
        assert download(remote, tmp_path).read_bytes() == CONTENT
        assert mirror.requests == [("/a", "bytes=300000-")]

    def test_a_server_without_ranges(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile
    ) -> None:
        mirror.ranges = False
        (tmp_path / "a.part").write_bytes(b"x" * 1000)
        assert download(remote, tmp_path).read_bytes() == CONTENT

    def test_a_wrong_part_is_thrown_away(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile
    ) -> None:
        (tmp_path / "a.part").write_bytes(b"x" * 1000)
        assert download(remote, tmp_path).read_bytes() == CONTENT
        assert [wanted for _, wanted in mirror.requests] == ["bytes=1000-", None]

    def test_a_damaged_copy_is_replaced(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile
    ) -> None:
        (tmp_path / "a").write_bytes(b"damaged")
        assert download(remote, tmp_path).read_bytes() == CONTENT

    def test_the_next_mirror(self, tmp_path: Path, mirror: Mirror, remote: RemoteFile) -> None:
        mirror.files["/wrong"] = b"something else"
        urls = ("http://127.0.0.1:9/refused", f"{mirror.url}/none", f"{mirror.url}/wrong")
        both = replace(remote, urls=(*urls, *remote.urls))
        assert download(both, tmp_path).read_bytes() == CONTENT
        with pytest.raises(DownloadError) as caught:
            download(replace(remote, name="b", urls=(*urls, "file:///etc/passwd")), tmp_path)
        for reason in ("refused", "HTTP 404", "SHA-256 is", "neither http nor https"):
            assert reason in str(caught.value)
        assert os.listdir(tmp_path) == ["a"]

    @pytest.mark.parametrize("length", [True, False])
    def test_more_than_expected(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile, length: bool
    ) -> None:
        mirror.length = length
        with pytest.raises(DownloadError, match="more than the 1000"):
            download(replace(remote, limit=1000), tmp_path)
        assert os.listdir(tmp_path) == []

    def test_unknown_length(self, tmp_path: Path, mirror: Mirror, remote: RemoteFile) -> None:
        mirror.length = False
        assert download(remote, tmp_path).read_bytes() == CONTENT

    def test_interrupt_keeps_what_came(
        self, tmp_path: Path, mirror: Mirror, remote: RemoteFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(self: Any, n: int) -> None:
            if self.done > 100_000:
                raise KeyboardInterrupt
            self.done += n

        with monkeypatch.context() as patch:
            patch.setattr(cache.Progress, "update", interrupt)
            with pytest.raises(KeyboardInterrupt):
                download(remote, tmp_path)
        kept = (tmp_path / "a.part").read_bytes()
        assert len(kept) > 100_000
        assert CONTENT.startswith(kept)
        assert not (tmp_path / "a").exists()
        assert download(remote, tmp_path).read_bytes() == CONTENT
        assert mirror.requests[-1] == ("/a", f"bytes={len(kept)}-")

    def test_a_full_disk_is_not_the_mirrors_fault(
        self, tmp_path: Path, remote: RemoteFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(fd: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            download(remote, tmp_path)

    def test_two_at_once(self, tmp_path: Path, mirror: Mirror, remote: RemoteFile) -> None:
        results: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: results.append(download(remote, tmp_path).read_bytes()))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [CONTENT] * 4
        assert os.listdir(tmp_path) == ["a"]

    def test_content_hash_of_differently_packed_files(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.files["/a.gz"] = gzip.compress(b"content", compresslevel=1)
        remote = RemoteFile(
            "a.gz",
            (f"{mirror.url}/a.gz",),
            1000,
            content_sha256=hashlib.sha256(b"content").hexdigest(),
            content_limit=7,
        )
        download(remote, tmp_path)
        mirror.files["/a.gz"] = gzip.compress(bytes(10_000_000))
        with pytest.raises(DownloadError, match=r"more than 7 bytes|more than the 1000"):
            download(replace(remote, name="b.gz"), tmp_path)

    def test_a_data_set_through_the_cache(
        self, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = write_mnist(tmp_path / "server")
        remotes = []
        for path in sorted(files.iterdir()):
            mirror.files[f"/{path.name}"] = blob = path.read_bytes()
            sha256 = hashlib.sha256(blob).hexdigest()
            remotes.append(RemoteFile(path.name, (f"{mirror.url}/{path.name}",), 10_000, sha256))
        monkeypatch.setattr(datasets, "_MNIST", replace(datasets._MNIST, remotes=tuple(remotes)))
        for _ in range(2):
            data = mnist()
            assert len(data.train) == 5
            assert data.source == str(tmp_path / "cache" / "mnist")
        assert len(mirror.requests) == 4
        damaged = tmp_path / "cache" / "mnist" / "train-labels-idx1-ubyte.gz"
        write_idx(damaged, np.zeros(5, np.uint8))  # well-formed, but not what was published
        with pytest.raises(DatasetNotFound, match=r"damaged: .*SHA-256"):
            mnist(download=False)
        assert mnist().train.labels.tolist() == [0, 1, 2, 3, 4]
        assert len(mirror.requests) == 5
        damaged.unlink()
        mirror.files.clear()
        with pytest.raises(DatasetNotFound, match="HTTP 404"):
            mnist()


def cifar_batch(seed: int, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3072), np.uint8), rng.integers(0, 10, count)


def binary_batch(seed: int) -> bytes:
    images, labels = cifar_batch(seed)
    return np.hstack([labels[:, None].astype(np.uint8), images]).tobytes()


def python_batch(seed: int, protocol: int = 2) -> bytes:
    images, labels = cifar_batch(seed)
    names = [f"image {i}".encode() for i in range(len(labels))]
    batch = {b"batch_label": b"training", b"labels": labels.tolist(), b"data": images}
    return pickle.dumps({**batch, b"filenames": names}, protocol)


def python2_batch() -> bytes:
    """A batch as Python 2's cPickle wrote the release: byte strings all over."""

    def text(s: bytes) -> bytes:
        return b"U" + bytes([len(s)]) + s

    images, labels = cifar_batch(6)
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    blob = images.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
    array += text(b"b") + b"\x87R(K\1K\3M\0\x0c\x86" + dtype
    array += b"\x89T" + len(blob).to_bytes(4, "little") + blob + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([n]) for n in labels) + b"e"
    return b"\x80\2}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def tar_of(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload]
        for name, blob in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(blob)
            tar.addfile(info, io.BytesIO(blob))
    return file.getvalue()


BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def binary_release() -> dict[str, bytes]:
    return {f"cifar-10-batches-bin/{n}.bin": binary_batch(i) for i, n in enumerate(BATCHES, 1)}


def python_release(protocol: int = 2) -> dict[str, bytes]:
    files = {
        f"cifar-10-batches-py/{n}": python_batch(i, protocol) for i, n in enumerate(BATCHES, 1)
    }
    return {"cifar-10-batches-py/readme.html": b"<html>", **files}


class TestCifar:
    def check(self, root: Path) -> None:
        data = cifar10(root)
        parts = [cifar_batch(i) for i in range(1, 7)]
        images = np.concatenate([images for images, _ in parts[:5]]).reshape(-1, 3, 32, 32)
        np.testing.assert_array_equal(data.train.images, images)
        np.testing.assert_array_equal(
            data.train.labels, np.concatenate([labels for _, labels in parts[:5]])
        )
        np.testing.assert_array_equal(data.test.images, parts[5][0].reshape(-1, 3, 32, 32))
        np.testing.assert_array_equal(data.test.labels, parts[5][1])
        assert data.train.images.dtype == np.uint8
        assert data.test.labels.dtype == np.int64
        assert data.train.images.flags.writeable
        assert data.classes[9] == "truck"

    @pytest.mark.parametrize("form", ["binary", "python"])
    def test_release_archived_and_unpacked(self, tmp_path: Path, form: str) -> None:
        files = binary_release() if form == "binary" else python_release()
        (tmp_path / f"cifar-10-{form}.tar.gz").write_bytes(tar_of(files))
        self.check(tmp_path)
        unpacked = tmp_path / "unpacked"
        for name, blob in files.items():
            (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).write_bytes(blob)
        self.check(unpacked)
        self.check(unpacked / os.listdir(unpacked)[0])

    @pytest.mark.parametrize("protocol", range(5))
    def test_python_batches_of_any_protocol(self, protocol: int) -> None:
        images, labels = cifar.parse_python(python_batch(6, protocol), "b")
        np.testing.assert_array_equal(images.reshape(3, -1), cifar_batch(6)[0])
        assert labels.tolist() == cifar_batch(6)[1].tolist()

    def test_python_2_batch(self) -> None:
        images, labels = cifar.parse_python(python2_batch(), "b")
        np.testing.assert_array_equal(images.reshape(3, -1), cifar_batch(6)[0])
        assert labels.tolist() == cifar_batch(6)[1].tolist()

    def test_incomplete_or_malformed(self, tmp_path: Path) -> None:
        path = tmp_path / "cifar-10-binary.tar.gz"
        files = binary_release()
        del files["cifar-10-batches-bin/data_batch_3.bin"]
        path.write_bytes(tar_of(files))
        with pytest.raises(FormatError, match=r"lacks data_batch_3.bin"):
            cifar10(tmp_path)
        path.write_bytes(path.read_bytes()[:-500])
        with pytest.raises(FormatError, match="truncated"):
            cifar10(tmp_path)
        path.write_bytes(b"no archive")
        with pytest.raises(FormatError, match="not a valid tar archive"):
            cifar10(tmp_path)
        path.unlink()
        with pytest.raises(DatasetNotFound, match=r"cifar-10-binary.tar.gz or "):
            cifar10(tmp_path)
        with pytest.raises(FormatError, match="no whole number of records"):
            cifar.parse_binary(binary_batch(1)[:-1], "b")
        with pytest.raises(FormatError, match="labels from 10 to 10"):
            cifar.parse_binary(bytes([10]) + bytes(3072), "b")


class Attack:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def with_data(data: Any, labels: Any = (1,)) -> bytes:
    return pickle.dumps({b"data": data, b"labels": list(labels)}, 2)


HOSTILE = {
    "system": pickle.dumps(Attack(os.system, "touch /tmp/pydl-was-here")),
    "eval": pickle.dumps({b"data": Attack(eval, "1/0"), b"labels": [1]}, 2),
    "getattr": pickle.dumps(Attack(getattr, "x", "upper"), 4),
    "open": pickle.dumps(Attack(open, "/tmp/pydl-was-here", "w"), 2),
    "numpy load": with_data(Attack(np.load, "/etc/passwd")),
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
    "object array": with_data(np.array([[None]])),
    "float array": with_data(np.zeros((1, 3072))),
    "wrong shape": with_data(np.zeros((1, 3071), np.uint8)),
    "fortran order": with_data(np.asfortranarray(np.zeros((2, 3072), np.uint8)), (1, 2)),
    "labels too many": with_data(np.zeros((1, 3072), np.uint8), (1, 2)),
    "labels not numbers": with_data(np.zeros((1, 3072), np.uint8), ("1",)),
    "labels too large": with_data(np.zeros((1, 3072), np.uint8), (2**70,)),
    "labels negative": with_data(np.zeros((1, 3072), np.uint8), (-1,)),
    "no data": pickle.dumps({b"labels": [1]}, 2),
    "data is text": with_data("text"),
    "a list": pickle.dumps([1, 2], 2),
    "empty": b"",
    "truncated": python_batch(1)[:-100],
    "memo bomb": b"\x80\x02Nr\xff\xff\xff\x7f0.",
    "bytearray bomb": b"\x80\x05\x96\0\0\0\0\x10\0\0\0.",
    "length bomb": b"\x80\x04\x8e\0\0\0\0\x10\0\0\0.",
    "protocol 5": python_batch(1, protocol=5),  # NumPy needs more names for it; no copy has it
    "persistent id": b"\x80\x02U\x01xQ.",
    "extension code": b"\x80\x02\x82\x01.",
    "build on a name": b"\x80\x02cnumpy\nndarray\n}U\x01xU\x01ysb.",
    "reconstruct elsewhere": b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
    "codec": b"\x80\x02c_codecs\nencode\nX\1\0\0\0aX\4\0\0\0zlib\x86R.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused(name: str) -> None:
    with pytest.raises(FormatError) as caught:
        cifar.parse_python(HOSTILE[name], "batch")
    assert str(caught.value).startswith("batch: ")
    assert not os.path.exists("/tmp/pydl-was-here")


def test_mutated_pickles_load_or_are_refused() -> None:
    rng = np.random.default_rng(3)
    whole = np.frombuffer(python2_batch(), np.uint8)
    for _ in range(1500):
        mutated = whole.copy()
        at = rng.choice([rng.integers(0, 200), rng.integers(0, len(whole)), len(whole) - 12])
        mutated[at : at + 2] = rng.integers(0, 256, len(mutated[at : at + 2]))
        message = "batch: "
        try:
            cifar.parse_python(mutated.tobytes(), "batch")
        except FormatError as e:
            message = str(e)
        assert message.startswith("batch: ")


class TestJpegTar:
    @staticmethod
    def jpeg(shade: int, size: tuple[int, int] = (32, 32)) -> bytes:
        image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
        file = io.BytesIO()
        image.new("RGB", size, (shade, 0, 255 - shade)).save(file, "JPEG", quality=95)
        return file.getvalue()

    def members(self) -> dict[str, bytes]:
        return {
            "train/cat/0001.jpg": self.jpeg(200),
            "train/airplane/0000.jpg": self.jpeg(100),
            "train/cat/notes.txt": b"ignored",
            "test/truck/0000.jpg": self.jpeg(50),
        }

    def write(self, root: Path, members: dict[str, bytes]) -> Path:
        root.mkdir(exist_ok=True)
        (root / "cifar10-jpeg.tar.xz").write_bytes(tar_of(members, "w:xz"))
        return root

    def test_decoded_and_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = self.write(tmp_path / "root", self.members())
        for turn in ("decoded", "kept", "damaged", "decoded again"):
            data = cifar10(root)
            assert data.train.labels.tolist() == [0, 3]
            assert data.test.labels.tolist() == [9]
            assert data.train.images.shape == (2, 3, 32, 32)
            means = data.train.images.mean((2, 3))
            np.testing.assert_allclose(means, [[100, 0, 155], [200, 0, 55]], atol=4)
            assert sorted(os.listdir(root)) == ["cifar10-jpeg.tar.xz"]
            (kept,) = (tmp_path / "cache" / "cifar10").iterdir()
            if turn == "kept":
                blob = bytearray(kept.read_bytes())
                blob[-1] ^= 1
                kept.write_bytes(blob)
        with monkeypatch.context() as patch:
            patch.setattr(cifar, "read_jpegs", None)
            cifar10(root)

    def test_a_cache_that_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("PYDL_CACHE", str(tmp_path / "file"))
        assert len(cifar10(self.write(tmp_path / "root", self.members())).train) == 2

    @pytest.mark.parametrize(
        "name", ["../evil.jpg", "/etc/evil.jpg", "train/../../evil.jpg", "C:/evil", "a\\..\\evil"]
    )
    def test_names_that_lead_out(self, tmp_path: Path, name: str) -> None:
        self.write(tmp_path, {**self.members(), name: b"x"})
        with pytest.raises(FormatError, match="lies outside the archive's folder"):
            cifar10(tmp_path)

    @pytest.mark.parametrize(
        "kind",
        [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    )
    def test_links_and_devices(self, tmp_path: Path, kind: bytes) -> None:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:xz") as tar:
            info = tarfile.TarInfo("train/cat/0001.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        (tmp_path / "cifar10-jpeg.tar.xz").write_bytes(file.getvalue())
        with pytest.raises(FormatError, match="is a link or a special file"):
            cifar10(tmp_path)

    def test_bad_images(self, tmp_path: Path) -> None:
        for blob, reason in (
            (b"no jpeg", "train/cat/9.jpg: not a valid JPEG file"),
            (self.jpeg(1)[:-300], "not a valid JPEG file"),
            (self.jpeg(1, (64, 32)), "an image of 64 x 32 pixels"),
            (bytes(70_000), "has 70000 bytes"),
        ):
            self.write(tmp_path, {**self.members(), "train/cat/9.jpg": blob})
            with pytest.raises(FormatError, match=reason):
                cifar10(tmp_path)
        self.write(tmp_path, {"train/cat/0.jpg": self.jpeg(1)})
        with pytest.raises(FormatError, match="no test/<class>"):
            cifar10(tmp_path)

    def test_bombs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cifar, "_TAR_LIMIT", 1 << 20)
        self.write(tmp_path, {"bomb": bytes(2 << 20)})
        with pytest.raises(FormatError, match="more than 1048576 bytes of content"):
            cifar10(tmp_path)
        monkeypatch.setattr(cifar, "_TAR_MEMBERS", 3)
        self.write(tmp_path, self.members())
        with pytest.raises(FormatError, match="more than 3 members"):
            cifar10(tmp_path)

    def test_without_pillow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(tmp_path, self.members())
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(ImportError, match=r'pip install "pydl-nn\[demos\]"'):
            cifar10(tmp_path)


class TestImageFolder:
    def write(self, path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
        """A picture whose left half is black, its right half white."""
        image = pytest.importorskip("PIL.Image")
        pixels = np.zeros((size[1], size[0]), np.uint8)
        pixels[:, size[0] // 2 :] = 255
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).convert(mode).save(path)

    def test_classes_sizes_and_order(self, tmp_path: Path) -> None:
        for i in range(12):
            self.write(tmp_path / "b" / f"{i:02}.png", (30, 20))
        self.write(tmp_path / "a" / "deep" / "x.JPG", (16, 64), "L")
        self.write(tmp_path / "a" / "y.gif", (16, 16), "P")
        self.write(tmp_path / ".hidden" / "z.png", (16, 16))
        (tmp_path / "a" / "notes.txt").write_text("no picture")
        data = image_folder(tmp_path, 8)
        assert data.name == tmp_path.name
        assert data.classes == ("a", "b")
        assert data.train.images.shape == (13, 3, 8, 8)
        assert data.train.images.dtype == np.uint8
        assert data.train.labels.tolist() == [0] * 2 + [1] * 11
        assert data.test.labels.tolist() == [1]
        for image in data.train.images:  # the middle square, not squeezed
            assert image[:, :, :3].max() < 60
            assert image[:, :, 5:].min() > 195
        grey = image_folder(tmp_path / "b", 4, channels=1)
        assert grey.train.images.shape == (11, 1, 4, 4)
        assert grey.classes == ("b",)

    def test_a_photograph_is_turned_upright(self, tmp_path: Path) -> None:
        image = pytest.importorskip("PIL.Image")
        pixels = np.zeros((8, 8), np.uint8)
        pixels[:, 4:] = 255
        exif = image.Exif()
        exif[0x0112] = 6  # turn clockwise by a quarter
        image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
        upright = image_folder(tmp_path, 8, channels=1).train.images[0, 0]
        np.testing.assert_array_equal(upright, pixels.T)

    def test_what_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DatasetNotFound, match="holds no pictures"):
            image_folder(tmp_path, 8)
        with pytest.raises(DatasetNotFound, match="is not a folder"):
            image_folder(tmp_path / "nothing", 8)
        with pytest.raises(ValueError, match="channels=2 must be 1 or 3"):
            image_folder(tmp_path, 8, channels=2)
        self.write(tmp_path / "x.png", (8, 8))
        whole = (tmp_path / "x.png").read_bytes()
        (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(FormatError, match="not a readable picture"):
            image_folder(tmp_path, 8)
        (tmp_path / "x.png").write_bytes(b"nonsense")
        with pytest.raises(FormatError, match="not a readable picture"):
            image_folder(tmp_path, 8)
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(ImportError, match=r'pip install "pydl-nn\[demos\]"'):
            image_folder(tmp_path, 8)


class TestScikitLearn:
    def test_digits(self) -> None:
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        data = digits()
        assert data.train.images.shape == (1442, 1, 8, 8)
        assert data.test.images.shape[0] == 355
        assert data.train.images.dtype == np.uint8
        assert data.train.images.max() == 255
        assert data.test.labels.dtype == np.int64
        assert set(data.test.labels) == set(range(10))
        np.testing.assert_array_equal(data.test.images, digits().test.images)

    def test_iris(self) -> None:
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        data = iris()
        assert data.train.features.shape == (120, 4)
        assert data.train.features.dtype == np.float32
        assert np.bincount(data.test.labels).tolist() == [10, 10, 10]
        assert data.classes == ("setosa", "versicolor", "virginica")

    def test_without_scikit_learn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sklearn", None)
        for read in (digits, iris):
            with pytest.raises(ImportError, match=r'pip install "pydl-nn\[demos\]"'):
                read()
