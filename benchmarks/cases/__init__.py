"""The one table of cases, one family a file."""

from __future__ import annotations

from ..case import Case
from . import conv, forward1, gemm, layers, machine, optim, process, steps

FAMILIES = (machine, gemm, conv, layers, optim, steps, forward1, process)
CASES: dict[str, Case] = {case.name: case for family in FAMILIES for case in family.cases()}
