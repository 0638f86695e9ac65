"""The tape: accumulation, modes, what is kept and freed, what is refused, second derivatives."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, grad, nn
from pydl.op import Op
from pydl.testing import assert_close, gradcheck


def leaf(values: Any, device: str = "cpu") -> Tensor:
    return pydl.tensor(values, device=device, requires_grad=True)


def test_the_example_of_the_readme() -> None:
    x = pydl.tensor([[1.0, 2.0]], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad is not None
    assert x.grad.numpy().tolist() == [[2.0, 4.0]]


def test_leaves_and_others(device: str) -> None:
    x, c = leaf([1.0, 2.0], device), pydl.tensor([3.0, 4.0], device=device)
    y = x * c
    assert (x.is_leaf, c.is_leaf, y.is_leaf) == (True, True, False)
    assert (x.requires_grad, c.requires_grad, y.requires_grad) == (True, False, True)
    assert (c * c).is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [3, 4]
    assert c.grad is None
    assert y.grad is None
    assert not x.grad.requires_grad


def test_gradients_accumulate_until_cleared(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    for _ in range(3):
        (x * x).sum().backward()
    assert x.grad.tolist() == [6, 12]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_shared_subgraphs(device: str) -> None:
    x = leaf(2.0, device)
    y = x * x  # used three times
    z = y * y + y
    z.backward()
    assert x.grad.item() == 4 * 8 + 2 * 2
    x = leaf([1.0, 2.0], device)
    (x + x + x).sum().backward()
    assert x.grad.tolist() == [3, 3]
    x = leaf([3.0], device)
    (pydl.cat([x, x, x * 2.0])).sum().backward()
    assert x.grad.tolist() == [4]


def test_a_diamond_is_walked_once() -> None:
    calls = []

    class Noting(Op):
        def forward(self, x: Tensor) -> Tensor:
            return pydl.clone(x)

        def backward(self, gy: Tensor) -> Tensor:
            calls.append(gy.item())
            return gy

    x = leaf(1.0)
    y = Noting.apply(x)
    for _ in range(20):
        y = y + y  # 2^20 paths
    y.backward()
    assert calls == [2.0**20]
    assert x.grad.item() == 2.0**20


def test_creation_order_is_what_counts_not_the_order_of_use() -> None:
    x = leaf(3.0)
    a = x * x
    late = a * 2.0
    b = a.exp() * 0.0
    (late + b).backward()
    assert x.grad.item() == 12


def test_unused_inputs_get_nothing() -> None:
    x, unused = leaf(2.0), leaf(5.0)
    (x * 3.0).backward()
    assert unused.grad is None
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    pydl.where(pydl.tensor([True, True]), a, b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([1, 1], [0, 0])


# ---- modes


def test_no_grad_enable_grad_and_decorators() -> None:
    x = leaf(2.0)
    with pydl.no_grad():
        assert not pydl.is_grad_enabled()
        assert not (x * x).requires_grad
        with pydl.enable_grad():
            assert (x * x).requires_grad
        assert not pydl.is_grad_enabled()
    assert pydl.is_grad_enabled()

    @pydl.no_grad()
    def square(t: Tensor) -> Tensor:
        return t * t

    assert not square(x).requires_grad
    assert not square(x).requires_grad
    assert pydl.is_grad_enabled()
    with pytest.raises(KeyError), pydl.no_grad():
        raise KeyError
    assert pydl.is_grad_enabled()
    with pydl.set_grad_enabled(False):
        assert not (x * x).requires_grad


def test_set_grad_enabled_holds_at_once() -> None:
    x = leaf(2.0)
    try:
        pydl.set_grad_enabled(False)
        assert not (x * x).requires_grad
        with pydl.set_grad_enabled(True):
            assert (x * x).requires_grad
        assert not pydl.is_grad_enabled()
    finally:
        pydl.set_grad_enabled(True)
    assert (x * x).requires_grad


def test_decorators_hold_within_calls_alone() -> None:
    def depth(n: int) -> list[bool]:
        return [pydl.is_grad_enabled(), *(again(n - 1) if n else [])]

    for mode, inside in (
        (pydl.no_grad, False),
        (pydl.no_grad(), False),
        (pydl.enable_grad, True),
        (lambda function: pydl.set_grad_enabled(False)(function), False),
    ):
        again = mode(depth)
        assert pydl.is_grad_enabled()
        assert again.__name__ == "depth"
        assert again(2) == [inside] * 3
        assert pydl.is_grad_enabled()


def test_modes_belong_to_a_thread() -> None:
    x = leaf(2.0)
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with pydl.no_grad():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(30)
    assert (x * x).requires_grad
    leave.set()
    thread.join()
    inside = []
    with pydl.no_grad():
        thread = threading.Thread(target=lambda: inside.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert inside == [True]


def test_detach_shares_memory_and_ends_the_tape(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    d = (x * 2.0).detach()
    assert not d.requires_grad
    assert d.is_leaf
    (x * d).sum().backward()
    assert x.grad.tolist() == [2, 4]
    y = pydl.ones(3, device=device)
    y.detach().fill_(5.0)
    assert y.tolist() == [5, 5, 5]


# ---- backward and its arguments


def test_backward_with_a_gradient(device: str) -> None:
    x = leaf([1.0, 2.0, 3.0], device)
    (x * x).backward(pydl.tensor([1.0, 0.0, 2.0], device=device))
    assert x.grad.tolist() == [2, 0, 12]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: (x * x).backward(), ValueError, r"^backward: a tensor of shape \(2,\) needs"),
        (lambda x: x.detach().backward(), RuntimeError, "^backward: this tensor does not require"),
        (lambda x: (x * x).backward(pydl.ones(3)), ValueError,
         r"^backward: gradient has shape \(3,\), the tensor \(2,\)"),
        (lambda x: x.detach().retain_grad(), RuntimeError, "^retain_grad: this tensor does"),
        (lambda x: (x * x).requires_grad_(False), RuntimeError, "^requires_grad_: only a leaf can"),
        (lambda x: x.long().requires_grad_(), TypeError, "^requires_grad_: int64 has no gradient"),
        (lambda x: pydl.tensor([1], requires_grad=True), TypeError, "int64 has no gradient"),
        (lambda x: grad(x * x, x), ValueError, r"^grad: an output of shape \(2,\) needs"),
        (lambda x: grad(x.detach().sum(), x), RuntimeError, "^grad: an output does not require"),
        (lambda x: grad((x * x).sum(), x.detach()), RuntimeError, "^grad: an input does not"),
        (lambda x: grad((x * x).sum(), [x, leaf(1.0)]), RuntimeError,
         "^grad: the outputs do not depend on input 1; see allow_unused"),
        (lambda x: grad(x * x, x, pydl.ones(3)), ValueError, r"^grad: gradient of shape \(3,\)"),
    ],
)  # fmt: skip
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(leaf([1.0, 2.0]))


def test_a_second_backward_needs_retain_graph(device: str) -> None:
    x = leaf(3.0, device)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    twice = "^mul: backward a second time through a graph whose saved tensors were freed; pass ret"
    with pytest.raises(RuntimeError, match=twice):
        y.backward()


def test_retain_grad(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    y = x * x
    y.retain_grad()
    (y * 3.0).sum().backward()
    assert y.grad.tolist() == [3, 3]
    assert x.grad.tolist() == [6, 12]
    x.retain_grad()  # a leaf: nothing changes
    kept = []
    for _ in range(2):  # also when the tensor itself is gone at the time of backward
        y = x * x
        y.retain_grad()
        kept.append(y)
        y.sum().backward()
    assert [t.grad.tolist() for t in kept] == [[1, 1], [1, 1]]


def test_a_gradient_shares_its_memory_with_no_other(device: str) -> None:
    a, b, c = leaf([1.0, 2.0], device), leaf([1.0, 2.0], device), leaf([[1.0], [2.0]], device)
    g = pydl.ones(2, device=device)
    y = a + b + c.reshape(2)
    y.retain_grad()
    y.backward(g)
    arrays = [t.numpy() for t in (g, y.grad, a.grad, b.grad, c.grad)]
    for i, one in enumerate(arrays):
        assert one.reshape(-1).tolist() == [1, 1]
        assert not any(np.shares_memory(one, other) for other in arrays[:i])


def test_a_gradient_handed_in_is_left_alone(device: str) -> None:
    x, g = leaf([1.0, 1.0], device), pydl.ones(2, device=device)
    pydl.clone(x).backward(g)
    x.grad.fill_(5.0)
    pydl.clone(x).backward(g)
    assert x.grad.tolist() == [6, 6]
    assert g.tolist() == [1, 1]


# ---- in-place changes


CHANGED = "^{}: a tensor saved for backward was changed in place \\(saved at version {}, now {}\\)"


def test_an_in_place_change_of_a_saved_tensor_is_found(device: str) -> None:
    x, c = leaf([1.0, 2.0], device), pydl.ones(2, device=device)
    y = (x * c).sum()
    c.fill_(5.0)
    with pytest.raises(RuntimeError, match=CHANGED.format("mul", 0, 1)):
        y.backward()
    y = pydl.exp(x)
    y.detach().zero_()
    with pytest.raises(RuntimeError, match=CHANGED.format("exp", 0, 1)):
        y.sum().backward()
    w = leaf([1.0, 2.0], device)
    y = (w * w).sum()
    with pydl.no_grad():
        w.copy_(pydl.zeros(2, device=device))
    with pytest.raises(RuntimeError, match=CHANGED.format("mul", 0, 1)):
        y.backward()


def test_a_change_through_a_view_is_found(device: str) -> None:
    c = pydl.ones(2, 3, device=device)
    x = leaf(np.ones((2, 3)), device)
    for view in (c.reshape(6), c[0], c[1:], c.flatten(), c.detach()):
        y = (x * c).sum()
        view.fill_(2.0)
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward()
    row = c[0]
    y = (x[0] * row).sum()
    c.zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_a_change_of_what_was_not_saved_is_harmless(device: str) -> None:
    x, c = leaf([1.0, 2.0], device), pydl.ones(2, device=device)
    y = (x + c).sum()
    c.fill_(9.0)
    y.backward()
    assert x.grad.tolist() == [1, 1]


def test_tensors_on_the_tape_refuse_in_place_changes(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    for t in (x, x * 2.0):
        for change in (lambda t: t.fill_(0.0), lambda t: t.copy_(t), lambda t: t.zero_()):
            with pytest.raises(
                RuntimeError, match=r"_: this tensor is on the tape; use detach\(\)"
            ):
                change(t)
    with pydl.no_grad():
        x.fill_(3.0)
    assert x.tolist() == [3, 3]


def test_values_changed_by_numpy_are_found_after_mark_changed() -> None:
    x, c = leaf([1.0, 2.0]), pydl.ones(2)
    y = (x * c).sum()
    c.numpy()[0] = 4
    c.mark_changed()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


# ---- memory


def test_a_graph_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        x = leaf(np.ones((8, 8)))
        before = pydl._native.memory_stats()["arrays"]
        y = ((x @ x).relu() * x).sum()
        assert pydl._native.memory_stats()["arrays"] > before
        node = weakref.ref(y)
        y.backward()
        del y
        assert node() is None
        x.grad = None
        assert pydl._native.memory_stats()["arrays"] == before
        y = F.softmax(x, -1).exp().sum()  # these save their output
        del y
        assert pydl._native.memory_stats()["arrays"] == before
    finally:
        gc.enable()


def test_backward_frees_what_was_saved() -> None:
    x = leaf(np.ones(1000))
    y = x.exp().exp().exp().sum()
    many = pydl._native.memory_stats()["arrays"]
    y.backward()
    assert pydl._native.memory_stats()["arrays"] < many


def test_nothing_is_saved_without_a_gradient() -> None:
    x = pydl.ones(10)
    before = pydl._native.memory_stats()["arrays"]
    y = x.exp().exp().exp()
    assert pydl._native.memory_stats()["arrays"] == before + 1
    assert y.node is None


# ---- grad


def test_grad_returns_and_leaves_grad_alone(device: str) -> None:
    x, w = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    gx, gw = grad((x * w).sum(), [x, w])
    assert (gx.tolist(), gw.tolist()) == ([3, 4], [1, 2])
    assert x.grad is None
    assert not gx.requires_grad


def test_grad_of_what_is_between(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    y = x * x
    z = (y * 3.0).sum()
    gy, gx = grad(z, [y, x], retain_graph=True)
    assert (gy.tolist(), gx.tolist()) == ([3, 3], [6, 12])
    assert grad(z, y, retain_graph=True)[0].tolist() == [3, 3]
    assert grad(y, y, pydl.ones(2, device=device))[0].tolist() == [1, 1]


def test_grad_of_several_outputs_and_unused_inputs(device: str) -> None:
    x, other = leaf(2.0, device), leaf([1.0, 1.0], device)
    gx, gother = grad([x * x, x * 3.0], [x, other], allow_unused=True)
    assert (gx.item(), gother) == (7, None)
    gx, gother = grad([x * x, x * 3.0], [x, other], materialize_grads=True)
    assert (gx.item(), gother.tolist()) == (7, [0, 0])
    a, b = x * x, x * 3.0
    assert grad([a, b], x, [pydl.tensor(10.0, device=device)] * 2)[0].item() == 70


def test_grad_walks_only_what_leads_to_the_inputs() -> None:
    walked = []

    class Noting(Op):
        def forward(self, x: Tensor) -> Tensor:
            self.save(x)
            return pydl.clone(x)

        def backward(self, gy: Tensor) -> Tensor:
            walked.append(self.saved[0].item())
            return gy

    a, b = leaf(1.0), leaf(2.0)
    below, beside = Noting.apply(a), Noting.apply(b)
    between = below * 3.0
    y = Noting.apply(between) * beside
    (g,) = grad(y, between)
    assert (g.item(), walked) == (2, [3])
    walked.clear()
    (g,) = grad(below * 1.0, a)  # below was neither walked nor freed
    assert (g.item(), walked) == (1, [1])


def test_grad_asks_an_op_for_what_is_wanted_alone() -> None:
    asked = []

    class Product(Op):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            self.save(a, b)
            return (a.detach() * b.detach()).clone()

        def backward(self, gy: Tensor) -> tuple[Tensor, Tensor]:
            asked.append(self.needs)
            a, b = self.saved
            return gy * b, gy * a

    a, b = leaf(2.0), leaf(3.0)
    y = Product.apply(a, b)
    assert grad(y, b, retain_graph=True)[0].item() == 2
    y.backward()
    assert asked == [(False, True), (True, True)]
    assert (a.grad.item(), b.grad.item()) == (3, 2)


def test_backward_into_some_leaves(device: str) -> None:
    a, b = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    for _ in range(2):
        (a * b).sum().backward(inputs=[b])
    assert a.grad is None
    assert b.grad.tolist() == [2, 4]
    (a * b).sum().backward(inputs=a)
    assert a.grad.tolist() == [3, 4]


# ---- second derivatives


def test_derivatives_of_a_polynomial(device: str) -> None:
    x = leaf(2.0, device)
    y = x**3 * 2.0 + x * x
    (first,) = grad(y, x, create_graph=True)
    (second,) = grad(first, x, create_graph=True)
    (third,) = grad(second, x)
    assert [t.item() for t in (first, second, third)] == [28.0, 26.0, 12.0]


def test_backward_with_create_graph(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    (x * x * x).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    first.sum().backward()
    assert x.grad.tolist() == [6, 12]


def test_hessian_of_a_network_by_finite_differences() -> None:
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (5, 3), (5,), (2, 5), (2,)]
    x, *weights = (
        pydl.from_numpy(rng.normal(size=s), "numpy").requires_grad_(i > 0)
        for i, s in enumerate(shapes)
    )

    def norm_of_gradient(*w: Tensor) -> Tensor:
        with pydl.enable_grad():
            w = tuple(t if t.requires_grad else t.detach().requires_grad_() for t in w)
            y = F.linear(F.tanh(F.linear(x, w[0], w[1])), w[2], w[3])
            found = grad((y * y).sum(), w, create_graph=True)
            total = sum((g * g).sum() for g in found[1:]) + (found[0] * found[0]).sum()
            return total

    assert gradcheck(norm_of_gradient, weights, atol=1e-4)


def test_gradient_penalty_through_a_convolution(device: str) -> None:
    """WGAN-GP: the norm of the gradient at the input is itself trained."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=s) for s in ((2, 1, 6, 6), (3, 1, 3, 3), (3,), (1, 48))]
    x, w, b, v = (leaf(a.astype(np.float32), device) for a in values)

    def penalty(x: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
        h = F.leaky_relu(F.conv2d(x, w, b), 0.2)
        y = F.linear(h.flatten(1), v)
        (gx,) = grad(y.sum(), x, create_graph=True)
        return ((gx.square().sum((1, 2, 3)) + 1e-6).sqrt() - 1.0).square().mean()

    loss = penalty(x, w, b, v)
    loss.backward()
    exact = [pydl.from_numpy(np.float64(t.numpy()), "numpy").requires_grad_() for t in (x, w, b, v)]
    penalty(*exact).backward()
    for got, want in ((w, exact[1]), (v, exact[3])):
        assert_close(got.grad, want.grad, rtol=1e-4, atol=1e-5)


# ---- element types and devices on the tape


def test_numbers_and_types_mix_on_the_tape(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    count = pydl.tensor([3, 4], device=device)
    y = (x * count + 1) / 2 + True
    y.sum().backward()
    assert x.grad.tolist() == [1.5, 2]
    assert y.dtype is pydl.float32


def test_gradients_pass_through_casts_and_devices() -> None:
    x = leaf([1.0, 2.0])
    y = x.half().float().to("numpy").double() * 3.0
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert x.grad.dtype is pydl.float32
    assert x.grad.device.name == "cpu"


def test_comparisons_and_indices_are_not_on_the_tape(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    for y in (x > 1.0, x.argmax(), x.long(), x.any(), x.bool()):
        assert not y.requires_grad


def test_ties_share_the_gradient(device: str) -> None:
    x = leaf([2.0, 1.0, 2.0], device)
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0, 0.5]
    a, b = leaf([1.0, 2.0], device), leaf([1.0, 3.0], device)
    pydl.maximum(a, b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([0.5, 0], [0.5, 1])
    x = leaf([2.0, 1.0, 2.0], device)
    x.max(0).values.backward()  # with a dimension the first wins
    assert x.grad.tolist() == [1, 0, 0]


def test_pow_has_its_derivatives_at_zero(device: str) -> None:
    x, p = leaf([0.0, 0.0, 2.0], device), leaf([0.0, 2.0, 0.0], device)
    (x**p).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    np.testing.assert_allclose(p.grad.numpy(), [0, 0, np.log(2)], rtol=1e-6)


def test_a_module_and_a_tensor_in_one_graph() -> None:
    model = nn.Linear(3, 2)
    x = leaf(np.ones((4, 3)))
    model(x).sum().backward()
    assert_close(x.grad, np.tile(model.weight.numpy().sum(0), (4, 1)))
    assert model.bias.grad.tolist() == [4, 4]
