"""Pictures in a folder as a data set: cut to squares, made equally large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from .cache import DatasetNotFound
from .datasets import Dataset, Split, StrPath
from .progress import Progress

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def image_folder(root: StrPath, size: int, channels: int = 3) -> Dataset:
    """Reads the pictures under a folder, in all its subfolders.

    Each is cut to its middle square and resized. Where the folder has subfolders, these are the
    classes, in alphabetical order; else all pictures are of one class. Each tenth picture, in the
    order of the names, is for testing.

    Args:
        root: The folder. Hidden files, and files of other kinds, are passed over.
        size: Height and width that the images get.
        channels: 3 for RGB, 1 for grey.

    Returns:
        A data set with the name of the folder, images uint8 (N, channels, size, size).

    Raises:
        DatasetNotFound: there is no such folder, or no picture in it.
        FormatError: a file is not the picture that its name says.
        ImportError: pillow is not installed.
        ValueError: size or channels is out of range.
    """
    if size < 1 or channels not in (1, 3):
        raise ValueError(
            f"image_folder: size={size} must be at least 1, channels={channels} must be 1 or 3"
        )
    folder = Path(root)
    paths = sorted(p for p in folder.rglob("*") if _is_picture(p.relative_to(folder)))
    if not paths:
        problem = "holds no pictures" if folder.is_dir() else "is not a folder"
        raise DatasetNotFound(f"image_folder: {folder} {problem} ({', '.join(sorted(SUFFIXES))})")
    places = [p.relative_to(folder).parts for p in paths]
    names = [parts[0] if len(parts) > 1 else folder.name for parts in places]
    classes = tuple(sorted(set(names)))
    images = np.empty((len(paths), channels, size, size), np.uint8)
    with Progress(f"reading {folder.name}", len(paths), unit=" pictures") as bar:
        for i, path in enumerate(paths):
            images[i] = _read(path, size, channels)
            bar.update(1)
    labels = np.array([classes.index(name) for name in names], np.int64)
    is_test = np.arange(len(paths)) % 10 == 9
    train, test = (Split(images[m], labels[m]) for m in (~is_test, is_test))
    return Dataset(folder.name, train, test, classes, str(folder))


def _is_picture(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _read(path: Path, size: int, channels: int) -> NDArray[Any]:
    """The middle square of a picture, uint8 (channels, size, size)."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ImportError('image_folder needs pillow: pip install "pydl-nn[demos]"') from None
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
            square = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise FormatError(path, f"not a readable picture: {e}") from None
    pixels: NDArray[Any] = np.asarray(square).reshape(size, size, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
