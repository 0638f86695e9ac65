// Convolutions whose groups have one input channel each: planes, not matrices. Direct kernels.
#pragma once
#include <stdint.h>

#include "core/args/conv.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// Whether the kernels below take it; all others are implicit GEMMs.
bool is_depthwise(const Conv2dArgs& a);

void depthwise_forward(const Conv2dArgs& a);
void depthwise_grad_input(const Conv2dArgs& a);
void depthwise_grad_weight(const Conv2dArgs& a);
int64_t depthwise_grad_weight_work(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
