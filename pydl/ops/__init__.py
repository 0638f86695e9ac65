"""Every operation, one family a file; `__all__` of each names what is public."""

from . import assign as assign
from . import getitem as getitem
from .activation import *
from .adaptive_pool import *
from .arithmetic import *
from .attention import *
from .avg_pool import *
from .bilinear import *
from .comparison import *
from .conv import *
from .conv_transpose import *
from .create import *
from .cross_entropy import *
from .diagonal import *
from .distance import *
from .division import *
from .einsum import *
from .exponential import *
from .extreme import *
from .grids import *
from .index import *
from .interpolate import *
from .join import *
from .limits import *
from .logic import *
from .loss import *
from .margin import *
from .matmul import *
from .norm import *
from .order import *
from .pad import *
from .pool import *
from .rectifier import *
from .recurrent import *
from .reduce import *
from .scan import *
from .scatter import *
from .shape import *
from .softmax import *
from .sort import *
from .statistics import *
from .trigonometry import *
from .unfold import *
