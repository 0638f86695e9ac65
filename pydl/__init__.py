"""pydl: a deep-learning framework that can be read in a weekend.

Python decides, C++ executes: ops, derivatives, modules and optimizers are short Python; arrays and
kernels are native. Names follow PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import nn, optim, random, testing
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
from .tensor import Tensor, from_dlpack, from_numpy, tensor

if TYPE_CHECKING:
    from . import data, io
    from .io import load, save

_LAZY = {"data": "data", "io": "io", "save": "io", "load": "io"}  # imported at first use


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'pydl' has no attribute {name!r}")
    module = importlib.import_module(f".{_LAZY[name]}", __name__)
    return module if name == _LAZY[name] else getattr(module, name)


warn_about_astronomy()
