"""Learning-rate schedules: they set `group["lr"]` and hand it to the device, nothing else.

The values are those of torch.optim.lr_scheduler.
"""

from .base import *
from .cycle import *
from .decay import *
from .one_cycle import *
from .plateau import *
