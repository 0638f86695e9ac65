"""The oracle: every kernel of pydl/_native.pyi again, in plain NumPy, for any float dtype.

Not fast, but obvious: the definition that the native kernels are tested against, and the kernels of
the `numpy` device. Inputs are C-contiguous; outputs are written in place; nothing is returned.
bfloat16, which NumPy lacks, is uint16 here and can be moved and cast, not computed with.
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
from .random import *
from .recurrent import *
from .reduce import *
from .replay import *
from .resize import *
from .scan import *
from .sort import *
