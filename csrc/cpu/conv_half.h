// Convolutions of half types: see conv_half.cc. Not those that are one product (conv_whole.h),
// which the products of half matrices do.
#pragma once
#include "core/args/conv.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {

void half_forward(const Conv2dArgs& a);
void half_grad_input(const Conv2dArgs& a);
void half_grad_weight(const Conv2dArgs& a);
int64_t half_forward_work(const Conv2dArgs& a);
int64_t half_grad_input_work(const Conv2dArgs& a);
int64_t half_grad_weight_work(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl
