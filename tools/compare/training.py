"""Optimizers over 20 steps of two small problems, learning-rate schedules over 30."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .engine import MISSING, Difference, add, as_numpy, brief, pydl, torch
from .values import Draw

STEPS = 20
TOLERANCE = 1e-5
BOTH = (torch, pydl)


# ---- two problems: the same formulas in both libraries


def data(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Fixed inputs, targets and first parameters."""
    g = np.random.default_rng(seed)
    shapes = {
        "x": (24, 5),
        "w": (5, 1),
        "b": (1,),
        "w1": (5, 7),
        "b1": (7,),
        "w2": (7, 1),
        "b2": (1,),
    }
    out: dict[str, Any] = {key: 0.5 * g.standard_normal(shape) for key, shape in shapes.items()}
    out["x"] *= 2
    out["t"] = (out["x"][:, :1] - out["x"][:, 1:2] + 0.3 * g.standard_normal((24, 1)) > 0) * 1.0
    out["y"] = np.sin(out["x"][:, :1]) + 0.1 * g.standard_normal((24, 1))
    return {key: value.astype(np.float32) for key, value in out.items()}


def logistic(lib: Any, p: dict[str, Any], fixed: dict[str, Any]) -> Any:
    """Logistic regression with a small penalty."""
    z = lib.matmul(fixed["x"], p["w"]) + p["b"]
    loss = lib.nn.functional.softplus(z) - fixed["t"] * z
    return loss.mean() + 0.05 * (p["w"] * p["w"]).sum()


def network(lib: Any, p: dict[str, Any], fixed: dict[str, Any]) -> Any:
    """A perceptron of two layers on least squares."""
    hidden = lib.tanh(lib.matmul(fixed["x"], p["w1"]) + p["b1"])
    error = lib.matmul(hidden, p["w2"]) + p["b2"] - fixed["y"]
    return (error * error).mean()


PROBLEMS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "logistic": (logistic, ("w", "b")),
    "network": (network, ("w1", "b1", "w2", "b2")),
}


def trajectory(
    lib: Any,
    name: str,
    options: dict[str, Any],
    problem: str,
    groups: bool,
    variant: int = 0,
) -> Any:
    """The parameters after each step, or the exception.

    Variant -1 is torch in float64; from 1 on the data are off by a rounding each, at random.
    """
    loss_of, names = PROBLEMS[problem]
    everything = {key: lib.tensor(value) for key, value in data(7).items()}
    if variant < 0:
        everything = {key: t.double() for key, t in everything.items()}
    elif variant > 0:
        torch.manual_seed(variant)
        for key, t in everything.items():
            everything[key] = t * (1 + 2.0**-23 * torch.randn(t.shape).sign())
    sign = -1.0 if options.get("maximize") else 1.0
    p = {key: everything[key].requires_grad_() for key in names}
    parameters: Any = list(p.values())
    if groups:
        parameters = [{"params": parameters[:1], "lr": 0.02}, {"params": parameters[1:]}]
    try:
        optimizer = getattr(lib.optim, name)(parameters, **options)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = sign * loss_of(lib, p, everything)
            loss.backward()
            return loss

        path = []
        for _ in range(STEPS):
            if name == "LBFGS":
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
            path.append(np.concatenate([as_numpy(t).reshape(-1).copy() for t in p.values()]))
        return np.stack(path)
    except Exception as error:
        return error


DECAY = [0.0, 0.1]
BETAS = [(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)]
OPTIMIZERS: dict[str, dict[str, list[Any]]] = {
    "SGD": {
        "momentum": [0.0, 0.9], "dampening": [0.0, 0.5], "weight_decay": DECAY,
        "nesterov": [False, True],
    },
    "Adam": {"betas": BETAS, "eps": [1e-8, 1e-3], "weight_decay": DECAY, "amsgrad": [False, True],
             "decoupled_weight_decay": [False, True]},
    "AdamW": {"betas": BETAS, "eps": [1e-8, 1e-3], "weight_decay": DECAY, "amsgrad": [False, True]},
    "NAdam": {"betas": BETAS, "eps": [1e-8, 1e-3], "weight_decay": DECAY,
              "momentum_decay": [0.004, 0.1], "decoupled_weight_decay": [False, True]},
    "RAdam": {"betas": BETAS, "eps": [1e-8, 1e-3], "weight_decay": DECAY,
              "decoupled_weight_decay": [False, True]},
    "Adamax": {"betas": BETAS, "eps": [1e-8, 1e-3], "weight_decay": DECAY},
    "Adadelta": {"rho": [0.9, 0.5], "eps": [1e-6, 1e-3], "weight_decay": DECAY},
    "Adagrad": {"lr_decay": [0.0, 0.1], "weight_decay": DECAY, "eps": [1e-10, 1e-3],
                "initial_accumulator_value": [0.0, 0.1]},
    "RMSprop": {"alpha": [0.99, 0.5], "eps": [1e-8, 1e-3], "weight_decay": DECAY,
                "momentum": [0.0, 0.9], "centered": [False, True]},
    "Rprop": {"etas": [(0.5, 1.2), (0.3, 1.1)], "step_sizes": [(1e-6, 50), (1e-3, 0.1)]},
    "ASGD": {"lambd": [1e-4, 0.1], "alpha": [0.75, 0.5], "t0": [1e6, 5.0], "weight_decay": DECAY},
    "LBFGS": {"max_iter": [1, 3, 5], "history_size": [100, 2], "max_eval": [None, 4],
              "line_search_fn": [None, "strong_wolfe"], "tolerance_grad": [1e-7, 1e-2],
              "tolerance_change": [1e-9, 1e-4]},
}  # fmt: skip
ILLEGAL: dict[str, list[Any]] = {
    "lr": [-0.1], "momentum": [-0.1], "weight_decay": [-0.1], "betas": [(1.0, 0.9), (0.9, -0.1)],
    "eps": [-1e-8], "rho": [1.5], "lr_decay": [-0.1], "etas": [(1.2, 0.5)], "alpha": [-0.1],
    "line_search_fn": ["armijo"], "initial_accumulator_value": [-0.1], "momentum_decay": [-0.1],
}  # fmt: skip


def optimizer_options(d: Draw, name: str) -> dict[str, Any]:
    """Legal options, seldom one that is not."""
    known = OPTIMIZERS[name]
    options = d.options(0.45, **known) | d.options(0.7, lr=[0.001, 0.01, 0.05])
    if name != "LBFGS":
        options |= d.options(0.2, maximize=[True])
    elif options.get("lr", 1) < 0.01:
        options.pop("lr")
    if d.chance(0.1):
        key = d.pick(*(k for k in ILLEGAL if k == "lr" or k in known))
        options[key] = d.pick(*ILLEGAL[key])
    return options


def judged(
    name: str, said: str, theirs: Any, ours: Any, exact: Callable[[int], Any] | None = None
) -> tuple[str, list[Difference]]:
    """Compares two paths or exceptions; `exact` is asked where rounding is in doubt."""
    failed = [isinstance(result, Exception) for result in (theirs, ours)]
    if all(failed):
        return "both raise", []
    if any(failed):
        kind = "torch-raises" if failed[0] else "pydl-raises"
        texts = [brief(r) if f else "no error" for r, f in zip((theirs, ours), failed, strict=True)]
        return "different", [Difference(name, kind, None, texts[0], texts[1], shown=said)]
    with np.errstate(all="ignore"):
        apart = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
    apart[np.isnan(ours) & np.isnan(theirs)] = 0
    apart[ours == theirs] = 0
    bad = ~(apart <= TOLERANCE)
    if not bad.any():
        return "equal", []
    if exact is not None and ours.shape == theirs.shape:
        true = exact(-1)  # and so far goes torch when its data are rounded differently
        bound = max(float(np.abs(p - true).max()) for p in (theirs, *map(exact, range(1, 13))))
        if np.abs(ours - true).max() <= 2 * bound:
            return "equal", []
    step = int(np.argmax(bad.any(axis=1)))
    texts = [f"step {step}: {np.array2string(r[step][:5], precision=7)}" for r in (theirs, ours)]
    texts[1] += f" (largest {np.nanmax(apart):.1e})"
    return "different", [Difference(name, "trajectory", None, texts[0], texts[1], shown=said)]


def check_optimizer(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
    """Both problems, groups or not."""
    bare = name.removeprefix("optim.")
    if not hasattr(pydl.optim, bare):
        return MISSING, []
    options, problem = optimizer_options(d, bare), d.pick(*PROBLEMS)
    groups = bare != "LBFGS" and d.chance(0.3)
    said = f"({options}) on {problem}{', two groups' if groups else ''}"
    paths = [trajectory(lib, bare, options, problem, groups) for lib in BOTH]
    again = (torch, bare, options, problem, groups)
    return judged(name, said, paths[0], paths[1], lambda variant: trajectory(*again, variant))


add(check_optimizer, *("optim." + n for n in OPTIMIZERS))


# ---- schedules


def metric(step: int) -> float:
    """A loss that falls, stalls, rises and falls again."""
    return 1.0 / (step + 1) if step < 8 else 0.2 + 0.1 * math.sin(step)


def falling(n: int) -> float:
    """A factor of LambdaLR and MultiplicativeLR."""
    return 1.0 - 0.01 * n


def harmonic(n: int) -> float:
    """Another."""
    return 1.0 - 1.0 / (n + 2)


SCHEDULES: dict[str, dict[str, list[Any]]] = {
    "LambdaLR": {"lr_lambda": [falling, [falling, harmonic], [falling]]},
    "MultiplicativeLR": {"lr_lambda": [harmonic, falling, [falling, harmonic]]},
    "StepLR": {"step_size": [1, 3, 7], "gamma": [0.1, 0.5]},
    "MultiStepLR": {"milestones": [[2, 5, 9], [3], [5, 5, 8], [9, 4]], "gamma": [0.1, 0.5]},
    "ConstantLR": {"factor": [1 / 3, 0.5, 1.5], "total_iters": [5, 0, 9]},
    "LinearLR": {
        "start_factor": [1 / 3, 0.1, 0.0], "end_factor": [1.0, 0.5, 1.5], "total_iters": [5, 11],
    },
    "ExponentialLR": {"gamma": [0.9, 0.5, 1.1]},
    "PolynomialLR": {"total_iters": [5, 20], "power": [1.0, 2.0, 0.5]},
    "CosineAnnealingLR": {"T_max": [5, 13, 30], "eta_min": [0.0, 0.001]},
    "CosineAnnealingWarmRestarts": {
        "T_0": [3, 7, 7, 0], "T_mult": [1, 2, 2, 0], "eta_min": [0.0, 0.01],
    },
    "CyclicLR": {
        "base_lr": [0.001, 0.01], "max_lr": [0.1, 0.05], "step_size_up": [3, 5],
        "step_size_down": [None, 4], "mode": ["triangular", "triangular2", "exp_range", "square"],
        "gamma": [1.0, 0.9], "cycle_momentum": [True, False], "base_momentum": [0.8, 0.7],
        "max_momentum": [0.9, 0.95],
    },
    "OneCycleLR": {
        "max_lr": [0.1, 0.5, [0.1, 0.2]], "total_steps": [31, 31, 40, 40, 20],
        "pct_start": [0.3, 0.3, 0.5, 0.5, 1.5],
        "anneal_strategy": ["cos", "linear"], "cycle_momentum": [True, False],
        "div_factor": [25.0, 10.0], "final_div_factor": [1e4, 100.0], "three_phase": [False, True],
    },
    "ReduceLROnPlateau": {
        "mode": ["min", "max"], "factor": [0.1, 0.5, 1.0], "patience": [0, 2, 10],
        "threshold": [1e-4, 0.1], "threshold_mode": ["rel", "abs"], "cooldown": [0, 3],
        "min_lr": [0, 0.001, [0.001, 0.01]], "eps": [1e-8, 1e-3],
    },
    "SequentialLR": {"milestones": [[4], [9]]},
    "ChainedScheduler": {},
}  # fmt: skip
REQUIRED = {
    "lr_lambda",
    "step_size",
    "milestones",
    "T_max",
    "T_0",
    "base_lr",
    "max_lr",
    "total_steps",
}


def schedule_path(lib: Any, name: str, options: dict[str, Any], adam: bool, chain: bool) -> Any:
    """lr of both groups, and momentum or beta1, over 30 steps, or the exception."""
    w = [lib.tensor([1.0, 2.0]).requires_grad_() for _ in range(2)]
    groups = [{"params": [w[0]]}, {"params": [w[1]], "lr": 0.3}]
    try:
        optimizer = (
            lib.optim.Adam(groups, lr=0.1) if adam else lib.optim.SGD(groups, lr=0.1, momentum=0.9)
        )
        make = lib.optim.lr_scheduler
        if name in ("SequentialLR", "ChainedScheduler"):
            parts = [make.ConstantLR(optimizer, 0.5, 3), make.ExponentialLR(optimizer, 0.9)]
            both = {"optimizer": optimizer, "schedulers": parts}
            args = (parts,) if name == "ChainedScheduler" else ()
            schedule = getattr(make, name)(*args, **({} if args else both), **options)
        else:
            schedule = getattr(make, name)(optimizer, **options)
        others = [schedule] + ([make.ExponentialLR(optimizer, 0.97)] if chain else [])
        path = []
        for step in range(30):
            path.append(
                [g["lr"] for g in optimizer.param_groups]
                + [g["betas"][0] if adam else g["momentum"] for g in optimizer.param_groups]
                + [float(v) for v in schedule.get_last_lr()]
            )
            for t in w:
                t.grad = lib.zeros_like(t.detach())
            optimizer.step()
            for s in others:
                s.step(*([metric(step)] if name == "ReduceLROnPlateau" and s is schedule else []))
        return np.asarray(path)
    except Exception as error:
        return error


def check_schedule(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
    """Options at random; chained with another one or not."""
    bare = name.removeprefix("lr_scheduler.")
    if not hasattr(pydl.optim.lr_scheduler, bare):
        return MISSING, []
    known = SCHEDULES[bare]
    options = {key: d.pick(*values) for key, values in known.items() if key in REQUIRED}
    if bare == "ExponentialLR":
        options["gamma"] = d.pick(*known["gamma"])
    options |= d.options(0.5, **known)
    adam, chain = d.chance(0.5), d.chance(0.25)
    paths = [schedule_path(lib, bare, options, adam, chain) for lib in BOTH]
    words = ", ".join(f"{k}={getattr(v, '__name__', v)}" for k, v in options.items())
    said = f"({words}) {'Adam' if adam else 'SGD'}{', chained' if chain else ''}"
    return judged(name, said, paths[0], paths[1])


add(check_schedule, *("lr_scheduler." + n for n in SCHEDULES))
