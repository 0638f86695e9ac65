"""pydl: a deep-learning framework that can be read in a weekend.

Python decides, C++ executes: ops, derivatives, modules and optimizers are short Python; arrays and
kernels are native. Names follow PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import random
from .autograd import grad
from .config import __version__, num_threads, set_num_threads, show_config, warn_about_astronomy
from .device import device
from .dtypes import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint8,
)
from .dtypes import (
    bool_ as bool,
)
from .errors import FormatError
from .op import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .ops import *
from .random import get_rng_state, manual_seed, rand, randint, randn, randperm, set_rng_state
from .tensor import Tensor

if TYPE_CHECKING:
    from . import data, io, nn, optim, testing
    from .io import load, save

_LAZY = ("data", "io", "nn", "optim", "testing")  # imported at first use: see `__getattr__`


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    if name in ("save", "load"):
        return getattr(importlib.import_module(".io", __name__), name)
    raise AttributeError(f"module 'pydl' has no attribute {name!r}")


warn_about_astronomy()
