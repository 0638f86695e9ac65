// The kernel table of one ISA, from the declarations of all its kernels.
#include <stdint.h>

#include "core/kernels.h"

namespace pydl {
namespace PYDL_ISA {

#define PYDL_DECLARE_KERNEL(name, Args) void name(const Args& a);
#define PYDL_DECLARE_WORK(name, Args) int64_t name(const Args& a);
PYDL_KERNEL_LIST(PYDL_DECLARE_KERNEL)
PYDL_WORK_LIST(PYDL_DECLARE_WORK)
#undef PYDL_DECLARE_KERNEL
#undef PYDL_DECLARE_WORK

#define PYDL_NAME(name, Args) name,
extern const KernelTable kTable;
const KernelTable kTable = {PYDL_KERNEL_LIST(PYDL_NAME) PYDL_WORK_LIST(PYDL_NAME)};
#undef PYDL_NAME

}  // namespace PYDL_ISA
}  // namespace pydl
