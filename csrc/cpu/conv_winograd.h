// Convolutions whose kernel is 2 or 3 strides long in both dimensions, by Winograd's algorithm.
#pragma once
#include <stdint.h>

#include "core/args/conv.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// Whether the kernels below take it and are faster than an implicit GEMM.
bool winograd_fits(const Conv2dArgs& a, bool grad_input);

// Whether they are faster than an implicit GEMM at twice the speed, of pairs of bfloat16.
bool winograd_saves(const Conv2dArgs& a, bool grad_input);

void winograd_forward(const Conv2dArgs& a);
void winograd_grad_input(const Conv2dArgs& a);
void winograd_grad_weight(const Conv2dArgs& a);
int64_t winograd_forward_work(const Conv2dArgs& a);
int64_t winograd_grad_input_work(const Conv2dArgs& a);
int64_t winograd_grad_weight_work(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
