"""Tables that are learned."""

from __future__ import annotations

from ..device import Device
from ..dtypes import DType, float32
from ..ops.create import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by integers, drawn from N(0, 1).

    x is int64 of any shape in [0, num_embeddings), y (*x.shape, embedding_dim).

    Args:
        num_embeddings: Rows of the table.
        embedding_dim: Length of a row.
        padding_idx: A row that is 0 at the start and gets no gradient, negative from the end.
        max_norm: None is all there is.
        norm_type: Of max_norm.
        scale_grad_by_freq: False is all there is.
        sparse: False is all there is.
        device: Where the table is.
        dtype: Of the table.

    Raises:
        ValueError: padding_idx is no row, or an option is not there.

    Source: Bengio et al., A Neural Probabilistic Language Model (2003), section 2.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        if max_norm is not None or scale_grad_by_freq or sparse:
            raise ValueError("Embedding: max_norm, scale_grad_by_freq and sparse are not supported")
        n = num_embeddings
        if padding_idx is not None and not -n <= padding_idx < n:
            raise ValueError(f"Embedding: padding_idx is {padding_idx}, expected [{-n}, {n})")
        self.num_embeddings = n
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % n
        if _weight is not None:
            self.weight = Parameter(_weight, requires_grad=not _freeze)
            return
        table = empty((n, embedding_dim), dtype=dtype, device=device)
        self.weight = Parameter(table, requires_grad=not _freeze)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.detach()[self.padding_idx].fill_(0.0)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """An Embedding of a given table.

        Args:
            embeddings: The table, (num_embeddings, embedding_dim); its memory is shared.
            freeze: Whether it stays as it is.
            padding_idx: A row that gets no gradient.
        """
        if embeddings.ndim != 2:
            raise ValueError(
                f"from_pretrained: embeddings has shape {embeddings.shape}, expected (n, d)"
            )
        n, d = embeddings.shape
        return cls(n, d, padding_idx, _weight=embeddings.detach(), _freeze=freeze)

    def forward(self, x: Tensor) -> Tensor:
        """x (...) to (..., embedding_dim)."""
        return F.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
