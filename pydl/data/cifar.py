"""CIFAR-10 in each form it is handed around in; nothing is ever unpacked to the disk.

The binary release (the best: no code in it), the python release, which is a pickle and is read
as hostile data (see `cifar_pickle`), and a tar of JPEG files with one folder for each class.
Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from .cache import file_sha256
from .progress import Progress
from .stream import ByteStream

if TYPE_CHECKING:
    import tarfile

Arrays = dict[str, NDArray[Any]]  # train_images, train_labels, test_images, test_labels

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
FORMS = (  # in the order of preference
    "cifar-10-binary.tar.gz",
    "cifar-10-batches-bin",
    "cifar-10-python.tar.gz",
    "cifar-10-batches-py",
    "cifar10-jpeg.tar.xz",
)

_PIXELS = 3 * 32 * 32
_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_BATCH_LIMIT = 1 << 25  # bytes: a python batch, the largest one, has 31.04 million
_TAR_LIMIT = 1 << 28  # bytes of a whole archive, decompressed: the largest has 188 million
_TAR_MEMBERS = 100_000
_JPEG_LIMIT = 1 << 16  # bytes of one image
_JPEG = re.compile(rf"(train|test)/({'|'.join(CLASSES)})/[^/]+\.jpe?g")


def find(folder: Path) -> Path | None:
    """Returns the first form of CIFAR-10 that `folder` has, or is."""
    for name in FORMS:
        if (folder / name).exists():
            return folder / name
    for suffix in (".bin", ""):
        if (folder / f"data_batch_1{suffix}").is_file():
            return folder
    return None


def read(path: Path, cache: Path | None = None) -> Arrays:
    """Reads CIFAR-10 from a file or folder that `find` returned.

    Args:
        path: An archive, or a folder with the batches.
        cache: Where decoded JPEG images are kept; None for nowhere.

    Returns:
        ``train_images`` and ``test_images``, uint8 (N, 3, 32, 32), and ``train_labels`` and
        ``test_labels``, int64 (N,).

    Raises:
        FormatError: the file is malformed.
        ImportError: JPEG without pillow.
    """
    if path.name.endswith(".tar.xz"):
        return _read_cached_jpegs(path, cache) if cache else read_jpegs(path)
    if path.is_dir():
        suffix = ".bin" if (path / "data_batch_1.bin").exists() else ""
        blobs = _folder_batches(path, suffix)
    else:
        suffix = ".bin" if "binary" in path.name else ""
        blobs = _tar_batches(path, suffix)
    parse = parse_binary if suffix else parse_python
    batches = {}
    for name, blob in blobs:
        batches[name] = parse(blob, f"{path}/{name}{suffix}")
    missing = [name + suffix for name in _BATCHES if name not in batches]
    if missing:
        raise FormatError(path, f"lacks {', '.join(missing)}")
    train = [batches[name] for name in _BATCHES[:-1]]
    return {
        "train_images": np.concatenate([images for images, _ in train]),
        "train_labels": np.concatenate([labels for _, labels in train]),
        "test_images": batches["test_batch"][0],
        "test_labels": batches["test_batch"][1],
    }


def parse_binary(blob: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Parses a batch of the binary release: records of a label and 3 x 32 x 32 bytes."""
    if not blob or len(blob) % (1 + _PIXELS):
        raise FormatError(name, f"{len(blob)} bytes are no whole number of records")
    records = np.frombuffer(blob, np.uint8).reshape(-1, 1 + _PIXELS)
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(images), _checked_labels(records[:, 0].astype(np.int64), name)


def parse_python(blob: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Parses a batch of the python release, without running any code in it."""
    from .cifar_pickle import read_batch

    images, labels = read_batch(blob, name)
    if images.shape != (len(labels), _PIXELS):
        raise FormatError(name, f"{len(labels)} labels for data of shape {images.shape}")
    return images.reshape(-1, 3, 32, 32), _checked_labels(labels, name)


def read_jpegs(path: Path) -> Arrays:
    """Decodes a tar of ``train|test/<class>/*.jpg`` files; needs pillow."""
    pixels = {"train": bytearray(), "test": bytearray()}
    names: dict[str, list[str]] = {"train": [], "test": []}
    with Progress(f"decode {path.name}", None, unit="images") as bar:
        for name, blob in tar_members(path, _JPEG, _JPEG_LIMIT):
            split = name.split("/")[0]
            pixels[split] += _decode_jpeg(blob, f"{path}/{name}")
            names[split].append(name)
            bar.update(1)
    arrays: Arrays = {}
    for split, members in names.items():
        if not members:
            raise FormatError(path, f"no {split}/<class>/*.jpg in it")
        order = np.argsort(members, kind="stable")
        images = np.frombuffer(pixels[split], np.uint8).reshape(-1, 32, 32, 3)[order]
        arrays[f"{split}_images"] = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        labels = [CLASSES.index(members[i].split("/")[1]) for i in order]
        arrays[f"{split}_labels"] = np.array(labels, np.int64)
    return arrays


def tar_members(
    path: Path, wanted: re.Pattern[str], member_limit: int
) -> Iterator[tuple[str, bytes]]:
    """Yields the names and contents of the wanted files of a tar, one after the other.

    Raises:
        FormatError: a malformed or oversized archive; a name that leads out of the folder, a
            link, a device or a sparse file, wanted or not: no honest data set has them.
    """
    import tarfile

    with ByteStream(path, limit=_TAR_LIMIT) as stream:
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as tar:
                for count, member in enumerate(tar):
                    if count >= _TAR_MEMBERS:
                        raise FormatError(path, f"more than {_TAR_MEMBERS} members")
                    name = _checked_name(path, member)
                    if not member.isfile() or not wanted.fullmatch(name):
                        continue
                    if member.size > member_limit:
                        raise FormatError(path, f"member {name!r} has {member.size} bytes")
                    file = tar.extractfile(member)
                    blob = file.read() if file else b""
                    if len(blob) != member.size:
                        raise FormatError(path, f"truncated within member {name!r}")
                    yield name, blob
        except FormatError:
            raise
        except Exception as e:  # tarfile raises much more than TarError on hostile headers
            raise FormatError(path, f"not a valid tar archive: {e}") from None


def _checked_name(path: Path, member: tarfile.TarInfo) -> str:
    name = member.name.removeprefix("./")
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ":" in parts[0] or ".." in parts:
        raise FormatError(path, f"member {member.name!r} lies outside the archive's folder")
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise FormatError(path, f"member {member.name!r} is a link or a special file")
    return name


def _folder_batches(folder: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    for name in _BATCHES:
        path = folder / f"{name}{suffix}"
        with contextlib.suppress(FileNotFoundError), ByteStream(path, _BATCH_LIMIT) as stream:
            yield name, stream.read(_BATCH_LIMIT + 1)


def _tar_batches(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    wanted = re.compile(rf"(?:[^/]+/)?({'|'.join(_BATCHES)}){re.escape(suffix)}")
    for name, blob in tar_members(path, wanted, _BATCH_LIMIT):
        yield name.split("/")[-1].removesuffix(suffix), blob


def _checked_labels(labels: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(CLASSES)):
        raise FormatError(name, f"labels from {labels.min()} to {labels.max()}, expected 0 to 9")
    return labels


def _decode_jpeg(blob: bytes, name: str) -> bytes:
    """The 32 x 32 x 3 bytes of an image."""
    import io

    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            'CIFAR-10 from JPEG files needs pillow: pip install "pydl-nn[demos]"'
        ) from None
    try:
        with Image.open(io.BytesIO(blob), formats=["JPEG"]) as image:
            if image.size == (32, 32):  # looked at before a pixel is decoded
                return bytes(image.convert("RGB").tobytes())
            size = image.size
    except Exception as e:  # pillow's decoders raise whatever they like
        raise FormatError(name, f"not a valid JPEG file: {e}") from None
    raise FormatError(name, f"an image of {size[0]} x {size[1]} pixels, expected 32 x 32")


def _read_cached_jpegs(path: Path, cache: Path) -> Arrays:
    """Decodes once, and keeps the arrays under the hash of the file they came from."""
    from ..io.weights import load_arrays, load_metadata, save_arrays

    source = file_sha256(path)
    kept = cache / f"jpeg-{source[:16]}.safetensors"
    with contextlib.suppress(OSError, FormatError):
        arrays = load_arrays(kept)
        if load_metadata(kept) == {"source": source, "content": _digest(arrays)}:
            return arrays
    arrays = read_jpegs(path)
    with contextlib.suppress(OSError):  # a full disk or a read-only home: decode again next time
        cache.mkdir(parents=True, exist_ok=True)
        save_arrays(arrays, kept, {"source": source, "content": _digest(arrays)})
    return arrays


def _digest(arrays: Arrays) -> str:
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape};".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
