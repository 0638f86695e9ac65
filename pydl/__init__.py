"""pydl: a deep-learning framework that can be read in a weekend.

Python decides, C++ executes: ops, derivatives, modules and optimizers are short Python; arrays and
kernels are native. Names follow PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import random as random
from .anomaly import *
from .autograd import *
from .capture import *
from .config import *
from .config import __version__ as __version__
from .config import warn_about_astronomy
from .device import *
from .dtypes import *
from .errors import *
from .guard import guard
from .op import *
from .ops import *
from .random import *
from .tensor import *

bool = bool_

if TYPE_CHECKING:
    from . import amp as amp
    from . import data as data
    from . import io as io
    from . import metrics as metrics
    from . import nn as nn
    from . import optim as optim
    from . import rl as rl
    from . import testing as testing
    from .io import load as load
    from .io import save as save

_LAZY = (
    "amp",
    "data",
    "io",
    "metrics",
    "nn",
    "optim",
    "rl",
    "testing",
)  # imported at first use: see `__getattr__`


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    if name in ("save", "load"):
        return getattr(importlib.import_module(".io", __name__), name)
    raise AttributeError(f"module 'pydl' has no attribute {name!r}")


guard(globals())
warn_about_astronomy()
