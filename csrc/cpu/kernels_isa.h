// What the kernels of one ISA share: vectors, threads, and the kernels that other kernels call.
// table.cc alone sees the list of all, so that a new kernel does not compile every file anew.
#pragma once
#include <stdint.h>

#include "core/parallel.h"
#include "cpu/vec.h"

namespace pydl {

struct GemmArgs;

namespace PYDL_ISA {

void gemm(const GemmArgs& a);
int64_t gemm_work(const GemmArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
