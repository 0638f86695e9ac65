// The kernel table of one ISA.
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {

#define PYDL_NAME(name, Args) name,
extern const KernelTable kTable;
const KernelTable kTable = {PYDL_KERNEL_LIST(PYDL_NAME) PYDL_WORK_LIST(PYDL_NAME)};
#undef PYDL_NAME

}  // namespace PYDL_ISA
}  // namespace pydl
