"""demos/gan_scorer.py: what it says of cheats, and that its gates let none of them pass."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from demo_runner import DEMOS, result, run
from numpy.typing import NDArray

import pydl

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def gan_scorer() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEMOS))
        import gan_scorer

        yield gan_scorer


def test_the_weights_that_come_along(gan_scorer: ModuleType) -> None:
    for name, sha256 in gan_scorer.WEIGHTS.items():
        path = DEMOS / "scorers" / f"{name}.safetensors"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        assert path.stat().st_size < 1_000_000
        classifier = gan_scorer.load_classifier(name)
        assert not classifier.training


def test_other_weights_are_refused(gan_scorer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gan_scorer.WEIGHTS, "mnist", "0" * 64)
    with pytest.raises(gan_scorer.UserError, match="scores would lie"):
        gan_scorer.load_classifier("mnist")


@pytest.mark.parametrize("pixels", [28, 32])
def test_sizes_there_and_back(gan_scorer: ModuleType, pixels: int) -> None:
    rng = np.random.default_rng(0)
    channels = 1 if pixels == 28 else 3
    images = rng.integers(0, 256, (5, channels, pixels, pixels)).astype(np.uint8)
    for size in (28, 32, 64):
        there = gan_scorer.resized(images, size)
        assert there.shape == (5, channels, size, size)
        assert there.dtype == np.uint8
        back = gan_scorer.native(there, pixels)
        assert back.shape == images.shape
        if size == pixels or (pixels, size) == (28, 32):
            np.testing.assert_array_equal(back, images)
        smooth = np.broadcast_to(np.arange(pixels, dtype=np.uint8) * 4, images.shape)
        inner = gan_scorer.native(gan_scorer.resized(smooth, size), pixels)
        inner, smooth = (v[..., 2:-2, 2:-2].astype(int) for v in (inner, smooth))
        np.testing.assert_allclose(inner, smooth, atol=4)


def test_gates(gan_scorer: ModuleType) -> None:
    good = {"fd": 5.0, "precision": 0.9, "recall": 0.9, "density": 1.0, "coverage": 0.8}
    scores = gan_scorer.Scores(**good, class_kl=0.01, shares=(0.1,) * 10)
    gate = gan_scorer.Gate(15, 0.75)
    assert gate.failures(scores) == []
    bad = gan_scorer.Scores(
        **{**good, "fd": 16.0, "coverage": 0.7}, class_kl=0.03, shares=(0.04, 0.16, *[0.1] * 8)
    )
    assert gate.failures(bad) == [
        "FD 16.00 > 15",
        "coverage 0.700 < 0.75",
        "class KL 0.0300 > 0.02",
        "classes beyond 5% to 15%: 0: 4.0%, 1: 16.0%",
    ]


# ---- what each cheat is caught by (MNIST; 10,000 images each)


@pytest.fixture(scope="module")
def mnist(data_folder: Path) -> pydl.data.Dataset:
    return pydl.data.mnist(data_folder)


@pytest.fixture(scope="module")
def scorer(gan_scorer: ModuleType, mnist: pydl.data.Dataset) -> Any:
    return gan_scorer.Scorer(mnist, 28)


def blurred(images: Images, sigma: float) -> Images:
    """By a Gaussian of so many pixels."""
    at = np.arange(-4, 5)
    kernel = np.exp(-(at**2) / (2 * sigma**2))
    y = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (4, 4), (4, 4)))
    for axis in (2, 3):
        windows = np.lib.stride_tricks.sliding_window_view(y, 9, axis)
        y = windows @ (kernel / kernel.sum())
    return np.rint(y).astype(np.uint8)


def mixed(images: Images, labels: NDArray[np.int64]) -> Images:
    """Each image averaged with another one of its class."""
    y = images.astype(np.float64)
    for label in range(10):
        members = np.flatnonzero(labels == label)
        y[members] = (y[members] + y[np.roll(members, 1)]) / 2
    return np.rint(y).astype(np.uint8)


def cheat(name: str, data: pydl.data.Dataset) -> Images:
    images, labels = data.test.images, data.test.labels
    rng = np.random.default_rng(0)
    if name == "noise":
        return np.rint(images + rng.normal(0, 16, images.shape)).clip(0, 255).astype(np.uint8)
    if name == "digit missing":
        return np.resize(images[labels != 4], images.shape)
    if name == "half of the digits":
        return np.resize(images[labels < 5], images.shape)
    if name == "100 images":
        return np.repeat(data.train.images[:100], 100, axis=0)
    if name == "averages":
        return mixed(images, labels)
    if name == "uniform noise":
        return rng.integers(0, 256, images.shape).astype(np.uint8)
    return blurred(images, float(name.split()[1]))


def test_real_images_pass(scorer: Any, mnist: pydl.data.Dataset, gan_scorer: ModuleType) -> None:
    floor = scorer.floor
    assert gan_scorer.Gate(15, 0.75).failures(floor) == []
    assert floor.fd == pytest.approx(2.05, abs=0.05)
    assert floor.coverage > 0.94
    assert floor.class_kl < 0.002
    noisy = scorer(cheat("noise", mnist))  # a person hardly sees it either
    assert 2 * floor.fd < noisy.fd < 8
    assert gan_scorer.Gate(15, 0.75).failures(noisy) == []


@pytest.mark.parametrize(
    ("name", "caught", "blind"),
    [
        ("digit missing", {"fd", "class_kl", "shares"}, {"coverage", "precision"}),
        ("half of the digits", {"fd", "coverage", "class_kl", "shares"}, {"precision"}),
        ("100 images", {"fd", "coverage", "class_kl"}, {"precision", "classifier_score"}),
        ("averages", {"fd"}, {"coverage", "class_kl", "precision", "classifier_score"}),
        ("blur 0.7", {"fd", "coverage"}, {"class_kl", "precision", "classifier_score"}),
        ("blur 1.2", {"fd", "coverage"}, {"precision"}),
        ("uniform noise", {"fd", "coverage", "class_kl", "shares"}, set()),
    ],
)
def test_every_cheat_is_caught(
    scorer: Any,
    mnist: pydl.data.Dataset,
    gan_scorer: ModuleType,
    name: str,
    caught: set[str],
    blind: set[str],
) -> None:
    """`caught` must see it, `blind` are scores that would let it pass: why one is not enough."""
    scores = scorer(cheat(name, mnist))
    words = {"fd": "FD", "coverage": "coverage", "class_kl": "class KL", "shares": "classes"}
    found = gan_scorer.Gate(15, 0.75).failures(scores)
    seen = {key for key, word in words.items() if any(f.startswith(word) for f in found)}
    assert caught <= seen, scores
    passed = {key for key in words if key not in seen}
    passed |= {"precision"} if scores.precision > 0.9 else set()
    passed |= {"classifier_score"} if scores.classifier_score > 9 else set()
    assert blind <= passed, scores


def test_a_classifier_is_trained_by_a_command(data_folder: Path, tmp_path: Path) -> None:
    """One epoch here; demos/scorers/ has ten. Twice, for the same bits."""
    options = ["--data", "mnist", "--root", data_folder, "--epochs", 1, "--out", tmp_path]
    code, stdout, stderr = run("gan_scorer.py", *options, "--threads", 1)
    assert code == 0, stderr
    line = result(stdout)
    assert line["test_accuracy"] > 0.98
    assert "fc1.weight" in pydl.load(tmp_path / "mnist.safetensors")
    code, stdout, stderr = run("gan_scorer.py", *options, "--threads", 2, "--quiet")
    assert result(stdout)["weights_sha256"] == line["weights_sha256"]
