// Weight gradients of layers with few output channels.
#pragma once
#include <stdint.h>

#include "core/args/conv.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

bool dots_fit(const Conv2dArgs& a);
void dots_grad_weight(const Conv2dArgs& a);
int64_t dots_grad_weight_work(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
