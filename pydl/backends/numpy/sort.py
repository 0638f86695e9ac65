"""The argsort along the middle of (outer, n, inner)."""

from __future__ import annotations

from .precision import A


def argsort(
    x: A, index: A, outer: int, n: int, inner: int, k: int, descending: bool = False
) -> None:
    """index (outer, k, inner) = the first k places of the stable sort; NaN is the largest."""
    x = x.reshape(outer, n, inner)
    if not descending:
        places = x.argsort(axis=1, kind="stable")
    else:  # backwards in and out, so that equal elements keep their order
        places = (n - 1 - x[:, ::-1].argsort(axis=1, kind="stable"))[:, ::-1]
    index[...] = places[:, :k].reshape(index.shape)
