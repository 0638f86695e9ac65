#!/usr/bin/env bash
# Runs pytest on a build with AddressSanitizer and UndefinedBehaviorSanitizer; a report fails it.
#   tools/sanitize.sh                  the whole suite (about half an hour)
#   tools/sanitize.sh tests/test_ops.py -k conv
# PYTHON names an interpreter that has pydl's [dev] extra installed.
set -euo pipefail
cd "$(dirname "$0")/.."
PRELOAD=$("${CXX:-c++}" -print-file-name=libasan.so):$("${CXX:-c++}" -print-file-name=libubsan.so)
export PRELOAD
# Python itself never gives all memory back; the largest block keeps hostile sizes from filling it.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=512
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions=$PWD/tools/ubsan.txt
# A report goes to the descriptor that pytest would keep for a test that never ends.
tools/test_build.sh sanitize -DPYDL_SANITIZE=ON --capture=sys "$@"
