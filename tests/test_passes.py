"""What is done to a recorded plan: each pass does its work, and none changes a bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, nn, optim
from pydl import plan as plans


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = pydl._native.num_threads()
    yield
    pydl.set_num_threads(before)


def kernels(captured: Any) -> list[str]:
    """The calls of the only plan."""
    (plan,) = captured.plans
    return [row.kernel for row in plan.profile(repeats=1)]


def captured_with(passes: tuple[str, ...], function: Callable[..., Any], *args: Any) -> Any:
    """A function after three calls, recorded with these passes alone; checks its bits."""
    before, plans.PASSES = plans.PASSES, passes
    try:
        captured = pydl.capture(function)
        outputs = [captured(*args) for _ in range(3)]
    finally:
        plans.PASSES = before
    wanted = bits(function(*args))
    assert all(bits(output) == wanted for output in outputs)
    return captured


def bits(output: Any) -> list[bytes]:
    outputs = output if isinstance(output, tuple) else (output,)
    return [t.detach().numpy().tobytes() for t in outputs]


# ---- each of them


def test_what_nobody_reads_is_not_computed() -> None:
    def f(x: Tensor) -> Tensor:
        unread = pydl.tanh(x)
        unread = pydl.exp(unread)
        return pydl.sin(x) + unread.shape[0]

    x = pydl.randn(7, 3)
    assert kernels(captured_with((), f, x)) == ["tanh", "exp", "sin", "add"]
    assert kernels(captured_with(("dead_writes",), f, x)) == ["sin", "add"]


def test_what_is_kept_or_returned_is_computed() -> None:
    total = pydl.zeros(3)

    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        total.add_(x)
        y = pydl.tanh(x)
        return y, pydl.exp(y)

    captured = pydl.capture(f)
    for i in range(4):
        y, z = captured(pydl.full((3,), 0.5 + i))
        assert bits((y, z)) == bits((t := pydl.tanh(pydl.full((3,), 0.5 + i)), pydl.exp(t)))
    assert total.tolist() == [0.5 + 1.5 + 2.5 + 3.5] * 3
    assert kernels(captured) == ["add", "tanh", "exp"]


SPECIAL = np.array([np.nan, -0.0, 0.0, np.inf, -np.inf, 1e-40, -1.0, 2.0], np.float32)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize(
    ("shape", "weight"),
    [
        ((4, 3, 9, 9), (5, 3, 3, 3)),  # an implicit GEMM
        ((3, 16, 12, 12), (16, 16, 3, 3)),  # Winograd
        ((4, 6, 5, 5), (7, 6, 1, 1)),  # a product
        ((4, 6, 5, 5), (7, 6, 5, 5)),  # one output
        ((2, 1, 20, 20), (6, 1, 5, 5)),  # a first layer
        ((4, 6, 9, 9), (6, 1, 3, 3)),  # depthwise
        ((4, 6, 9, 9), (4, 3, 3, 3)),  # two groups
        ((9, 30), (20, 30)),
        ((1, 600), (300, 600)),
        ((64, 70), (130, 70)),
    ],
)
def test_a_relu_moves_into_the_product(
    shape: tuple[int, ...], weight: tuple[int, ...], grad: bool
) -> None:
    x, w, b = pydl.randn(shape), pydl.randn(weight), pydl.randn(weight[0])
    groups = shape[1] // weight[1]
    x[0] = pydl.tensor(np.resize(SPECIAL, shape[1:]))
    if grad:
        w.requires_grad_()
        x[0] = 1.0

    def f(x: Tensor) -> tuple[Tensor, ...]:
        y = F.relu(F.linear(x, w, b) if x.ndim == 2 else F.conv2d(x, w, b, groups=groups))
        return (y, *pydl.grad(y.square().sum(), [w])) if grad else (y,)

    product = "conv2d" if len(shape) == 4 else "matmul"
    assert product in kernels(captured_with((), f, x))
    found = kernels(captured_with(("epilogues",), f, x))
    assert f"{product}+relu" in found
    assert "relu" not in found


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(5, 7, 9), (1, 9, 6), (1, 300, 600), (30, 3, 2000), (200, 40, 3), (64, 512, 784),
     (600, 700, 500), (130, 20, 3000)],
)  # fmt: skip
def test_a_bias_moves_into_the_product(m: int, n: int, k: int, relu: bool) -> None:
    w, b = pydl.randn(k, n), pydl.randn(n)

    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        y, z = x @ w + b, b + x @ w
        return (F.relu(y), F.relu(z)) if relu else (y, z)

    x = pydl.randn(m, k)
    assert "add" in kernels(captured_with((), f, x))
    wanted = "matmul+add+relu" if relu else "matmul+add"
    assert kernels(captured_with(("epilogues",), f, x)) == [wanted, wanted]


def test_a_bias_that_changes_or_has_another_shape_stays() -> None:
    w, b = pydl.randn(8, 8), pydl.randn(8)

    def changed(x: Tensor) -> Tensor:
        y = x @ w
        b.mul_(1.0)
        return y + b

    def column(x: Tensor) -> Tensor:
        return x @ w + b.reshape(8, 1)

    def twice(x: Tensor) -> Tensor:
        return x @ w + b + b

    x = pydl.randn(8, 8)
    assert kernels(captured_with(("epilogues",), changed, x)) == ["matmul", "mul", "add"]
    assert kernels(captured_with(("epilogues",), column, x)) == ["matmul", "add"]
    assert kernels(captured_with(("epilogues",), twice, x)) == ["matmul+add", "add"]


def test_a_relu_stays_where_its_input_is_needed() -> None:
    w = pydl.randn(8, 8)

    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x @ w
        return F.relu(y), y

    def g(x: Tensor) -> Tensor:
        y = x @ w
        return F.relu(y) + y

    for function in (f, g):
        assert "relu" in kernels(captured_with(plans.PASSES, function, pydl.randn(8, 8)))


def test_an_output_takes_the_memory_of_its_input() -> None:
    def f(x: Tensor) -> Tensor:
        return pydl.exp(pydl.tanh(pydl.sin(x) + 1.0)).sum()

    x = pydl.randn(1000)
    apart = captured_with(("dead_writes",), f, x).plans[0].bytes
    assert 8000 <= apart < 9000
    assert 4000 <= captured_with(("in_place",), f, x).plans[0].bytes < 5000


def test_neighbours_over_the_same_elements_are_one_call() -> None:
    def f(x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        y = pydl.tanh(pydl.exp(x) * 0.5 + x)
        return y, frames.float() / 255.0

    x = pydl.randn(3, 40_001)
    frames = pydl.tensor(np.random.default_rng(0).integers(0, 256, (2, 50_000), np.uint8))
    wanted = ["exp", "mul", "add", "tanh", "cast", "div"]
    assert kernels(captured_with((), f, x, frames)) == wanted
    for passes in (("fuse",), ("in_place", "fuse")):
        found = kernels(captured_with(passes, f, x, frames))
        assert found == ["exp+mul+add+tanh", "cast+div"]


def test_other_elements_are_not_fused() -> None:
    def rows(x: Tensor) -> Tensor:
        y = pydl.exp(x)  # (2, n)
        return pydl.tanh(y[1])  # n of them

    def broadcast(x: Tensor) -> Tensor:
        return pydl.exp(x[0]) + pydl.tanh(x)

    x = pydl.randn(2, 100_000)
    for f in (rows, broadcast):
        assert not any("+" in name for name in kernels(captured_with(("fuse",), f, x)))


def test_small_products_run_side_by_side() -> None:
    a, b = pydl.randn(100, 90), pydl.randn(100, 110)

    def f(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = pydl.tanh(x @ a)
        z = x @ b
        return y, z, y @ y.T

    assert kernels(captured_with(("pairs",), f, pydl.randn(80, 100)))[0] == "matmul | matmul"

    def chain(x: Tensor) -> Tensor:
        return pydl.tanh(x @ a) @ a.T @ b

    assert "|" not in "".join(kernels(captured_with(("pairs",), chain, pydl.randn(80, 100))))


# ---- all of them


def test_a_step_has_the_same_bits_with_any_of_them() -> None:
    """Among others sizes at which elementwise calls are fused and products paired."""

    def run(passes: tuple[str, ...] | None, threads: int) -> list[Any]:
        pydl.set_num_threads(threads)
        pydl.manual_seed(1)
        body = nn.Sequential(
            *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
            *(nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten()),
            *(nn.Linear(16 * 11 * 11, 30), nn.ReLU(), nn.Linear(30, 10)),
        )
        side = nn.Sequential(nn.Linear(576, 20), nn.ReLU(), nn.Linear(20, 10))
        parameters = [*body.parameters(), *side.parameters()]
        adam = optim.Adam(parameters, lr=0.01)

        def step(x: Tensor, t: Tensor) -> Tensor:
            adam.zero_grad()
            images = x.float() / 255.0 - 0.5
            loss = F.cross_entropy(body(images) + side(images.flatten(1)), t)
            loss.backward()
            adam.step()
            return loss

        before = plans.PASSES
        if passes is not None:
            plans.PASSES, step = passes, pydl.capture(step)
        rng = np.random.default_rng(0)
        losses = []
        try:
            for _ in range(12):
                x = pydl.tensor(rng.integers(0, 256, (120, 1, 24, 24), np.uint8))
                losses.append(step(x, pydl.tensor(rng.integers(0, 10, 120))).item())
        finally:
            plans.PASSES = before
        return [losses, *(bits((p, p.grad)) for p in parameters)]

    eager = run(None, 1)
    subsets = [(), *((name,) for name in plans.PASSES), plans.PASSES]
    for passes in subsets:
        assert run(passes, 2) == eager, passes
    assert run(plans.PASSES, 3) == eager


def test_gradients_move_with_their_memory() -> None:
    model = nn.Sequential(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 3))
    kept: list[Tensor] = []

    def step(x: Tensor) -> Tensor:
        model.zero_grad()
        hidden = model[0](x)
        kept.append(hidden.detach())  # holds memory that cannot move
        loss = model[2](model[1](hidden)).square().mean()
        loss.backward()
        return loss

    captured = pydl.capture(step)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x = pydl.tensor(rng.standard_normal((20, 50)).astype(np.float32))
        loss = captured(x)
        found = bits((loss, *(p.grad for p in model.parameters())))
        assert found == bits((step(x), *(p.grad for p in model.parameters())))
        for p in model.parameters():
            p.grad = None


def test_gradients_of_an_earlier_walk_are_kept_for_whoever_has_them() -> None:
    """Two walks, the first of which an optimizer has used: its gradients are let go otherwise."""
    w = pydl.randn(30, 20, requires_grad=True)
    sgd = optim.SGD([w], lr=0.1)
    kept: list[Tensor] = []

    def step(x: Tensor) -> Tensor:
        sgd.zero_grad()
        pydl.tanh(x @ w).sum().backward()
        sgd.step()
        assert w.grad is not None
        kept.append(w.grad)
        y = (x @ w).square().sum()
        y.backward()
        return y

    captured = pydl.capture(step)
    x = pydl.randn(40, 30)
    before = w.detach().clone()
    captured(x)
    with pydl.no_grad():
        w.copy_(before)
    captured(x)
    assert bits(kept[0]) == bits(kept[1])  # the eager call's, and that of the recorded one


def test_a_second_plan_leaves_the_first_its_gradients() -> None:
    w = pydl.randn(30, 20, requires_grad=True)

    def step(x: Tensor) -> Tensor:
        w.grad = None
        y = pydl.tanh(x @ w).sum()
        y.backward()
        return y

    captured = pydl.capture(step)
    inputs = [pydl.randn(n, 30) for n in (5, 50, 500)]
    for _ in range(4):
        for x in inputs:
            found = bits((captured(x), w.grad))
            assert found == bits((step(x), w.grad))
    assert len(captured.plans) == 3
