"""The one table of op cases: it drives forward, gradients, every ISA, threads, replay and errors.

Every file of tests/cases is one family and may hold CASES (calls of public functions), KERNELS
(direct calls of kernels) and ERRORS (calls that must raise); nothing is listed by hand.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import cases
from opcase import KernelCase, OpCase, Refusal


def gathered(table: str) -> tuple[Any, ...]:
    """The named table of every family, joined."""
    modules = (
        importlib.import_module(f"cases.{f.name}") for f in pkgutil.iter_modules(cases.__path__)
    )
    return tuple(case for module in modules for case in getattr(module, table, ()))


CASES: tuple[OpCase, ...] = gathered("CASES")
KERNELS: tuple[KernelCase, ...] = gathered("KERNELS")
ERRORS: tuple[Refusal, ...] = gathered("ERRORS")
