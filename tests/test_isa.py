"""The native tests of the op table for every other ISA of this machine, each in its own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pydl import _native

TESTS = Path(__file__).parent
OTHERS = [isa for isa in _native.available_isas() if isa != _native.isa()]


def run(isa: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    package = str(Path(_native.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYDL_ISA": isa, "PYTHONPATH": package},
        cwd=TESTS,  # NOTE: not the root, whose pydl/ may not be the one that is installed
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_best_isa_is_chosen() -> None:
    if not os.environ.get("PYDL_ISA"):
        assert _native.isa() == _native.available_isas()[-1]
    assert _native.available_isas()[0] == "scalar"


@pytest.mark.parametrize("isa", OTHERS)
def test_op_table(isa: str) -> None:
    names = (
        "test_ops.py",
        "test_grad.py",
        "test_random_shapes.py",
        "test_half.py",
        "test_pool_2x2.py",
    )
    files = [str(TESTS / name) for name in names]
    options = ["-k", "native", "-p", "no:cacheprovider", "--tb=short", "--maxfail=20"]
    done = run(isa, "-m", "pytest", *files, *options)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) passed", done.stdout)
    assert found is not None
    assert int(found[1]) > 1000


@pytest.mark.parametrize("isa", OTHERS)
def test_the_forced_isa_is_used(isa: str) -> None:
    done = run(isa, "-c", "from pydl import _native; print(_native.isa())")
    assert done.stdout.strip() == isa


def test_an_unknown_isa_is_refused() -> None:
    done = run("bogus", "-c", "import pydl")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.match(r"ImportError: PYDL_ISA=bogus: not available here; choose one of: scalar", last)
