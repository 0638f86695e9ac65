"""The data sets of the textbooks, as NumPy arrays: mnist, fashion_mnist, cifar10, digits, iris.

Each is looked for in this order: the folder `root`; the folder in the environment variable
`PYDL_DATA`; ``/usr/share/datasets/<name>``, where Debian's packages are; the user's cache; and
then public mirrors. Files may lie in ``<folder>/<name>`` or in the folder itself. What was
downloaded is checked against published hashes at each use; a folder of the user's is checked
for its format only, so that data of one's own can be put there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from . import cifar
from .cache import (
    DatasetNotFound,
    Place,
    RemoteFile,
    cache_folder,
    download,
    places,
    verify,
)
from .idx import read_idx

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set; unpacks as ``inputs, labels = split``.

    Args:
        inputs: Images, uint8 (N, C, H, W), or features, float32 (N, F).
        labels: int64 (N,), numbers of classes.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]

    @property
    def images(self) -> NDArray[Any]:
        """The inputs, by the name that fits images."""
        return self.inputs

    @property
    def features(self) -> NDArray[Any]:
        """The inputs, by the name that fits tables."""
        return self.inputs

    def __len__(self) -> int:
        """Samples."""
        return len(self.labels)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.inputs, self.labels))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that is read.

    Args:
        name: As the function that read it.
        train: To learn from.
        test: To be measured by.
        classes: The name of each class.
        source: The folder or package it was read from.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    source: str


def mnist(root: StrPath | None = None, download: bool = True) -> Dataset:
    """Reads MNIST: 60,000 + 10,000 handwritten digits, images uint8 (N, 1, 28, 28).

    Args:
        root: The only folder to look into; None for the search described above.
        download: Whether the mirrors may be asked.

    Returns:
        The data set.

    Raises:
        DatasetNotFound: it is nowhere; the message says where it was looked for.
        FormatError: a file is malformed.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 1998.
    """
    return _idx_dataset(_MNIST, tuple("0123456789"), root, download)


def fashion_mnist(root: StrPath | None = None, download: bool = True) -> Dataset:
    """Reads Fashion-MNIST: 60,000 + 10,000 pieces of clothing, images uint8 (N, 1, 28, 28).

    Args, Returns, Raises: as for `mnist`.

    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset", arXiv:1708.07747.
    """
    return _idx_dataset(_FASHION, _FASHION_CLASSES, root, download)


def cifar10(root: StrPath | None = None, download: bool = True) -> Dataset:
    """Reads CIFAR-10: 50,000 + 10,000 photographs, images uint8 (N, 3, 32, 32).

    The binary and the python release are read, archived or unpacked, and
    ``cifar10-jpeg.tar.xz``, a tar of JPEG files. Their pixels are not those of the release
    (they went through a lossy format), so do not compare results. Decoding takes some
    seconds, once: the arrays are kept in the user's cache.

    Args, Returns, Raises: as for `mnist`; ImportError for JPEG without pillow.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    files, place = _locate(_CIFAR10, root, download)
    arrays = cifar.read(files["cifar10"], cache_folder() / "cifar10")
    train = Split(arrays["train_images"], arrays["train_labels"])
    test = Split(arrays["test_images"], arrays["test_labels"])
    return Dataset("cifar10", train, test, cifar.CLASSES, str(place.folder))


def digits(root: StrPath | None = None, download: bool = True) -> Dataset:
    """Reads the UCI digits that come with scikit-learn: 1797 images, uint8 (N, 1, 8, 8).

    The values 0 to 16 of the original are spread over 0 to 255. A fifth of each class, always
    the same one, is the test set.

    Args:
        root: Not used, since scikit-learn brings the data; here to be called like the others.
        download: Not used either.

    Raises:
        ImportError: scikit-learn is not installed.

    Source: Alpaydin, Kaynak, "Optical recognition of handwritten digits", UCI, 1998.
    """
    values, labels, classes = _from_sklearn("digits")
    images = np.rint(values * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Dataset("digits", *_fixed_split(images, labels), classes, "scikit-learn")


def iris(root: StrPath | None = None, download: bool = True) -> Dataset:
    """Reads Fisher's irises that come with scikit-learn: 150 flowers, features float32 (N, 4).

    Lengths and widths of sepals and petals, in centimetres. A fifth of each class, always the
    same one, is the test set.

    Args, Raises: as for `digits`.

    Source: Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    """
    values, labels, classes = _from_sklearn("iris")
    return Dataset(
        "iris", *_fixed_split(values.astype(np.float32), labels), classes, "scikit-learn"
    )


@dataclass(frozen=True)
class _Recipe:
    """How the files of a data set are found and got.

    Args:
        folders: Names of its folder, its own name first.
        find: The files within a folder, and the names of those that it lacks.
        remotes: What to download.
        refuse: Why files that were found are not those of this data set, None if they are.
    """

    folders: tuple[str, ...]
    find: Callable[[Path], tuple[dict[str, Path], list[str]]]
    remotes: tuple[RemoteFile, ...]
    refuse: Callable[[dict[str, Path]], str | None]


def _locate(
    recipe: _Recipe, root: StrPath | None, allow_download: bool
) -> tuple[dict[str, Path], Place]:
    """The files of a data set, from the first place that has all of them."""
    looked = [] if os.environ.get("PYDL_DATA") or root else ["PYDL_DATA: not set"]
    for place in places(recipe.folders, root):
        files, missing = recipe.find(place.folder)
        problem = _why_not(recipe, place, files, missing)
        if problem is None:
            return files, place
        looked.append(f"{place.folder} ({place.origin}): {problem}")
    if root is None and allow_download:
        cache = places(recipe.folders, None)[-1]
        try:
            for remote in recipe.remotes:
                download(remote, cache.folder)
            return recipe.find(cache.folder)[0], cache
        except OSError as e:
            looked.append(f"download: {e}")
    elif root is None:
        looked.append("download: not tried, as download=False")
    raise DatasetNotFound(_advice(recipe, looked))


def _why_not(
    recipe: _Recipe, place: Place, files: dict[str, Path], missing: list[str]
) -> str | None:
    if not place.folder.is_dir():
        return "no such folder"
    if missing:
        return f"lacks {', '.join(missing)}"
    if place.origin != "cache":
        return recipe.refuse(files)
    try:
        for remote in recipe.remotes:
            verify(place.folder / remote.name, remote)
    except (FormatError, FileNotFoundError) as e:
        return f"damaged: {e}"
    return None


def _advice(recipe: _Recipe, looked: list[str]) -> str:
    name = recipe.folders[0]
    files = ", ".join(remote.name for remote in recipe.remotes)
    return (
        f"{name} was not found. Looked into:\n  "
        + "\n  ".join(looked)
        + f"\nPut {files} into a folder F/{name} and set PYDL_DATA=F or pass root=F."
    )


_FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# The digits 0 to 9 among the training labels of MNIST; Fashion-MNIST has 6,000 of each class.
_MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def _find_idx(folder: Path) -> tuple[dict[str, Path], list[str]]:
    files = {}
    for name in _IDX_FILES:
        unpacked = name.replace("-idx", ".idx")  # how the files were named inside LeCun's .gz
        for candidate in (f"{name}.gz", name, unpacked):
            if (folder / candidate).is_file():
                files[name] = folder / candidate
                break
    return files, [f"{name}[.gz]" for name in _IDX_FILES if name not in files]


def _find_cifar(folder: Path) -> tuple[dict[str, Path], list[str]]:
    path = cifar.find(folder)
    return ({"cifar10": path}, []) if path else ({}, [" or ".join(cifar.FORMS)])


def _refuse_as(other: str) -> Callable[[dict[str, Path]], str | None]:
    """MNIST and Fashion-MNIST have the same file names: looks which of them the labels are."""

    def refuse(files: dict[str, Path]) -> str | None:
        counts = np.bincount(_read_labels(files["train-labels-idx1-ubyte"]), minlength=10).tolist()
        known = _MNIST_COUNTS if other == "mnist" else [6000] * 10
        return f"its files are those of {other}" if counts == known else None

    return refuse


def _idx_dataset(
    recipe: _Recipe, classes: tuple[str, ...], root: StrPath | None, download: bool
) -> Dataset:
    files, place = _locate(recipe, root, download)
    train, test = (
        _read_split(files[f"{part}-images-idx3-ubyte"], files[f"{part}-labels-idx1-ubyte"])
        for part in ("train", "t10k")
    )
    return Dataset(recipe.folders[0], train, test, classes, str(place.folder))


def _read_split(image_file: Path, label_file: Path) -> Split:
    images, labels = read_idx(image_file), _read_labels(label_file)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise FormatError(
            image_file, f"{images.dtype} {images.shape}, expected uint8 images (N, 28, 28)"
        )
    if len(images) != len(labels):
        raise FormatError(label_file, f"{len(labels)} labels for {len(images)} images")
    return Split(images[:, None], labels)


def _read_labels(path: Path) -> NDArray[np.int64]:
    labels = read_idx(path)
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise FormatError(path, f"{labels.dtype} {labels.shape}, expected uint8 labels (N,)")
    if len(labels) and labels.max() > 9:
        raise FormatError(path, f"label {labels.max()}, expected 0 to 9")
    return labels.astype(np.int64)


def _from_sklearn(name: str) -> tuple[NDArray[Any], NDArray[np.int64], tuple[str, ...]]:
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(f'{name} needs scikit-learn: pip install "pydl-nn[demos]"') from None
    bunch = getattr(datasets, f"load_{name}")()
    return bunch.data, bunch.target.astype(np.int64), tuple(str(n) for n in bunch.target_names)


def _fixed_split(x: NDArray[Any], labels: NDArray[np.int64]) -> tuple[Split, Split]:
    """Gives a fifth of each class to the test set, the same one everywhere and always."""
    words = np.asarray(np.random.Philox(key=np.zeros(2, np.uint64)).random_raw(len(labels)))
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(words[members], kind="stable")]
        is_test[order[: len(members) // 5]] = True
    return Split(x[~is_test], labels[~is_test]), Split(x[is_test], labels[is_test])


def _mnist_file(name: str, limit: int, content_limit: int, sha256: str) -> RemoteFile:
    """A file of MNIST: mirrors compress it each in their own way, so the content is hashed."""
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    urls = tuple(f"{mirror}{name}.gz" for mirror in mirrors)
    return RemoteFile(f"{name}.gz", urls, limit, content_sha256=sha256, content_limit=content_limit)


def _fashion_file(name: str, limit: int, sha256: str) -> RemoteFile:
    mirrors = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    return RemoteFile(f"{name}.gz", tuple(f"{m}{name}.gz" for m in mirrors), limit, sha256=sha256)


# SHA-256 of the decompressed files, as they have always been on yann.lecun.com.
_MNIST = _Recipe(
    ("mnist", "MNIST/raw"),  # the second is where torchvision puts it
    _find_idx,
    (
        _mnist_file(
            "train-images-idx3-ubyte",
            12 << 20,
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _mnist_file(
            "train-labels-idx1-ubyte",
            1 << 20,
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        _mnist_file(
            "t10k-images-idx3-ubyte",
            3 << 20,
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _mnist_file(
            "t10k-labels-idx1-ubyte",
            1 << 20,
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    _refuse_as("fashion_mnist"),
)

# SHA-256 of the .gz files, as many independent projects publish them next to the MD5 sums in
# the README of github.com/zalandoresearch/fashion-mnist (8d4fb7e6... for the training images).
_FASHION = _Recipe(
    ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
    _find_idx,
    (
        _fashion_file(
            "train-images-idx3-ubyte",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        _fashion_file(
            "train-labels-idx1-ubyte",
            1 << 20,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        _fashion_file(
            "t10k-images-idx3-ubyte",
            5 << 20,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        _fashion_file(
            "t10k-labels-idx1-ubyte",
            1 << 20,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    _refuse_as("mnist"),
)

# 170,052,171 bytes, MD5 c32a1d4ab5d03f1284b67883e8d87530 on the author's page; the SHA-256 is
# the one in MLDatasets.jl and in Ruby's torchvision.
_CIFAR10 = _Recipe(
    ("cifar10", "cifar-10", "CIFAR10"),
    _find_cifar,
    (
        RemoteFile(
            "cifar-10-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            170_052_171,
            sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    lambda files: None,
)
