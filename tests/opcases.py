"""The one table of op cases: it drives forward, gradients, every ISA, threads, replay and errors.

Every file of tests/cases is one family and may hold CASES (calls of public functions), KERNELS
(direct calls of kernels), ERRORS (calls that must raise) and DTYPES (what a public function makes
of each element type); nothing is listed by hand.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import cases
from opcase import KernelCase, OpCase, Refusal, Rule

FAMILIES = [
    importlib.import_module(f"cases.{f.name}") for f in pkgutil.iter_modules(cases.__path__)
]


def gathered(table: str) -> tuple[Any, ...]:
    """The entries of the named table, of all families."""
    return tuple(entry for family in FAMILIES for entry in getattr(family, table, ()))


CASES: tuple[OpCase, ...] = gathered("CASES")
KERNELS: tuple[KernelCase, ...] = gathered("KERNELS")
ERRORS: tuple[Refusal, ...] = gathered("ERRORS")
DTYPES: dict[str, Rule | None] = {
    op: rule for family in FAMILIES for op, rule in getattr(family, "DTYPES", {}).items()
}
