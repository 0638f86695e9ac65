#!/usr/bin/env bash
# Runs pytest on the AVX-512 kernels where the machine has AVX2 alone: their intrinsics are made of
# loops (tools/emulate/avx512.h), so results and bounds are tested, speed is not.
#   tools/emulate_avx512.sh                  the whole suite
#   tools/emulate_avx512.sh tests/test_conv_winograd.py
#   PYDL_ISA=avx512_amx tools/emulate_avx512.sh tests/test_half.py   also avx512_bf16
# PYTHON names an interpreter that has pydl's [dev] extra installed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYDL_ISA=${PYDL_ISA:-avx512}
tools/test_build.sh emulate -DPYDL_EMULATE_AVX512=ON "$@"
