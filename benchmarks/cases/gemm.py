"""Matrix products: squares, and the shapes that the demos have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..case import Case, Run, normal, outputs, random_of
from ..libraries import TORCH, Library

SQUARES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
SHAPES = (
    *((n, n, n) for n in SQUARES),
    (128, 120, 4),  # m, n, k: the three layers of a DQN on CartPole
    (128, 84, 120),
    (128, 2, 84),
    (64, 10, 1024),
    (1, 512, 3136),  # the Nature-DQN acting
    (9216, 64, 288),  # convolutions as products
    (200704, 64, 576),
    (128, 512, 784),  # the first layer of the MLP
)
KINDS = ("nn", "nt", "tn")  # which of the operands is stored transposed


def product(library: Library, a: Any, b: Any, kind: str) -> Callable[[], Any]:
    """op(a) op(b), the transposes as flags or views: nobody copies."""
    if library.is_pydl:
        from pydl.ops.matmul import gemm

        return partial(gemm, a, b, kind[0] == "t", kind[1] == "t")
    if library.side == "jax":
        from ..jax_side import product as jitted

        return jitted(a, b, kind)
    left, right = a.T if kind[0] == "t" else a, b.T if kind[1] == "t" else b
    if library.side == "numpy":
        return partial(np.matmul, left, right)
    return partial(library.root.mm, left, right)


def build(library: Library, name: str, m: int, n: int, k: int, kind: str) -> Run:
    """Operands of one case."""
    rng = random_of(name)
    a = library.tensor(normal(rng, *((k, m) if kind[0] == "t" else (m, k))))
    b = library.tensor(normal(rng, *((n, k) if kind[1] == "t" else (k, n))))
    call = product(library, a, b, kind)
    return Run(call, outputs(library, call))


def cases() -> Iterator[Case]:
    """All of the family."""
    sides = ("pydl", "pydl-numpy", "numpy", "torch", "jax")
    for m, n, k in SHAPES:
        for kind in KINDS:
            name = f"gemm/{m}x{n}x{k}/{kind}"
            how = partial(build, name=name, m=m, n=n, k=k, kind=kind)
            yield Case(
                name, "gemm", how, sides, flops=2.0 * m * n * k, rivals=(*TORCH, "numpy")
            )  # fmt: skip
