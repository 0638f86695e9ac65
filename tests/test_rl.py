"""Reinforcement learning: replay, environments, returns, against slow and plain versions.

A toy environment with known observations proves that nothing is read across an episode's end.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pydl
from pydl import rl

gymnasium = pytest.importorskip("gymnasium")


class Corridor(gymnasium.Env):  # type: ignore[misc, name-defined]
    """Counts: the observation is (episode, position), the reward position + 1.

    The episode's own seed says how long it is, and whether it terminates or is truncated.
    """

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self) -> None:
        self.episode = -1

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.at = 0
        self.length = int(self.np_random.integers(1, 7))
        self.cut = bool(self.np_random.integers(2))
        return self.seen(), {}

    def seen(self) -> Any:
        return np.array([self.episode, self.at], np.float32)

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.at < self.length, "stepped after its end"
        self.at += 1
        over = self.at == self.length
        return self.seen(), float(self.at), over and not self.cut, over and self.cut, {}


def corridors(n: int, mode: str | None = None, seed: Any = 3) -> rl.Environments:
    """Singles, or a vector environment in an autoreset mode."""
    if mode is None:
        return rl.SingleEnvironments([Corridor() for _ in range(n)], seed)
    return rl.VectorEnvironments(
        gymnasium.vector.SyncVectorEnv([Corridor] * n, autoreset_mode=mode), seed
    )


MODES = [None, "NextStep", "SameStep", "Disabled"]


@pytest.mark.parametrize("mode", MODES)
def test_steps_lead_from_an_observation_to_its_own_successor(mode: str | None) -> None:
    envs = corridors(3, mode)
    rng = np.random.default_rng(0)
    played, invalid, lengths = 0, 0, []
    before = envs.observation.copy()
    for _ in range(200):
        step = envs.step(rng.integers(0, 3, 3))
        np.testing.assert_array_equal(step.observation, before)
        for i in range(3):
            if not step.valid[i]:
                invalid += 1
                continue
            played += 1
            (episode, at), (later, there) = step.observation[i], step.next_observation[i]
            assert (later, there) == (episode, at + 1)
            assert step.reward[i] == at + 1
            if step.terminated[i] or step.truncated[i]:
                if mode != "NextStep":
                    assert envs.observation[i].tolist() == [episode + 1, 0]
            else:
                assert envs.observation[i].tolist() == [later, there]
        lengths += [e.length for e in envs.finished]
        for e in envs.finished:
            assert e.total == e.length * (e.length + 1) / 2
        before = envs.observation.copy()
    assert played > 400
    assert len(lengths) > 100
    assert (invalid > 0) == (mode == "NextStep")


@pytest.mark.parametrize("mode", [None, "Disabled"])
def test_environments_go_on_where_they_were(mode: str | None) -> None:
    """Also with episodes of any length behind them; the state survives JSON."""
    import json

    for steps in (0, 1, 2, 7, 50):
        first, second = corridors(4, mode), corridors(4, mode)
        rng = np.random.default_rng(steps)
        for _ in range(steps):
            first.step(rng.integers(0, 3, 4))
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert (second.observation[:, 1] == first.observation[:, 1]).all()
        for _ in range(20):
            actions = rng.integers(0, 3, 4)
            one, two = first.step(actions), second.step(actions)
            np.testing.assert_array_equal(one.reward, two.reward)
            np.testing.assert_array_equal(one.terminated, two.terminated)
            np.testing.assert_array_equal(one.truncated, two.truncated)
            assert first.finished == second.finished


def test_what_resets_itself_says_that_it_cannot_be_put_back() -> None:
    with pytest.raises(ValueError, match="what resets itself cannot be put back"):
        corridors(2, "NextStep").state_dict()
    with pytest.raises(ValueError, match="the state is of 3 environments with seed"):
        corridors(2).load_state_dict(corridors(3).state_dict())


def test_seeds_depend_on_environment_and_episode() -> None:
    envs = corridors(2)
    seeds = set()
    for number in range(50):
        envs._number = [number, number]
        seeds |= {envs._episode_seed(0), envs._episode_seed(1)}
    assert len(seeds) == 100
    assert corridors(2, seed=(1, 2))._episode_seed(0) != corridors(2, seed=(2, 1))._episode_seed(0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n_step", [1, 3])
def test_replay_of_the_corridor(mode: str | None, n_step: int, device: str) -> None:
    """Every transition that is drawn is one of those that there were, with the sums of that."""
    gamma = 0.5
    envs = corridors(3, mode)
    buffer = rl.ReplayBuffer(90, (2,), num_envs=3, n_step=n_step, gamma=gamma, device=device)
    rng = np.random.default_rng(1)
    ends: dict[tuple[int, float], tuple[int, bool]] = {}  # (environment, episode): length, cut
    steps = []
    for _ in range(300):
        step = envs.step(rng.integers(0, 3, 3))
        buffer.add(*step)
        steps.append([x.copy() for x in step])
        for i in np.flatnonzero(step.valid & (step.terminated | step.truncated)):
            episode, at = step.next_observation[i]
            ends[int(i), float(episode)] = int(at), bool(step.truncated[i])
    batch = buffer.sample(600)
    T = 30
    unfinished = 0
    for b in range(600):
        environment = int(batch.place.numpy()[b]) // T
        episode, at = batch.observation.numpy()[b]
        later, there = batch.next_observation.numpy()[b]
        assert later == episode
        length, cut = ends.get((environment, float(episode)), (10**6, False))
        unfinished += length == 10**6
        count = int(min(n_step, length - at))
        assert there == at + count
        rewards = sum(gamma**m * (at + 1 + m) for m in range(count))
        assert batch.reward.numpy()[b] == pytest.approx(rewards)
        terminated = at + count == length and not cut
        assert batch.discount.numpy()[b] == (0 if terminated else gamma**count)
    assert unfinished < 120  # of episodes that were still going on
    drawn = set(batch.place.numpy().tolist())
    assert len(drawn) > 50


@pytest.mark.parametrize("prioritized", [False, True])
def test_every_row_that_may_be_drawn_is_drawn_alike_often(prioritized: bool) -> None:
    envs = corridors(2)
    buffer = rl.ReplayBuffer(40, (2,), num_envs=2, prioritized=prioritized)
    for _ in range(60):
        buffer.add(*envs.step(np.zeros(2, np.int64)))
    counts = np.bincount(buffer.sample(40_000).place.numpy(), minlength=40)
    drawn = counts[counts > 0]
    flags = buffer.rows["flags"].numpy().reshape(-1)
    assert ((flags[counts > 0] & 1) == 1).all()
    assert len(drawn) >= (flags & 1).sum() - 2  # all but the newest of an episode that goes on
    expected = 40_000 / len(drawn)
    assert abs(drawn - expected).max() < 6 * expected**0.5


def test_priorities_decide_how_often_and_weights_make_up_for_it() -> None:
    """Against Schaul et al.: P(i) = p_i^alpha / sum, w_i = (N P(i))^-beta / max w."""
    envs = corridors(1)
    buffer = rl.ReplayBuffer(64, (2,), prioritized=True, alpha=0.5, eps=0.0)
    for _ in range(40):
        buffer.add(*envs.step(np.zeros(1, np.int64)))
    assert buffer.tree is not None
    leaves = buffer.tree.numpy()[64:]
    places = np.flatnonzero(leaves)
    errors = np.linspace(-3, 5, len(places), dtype=np.float32)
    errors[errors == 0] = 1
    buffer.update_priorities(pydl.tensor(places), pydl.tensor(errors))
    p = np.abs(errors) ** 0.5
    np.testing.assert_allclose(leaves[places], p, rtol=1e-6)
    np.testing.assert_allclose(buffer.tree.numpy()[1], p.sum(), rtol=1e-5)
    assert buffer.tree.numpy()[0] == pytest.approx(max(1, p.max()))
    batch = buffer.sample(64_000)
    counts = np.bincount(batch.place.numpy(), minlength=64)[places]
    np.testing.assert_allclose(counts / 64_000, p / p.sum(), atol=1e-3)  # as drawing is in parts
    chance = batch.priority.numpy() / p.sum()
    w = (len(places) * chance) ** -0.4
    np.testing.assert_allclose(buffer.weights(batch, 0.4).numpy(), w / w.max(), rtol=1e-4)
    new = envs.step(np.zeros(1, np.int64))
    buffer.add(*new)
    buffer.add(*envs.step(np.zeros(1, np.int64)))
    assert leaves.max() == buffer.tree.numpy()[0]  # new rows have the largest so far


def test_stacked_frames_are_what_was_observed() -> None:
    """Observations of four frames, whose first ones in an episode are what the environment says."""
    rng = np.random.default_rng(0)
    buffer = rl.ReplayBuffer(400, (4, 3, 2), pydl.uint8, 2, stack=4, n_step=2)
    stacks = rng.integers(0, 255, (2, 4, 3, 2)).astype(np.uint8)
    seen: list[set[bytes]] = [set(), set()]
    pairs = {}
    history: list[list[bytes]] = [[], []]
    for t in range(700):
        after = np.concatenate((stacks[:, 1:], rng.integers(0, 255, (2, 1, 3, 2))), 1)
        after = after.astype(np.uint8)
        over = rng.random(2) < 0.1
        for i in range(2):
            seen[i].add(stacks[i].tobytes())
            history[i].append(stacks[i].tobytes())
        buffer.add(
            stacks, np.full(2, t), np.full(2, 1, np.float32), over & (t % 2 == 0),
            over & (t % 2 == 1), after,
        )  # fmt: skip
        stacks = after.copy()
        for i in np.flatnonzero(over):
            history[i].append(after[i].tobytes())
            for a, b in zip(history[i], [*history[i][2:], history[i][-1]], strict=False):
                pairs[a] = b
            history[i] = []
            stacks[i] = rng.integers(0, 255, (4, 3, 2)) * np.array([0, 0, 1, 1])[:, None, None]
    batch = buffer.sample(300)
    checked = 0
    for b in range(300):
        observed = batch.observation.numpy()[b].tobytes()
        assert observed in seen[int(batch.place.numpy()[b]) // 200]
        if observed in pairs:
            checked += 1
            assert batch.next_observation.numpy()[b].tobytes() == pairs[observed]
    assert checked > 200


def test_single_frames_take_an_eighth_of_the_naive_memory() -> None:
    buffer = rl.ReplayBuffer(1000, (4, 84, 84), pydl.uint8, stack=4)
    assert buffer.nbytes < 1000 * 2 * 4 * 84 * 84 / 7


def test_a_captured_step_draws_anew_in_each_replay_and_as_eager() -> None:
    def drawn(capture: bool) -> list[list[int]]:
        envs, buffer = corridors(2), rl.ReplayBuffer(60, (2,), num_envs=2, prioritized=True)
        for _ in range(10):
            buffer.add(*envs.step(np.zeros(2, np.int64)))

        def draw(beta: Any) -> Any:
            batch = buffer.sample(8)
            buffer.update_priorities(batch.place, batch.observation[:, 1])
            return batch.place, buffer.weights(batch, beta), batch.next_observation

        function = pydl.capture(draw) if capture else draw
        found = []
        for k in range(12):
            out = function(pydl.tensor(np.array([0.1 * k], np.float32)))
            found.append(np.concatenate([t.numpy().reshape(-1) for t in out]).tolist())
            buffer.add(*envs.step(np.ones(2, np.int64)))
        return found

    eager = drawn(False)
    assert drawn(True) == eager
    assert len({tuple(x) for x in eager}) == 12


@pytest.mark.parametrize("filled", [5, 500])
def test_a_buffer_goes_on_where_it_was(filled: int, tmp_path: Path) -> None:
    def made() -> rl.ReplayBuffer:
        return rl.ReplayBuffer(100, (2,), num_envs=2, n_step=2, prioritized=True)

    envs, buffer = corridors(2), made()
    for _ in range(filled):
        buffer.add(*envs.step(np.zeros(2, np.int64)))
    pydl.save(buffer.state_dict(), tmp_path / "rows.safetensors")
    again = made()
    again.load_state_dict(pydl.load(tmp_path / "rows.safetensors"))
    assert len(again) == len(buffer)
    for _ in range(30):
        step = envs.step(np.zeros(2, np.int64))
        for one in (buffer, again):
            one.add(*step)
        for a, b in zip(buffer.sample(16), again.sample(16), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    other = rl.ReplayBuffer(100, (3,), num_envs=2, n_step=2, prioritized=True)
    with pytest.raises(ValueError, match="frames of the state is float32"):
        other.load_state_dict(buffer.state_dict())
    with pytest.raises(ValueError, match=r"the state has frames, .*, tree, expected frames"):
        rl.ReplayBuffer(100, (2,), num_envs=2).load_state_dict(buffer.state_dict())


def test_large_buffers_lie_in_a_file_and_are_the_same(tmp_path: Path) -> None:
    envs = corridors(2)
    small = rl.ReplayBuffer(80, (2,), num_envs=2)
    mapped = rl.ReplayBuffer(80, (2,), num_envs=2, map_above=0, folder=tmp_path)
    for _ in range(100):
        step = envs.step(np.zeros(2, np.int64))
        small.add(*step)
        mapped.add(*step)
    for name, t in small.rows.items():
        np.testing.assert_array_equal(t.numpy(), mapped.rows[name].numpy())
    assert list(tmp_path.iterdir()) == []  # it has no name


def test_mistakes_with_a_buffer_are_named() -> None:
    with pytest.raises(ValueError, match=r"capacity is 3, expected \[4, 2\^32\]"):
        rl.ReplayBuffer(3, (2,), n_step=2)
    with pytest.raises(ValueError, match=r"observations of 4 frames are \(4, ...\), got \(2,\)"):
        rl.ReplayBuffer(100, (2,), stack=4)
    with pytest.raises(ValueError, match="n_step is 0, expected 1 or more"):
        rl.ReplayBuffer(100, (2,), n_step=0)
    with pytest.raises(ValueError, match=r"gamma is 1\.5"):
        rl.ReplayBuffer(100, (2,), gamma=1.5)
    buffer = rl.ReplayBuffer(100, (2,))
    with pytest.raises(ValueError, match="none of the 0 rows is a whole transition of 1 steps"):
        buffer.sample(4)
    step = list(corridors(1).step(np.zeros(1, np.int64)))
    for i, (name, value, error) in enumerate([
        ("observation", np.zeros((1, 3), np.float32), ValueError),
        ("action", np.zeros(1, np.int32), TypeError),
        ("reward", np.zeros(1), TypeError),
        ("terminated", np.zeros(2, bool), ValueError),
    ]):  # fmt: skip
        with pytest.raises(error, match=f"ReplayBuffer.add: {name} is .*, expected"):
            buffer.add(*step[:i], value, *step[i + 1 :])
    buffer.add(*step)
    with pytest.raises(ValueError, match="made without prioritized=True"):
        buffer.update_priorities(pydl.tensor([0]), pydl.tensor([1.0]))


def test_several_steps_at_once_are_what_they_are_one_by_one() -> None:
    envs = corridors(2)
    one, several = (rl.ReplayBuffer(60, (2,), num_envs=2, prioritized=True) for _ in range(2))
    for count in (1, 4, 7):
        steps = []
        for _ in range(count):
            step = envs.step(np.zeros(2, np.int64))
            one.add(*step)
            steps.append([x.copy() for x in step])
        several.add(*(np.stack(x) for x in zip(*steps, strict=True)))
    for name, t in one.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), several.state_dict()[name].numpy())


def test_arrays_that_are_not_dense_are_copied_each_time() -> None:
    buffer = rl.ReplayBuffer(100, (2,))
    wide = np.zeros((1, 4), np.float32)
    part = wide[:, ::2]
    one, no = np.ones(1, np.float32), np.zeros(1, np.bool_)
    for k in range(3):
        wide[...] = k
        buffer.add(part, np.zeros(1, np.int64), one, no, no, part)
    assert buffer.rows["frames"].numpy()[0, :3, 0].tolist() == [0, 1, 2]


def plain_lambda_returns(
    reward: Any, terminated: Any, truncated: Any, following: Any, gamma: float, lam: float, t: int
) -> Any:
    """Equation 12.18 of Sutton and Barto, by recursion, for one environment."""
    if terminated[t]:
        return reward[t]
    if truncated[t] or t + 1 == len(reward):
        return reward[t] + gamma * following[t]
    later = plain_lambda_returns(reward, terminated, truncated, following, gamma, lam, t + 1)
    return reward[t] + gamma * ((1 - lam) * following[t] + lam * later)


@pytest.mark.parametrize("lam", [0.0, 0.65, 1.0])
def test_lambda_returns(lam: float) -> None:
    rng = np.random.default_rng(0)
    T, N = 20, 5
    reward, following = rng.normal(size=(2, T, N)).astype(np.float32)
    terminated, truncated = rng.random((2, T, N)) < 0.15
    found = rl.lambda_returns(reward, terminated, truncated, following, 0.9, lam)
    for i in range(N):
        columns = [x[:, i] for x in (reward, terminated, truncated, following)]
        wanted = [plain_lambda_returns(*columns, 0.9, lam, t) for t in range(T)]
        np.testing.assert_allclose(found[:, i], wanted, rtol=2e-5, atol=1e-5)
    with pytest.raises(ValueError, match="expected four times"):
        rl.lambda_returns(reward, terminated[1:], truncated, following, 0.9, lam)


def test_evaluation_counts_as_many_episodes_of_each_environment() -> None:
    seen = []

    def policy(observation: Any) -> Any:
        seen.append(observation.copy())
        return np.zeros(len(observation), np.int64)

    envs = rl.SingleEnvironments([Corridor() for _ in range(4)], 9, limit=3)
    episodes = rl.evaluate(policy, envs)
    assert [(e.environment, e.number) for e in episodes] == [
        (i, k) for i in range(4) for k in range(3)
    ]
    vector = rl.VectorEnvironments(
        gymnasium.vector.SyncVectorEnv([Corridor] * 4, autoreset_mode="Disabled"), 9, limit=3
    )
    assert rl.evaluate(policy, vector) == episodes  # the same seeds make the same episodes
    with pytest.raises(ValueError, match="no limit of episodes"):
        rl.evaluate(policy, corridors(2))


def test_schedules() -> None:
    values = [rl.linear_schedule(1, 0.1, 100, t) for t in (-1, 0, 50, 100, 1000)]
    assert values == pytest.approx([1, 1, 0.55, 0.1, 0.1])
    assert rl.linear_schedule(1, 0.1, 0, 0) == 0.1
    values = [rl.exponential_schedule(1, 0.01, 100, t) for t in (0, 50, 100, 200)]
    assert values == pytest.approx([1, 0.1, 0.01, 0.01])
    with pytest.raises(ValueError, match="must be positive"):
        rl.exponential_schedule(1, 0, 100, 3)


def test_wrong_actions_and_environments_are_named() -> None:
    envs = corridors(2)
    assert envs.step([1, 2]).action.tolist() == [1, 2]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"actions have shape \(3,\), expected \(2,\)"):
        envs.step(np.zeros(3, np.int64))
    with pytest.raises(ValueError, match=r"actions \[0, 3\], expected \[0, 3\)"):
        envs.step(np.array([0, 3]))
    with pytest.raises(ValueError, match="make: CartPole-v99"):
        rl.make("CartPole-v99")
    with pytest.raises(ValueError, match="expected Discrete actions"):
        rl.make("Pendulum-v1")


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec",
        lambda name: None if name in ("ale_py", "minatar", "PIL") else found(name),
    )  # fmt: skip
    with pytest.raises(ImportError, match=r'needs ale_py: pip install "pydl-nn\[atari\]"'):
        rl.make("ALE/Pong-v5")
    with pytest.raises(ImportError, match=r'needs minatar: pip install "pydl-nn\[minatar\]"'):
        rl.make("MinAtar/Breakout-v1")
    with pytest.raises(ImportError, match=r'needs pillow: pip install "pydl-nn\[rl\]"'):
        rl.save_animation("x.gif", [np.zeros((4, 4, 3), np.uint8)])


def test_missing_box2d_is_named_with_the_command() -> None:
    """In a process of its own, which never had it."""
    code = "import sys; sys.modules['Box2D'] = None; from pydl import rl; rl.make('LunarLander-v3')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'ImportError: needs Box2D: pip install "pydl-nn[box2d]"' in done.stderr


GAMES = ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"]
REAL = [
    *((name, {}) for name in ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "LunarLander-v3")),
    *((f"MinAtar/{game}-v1", {"use_minimal_action_set": False}) for game in GAMES),
    ("ALE/Pong-v5", {"img_height": 42, "img_width": 42, "repeat_action_probability": 0.25}),
]


@pytest.mark.parametrize(("name", "options"), REAL, ids=[name for name, _ in REAL])
def test_real_environments_can_be_put_back(name: str, options: dict[str, Any]) -> None:
    """Box2D's and the emulator's state too, which nobody could write down."""
    modules = {"ALE": "ale_py", "MinAtar": "minatar", "LunarLander-v3": "Box2D"}
    pytest.importorskip(modules.get(name.partition("/")[0], "gymnasium"))
    first, rng = rl.make(name, 2, (1, 2), **options), np.random.default_rng(0)
    for _ in range(250):
        first.step(rng.integers(0, first.actions, 2))
    second = rl.make(name, 2, (1, 2), **options)
    second.load_state_dict(first.state_dict())
    for _ in range(150):
        actions = rng.integers(0, first.actions, 2)
        for one, two in zip(first.step(actions), second.step(actions), strict=True):
            np.testing.assert_array_equal(one, two)
    assert first.finished == second.finished
    first.close()
    second.close()


def test_recording_makes_a_film(tmp_path: Path) -> None:
    envs = rl.make("CartPole-v1", 1, 0, 1, render_mode="rgb_array")
    frames, totals = rl.record(lambda x: np.zeros(1, np.int64), envs)
    assert len(frames) == int(totals[0]) + 1
    assert frames[0].dtype == np.uint8
    assert len({frame.tobytes() for frame in frames}) > 5
    files = rl.save_animation(tmp_path / "film.gif", frames, fps=50)
    from PIL import Image

    with Image.open(files[0]) as film:
        assert film.n_frames > 2  # type: ignore[attr-defined]
        assert film.width == 320
    if importlib.util.find_spec("imageio_ffmpeg"):
        assert files[1].suffix == ".mp4"
        assert files[1].stat().st_size > 1000
    with pytest.raises(ValueError, match="there are no frames"):
        rl.save_animation(tmp_path / "none.gif", [])
    with pytest.raises(ValueError, match="one environment with a limit"):
        rl.record(lambda x: x, corridors(2))
