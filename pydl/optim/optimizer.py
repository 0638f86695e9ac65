"""What all optimizers share: parameter groups, state, buckets, and how they are stored.

A subclass says which state tensors it keeps and makes one kernel call a bucket; the update rules
themselves are kernels (csrc/cpu/optim.cc, and backends/numpy.py in NumPy).
"""

from __future__ import annotations

import functools
import json
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import dtypes
from ..device import Device, RawArray
from ..errors import CaptureError
from ..op import enable_grad
from ..ops.create import empty, full
from ..recording import Recording, refuse, thread
from ..tensor import Tensor

__all__ = ["Optimizer", "flatten_state", "unflatten_state"]

Group = dict[str, Any]


@dataclass
class Bucket:
    """Parameters of a group that one kernel call updates: same device, dtype, number of steps.

    The learning rate and the step count are arrays on the device, so that a replayed plan sees
    them move; `lr_value` is what `lr` holds.
    """

    params: list[Tensor]
    states: dict[str, list[RawArray]]  # name -> one array a parameter
    device: Device
    lr: RawArray  # (1,) float32 (float64 where the parameters are)
    lr_value: float
    step: Tensor  # (1,) int64, counts the step under way
    retired: bool = False  # another bucket has taken over the parameters
    masters: list[RawArray] | None = None  # float32, where the parameters are of a half type
    kept: RawArray | None = None  # (1,) int64, of a GradScaler: whether the step is taken
    recorded: tuple[list[RawArray], list[RawArray]] | None = None  # while a plan is patched

    def arrays(self) -> tuple[list[RawArray], list[RawArray]]:
        """The arrays that the kernel updates, and the gradients'."""
        if self.recorded is not None:
            return self.recorded
        grads = [p.grad.data for p in self.params if p.grad is not None]
        return self.masters or [p.data for p in self.params], grads

    @property
    def halves(self) -> list[RawArray]:
        """The parameters' arrays, where the kernel updates masters."""
        return [] if self.masters is None else [p.data for p in self.params]

    def set_lr(self, lr: float) -> None:
        """Writes the learning rate to the device."""
        self.lr_value = lr
        self.device.kernels.fill(self.lr, lr)

    def follow_lr(self, lr: float) -> None:
        """Writes the learning rate where it has changed."""
        if self.lr_value != lr:
            self.set_lr(lr)

    def count_step(self) -> None:
        """Adds one to the step count, on the device."""
        one = self.device.constant(1, dtypes.int64) if self.kept is None else self.kept
        self.device.kernels.add(self.step.data, one, self.step.data)


class Optimizer:
    """Base of the optimizers.

    Parameters without a gradient are skipped by `step()`: neither they nor their state nor their
    own step count change. Parameters of a half type have float32 state, and in it their `master`,
    which is what is updated: the parameter is that, rounded. So the parameters of a group that have
    taken the same number of steps form a bucket, with one step count and one kernel call. Nearly
    always a group is one bucket; buckets are made anew when another set of parameters has gradients
    than in the step before.

    Args:
        params: Parameters, or groups: dicts with `params` and the options that differ.
        defaults: The options of a group that does not give its own.

    Raises:
        ValueError: no parameters, one given twice, or an option out of range.
        TypeError: something that is no tensor.
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[Group], defaults: dict[str, Any]
    ) -> None:
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self.param_groups: list[Group] = []
        self._buckets: list[tuple[Any, list[Bucket]]] = []  # (what they were made for, buckets)
        self._kept: RawArray | None = None  # of a GradScaler, while it steps
        if isinstance(params, Tensor):
            raise TypeError(f"{self._name}: params must be an iterable of tensors, got a Tensor")
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(f"{self._name}: got no parameters")
        for group in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Adds parameters with their own options.

        Args:
            param_group: `params` (a tensor or an iterable of them) and any options; the others
                are the defaults.

        Raises:
            ValueError: see the class; also an option the optimizer does not have.
            TypeError: something that is no tensor.
        """
        params = param_group["params"]
        group = {**self.defaults, **param_group}
        group["params"] = [params] if isinstance(params, Tensor) else list(params)
        unknown = group.keys() - self.defaults.keys() - {"params", "initial_lr"}
        if unknown:
            raise ValueError(f"{self._name}: unknown option {', '.join(sorted(unknown))}")
        seen = {id(p) for g in self.param_groups for p in g["params"]}
        for p in group["params"]:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: {type(p).__name__} among the parameters")
            if not p.is_leaf:
                raise ValueError(f"{self._name}: a parameter is the result of an op, not a leaf")
            if id(p) in seen:
                raise ValueError(f"{self._name}: a parameter of shape {p.shape} is given twice")
            seen.add(id(p))
        self._check(group)
        self.param_groups.append(group)
        self._buckets.append((None, []))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient, in place.

        Args:
            closure: Called first, where given: computes the loss and its gradients.

        Returns:
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        recording = thread.recording
        launched = None if recording is None else Launches(self, recording)
        if launched is None:
            self.sync_lr()
        for i, group in enumerate(self.param_groups):
            for bucket in self._current_buckets(i, group):
                bucket.kept = self._kept
                bucket.count_step()
                if launched is not None:
                    launched.note(group, bucket)
                self._launch(group, bucket)
                for p in bucket.params:
                    p.mark_changed()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients.

        Args:
            set_to_none: Drop them; otherwise put zeros in their place.
        """
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad(set_to_none)

    def sync_lr(self) -> None:
        """Writes each group's `lr` to the device where it has changed since the last time.

        `step()` and the schedules call it, and every replay of a captured step.
        """
        for group, (_, buckets) in zip(self.param_groups, self._buckets, strict=True):
            for bucket in buckets:
                bucket.follow_lr(group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """The whole state, in torch's layout.

        Returns:
            `state`: {index of the parameter: {name: tensor}}, with `step` (1,) int64 among them,
            and `param_groups`: the options, `params` being indices. The tensors are the live
            ones. `flatten_state` makes of it what a safetensors file can hold.
        """
        params = [p for g in self.param_groups for p in g["params"]]
        index = {id(p): i for i, p in enumerate(params)}
        groups = [{**g, "params": [index[id(p)] for p in g["params"]]} for g in self.param_groups]
        state = {i: dict(self.state[p]) for i, p in enumerate(params) if p in self.state}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave; nothing is changed where it does not fit.

        Args:
            state_dict: See `state_dict`; its tensors are copied.

        Raises:
            ValueError: other groups, or a state of another shape than its parameter.
        """
        groups, state = state_dict["param_groups"], state_dict["state"]
        ours = [len(g["params"]) for g in self.param_groups]
        theirs = [len(g["params"]) for g in groups]
        if ours != theirs:
            raise ValueError(
                f"{self._name}.load_state_dict: parameters per group are {theirs} in the state, "
                f"{ours} in the optimizer"
            )
        loaded: dict[Tensor, dict[str, Tensor]] = {}
        for group, saved in zip(self.param_groups, groups, strict=True):
            for p, i in zip(group["params"], saved["params"], strict=True):
                if i in state:
                    loaded[p] = self._converted_state(p, i, state[i])
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update({k: v for k, v in saved.items() if k != "params"})
        # NOTE: into the arrays that are there, because a captured step goes on using them.
        for i, (_, buckets) in enumerate(self._buckets):
            if not all(_rewind(b, loaded) for b in buckets):
                self._retire(i)
        for p, tensors in loaded.items():
            live = self.state.get(p, {})
            for name, tensor in tensors.items():
                if name != "step" and name in live and live[name].device is p.device:
                    tensors[name] = live[name].copy_(tensor)
        self.state = loaded
        self.sync_lr()

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _check(self, group: Group) -> None:
        """Raises ValueError where an option is out of range."""
        raise NotImplementedError(f"{self._name} must define _check()")

    def _state_names(self, group: Group) -> dict[str, float]:
        """The state tensors that the options ask for, and what they are filled with at first."""
        raise NotImplementedError(f"{self._name} must define _state_names()")

    def _launch(self, group: Group, bucket: Bucket) -> None:
        """Updates the bucket's parameters: one kernel call."""
        raise NotImplementedError(f"{self._name} must define _launch()")

    def _require(self, group: Group, **lowest: float) -> None:
        for name, low in lowest.items():
            if not group[name] >= low:
                raise ValueError(f"{self._name}: {name} must be >= {low:g}, got {group[name]}")

    def _require_betas(self, group: Group) -> None:
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"{self._name}: betas must be in [0, 1), got {group['betas']}")

    def _current_buckets(self, i: int, group: Group) -> list[Bucket]:
        names = self._state_names(group)
        key = (
            [p.device if p.grad is not None else None for p in group["params"]],
            list(names),
        )
        made_for, buckets = self._buckets[i]
        if made_for != key:
            buckets = self._make_buckets(group, names)
            self._retire(i)
            self._buckets[i] = (key, buckets)
        return buckets

    def _retire(self, i: int) -> None:
        """Forget the buckets of a group, and tell captured steps that have them."""
        for bucket in self._buckets[i][1]:
            bucket.retired = True
        self._buckets[i] = (None, [])

    def _make_buckets(self, group: Group, names: dict[str, float]) -> list[Bucket]:
        refuse(
            f"{self._name} made its state (it had not seen these gradients before)",
            "let the first call of the function take the same way as the others",
        )
        together: dict[Any, list[Tensor]] = {}
        for p in group["params"]:
            if p.grad is not None:
                state = self._prepared_state(p, names)
                steps = int(state["step"].item()) if "step" in state else 0
                together.setdefault((p.device, p.dtype, steps), []).append(p)
        return [
            self._make_bucket(group, names, device, dtype, steps, params)
            for (device, dtype, steps), params in together.items()
        ]

    def _make_bucket(
        self,
        group: Group,
        names: Iterable[str],
        device: Device,
        dtype: dtypes.DType,
        steps: int,
        params: list[Tensor],
    ) -> Bucket:
        lr_dtype = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
        # NOTE: a new count, because parameters that are skipped now may still hold the old one.
        step = full((1,), steps, dtype=dtypes.int64, device=device)
        for p in params:
            self.state[p]["step"] = step
        states = {name: [self.state[p][name].data for p in params] for name in names}
        lr = device.empty((1,), lr_dtype)
        bucket = Bucket(params, states, device, lr, group["lr"], step)
        if dtype in dtypes.HALVES:
            bucket.masters = [self.state[p]["master"].data for p in params]
        bucket.set_lr(group["lr"])
        return bucket

    def _prepared_state(self, p: Tensor, names: dict[str, float]) -> dict[str, Tensor]:
        """The state of `p`, whole and on its device."""
        state = self.state.setdefault(p, {})
        for name, tensor in state.items():
            if tensor.device is not p.device:
                state[name] = tensor.to(p.device)
        for name, value in names.items():
            if name not in state:
                state[name] = full(p.shape, value, dtype=_state_type(p), device=p.device)
        if p.dtype in dtypes.HALVES and "master" not in state:
            state["master"] = p.detach().float()
        return state

    def _converted_state(self, p: Tensor, i: int, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A copy of the `saved` state of parameter number `i`, of its dtype and on its device."""
        if "step" not in saved:
            raise ValueError(f"{self._name}.load_state_dict: parameter {i} has no 'step'")
        steps = int(saved["step"].item())
        state = {"step": full((1,), steps, dtype=dtypes.int64, device=p.device)}
        for name, tensor in saved.items():
            if name == "step":
                continue
            if tensor.shape != p.shape:
                raise ValueError(
                    f"{self._name}.load_state_dict: {name} of parameter {i} has shape "
                    f"{tensor.shape}, the parameter {p.shape}"
                )
            state[name] = empty(p.shape, dtype=_state_type(p), device=p.device).copy_(tensor)
        return state


class Launches:
    """What Python does for a recorded `step()` before each replay of it.

    The learning rate lies on the device and is written there where it has changed. Other options
    are numbers in the recorded calls; where they have changed, the calls are made anew.
    """

    def __init__(self, optimizer: Optimizer, recording: Recording) -> None:
        self.optimizer = optimizer
        self.plan = weakref.ref(recording.native)  # which has `follow`
        self.noted: list[tuple[int, Group, Group, Bucket, Any]] = []
        with recording.paused():
            optimizer.sync_lr()
        recording.native.host(self.follow)
        recording.watch(self)

    def note(self, group: Group, bucket: Bucket) -> None:
        """The next kernel call is that of a bucket."""
        plan = self.plan()
        assert plan is not None
        arrays = bucket.arrays()
        self.noted.append((len(plan), group, dict(group), bucket, arrays))
        assert thread.recording is not None
        thread.recording.passing.append(arrays[1])

    def follow(self) -> None:
        """Bring the device and the recorded calls up to date with the groups.

        Raises:
            CaptureError: since then other parameters had gradients, and other state took over.
        """
        for step, group, known, bucket, arrays in self.noted:
            if bucket.retired:
                raise CaptureError(
                    f"{self.optimizer._name}: its state was made anew after this step was "
                    "captured, as another set of parameters had gradients; use an optimizer for "
                    "each set"
                )
            lr = known["lr"] = group["lr"]
            bucket.follow_lr(lr)
            if group != known:
                known.update(group)
                self._patch(step, group, bucket, arrays)

    def _patch(self, step: int, group: Group, bucket: Bucket, arrays: Any) -> None:
        """Make a recorded call anew."""
        plan = self.plan()
        if plan is None:
            return
        bucket.recorded = arrays
        try:
            plan.patch(step, functools.partial(self.optimizer._launch, group, bucket))
        finally:
            bucket.recorded = None

    def snapshot(self) -> Callable[[], None]:
        """A function that puts the options back to what they are now."""
        groups = [(group, dict(group)) for group in self.optimizer.param_groups]
        rates = [(bucket, bucket.lr_value) for *_, bucket, _ in self.noted]

        def restore() -> None:
            for group, known in groups:
                group.update(known)
            for bucket, rate in rates:
                bucket.set_lr(rate)

        return restore


def _state_type(p: Tensor) -> dtypes.DType:
    """The dtype of the state of a parameter: never a half type, in which eps would be 0."""
    return dtypes.float32 if p.dtype in dtypes.HALVES else p.dtype


def _rewind(bucket: Bucket, loaded: Mapping[Tensor, dict[str, Tensor]]) -> bool:
    """Sets the step count to the loaded one; False where the parameters are no longer a bucket."""
    wanted = bucket.states.keys() | {"step"} | ({"master"} if bucket.masters else set())
    if not all(p in loaded and loaded[p].keys() >= wanted for p in bucket.params):
        return False
    steps = {int(loaded[p]["step"].item()) for p in bucket.params}
    if len(steps) != 1:
        return False
    bucket.step.fill_(steps.pop())
    for p in bucket.params:
        loaded[p]["step"] = bucket.step
    return True


def flatten_state(state_dict: Mapping[str, Any]) -> tuple[dict[str, Tensor], str]:
    """Splits an optimizer's `state_dict()` into what a safetensors file can hold.

    Args:
        state_dict: Of any optimizer.

    Returns:
        Tensors named `<parameter index>.<name>`, such as "3.exp_avg", and the param_groups as
        JSON, to go into the file's metadata. `unflatten_state` undoes it, bit for bit.
    """
    tensors = {
        f"{i}.{name}": tensor
        for i, state in state_dict["state"].items()
        for name, tensor in state.items()
    }
    return tensors, json.dumps(state_dict["param_groups"])


def unflatten_state(tensors: Mapping[str, Tensor], param_groups: str) -> dict[str, Any]:
    """Puts together again what `flatten_state` split.

    Args:
        tensors: Named `<parameter index>.<name>`.
        param_groups: JSON.

    Returns:
        A dict for `load_state_dict`.

    Raises:
        ValueError: a name of another form, or no JSON.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, dot, name = key.partition(".")
        if not (index.isdecimal() and dot and name):
            raise ValueError(f"unflatten_state: {key!r} is not of the form <index>.<name>")
        state.setdefault(int(index), {})[name] = tensor
    groups = json.loads(param_groups)
    for group in groups:
        for name, value in group.items():
            if name != "params" and isinstance(value, list):  # JSON has no tuples: betas
                group[name] = tuple(value)
    return {"state": state, "param_groups": groups}
