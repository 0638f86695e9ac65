"""Normalisation layers: statistics, missing dimensions, names and representation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.nn import functional as F


def randn(*shape: int, device: str = "cpu") -> pydl.Tensor:
    x = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    return pydl.tensor(x, device=device)


@pytest.mark.parametrize(
    ("layer", "text", "keys"),
    [
        (nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)",
         ["weight", "bias"]),
        (nn.LayerNorm((3, 4), bias=False),
         "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=False)", ["weight"]),
        (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)",
         ["weight", "bias"]),
        (nn.GroupNorm(2, 4, affine=False), "GroupNorm(2, 4, eps=1e-05, affine=False, bias=False)",
         []),
        (nn.InstanceNorm1d(3), "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, "
         "bias=False, track_running_stats=False)", []),
        (nn.BatchNorm2d(3, bias=False), "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, "
         "bias=False, track_running_stats=True)",
         ["weight", "running_mean", "running_var", "num_batches_tracked"]),
        (nn.LocalResponseNorm(3), "LocalResponseNorm(3, alpha=0.0001, beta=0.75, k=1.0)", []),
        (nn.RMSNorm(4), "RMSNorm((4,), eps=None, elementwise_affine=True)", ["weight"]),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_names(layer: Any, text: str, keys: list[str]) -> None:
    assert repr(layer) == text
    assert list(layer.state_dict()) == keys


def test_layers_normalise(device: str) -> None:
    x = randn(6, 4, 10, device=device)
    for layer, dims in (
        (nn.LayerNorm(10), (2,)),
        (nn.LayerNorm((4, 10)), (1, 2)),
        (nn.GroupNorm(1, 4), (1, 2)),
        (nn.GroupNorm(4, 4), (2,)),
        (nn.InstanceNorm1d(4), (2,)),
        (nn.BatchNorm1d(4), (0, 2)),
    ):
        y = layer.to(device)(x)
        assert np.abs(y.mean(dims).numpy()).max() < 1e-5
        np.testing.assert_allclose(y.var(dims, correction=0).numpy(), 1, rtol=1e-4)
    y = nn.RMSNorm(10).to(device)(x)
    np.testing.assert_allclose((y * y).mean(2).numpy(), 1, rtol=1e-5)


def test_instance_norm_without_a_batch_and_with_running_statistics(device: str) -> None:
    layer = nn.InstanceNorm2d(3, momentum=0.5, affine=True, track_running_stats=True).to(device)
    x = randn(2, 3, 4, 5, device=device)
    np.testing.assert_array_equal(layer(x)[1].numpy(), layer(x[1]).numpy())
    layer.reset_running_stats()
    layer(x)
    rows = x.numpy().reshape(2, 3, 20)
    want = 0.5 * rows.mean(2).mean(0)
    np.testing.assert_allclose(layer.running_mean.numpy(), want, rtol=1e-5)
    want = 0.5 + 0.5 * rows.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(layer.running_var.numpy(), want, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 0  # as in PyTorch
    layer.eval()
    y = (x - layer.running_mean.reshape(3, 1, 1)) / (
        layer.running_var.reshape(3, 1, 1) + 1e-5
    ).sqrt()
    np.testing.assert_allclose(layer(x).detach().numpy(), y.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4, 5)])
def test_wrong_ranks(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^BatchNorm1d: expected 2-d or 3-d input with C=3"):
        nn.BatchNorm1d(3)(randn(*shape))
    with pytest.raises(ValueError, match=r"^InstanceNorm1d: expected 2-d or 3-d input with C=3"):
        nn.InstanceNorm1d(3)(randn(*shape))
    with pytest.raises(ValueError, match=r"^BatchNorm2d: expected 4-d input with C=2"):
        nn.BatchNorm2d(2)(randn(*shape))
    with pytest.raises(ValueError, match=r"^GroupNorm: num_groups=2 must divide num_channels=3"):
        nn.GroupNorm(2, 3)


def test_cumulative_statistics_need_no_host(device: str, monkeypatch: Any) -> None:
    layer = nn.BatchNorm1d(2, momentum=None).to(device)
    batches = [randn(8, 2, device=device) * k for k in (1.0, 2.0, 5.0)]
    with monkeypatch.context() as patch:
        patch.setattr(pydl.Tensor, "item", None)
        for x in batches:
            layer(x)
    means = np.stack([x.numpy().mean(0) for x in batches])
    np.testing.assert_allclose(layer.running_mean.numpy(), means.mean(0), rtol=1e-5)
    variances = np.stack([x.numpy().var(0, ddof=1) for x in batches])
    np.testing.assert_allclose(layer.running_var.numpy(), variances.mean(0), rtol=1e-5)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(6), nn.LayerNorm(6), nn.GroupNorm(2, 6)])
def test_gradient_penalty_reaches_the_weights(norm: Any) -> None:
    first, last = nn.Linear(4, 6), nn.Linear(6, 1)
    x = randn(5, 4).requires_grad_()
    (gx,) = pydl.grad(last(F.silu(norm(first(x)))).sum(), [x], create_graph=True)
    ((gx.square().sum(1) - 1.0).square()).mean().backward()
    for p in (*first.parameters(), norm.weight, norm.bias):
        assert p.grad is not None
        assert np.isfinite(p.grad.numpy()).all()
    assert np.abs(norm.weight.grad.numpy()).max() > 0
