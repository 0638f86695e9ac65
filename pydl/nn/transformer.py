"""Multi-head attention, and the encoder of a transformer made of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

from ..device import Device
from ..dtypes import DType, bool_, float32
from ..ops.attention import attention_weights
from ..ops.comparison import where
from ..ops.create import empty, zeros
from ..tensor import Tensor
from . import functional as F
from . import init
from .container import ModuleList
from .layers import Dropout, Linear
from .module import Module, Parameter
from .norm import LayerNorm

__all__ = ["MultiheadAttention", "TransformerEncoder", "TransformerEncoderLayer"]


class MultiheadAttention(Module):
    """Attention in several heads: each looks at a projection of its own.

    head_i = attention(query Wq_i, key Wk_i, value Wv_i); the heads side by side go through
    out_proj.

    Args:
        embed_dim: Length E of queries and of the output.
        num_heads: How many heads share it.
        dropout: Probability with which a weight is dropped in training.
        bias: Whether the projections have one.
        add_bias_kv: Refused.
        add_zero_attn: Refused.
        kdim: Length of keys; E by default.
        vdim: Length of values; E by default.
        batch_first: Inputs are (N, L, E) rather than (L, N, E).
        device: Where the parameters are.
        dtype: Of the parameters.

    Raises:
        ValueError: num_heads does not divide embed_dim, or an option is refused.

    Source: Vaswani et al., Attention Is All You Need (2017), section 3.2.2.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}"
            )
        if add_bias_kv or add_zero_attn:
            raise ValueError("MultiheadAttention: add_bias_kv and add_zero_attn are not offered")
        E = self.embed_dim = embed_dim
        self.kdim = E if kdim is None else kdim
        self.vdim = E if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = E // num_heads

        def weight(out: int, n: int) -> Parameter:
            return Parameter(empty((out, n), dtype=dtype, device=device))

        if self.kdim == self.vdim == E:
            self.in_proj_weight = weight(3 * E, E)
        else:
            self.q_proj_weight = weight(E, E)
            self.k_proj_weight = weight(E, self.kdim)
            self.v_proj_weight = weight(E, self.vdim)
            self.in_proj_weight = None
        bias3 = Parameter(zeros((3 * E,), dtype=dtype, device=device)) if bias else None
        self.in_proj_bias = bias3
        self.out_proj = Linear(E, E, bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights anew (Glorot's, uniform), and sets the biases to 0."""
        weights = [self.in_proj_weight]
        if self.in_proj_weight is None:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        for w in weights:
            if w is not None:
                init.xavier_uniform_(w)
        self.out_proj.reset_parameters()
        for b in (self.in_proj_bias, self.out_proj.bias):
            if b is not None:
                init.zeros_(b)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The output, and how much attention was paid.

        Args:
            query: (L, N, E), (N, L, E) with batch_first, or (L, E).
            key: likewise, of length S and kdim.
            value: likewise, of length S and vdim.
            key_padding_mask: (N, S), or (S,): bool, True for keys to leave out, or floating, added
                to the scores.
            need_weights: Whether to return the weights.
            attn_mask: (L, S) or (N * num_heads, L, S): bool, True where no attention is allowed,
                or floating, added to the scores.
            average_attn_weights: Return the mean over the heads.
            is_causal: Says of attn_mask that it is causal; changes nothing.

        Returns:
            The output, of the shape of query, and None or the weights: (N, L, S), or
            (N, num_heads, L, S) where not averaged; without N where query has none. Nothing is
            attended to where all is masked: 0.

        Raises:
            ValueError: the shapes do not fit, or is_causal comes without attn_mask.
        """
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal needs attn_mask")
        single = query.ndim == 2
        if single or not self.batch_first:  # to (N, L, E), what is the same only once
            rows = {id(t): self._batched(t) for t in (query, key, value)}
            query, key, value = (rows[id(t)] for t in (query, key, value))
        if single and key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
        y, weights = self._attend(query, key, value, key_padding_mask, attn_mask)
        if average_attn_weights:
            weights = weights.mean(1)
        if single:
            y, weights = y.squeeze(0), weights.squeeze(0)
        elif not self.batch_first:
            y = y.transpose(0, 1)
        return y, weights if need_weights else None

    def _batched(self, x: Tensor) -> Tensor:
        return x.unsqueeze(0) if x.ndim == 2 else x.transpose(0, 1)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        padding: Tensor | None,
        attn_mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """(N, L, E) and (N, H, L, S)."""
        N, L, S = query.shape[0], query.shape[1], key.shape[1]
        mask = None
        if padding is not None:
            mask = _added(padding, query.dtype).reshape(N, 1, 1, S)
        if attn_mask is not None:
            extra = _added(attn_mask, query.dtype)
            if extra.ndim == 3:
                extra = extra.reshape(N, self.num_heads, L, S)
            mask = extra if mask is None else mask + extra
        q, k, v = (self._heads(t) for t in self._projected(query, key, value))
        scale = 1.0 / math.sqrt(self.head_dim)
        weights = attention_weights("MultiheadAttention", q * scale, k, mask)
        if self.training and self.dropout > 0.0:
            weights = F.dropout(weights, self.dropout)
        y = (weights @ v).permute(0, 2, 1, 3).reshape(N, L, self.embed_dim)
        return self.out_proj(y), weights

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        E = self.embed_dim
        if self.in_proj_weight is not None and query is key and key is value:
            y = F.linear(query, self.in_proj_weight, self.in_proj_bias)
            return y[..., :E], y[..., E : 2 * E], y[..., 2 * E :]
        if self.in_proj_weight is not None:
            weights = [self.in_proj_weight[i * E : (i + 1) * E] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        b = self.in_proj_bias
        biases = [None if b is None else b[i * E : (i + 1) * E] for i in range(3)]
        inputs = zip((query, key, value), weights, biases, strict=True)
        return tuple(F.linear(x, w, bias) for x, w, bias in inputs)

    def _heads(self, x: Tensor) -> Tensor:
        """(N, L, E) as (N, H, L, D)."""
        N, L, _ = x.shape
        return x.reshape(N, L, self.num_heads, self.head_dim).permute(0, 2, 1, 3)


def _added(mask: Tensor, dtype: DType) -> Tensor:
    """A mask to be added: -inf where a bool one is True."""
    return where(mask, -math.inf, 0.0).to(dtype) if mask.dtype is bool_ else mask


class TransformerEncoderLayer(Module):
    """Self-attention and two linear layers, each with a residual connection and normalisation.

    x = norm1(x + attention(x)); x = norm2(x + linear2(activation(linear1(x)))); with norm_first,
    x = x + attention(norm1(x)); x = x + linear2(activation(linear1(norm2(x)))).

    Args:
        d_model: Length E of each element of a sequence.
        nhead: Heads of the attention.
        dim_feedforward: Length between the linear layers.
        dropout: Probability with which attention weights and what each part adds are dropped.
        activation: "relu", "gelu", or a function.
        layer_norm_eps: See LayerNorm.
        batch_first: Inputs are (N, L, E) rather than (L, N, E).
        norm_first: Normalise the input of each part rather than the sum.
        bias: Whether linear layers and normalisation have one.
        device: Where the parameters are.
        dtype: Of the parameters.

    Raises:
        ValueError: nhead does not divide d_model, or there is no such activation.

    Source: Vaswani et al., Attention Is All You Need (2017), section 3.1; Xiong et al., On Layer
    Normalization in the Transformer Architecture (2020), for norm_first.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        known: dict[object, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}
        if isinstance(activation, str) and activation not in known:
            raise ValueError(
                f"TransformerEncoderLayer: activation must be relu, gelu or a function, "
                f"got {activation!r}"
            )
        self.activation = known[activation] if isinstance(activation, str) else activation
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """src to its own shape; the masks are those of MultiheadAttention."""
        masks = (src_key_padding_mask, src_mask, is_causal)
        if self.norm_first:
            x = src + self._attention(self.norm1(src), *masks)
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(src + self._attention(src, *masks))
        y: Tensor = self.norm2(x + self._feed_forward(x))
        return y

    def _attention(
        self, x: Tensor, padding: Tensor | None, mask: Tensor | None, is_causal: bool
    ) -> Tensor:
        y, _ = self.self_attn(
            x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask,
            is_causal=is_causal,
        )  # fmt: skip
        dropped: Tensor = self.dropout1(y)
        return dropped

    def _feed_forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        dropped: Tensor = self.dropout2(y)
        return dropped


class TransformerEncoder(Module):
    """Encoder layers, one after the other.

    Args:
        encoder_layer: What is copied: all layers begin with the same weights.
        num_layers: How many.
        norm: Applied last, where given.
        enable_nested_tensor: Accepted for code from PyTorch; there are no such tensors.
        mask_check: Likewise.
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """src to its own shape; the masks are those of MultiheadAttention."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)
