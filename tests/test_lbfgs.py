"""L-BFGS: it minimizes, resumes to equal bits, and refuses what it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydl
from pydl import Tensor, optim
from pydl.optim import flatten_state, unflatten_state
from pydl.optim.lbfgs import Point, cubic_minimum


def rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    return (1.0 - x).square() + 100.0 * (y - x.square()).square()


def problem(device: str = "cpu") -> list[Tensor]:
    return [pydl.tensor(v, device=device, requires_grad=True) for v in (-1.2, 1.0)]


def run(optimizer: optim.LBFGS, params: list[Tensor], steps: int) -> list[float]:
    losses = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = rosenbrock(*params)
        loss.backward()
        return loss

    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
    return losses


def test_it_finds_the_minimum_of_a_bent_valley(device: str) -> None:
    params = problem(device)
    losses = run(optim.LBFGS(params, line_search_fn="strong_wolfe"), params, 6)
    assert losses[0] == pytest.approx(24.2)
    assert [p.item() for p in params] == pytest.approx([1, 1], abs=1e-3)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("max_eval", [1, 2, 4])
def test_the_line_search_keeps_to_max_eval(max_eval: int) -> None:
    """Beyond it, only the first look of a search is taken: a step needs one."""
    x = pydl.tensor([1.0, -2.0], requires_grad=True)
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return loss

    optimizer = optim.LBFGS(
        [x], lr=1e-4, max_iter=3, max_eval=max_eval, line_search_fn="strong_wolfe"
    )
    optimizer.step(closure)
    assert calls <= max_eval + 1


def test_a_quadratic_takes_a_step_for_each_dimension() -> None:
    scale = pydl.tensor([1.0, 4.0, 9.0])
    x = pydl.tensor([3.0, -2.0, 1.0], requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (scale * x.square()).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert np.abs(x.detach().numpy()).max() < 1e-4


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_it_resumes_to_equal_bits(search: str | None) -> None:
    options: dict[str, Any] = {"lr": 0.02, "max_iter": 3, "history_size": 4}
    params = problem()
    whole = run(optim.LBFGS(params, line_search_fn=search, **options), params, 8)
    first = problem()
    optimizer = optim.LBFGS(first, line_search_fn=search, **options)
    losses = run(optimizer, first, 4)
    saved = unflatten_state(*flatten_state(optimizer.state_dict()))
    second = [pydl.tensor(p.item(), requires_grad=True) for p in first]
    again = optim.LBFGS(second)
    again.load_state_dict(saved)
    assert again.param_groups[0]["history_size"] == 4
    losses += run(again, second, 4)
    assert losses == whole
    assert [p.item() for p in second] == [p.item() for p in params]


def test_the_minimum_of_a_cubic() -> None:
    g = pydl.zeros(1)

    def at(t: float) -> Point:  # t^3 - 3 t, whose minimum is at 1
        return Point(t, t**3 - 3 * t, g, 3 * t**2 - 3)

    assert cubic_minimum(at(0.0), at(3.0), (0.0, 3.0)) == pytest.approx(1)
    assert cubic_minimum(at(3.0), at(0.0), (0.0, 3.0)) == pytest.approx(1)
    assert cubic_minimum(at(0.0), at(3.0), (1.5, 3.0)) == 1.5
    assert cubic_minimum(at(2.0), at(2.0), (1.0, 3.0)) == 2


def test_refused() -> None:
    x = pydl.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"LBFGS: line_search_fn is None or 'strong_wolfe', got"):
        optim.LBFGS([x], line_search_fn="armijo")
    with pytest.raises(ValueError, match="LBFGS: expected one parameter group, got 2"):
        optim.LBFGS([{"params": [x]}, {"params": [pydl.ones(1, requires_grad=True)]}])
    with pytest.raises(ValueError, match="LBFGS: max_iter must be >= 1, got 0"):
        optim.LBFGS([x], max_iter=0)
    with pytest.raises(TypeError, match="LBFGS: step\\(\\) needs a closure"):
        optim.LBFGS([x]).step()
    params = problem()
    optimizer = optim.LBFGS(params)
    run(optimizer, params, 1)
    with pytest.raises(ValueError, match=r"LBFGS\.load_state_dict: expected one group of 1"):
        optim.LBFGS([x]).load_state_dict(optimizer.state_dict())
    wide = [pydl.ones(2, requires_grad=True) for _ in range(2)]
    with pytest.raises(ValueError, match=r"LBFGS.load_state_dict: a direction of shape \(2,\)"):
        optim.LBFGS(wide).load_state_dict(optimizer.state_dict())
