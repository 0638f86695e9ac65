"""`import pydl.nn.functional as F`: the functions that layers are made of (defined in pydl/ops)."""

from ..guard import guard
from ..ops.activation import *
from ..ops.adaptive_pool import *
from ..ops.attention import *
from ..ops.avg_pool import *
from ..ops.bilinear import *
from ..ops.conv import *
from ..ops.conv_transpose import *
from ..ops.cross_entropy import *
from ..ops.distance import *
from ..ops.index import embedding as embedding
from ..ops.index import one_hot as one_hot
from ..ops.interpolate import *
from ..ops.loss import *
from ..ops.margin import *
from ..ops.matmul import linear as linear
from ..ops.norm import *
from ..ops.pad import *
from ..ops.pool import *
from ..ops.rectifier import *
from ..ops.recurrent import *
from ..ops.softmax import *
from ..ops.unfold import *
from ..random import dropout as dropout
from ..random import dropout1d as dropout1d
from ..random import dropout2d as dropout2d

guard(globals())
