"""pydl.metrics against slow, plain versions, and on sets whose scores are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

import pydl
from pydl import metrics

Array = NDArray[np.float64]


def gaussian(rng: np.random.Generator, n: int, d: int) -> Array:
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d)


# ---- Fréchet distance


def slow_frechet(x: Array, y: Array) -> float:
    """With the matrix square root by Newton's iteration (Higham), not by eigenvalues."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root, inverse = a @ b, np.eye(len(a))
    for _ in range(100):
        root, inverse = (
            (root + np.linalg.inv(inverse)) / 2,
            (inverse + np.linalg.inv(root)) / 2,
        )
    gap = x.mean(0) - y.mean(0)
    return float(gap @ gap + np.trace(a) + np.trace(b) - 2 * np.trace(root))


@pytest.mark.parametrize("d", [2, 5, 16])
def test_frechet_distance_equals_the_slow_one(d: int) -> None:
    rng = np.random.default_rng(d)
    x, y = gaussian(rng, 300, d), gaussian(rng, 200, d)
    assert metrics.frechet_distance(x, y) == pytest.approx(slow_frechet(x, y), rel=1e-8)
    assert metrics.frechet_distance(y, x) == pytest.approx(slow_frechet(x, y), rel=1e-8)


def test_frechet_distance_of_what_is_known() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 3))
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(x, x + [3, 0, 4]) == pytest.approx(25)
    spread = float(np.trace(np.cov(x, rowvar=False)))
    assert metrics.frechet_distance(x, 3 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(4 * spread)
    assert metrics.frechet_distance(x[:, :1], x[:, :1] + 2) == pytest.approx(4)


def test_frechet_distance_of_fewer_samples_than_features() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((5, 40))
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(x, x + 1) == pytest.approx(40)


# ---- precision, recall, density, coverage


def slow_prdc(real: Array, fake: Array, k: int) -> tuple[float, ...]:
    """Sample by sample, as the papers say it."""

    def radius(points: Array, i: int) -> float:
        others = [math.dist(points[i], p) for j, p in enumerate(points) if j != i]
        return sorted(others)[k - 1]

    real_radius = [radius(real, i) for i in range(len(real))]
    fake_radius = [radius(fake, i) for i in range(len(fake))]
    inside = [[math.dist(r, f) < real_radius[i] for f in fake] for i, r in enumerate(real)]
    recalled = [any(math.dist(r, f) < fake_radius[j] for j, f in enumerate(fake)) for r in real]
    of_fake = np.array(inside).sum(0)
    return (
        float((of_fake > 0).mean()),
        float(np.mean(recalled)),
        float(of_fake.mean() / k),
        float(np.array(inside).any(1).mean()),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("block", [7, 1000])
def test_prdc_equals_the_slow_one(k: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK", block)
    rng = np.random.default_rng(k)
    real, fake = rng.standard_normal((40, 3)), 0.7 * rng.standard_normal((31, 3)) + 0.3
    assert tuple(metrics.prdc(real, fake, k)) == pytest.approx(slow_prdc(real, fake, k))


def test_prdc_of_what_is_known() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((2000, 8))
    same = metrics.prdc(real, rng.standard_normal((2000, 8)))
    assert same.coverage == pytest.approx(1 - 2.0**-5, abs=0.015)  # Naeem et al., lemma 2
    assert same.density == pytest.approx(1, abs=0.05)
    assert metrics.prdc(real, real + 100) == (0, 0, 0, 0)
    copies = metrics.prdc(real, np.repeat(real[:20], 100, 0))
    assert copies.precision == 1
    assert copies.recall < 0.02
    assert copies.coverage < 0.1


# ---- classes


def test_classifier_score() -> None:
    sure = 50 * np.eye(10)
    assert metrics.classifier_score(np.tile(sure, (30, 1))) == pytest.approx(10)
    assert metrics.classifier_score(np.zeros((7, 10))) == pytest.approx(1)
    assert metrics.classifier_score(np.tile(sure[3], (9, 1))) == pytest.approx(1)
    logits = np.random.default_rng(0).standard_normal((50, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    kl = [sum(q * math.log(q / m) for q, m in zip(row, p.mean(0), strict=True)) for row in p]
    assert metrics.classifier_score(logits) == pytest.approx(math.exp(np.mean(kl)))


def test_class_kl() -> None:
    assert metrics.class_kl([3, 3, 3], [0.5, 0.5, 0.5]) == 0
    assert metrics.class_kl([0, *[5] * 9], [1] * 10) == pytest.approx(math.log(10 / 9))
    p, q = np.array([0.2, 0.8]), np.array([0.6, 0.4])
    expected = 0.2 * math.log(0.2 / 0.6) + 0.8 * math.log(0.8 / 0.4)
    assert metrics.class_kl(p, q) == pytest.approx(expected)


# ---- neighbours


@pytest.mark.parametrize("block", [6, 1000])
def test_nearest(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK", block)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (9, 12)).astype(np.uint8)
    reference = rng.integers(0, 256, (50, 12)).astype(np.uint8)
    reference[31] = x[4]
    distances = np.array([[math.dist(a, b) for b in reference.tolist()] for a in x.tolist()])
    at, found = metrics.nearest(x, reference, 3)
    np.testing.assert_array_equal(at, np.argsort(distances, axis=1)[:, :3])
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, :3], atol=1e-5)
    assert (at[4, 0], found[4, 0]) == (31, 0)


# ---- arguments


def test_tensors_are_taken_too() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((20, 4)).astype(np.float32) for _ in range(2))
    of_tensors = metrics.frechet_distance(pydl.tensor(x), pydl.tensor(y))
    assert of_tensors == metrics.frechet_distance(x, y)
    assert metrics.prdc(pydl.tensor(x), pydl.tensor(y)) == metrics.prdc(x, y)


ONE = np.ones((10, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.frechet_distance(ONE, np.ones((10, 4))), r"\(10, 3\) and \(10, 4\)"),
        (lambda: metrics.frechet_distance(ONE[:1], ONE), r"first set has shape \(1, 3\)"),
        (lambda: metrics.frechet_distance(ONE, ONE * np.nan), "second set is not finite"),
        (lambda: metrics.prdc(ONE, ONE[:5]), r"second set has shape \(5, 3\)"),
        (lambda: metrics.prdc(ONE, ONE, 0), "k must be at least 1"),
        (lambda: metrics.nearest(ONE, ONE, 11), "no k=11 neighbours"),
        (lambda: metrics.nearest(ONE, np.ones((4, 2))), r"\(10, 3\) among rows \(4, 2\)"),
        (lambda: metrics.classifier_score(np.ones(3)), r"logits has shape \(3,\)"),
        (lambda: metrics.class_kl([1, 2], [1, 2, 3]), "must be"),
        (lambda: metrics.class_kl([1, 2], [1, 0]), "reference > 0"),
        (lambda: metrics.class_kl([1, -2], [1, 1]), "shares >= 0"),
    ],
)
def test_mistakes_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
