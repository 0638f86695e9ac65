"""demos/mnist_cnn.py as a user runs it: files, exit codes, messages, and the same bits always."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import demo_runner
import pytest
from demo_runner import DEMOS, OFTEN, notes_of, result, wait_for_checkpoint, write_images

import pydl

DEMO = "mnist_cnn.py"
PNG = ["learning_curves", "filters", "feature_maps", "confusion", "mistakes"]
KEYS = [
    *["demo", "arch", "data", "epochs", "test_accuracy", "test_loss", "seconds"],
    *["images_per_second", "threads", "isa", "weights_sha256"],
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), 640, 200)


@pytest.fixture(scope="module")
def few_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("few"), 40, 20)


def start(out: Path, *options: object, pictures: bool = False) -> subprocess.Popen[str]:
    return demo_runner.start(DEMO, "--out", out, *options, *([] if pictures else ["--no-pictures"]))


def demo(out: Path, *options: object, pictures: bool = False) -> tuple[int, str, str]:
    return demo_runner.run(DEMO, "--out", out, *options, *([] if pictures else ["--no-pictures"]))


def train(out: Path, *options: object) -> dict[str, Any]:
    code, stdout, stderr = demo(out, "--data", "mnist", *options)
    assert code == 0, stderr
    return result(stdout)


def test_files_and_last_line(images: Path, tmp_path: Path) -> None:
    code, stdout, stderr = demo(
        tmp_path, "--data", "mnist", "--root", images, "--arch", "lenet", "--epochs", 2,
        "--batch-size", 32, "--check", pictures=True,
    )  # fmt: skip
    assert code == 0, stderr
    line = result(stdout)
    assert list(line) == KEYS
    assert [line[key] for key in KEYS[:4]] == ["mnist_cnn", "lenet", "mnist", 2]
    assert line["test_accuracy"] > 0.97
    assert stdout.count("epoch ") == 2
    assert "images/s" in stderr
    names = ["mnist_cnn.safetensors", "checkpoint.safetensors", *(f"{p}.png" for p in PNG)]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    for name in PNG:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "conv1.weight" in pydl.load(tmp_path / "mnist_cnn.safetensors")


def test_check_fails_below_the_target(images: Path, tmp_path: Path) -> None:
    options = ["--data", "mnist", "--root", images, "--arch", "lenet", "--epochs", 1]
    code, stdout, stderr = demo(tmp_path, *options, "--lr", 1e-9, "--check")
    assert code == 1
    assert "is below the target" in stderr
    assert result(stdout)["test_accuracy"] < 0.5
    code, stdout, _ = demo(tmp_path, *options, "--lr", 1e-9, "--quiet")
    assert code == 0
    assert len(stdout.splitlines()) == 1


@pytest.mark.parametrize("optimizer", ["adam", "adadelta", "sgd"])
def test_neither_threads_nor_capture_change_a_bit(
    images: Path, tmp_path: Path, optimizer: str
) -> None:
    hashes = {
        train(
            tmp_path, "--root", images, "--epochs", 1, "--optimizer", optimizer, "--threads", n,
            "--batch-size", 50, "--quiet", *options,
        )["weights_sha256"]
        for n, *options in ((1,), (2,), (3,), (2, "--no-capture"))
    }  # fmt: skip
    assert len(hashes) == 1


@pytest.mark.parametrize("arch", ["cnn", "mlp", "lenet", "deep", "fast"])
def test_every_network_on_both_devices(few_images: Path, tmp_path: Path, arch: str) -> None:
    # A small rate: at the usual one, `deep` multiplies every rounding by a thousand in a few steps.
    options = [
        "--root",
        few_images,
        "--arch",
        arch,
        "--epochs",
        1,
        "--batch-size",
        20,
        "--lr",
        1e-4,
    ]
    native = train(tmp_path, *options, "--device", "cpu")
    oracle = train(tmp_path, *options, "--device", "numpy")
    assert oracle["test_loss"] == pytest.approx(native["test_loss"], rel=5e-5)


# ---- stopping and going on (the mlp has dropout, so the random stream must go on too)

LONG = ["--data", "mnist", "--arch", "mlp", "--batch-size", 16, "--epochs", 4]


@pytest.mark.parametrize(("schedule", "amp"), [("onecycle", "off"), ("step", "fp16")])
def test_killed_and_resumed_gives_the_same_bits(
    images: Path, tmp_path: Path, schedule: str, amp: str
) -> None:
    options = [*LONG, "--root", images, "--schedule", schedule, "--amp", amp]
    whole = train(tmp_path / "whole", *options)
    rng = random.Random(f"{schedule} 1")
    out = tmp_path / "killed"
    steps: list[int] = []
    for _ in range(3):
        process = start(out, *options, *OFTEN, "--resume")
        wait_for_checkpoint(out, process)
        time.sleep(rng.uniform(0.0, 0.4) + 0.5 * bool(steps))
        process.kill()
        process.communicate()
        steps.append(len(notes_of(out, "mnist_cnn")["progress"]["losses"]))
    assert steps == sorted(steps)
    code, stdout, stderr = demo(out, *options, "--resume")
    assert code == 0, stderr
    assert "going on after step" in stdout
    assert result(stdout)["weights_sha256"] == whole["weights_sha256"]
    assert result(stdout)["test_loss"] == whole["test_loss"]
    assert not list(out.glob("*.tmp")) + list(out.glob(".*.tmp"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_within_half_a_second(images: Path, tmp_path: Path, number: int) -> None:
    took = []
    for attempt in range(3):  # on a busy machine the system itself can be late
        out = tmp_path / str(attempt)
        process = start(out, *LONG, "--root", images, "--epochs", 1000, *OFTEN)
        wait_for_checkpoint(out, process)
        began = time.monotonic()
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        took.append(time.monotonic() - began)
        assert process.returncode == 128 + number
        assert "--resume" in stderr.splitlines()[-1]
        assert "Traceback" not in stderr
        assert "model.fc1.weight" in pydl.load(out / "checkpoint.safetensors")
        if took[-1] < 0.5:
            return
    pytest.fail(f"seconds until the end: {took}")


def test_resume_refuses_other_options(few_images: Path, tmp_path: Path) -> None:
    options = ["--data", "mnist", "--arch", "mlp", "--root", few_images, "--epochs", 1]
    assert demo(tmp_path, *options)[0] == 0
    code, _, stderr = demo(tmp_path, *options, "--resume", "--seed", 1, "--lr", 0.5)
    assert code == 2
    assert "was made with lr=0.003, seed=0, this run has lr=0.5, seed=1" in stderr
    code, _, stderr = demo(tmp_path, *options, "--resume", "--epochs", 2)
    assert code == 2
    assert "epochs=1" in stderr
    assert "only --schedule step can be prolonged" in stderr


def test_a_schedule_in_steps_can_be_prolonged(few_images: Path, tmp_path: Path) -> None:
    options = ["--arch", "mlp", "--root", few_images, "--schedule", "step"]
    whole = train(tmp_path / "whole", *options, "--epochs", 2)
    train(tmp_path / "parts", *options, "--epochs", 1)
    parts = train(tmp_path / "parts", *options, "--epochs", 2, "--resume")
    again = train(tmp_path / "parts", *options, "--epochs", 2, "--resume")  # nothing is left to do
    assert whole["weights_sha256"] == parts["weights_sha256"] == again["weights_sha256"]
    code, _, stderr = demo(
        tmp_path / "parts", "--data", "mnist", *options, "--epochs", 1, "--resume"
    )
    assert code == 2
    assert "has 2 epochs" in stderr


# ---- what can go wrong


def test_auto_falls_back_to_the_digits(tmp_path: Path) -> None:
    options = ["--root", tmp_path / "nothing", "--arch", "mlp", "--epochs", 3]
    code, stdout, stderr = demo(tmp_path / "out", *options)
    assert code == 0, stderr
    first = stdout.splitlines()[0]
    assert first == (
        "MNIST cannot be had (--data mnist says why): training on the small UCI digits instead."
    )
    assert result(stdout)["data"] == "digits"
    assert result(stdout)["test_accuracy"] > 0.8


def test_mnist_that_is_missing_or_damaged(few_images: Path, tmp_path: Path) -> None:
    code, stdout, stderr = demo(tmp_path, "--data", "mnist", "--root", tmp_path / "nothing")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("mnist_cnn: mnist was not found. Looked into:")
    assert "--data digits" in stderr
    assert "Traceback" not in stderr
    damaged = write_images(tmp_path, 20, 10)
    (damaged / "train-labels-idx1-ubyte").write_bytes(b"nonsense")
    code, _, stderr = demo(tmp_path, "--data", "auto", "--root", damaged)
    assert code == 2
    assert "not an IDX file" in stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "cuda"], "no CUDA"),
        (["--epochs", 0], "--epochs must be at least 1"),
        (["--batch-size", -1], "--batch-size must be at least 1"),
        (["--warmup", 1.5], "--warmup must be in [0, 1]"),
    ],
)
def test_options_that_do_not_work(tmp_path: Path, options: list[object], message: str) -> None:
    code, stdout, stderr = demo(tmp_path, *options)
    assert (code, stdout) == (2, "")
    assert message in stderr
    assert "Traceback" not in stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DEMOS))
    import _command_line

    with pytest.raises(_command_line.UserError, match=r'pip install "pydl-nn\[demos\]"'):
        _command_line.require("json", "no_such_module")


def test_help_is_made_of_the_comments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(DEMOS))
    import _command_line
    import mnist_cnn

    with pytest.raises(SystemExit):
        _command_line.parse(mnist_cnn.Config, "what it does", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "passes over the training images (default: 12)" in text
    assert "--pictures, --no-pictures write PNG files" in text
    config = _command_line.parse(mnist_cnn.Config, "", ["--lr", "0.5", "--no-pictures"])
    assert config == mnist_cnn.Config(lr=0.5, pictures=False)


# ---- mnist_fast.py: the race to 99 %


def race(out: Path, root: Path, *options: object) -> tuple[int, dict[str, Any]]:
    code, stdout, stderr = demo_runner.run(
        "mnist_fast.py", "--out", out, "--root", root, *options, seconds=1200
    )
    assert code in (0, 1), stderr
    return code, result(stdout)


def test_races(few_images: Path, tmp_path: Path) -> None:
    code, line = race(tmp_path, few_images, "--first-seeds", 2, "--second-seeds", 1)
    assert code == 0  # without --check nothing is lost
    assert line["epochs_1"]["seeds"] == 2
    assert line["epochs_10"]["seeds"] == 1
    assert 0 <= line["epochs_1"]["test_accuracy"] <= line["epochs_10"]["test_accuracy"] <= 1
    assert (tmp_path / "races.png").read_bytes().startswith(b"\x89PNG")
    # One step on forty images does not reach 99 %.
    options = ["--first-seeds", 1, "--second-seeds", 1, "--check", "--no-pictures", "--quiet"]
    assert race(tmp_path, few_images, *options)[0] == 1


# ---- the real thing


@pytest.mark.slow
def test_wins_both_races_on_mnist(data_folder: Path, tmp_path: Path) -> None:
    options = ["--first-seeds", 10, "--second-seeds", 5, "--threads", 2, "--check"]
    code, line = race(tmp_path, data_folder, *options)
    assert code == 0, line


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [3, 12])
def test_reaches_its_target_on_mnist(data_folder: Path, tmp_path: Path, epochs: int) -> None:
    code, stdout, stderr = demo(
        tmp_path, "--data", "mnist", "--root", data_folder, "--epochs", epochs, "--check"
    )
    assert code == 0, stdout + stderr
