// Input gradients of layers with few input channels.
#pragma once
#include <stdint.h>

#include "core/args/conv.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

bool columns_fit(const Conv2dArgs& a);
void columns_grad_input(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
