// Convolutions that are plain matrix products. Kernels that cover the whole image, the ends of CNNs
// and beginnings of generators: one product over (N, C*H*W). Kernels of one pixel: one product an
// image, of the weights and the image's pixels (C, H*W).
#pragma once
#include "core/args/conv.h"
#include "core/args/gemm.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

inline bool covers_image(const Conv2dArgs& a) {
  return a.words == 0 && a.groups == 1 && a.KH == a.H && a.KW == a.W && a.pad_h == 0 &&
         a.pad_w == 0 && a.dil_h == 1 && a.dil_w == 1;
}

// The row-major product c (m, n) = op(a) op(b), without bias.
inline GemmArgs product(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b, const float* a,
                        const float* b, const Conv2dArgs& conv) {
  GemmArgs g = {};
  g.m = m;
  g.n = n;
  g.k = k;
  g.batch = 1;
  g.lda = trans_a ? m : k;
  g.ldb = trans_b ? k : n;
  g.ldc = n;
  g.trans_a = trans_a;
  g.trans_b = trans_b;
  g.alpha = 1.0f;
  g.dtype = conv.dtype;
  g.a = a;
  g.b = b;
  g.c = conv.out;
  g.work = conv.work;
  return g;
}

inline GemmArgs whole_forward(const Conv2dArgs& a) {
  GemmArgs g = product(a.N, a.O, a.C * a.H * a.W, false, true, a.x, a.w, a);
  g.act = a.act;
  g.bias = a.bias;
  g.bias_axis = a.bias ? BiasAxis::kCol : BiasAxis::kNone;
  return g;
}
inline GemmArgs whole_grad_input_product(const Conv2dArgs& a) {
  return product(a.N, a.C * a.H * a.W, a.O, false, false, a.gy, a.w, a);
}
inline void whole_grad_input(const Conv2dArgs& a) {
  gemm(whole_grad_input_product(a));
  if (a.bias == nullptr) return;
  const int64_t plane = a.H * a.W;
  for (int64_t i = 0; i < a.N * a.C; ++i) {
    float* row = a.out + i * plane;
    for (int64_t j = 0; j < plane; ++j) row[j] += a.bias[i % a.C];
  }
}
// From k channels to m. A product packs the pixels: few of them fill no vectors, and few rows of
// weights do not repay it where there are many channels.
inline bool is_pointwise(const Conv2dArgs& a, int64_t m, int64_t k) {
  return a.words == 0 && a.groups == 1 && a.KH == 1 && a.KW == 1 && a.stride_h == 1 &&
         a.stride_w == 1 && a.pad_h == 0 && a.pad_w == 0 && a.H * a.W >= 64 && (m >= 64 || k <= 64);
}

// The product of an image's channels: (m, k) weights by (k, H*W) pixels.
inline GemmArgs pointwise(int64_t m, int64_t k, bool trans_w, const float* x, const Conv2dArgs& a) {
  const int64_t plane = a.H * a.W;
  GemmArgs g = product(m, plane, k, trans_w, false, a.w, x, a);
  g.batch = a.N;
  g.b_batch = k * plane;
  g.c_batch = m * plane;
  g.act = a.act;
  g.bias = a.bias;
  g.bias_axis = a.bias ? BiasAxis::kRow : BiasAxis::kNone;
  return g;
}
inline GemmArgs pointwise_forward(const Conv2dArgs& a) {
  return pointwise(a.O, a.C, false, a.x, a);
}
inline GemmArgs pointwise_grad_input(const Conv2dArgs& a) {
  return pointwise(a.C, a.O, true, a.gy, a);
}

inline GemmArgs whole_grad_weight(const Conv2dArgs& a) {
  return product(a.O, a.C * a.H * a.W, a.N, true, false, a.gy, a.x, a);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
