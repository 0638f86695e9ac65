"""Softmax and its kin as modules; the functions themselves are in pydl.nn.functional."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class Softmax(Module):
    """exp(x) / sum(exp(x)) along one dimension, which is better named (see `pydl.softmax`).

    Source: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs
    (1990).
    """

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Softmax over the channels of images, at every place.

    Source: torch.nn.Softmax2d.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) or (C, H, W)."""
        if x.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: x is (N, C, H, W) or (C, H, W), got {x.shape}")
        return F.softmax(x, -3)


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along one dimension, which is better named (see `pydl.softmax`).

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.2.3.
    """

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}"


class Softmin(Module):
    """softmax(-x) along one dimension, which is better named (see `pydl.softmax`).

    Source: torch.nn.Softmin.
    """

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.softmin(x, self.dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}"
