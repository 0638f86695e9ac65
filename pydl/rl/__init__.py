"""Reinforcement learning: experience replay, environments, evaluation, recording."""

from .environments import Environments, Episode, SingleEnvironments, Step, VectorEnvironments, make
from .evaluation import evaluate
from .recording import record, save_animation
from .replay import Batch, ReplayBuffer
from .returns import lambda_returns
from .schedules import exponential_schedule, linear_schedule

__all__ = [
    "Batch",
    "Environments",
    "Episode",
    "ReplayBuffer",
    "SingleEnvironments",
    "Step",
    "VectorEnvironments",
    "evaluate",
    "exponential_schedule",
    "lambda_returns",
    "linear_schedule",
    "make",
    "record",
    "save_animation",
]
