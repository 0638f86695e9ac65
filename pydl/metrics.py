"""Scores for generated samples: how near two sets of feature vectors are, and in what they differ.

All in NumPy and float64: features come from a classifier, scores are computed a few times in a run.
No score says enough by itself. A blurred image is "precise", a hundred images shown again and again
are well classified: read the Fréchet distance, the coverage and the class divergence together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .tensor import Tensor

__all__ = [
    "Manifold",
    "class_kl",
    "classifier_score",
    "frechet_distance",
    "nearest",
    "prdc",
]

Array = NDArray[np.float64]
BLOCK = 1000  # rows of a matrix of distances that are held at a time


class Manifold(NamedTuple):
    """What `prdc` finds. Real and generated samples of one distribution: about 1, 1, 1, 0.97."""

    precision: float  # share of the generated samples that lie where real ones do
    recall: float  # share of the real samples that lie where generated ones do
    density: float  # in how many real neighbourhoods a generated sample lies, over k
    coverage: float  # share of the real samples that have a generated one in their neighbourhood


def frechet_distance(x: ArrayLike | Tensor, y: ArrayLike | Tensor) -> float:
    """The Fréchet distance between two sets of features, each taken as one Gaussian.

    |mean_x - mean_y|² + tr(C_x + C_y - 2 (C_x C_y)^½), with covariances C. It depends on the
    numbers of samples (fewer give more), so compare values of equal numbers only; and on the
    features: values of two classifiers cannot be compared.

    Args:
        x: Features (N, D), N >= 2.
        y: Features (M, D), M >= 2.

    Returns:
        The distance, squared as is usual, >= 0.

    Raises:
        ValueError: the shapes do not fit, or a feature is not finite.

    Source: Dowson and Landau, The Fréchet distance between multivariate normal distributions
    (1982); as a score: Heusel et al., GANs trained by a two time-scale update rule (2017), eq. 6.
    """
    a, b = _pair("frechet_distance", x, y, 2)
    difference = a.mean(0) - b.mean(0)
    cov_a, cov_b = (np.atleast_2d(np.cov(f, rowvar=False)) for f in (a, b))
    # (C_a C_b)^½ has the trace of the square root of the symmetric C_a^½ C_b C_a^½.
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = root @ cov_b @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)
    trace = np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(eigenvalues).sum()
    return max(0.0, float(difference @ difference + trace))


def classifier_score(logits: ArrayLike | Tensor) -> float:
    """How surely a classifier knows each sample, and how evenly the classes come: 1 to classes.

    exp of the mean KL(p(class | x) || p(class)). With the Inception network it is the Inception
    Score. It does not see a lack of variety within the classes, nor blur: never trust it alone.

    Args:
        logits: (N, classes), of the samples.

    Raises:
        ValueError: it is not a matrix, or not finite.

    Source: Salimans et al., Improved techniques for training GANs (2016), section 4.
    """
    z = _matrix("classifier_score", "logits", logits, 1)
    log_p = z - z.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    p = np.exp(log_p)
    log_mean = np.log(p.mean(0).clip(min=np.finfo(np.float64).tiny))
    return float(np.exp((p * (log_p - log_mean)).sum(1).mean()))


def class_kl(shares: ArrayLike, reference: ArrayLike) -> float:
    """KL(shares || reference): how far a distribution over classes is from the one it should be.

    Args:
        shares: How often each class comes (classes,): numbers or shares, the sum does not matter.
        reference: How often it should come, in each class > 0.

    Returns:
        The divergence in nats: 0 for equal shares, log(10 / 9) where one of ten classes is missing.

    Raises:
        ValueError: the shapes differ, or a number is negative, or a class has no reference.

    Source: Kullback and Leibler, On information and sufficiency (1951).
    """
    p, q = (np.asarray(v, np.float64) for v in (shares, reference))
    if p.shape != q.shape or p.ndim != 1:
        raise ValueError(f"class_kl: shares {p.shape} and reference {q.shape} must be (classes,)")
    if not (p >= 0).all() or not p.sum() > 0 or not (q > 0).all():
        raise ValueError(f"class_kl: expected shares >= 0 and reference > 0, got {p} and {q}")
    p, q = p / p.sum(), q / q.sum()
    seen = p > 0
    return max(0.0, float((p[seen] * np.log(p[seen] / q[seen])).sum()))


def prdc(real: ArrayLike | Tensor, fake: ArrayLike | Tensor, k: int = 5) -> Manifold:
    """Precision, recall, density and coverage: do two sets lie in the same places?

    The neighbourhood of a sample is the ball up to its k-th nearest neighbour in its own set.
    Coverage sees collapse and memorised samples, precision sees neither blur nor averages (both
    raise it), density above 1.2 means that samples are too smooth.

    Args:
        real: Features (N, D), N > k.
        fake: Features (M, D) of generated samples, M > k.
        k: Neighbours.

    Raises:
        ValueError: the shapes do not fit, k is out of range, or a feature is not finite.

    Source: Kynkäänniemi et al., Improved precision and recall metric for assessing generative
    models (2019); Naeem et al., Reliable fidelity and diversity metrics for generative models
    (2020).
    """
    if k < 1:
        raise ValueError(f"prdc: k must be at least 1, got {k}")
    a, b = _pair("prdc", real, fake, k + 1)
    real_radius, fake_radius = (_radius(f, k) for f in (a, b))
    inside_real, recalled, covered = np.zeros(len(b), np.int64), [], []
    for rows, distance in _distances(a, b):
        within = distance < real_radius[rows, None]
        inside_real += within.sum(0)
        covered.append(within.any(1))
        recalled.append((distance < fake_radius).any(1))
    return Manifold(
        precision=float((inside_real > 0).mean()),
        recall=float(np.concatenate(recalled).mean()),
        density=float(inside_real.mean() / k),
        coverage=float(np.concatenate(covered).mean()),
    )


def nearest(
    x: ArrayLike | Tensor, reference: ArrayLike | Tensor, k: int = 1
) -> tuple[NDArray[np.int64], Array]:
    """The k nearest rows of `reference` for each row of `x`, nearest first.

    Of generated samples among the training samples it shows whether they were learned by heart.

    Args:
        x: (N, D).
        reference: (M, D), M >= k, of any dtype: only a few rows at a time become float64.
        k: Neighbours.

    Returns:
        Indices into reference and Euclidean distances, (N, k) each.

    Raises:
        ValueError: the shapes do not fit, k is out of range, or a number is not finite.
    """
    a, b = _matrix("nearest", "first set", x, 1), _plain(reference)
    if k < 1 or b.ndim != 2 or len(b) < k or b.shape[1] != a.shape[1]:
        raise ValueError(f"nearest: no k={k} neighbours of rows {a.shape} among rows {b.shape}")
    at: NDArray[Any] = np.empty((len(a), 0), np.int64)
    squares: NDArray[Any] = np.empty((len(a), 0))
    for i in range(0, len(b), BLOCK):
        part = _matrix("nearest", "reference", b[i : i + BLOCK], 1)
        found = np.concatenate([block for _, block in _distances(a, part)])
        at = np.hstack([at, np.broadcast_to(np.arange(i, i + len(part)), found.shape)])
        squares = np.hstack([squares, found])
        first = np.argsort(squares, axis=1, kind="stable")[:, :k]
        at, squares = (np.take_along_axis(v, first, 1) for v in (at, squares))
    return at, np.sqrt(squares)


def _distances(a: Array, b: Array) -> Iterator[tuple[slice, Array]]:
    """Squared distances of all rows of a to all of b, (up to BLOCK, M) at a time."""
    squares = (b * b).sum(1)
    for i in range(0, len(a), BLOCK):
        rows = slice(i, min(i + BLOCK, len(a)))
        part = a[rows]
        distance = (part * part).sum(1)[:, None] + squares - 2 * (part @ b.T)
        yield rows, distance.clip(min=0)


def _radius(a: Array, k: int) -> Array:
    """The squared distance of each row to its k-th nearest other row."""
    radius = np.empty(len(a))
    for rows, distance in _distances(a, a):
        distance[np.arange(len(distance)), np.arange(rows.start, rows.stop)] = -1  # itself
        radius[rows] = np.partition(distance, k, axis=1)[:, k]
    return radius


def _pair(name: str, x: Any, y: Any, least: int) -> tuple[Array, Array]:
    a, b = _matrix(name, "first set", x, least), _matrix(name, "second set", y, least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{name}: features {a.shape} and {b.shape} differ in length")
    return a, b


def _matrix(name: str, what: str, x: Any, least: int) -> Array:
    values = _plain(x).astype(np.float64)
    if values.ndim != 2 or len(values) < least:
        raise ValueError(f"{name}: the {what} has shape {values.shape}, expected (N >= {least}, D)")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: the {what} is not finite")
    return values


def _plain(x: Any) -> NDArray[Any]:
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)
