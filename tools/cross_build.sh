#!/usr/bin/env bash
# Compiles core and the scalar kernels for aarch64, with Debian's cross compiler (installed where it
# is missing and we are root): plain C++ must stay plain.
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=aarch64-linux-gnu-g++
if ! command -v $compiler >/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "cross_build: install g++-aarch64-linux-gnu first"; exit 1; }
  apt-get -qq update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y g++-aarch64-linux-gnu >/dev/null
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags=(-std=c++17 -O1 -fPIC -I csrc -Wall -Wextra -Werror -ffp-contract=off)
for file in csrc/core/*.cc csrc/cpu/*.cc; do
  isa=(-DPYDL_ISA=scalar -DPYDL_ISA_SCALAR)
  echo "${flags[*]} ${isa[*]} -c $file -o $out/$(basename "$file").$RANDOM.o"
done | xargs -P "$(nproc)" -L 1 $compiler
echo "cross_build: $(ls "$out" | wc -l) files compile for aarch64"
