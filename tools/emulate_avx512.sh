#!/usr/bin/env bash
# Runs pytest on the AVX-512 kernels where the machine has AVX2 alone: their intrinsics are made of
# loops (tools/emulate/avx512.h), so results and bounds are tested, speed is not.
#   tools/emulate_avx512.sh                  the whole suite
#   tools/emulate_avx512.sh tests/test_conv_winograd.py
# PYTHON names an interpreter that has pydl's [dev] extra installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD python=${PYTHON:-python3}
cmake -S . -B build/emulate -G Ninja -DPYDL_EMULATE_AVX512=ON \
  -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" >/dev/null
cmake --build build/emulate -j "${JOBS:-2}"
package=build/emulate/package # beside the usual build, which stays as it is
rm -rf $package
mkdir -p $package
cp -r pydl $package/pydl
rm -f $package/pydl/_native*.so
cp build/emulate/_native*.so $package/pydl/
PYTHONPATH=$root/$package PYDL_ISA=avx512 "$python" -c '
import sys
sys.path.remove("")
import pydl, pytest
assert "emulate" in pydl.__file__ and pydl._native.isa() == "avx512"
sys.exit(pytest.main(sys.argv[1:]))' "$@"
