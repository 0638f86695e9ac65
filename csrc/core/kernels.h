// THE CONTRACT between whoever asks for work (bindings, plans) and whoever does it (csrc/cpu, one
// table per ISA; csrc/cuda later): a plain `XxxArgs` struct per kernel family (core/args/) and a
// table of function pointers (core/kernel_list.h).
//
// Rules of every kernel:
// - Arguments are plain data; outputs and workspace (`work`) are the caller's. No allocation, no
//   exception, no printing, no lock. Any size is legal, 0 included; pointers are aligned to the
//   element only.
// - Same bits always: work is cut by the problem alone, never by the number of threads, and sums
//   follow a fixed order.
// - Half types (float16, bfloat16) are for storage: a kernel loads them, computes and accumulates
// in
//   float32, and rounds once as it stores. Where its arguments have a `dtype`, the arrays named
//   there are of that type, whatever their pointer says.
// - Arrays are dense and row-major unless strides (in elements) are given.
// - An index that points outside its array is skipped or gives NaN; it never touches memory.
#pragma once
#include <stdint.h>

#include "core/kernel_list.h"

namespace pydl {

#define PYDL_DECLARE_ARGS(name, Args) struct Args;
PYDL_KERNEL_LIST(PYDL_DECLARE_ARGS)
#undef PYDL_DECLARE_ARGS

struct KernelTable {
#define PYDL_KERNEL_SLOT(name, Args) void (*name)(const Args&);
#define PYDL_WORK_SLOT(name, Args) int64_t (*name)(const Args&);
  PYDL_KERNEL_LIST(PYDL_KERNEL_SLOT)
  PYDL_WORK_LIST(PYDL_WORK_SLOT)
#undef PYDL_KERNEL_SLOT
#undef PYDL_WORK_SLOT
};

// The table chosen once at import (csrc/cpu/dispatch.cc).
const KernelTable& cpu_table();

}  // namespace pydl
