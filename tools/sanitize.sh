#!/usr/bin/env bash
# Runs pytest on a build with AddressSanitizer and UndefinedBehaviorSanitizer; a report fails it.
#   tools/sanitize.sh                  the whole suite (about half an hour)
#   tools/sanitize.sh tests/test_ops.py -k conv
# PYTHON names an interpreter that has pydl's [dev] extra installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD python=${PYTHON:-python3}
cmake -S . -B build/sanitize -G Ninja -DPYDL_SANITIZE=ON \
  -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" >/dev/null
cmake --build build/sanitize -j "${JOBS:-2}"
# A copy of the package beside the sanitized module, so that the usual build stays as it is.
package=build/sanitize/package
rm -rf $package
mkdir -p $package
cp -r pydl $package/pydl
rm -f $package/pydl/_native*.so
cp build/sanitize/_native*.so $package/pydl/
runtime=$("${CXX:-c++}" -print-file-name=libasan.so):$("${CXX:-c++}" -print-file-name=libubsan.so)
export PYTHONPATH=$root/$package
# Python itself never gives all memory back; the largest block keeps hostile sizes from filling it.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=512
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions=$root/tools/ubsan.txt
# NOTE: `-m pytest` would put this folder, and with it the usual build, before the package.
LD_PRELOAD=$runtime "$python" -c '
import sys
sys.path.remove("")
import pydl, pytest
assert "sanitize" in pydl.__file__, pydl.__file__
sys.exit(pytest.main(sys.argv[1:]))' "$@"
