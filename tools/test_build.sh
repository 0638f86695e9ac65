#!/usr/bin/env bash
# Builds pydl/_native in another way than usual, in build/NAME, and puts a copy of the package
# beside it, in build/NAME/package, so that the usual build stays as it is; then runs pytest there.
#   tools/test_build.sh NAME CMAKE_OPTION [arguments of pytest]
# PYTHON names an interpreter that has pydl's [dev] extra installed, PRELOAD libraries for pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 option=$2 python=${PYTHON:-python3}
shift 2
cmake -S . -B "build/$name" -G Ninja "$option" \
  -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" >/dev/null
cmake --build "build/$name" -j "${JOBS:-2}"
package=$PWD/build/$name/package
rm -rf "$package"
mkdir -p "$package"
cp -r pydl "$package/pydl"
rm -f "$package"/pydl/_native*.so
cp "build/$name"/_native*.so "$package/pydl/"
# NOTE: `-m pytest` would put this folder, and with it the usual build, before the package.
PYTHONPATH=$package LD_PRELOAD=${PRELOAD:-} PACKAGE=$package "$python" -c '
import os, sys
sys.path.remove("")
import pydl, pytest
assert pydl.__file__.startswith(os.environ["PACKAGE"]), pydl.__file__
sys.exit(pytest.main(sys.argv[1:]))' "$@"
