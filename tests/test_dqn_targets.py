"""What demos/dqn.py learns towards, against slow and plain versions of the papers' equations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_runner import DEMOS

import pydl
from pydl import rl

pytest.importorskip("gymnasium")


@pytest.fixture
def dqn(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DEMOS))
    import dqn as module

    return module


def made(dqn: Any, tmp_path: Path, **options: Any) -> Any:
    """A run with a replay buffer that holds some steps."""
    run = dqn.Dqn(
        dqn.Config(out=str(tmp_path), hidden=(16, 16), batch_size=8, capture=False, **options)
    )
    rng = np.random.default_rng(0)
    for _ in range(60):
        run.buffer.add(*run.envs.step(rng.integers(0, 2, 1)))
    for p in run.net.parameters():  # so that it is not the target network
        p.detach().copy_(p.detach() + pydl.randn(*p.shape) * 0.3)
    return run


def watched(run: Any, monkeypatch: pytest.MonkeyPatch) -> list[rl.Batch]:
    """The batches that are drawn."""
    batches: list[rl.Batch] = []
    sample = run.buffer.sample

    def note(n: int) -> rl.Batch:
        batches.append(sample(n))
        return batches[-1]

    monkeypatch.setattr(run.buffer, "sample", note)
    return batches


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_the_target_is_that_of_the_paper(
    dqn: Any, double: bool, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """r + discount Q'(s', argmax Q) row by row, and the loss of that."""
    run = made(dqn, tmp_path, double=double, loss=loss, n_step=2)
    batches = watched(run, monkeypatch)
    net, target = run.net.state_dict(), run.target.state_dict()

    def q(weights: Any, x: Any) -> Any:
        w = {k: t.numpy().astype(np.float64) for k, t in weights.items()}
        for layer in ("body.0", "body.2"):
            x = np.maximum(w[f"{layer}.weight"] @ x + w[f"{layer}.bias"], 0)
        return w["advantage.weight"] @ x + w["advantage.bias"]

    before = {k: pydl.tensor(t.numpy().copy()) for k, t in net.items()}
    found, mean, largest = (t.item() for t in run.update(pydl.zeros(1)))
    batch, losses, mine = batches[0], [], []
    for b in range(8):
        x, after = batch.observation.numpy()[b], batch.next_observation.numpy()[b]
        judged = q(target, after)
        best = int(np.argmax(q(before, after) if double else judged))
        aim = batch.reward.numpy()[b] + batch.discount.numpy()[b] * judged[best]
        value = q(before, x)[int(batch.action.numpy()[b])]
        error = abs(value - aim)
        small = loss == "mse" or error < 1
        losses.append(error**2 * (1 if loss == "mse" else 0.5) if small else error - 0.5)
        mine.append(value)
    assert found == pytest.approx(np.mean(losses), rel=1e-4)
    assert mean == pytest.approx(np.mean(mine), rel=1e-4)
    assert largest == pytest.approx(np.max(mine), rel=1e-4)


def batch_of(reward: Any, discount: Any) -> Any:
    """What of a batch the distributions look at."""
    empty = pydl.zeros(len(reward))
    return rl.Batch(
        empty, empty, pydl.tensor(reward), empty, pydl.tensor(discount), empty, empty
    )  # fmt: skip


def test_the_projection_of_c51_is_algorithm_1(dqn: Any, tmp_path: Path) -> None:
    run = made(dqn, tmp_path, distributional="c51", atoms=11, v_min=-2.0, v_max=3.0)
    rng = np.random.default_rng(1)
    B, N = 9, 11
    mine, following = rng.normal(size=(2, B, N)).astype(np.float32)
    reward = rng.uniform(-4, 4, B).astype(np.float32)
    reward[:3] = (0, 1, 10)
    discount = np.where(rng.random(B) < 0.3, 0, 0.9).astype(np.float32)
    discount[0] = 1  # every atom falls on another one
    loss, value = run.categorical(
        pydl.tensor(mine), pydl.tensor(following), batch_of(reward, discount)
    )
    z = np.linspace(-2, 3, N)
    for b in range(B):
        p = np.exp(following[b]) / np.exp(following[b]).sum()
        log_q = mine[b] - np.log(np.exp(mine[b].astype(np.float64)).sum())
        m = np.zeros(N)
        for j in range(N):
            at = (np.clip(reward[b] + discount[b] * z[j], -2, 3) + 2) / 0.5
            low = int(np.floor(at + 1e-6))
            m[low] += p[j] * (1 - (at - low))
            if low + 1 < N:
                m[low + 1] += p[j] * (at - low)
        assert loss.numpy()[b] == pytest.approx(-(m * log_q).sum(), rel=1e-4, abs=1e-5)
        assert value.numpy()[b] == pytest.approx((np.exp(log_q) * z).sum(), rel=1e-4, abs=1e-5)


def test_the_quantile_loss_is_equation_10(dqn: Any, tmp_path: Path) -> None:
    run = made(dqn, tmp_path, distributional="qr", atoms=5)
    rng = np.random.default_rng(2)
    B, N = 6, 5
    mine, following = 2 * rng.normal(size=(2, B, N)).astype(np.float32)
    reward = rng.normal(size=B).astype(np.float32)
    discount = np.array([0, 0.9, 0.9, 0, 1, 0.5], np.float32)
    loss, value = run.quantile(
        pydl.tensor(mine), pydl.tensor(following), batch_of(reward, discount)
    )
    for b in range(B):
        total = 0.0
        for i in range(N):
            level = (i + 0.5) / N
            for j in range(N):
                u = reward[b] + discount[b] * following[b, j] - mine[b, i]
                huber = 0.5 * u * u if abs(u) <= 1 else abs(u) - 0.5
                total += abs(level - (u < 0)) * huber / N
        assert loss.numpy()[b] == pytest.approx(total, rel=1e-4)
        assert value.numpy()[b] == pytest.approx(mine[b].mean(), rel=1e-4)


def test_prioritised_replay_learns_of_its_errors(
    dqn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of the batch, and new priorities |error|^alpha where it lay."""
    run = made(dqn, tmp_path, per=True, loss="mse")
    batches = watched(run, monkeypatch)
    q = run.net(run.buffer.sample(8).observation)  # a batch before, so that the next is another
    assert q.shape == (8, 2)
    weights_before = {k: t.numpy().copy() for k, t in run.net.state_dict().items()}
    loss = run.update(pydl.tensor([0.5]))[0].item()
    batch = batches[-1]
    other = dqn.Dqn(dqn.Config(out=str(tmp_path), hidden=(16, 16)))
    other.net.load_state_dict({k: pydl.tensor(v) for k, v in weights_before.items()})
    with pydl.no_grad():
        value = dqn.of_action(other.net(batch.observation), batch.action).numpy()
        best = run.target(batch.next_observation).numpy().max(1)
    error = value - (batch.reward.numpy() + batch.discount.numpy() * best)
    p = batch.priority.numpy()
    weight = (p / p.min()) ** -0.5
    assert loss == pytest.approx((weight * error**2).mean(), rel=1e-4)
    leaves = run.buffer.tree.numpy()[run.buffer.tree.numel() // 2 :]
    for place, e in zip(batch.place.numpy(), error, strict=True):
        assert leaves[place] == pytest.approx((abs(e) + 1e-6) ** 0.6, rel=1e-3)


def test_dueling_adds_value_and_advantages(dqn: Any, tmp_path: Path) -> None:
    for atoms in (1, 7):
        net = made(dqn, tmp_path, dueling=True).network(True, atoms)
        x = pydl.randn(5, 4)
        h = net.body(x)
        advantage = net.advantage(h).numpy().reshape(5, 2, atoms)
        value = net.value(h).numpy().reshape(5, 1, atoms)
        wanted = value + advantage - advantage.mean(1, keepdims=True)
        found = net(x).numpy().reshape(5, 2, atoms)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_soft_target_follows_after_each_update(dqn: Any, tmp_path: Path) -> None:
    run = made(dqn, tmp_path, tau=0.25)
    before = [p.detach().numpy().copy() for p in run.target.parameters()]
    run.update(pydl.zeros(1))
    for old, new, net in zip(before, run.target.parameters(), run.net.parameters(), strict=True):
        wanted = old + 0.25 * (net.detach().numpy() - old)
        np.testing.assert_allclose(new.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)
