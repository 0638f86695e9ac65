"""The one table of cases, one family a file."""

from __future__ import annotations

from ..case import Case
from . import conv, forward1, gemm, layers, machine, optim, process, steps

CASES: dict[str, Case] = {
    case.name: case
    for family in (machine, gemm, conv, layers, optim, steps, forward1, process)
    for case in family.cases()
}
