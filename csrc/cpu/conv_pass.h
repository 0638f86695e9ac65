// A pass of a convolution as a correlation, with its pointers. Forward is one pass; the input
// gradient with stride s is s * s passes, one per phase of the input pixels, so that no zero is
// multiplied. Source: Dumoulin, Visin, A guide to convolution arithmetic (2016), section 4.
#pragma once
#include "core/args/conv.h"
#include "core/args/gemm.h"
#include "cpu/conv_block.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// One correlation: out (N, groups * M, ...) from x (N, groups * CI, ...). Weight of (group g,
// output m, input c, tap) is w[g * w_group + m * w_m + c * w_c + tap].
struct Pass {
  Grid g;
  int64_t groups, M, KW;
  const float* x;
  int64_t x_image, x_group;
  const float* w;
  int64_t w_group, w_m, w_c;
  const float* bias;
  bool relu;
  bool words;  // x and w are words of two bfloat16
  float* out;
  int64_t out_image, out_group, out_plane, out_pitch;
  bool lanes_are_pixels;
  int64_t panels_per_piece;  // where lanes are channels
  float* packed;             // weights [group][panel][k][lanes], where lanes are channels
  int64_t* offset;           // of k in the source
  int64_t* places;           // lists of what lies inside, by place
  int64_t* w_offset;         // of k in the weights, where lanes are pixels

  int64_t lanes() const { return Panels(M).vecs * kWidth; }
  bool plain() const {  // k runs through the weights without a gap
    return g.y.kstep == 1 && g.x.kstep == 1 && g.y.k0 == 0 && g.x.k0 == 0 && w_c == g.taps() &&
           g.x.taps == KW;
  }
  int64_t weight_offset(int64_t k) const {
    const int64_t taps = g.taps(), tap = k % taps;
    const int64_t ky = g.y.k0 + tap / g.x.taps * g.y.kstep;
    return k / taps * w_c + ky * KW + g.x.k0 + tap % g.x.taps * g.x.kstep;
  }
};

// Where the output of a block's row i of image n begins, of the first channel.
inline int64_t row_of_output(const Pass& p, const Block& t, int64_t n, int64_t i) {
  const Grid& g = p.g;
  return (t.n0 + n) * p.out_image + (g.y.out0 + (t.i0 + i) * g.y.out_step) * p.out_pitch +
         g.x.out0 + t.j0 * g.x.out_step;
}

inline Axis forward_axis(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad,
                         int64_t dil) {
  return {in, out, out, stride, taps, -pad, dil, 0, 1, 0, 1};
}

// Input pixels with (pixel + pad) % stride == phase, as outputs of a correlation over gy: pixel
// + pad = stride * t + phase reads gy at t - u for the taps k with k * dil = stride * u + phase.
inline Axis phase_axis(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad,
                       int64_t dil, int64_t phase) {
  const int64_t first = ((phase - pad) % stride + stride) % stride;
  Axis a = {out,   in,    first < in ? (in - 1 - first) / stride + 1 : 0, 1, 0, 0, 0, 0, 1,
            first, stride};
  int64_t k = 0, step = 1;
  while (k < taps && k * dil % stride != phase) ++k;
  while (step * dil % stride != 0) ++step;
  if (k >= taps) return a;
  a.taps = (taps - 1 - k) / step + 1;
  a.d0 = (first + pad) / stride - k * dil / stride;
  a.dstep = -(step * dil / stride);
  a.k0 = k;
  a.kstep = step;
  return a;
}

inline Pass forward_pass(const Conv2dArgs& a) {
  Pass p = {};
  p.g.y = forward_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h);
  p.g.x = forward_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w);
  p.groups = a.groups;
  p.M = a.O / a.groups;
  p.g.CI = a.C / a.groups;
  p.x = a.x;
  p.w_c = a.KH * a.KW;
  p.w_m = p.g.CI * p.w_c;
  p.w_group = p.M * p.w_m;
  p.bias = a.bias;
  p.relu = a.act == Act::kRelu;
  p.words = a.words != 0;
  return p;
}

inline Pass grad_input_pass(const Conv2dArgs& a, int64_t phase_y, int64_t phase_x) {
  Pass p = {};
  p.g.y = phase_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h, phase_y);
  p.g.x = phase_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w, phase_x);
  p.groups = a.groups;
  p.M = a.C / a.groups;
  p.g.CI = a.O / a.groups;
  p.x = a.gy;
  p.w_m = a.KH * a.KW;
  p.w_c = p.M * p.w_m;
  p.w_group = p.g.CI * p.w_c;
  p.bias = a.bias;
  p.words = a.words != 0;
  return p;
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
