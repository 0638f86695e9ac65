"""Recurrent layers as modules: options, names, messages; that they learn, with the same bits."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, nn, ops, optim
from pydl.autograd import grad

LAYERS = (nn.RNN, nn.LSTM, nn.GRU)
CELLS = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}


def normal(*shape: int, device: str = "cpu") -> Tensor:
    return pydl.tensor(np.random.default_rng(len(shape)).standard_normal(shape), device=device)


def states_of(hx: Any) -> tuple[Tensor, ...]:
    return hx if isinstance(hx, tuple) else (hx,)


def hx_of(states: tuple[Tensor, ...]) -> Any:
    return states if len(states) > 1 else states[0]


def near(a: Tensor, b: Tensor) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=2e-6)


def by_cells(layer: Any, x: Tensor, initial: tuple[Tensor, ...]) -> tuple[Tensor, list[Any]]:
    """What the layers should give: one step after another, by cells with the same weights."""
    last = []
    for level in range(layer.num_layers):
        outputs = []
        for suffix in (f"_l{level}", f"_l{level}_reverse")[: 1 + layer.bidirectional]:
            cell = CELLS[type(layer)](x.shape[2], layer.hidden_size, layer.bias)
            cell.load_state_dict({n: layer.state_dict()[n + suffix] for n in cell.state_dict()})
            if isinstance(layer, nn.RNN):
                cell.nonlinearity = layer.nonlinearity
            hx = hx_of(tuple(s[len(last)] for s in initial))
            steps = range(len(x))
            ys: dict[int, Tensor] = {}
            for t in reversed(steps) if "reverse" in suffix else steps:
                hx = cell(x[t], hx)
                ys[t] = states_of(hx)[0]
            outputs.append(ops.stack([ys[t] for t in steps]))
            last.append(states_of(hx))
        x = ops.cat(outputs, 2)
    return x, [ops.stack(s) for s in zip(*last, strict=True)]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_are_cells_in_a_row(
    kind: Any, bias: bool, num_layers: int, bidirectional: bool
) -> None:
    options = {"nonlinearity": "relu"} if kind is nn.RNN and not bias else {}
    layer = kind(4, 6, num_layers, bias=bias, bidirectional=bidirectional, **options)
    walks = num_layers * (1 + bidirectional)
    initial = (normal(walks, 3, 6), -normal(walks, 3, 6))[: 2 if kind is nn.LSTM else 1]
    x = normal(5, 3, 4)
    y, hx = layer(x, hx_of(initial))
    want, last = by_cells(layer, x, initial)
    near(y, want)
    for got, expected in zip(states_of(hx), last, strict=True):
        near(got, expected)


@pytest.mark.parametrize("kind", LAYERS)
def test_batch_first_and_unbatched(kind: Any) -> None:
    pydl.manual_seed(0)
    layer = kind(4, 6, 2, bidirectional=True)
    first = kind(4, 6, 2, bidirectional=True, batch_first=True)
    first.load_state_dict(layer.state_dict())
    x = normal(5, 3, 4)
    y, hx = layer(x)
    y_first, hx_first = first(x.transpose(0, 1))
    assert y.shape == (5, 3, 12)
    assert y_first.shape == (3, 5, 12)
    near(y_first.transpose(0, 1), y)
    initial = hx_of(tuple(normal(4, 6) for _ in states_of(hx)))
    for model in (layer, first):  # the order of the dimensions of one sequence is always (T, I)
        alone, hx_alone = model(x[:, 1])
        assert alone.shape == (5, 12)
        near(alone, y[:, 1])
        for a, b, s in zip(*map(states_of, (hx_alone, hx, hx_first)), strict=True):
            assert a.shape == (4, 6)
            near(a, b[:, 1])
            near(s, b)
        assert model(x[:, 1], initial)[0].shape == (5, 12)


@pytest.mark.parametrize("kind", LAYERS)
def test_cells_without_a_batch(kind: Any) -> None:
    cell = CELLS[kind](4, 6)
    x = normal(3, 4)
    for got, want in zip(states_of(cell(x[1])), states_of(cell(x)), strict=True):
        assert got.shape == (6,)
        near(got, want[1])
    assert states_of(cell(ops.zeros(0, 4)))[0].shape == (0, 6)


def test_names_are_those_of_torch() -> None:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    found = list(nn.LSTM(3, 4, 2, bidirectional=True).state_dict())
    assert found == [n + s for s in ("_l0", "_l0_reverse", "_l1", "_l1_reverse") for n in names]
    assert list(nn.GRU(3, 4, bias=False).state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert list(nn.GRUCell(3, 4).state_dict()) == list(names)
    layer = nn.LSTM(3, 4, 2, bidirectional=True)
    assert layer.weight_ih_l1.shape == (16, 8)
    assert layer.weight_hh_l0_reverse.shape == (16, 4)
    text = "LSTM(3, 4, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True)"
    assert repr(nn.LSTM(3, 4, 2, True, True, 0.5, True)) == text
    assert repr(nn.RNN(3, 4, nonlinearity="relu", bias=False)) == "RNN(3, 4, bias=False)"
    assert repr(nn.RNNCell(3, 4, nonlinearity="relu")) == "RNNCell(3, 4, nonlinearity=relu)"
    assert repr(nn.GRUCell(3, 4, bias=False)) == "GRUCell(3, 4, bias=False)"


def test_initial_weights() -> None:
    pydl.manual_seed(0)
    for weight in nn.GRU(100, 25).parameters():
        values = weight.numpy()
        assert np.abs(values).max() <= 0.2
        assert abs(values.std() - 0.2 / math.sqrt(3)) < 0.02


@pytest.mark.parametrize("kind", LAYERS)
def test_dropout_is_between_layers_and_in_training(kind: Any) -> None:
    layer = kind(4, 6, 2, dropout=1.0)
    x = normal(5, 3, 4)
    y, hx = layer(x)
    silent = kind(6, 6)
    silent.load_state_dict({n.replace("l1", "l0"): w for n, w in layer.state_dict().items()
                            if "l1" in n})  # fmt: skip
    near(y, silent(ops.zeros(5, 3, 6))[0])  # the second layer sees nothing
    layer.eval()
    assert np.abs(layer(x)[0].numpy() - y.numpy()).max() > 1e-3
    near(states_of(layer(x)[1])[0][0], states_of(hx)[0][0])  # the first layer is not touched
    with pytest.warns(UserWarning, match="dropout acts between layers"):
        kind(4, 6, dropout=0.5)


def test_the_last_cell_alone_has_a_gradient(device: str) -> None:
    layer = nn.LSTM(2, 3, bidirectional=True, device=device)
    x = normal(4, 2, 2, device=device).requires_grad_()
    c0 = ops.zeros(2, 2, 3, device=device, requires_grad=True)
    _, (_, c) = layer(x, (ops.zeros(2, 2, 3, device=device), c0))
    c.sum().backward()
    for t in (x, c0, *layer.parameters()):
        assert t.grad is not None
        assert np.abs(t.grad.numpy()).max() > 0


@pytest.mark.parametrize("kind", LAYERS)
def test_no_second_derivative_of_any_input(kind: Any) -> None:
    layer = kind(2, 3)
    x, states = normal(4, 2, 2).requires_grad_(), []
    for _ in range(2 if kind is nn.LSTM else 1):
        states.append(normal(1, 2, 3).requires_grad_())
    y = layer(x, hx_of(tuple(states)))[0]
    for t in (x, *states, *layer.parameters()):
        (g,) = grad(y.sum(), [t], create_graph=True, retain_graph=True)
        with pytest.raises(RuntimeError, match=r"_backward: cannot be differentiated"):
            grad(g.sum(), [x], retain_graph=True)


def test_refusals() -> None:
    x = ops.zeros(5, 3, 4)
    for call, message in (
        (lambda: nn.LSTM(4, 6, proj_size=2), "LSTM: projections are not supported"),
        (lambda: nn.GRU(4, 6, 0), "GRU: input_size, hidden_size and num_layers are at least 1"),
        (lambda: nn.GRU(4, 6, 2, dropout=1.5), "GRU: dropout is a probability, got 1.5"),
        (lambda: nn.RNN(4, 6, nonlinearity="elu"), "RNN: nonlinearity is "),
        (lambda: nn.GRU(3, 6)(x), r"GRU: x is \(T, N, I\) or \(T, I\) with I=3, got \(5, 3, 4\)"),
        (lambda: nn.GRU(3, 6, batch_first=True)(x), r"GRU: x is \(N, T, I\) or \(T, I\) with I=3"),
        (lambda: nn.GRU(4, 6)(x[0, 0]), r"GRU: x is \(T, N, I\)"),
        (lambda: nn.GRU(4, 6)(x, ops.zeros(1, 2, 6)), r"GRU: h of hx is \(1, 2, 6\), expected "),
        (lambda: nn.LSTM(4, 6)(x, ops.zeros(1, 3, 6)), "LSTM: hx is 1 tensors, expected 2"),
        (lambda: nn.LSTM(4, 6)(x, (ops.zeros(1, 3, 6), x)), r"LSTM: c of hx is \(5, 3, 4\)"),
        (lambda: nn.GRU(4, 6)(x[:0]), r"gru: x is \(T, N, I\) with at least one step"),
        (lambda: nn.RNNCell(4, 6)(x), r"RNNCell: x is \(N, I\) or \(I,\) with I=4"),
    ):
        with pytest.raises(ValueError, match="^" + message):
            call()
    with pytest.raises(TypeError, match=r"^gru: w_hh is float32, x is float64"):
        nn.GRU(4, 6, device="numpy")(pydl.from_numpy(np.zeros((5, 3, 4)), "numpy"))


# ---- learning

DELAY = 3


class Echo(nn.Module):
    """Repeats a bit some steps later."""

    def __init__(self, kind: Any, device: str) -> None:
        self.layers = kind(1, 24, device=device)
        self.head = nn.Linear(24, 1, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """Bits (T, N, 1) to logits."""
        return self.head(self.layers(x)[0])


def train(kind: Any, steps: int, device: str = "cpu") -> tuple[list[float], str]:
    """The losses, and a digest of the weights."""
    pydl.manual_seed(0)
    model = Echo(kind, device)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        bits = rng.integers(0, 2, (12, 40, 1)).astype(np.float32)
        x = pydl.tensor(bits, device=device)
        logits = model(x)[DELAY:]
        target = x[:-DELAY]
        loss = (F.softplus(logits) - logits * target).mean()  # -log p of the target
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    digest = hashlib.sha256()
    for weight in model.state_dict().values():
        digest.update(weight.numpy().tobytes())
    return losses, digest.hexdigest()


@pytest.mark.parametrize("kind", LAYERS)
def test_learns_a_delayed_echo_with_the_same_bits(kind: Any) -> None:
    digests = set()
    for threads in (1, 2, 3):
        pydl.set_num_threads(threads)
        losses, digest = train(kind, 150)
        digests.add(digest)
    assert len(digests) == 1
    assert losses[0] > 0.6  # ln 2: it knows nothing
    assert losses[-1] < 0.05


@pytest.mark.parametrize("kind", LAYERS)
def test_learns_as_the_oracle_does(kind: Any) -> None:
    np.testing.assert_allclose(train(kind, 15)[0], train(kind, 15, "numpy")[0], rtol=1e-4)
