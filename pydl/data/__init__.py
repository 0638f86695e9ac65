"""Data: datasets, IDX files, batches and augmentations. Cheap to import: NumPy and no more."""

from .augment import (
    Compose,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomScale,
    SampleRng,
    Transform,
)
from .cache import DatasetNotFound, DownloadError, cache_folder
from .datasets import Dataset, Split, cifar10, digits, fashion_mnist, iris, mnist
from .folder import image_folder
from .idx import read_idx, write_idx
from .loader import DataLoader

__all__ = [
    "Compose",
    "DataLoader",
    "Dataset",
    "DatasetNotFound",
    "DownloadError",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomScale",
    "SampleRng",
    "Split",
    "Transform",
    "cache_folder",
    "cifar10",
    "digits",
    "fashion_mnist",
    "image_folder",
    "iris",
    "mnist",
    "read_idx",
    "write_idx",
]
