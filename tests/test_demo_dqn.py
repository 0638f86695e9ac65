"""demos/dqn.py and demos/pqn.py as a user runs them: options, learning, resuming, playing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_runner import DEMOS, notes_of, result, run, start

import pydl

pytest.importorskip("gymnasium")

SHORT = ["--steps", 4000, "--eval-every", 2000, "--log-every", 500, "--threads", 1]
SHORT += ["--test-episodes", 5, "--eval-episodes", 3, "--eps-end", 0.5]


def weights(out: Path) -> list[bytes]:
    return [t.numpy().tobytes() for _, t in sorted(pydl.load(out / "agent.safetensors").items())]


FLAGS: list[list[object]] = [
    ["--double"],
    ["--dueling"],
    ["--n-step", 2],
    ["--per"],
    ["--layernorm"],
    ["--distributional", "c51"],
    ["--distributional", "qr", "--atoms", 11],
    ["--tau", 0.01],
    ["--loss", "mse"],
    ["--max-norm", 0.01],
    ["--concurrent"],
    ["--reward-scale", 0.1],
    ["--amp", "fp16"],
    ["--amp", "bf16"],
]


def brief(out: Path, *options: object) -> dict[str, Any]:
    """What comes of two rounds of updates."""
    code, stdout, stderr = run(
        "dqn.py", *SHORT, "--steps", 1400, "--eval-every", 1400, *options, "--out", out, "--quiet",
        "--no-pictures",
    )  # fmt: skip
    assert code == 0, stderr
    found = result(stdout)
    assert found["updates"] == 256
    return found


def test_each_flag_stands_alone_and_changes_something(tmp_path: Path) -> None:
    plain = brief(tmp_path / "plain")["weights_sha256"]
    found = {plain}
    for i, flags in enumerate(FLAGS):
        found.add(brief(tmp_path / str(i), *flags)["weights_sha256"])
    assert len(found) == 1 + len(FLAGS)


COMBINED: list[list[object]] = [
    [],
    ["--double", "--dueling", "--layernorm", "--per", "--loss", "mse"],
    ["--distributional", "qr", "--atoms", 11, "--n-step", 2, "--concurrent"],
    ["--double", "--dueling", "--n-step", 2, "--per", "--layernorm", "--distributional", "c51",
     "--atoms", 21, "--tau", 0.05, "--concurrent"],
    ["--double", "--layernorm", "--amp", "fp16"],
]  # fmt: skip


@pytest.mark.parametrize("flags", COMBINED, ids=["plain", "values", "quantiles", "all", "half"])
def test_a_captured_run_gives_the_bits_of_an_eager_one(flags: list[object], tmp_path: Path) -> None:
    one, two = (brief(tmp_path / name, *flags, name) for name in ("--capture", "--no-capture"))
    assert one["weights_sha256"] == two["weights_sha256"]
    assert one["score"] == two["score"]
    assert weights(tmp_path / "--capture") == weights(tmp_path / "--no-capture")


@pytest.mark.parametrize("program", ["dqn.py", "pqn.py"])
def test_the_same_bits_for_any_number_of_threads(program: str, tmp_path: Path) -> None:
    found = set()
    for threads in (1, 3):
        code, stdout, stderr = run(
            program, *SHORT, "--threads", threads, "--out", tmp_path / str(threads), "--quiet",
            "--no-pictures", "--steps", 3000,
        )  # fmt: skip
        assert code == 0, stderr
        found.add(result(stdout)["weights_sha256"])
    assert len(found) == 1


def test_it_learns_to_hold_the_pole_up(tmp_path: Path) -> None:
    code, stdout, stderr = run("dqn.py", "--threads", 1, "--out", tmp_path, "--check")
    assert code == 0, stderr
    line = result(stdout)
    assert line["score"] >= 475
    assert line["episodes"] == 100
    assert {"score_std", "score_least", "seconds_acting", "steps_per_second"} <= line.keys()
    for name in ("agent.safetensors", "learning_curve.png", "episode.gif", "metrics.jsonl"):
        assert (tmp_path / name).stat().st_size > 500, name
    metrics = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [m["step"] for m in metrics] == sorted({m["step"] for m in metrics})
    assert {"charts/episodic_return", "charts/SPS", "losses/td_loss", "losses/q_values"} <= set(
        metrics[-1]
    )
    assert metrics[-1]["losses/max_q"] > 5

    code, stdout, stderr = run("dqn.py", "--play", tmp_path / "agent.safetensors")
    assert code == 0, stderr
    played = result(stdout)
    assert played["score"] == line["score"]  # the same unseen episodes
    assert (tmp_path / "agent.gif").exists()


def test_pqn_learns_to_hold_the_pole_up(tmp_path: Path) -> None:
    code, stdout, stderr = run("pqn.py", "--threads", 1, "--out", tmp_path, "--check", "--quiet")
    assert code == 0, stderr
    assert result(stdout)["score"] >= 475


def killed_and_resumed(program: str, out: Path, *options: object, kills: int) -> dict[str, Any]:
    """A run that is killed at random moments, each time after it came further."""
    rng = np.random.default_rng(kills)
    command = [*options, "--out", out, "--resume", "--no-pictures", "--quiet"]
    path = out / "checkpoint.safetensors"
    for _ in range(kills):
        before = path.stat().st_mtime_ns if path.exists() else 0
        process = start(program, *command)
        deadline = time.monotonic() + 120
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(0.2 * rng.random())
        assert process.poll() is None, "it was through before it was killed"
        process.kill()
        process.communicate()
    code, stdout, stderr = run(program, *command)
    assert code == 0, stderr
    return result(stdout)


RESUMED: list[tuple[str, list[object]]] = [
    ("dqn.py", []),
    ("dqn.py", ["--per", "--n-step", 3, "--concurrent", "--num-envs", 3]),
    ("pqn.py", ["--num-envs", 16, "--rollout", 16, "--lam", 0.9]),
    ("dqn.py", ["--env", "LunarLander-v3", "--eval-every", 6000, "--steps", 3000]),
    (
        "dqn.py",
        [
            "--env",
            "ALE/Pong-v5",
            "--frame",
            42,
            "--steps",
            2400,
            "--learning-starts",
            1600,
            "--buffer-size",
            3000,
            "--eval-episodes",
            1,
            "--test-episodes",
            1,
        ],
    ),
]


@pytest.mark.parametrize(
    ("program", "options"), RESUMED, ids=["dqn", "flags", "pqn", "box2d", "atari"]
)
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(
    program: str, options: list[object], tmp_path: Path
) -> None:
    modules = {"LunarLander-v3": "Box2D", "ALE/Pong-v5": "ale_py"}
    pytest.importorskip(modules.get(str(options[1]) if options else "", "gymnasium"))
    options = [*SHORT, "--steps", 6000, *options]
    code, stdout, stderr = run(
        program, *options, "--out", tmp_path / "whole", "--no-pictures", "--quiet"
    )
    assert code == 0, stderr
    whole = result(stdout)
    often = [*options, "--checkpoint-seconds", 0]
    resumed = killed_and_resumed(program, tmp_path / "cut", *often, kills=3)
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert resumed["score"] == whole["score"]
    first, second = (notes_of(tmp_path / name, program[:3]) for name in ("whole", "cut"))
    for key in ("episodes", "evaluations", "best", "updates"):
        assert first["progress"][key] == second["progress"][key]
    metrics = [
        [{k: v for k, v in json.loads(line).items() if k != "charts/SPS"}
         for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]  # fmt: skip
    assert metrics[0] == metrics[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_cartpole_killed_five_times_ends_with_the_same_weights(seed: int, tmp_path: Path) -> None:
    """The preset's whole run, killed at random moments."""
    options = ["--seed", seed, "--threads", 1]
    code, stdout, stderr = run(
        "dqn.py", *options, "--out", tmp_path / "whole", "--no-pictures", "--quiet"
    )
    assert code == 0, stderr
    often = [*options, "--checkpoint-seconds", 0.1]
    again = killed_and_resumed("dqn.py", tmp_path / "cut", *often, kills=5)
    assert again["weights_sha256"] == result(stdout)["weights_sha256"]
    assert again["score"] == result(stdout)["score"]


def test_mistakes_are_named(tmp_path: Path) -> None:
    for options, message in [
        (["--env", "CartPole-v77"], "CartPole-v77"),
        (["--env", "Pendulum-v1"], "expected Discrete actions"),
        (["--gamma", 2], "--gamma must be in [0, 1]"),
        (["--n-step", 0], "--n-step must be at least 1"),
        (["--buffer-size", 3], "capacity is 3"),
        (["--v-min", 5, "--v-max", 1], "--v-min 5.0 must be below --v-max 1.0"),
        (["--play", tmp_path / "none.safetensors"], "does not exist"),
        (["--play", DEMOS / "scorers" / "mnist.safetensors"], "is not an agent of dqn.py"),
    ]:
        code, _, stderr = run("dqn.py", *options, "--out", tmp_path / "x", "--no-pictures")
        assert code == 2, stderr
        assert message in stderr
        assert "Traceback" not in stderr
    code, _, stderr = run("pqn.py", "--batch-size", 10**6, "--out", tmp_path / "x")
    assert code == 2
    assert "--batch-size 1000000 is more than" in stderr


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    options = [*SHORT, "--out", tmp_path, "--no-pictures", "--quiet"]
    assert run("dqn.py", *options)[0] == 0
    code, _, stderr = run("dqn.py", *options, "--resume", "--gamma", 0.9)
    assert code == 2
    assert "gamma=0.99, this run has gamma=0.9" in stderr


def test_presets_give_way_to_what_is_given(tmp_path: Path) -> None:
    code, stdout, _ = run("dqn.py", "--env", "LunarLander-v3", "--help")
    assert code == 0
    assert "(default: 300000)" in stdout
    code, _, stderr = run(
        "dqn.py", "--env", "MountainCar-v0", "--no-double", "--steps", 1500, "--n-step", 2, "--out",
        tmp_path, "--no-pictures", "--test-episodes", 1, "--quiet",
    )  # fmt: skip
    assert code == 0, stderr
    about = pydl.io.load_metadata(tmp_path / "agent.safetensors")["pydl_agent"]
    config = json.loads(about)["config"]
    assert (config["double"], config["n_step"], config["normalize"]) == (False, 2, True)


GAMES = ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"]


@pytest.mark.parametrize("program", ["dqn.py", "pqn.py"])
def test_every_minatar_game_runs(program: str, tmp_path: Path) -> None:
    pytest.importorskip("minatar")
    for game in GAMES:
        code, stdout, stderr = run(
            program, "--env", f"MinAtar/{game}-v1", "--steps", 6000, "--eval-every", 6000,
            "--eval-episodes", 1, "--test-episodes", 1, "--out", tmp_path / game, "--quiet",
        )  # fmt: skip
        assert code == 0, stderr
        assert result(stdout)["updates"] > 50
        assert (tmp_path / game / "episode.gif").stat().st_size > 500


def test_pong_runs_and_its_replay_is_an_eighth_of_the_naive_one(tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    code, stdout, stderr = run(
        "dqn.py", "--env", "ALE/Pong-v5", "--frame", 42, "--steps", 1600, "--learning-starts", 800,
        "--eval-every", 1600, "--eval-episodes", 1, "--test-episodes", 1, "--buffer-size", 2000,
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, stderr
    assert result(stdout)["updates"] == 208
    assert "the naive one" in stdout
    assert (tmp_path / "episode.gif").stat().st_size > 500
