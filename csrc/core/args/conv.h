// Convolution, and the explicit im2col and col2im. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/args/gemm.h"

namespace pydl {

// x (N, C, H, W), w (O, C/groups, KH, KW), bias (O) or null, y (N, O, OH, OW).
struct Conv2dArgs {
  int64_t N, C, H, W, O, KH, KW, OH, OW;
  int64_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups;
  Act act;
  DType dtype;        // of x, w, gy and out: f32 f16 bf16
  int32_t words;      // within a kernel: x, w and gy are words of two bf16 (cpu/conv_half.cc)
  int32_t rounds;     // within a kernel: out will be rounded to a half type
  const float* x;     // forward, grad_weight: input
  const float* w;     // forward, grad_input: input
  const float* bias;  // forward (O), grad_input (C): may be null
  const float* gy;    // grad_input, grad_weight: input
  float* out;         // forward: y; grad_input: gx; grad_weight: gw
  void* work;         // conv2d_*_work_bytes(args)
};

// x (N, C, H, W) <-> col (N, C*KH*KW, OH*OW): im2col copies x to col, col2im sums col into x.
struct Im2colArgs {
  int64_t N, C, H, W, KH, KW, OH, OW;
  int64_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
  const float* src;
  float* dst;
};

}  // namespace pydl
