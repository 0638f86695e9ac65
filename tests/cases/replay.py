"""Kernels of experience replay. Priorities are whole, so that sums are exact in any precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from opcase import KernelCase, constant

from pydl.backends import numpy as oracle

STEP = ("observation", "action", "reward", "terminated", "truncated", "last", "valid")


def recorded(
    N: int, T: int, stack: int, n_step: int, steps: int, frame: tuple[int, ...], dtype: str,
    tree: bool,
) -> dict[str, Any]:  # fmt: skip
    """What a buffer holds after some steps of toy episodes, and the arguments of one step more."""
    rng = np.random.default_rng(0)
    leaves = 1
    while leaves < N * T:
        leaves *= 2
    rows: dict[str, Any] = {
        "frames": np.zeros((N, T, *frame), dtype),
        "actions": np.zeros((N, T), np.int64),
        "rewards": np.zeros((N, T), np.float32),
        "flags": np.zeros((N, T), np.uint8),
        "cursor": np.zeros(N, np.int64),
        "tree": np.zeros(2 * leaves, np.float32) if tree else None,
    }
    if tree:
        rows["tree"][0] = 1
    step: dict[str, Any] = {}
    for _ in range(steps + 1):
        if step:
            oracle.replay_add(**rows, **step, stack=stack, n_step=n_step)
        over = rng.random(N)
        step = {
            "observation": rng.integers(0, 100, (N, stack, *frame)).astype(dtype),
            "action": rng.integers(0, 9, N),
            "reward": rng.integers(-3, 4, N).astype(np.float32),
            "terminated": over < 0.15,
            "truncated": over > 0.85,
            "last": rng.integers(0, 100, (N, stack, *frame)).astype(dtype),
            "valid": rng.random(N) < 0.9,
        }
    if tree:
        alive = np.flatnonzero(rows["tree"][leaves:])
        oracle.replay_priorities(rows["tree"], alive, rng.integers(1, 9, alive.size) * 1.0, N * T)
    return {**rows, **step}


def arrays(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: constant(values[name]) for name in names}


def kernels() -> Iterable[KernelCase]:
    shapes: list[tuple[Any, ...]] = [
        # N, T, stack, n_step, steps, frame, dtype
        (1, 7, 1, 1, 0, (4,), "float32"),
        (1, 7, 1, 1, 40, (4,), "float32"),
        (3, 11, 1, 3, 5, (3,), "float32"),
        (3, 11, 1, 3, 40, (3,), "bool"),
        (2, 16, 4, 2, 50, (3, 5), "uint8"),
        (5, 13, 3, 4, 60, (2, 3), "int32"),
        (1, 5, 2, 1, 1, (), "uint8"),
    ]
    B = 8
    for N, T, stack, n_step, steps, frame, dtype in shapes:
        for tree in (False, True):
            name = f"{N}x{T}, {stack}, {n_step}, {steps}, {tree}"
            held = recorded(N, T, stack, n_step, steps, frame, dtype, tree)
            optional = {"tree"} if tree else set()
            window = {"stack": stack, "n_step": n_step}
            missing = {} if tree else {"tree": None}
            yield KernelCase(
                f"replay_add[{name}]",
                arrays(held, *(held.keys() - {"tree"} | optional)),
                {**missing, **window},
            )
            several = {k: np.stack([held[k], held[k]]) for k in STEP}
            yield KernelCase(
                f"replay_add[{name}, two steps]",
                arrays({**held, **several}, *(held.keys() - {"tree"} | optional)),
                {**missing, **window},
            )
            yield KernelCase(
                f"replay_draw[{name}]",
                {**arrays(held, "actions", "rewards", "flags", "cursor", *optional),
                 "state": constant(np.array([7, 3])),
                 **{x: constant(np.zeros(B, np.int64)) for x in ("index", "next", "action")},
                 **{x: constant(np.zeros(B, np.float32))
                    for x in ("reward", "discount", "priority")}},
                {**missing, **window, "gamma": 0.5},
            )  # fmt: skip
            if tree:
                yield KernelCase(
                    f"replay_priorities[{name}]",
                    {**arrays(held, "tree"),
                     "index": constant(np.array([0, 1, 2, 2, 3, N * T - 1, -1, N * T])),
                     "priority": constant(np.array([2, 3, 4, 1, np.nan, np.inf, 2, 2.0]))},
                    {"places": N * T},
                )  # fmt: skip
                continue
            places = np.array([0, T - 1, N * T - 1, N * T // 2, -1, N * T])
            yield KernelCase(
                f"replay_stack[{name}]",
                {**arrays(held, "frames"), "index": constant(places),
                 "out": constant(np.zeros((places.size, stack, *frame), dtype))},
                {"stack": stack},
            )  # fmt: skip
    large = np.arange(2 * 9 * 70000, dtype=np.int32).reshape(2, 9, 70000)  # several pieces
    yield KernelCase(
        "replay_stack[large]",
        {"frames": constant(large), "index": constant(np.array([0, 5, 17])),
         "out": constant(np.zeros((3, 2, 70000), np.int32))},
        {"stack": 2},
    )  # fmt: skip


KERNELS = list(kernels())
