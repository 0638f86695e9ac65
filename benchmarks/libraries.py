"""Library: one side, whose names (nn, F, optim, autograd) are PyTorch's on every side but JAX.

Each side runs in a process of its own, so at most one is ever imported there.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

TORCH = ("torch", "torch-channels-last", "torch-fused", "torch-compile")
SIDES = ("pydl", "pydl-numpy", "numpy", *TORCH, "jax")
DEFAULT_SIDES = ("pydl", "numpy", *TORCH[:3])
MODULES = {"pydl": "pydl", "pydl-numpy": "pydl", "numpy": "numpy", "jax": "jax"}


def module_of(side: str) -> str:
    """The name of the package that a side imports."""
    return MODULES.get(side, "torch")


def installed(side: str) -> bool:
    """Whether the package of a side is there."""
    return importlib.util.find_spec(module_of(side)) is not None


@dataclass(frozen=True)
class Library:
    """What a case is written against."""

    side: str
    root: Any  # the package itself

    @property
    def is_pydl(self) -> bool:
        """Native or on the numpy device."""
        return module_of(self.side) == "pydl"

    @property
    def nn(self) -> Any:
        """Modules."""
        return self.root.nn

    @property
    def F(self) -> Any:
        """Functions."""
        return self.root.nn.functional

    @property
    def device(self) -> str:
        """Where tensors are made."""
        return "numpy" if self.side == "pydl-numpy" else "cpu"

    def tensor(self, array: Any, requires_grad: bool = False) -> Any:
        """A copy of a NumPy array, in the layout of this side."""
        if self.side == "numpy":
            return np.array(array)
        if self.side == "jax":
            return self.root.numpy.asarray(array)
        t = self.root.tensor(np.asarray(array), device=self.device)
        if self.side == "torch-channels-last" and t.ndim == 4:
            t = t.contiguous(memory_format=self.root.channels_last)
        return t.requires_grad_() if requires_grad else t

    def array(self, t: Any) -> Any:
        """A tensor as a NumPy array of its own."""
        return np.array(t.detach().numpy() if hasattr(t, "detach") else t)

    def randn(self, *shape: int) -> Any:
        """Normal random numbers from the library's own generator."""
        return self.root.randn(*shape, device=self.device)

    def place(self, module: Any) -> Any:
        """A module as this side runs it."""
        if self.is_pydl:
            return module.to(self.device)
        if self.side == "torch-channels-last":
            return module.to(memory_format=self.root.channels_last)
        return self.root.compile(module) if self.side == "torch-compile" else module

    def optimizer(self, kind: str, parameters: Any, **options: Any) -> Any:
        """An optimizer by name, with the same options on every side."""
        if self.side == "torch-fused":
            options["fused"] = True
        return getattr(self.root.optim, kind)(parameters, **options)

    def captured(self, function: Any) -> Any:
        """A function as one native call, where the library has such."""
        return self.root.capture(function) if self.side == "pydl" else function

    def no_grad(self) -> Any:
        """Within the block nothing is recorded for backward."""
        return self.root.no_grad() if hasattr(self.root, "no_grad") else contextlib.nullcontext()

    def manual_seed(self, seed: int) -> None:
        """Start the random numbers anew."""
        if hasattr(self.root, "manual_seed"):
            self.root.manual_seed(seed)


def library(side: str, threads: int) -> Library:
    """Import a side and set its number of threads."""
    root = importlib.import_module(module_of(side))
    if module_of(side) in ("torch", "pydl"):
        root.set_num_threads(threads)
    return Library(side, root)


def environment(threads: int) -> dict[str, str]:
    """The variables of a worker process.

    NOTE: OMP_WAIT_POLICY stays as it is: on a quiet machine `passive` makes small steps of torch
    slower (docs/performance.md). The pause before each repeat lets the threads of the side before
    go to sleep.
    """
    # OPENBLAS_CORETYPE and the like, set on some machines, slow NumPy down. Where bytecode is
    # not written, an import compiles what no installer has compiled.
    found = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    names = ("PYDL", "OMP", "OPENBLAS", "MKL")
    found |= {f"{name}_NUM_THREADS": str(threads) for name in names}
    return found
