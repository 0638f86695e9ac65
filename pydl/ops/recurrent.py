"""Recurrent layers: one layer, one direction, a whole sequence per op.

The products of all inputs with their weights are one GEMM (`linear`); a kernel then walks through
the steps. Backward, a kernel walks the other way, and the gradient of the recurrent weights is one
GEMM over all steps. The derivative is offered once.
"""

from __future__ import annotations

from ..device import Shape
from ..op import Op
from ..recording import thread
from ..tensor import Tensor
from .create import empty, empty_like
from .matmul import gemm, linear
from .precision import lowered
from .reduce import sum
from .shape import flatten, narrow

__all__ = ["gru", "lstm", "rnn"]


# ---- what they share


def _beside(first: Tensor, *others: Tensor) -> None:
    """Puts further outputs of a backward op on the tape where its first is: at an end."""
    for t in others:
        t.requires_grad, t.node = first.requires_grad, first.node


def _weight_gradient(gu: Tensor, h: Tensor, h0: Tensor, reverse: bool) -> Tensor:
    """Of w in u = w h', with h' the state of the step before: the sum over steps of gu^T h'."""
    T = gu.shape[0]
    first, rest, before = (T - 1, 0, 1) if reverse else (0, 1, 0)
    gw = gemm(flatten(narrow(gu, 0, first, 1), 0, 1), h0, True)
    if T == 1:
        return gw
    gus, hs = narrow(gu, 0, rest, T - 1), narrow(h, 0, before, T - 1)
    return gemm(flatten(gus, 0, 1), flatten(hs, 0, 1), True) + gw


def _check(name: str, gates: int, x: Tensor, states: dict[str, Tensor], w_ih: Tensor, w_hh: Tensor,
           b_ih: Tensor | None, b_hh: Tensor | None) -> None:  # fmt: skip
    """Raises what is said at `rnn`."""
    if x.ndim != 3 or x.shape[0] == 0:
        raise ValueError(f"{name}: x is (T, N, I) with at least one step, got {x.shape}")
    if w_hh.ndim != 2 or w_hh.shape[0] != gates * w_hh.shape[1]:
        raise ValueError(f"{name}: w_hh is ({gates} * H, H), got {w_hh.shape}")
    N, I, H = x.shape[1], x.shape[2], w_hh.shape[1]  # noqa: E741
    if (b_ih is None) != (b_hh is None):
        raise ValueError(f"{name}: give b_ih and b_hh, or neither")
    expected: dict[str, tuple[Tensor, Shape]] = {n: (t, (N, H)) for n, t in states.items()}
    expected["w_ih"] = (w_ih, (gates * H, I))
    if b_ih is not None and b_hh is not None:
        expected |= {"b_ih": (b_ih, (gates * H,)), "b_hh": (b_hh, (gates * H,))}
    for what, (t, shape) in expected.items():
        if t.shape != shape:
            raise ValueError(
                f"{name}: {what} is {t.shape}, expected {shape} (x={x.shape}, w_hh={w_hh.shape})"
            )
    if not x.dtype.is_floating:
        raise TypeError(f"{name}: expected a floating tensor, got {x.dtype.name}")
    for what, t in {"w_hh": w_hh, **{n: t for n, (t, _) in expected.items()}}.items():
        if t.dtype is not x.dtype:
            raise TypeError(f"{name}: {what} is {t.dtype.name}, x is {x.dtype.name}")


# ---- the simple recurrent network


class Rnn(Op):
    """h_t = tanh(a_t + w h_(t-1)), or relu."""

    relu: bool
    reverse: bool

    def forward(self, a: Tensor, h0: Tensor, w: Tensor) -> Tensor:
        h = empty_like(a)
        a.device.kernels.rnn(a.data, h0.data, w.data, h.data, self.relu, self.reverse)
        self.save(h0, w, output=h)
        return h

    def backward(self, gh: Tensor) -> tuple[Tensor, ...]:
        h0, w, h = self.saved
        gh0 = empty_like(h0)
        ga = RnnBackward.apply(gh, h, w, gh0=gh0, relu=self.relu, reverse=self.reverse)
        _beside(ga, gh0)
        return ga, gh0, _weight_gradient(ga, h, h0, self.reverse)


class RnnBackward(Op):
    """Gradient of a; that of the initial state into gh0."""

    gh0: Tensor
    relu: bool
    reverse: bool

    def forward(self, gh: Tensor, h: Tensor, w: Tensor) -> Tensor:
        ga = empty_like(h)
        gh.device.kernels.rnn_backward(
            gh.data, h.data, w.data, ga.data, self.gh0.data, self.relu, self.reverse
        )
        return ga


def rnn(
    x: Tensor,
    h0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> Tensor:
    """A simple recurrent layer: h_t = tanh(w_ih x_t + b_ih + w_hh h_(t-1) + b_hh).

    Args:
        x: (T, N, I), T steps of N sequences; floating.
        h0: (N, H), the state before the first step.
        w_ih: (H, I).
        w_hh: (H, H).
        b_ih: (H,), or None.
        b_hh: (H,), or None as b_ih.
        nonlinearity: "tanh" or "relu".
        reverse: start with the last step; each result stays at the place of its step.

    Returns:
        (T, N, H), the state after each step.

    Raises:
        ValueError: the shapes do not fit, or another nonlinearity.
        TypeError: the dtypes differ, or are not floating.

    Derivative: once.
    Source: Elman, "Finding structure in time" (1990).
    """
    if thread.autocast is not None:
        x, h0, w_ih, w_hh, b_ih, b_hh = lowered(x, h0, w_ih, w_hh, b_ih, b_hh)
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f'rnn: nonlinearity is "tanh" or "relu", got {nonlinearity!r}')
    _check("rnn", 1, x, {"h0": h0}, w_ih, w_hh, b_ih, b_hh)
    a = linear(x, w_ih, b_ih if b_ih is None or b_hh is None else b_ih + b_hh)
    return Rnn.apply(a, h0, w_hh, relu=nonlinearity == "relu", reverse=reverse)


# ---- long short-term memory


class Lstm(Op):
    """The states h and c at every step, (2, T, N, H), from the inputs of the gates i f g o."""

    reverse: bool

    def forward(self, a: Tensor, h0: Tensor, c0: Tensor, w: Tensor) -> Tensor:
        states = empty(2, *a.shape[:2], w.shape[1], dtype=a.dtype, device=a.device)
        gates = empty_like(a) if self.needs else None  # for the derivative alone
        kept = None if gates is None else gates.data
        a.device.kernels.lstm(a.data, h0.data, c0.data, w.data, kept, states.data, self.reverse)
        if gates is not None:
            self.save(h0, c0, w, gates, output=states)
        return states

    def backward(self, gstates: Tensor) -> tuple[Tensor, ...]:
        h0, c0, w, gates, states = self.saved
        gh0, gc0 = empty_like(h0), empty_like(c0)
        ga = LstmBackward.apply(gstates, gates, states, c0, w, out=(gh0, gc0), reverse=self.reverse)
        _beside(ga, gh0, gc0)
        return ga, gh0, gc0, _weight_gradient(ga, states[0], h0, self.reverse)


class LstmBackward(Op):
    """Gradient of a; into `out` those of h0 and c0."""

    out: tuple[Tensor, Tensor]
    reverse: bool

    def forward(self, gstates: Tensor, *saved: Tensor) -> Tensor:
        ga = empty_like(saved[0])
        arrays = [t.data for t in (gstates, *saved, ga, *self.out)]
        gstates.device.kernels.lstm_backward(*arrays, self.reverse)
        return ga


def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """A layer of long short-term memory, with forget gate.

    i, f, o = sigmoid(w_ih x_t + b_ih + w_hh h_(t-1) + b_hh), g likewise with tanh;
    c_t = f c_(t-1) + i g, h_t = o tanh(c_t).

    Args:
        x: (T, N, I), T steps of N sequences; floating.
        h0: (N, H), the state before the first step.
        c0: (N, H), the cell before the first step.
        w_ih: (4 H, I), for i, f, g, o in turn, as in the following.
        w_hh: (4 H, H).
        b_ih: (4 H,), or None.
        b_hh: (4 H,), or None as b_ih.
        reverse: start with the last step; each result stays at the place of its step.

    Returns:
        (T, N, H) twice: h and c after each step.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the dtypes differ, or are not floating.

    Derivative: once.
    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997); Gers, Schmidhuber and
    Cummins, "Learning to forget" (2000).
    """
    if thread.autocast is not None:
        x, h0, c0, w_ih, w_hh, b_ih, b_hh = lowered(x, h0, c0, w_ih, w_hh, b_ih, b_hh)
    _check("lstm", 4, x, {"h0": h0, "c0": c0}, w_ih, w_hh, b_ih, b_hh)
    a = linear(x, w_ih, b_ih if b_ih is None or b_hh is None else b_ih + b_hh)
    states = Lstm.apply(a, h0, c0, w_hh, reverse=reverse)
    return states[0], states[1]


# ---- gated recurrent units


class Gru(Op):
    """The state at every step, (T, N, H), from the inputs of the gates r z n."""

    reverse: bool

    def forward(self, a: Tensor, h0: Tensor, w: Tensor, *b: Tensor) -> Tensor:
        T, N, H = *a.shape[:2], w.shape[1]
        h = empty(T, N, H, dtype=a.dtype, device=a.device)
        gates = empty(T, N, 4 * H, dtype=a.dtype, device=a.device) if self.needs else None
        bias, kept = b[0].data if b else None, None if gates is None else gates.data
        a.device.kernels.gru(a.data, h0.data, w.data, bias, kept, h.data, self.reverse)
        if gates is not None:
            self.save(h0, w, gates, output=h)
        return h

    def backward(self, gh: Tensor) -> tuple[Tensor, ...]:
        h0, w, gates, h = self.saved
        gh0 = empty_like(h0)
        gu = empty(*h.shape[:2], w.shape[0], dtype=h.dtype, device=h.device)
        ga = GruBackward.apply(gh, gates, h, h0, w, out=(gu, gh0), reverse=self.reverse)
        _beside(ga, gu, gh0)
        gw = _weight_gradient(gu, h, h0, self.reverse)
        return (ga, gh0, gw, sum(flatten(gu, 0, 1), 0))[: len(self.needs)]


class GruBackward(Op):
    """Gradient of a; into `out` those of u = w h' + b and of h0."""

    out: tuple[Tensor, Tensor]
    reverse: bool

    def forward(self, gh: Tensor, *saved: Tensor) -> Tensor:
        ga = empty_like(self.out[0])
        arrays = [t.data for t in (gh, *saved, ga, *self.out)]
        gh.device.kernels.gru_backward(*arrays, self.reverse)
        return ga


def gru(
    x: Tensor,
    h0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    reverse: bool = False,
) -> Tensor:
    """A layer of gated recurrent units.

    With a = w_ih x_t + b_ih and u = w_hh h_(t-1) + b_hh, a third of each for r, z and n:
    r, z = sigmoid(a + u), n = tanh(a + r u), h_t = (1 - z) n + z h_(t-1).

    Args:
        x: (T, N, I), T steps of N sequences; floating.
        h0: (N, H), the state before the first step.
        w_ih: (3 H, I), for r, z, n in turn, as in the following.
        w_hh: (3 H, H).
        b_ih: (3 H,), or None.
        b_hh: (3 H,), or None as b_ih.
        reverse: start with the last step; each result stays at the place of its step.

    Returns:
        (T, N, H), the state after each step.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the dtypes differ, or are not floating.

    Derivative: once.
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014), with
    r applied after the product, as in version 1 of the paper.
    """
    if thread.autocast is not None:
        x, h0, w_ih, w_hh, b_ih, b_hh = lowered(x, h0, w_ih, w_hh, b_ih, b_hh)
    _check("gru", 3, x, {"h0": h0}, w_ih, w_hh, b_ih, b_hh)
    a = linear(x, w_ih, b_ih)
    return Gru.apply(a, h0, w_hh, *(() if b_hh is None else (b_hh,)), reverse=reverse)
