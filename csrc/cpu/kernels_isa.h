// Declares every kernel of KernelTable in the namespace of the ISA that includes this file.
#pragma once
#include "core/kernels.h"
#include "core/parallel.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

#define PYDL_DECLARE_KERNEL(name, Args) void name(const Args& a);
#define PYDL_DECLARE_WORK(name, Args) int64_t name(const Args& a);
PYDL_KERNEL_LIST(PYDL_DECLARE_KERNEL)
PYDL_WORK_LIST(PYDL_DECLARE_WORK)
#undef PYDL_DECLARE_KERNEL
#undef PYDL_DECLARE_WORK

}  // namespace PYDL_ISA
}  // namespace pydl
