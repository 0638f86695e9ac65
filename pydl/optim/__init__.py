"""Optimizers (one fused kernel call a group and step) and learning-rate schedules."""

from . import lr_scheduler as lr_scheduler
from .adam import *
from .adaptive import *
from .lbfgs import *
from .optimizer import *
from .sgd import *
from .sign import *
