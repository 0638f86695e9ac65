"""Recurrent layers: RNN, LSTM and GRU over sequences, and their cells, which make one step."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..device import Device
from ..dtypes import DType, float32
from ..ops.create import empty, zeros
from ..ops.join import cat
from ..ops.shape import narrow, squeeze, transpose, unsqueeze
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

States = tuple[Tensor, ...]  # h alone, or h and c
Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]  # w_ih, w_hh, b_ih, b_hh


class _Recurrent(Module):
    """What layers and cells share: their sizes, and weights from U(-1 / sqrt(H), 1 / sqrt(H))."""

    gates: int  # blocks of H rows in each weight
    states: tuple[str, ...] = ("h",)

    def __init__(self, input_size: int, hidden_size: int, bias: bool) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias

    def _add(self, suffix: str, inputs: int, device: str | Device, dtype: DType) -> None:
        """The weights of one layer in one direction."""
        rows, H = self.gates * self.hidden_size, self.hidden_size
        shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, H)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}  # type: ignore[dict-item]
        for name, shape in shapes.items():
            weight = Parameter(empty(shape, dtype=dtype, device=device))
            self.register_parameter(name + suffix, weight)

    def _weights(self, suffix: str) -> Weights:
        w_ih, w_hh = getattr(self, f"weight_ih{suffix}"), getattr(self, f"weight_hh{suffix}")
        if not self.bias:
            return w_ih, w_hh, None, None
        return w_ih, w_hh, getattr(self, f"bias_ih{suffix}"), getattr(self, f"bias_hh{suffix}")

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        bound = 1 / math.sqrt(max(1, self.hidden_size))
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _walk(self, x: Tensor, initial: States, weights: Weights, reverse: bool) -> States:
        """x (T, N, I) and the initial states (N, H) to the states (T, N, H) at every step."""
        raise NotImplementedError

    def _initial(self, hx: Any, shape: tuple[int, ...], x: Tensor) -> States:
        """The initial states that were given, or zeros.

        Raises:
            ValueError: another number of states or another shape.
        """
        name = type(self).__name__
        if hx is None:
            return (zeros(shape, dtype=x.dtype, device=x.device),) * len(self.states)
        given = hx if isinstance(hx, tuple | list) else (hx,)
        if len(given) != len(self.states):
            raise ValueError(f"{name}: hx is {len(given)} tensors, expected {len(self.states)}")
        for state, t in zip(self.states, given, strict=True):
            if t.shape != shape:
                raise ValueError(f"{name}: {state} of hx is {t.shape}, expected {shape}")
        return tuple(given)

    def _check_input(self, x: Tensor, dims: tuple[int, int], shapes: str) -> None:
        if x.ndim not in dims or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: x is {shapes} with I={self.input_size}, got {x.shape}"
            )


class _Rnn(_Recurrent):
    """The simple recurrent network."""

    gates = 1
    nonlinearity: str

    def _walk(self, x: Tensor, initial: States, weights: Weights, reverse: bool) -> States:
        return (F.rnn(x, initial[0], *weights, self.nonlinearity, reverse),)

    def _choose(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f'{type(self).__name__}: nonlinearity is "tanh" or "relu", got {nonlinearity!r}'
            )
        self.nonlinearity = nonlinearity


class _Lstm(_Recurrent):
    """Long short-term memory; each weight holds those of i, f, g and o in turn."""

    gates = 4
    states = ("h", "c")

    def _walk(self, x: Tensor, initial: States, weights: Weights, reverse: bool) -> States:
        return F.lstm(x, initial[0], initial[1], *weights, reverse)


class _Gru(_Recurrent):
    """Gated recurrent units; each weight holds those of r, z and n in turn."""

    gates = 3

    def _walk(self, x: Tensor, initial: States, weights: Weights, reverse: bool) -> States:
        return (F.gru(x, initial[0], *weights, reverse),)


# ---- layers


class _Layers(_Recurrent):
    """Layers in one or two directions.

    The second direction is walked from the last step to the first; both results are joined (H
    each) and are the input of the next layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        name = type(self).__name__
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(
                f"{name}: input_size, hidden_size and num_layers are at least 1, got "
                f"{input_size}, {hidden_size} and {num_layers}"
            )
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout is a probability, got {dropout}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(f"{name}: dropout acts between layers; there is one", stacklevel=3)
        self.num_layers = num_layers
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        for layer in range(num_layers):
            inputs = hidden_size * (1 + bidirectional) if layer else input_size
            for suffix in self._suffixes(layer):
                self._add(suffix, inputs, device, dtype)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def forward(self, x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        """See the class."""
        lead = "N, T" if self.batch_first else "T, N"
        self._check_input(x, (2, 3), f"({lead}, I) or (T, I)")
        batched = x.ndim == 3
        if not batched:
            x = unsqueeze(x, 1)
        elif self.batch_first:
            x = transpose(x, 0, 1)
        walks = self.num_layers * (1 + self.bidirectional)
        N = (x.shape[1],) if batched else ()
        initial = self._initial(hx, (walks, *N, self.hidden_size), x)
        y, last = self._run(x, initial if batched else tuple(unsqueeze(s, 1) for s in initial))
        if not batched:
            y, last = squeeze(y, 1), tuple(squeeze(s, 1) for s in last)
        elif self.batch_first:
            y = transpose(y, 0, 1)
        return y, last if len(self.states) > 1 else last[0]

    def _run(self, x: Tensor, initial: States) -> tuple[Tensor, States]:
        """x (T, N, I) and initial states (L, N, H) to the output and the last states (L, N, H)."""
        last: list[list[Tensor]] = [[] for _ in initial]
        for layer in range(self.num_layers):
            x = F.dropout(x, self.dropout, self.training and layer > 0)
            outputs = []
            for reverse, suffix in enumerate(self._suffixes(layer)):
                before = tuple(s[len(last[0])] for s in initial)
                states = self._walk(x, before, self._weights(suffix), bool(reverse))
                outputs.append(states[0])
                for ends, s in zip(last, states, strict=True):
                    ends.append(narrow(s, 0, 0 if reverse else s.shape[0] - 1, 1))
            x = outputs[0] if len(outputs) == 1 else cat(outputs, 2)
        return x, tuple(ends[0] if len(ends) == 1 else cat(ends) for ends in last)

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if not self.bias:
            text += ", bias=False"
        if self.batch_first:
            text += ", batch_first=True"
        if self.dropout:
            text += f", dropout={self.dropout}"
        return f"{text}, bidirectional=True" if self.bidirectional else text


class RNN(_Rnn, _Layers):
    """Simple recurrent layers: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh).

    x is (T, N, I), T steps of N sequences, or (T, I). Returned are the last layer's states
    (T, N, D H), D = 2 where bidirectional, else 1, and the last state of each layer and
    direction, (num_layers D, N, H); without N where x has none.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Layers, each with the states of the one before as its input.
        nonlinearity: "tanh" or "relu".
        bias: Whether there are b_ih and b_hh.
        batch_first: x and the output are (N, T, ...); the states are not.
        dropout: Probability of dropping elements between layers, in training.
        bidirectional: Whether each layer also walks from the last step to the first.
        device: Where the weights are.
        dtype: Of the weights.

    Called with x and, optionally, hx, the initial state (num_layers D, N, H); zeros unless given.

    Raises:
        ValueError: sizes out of range, or another nonlinearity.

    Source: Elman, Finding Structure in Time (1990); Schuster and Paliwal, Bidirectional
    Recurrent Neural Networks (1997).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self._choose(nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, device, dtype)  # fmt: skip


class LSTM(_Lstm, _Layers):
    """Layers of long short-term memory, with forget gate.

    i, f, o = sigmoid(W x_t + b + W h_(t-1) + b), g likewise with tanh; c_t = f c_(t-1) + i g,
    h_t = o tanh(c_t).

    x is (T, N, I), T steps of N sequences, or (T, I). Returned are the last layer's h
    (T, N, D H), D = 2 where bidirectional, else 1, and the last (h, c) of each layer and
    direction, (num_layers D, N, H) both; without N where x has none.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Layers, each with the states h of the one before as its input.
        bias: Whether there are b_ih and b_hh.
        batch_first: x and the output are (N, T, ...); the states are not.
        dropout: Probability of dropping elements between layers, in training.
        bidirectional: Whether each layer also walks from the last step to the first.
        proj_size: 0 is all there is.
        device: Where the weights are.
        dtype: Of the weights.

    Called with x and, optionally, hx = (h, c), the initial states (num_layers D, N, H); zeros
    unless given. Each weight holds those of i, f, g and o in turn.

    Raises:
        ValueError: sizes out of range, or another proj_size.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory (1997); Gers, Schmidhuber and
    Cummins, Learning to Forget (2000); Schuster and Paliwal, Bidirectional Recurrent Neural
    Networks (1997).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        if proj_size != 0:
            raise ValueError(f"LSTM: projections are not supported: proj_size=0, got {proj_size}")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, device, dtype)  # fmt: skip


class GRU(_Gru, _Layers):
    """Layers of gated recurrent units.

    With a = W_ih x_t + b_ih and u = W_hh h_(t-1) + b_hh, a third of each for r, z and n:
    r, z = sigmoid(a + u), n = tanh(a + r u), h_t = (1 - z) n + z h_(t-1).

    x is (T, N, I), T steps of N sequences, or (T, I). Returned are the last layer's states
    (T, N, D H), D = 2 where bidirectional, else 1, and the last state of each layer and
    direction, (num_layers D, N, H); without N where x has none.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Layers, each with the states of the one before as its input.
        bias: Whether there are b_ih and b_hh.
        batch_first: x and the output are (N, T, ...); the states are not.
        dropout: Probability of dropping elements between layers, in training.
        bidirectional: Whether each layer also walks from the last step to the first.
        device: Where the weights are.
        dtype: Of the weights.

    Called with x and, optionally, hx, the initial state (num_layers D, N, H); zeros unless given.
    Each weight holds those of r, z and n in turn.

    Raises:
        ValueError: sizes out of range.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical
    Machine Translation (2014); Schuster and Paliwal, Bidirectional Recurrent Neural Networks
    (1997).
    """


# ---- cells


class _Cell(_Recurrent):
    """One step of one layer."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self._add("", input_size, device, dtype)
        self.reset_parameters()

    def forward(self, x: Tensor, hx: Any = None) -> Any:
        """See the class."""
        self._check_input(x, (1, 2), "(N, I) or (I,)")
        initial = self._initial(hx, (*x.shape[:-1], self.hidden_size), x)
        if x.ndim == 1:
            x, initial = unsqueeze(x, 0), tuple(unsqueeze(s, 0) for s in initial)
            states = tuple(squeeze(s, 0) for s in self._step(x, initial))
        else:
            states = self._step(x, initial)
        return states if len(states) > 1 else states[0]

    def _step(self, x: Tensor, initial: States) -> States:
        states = self._walk(unsqueeze(x, 0), initial, self._weights(""), False)
        return tuple(squeeze(s, 0) for s in states)

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias else f"{text}, bias=False"


class RNNCell(_Rnn, _Cell):
    """One step of a simple recurrent layer: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    x is (N, I) or (I,), the result (N, H) or (H,).

    Args:
        input_size: I.
        hidden_size: H.
        bias: Whether there are b_ih and b_hh.
        nonlinearity: "tanh" or "relu".
        device: Where the weights are.
        dtype: Of the weights.

    Called with x and, optionally, hx, the state before, (N, H) or (H,); zeros unless given.

    Raises:
        ValueError: another nonlinearity.

    Source: Elman, Finding Structure in Time (1990).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self._choose(nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class LSTMCell(_Lstm, _Cell):
    """One step of long short-term memory; the formulas are those of LSTM.

    x is (N, I) or (I,), the result (h, c), (N, H) or (H,) both.

    Args:
        input_size: I.
        hidden_size: H.
        bias: Whether there are b_ih and b_hh.
        device: Where the weights are.
        dtype: Of the weights.

    Called with x and, optionally, hx = (h, c), the states before; zeros unless given.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory (1997).
    """


class GRUCell(_Gru, _Cell):
    """One step of gated recurrent units; the formulas are those of GRU.

    x is (N, I) or (I,), the result (N, H) or (H,).

    Args:
        input_size: I.
        hidden_size: H.
        bias: Whether there are b_ih and b_hh.
        device: Where the weights are.
        dtype: Of the weights.

    Called with x and, optionally, hx, the state before, (N, H) or (H,); zeros unless given.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical
    Machine Translation (2014).
    """
