"""Mixed precision: products in a half type, the rest in float32 (docs/half.md has the table).

    scaler = pydl.amp.GradScaler()
    with pydl.amp.autocast(pydl.float16):
        loss = F.cross_entropy(model(x), t)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()

The parameters stay float32: they are the master weights, cast to half where a product needs them.
bfloat16 has the range of float32, so it needs no scaler.

Source: Micikevicius et al., "Mixed precision training" (2018).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from .device import Device, device
from .dtypes import HALVES, DType, float16, float32, int64
from .ops.create import full
from .ops.shape import reshape
from .optim import Optimizer
from .recording import refuse, thread
from .tensor import Tensor

__all__ = ["GradScaler", "autocast"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class autocast:
    """Within the block, products compute in a half type. Also a decorator.

    matmul, linear, bilinear, einsum, convolutions, recurrent layers and attention take half
    operands and give half results. Losses, softmax, exponentials, logarithms, powers, sums and
    statistics compute in float32 and give float32. Everything else (activations, pooling, norms,
    dropout, arithmetic) computes in the type that comes in. A backward walk is not changed by it:
    each gradient has the type of its tensor.

    Args:
        dtype: pydl.float16 or pydl.bfloat16.
        enabled: False: the block computes as if it stood outside of any autocast.
        cache: Cast each parameter once in the outermost block, not at every use.

    Raises:
        TypeError: another dtype.

    Source: torch.autocast.
    """

    def __init__(self, dtype: DType = float16, enabled: bool = True, cache: bool = True) -> None:
        if dtype not in HALVES:
            name = dtype.name if isinstance(dtype, DType) else type(dtype).__name__
            raise TypeError(f"autocast: dtype is {name}, expected float16 or bfloat16")
        self.dtype = dtype
        self.enabled = enabled
        self.cache = cache
        self._before: list[tuple[DType | None, Any]] = []

    def __enter__(self) -> autocast:
        self._before.append((thread.autocast, thread.casts))
        if thread.casts is None and self.cache:
            thread.casts = {}
        thread.autocast = self.dtype if self.enabled else None
        return self

    def __exit__(self, *_: object) -> None:
        thread.autocast, thread.casts = self._before.pop()

    def __call__(self, function: _Function) -> _Function:
        """The function, which then computes as in such a block."""

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            with autocast(self.dtype, self.enabled, self.cache):
                return function(*args, **options)

        return cast("_Function", call)


class GradScaler:
    """Scales the loss so that small gradients do not vanish in float16, and undoes it.

    The scale grows while all gradients are finite and shrinks where one is not; that step is then
    left out: parameters, state and step counts stay what they are, bit for bit. Scale and flags lie
    in device memory and nothing waits for them, so that all of it can be captured.

    Args:
        init_scale: The first scale.
        growth_factor: What it grows by after `growth_interval` good steps in a row.
        backoff_factor: What it shrinks by after a bad one.
        growth_interval: In steps.
        enabled: False: every method does what would be done without a scaler.
        device: Where scale and flags lie: that of the parameters.

    Raises:
        ValueError: a number is out of range.

    Source: Micikevicius et al., "Mixed precision training" (2018), section 3.2; torch.amp.
    """

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
        device: str | Device = "cpu",
    ) -> None:
        if not init_scale > 0:
            raise ValueError(f"GradScaler: init_scale must be > 0, got {init_scale}")
        if not growth_factor > 1 or not 0 < backoff_factor < 1 or growth_interval < 1:
            raise ValueError(
                "GradScaler: expected growth_factor > 1, backoff_factor in (0, 1) and "
                f"growth_interval >= 1, got {growth_factor}, {backoff_factor}, {growth_interval}"
            )
        self.enabled = enabled
        self.growth_factor = growth_factor
        self.backoff_factor = backoff_factor
        self.growth_interval = growth_interval
        self.device = _device(device)
        self._scale = full((1,), init_scale, dtype=float32, device=self.device)
        self._good = full((1,), 0, dtype=int64, device=self.device)
        self._flags: dict[int, tuple[Optimizer, Tensor, Tensor]] = {}  # found (1,) and kept (1,)
        self._unscaled: set[int] = set()
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self.enabled

    def get_scale(self) -> float:
        """The scale now; waits for the device."""
        return float(self._scale.item()) if self.enabled else 1.0

    def scale(self, loss: Tensor) -> Tensor:
        """The loss times the scale, float32.

        Args:
            loss: Any shape, floating.
        """
        return loss.float() * reshape(self._scale, ()) if self.enabled else loss

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the gradients of the optimizer's parameters by the scale, in place.

        `step` does it where it was not done before, for example to clip them in between.

        Args:
            optimizer: Its parameters have gradients of a scaled loss.

        Raises:
            RuntimeError: it was done already since the last `update`.
        """
        if not self.enabled:
            return
        if id(optimizer) in self._unscaled or id(optimizer) in self._stepped:
            raise RuntimeError(
                "GradScaler.unscale_: the gradients of this optimizer are unscaled already; call "
                "update() after step()"
            )
        _, found, kept = self._flags_of(optimizer)
        kernels = self.device.kernels
        kernels.fill(found.data, 0.0)
        kernels.fill(kept.data, 1)
        grads: dict[int, Tensor] = {}  # two parameters may have one gradient between them
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    grads[id(p.grad.version)] = p.grad
        arrays = [g.data for g in grads.values()]
        kernels.unscale(arrays, self._scale.data, found.data, kept.data)
        for g in grads.values():
            g.mark_changed()
        self._unscaled.add(id(optimizer))

    def step(self, optimizer: Optimizer) -> None:
        """`optimizer.step()`, unless one of its gradients is not finite.

        Args:
            optimizer: Its parameters have gradients of a scaled loss.

        Raises:
            RuntimeError: it was done already since the last `update`.
        """
        if not self.enabled:
            optimizer.step()
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.step: a second time for this optimizer; call update()")
        if id(optimizer) not in self._unscaled:
            self.unscale_(optimizer)
        optimizer._kept = self._flags[id(optimizer)][2].data
        try:
            optimizer.step()
        finally:
            optimizer._kept = None
        self._stepped.add(id(optimizer))

    def update(self) -> None:
        """Moves the scale, by what the steps since the last `update` have found.

        Raises:
            RuntimeError: there was none.
        """
        if not self.enabled:
            return
        if not self._unscaled:
            raise RuntimeError("GradScaler.update: no gradients were unscaled since the last one")
        kernels = self.device.kernels
        found = [self._flags[key][1] for key in sorted(self._unscaled, key=[*self._flags].index)]
        for other in found[1:]:
            kernels.maximum(found[0].data, other.data, found[0].data)
        kernels.update_scale(
            self._scale.data, self._good.data, found[0].data, self.growth_factor,
            self.backoff_factor, self.growth_interval,
        )  # fmt: skip
        self._unscaled.clear()
        self._stepped.clear()

    def state_dict(self) -> dict[str, Any]:
        """The scale, the good steps since it last moved, and the options; waits for the device."""
        return {
            "scale": self.get_scale(),
            "growth_tracker": int(self._good.item()),
            "growth_factor": self.growth_factor,
            "backoff_factor": self.backoff_factor,
            "growth_interval": self.growth_interval,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave, into the memory that captured steps use.

        Args:
            state_dict: See `state_dict`.

        Raises:
            KeyError: something is missing.
        """
        state = {name: state_dict[name] for name in self.state_dict()}
        self._scale.fill_(state.pop("scale"))
        self._good.fill_(state.pop("growth_tracker"))
        self.__dict__.update(state)

    def _flags_of(self, optimizer: Optimizer) -> tuple[Optimizer, Tensor, Tensor]:
        """Whether something was found, and whether the step is taken."""
        if id(optimizer) not in self._flags:
            refuse(
                "GradScaler met an optimizer for the first time",
                "let the first call of the function take the same way as the others",
            )
            found = full((1,), 0.0, dtype=float32, device=self.device)
            self._flags[id(optimizer)] = optimizer, found, full((1,), 1, dtype=int64,
                                                               device=self.device)  # fmt: skip
        return self._flags[id(optimizer)]


_device = device
