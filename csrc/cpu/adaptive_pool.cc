// Adaptive pooling of planes (H, W) to (OH, OW): average forward and backward, and max, whose
// backward is that of max pooling.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cpu/pool_pieces.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Output i of OH covers inputs [floor(i H / OH), ceil((i + 1) H / OH)).
Span adaptive(int64_t i, int64_t size, int64_t out) {
  return {i * size / out, ceil_div((i + 1) * size, out)};
}

float sum_run(const float* p, int64_t n) {
  Vec s[4] = {set1(0.0f), set1(0.0f), set1(0.0f), set1(0.0f)};
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    for (int64_t k = 0; k < 4; ++k) s[k] = s[k] + load(p + i + k * kWidth);
  }
  for (; i < n; i += kWidth) s[0] = s[0] + load_tail(p + i, min64(kWidth, n - i));
  return reduce_add((s[0] + s[1]) + (s[2] + s[3]));
}

void adaptive_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total);
  for (int64_t row = piece * job.per; row < end; ++row) {
    const Span h = adaptive(row % a.OH, a.H, a.OH);
    const float* x = a.x + row / a.OH * a.H * a.W;
    for (int64_t ow = 0; ow < a.OW; ++ow) {
      const Span w = adaptive(ow, a.W, a.OW);
      const int64_t rows = h.hi - h.lo, cols = w.hi - w.lo;
      float sum = 0.0f;
      if (cols == a.W) {
        sum = sum_run(x + h.lo * a.W, rows * cols);
      } else {
        for (int64_t i = h.lo; i < h.hi; ++i) sum += sum_run(x + i * a.W + w.lo, cols);
      }
      a.y[row * a.OW + ow] = sum / static_cast<float>(rows * cols);
    }
  }
}

void adaptive_max_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total);
  for (int64_t row = piece * job.per; row < end; ++row) {
    const Span h = adaptive(row % a.OH, a.H, a.OH);
    const float* x = a.x + row / a.OH * a.H * a.W;
    for (int64_t ow = 0; ow < a.OW; ++ow) {
      const Span w = adaptive(ow, a.W, a.OW);
      int64_t where = h.lo * a.W + w.lo;
      float best = x[where];
      for (int64_t i = h.lo; i < h.hi; ++i) {
        for (int64_t at = i * a.W + w.lo; at < i * a.W + w.hi; ++at) {
          if (x[at] <= best) continue;
          if (x[at] > best || x[at] != x[at]) {
            best = x[at];
            where = at;
          }
        }
      }
      a.y[row * a.OW + ow] = best;
      a.indices[row * a.OW + ow] = static_cast<int32_t>(where);
    }
  }
}

void adaptive_back_planes(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total), in = a.H * a.W;
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    const float* gy = a.x + plane * a.OH * a.OW;
    float* gx = a.y + plane * in;
    memset(gx, 0, static_cast<size_t>(in) * sizeof(float));
    for (int64_t i = 0; i < a.OH * a.OW; ++i) {
      const Span h = adaptive(i / a.OW, a.H, a.OH), w = adaptive(i % a.OW, a.W, a.OW);
      const float share = gy[i] / static_cast<float>((h.hi - h.lo) * (w.hi - w.lo));
      for (int64_t r = h.lo; r < h.hi; ++r) {
        for (int64_t c = w.lo; c < w.hi; ++c) gx[r * a.W + c] += share;
      }
    }
  }
}

}  // namespace

void adaptive_max_pool(const PoolArgs& a) {
  if (is_half(a.dtype)) return run_half_planes(a, adaptive_max_pool, false);
  run_rows(a, {0, 0}, a.H / max64(1, a.OH) * a.W, adaptive_max_rows);
}
void adaptive_avg_pool(const PoolArgs& a) {
  if (is_half(a.dtype)) return run_half_planes(a, adaptive_avg_pool, false);
  run_rows(a, {0, 0}, a.H / max64(1, a.OH) * a.W, adaptive_rows);
}
void adaptive_avg_pool_backward(const PoolArgs& a) {
  if (is_half(a.dtype)) return run_half_planes(a, adaptive_avg_pool_backward, true);
  run_planes(a, {0, 0}, adaptive_back_planes);
}

}  // namespace PYDL_ISA
}  // namespace pydl
