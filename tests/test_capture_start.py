"""A captured function that goes on by itself: `start` and `wait`, against plain calls."""

from __future__ import annotations

import gc
import os
import signal
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn as nn
from pydl import CaptureError, optim
from pydl.optim import lr_scheduler


class Learner:
    """A small network with dropout, a schedule and clipping: all that a replay has to carry on."""

    def __init__(self) -> None:
        pydl.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(5, 40), nn.ReLU(), nn.Dropout(0.3), nn.Linear(40, 1))
        self.optimizer = optim.Adam(self.net.parameters(), lr=0.01)
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 3, 0.5)
        self.step = pydl.capture(self.plain)

    def plain(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = (self.net(x) ** 2).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.scheduler.step()
        return loss

    def weights(self) -> list[bytes]:
        return [p.detach().numpy().tobytes() for p in self.net.parameters()]


def batches(n: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return list(rng.normal(size=(n, 16, 5)).astype(np.float32))


def test_what_is_started_ends_with_the_bits_of_a_call() -> None:
    one, two = Learner(), Learner()
    pydl.manual_seed(1)
    called = [one.step(x).item() for x in batches(12)]
    pydl.manual_seed(1)
    started = [two.step.start(x).wait().item() for x in batches(12)]  # type: ignore[attr-defined]
    assert called == started
    assert one.weights() == two.weights()
    assert one.optimizer.param_groups[0]["lr"] == two.optimizer.param_groups[0]["lr"]


def plain_net() -> Learner:
    """Without a schedule, which goes on once a start, and without random numbers."""
    learner = Learner()
    learner.scheduler.step = lambda: None  # type: ignore[method-assign, assignment]
    learner.net.eval()
    return learner


def test_a_learning_rate_that_is_changed_in_between_counts() -> None:
    one, two = plain_net(), plain_net()
    for k, x in enumerate(batches(8)):
        for learner in (one, two):
            learner.optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
        expected = one.step(x).item()
        assert two.step.start(x).wait().item() == expected  # type: ignore[attr-defined]
    assert one.weights() == two.weights()


def test_two_steps_with_a_schedule_in_between_happen_at_once() -> None:
    """As what Python does between them cannot be moved."""
    results = []
    for start in (False, True):
        learner = Learner()
        learner.net.eval()
        plain = learner.plain
        step = pydl.capture(lambda x, plain=plain: (plain(x), plain(x)))
        for x in batches(7):
            out = step.start(x).wait() if start else step(x)
        results.append((out[1].item(), learner.weights()))
    assert results[0] == results[1]


@pytest.mark.parametrize("repeat", [1, 2, 3, 7])
def test_repeated_starts_are_calls_with_the_same_argument(repeat: int) -> None:
    """From the first one on, when nothing is recorded yet."""
    one, two = plain_net(), plain_net()
    for x in batches(4):
        for _ in range(repeat):
            expected = one.step(x).item()
        found = two.step.start(x, repeat=repeat).wait().item()  # type: ignore[attr-defined]
        assert found == expected
    assert one.weights() == two.weights()


def test_the_caller_goes_on_meanwhile() -> None:
    learner = plain_net()
    other = pydl.capture(lambda x: (x @ x.T).sum())
    x = np.ones((16, 5), np.float32)
    for _ in range(3):
        learner.step(x)
        other(x)
    before = other(x).item()
    running = learner.step.start(x, repeat=3000)  # type: ignore[attr-defined]
    for _ in range(20):
        assert other(x).item() == before
        assert (pydl.tensor(x) * 2).sum().item() == 160
    assert np.isfinite(running.wait().item())
    assert running.wait().item() == running.wait().item()  # it is over, and says the same again


def test_it_cannot_be_called_before_it_is_over() -> None:
    learner = plain_net()
    x = np.ones((16, 5), np.float32)
    for _ in range(3):
        learner.step(x)
    running = learner.step.start(x, repeat=3000)  # type: ignore[attr-defined]
    with pytest.raises(CaptureError, match="is running already"):
        learner.step(x)
    with pytest.raises(CaptureError, match="is running already"):
        learner.step.start(x)  # type: ignore[attr-defined]
    running.wait()
    learner.step(x)
    with pytest.raises(ValueError, match="repeat is 0, expected 1 or more"):
        learner.step.start(x, repeat=0)  # type: ignore[attr-defined]


def test_it_is_refused_inside_another_captured_function() -> None:
    double = pydl.capture(lambda x: x * 2)
    x = np.ones(3, np.float32)
    for _ in range(3):
        double(x)
    outer = pydl.capture(lambda x: double.start(x).wait() + 1)  # type: ignore[attr-defined]
    outer(x)
    with pytest.raises(CaptureError, match="inside another captured function"):
        outer(x)


def test_an_error_comes_where_it_is_waited_for() -> None:
    table = pydl.arange(10).float()
    look = pydl.capture(lambda i: table[i])
    for _ in range(3):
        look(np.array([1, 2]))
    running = look.start(np.array([1, 99]))  # type: ignore[attr-defined]
    with pytest.raises(IndexError):
        running.wait()
    assert look(np.array([3, 4])).tolist() == [3, 4]


def test_a_plan_that_is_forgotten_while_it_runs_is_waited_for() -> None:
    learner = plain_net()
    x = np.ones((16, 5), np.float32)
    for _ in range(3):
        learner.step(x)
    learner.step.start(x, repeat=2000)  # type: ignore[attr-defined]
    del learner
    gc.collect()


def test_calls_of_another_shape_are_not_replays_and_happen_at_once() -> None:
    learner = plain_net()
    for x in batches(3):
        learner.step(x)
    running = learner.step.start(np.ones((3, 5), np.float32))  # type: ignore[attr-defined]
    assert np.isfinite(running.wait().item())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_starts_its_own_thread() -> None:
    learner = plain_net()
    x = np.ones((16, 5), np.float32)
    for _ in range(3):
        learner.step.start(x).wait()  # type: ignore[attr-defined]
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        ok = np.isfinite(learner.step.start(x).wait().item())  # type: ignore[attr-defined]
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
