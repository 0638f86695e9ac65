"""The random stream: the same on every device, moved on by every draw, and of the right shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl.backends import philox

N = 200_000


def draws(device: str) -> list[Any]:
    return [
        pydl.rand(1001, device=device).numpy(),
        pydl.randn(7, 11, device=device).numpy(),
        pydl.randint(-3, 9, (33,), device).numpy(),
        pydl.randint(0, 2**32, (5,), device).numpy(),
        pydl.randperm(100, device).numpy(),
        F.dropout(pydl.ones(50, device=device), 0.4).numpy(),
        pydl.rand(0, device=device).numpy(),
        pydl.randn(1, device=device).numpy(),
    ]


def test_every_device_draws_the_same_numbers() -> None:
    for seed in (0, 1, -1, 2**63, 2**64 - 1, -(2**63)):
        pydl.manual_seed(seed)
        for got, want in zip(draws("cpu"), draws("numpy"), strict=True):
            np.testing.assert_array_equal(got, want)
        assert pydl.get_rng_state("cpu") == pydl.get_rng_state("numpy")


def test_a_seed_starts_the_stream_anew(device: str) -> None:
    pydl.manual_seed(5)
    first = draws(device)
    second = draws(device)
    pydl.manual_seed(5)
    again = draws(device)
    pydl.manual_seed(6)
    other = draws(device)
    for a, b, c, d in zip(first, again, second, other, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.size > 1:
            assert (a != c).any()
            assert (a != d).any()


def test_the_state_can_be_kept_and_restored(device: str) -> None:
    pydl.manual_seed(3)
    draws(device)
    state = pydl.get_rng_state(device)
    assert state[0] == 3
    assert state[1] > 0
    first = draws(device)
    pydl.set_rng_state(state, device)
    for a, b in zip(first, draws(device), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_draw_moves_the_offset_by_whole_blocks(device: str) -> None:
    pydl.manual_seed(0)
    for n, blocks in ((1, 1), (4, 1), (5, 2), (0, 0), (1000, 250)):
        before = pydl.get_rng_state(device)[1]
        pydl.rand(n, device=device)
        assert pydl.get_rng_state(device)[1] - before == blocks == philox.blocks_of(n)


def test_the_stream_is_philox() -> None:
    """Known answers of Random123: key 0, counter 0."""
    assert [hex(w) for w in philox.philox4x32(0, 0, 1)[0].tolist()] == [
        "0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8",
    ]  # fmt: skip
    pydl.manual_seed(0)
    words = philox.philox4x32(0, 0, 3).reshape(-1)
    want = (words >> 8).astype(np.float64) * 2.0**-24
    np.testing.assert_array_equal(pydl.rand(12).numpy(), want.astype(np.float32))


def test_uniform_numbers(device: str) -> None:
    x = pydl.rand(N, device=device).numpy().astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    sigma = math.sqrt(1 / 12 / N)
    assert abs(x.mean() - 0.5) < 5 * sigma
    assert abs(x.var() - 1 / 12) < 0.001
    counts = np.histogram(x, 64, (0, 1))[0]
    assert ((counts - N / 64) ** 2 / (N / 64)).sum() < 63 + 5 * math.sqrt(2 * 63)


def test_normal_numbers(device: str) -> None:
    x = pydl.randn(N, device=device).numpy().astype(np.float64)
    assert np.isfinite(x).all()
    assert abs(x.mean()) < 5 / math.sqrt(N)
    assert abs(x.var() - 1) < 0.02
    assert abs((x**3).mean()) < 0.05
    assert abs((x**4).mean() - 3) < 0.1
    assert 0.68 < (np.abs(x) < 1).mean() < 0.686
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.01


def test_whole_numbers_reach_their_ends(device: str) -> None:
    x = pydl.randint(-2, 3, (1000,), device)
    assert x.dtype is pydl.int64
    assert set(x.tolist()) == {-2, -1, 0, 1, 2}
    assert set(pydl.randint(7, 8, (9,), device).tolist()) == {7}
    wide = pydl.randint(-(2**31), 2**31, (4000,), device).numpy()
    assert wide.min() < -(2**30)
    assert wide.max() > 2**30
    assert pydl.randint(0, 10, (2, 3), device).shape == (2, 3)
    few = pydl.randint(3, (1000,), device=device).numpy()
    assert set(few.tolist()) == {0, 1, 2}
    with pytest.raises(TypeError, match=r"^randint: expected \(low, high, size\)"):
        pydl.randint(3, 10, device=device)
    assert pydl.randint(0, 10, 4, device).shape == (4,)


@pytest.mark.parametrize("n", [0, 1, 2, 33, 5000])
def test_permutations(n: int, device: str) -> None:
    p = pydl.randperm(n, device)
    assert p.dtype is pydl.int64
    assert sorted(p.tolist()) == list(range(n))
    if n > 30:
        assert p.tolist() != list(range(n))
        assert p.tolist() != pydl.randperm(n, device).tolist()


def test_permutations_are_fair() -> None:
    counts = np.zeros((4, 4))
    for _ in range(2000):
        counts[np.arange(4), pydl.randperm(4).numpy()] += 1
    assert (np.abs(counts - 500) < 5 * math.sqrt(500)).all()


def test_dropout_keeps_the_mean(device: str) -> None:
    x = pydl.ones(N, device=device, requires_grad=True)
    y = F.dropout(x, 0.3)
    kept = y.detach().numpy() > 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.7, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy() > 0, kept)
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dropout_at_its_ends(device: str) -> None:
    x = pydl.ones(100, device=device)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).tolist() == [0] * 100


def test_shapes_and_gradients(device: str) -> None:
    assert pydl.rand(2, 3, device=device).shape == (2, 3)
    assert pydl.rand((2, 3), device=device).shape == (2, 3)
    assert pydl.randn((), device=device).shape == ()
    assert pydl.rand(2, device=device, requires_grad=True).requires_grad


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_that_do_not_fit(seed: int) -> None:
    with pytest.raises(ValueError, match=f"^manual_seed: {seed} does not fit 64 bits"):
        pydl.manual_seed(seed)


def test_the_offset_survives_its_wrap() -> None:
    for device in ("cpu", "numpy"):
        pydl.set_rng_state((1, 2**63 - 1), device)
    a, b = pydl.rand(16, device="cpu"), pydl.rand(16, device="numpy")
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert pydl.get_rng_state("cpu") == pydl.get_rng_state("numpy")
