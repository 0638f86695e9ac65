"""Optimizers (one fused kernel call a group and step) and learning-rate schedules."""

from . import lr_scheduler
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .optimizer import Optimizer, flatten_state, unflatten_state
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "flatten_state",
    "lr_scheduler",
    "unflatten_state",
]
