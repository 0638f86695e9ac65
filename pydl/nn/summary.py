"""The table of a network's layers: `model.summary((1, 1, 28, 28))`."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..op import no_grad
from ..ops.create import zeros
from ..tensor import Tensor
from .conv import Conv1d, Conv2d
from .layers import Linear
from .module import Module


class Row(NamedTuple):
    """One call of one layer."""

    name: str
    kind: str
    output_shape: tuple[int, ...] | None  # None where the output is no tensor
    parameters: int  # its own, 0 where they were counted in an earlier row
    macs: int  # multiply-accumulates of a Linear or convolution


@dataclass(repr=False)
class Summary:
    """The layers in the order in which they were called, and totals over the whole module."""

    rows: list[Row]
    total_parameters: int
    trainable_parameters: int
    parameter_bytes: int

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of all Linear, Conv1d and Conv2d layers in one run forward."""
        return sum(row.macs for row in self.rows)

    def __str__(self) -> str:
        table = [("layer", "output shape", "parameters", "MACs")]
        for row in self.rows:
            table.append(
                (
                    f"{row.name} ({row.kind})" if row.name else row.kind,
                    str(row.output_shape) if row.output_shape is not None else "-",
                    f"{row.parameters:,}" if row.parameters else "-",
                    f"{row.macs:,}" if row.macs else "-",
                )
            )
        widths = [max(len(line[i]) for line in table) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip()
            for a, b, c, d in table
        ]
        rule = "-" * (sum(widths) + 6)
        lines[1:1] = [rule]
        frozen = self.total_parameters - self.trainable_parameters
        totals = (
            f"{self.total_parameters:,} parameters ({_size(self.parameter_bytes)}), "
            f"{frozen:,} of them frozen; {self.total_macs:,} MACs"
        )
        return "\n".join([*lines, rule, totals])

    __repr__ = __str__


def summarize(module: Module, input_shapes: tuple[tuple[int, ...], ...]) -> Summary:
    """Runs `module` on zeros, in evaluation mode and off the tape, and notes what its layers do.

    Args:
        module: Left as it was: each layer's mode is restored.
        input_shapes: The shape of each input.
    """
    rows: list[Row] = []
    counted: set[int] = set()
    with ExitStack() as restore, no_grad():
        for name, layer in list(module.named_modules()):
            restore.callback(setattr, layer, "training", layer.training)
            layer.training = False
            # An attribute of the object goes before the method of its class.
            vars(layer)["forward"] = _watched(name, layer, layer.forward, rows, counted)
            restore.callback(vars(layer).pop, "forward")
        module(*(_zeros(shape, module) for shape in input_shapes))
    parameters = list(module.parameters())
    return Summary(
        rows,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(p.numel() * p.dtype.itemsize for p in parameters),
    )


def _watched(
    name: str, layer: Module, forward: Callable[..., Any], rows: list[Row], counted: set[int]
) -> Callable[..., Any]:
    def watch(*args: Any, **kwargs: Any) -> Any:
        y = forward(*args, **kwargs)
        own = list(layer.parameters(recurse=False))
        if own or not any(layer.children()):
            shape = y.shape if isinstance(y, Tensor) else None
            fresh = sum(p.numel() for p in own if id(p) not in counted)
            counted.update(id(p) for p in own)
            rows.append(Row(name, type(layer).__name__, shape, fresh, _macs(layer, shape)))
        return y

    return watch


def _macs(layer: Module, shape: tuple[int, ...] | None) -> int:
    """Every output element of these is a product with one row of the weights."""
    if shape is None or not isinstance(layer, (Linear, Conv1d, Conv2d)):
        return 0
    return math.prod(shape) * math.prod(layer.weight.shape[1:])


def _zeros(shape: tuple[int, ...], module: Module) -> Tensor:
    first = next(module.parameters(), None)
    if first is None:
        return zeros(shape)
    return zeros(shape, dtype=first.dtype, device=first.device)


def _size(n: int) -> str:
    return f"{n / 2**20:.2f} MiB" if n >= 2**20 else f"{n / 2**10:.2f} KiB"
