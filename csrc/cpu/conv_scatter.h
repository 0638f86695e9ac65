// Input gradients that are added up pixel by pixel of gy.
#pragma once
#include <stdint.h>

#include "core/args/conv.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// Whether the kernel below takes it and makes fewer products than an implicit GEMM.
bool scatter_fits(const Conv2dArgs& a);

void scatter_grad_input(const Conv2dArgs& a);
int64_t scatter_grad_input_work(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
