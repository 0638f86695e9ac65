"""demos/dcgan.py as a user runs it: files, scores, messages, and the same bits always."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import Any

import demo_runner
import numpy as np
import pytest
from demo_runner import DEMOS, OFTEN, notes_of, result, wait_for_checkpoint, write_images
from PIL import Image

import pydl

SMALL = ["--ngf", 4, "--ndf", 4, "--nz", 10, "--batch-size", 16]
KEYS = [
    *["demo", "data", "size", "loss", "seed", "epochs", "best_epoch", "fd", "precision", "recall"],
    *["density", "coverage", "classifier_score", "class_kl", "shares", "real_fd"],
    *["real_coverage", "memory", "signs", "seconds", "images_per_second", "threads", "isa"],
    "weights_sha256",
]
PICTURES = ["curves.png", "neighbours.png", "training.gif", "walk.gif", "walk.png"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), 320, 100)


def start(out: Path, *options: object, pictures: bool = False) -> subprocess.Popen[str]:
    quick = [] if pictures else ["--no-pictures"]
    return demo_runner.start("dcgan.py", "--out", out, *SMALL, *options, *quick)


def demo(out: Path, *options: object, pictures: bool = False) -> tuple[int, str, str]:
    quick = [] if pictures else ["--no-pictures"]
    return demo_runner.run("dcgan.py", "--out", out, *SMALL, *options, *quick)


def train(out: Path, *options: object) -> dict[str, Any]:
    code, stdout, stderr = demo(out, *options)
    assert code == 0, stderr
    return result(stdout)


def test_files_and_last_line(images: Path, tmp_path: Path) -> None:
    code, stdout, stderr = demo(tmp_path, "--root", images, "--epochs", 2, pictures=True)
    assert code == 0, stderr
    line = result(stdout)
    assert list(line) == KEYS
    assert [line[key] for key in KEYS[:6]] == ["dcgan", "mnist", 28, "bce", 0, 2]
    assert stdout.count("epoch ") == 2
    assert "real test images" in stdout  # the floor, beside every score
    assert "images/s" in stderr
    assert "D(G(z))" in stderr
    names = [*PICTURES, "samples", "best.safetensors", "checkpoint.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, "generator.safetensors"])
    grids = sorted((tmp_path / "samples").iterdir())
    assert [p.name for p in grids] == ["epoch_001.png", "epoch_002.png"]
    for path in grids:  # 10 x 10 images of 56 pixels, real ones and generated ones
        assert Image.open(path).size == (2 * (10 * 58 - 2) + 20, 10 * 58 - 2)
    assert Image.open(tmp_path / "training.gif").n_frames == 2  # type: ignore[attr-defined]
    assert Image.open(tmp_path / "walk.gif").n_frames > 20  # type: ignore[attr-defined]


def test_sample_from_a_saved_generator(images: Path, tmp_path: Path) -> None:
    train(tmp_path, "--root", images, "--epochs", 1)
    picture = tmp_path / "out.png"
    code, stdout, stderr = demo(tmp_path, "--sample", 9, picture)
    assert (code, stdout) == (0, ""), stderr
    first = np.asarray(Image.open(picture))
    assert first.shape == (3 * 58 - 2, 3 * 58 - 2, 3)
    assert demo(tmp_path, "--sample", 9, picture)[0] == 0
    assert np.array_equal(first, np.asarray(Image.open(picture)))
    assert demo(tmp_path, "--sample", 9, picture, "--seed", 1)[0] == 0
    assert not np.array_equal(first, np.asarray(Image.open(picture)))
    code, _, stderr = demo(tmp_path / "nothing", "--sample", 9, picture)
    assert code == 2
    assert "train first" in stderr
    code, _, stderr = demo(tmp_path, "--sample", "many", picture)
    assert code == 2
    assert "invalid literal" in stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--loss", "bce", "--label-smoothing", 0.1],
        ["--loss", "hinge", "--conditional"],
        ["--loss", "wgan-gp", "--ema", 0],
        ["--size", 32, "--conditional", "--d-steps", 2],
        ["--amp", "fp16", "--loss", "wgan-gp"],
        ["--amp", "bf16"],
    ],
)
def test_neither_threads_nor_capture_change_a_bit(
    images: Path, tmp_path: Path, options: list[object]
) -> None:
    lines = [
        train(tmp_path, "--root", images, "--epochs", 1, "--quiet", *options, *how)
        for how in (["--threads", 1], ["--threads", 3], ["--no-capture"])
    ]
    assert len({line["weights_sha256"] for line in lines}) == 1
    assert len({line["fd"] for line in lines}) == 1
    assert ("agreement" in lines[0]) == ("--conditional" in options)


def test_what_a_step_returns_is_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The losses against formulas in NumPy, smoothing included."""
    monkeypatch.syspath_prepend(str(DEMOS))
    import dcgan

    rng = np.random.default_rng(0)
    real, fake = (3 * rng.standard_normal(50) for _ in range(2))

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def losses(**options: Any) -> tuple[float, float]:
        config = dcgan.Config(**options)
        r, f = (pydl.tensor(x, dtype=pydl.float64, device="numpy") for x in (real, fake))
        d = dcgan.discriminator_loss(config, r, f)
        return d.item(), dcgan.generator_loss(config, f).item()

    p, q = sigmoid(real), sigmoid(fake)
    expected = -np.log(p).mean() - np.log(1 - q).mean(), -np.log(q).mean()
    assert losses() == pytest.approx(expected)
    smoothed = -(0.9 * np.log(p) + 0.1 * np.log(1 - p)).mean() - np.log(1 - q).mean()
    assert losses(label_smoothing=0.1) == pytest.approx((smoothed, expected[1]))
    hinge = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert losses(loss="hinge") == pytest.approx((hinge, -fake.mean()))
    assert losses(loss="wgan-gp") == pytest.approx((fake.mean() - real.mean(), -fake.mean()))


def test_a_step_that_overflows_is_left_out(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float16 the first scales are too large for some networks: no reason to stop."""
    monkeypatch.syspath_prepend(str(DEMOS))
    import dcgan

    config = dcgan.Config(root=str(images), out=str(tmp_path), amp="fp16", ngf=4, ndf=4, nz=10,
                          batch_size=16)  # fmt: skip
    run = dcgan.Run(config, dcgan.load_data(config))
    scaler = run.mixed.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**40})
    parameters = [*run.generator.parameters(), *run.discriminator.parameters()]
    before = [p.numpy().copy() for p in parameters]
    images_, labels = next(iter(run.loader))
    measures = dict(zip(dcgan.MEASURES, run.step(images_, labels), strict=True))
    assert np.isfinite(list(measures.values())).all()
    assert measures["norm_d"] == measures["norm_g"] == 0
    assert scaler.get_scale() == 2.0**39
    for p, kept in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), kept)
    assert not any("range of float16" in text for text in dcgan.signs(run))
    scaler.load_state_dict({**scaler.state_dict(), "scale": 0.5})
    assert any("range of float16" in text for text in dcgan.signs(run))


def test_gradient_penalty_of_a_known_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that is linear has the same slope everywhere, and its penalty a known gradient."""
    monkeypatch.syspath_prepend(str(DEMOS))
    import dcgan

    w = pydl.tensor([3.0, 4.0, 0.0], requires_grad=True)

    def judge(x: pydl.Tensor, labels: pydl.Tensor) -> pydl.Tensor:
        return (x.flatten(1) * w).sum(1)

    real, fake = pydl.rand(6, 3, 1, 1), pydl.rand(6, 3, 1, 1)
    penalty = dcgan.gradient_penalty(judge, real, fake, pydl.zeros(6))
    assert penalty.item() == pytest.approx(16)
    penalty.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * 4 * np.array([0.6, 0.8, 0]), rtol=1e-5)


def test_slerp_stays_on_the_sphere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DEMOS))
    import _gan_pictures

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((5, 100)) for _ in range(2))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    np.testing.assert_allclose(_gan_pictures.slerp(a, b, 0.0), a, rtol=1e-5)
    np.testing.assert_allclose(_gan_pictures.slerp(a, b, 1.0), b, rtol=1e-5, atol=1e-6)
    middle = _gan_pictures.slerp(a, b, 0.5)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((middle * a).sum(1), (middle * b).sum(1), rtol=1e-5)


# ---- stopping and going on


@pytest.mark.parametrize("options", [["--decay", 0.5], ["--loss", "wgan-gp", "--conditional"]])
def test_killed_and_resumed_gives_the_same_bits(
    images: Path, tmp_path: Path, options: list[object]
) -> None:
    options = [*options, "--root", images, "--epochs", 4]
    whole = train(tmp_path / "whole", *options)
    rng = random.Random(str(options))
    out = tmp_path / "killed"
    steps: list[int] = []
    for _ in range(3):
        process = start(out, *options, *OFTEN, "--resume")
        wait_for_checkpoint(out, process)
        time.sleep(rng.uniform(0.0, 0.6) + 1.5 * bool(steps))
        process.kill()
        process.communicate()
        steps.append(notes_of(out, "dcgan")["progress"]["steps"])
    assert steps == sorted(steps)
    code, stdout, stderr = demo(out, *options, "--resume")
    assert code == 0, stderr
    assert "going on after step" in stdout
    line = result(stdout)
    for key in ("weights_sha256", "fd", "coverage", "best_epoch"):
        assert line[key] == whole[key]
    best = [(folder / "best.safetensors").read_bytes() for folder in (out, tmp_path / "whole")]
    assert best[0] == best[1]


def test_a_run_can_be_prolonged_but_not_changed(images: Path, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", "--root", images, "--epochs", 2)
    train(tmp_path / "parts", "--root", images, "--epochs", 1)
    parts = train(tmp_path / "parts", "--root", images, "--epochs", 2, "--resume")
    assert whole["weights_sha256"] == parts["weights_sha256"]
    code, _, stderr = demo(tmp_path / "parts", "--root", images, "--resume", "--loss", "hinge")
    assert code == 2
    assert "was made with loss=bce, this run has loss=hinge" in stderr
    code, _, stderr = demo(tmp_path / "parts", "--root", images, "--resume", "--decay", 1)
    assert code == 2
    assert "only a run without --decay can be prolonged" in stderr
    options = ["--root", images, "--resume", "--epochs", 1]
    code, _, stderr = demo(tmp_path / "parts", *options)
    assert code == 2
    assert "has 2 epochs: give --epochs 2" in stderr


# ---- what can go wrong


def test_nan_stops_the_run_and_names_the_op(images: Path, tmp_path: Path) -> None:
    code, _, stderr = demo(tmp_path, "--root", images, "--lr-g", 1e30, "--epochs", 2)
    assert code == 2
    assert "dcgan: step 2: conv2d_grad_input of module main.3 (ConvTranspose2d)" in stderr
    assert "The checkpoint before is whole" in stderr
    assert "Traceback" not in stderr
    for t in pydl.load(tmp_path / "checkpoint.safetensors").values():
        assert np.isfinite(t.numpy()).all()


def test_collapse_is_said_in_words(images: Path, tmp_path: Path) -> None:
    options = ["--root", images, "--epochs", 8, "--lr-d", 0.02, "--lr-g", 1e-6, "--check"]
    code, stdout, stderr = demo(tmp_path, *options)
    assert code == 1
    assert "FD" in stderr
    assert "the discriminator wins: its loss is 0.0" in stdout
    assert "--label-smoothing 0.1" in stdout
    assert "look like" in stdout
    signs = notes_of(tmp_path, "dcgan")["progress"]["signs"]
    assert len(signs) == result(stdout)["signs"] >= 2


def test_pictures_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, colour in (("blue", (0, 40, 200)), ("red", (200, 30, 0))):
        (tmp_path / "own" / kind).mkdir(parents=True)
        for i in range(40):
            pixels = np.clip(colour + rng.integers(0, 50, (40, 36, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / kind / f"{i}.png")
    line = train(
        tmp_path / "out", "--data", f"folder:{tmp_path / 'own'}", "--size", 32, "--epochs", 2,
        "--conditional",
    )  # fmt: skip
    assert line["data"] == "own"
    assert "class_kl" not in line
    assert line["fd"] > 0
    picture = tmp_path / "two.png"
    assert demo(tmp_path / "out", "--sample", 4, picture)[0] == 0
    assert Image.open(picture).size == (2 * 66 - 2, 2 * 66 - 2)  # a column for each class


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "faces"], "expected mnist, fashion, cifar10 or folder:PATH"),
        (["--data", "folder:/no/such/place"], "is not a folder"),
        (["--root", "/no/such/place"], "mnist was not found"),
        (["--size", 30], "invalid choice"),
        (["--epochs", 0], "--epochs must be at least 1"),
        (["--batch-size", 1], "--batch-size must be at least 2"),
        (["--decay", 1.1], "--decay must be in [0, 1]"),
        (["--ema", 1], "--ema must be in [0, 1)"),
        (["--label-smoothing", 0.1, "--loss", "hinge"], "goes with --loss bce"),
        (["--d-steps", 0], "--d-steps must be at least 1"),
    ],
)
def test_options_that_do_not_work(tmp_path: Path, options: list[object], message: str) -> None:
    code, stdout, stderr = demo(tmp_path, *options)
    assert (code, stdout) == (2, "")
    assert message in stderr
    assert "Traceback" not in stderr


def test_torch_names_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of PyTorch's example, so that its checkpoints can be loaded."""
    monkeypatch.syspath_prepend(str(DEMOS))
    import dcgan

    state = dcgan.Generator(64, 100, 64, 3).state_dict()
    assert state["main.0.weight"].shape == (100, 512, 4, 4)
    assert state["main.12.weight"].shape == (64, 3, 4, 4)
    assert "main.1.running_mean" in state
    state = dcgan.Discriminator(64, 64, 3).state_dict()
    assert state["main.0.weight"].shape == (64, 3, 4, 4)
    assert state["main.11.weight"].shape == (1, 512, 4, 4)


# ---- the real thing


@pytest.mark.slow
def test_killed_ten_times_on_mnist(data_folder: Path, tmp_path: Path) -> None:
    """SIGKILL at a random moment, and the weights of the uninterrupted run: ten of ten."""
    options = ["--root", data_folder, "--epochs", 2, "--batch-size", 128]
    whole = train(tmp_path / "whole", *options)["weights_sha256"]
    rng = random.Random(0)
    for attempt in range(10):
        out = tmp_path / str(attempt)
        process = start(out, *options, "--checkpoint-seconds", 1)
        wait_for_checkpoint(out, process)
        time.sleep(rng.uniform(0, 12))
        process.kill()
        process.communicate()
        assert train(out, *options, "--resume")["weights_sha256"] == whole


# The recipe that docs/dcgan.md has the scores of.
MNIST = [
    *["--size", 32, "--ngf", 32, "--ndf", 32, "--batch-size", 32],
    *["--lr-g", 1e-3, "--lr-d", 4e-4],
]


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "minutes", "seeds"), [(2, 5, 1), (8, 20, 3)])
def test_reaches_its_target_on_mnist(
    data_folder: Path, tmp_path: Path, epochs: int, minutes: int, seeds: int
) -> None:
    for seed in range(seeds):
        code, stdout, stderr = demo_runner.run(
            "dcgan.py", "--root", data_folder, *MNIST, "--epochs", epochs, "--seed", seed,
            "--out", tmp_path / str(seed), "--check", seconds=7200,
        )  # fmt: skip
        assert code == 0, stdout + stderr
        assert result(stdout)["seconds"] < 60 * minutes


@pytest.mark.slow
def test_makes_the_digits_that_are_asked_for(data_folder: Path, tmp_path: Path) -> None:
    options = ["--root", data_folder, *MNIST, "--epochs", 4, "--conditional", "--out", tmp_path]
    code, stdout, stderr = demo_runner.run("dcgan.py", *options, seconds=7200)
    assert code == 0, stderr
    assert result(stdout)["agreement"] >= 0.99
