"""detect_anomaly names the op, the module and the line of the first NaN or Inf."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import pydl
from pydl import AnomalyError, Tensor, nn
from pydl.op import Op


def test_the_op_and_the_line_of_the_forward_pass(device: str) -> None:
    x = pydl.tensor([[1.0, 2.0], [3.0, -1.0]], device=device, requires_grad=True)
    with pydl.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        (x * 2.0).log()  # the line
    message = str(caught.value)
    assert message.startswith("log, created at ")
    assert message.endswith("the forward pass gave nan at (1, 1) in a result of shape (2, 2)")
    assert "test_anomaly.py:" in message
    assert "(x * 2.0).log()  # the line" in message


def test_the_op_and_the_line_of_the_backward_pass(device: str) -> None:
    x = pydl.tensor([4.0, 0.0], device=device, requires_grad=True)
    with pydl.detect_anomaly():
        y = x.sqrt()  # here
        loss = (y * pydl.tensor([1.0, 2.0], device=device)).sum()
        with pytest.raises(AnomalyError) as caught:
            loss.backward()
    message = str(caught.value)
    assert message.startswith("sqrt, created at ")
    assert "y = x.sqrt()  # here" in message
    assert "in the backward pass, unary_backward gave inf at (1,) in a result of shape" in message


class Sick(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / (x - x)


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), Sick()))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_the_path_of_the_module() -> None:
    with (
        pydl.detect_anomaly(),
        pytest.raises(AnomalyError, match=r"^div of module body\.1\.1 \("),
    ):
        Net()(pydl.ones(1, 2))
    with pydl.detect_anomaly():
        net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        y = net(pydl.ones(1, 2)).sum()
        assert y.node is not None
        with pytest.raises(AnomalyError, match=r"^tanh of module 1 \(Tanh\), created at "):
            net(pydl.ones(1, 2)).backward(pydl.full((1, 2), float("nan")))


def test_what_came_in_bad_is_said_to_have_come_in() -> None:
    x = pydl.tensor([1.0, float("inf")])
    with (
        pydl.detect_anomaly(),
        pytest.raises(AnomalyError, match=r"^relu.*input 0 came in with inf"),
    ):
        pydl.relu(x)


def test_infinities_may_be_allowed() -> None:
    x = pydl.tensor([1.0, float("-inf")], requires_grad=True)
    with pydl.detect_anomaly(check_inf=False):
        pydl.softmax(x, 0).sum().backward()
        with pytest.raises(AnomalyError, match=r"^sub"):
            x - x
    assert x.grad is not None


def test_nothing_is_left_when_it_is_off() -> None:
    def raising() -> None:
        with pydl.detect_anomaly():
            assert Op.__dict__["apply"].__func__ is not apply
            with pydl.detect_anomaly():
                pass
            assert Op.__dict__["apply"].__func__ is not apply  # still inside the outer one
            raise ZeroDivisionError

    apply, call = Op.__dict__["apply"].__func__, nn.Module.__call__
    with pytest.raises(ZeroDivisionError):
        raising()
    assert Op.__dict__["apply"].__func__ is apply
    assert nn.Module.__call__ is call
    assert pydl.log(pydl.zeros(1)).item() == float("-inf")


def test_the_same_results_and_second_derivatives() -> None:
    def step() -> list[Any]:
        x = pydl.tensor([0.5, 2.0], requires_grad=True)
        (g,) = pydl.grad((x.exp() * x).sum(), x, create_graph=True)
        g.square().sum().backward()
        assert x.grad is not None
        return [g.tolist(), x.grad.tolist()]

    plain = step()
    with pydl.detect_anomaly():
        assert step() == plain


def test_as_a_decorator_and_in_a_thread() -> None:
    @pydl.detect_anomaly()
    def bad() -> None:
        pydl.log(pydl.full((2,), -1.0))

    caught: list[Exception] = []

    def run() -> None:
        try:
            bad()
        except AnomalyError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert str(caught[0]).startswith("log, created at")
