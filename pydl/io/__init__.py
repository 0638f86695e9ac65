"""Files: atomic writing, and weights to and from safetensors."""

from .files import atomic_write
from .weights import load, load_arrays, load_metadata, save, save_arrays

__all__ = ["atomic_write", "load", "load_arrays", "load_metadata", "save", "save_arrays"]
