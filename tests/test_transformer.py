"""Multi-head attention and the encoder: formulas, masks, layouts, names and learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.nn import functional as F


def randn(*shape: int, seed: int = 0, device: str = "cpu") -> pydl.Tensor:
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return pydl.tensor(x, device=device)


def near(a: pydl.Tensor, b: Any) -> None:
    want = b.detach().numpy() if isinstance(b, pydl.Tensor) else b
    np.testing.assert_allclose(a.detach().numpy(), want, rtol=1e-4, atol=1e-5)


def test_heads_are_attention_to_projections(device: str) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True).to(device)
    q, k, v = (randn(3, n, 8, seed=n, device=device) for n in (4, 5, 5))
    y, weights = layer(q, k, v)
    assert y.shape == (3, 4, 8)
    assert weights.shape == (3, 4, 5)
    near(weights.sum(-1), np.ones((3, 4)))
    w, b = layer.in_proj_weight, layer.in_proj_bias
    heads = []
    for h in range(2):
        rows = [slice(8 * i + 4 * h, 8 * i + 4 * h + 4) for i in range(3)]
        parts = [F.linear(x, w[r], b[r]) for x, r in zip((q, k, v), rows, strict=True)]
        heads.append(F.scaled_dot_product_attention(*parts))
    near(y, layer.out_proj(pydl.cat(heads, -1)))


@pytest.mark.parametrize("sizes", [{}, {"kdim": 5}, {"kdim": 5, "vdim": 6}])
def test_layouts_agree(sizes: dict[str, int]) -> None:
    layer = nn.MultiheadAttention(8, 4, **sizes)
    first = nn.MultiheadAttention(8, 4, batch_first=True, **sizes)
    first.load_state_dict(layer.state_dict())
    q, k, v = randn(4, 3, 8), randn(5, 3, layer.kdim), randn(5, 3, layer.vdim)
    y, weights = layer(q, k, v, average_attn_weights=False)
    y2, weights2 = first(*(t.transpose(0, 1) for t in (q, k, v)), average_attn_weights=False)
    near(y.transpose(0, 1), y2)
    near(weights, weights2)
    assert weights.shape == (3, 4, 4, 5)
    alone, weight = layer(q[:, 1], k[:, 1], v[:, 1])
    near(alone, y[:, 1])
    near(weight, weights.mean(1)[1])
    assert layer(q, k, v, need_weights=False)[1] is None


def test_masks_leave_out_keys(device: str) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True).to(device)
    x = randn(2, 4, 8, device=device)
    padding = pydl.tensor([[False, False, True, True], [False] * 4], device=device)
    y, weights = layer(x, x, x, key_padding_mask=padding)
    assert (weights.numpy()[0, :, 2:] == 0).all()
    near(y[0], layer(x[0], x[0, :2], x[0, :2])[0])
    causal = pydl.tensor(np.triu(np.ones((4, 4), bool), 1), device=device)
    y, weights = layer(x, x, x, attn_mask=causal, is_causal=True)
    assert (np.triu(weights.detach().numpy(), 1) == 0).all()
    near(y[:, :2], layer(x[:, :2], x[:, :2], x[:, :2], attn_mask=causal[:2, :2])[0])
    each = pydl.tensor(np.random.default_rng(0).normal(size=(4, 4, 4)), device=device)
    y, weights = layer(x, x, x, attn_mask=each, average_attn_weights=False)
    assert weights.shape == (2, 2, 4, 4)
    nothing, weights = layer(x, x, x, attn_mask=pydl.ones(4, 4, device=device).bool())
    assert (weights.numpy() == 0).all()
    near(nothing[0, 0], layer.out_proj.bias)


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer_is_its_formula(device: str, norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, activation="gelu", batch_first=True, norm_first=norm_first
    ).to(device)
    layer.eval()
    x = randn(2, 5, 8, device=device)

    def feed(t: pydl.Tensor) -> pydl.Tensor:
        return layer.linear2(F.gelu(layer.linear1(t)))

    if norm_first:
        z = layer.norm1(x)
        h = x + layer.self_attn(z, z, z)[0]
        want = h + feed(layer.norm2(h))
    else:
        h = layer.norm1(x + layer.self_attn(x, x, x)[0])
        want = layer.norm2(h + feed(h))
    near(layer(x), want)
    layer.train()
    assert np.abs(layer(x).detach().numpy() - want.detach().numpy()).max() > 0  # dropout


def test_encoder_names_and_copies() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2, nn.LayerNorm(4))
    keys = [
        "self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight",
        "self_attn.out_proj.bias", "linear1.weight", "linear1.bias", "linear2.weight",
        "linear2.bias", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
    ]  # fmt: skip
    wanted = [f"layers.{i}.{key}" for i in range(2) for key in keys]
    assert list(encoder.state_dict()) == [*wanted, "norm.weight", "norm.bias"]
    a, b = encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight
    assert a is not b
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    encoder.eval()
    x = randn(3, 2, 4)
    near(encoder(x), encoder.norm(encoder.layers[1](encoder.layers[0](x))))


def test_encoder_learns_to_copy_the_first_element() -> None:
    pydl.manual_seed(0)
    net = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    optimizer = pydl.optim.Adam(net.parameters(), lr=0.01)
    x = randn(16, 5, 8)
    target = F.layer_norm(x[:, :1], 8).expand(16, 5, 8)
    losses = []
    for _ in range(60):
        loss = F.mse_loss(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MultiheadAttention(6, 4), "^MultiheadAttention: num_heads=4 must divide"),
        (lambda: nn.MultiheadAttention(4, 2, add_zero_attn=True), "are not offered"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), "activation must be relu"),
        (lambda: nn.MultiheadAttention(4, 2)(*[randn(2, 1, 4)] * 3, is_causal=True),
         "is_causal needs attn_mask"),
    ],
)  # fmt: skip
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
