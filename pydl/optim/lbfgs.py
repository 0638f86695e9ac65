"""L-BFGS: Newton's method from the gradients of the last steps. It decides on the host, step by
step, so it cannot be captured; for small problems and whole batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import HALVES
from ..op import enable_grad, no_grad
from ..ops.create import from_numpy, zeros_like
from ..ops.join import cat, stack
from ..tensor import Tensor
from .optimizer import Group, Optimizer

__all__ = ["LBFGS"]


class Point(NamedTuple):
    """Where a line search looked: step t, loss f there, gradient, and its slope along the line."""

    t: float
    f: float
    gradient: Tensor
    slope: float


class LBFGS(Optimizer):
    """Limited-memory BFGS, with a line search that satisfies the strong Wolfe conditions.

    `step` needs a closure that clears the gradients, computes the loss, calls backward and returns
    the loss. One parameter group.

    Args:
        params: Parameters.
        lr: Length of a step along the direction (the first one where there is a line search).
        max_iter: Directions in one `step()`.
        max_eval: Evaluations of the closure in one `step()`; 1.25 max_iter by default.
        tolerance_grad: Stop where no element of the gradient is larger.
        tolerance_change: Stop where neither parameters nor loss change by more.
        history_size: How many steps are remembered.
        line_search_fn: None or "strong_wolfe".

    Raises:
        ValueError: an option out of range, or more than one group.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4, 7.5, 3.5 and 3.6;
    the stopping rules are PyTorch's.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: expected one parameter group, got {len(self.param_groups)}")
        self._params: list[Tensor] = self.param_groups[0]["params"]
        for p in self._params:
            if p.dtype in HALVES:
                raise TypeError(
                    f"LBFGS: a parameter is {p.dtype.name}, of a half type, in which the changes "
                    "of a line search vanish; keep the parameters in float32"
                )
        self._steps = 0  # directions taken since the beginning
        self._changes: list[tuple[Tensor, Tensor]] = []  # (of the gradient, of the parameters)
        self._direction: Tensor | None = None
        self._gradient: Tensor | None = None  # where the last direction began
        self._t = 0.0
        self._scale = 1.0  # of the inverse Hessian at first

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, max_iter=1, max_eval=1, history_size=1)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            found = group["line_search_fn"]
            raise ValueError(f"LBFGS: line_search_fn is None or 'strong_wolfe', got {found!r}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes up to `max_iter` steps.

        Args:
            closure: Computes the loss and its gradients; called again and again.

        Returns:
            The loss before the first step.

        Raises:
            TypeError: there is no closure.
        """
        if closure is None:
            raise TypeError("LBFGS: step() needs a closure that returns the loss")
        with no_grad():
            return self._minimize(closure)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        o = self.param_groups[0]
        first = self._evaluate(closure)
        loss, gradient, evaluations = float(first), self._flat_gradient(), 1
        for i in range(o["max_iter"]):
            if _largest(gradient) <= o["tolerance_grad"]:
                break
            d = self._next_direction(gradient)
            slope = float((gradient * d).sum())
            last_loss, self._gradient = loss, gradient
            whole = min(1.0, 1.0 / float(gradient.abs().sum())) if self._steps == 1 else 1.0
            self._t = whole * o["lr"]
            if slope > -o["tolerance_change"]:
                break
            if o["line_search_fn"] is not None:
                start = [p.detach().clone() for p in self._params]

                def look(t: float, d: Tensor = d, start: Any = start) -> Point:
                    self._move(t, d, start)
                    f = float(self._evaluate(closure))
                    g = self._flat_gradient()
                    return Point(t, f, g, float((g * d).sum()))

                found, calls = strong_wolfe(
                    look, Point(0.0, loss, gradient, slope), self._t, d,
                    max_looks=o["max_eval"] - evaluations,
                )  # fmt: skip
                self._t, loss, gradient = found.t, found.f, found.gradient
                self._move(self._t, d, start)
            else:
                self._move(self._t, d, self._params)
                if i + 1 == o["max_iter"]:
                    break  # the next step() evaluates here first
                loss, calls = float(self._evaluate(closure)), 1
                gradient = self._flat_gradient()
            evaluations += calls
            stands = abs(self._t) * _largest(d) <= o["tolerance_change"]
            if stands or abs(loss - last_loss) < o["tolerance_change"]:
                break
            if evaluations >= o["max_eval"]:
                break
        return first

    def _evaluate(self, closure: Callable[[], Any]) -> Any:
        with enable_grad():
            return closure()

    def _flat_gradient(self) -> Tensor:
        grads = [zeros_like(p.detach()) if p.grad is None else p.grad for p in self._params]
        return cat([g.detach().reshape(-1) for g in grads])

    def _next_direction(self, gradient: Tensor) -> Tensor:
        """-H g by the two-loop recursion, with the change of the last step taken in."""
        self._steps += 1
        if self._direction is None or self._gradient is None:
            self._direction = -gradient
            return self._direction
        y, s = gradient - self._gradient, self._direction * self._t
        ys = float((y * s).sum())
        if ys > 1e-10:  # else the curvature is not that of a minimum
            self._changes = self._changes[1 - self.param_groups[0]["history_size"] :] + [(y, s)]
            if self.param_groups[0]["history_size"] == 1:
                self._changes = [(y, s)]
            self._scale = ys / float((y * y).sum())
        q, weights = -gradient, []
        for y, s in reversed(self._changes):
            rho = 1.0 / float((y * s).sum())
            weights.append((rho, rho * float((s * q).sum())))
            q = q - y * weights[-1][1]
        q = q * self._scale
        for (y, s), (rho, a) in zip(self._changes, reversed(weights), strict=True):
            q = q + s * (a - rho * float((y * q).sum()))
        self._direction = q
        return q

    def _move(self, t: float, d: Tensor, start: Iterable[Tensor]) -> None:
        """Every parameter to its start + t * d."""
        at = 0
        for p, from_there in zip(self._params, start, strict=True):
            part = d[at : at + p.numel()].reshape(p.shape)
            p.copy_(from_there.detach() + part * t)
            at += p.numel()

    def state_dict(self) -> dict[str, Any]:
        """The whole state: as of every optimizer, with all tensors under parameter 0."""
        groups = [{**self.param_groups[0], "params": list(range(len(self._params)))}]
        if self._direction is None or self._gradient is None:
            return {"state": {}, "param_groups": groups}
        numbers = np.array([self._t, self._scale]).view(np.int64)  # float64 is not on every device
        state = {
            "step": from_numpy(np.array([self._steps])),
            "numbers": from_numpy(numbers),
            "direction": self._direction,
            "gradient": self._gradient,
        }
        if self._changes:
            state["gradient_changes"] = stack([y for y, _ in self._changes])
            state["param_changes"] = stack([s for _, s in self._changes])
        return {"state": {0: state}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave.

        Raises:
            ValueError: it is of other parameters.
        """
        groups, state = state_dict["param_groups"], state_dict["state"]
        size = sum(p.numel() for p in self._params)
        if [len(g["params"]) for g in groups] != [len(self._params)]:
            raise ValueError(
                f"LBFGS.load_state_dict: expected one group of {len(self._params)} parameters, "
                f"got {[len(g['params']) for g in groups]}"
            )
        saved = state.get(0)
        if saved is not None and saved["direction"].shape != (size,):
            raise ValueError(
                f"LBFGS.load_state_dict: a direction of shape {saved['direction'].shape} for "
                f"{size} parameters"
            )
        self.param_groups[0].update({k: v for k, v in groups[0].items() if k != "params"})
        self._steps, self._changes, self._direction, self._gradient = 0, [], None, None
        if saved is None:
            return
        like = self._params[0]

        def mine(t: Tensor) -> Tensor:
            return t.detach().to(like.dtype).to(like.device).clone()

        self._steps = int(saved["step"].item())
        self._t, self._scale = saved["numbers"].numpy().view(np.float64).tolist()
        self._direction, self._gradient = mine(saved["direction"]), mine(saved["gradient"])
        if "gradient_changes" in saved:
            pairs = zip(saved["gradient_changes"], saved["param_changes"], strict=True)
            self._changes = [(mine(y), mine(s)) for y, s in pairs]


def _largest(x: Tensor) -> float:
    return float(x.abs().max()) if x.numel() else 0.0


def strong_wolfe(
    look: Callable[[float], Point],
    start: Point,
    t: float,
    d: Tensor,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_looks: int = 25,
) -> tuple[Point, int]:
    """A step along d after which the loss has fallen enough and its slope is flat enough.

    Args:
        look: The point at a step t.
        start: The point at 0.
        t: The first step to try.
        d: The direction.
        c1: How much of the slope at the start the loss must fall by.
        c2: How much of the slope may be left.
        tolerance_change: No bracket is looked into that is shorter.
        max_looks: Looks after the first.

    Returns:
        The point, and the number of looks.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6.
    """

    def too_high(p: Point) -> bool:
        return p.f > start.f + c1 * p.t * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    last, new, looks = start, look(t), 0
    while looks < max_looks:
        if too_high(new) or (looks > 1 and new.f >= last.f) or (new.slope >= 0 and not flat(new)):
            break
        if flat(new):
            return new, looks + 1
        ahead = (new.t + 0.01 * (new.t - last.t), new.t * 10)
        last, new = new, look(cubic_minimum(last, new, ahead))
        looks += 1
    bracket = [start if looks == max_looks else last, new]
    return _zoom(look, bracket, too_high, flat, _largest(d), tolerance_change, looks, max_looks)


def _zoom(
    look: Callable[[float], Point],
    bracket: list[Point],
    too_high: Callable[[Point], bool],
    flat: Callable[[Point], bool],
    length: float,
    tolerance_change: float,
    looks: int,
    max_looks: int,
) -> tuple[Point, int]:
    """Algorithm 3.6: the bracket narrows around the best point, its first."""
    stuck = False
    low, high = sorted((0, 1), key=lambda i: bracket[i].f)
    while looks < max_looks:
        if abs(bracket[1].t - bracket[0].t) * length < tolerance_change:
            break
        left, right = sorted(p.t for p in bracket)
        t = cubic_minimum(bracket[0], bracket[1], (left, right))
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near
        new = look(t)
        looks += 1
        if too_high(new) or new.f >= bracket[low].f:
            bracket[high] = new
            low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
            continue
        done = flat(new)
        if not done and new.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = new
        if done:
            break
    return bracket[low], looks + 1


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """The minimum of the cubic through two points with their slopes, within bounds.

    Source: Nocedal and Wright, Numerical Optimization (2006), equation 3.59.
    """
    if a.t > b.t:
        a, b = b, a
    low, high = bounds
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t) if a.t != b.t else math.nan
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    share = b.slope - a.slope + 2 * d2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / share) if share else math.nan
    return min(max(t, low), high) if t == t else (low + high) / 2
