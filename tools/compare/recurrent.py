"""Recurrent modules and attention, by the same check as modules.py."""

from __future__ import annotations

from typing import Any

from .modules import Made, call_of, module, plain
from .values import Call, Draw


@module("RNN", "LSTM", "GRU")
def recurrent(d: Draw, name: str) -> Made:
    """Layers, directions, batch_first, unbatched, a first state or none, projection (LSTM)."""
    i, h = d.integer(1, 5), d.integer(1, 5)
    kwargs = d.options(
        0.4,
        num_layers=[1, 2, 3],
        bias=[True, False],
        batch_first=[True, False],
        bidirectional=[True],
    )
    if name == "nn.RNN":
        kwargs |= d.options(0.5, nonlinearity=["tanh", "relu", "sigmoid"])
    if name == "nn.LSTM" and h > 1:
        kwargs |= d.options(0.15, proj_size=[1, h - 1])
    if d.chance(0.1):
        kwargs["dropout"] = d.pick(0.5, 1.5)
    steps, n = d.size(), d.size(0.03)
    shape = (n, steps) if kwargs.get("batch_first") else (steps, n)
    unbatched = d.chance(0.2)
    x = plain(d, *((steps,) if unbatched else shape), i + d.chance(0.04))
    more: list[Any] = []
    if d.chance(0.5):
        count = kwargs.get("num_layers", 1) * (2 if kwargs.get("bidirectional") else 1)
        lead = (count,) if unbatched else (count, n + d.chance(0.04))
        h0 = plain(d, *lead, kwargs.get("proj_size", 0) or h)
        more = [(h0, plain(d, *lead, h))] if name == "nn.LSTM" else [h0]
    training = "dropout" not in kwargs
    return Made((i, h), kwargs, call_of(x, *more, k=1024), training=training)


@module("RNNCell", "LSTMCell", "GRUCell")
def cell(d: Draw, name: str) -> Made:
    """One step; a state or none."""
    i, h, n = d.integer(1, 5), d.integer(1, 5), d.size()
    kwargs = d.options(0.4, bias=[True, False])
    if name == "nn.RNNCell":
        kwargs |= d.options(0.5, nonlinearity=["tanh", "relu"])
    lead = () if d.chance(0.2) else (n,)
    more: list[Any] = []
    if d.chance(0.6):
        h0 = plain(d, *lead, h)
        more = [(h0, plain(d, *lead, h))] if name == "nn.LSTMCell" else [h0]
    return Made((i, h), kwargs, call_of(plain(d, *lead, i), *more, k=512))


@module("MultiheadAttention")
def multihead(d: Draw, name: str) -> Made:
    """Self and cross attention, masks, batch_first, kdim and vdim, weights or none."""
    heads = d.integer(1, 3)
    e = heads * d.integer(1, 3)
    kwargs = d.options(0.4, bias=[True, False], batch_first=[True, False])
    kdim, vdim = (d.integer(1, 4), d.integer(1, 4)) if d.chance(0.2) else (e, e)
    if (kdim, vdim) != (e, e):
        kwargs |= {"kdim": kdim, "vdim": vdim}
    n, length, source = d.integer(1, 3), d.integer(1, 4), d.integer(1, 4)
    first = kwargs.get("batch_first")

    def sequence(steps: int, width: int) -> Any:
        return plain(d, *((n, steps) if first else (steps, n)), width)

    q, k, v = sequence(length, e), sequence(source, kdim), sequence(source, vdim)
    late = d.options(0.4, need_weights=[True, False], average_attn_weights=[True, False])
    if d.chance(0.3):
        late["attn_mask"] = d.tensor((length, source), ("float32",), "plain", grad=False)
    call = Call((q, k, v), late, k=1024, twice=False)
    return Made((e, heads), kwargs, call, repr=False)


@module("TransformerEncoderLayer")
def encoder_layer(d: Draw, name: str) -> Made:
    """norm_first, activation, batch_first; dropout 0."""
    heads = d.integer(1, 2)
    e = heads * d.integer(3, 4)  # two numbers normalised leave rounding only
    kwargs = {"dropout": 0.0} | d.options(
        0.4, activation=["relu", "gelu"], batch_first=[True], norm_first=[True, False]
    )
    x = plain(d, d.integer(1, 3), d.integer(1, 3), e)
    return Made((e, heads, d.integer(1, 6)), kwargs, call_of(x, k=1024), repr=False)
