#!/usr/bin/env bash
# Builds pydl/_native in place, for work on the C++ side: edit, run this, run pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
launcher=$(command -v ccache || true)
cmake -S . -B build/dev -G Ninja -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" "$@" >/dev/null
cmake --build build/dev -j "${JOBS:-2}"
cp --remove-destination build/dev/_native*.so pydl/ # running Pythons keep the old one
