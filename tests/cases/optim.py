"""Optimizer kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import BIG, Draw, KernelCase, constant, normal, uniform


def kernels(sizes: list[int], how: str = "") -> Iterable[KernelCase]:

    def several(draw: Callable[..., Draw]) -> list[Draw]:
        return [draw(n) for n in sizes]

    state = several(lambda n: uniform(0.1, 1, n))
    for step in (1, 3):
        base: dict[str, Any] = {"params": several(normal), "grads": several(normal),
                                "lr": constant([0.1]), "step": constant([step])}  # fmt: skip
        for nesterov in (False, True):
            yield KernelCase(f"sgd[{how}{step}, {nesterov}]", {**base, "momentum_buffers": state},
                             {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.1,
                              "nesterov": nesterov, "maximize": False}, k=4)  # fmt: skip
        yield KernelCase(f"adagrad[{how}{step}]", {**base, "sums": state},
                         {"lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-6, "maximize": True},
                         k=4)  # fmt: skip
        yield KernelCase(f"adadelta[{how}{step}]",
                         {**base, "square_avgs": state, "acc_deltas": state},
                         {"rho": 0.9, "eps": 1e-3, "weight_decay": 0.1, "maximize": False},
                         k=4)  # fmt: skip
        yield KernelCase(
            f"rmsprop[{how}{step}]",
            {**base, "square_avgs": [uniform(1, 2, n) for n in sizes], "momentum_buffers": state,
             "grad_avgs": [uniform(-0.5, 0.5, n) for n in sizes]},
            {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5, "centered": True,
             "maximize": False},
            k=4,
        )  # fmt: skip
        for amsgrad in (False, True):
            yield KernelCase(
                f"adam[{how}{step}, {amsgrad}]",
                {**base, "exp_avgs": several(normal), "exp_avg_sqs": state,
                 "max_exp_avg_sqs": state if amsgrad else []},
                {"beta1": 0.9, "beta2": 0.99, "eps": 1e-6, "weight_decay": 0.1,
                 "decoupled": amsgrad, "maximize": False},
                k=4,
            )  # fmt: skip

        moments = {**base, "exp_avgs": several(normal), "exp_avg_sqs": state}
        betas = {"beta1": 0.9, "beta2": 0.99}
        for decoupled in (False, True):
            options = {**betas, "eps": 1e-6, "weight_decay": 0.1, "decoupled": decoupled}
            yield KernelCase(f"nadam[{how}{step}, {decoupled}]", moments,
                             {**options, "momentum_decay": 0.004, "maximize": True},
                             k=4)  # fmt: skip
            late = {**moments, "step": constant([step + 40])}  # then the step is rectified
            for when, arrays in ((step, moments), (step + 40, late)):
                yield KernelCase(f"radam[{how}{when}, {decoupled}]", arrays,
                                 {**options, "maximize": decoupled}, k=8)  # fmt: skip
        yield KernelCase(f"adamax[{how}{step}]",
                         {**base, "exp_avgs": several(normal), "exp_infs": state},
                         {**betas, "eps": 1e-6, "weight_decay": 0.1, "maximize": False},
                         k=4)  # fmt: skip
        yield KernelCase(f"rprop[{how}{step}]",
                         {**base, "prevs": several(normal), "step_sizes": state},
                         {"eta_minus": 0.5, "eta_plus": 1.2, "smallest": 0.2, "largest": 0.9,
                          "maximize": False}, k=4)  # fmt: skip
        yield KernelCase(f"lion[{how}{step}]", {**base, "exp_avgs": several(normal)},
                         {**betas, "weight_decay": 0.1, "maximize": False}, k=4)  # fmt: skip
        for kept in (0, 1):
            yield KernelCase(f"adagrad[{how}{step}, kept {kept}]",
                             {**base, "sums": state, "kept": constant([kept])},
                             {"lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-6,
                              "maximize": False}, k=4)  # fmt: skip
    for odd in (0.0, float("inf"), float("nan")):
        grads = [lambda r, n=n, x=odd: np.where(np.arange(n) == n // 2, x, r.normal(0, 1, n))
                 for n in sizes]  # fmt: skip
        yield KernelCase(f"unscale[{how}{odd}]",
                         {"grads": grads, "scale": constant([8.0]), "found": constant([0.0]),
                          "kept": constant([1])})  # fmt: skip


def scales() -> Iterable[KernelCase]:
    for scale, good, found in ((8.0, 1, 1.0), (8.0, 1, 0.0), (8.0, 2, 0.0), (2.0**127, 2, 0.0)):
        yield KernelCase(f"update_scale[{scale}, {good}, {found}]",
                         {"scale": constant([scale]), "good": constant([good]),
                          "found": constant([found])},
                         {"growth": 2.0, "backoff": 0.5, "interval": 3})  # fmt: skip


KERNELS: tuple[KernelCase, ...] = (
    *kernels([0, 1, 7, 33, BIG, *[5] * 14]),  # more than one launch takes
    *kernels([60, 0, 33], "small, "),
    *scales(),
)
