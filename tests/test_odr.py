"""The ODR trap: nothing of one instruction set can be handed to code compiled for another.

Read from the object files of the build (the module itself is stripped). Where there are none, some
kernel files are compiled here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
X86 = os.uname().machine in ("x86_64", "AMD64")
ISAS = ("scalar", "avx2", "avx512") if X86 else ("scalar",)
FLAGS = {
    "scalar": ["-march=x86-64-v2"] if X86 else [],
    "avx2": ["-march=x86-64-v2", "-mavx2", "-mfma", "-mf16c"],
    "avx512": ["-march=x86-64-v2", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma",
               "-mf16c", "-mprefer-vector-width=512"],
}  # fmt: skip
SAMPLES = ("im2col", "loss")  # small, and written like all others


def built() -> dict[str, list[Path]] | None:
    """The objects of the newest build in build/ that has them for every ISA."""
    found_in = (p.parent for p in ROOT.glob("build/*/CMakeFiles/pydl_scalar.dir"))
    builds = [p for p in found_in if "sanitize" not in p.parts]  # other flags, other symbols
    for build in sorted(builds, key=lambda p: p.stat().st_mtime, reverse=True):
        found = {isa: current(build / f"pydl_{isa}.dir") for isa in ISAS}
        if all(found.values()):
            return found
    return None


def current(folder: Path) -> list[Path]:
    """Objects whose source still exists."""
    found = sorted(folder.glob("**/*.o"))
    return [p for p in found if (ROOT / p.relative_to(folder)).with_suffix("").exists()]


def compiled(folder: Path) -> dict[str, list[Path]]:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("neither object files in build/ nor a C++ compiler")
    objects: dict[str, list[Path]] = {}
    for isa in ISAS:
        for name in SAMPLES:
            out = folder / f"{isa}_{name}.o"
            defines = [f"-DPYDL_ISA={isa}", f"-DPYDL_ISA_{isa.upper()}", "-DPYDL_X86"]
            how = ["-std=c++17", "-O2", "-fPIC", "-ffp-contract=off", "-fno-math-errno",
                   "-fvisibility=hidden", "-I", str(ROOT / "csrc")]  # fmt: skip
            source = str(ROOT / "csrc" / "cpu" / f"{name}.cc")
            command = [compiler, *how, *FLAGS[isa], *defines, "-c", source, "-o", str(out)]
            subprocess.run(command, check=True, timeout=300)
            objects.setdefault(isa, []).append(out)
    return objects


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    for tool in ("nm", "objdump"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return built() or compiled(tmp_path_factory.mktemp("objects"))


def symbols(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of every symbol, without C++ mangling."""
    lines = subprocess.run(["nm", "-C", str(path)], capture_output=True, text=True, check=True)
    for line in lines.stdout.splitlines():
        found = re.match(r"[0-9a-f ]{16} (\S) (.*)", line)
        assert found is not None, line
        yield found[1], found[2]


def disassembly(path: Path) -> str:
    command = ["objdump", "-d", "--no-show-raw-insn", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("isa", ISAS)
def test_every_shared_symbol_is_in_the_namespace_of_its_isa(
    objects: dict[str, list[Path]], isa: str
) -> None:
    own = re.compile(rf"(^|[ *&])pydl::{isa}::")  # a template's result type stands in front
    shared = 0
    for path in objects[isa]:
        for kind, name in symbols(path):
            if kind == "U" or (kind.islower() and kind != "u"):  # used, or local to the file
                continue
            shared += 1
            assert own.search(name.split("(")[0]), (
                f"{path.name}: {kind} {name} is visible to the linker outside pydl::{isa}"
            )
    assert shared > 0


@pytest.mark.parametrize("isa", ISAS)
def test_kernels_use_nothing_of_the_standard_library(
    objects: dict[str, list[Path]], isa: str
) -> None:
    allowed = re.compile(r"pydl::|\w+$")  # the core, and C functions
    for path in objects[isa]:
        for kind, name in symbols(path):
            if kind == "U":
                assert allowed.match(name), f"{path.name} uses {name}"


@pytest.mark.skipif(not X86, reason="registers of x86-64")
@pytest.mark.parametrize(
    ("isa", "forbidden"),
    [("scalar", r"%[yz]mm|\tv\w+ .*%xmm"), ("avx2", r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|[23]\d)")],
)
def test_no_register_of_a_later_isa(
    objects: dict[str, list[Path]], isa: str, forbidden: str
) -> None:
    pattern = re.compile(forbidden)
    for path in objects[isa]:
        found = pattern.search(disassembly(path))
        assert found is None, f"{path.name}: {found[0] if found else ''}"


@pytest.mark.skipif(not X86, reason="registers of x86-64")
def test_the_fast_kernels_do_use_their_registers(objects: dict[str, list[Path]]) -> None:
    assert any("%ymm" in disassembly(path) for path in objects["avx2"])
    assert any("%zmm" in disassembly(path) for path in objects["avx512"])


@pytest.mark.skipif(not X86, reason="registers of x86-64")
def test_everything_else_is_baseline() -> None:
    """Core and bindings run before an ISA is chosen."""
    found = built()
    if found is None:
        pytest.skip("no object files in build/")
    others = current(found["scalar"][0].parents[3] / "_native.dir")
    assert others
    for path in others:
        assert re.search(r"%[yz]mm", disassembly(path)) is None, path.name
