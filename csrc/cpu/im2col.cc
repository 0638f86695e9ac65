// im2col and col2im as operations of their own (unfold, fold): x (N, C, H, W) <->
// col (N, C*KH*KW, OH*OW). Convolution does not use them; it gathers while packing.
#include <stdint.h>
#include <string.h>

#include "core/args/conv.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceElements = 1 << 16;

struct Job {
  const Im2colArgs* a;
  int64_t per, total;  // rows of col (im2col) or planes of x (col2im)
};

struct Span {
  int64_t lo, hi;
};

// The outputs o in [0, count) with 0 <= o * stride + shift < size.
Span hits(int64_t shift, int64_t stride, int64_t size, int64_t count) {
  const int64_t lo = shift < 0 ? ceil_div(-shift, stride) : 0;
  const int64_t hi = shift >= size ? 0 : min64(count, ceil_div(size - shift, stride));
  return {min64(lo, max64(hi, 0)), max64(hi, 0)};
}

void zero(float* p, int64_t n) { memset(p, 0, static_cast<size_t>(n) * sizeof(float)); }

void copy_strided(float* dst, const float* src, int64_t n, int64_t stride) {
  if (stride == 1) {
    memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
  } else if (stride == 2) {
    for (int64_t i = 0; i < n; i += kWidth) {
      const int64_t m = min64(kWidth, n - i);
      store_tail(dst + i, load_even(src + 2 * i, m), m);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[i * stride];
  }
}

// One row of col: the plane seen through one tap of the window.
void gather_tap(const Im2colArgs& a, const float* x, int64_t kh, int64_t kw, float* col) {
  const int64_t dh = kh * a.dil_h - a.pad_h, dw = kw * a.dil_w - a.pad_w;
  const Span oh = hits(dh, a.stride_h, a.H, a.OH), ow = hits(dw, a.stride_w, a.W, a.OW);
  zero(col, oh.lo * a.OW);
  for (int64_t i = oh.lo; i < oh.hi; ++i) {
    float* row = col + i * a.OW;
    zero(row, ow.lo);
    if (ow.lo < ow.hi) {
      const float* src = x + (i * a.stride_h + dh) * a.W + ow.lo * a.stride_w + dw;
      copy_strided(row + ow.lo, src, ow.hi - ow.lo, a.stride_w);
    }
    zero(row + ow.hi, a.OW - ow.hi);
  }
  zero(col + oh.hi * a.OW, (a.OH - oh.hi) * a.OW);
}

void im2col_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const Im2colArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total), window = a.KH * a.KW;
  for (int64_t r = piece * job.per; r < end; ++r) {
    const int64_t tap = r % window;
    gather_tap(a, a.src + r / window * a.H * a.W, tap / a.KW, tap % a.KW, a.dst + r * a.OH * a.OW);
  }
}

void scatter_tap(const Im2colArgs& a, const float* col, int64_t kh, int64_t kw, float* x) {
  const int64_t dh = kh * a.dil_h - a.pad_h, dw = kw * a.dil_w - a.pad_w;
  const Span oh = hits(dh, a.stride_h, a.H, a.OH), ow = hits(dw, a.stride_w, a.W, a.OW);
  for (int64_t i = oh.lo; i < oh.hi; ++i) {
    const float* __restrict src = col + i * a.OW;
    float* __restrict dst = x + (i * a.stride_h + dh) * a.W;
    if (a.stride_w == 1) {
      for (int64_t j = ow.lo; j < ow.hi; ++j) dst[j + dw] += src[j];
    } else {
      for (int64_t j = ow.lo; j < ow.hi; ++j) dst[j * a.stride_w + dw] += src[j];
    }
  }
}

void col2im_planes(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const Im2colArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total), window = a.KH * a.KW;
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    float* x = a.dst + plane * a.H * a.W;
    zero(x, a.H * a.W);
    for (int64_t tap = 0; tap < window; ++tap) {
      const float* col = a.src + (plane * window + tap) * a.OH * a.OW;
      scatter_tap(a, col, tap / a.KW, tap % a.KW, x);
    }
  }
}

void run(const Im2colArgs& a, int64_t total, int64_t elements_each, PieceFn fn) {
  const Job job = {&a, max64(1, kPieceElements / max64(1, elements_each)), total};
  parallel_for(ceil_div(total, job.per), fn, &job);
}

}  // namespace

void im2col(const Im2colArgs& a) { run(a, a.N * a.C * a.KH * a.KW, a.OH * a.OW, im2col_rows); }

void col2im(const Im2colArgs& a) {
  run(a, a.N * a.C, a.KH * a.KW * a.OH * a.OW + a.H * a.W, col2im_planes);
}

}  // namespace PYDL_ISA
}  // namespace pydl
