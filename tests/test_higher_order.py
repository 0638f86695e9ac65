"""Second derivatives in use: the gradient penalty of WGAN-GP, Hessian products, meta-gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, nn, optim
from pydl.testing import gradcheck, numerical_grad


def critic() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.LayerNorm([6, 4, 4]),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(6 * 16, 1),
    )


def penalty(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Gulrajani et al., "Improved training of Wasserstein GANs" (2017), algorithm 1, line 7."""
    x = x.detach().requires_grad_()
    (g,) = pydl.grad(net(x).sum(), x, create_graph=True)
    norm = g.flatten(1).square().sum(1).sqrt()
    return (norm - 1.0).square().mean()


def test_the_gradient_penalty_is_differentiated_right() -> None:
    """Every parameter's gradient of the penalty, in float64, against finite differences."""
    net = critic().to("numpy").double()
    x = pydl.from_numpy(np.random.default_rng(0).normal(size=(3, 1, 8, 8)), "numpy")
    loss = penalty(net, x)
    loss.backward()
    for name, p in net.named_parameters():
        before = p.detach().clone()

        def moved(value: Tensor, p: Tensor = p) -> Tensor:
            p.detach().copy_(value)
            with pydl.enable_grad():
                return penalty(net, x).detach()

        expected = numerical_grad(moved, before)
        p.detach().copy_(before)
        grad = np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        np.testing.assert_allclose(grad, expected.numpy(), atol=1e-7, rtol=1e-5, err_msg=name)


def test_native_and_oracle_agree_on_the_penalty() -> None:
    pydl.manual_seed(1)
    native = critic()
    oracle = critic().to("numpy").double()
    oracle.load_state_dict({k: v.to("numpy").double() for k, v in native.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
    for net, images in (
        (native, pydl.tensor(x)),
        (oracle, pydl.from_numpy(x.astype(float), "numpy")),
    ):
        penalty(net, images).backward()
    for (name, p), q in zip(native.named_parameters(), oracle.parameters(), strict=True):
        if q.grad is None:
            assert p.grad is None
            continue
        scale = np.abs(q.grad.numpy()).max()
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=2e-5 * scale, err_msg=name)


def test_the_penalty_draws_the_gradient_norm_to_one() -> None:
    pydl.manual_seed(0)
    net = critic()
    optimizer = optim.Adam(net.parameters(), lr=3e-3, betas=(0.0, 0.9))
    rng = np.random.default_rng(0)

    def batch() -> tuple[Tensor, Tensor, Tensor]:
        real, fake = (pydl.tensor(rng.normal(m, 1, size=(32, 1, 8, 8))) for m in (0.5, -0.5))
        share = pydl.tensor(rng.uniform(size=(32, 1, 1, 1)))
        return real, fake, share * real + (1.0 - share) * fake

    def error() -> float:
        return float(np.mean([penalty(net, batch()[2]).item() for _ in range(4)]))

    before = error()
    for _ in range(200):
        real, fake, between = batch()
        loss = net(fake).mean() - net(real).mean() + 10.0 * penalty(net, between)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error() < 0.1 * before
    assert net(real).mean().item() > net(fake).mean().item() + 1


def test_hessian_vector_product(device: str) -> None:
    """grad(grad(f) . v) of softmax regression equals the product with the Hessian by columns."""
    rng = np.random.default_rng(2)
    x, v = (pydl.tensor(rng.normal(size=(4, 3)), device=device) for _ in range(2))
    w = pydl.tensor(rng.normal(size=(4, 3)), device=device, requires_grad=True)

    def gradient() -> Tensor:
        loss = -(F.log_softmax(w @ x.T, 1)[:, 0]).sum() + (w.exp() * w).mean()
        return pydl.grad(loss, w, create_graph=True)[0]

    (product,) = pydl.grad((gradient() * v).sum(), w)
    flat = gradient().reshape(-1)
    rows = [pydl.grad(flat[i], w, retain_graph=True)[0].reshape(-1) for i in range(12)]
    hessian = pydl.stack(rows).numpy()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-5)
    np.testing.assert_allclose(
        product.numpy().reshape(-1), hessian @ v.numpy().reshape(-1), atol=1e-5
    )


def test_a_gradient_through_a_gradient_step() -> None:
    """As in MAML (Finn et al., 2017): the loss after a step, differentiated by the start."""
    rng = np.random.default_rng(3)
    x, y = (pydl.from_numpy(rng.normal(size=s), "numpy") for s in ((6, 3), (6, 1)))

    def after_a_step(w: Tensor) -> Tensor:
        with pydl.enable_grad():
            inner = (x @ w - y).tanh().square().mean()
            (g,) = pydl.grad(inner, w, create_graph=True)
            return (x @ (w - 0.5 * g) - y).square().mean()

    w = pydl.from_numpy(rng.normal(size=(3, 1)), "numpy").requires_grad_()

    def at(value: Tensor) -> Tensor:
        return after_a_step(value if value.requires_grad else value.detach().requires_grad_())

    assert gradcheck(at, [w])


@pytest.mark.parametrize("times", [3, 4])
def test_derivatives_of_any_order(times: int) -> None:
    x = pydl.from_numpy(np.array([0.3, 1.1]), "numpy").requires_grad_()
    y = x.exp() * x
    for _ in range(times):
        (y,) = pydl.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(y.detach().numpy(), (x.exp() * (x + times)).detach().numpy())
