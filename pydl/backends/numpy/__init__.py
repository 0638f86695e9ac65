"""The oracle: every kernel of pydl/_native.pyi again, in plain NumPy, for any float dtype.

Not fast, but obvious: the definition that the native kernels are tested against, and the kernels of
the `numpy` device. Inputs are C-contiguous; outputs are written in place; nothing is returned.
bfloat16, which NumPy lacks, is uint16 here. Half types are computed with in float32 copies of the
arrays (`in_float32`), each written back where the kernel has changed it.
"""

from .conv import *
from .elementwise import *
from .index import *
from .loss import *
from .matmul import *
from .memory import *
from .norm import *
from .optim import *
from .pad import *
from .pool import *
from .precision import in_float32 as _in_float32
from .random import *
from .recurrent import *
from .reduce import *
from .replay import *
from .resize import *
from .scan import *
from .sort import *

# What moves elements, whatever they are.
_MOVES = {"arange", "cast", "copy", "fill", "gather", "replay_add", "replay_stack", "take", "where"}
globals().update(
    {
        name: _in_float32(value)
        for name, value in globals().items()
        if getattr(value, "__module__", "").startswith(__name__) and name not in _MOVES
    }
)
