"""Layers, losses, initialisation and everything else a network is made of; PyTorch's names."""

from . import functional as functional
from . import init as init
from . import utils as utils
from .activation import *
from .container import *
from .conv import *
from .embedding import *
from .layers import *
from .loss import *
from .margin import *
from .module import *
from .norm import *
from .padding import *
from .pooling import *
from .recurrent import *
from .softmax import *
from .transformer import *
from .upsampling import *
