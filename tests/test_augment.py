"""Augmentations: right in what they do to pixels, and seeded per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydl.data import (
    Compose,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomScale,
    SampleRng,
)
from pydl.data.augment import philox4x32


def rng_for(n: int, seed: int = 0, epoch: int = 0) -> SampleRng:
    return SampleRng(seed, epoch, np.arange(n))


def images(n: int = 6, dtype: Any = np.uint8, shape: tuple[int, ...] = (3, 9, 8)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(dtype)


class TestRandomNumbers:
    @pytest.mark.parametrize(
        ("counter", "key", "want"),
        [  # kat_vectors of Random123, the library of the paper
            ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
            ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
            (
                "243f6a88 85a308d3 13198a2e 03707344",
                "a4093822 299f31d0",
                "d16cfe09 94fdcceb 5001e420 24126ea1",
            ),
        ],
    )
    def test_known_answers(self, counter: str, key: str, want: str) -> None:
        words = np.array([[int(w, 16) for w in counter.split()]], np.uint64)
        k0, k1 = (int(w, 16) for w in key.split())
        got = philox4x32(words, (k0, k1))[0]
        assert [f"{w:08x}" for w in got.tolist()] == want.split()

    def test_a_function_of_seed_epoch_sample_and_stream(self) -> None:
        u = SampleRng(7, 3, np.array([5, 2**40, 5])).uniform(4)
        assert u.shape == (3, 4)
        assert (u >= 0).all()
        assert (u < 1).all()
        np.testing.assert_array_equal(u[0], u[2])
        np.testing.assert_array_equal(SampleRng(7, 3, np.array([2**40])).uniform(2)[0], u[1, :2])
        others = [SampleRng(8, 3, [5]), SampleRng(7 + 2**32, 3, [5]), SampleRng(7, 4, [5])]
        others += [SampleRng(7, 3, [5 + 2**32]), SampleRng(7, 3, [5]).substream(0)]
        for other in others:
            assert not (other.uniform(4)[0] == u[0]).any()
        with pytest.raises(ValueError, match="count must be 1 to 4"):
            rng_for(1).uniform(5)

    def test_uniform(self) -> None:
        u = rng_for(20_000).uniform(4)
        np.testing.assert_allclose(u.mean(0), 0.5, atol=0.01)
        np.testing.assert_allclose(u.var(0), 1 / 12, atol=0.002)
        assert abs(np.corrcoef(u.T) - np.eye(4)).max() < 0.03

    def test_streams_of_nested_transforms_differ(self) -> None:
        rng = rng_for(1)
        streams = [rng.substream(i).substream(j).stream for i in range(20) for j in range(20)]
        streams += [rng.substream(i).stream for i in range(20)]
        assert len(set(streams)) == len(streams)


TRANSFORMS = [
    RandomCrop(6, padding=2),
    RandomHorizontalFlip(),
    RandomRotation(30.0),
    RandomScale((0.7, 1.4)),
    RandomAffine((10.0, 20.0), (0.9, 1.1), (0.1, 0.2), fill=7),
    Compose(RandomHorizontalFlip(), RandomCrop(8, 1), RandomRotation(10.0)),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
class TestAllTransforms:
    @pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
    def test_keeps_dtype_and_leaves_its_input_alone(self, transform: Any, dtype: str) -> None:
        x = images(dtype=dtype)
        before = x.copy()
        y = transform(x, rng_for(6))
        assert y.dtype == x.dtype
        assert y.shape[:2] == x.shape[:2]
        assert not np.shares_memory(x, y)
        np.testing.assert_array_equal(x, before)

    def test_a_sample_is_changed_alike_in_any_batch(self, transform: Any) -> None:
        x = images()
        together = transform(x, rng_for(6))
        for order in ([3], [5, 0], [4, 2, 1]):
            part = transform(x[order], SampleRng(0, 0, np.array(order)))
            np.testing.assert_array_equal(part, together[order])

    def test_seed_and_epoch_matter(self, transform: Any) -> None:
        x = images(n=40)
        y = transform(x, rng_for(40))
        np.testing.assert_array_equal(transform(x, rng_for(40)), y)
        assert (transform(x, rng_for(40, seed=1)) != y).any()
        assert (transform(x, rng_for(40, epoch=1)) != y).any()

    def test_no_samples_and_wrong_input(self, transform: Any) -> None:
        assert len(transform(images(0), rng_for(0))) == 0
        for wrong in (np.zeros((2, 9, 8), np.uint8), np.zeros((2, 1, 9, 8), np.int64)):
            with pytest.raises(ValueError, match="expected uint8 or float images"):
                transform(wrong, rng_for(2))


class TestCrop:
    def test_every_crop_is_a_window(self) -> None:
        x = images(300, shape=(2, 5, 5))
        y = RandomCrop((4, 3), padding=1, fill=9)(x, rng_for(300))
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=9)
        places = set()
        for image, crop in zip(padded, y, strict=True):
            found = [
                (i, j)
                for i in range(4)
                for j in range(5)
                if (image[:, i : i + 4, j : j + 3] == crop).all()
            ]
            assert len(found) == 1
            places.add(found[0])
        assert len(places) == 20  # each place occurs among 300

    def test_too_large(self) -> None:
        with pytest.raises(ValueError, match=r"\(10, 10\) does not fit into \(9, 8\)"):
            RandomCrop(10)(images(), rng_for(6))
        with pytest.raises(ValueError, match="must be positive"):
            RandomCrop(0)


def test_flip() -> None:
    x = images(2000, shape=(1, 2, 3))
    y = RandomHorizontalFlip(0.3)(x, rng_for(2000))
    flipped = (y == x[..., ::-1]).all((1, 2, 3)) & (y != x).any((1, 2, 3))
    assert ((y == x).all((1, 2, 3)) | flipped).all()
    assert 0.26 < flipped.mean() < 0.34
    np.testing.assert_array_equal(RandomHorizontalFlip(1)(x, rng_for(2000)), x[..., ::-1])
    np.testing.assert_array_equal(RandomHorizontalFlip(0)(x, rng_for(2000)), x)
    with pytest.raises(ValueError, match="p must be in"):
        RandomHorizontalFlip(1.5)


class TestAffine:
    @pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
    def test_nothing_to_do(self, dtype: str) -> None:
        x = images(dtype=dtype)
        np.testing.assert_array_equal(RandomAffine()(x, rng_for(6)), x)

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_quarter_turns_are_exact(self, turns: int) -> None:
        x = images(dtype=np.float64, shape=(2, 8, 8))
        y = RandomRotation((90.0 * turns, 90.0 * turns))(x, rng_for(6))
        np.testing.assert_allclose(y, np.rot90(x, turns, axes=(2, 3)), atol=1e-3)

    def test_scale(self) -> None:
        r = np.hypot(*np.mgrid[-20:21, -20:21])
        x = np.exp(-((r / 5) ** 2)).astype(np.float32)[None, None]
        for factor in (0.5, 1.5):
            y = RandomScale((factor, factor))(x, rng_for(1))
            np.testing.assert_allclose(y.sum() / x.sum(), factor**2, rtol=0.02)
            np.testing.assert_allclose(y, y[..., ::-1], atol=1e-5)

    def test_shift(self) -> None:
        # A ramp shows by how much it was shifted.
        x = np.broadcast_to(np.arange(20.0), (500, 1, 20, 20)).copy()
        y = RandomAffine(translate=(0.0, 0.25))(x, rng_for(500))
        shift = (x - y)[:, 0, 10, 10]
        assert -5 <= shift.min() < -4.8
        assert 4.8 < shift.max() <= 5
        np.testing.assert_allclose(shift.mean(), 0, atol=0.4)

    def test_outside_is_filled(self) -> None:
        x = np.full((1, 1, 9, 9), 200, np.uint8)
        y = RandomScale((0.25, 0.25), fill=31)(x, rng_for(1))
        assert y[0, 0, 0, 0] == 31
        assert y[0, 0, 4, 4] == 200

    def test_agrees_with_the_definition(self) -> None:
        x = images(2, np.float64, (1, 6, 7))
        y = RandomRotation((17.0, 17.0))(x, rng_for(2))
        c, s = np.cos(np.radians(17)), np.sin(np.radians(17))
        for i in range(6):
            for j in range(7):
                dy, dx = i - 2.5, j - 3.0
                py, px = c * dy + s * dx + 2.5, c * dx - s * dy + 3.0
                total = np.zeros(2)
                for a in range(6):
                    for b in range(7):
                        weight = max(0, 1 - abs(py - a)) * max(0, 1 - abs(px - b))
                        total += weight * x[:, 0, a, b]
                np.testing.assert_allclose(y[:, 0, i, j], total, atol=1e-3)

    def test_wrong_scale(self) -> None:
        with pytest.raises(ValueError, match="scale must be"):
            RandomScale((0.0, 1.0))


def test_normalize() -> None:
    x = images(4)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    want = (x / 255.0 - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    y = Normalize(mean, std)(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, want, atol=2e-6)
    np.testing.assert_allclose(Normalize(mean, std)(x / 255.0), want, atol=1e-12)
    np.testing.assert_allclose(Normalize(0.5, 2.0)(x)[0, 0], (x[0, 0] / 255 - 0.5) / 2, atol=1e-6)
    with pytest.raises(ValueError, match="std must be positive"):
        Normalize(0.0, 0.0)
