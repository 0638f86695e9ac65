// Nearest and linear interpolation of planes (H, W) to (OH, OW), forward and backward. Where the
// columns read is found once for all rows; the index formulas are torch's, in float32.
#include "core/args/resize.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceElements = 1 << 16;

struct Tap {  // (1 - w) x[lo] + w x[hi]
  int64_t lo, hi;
  float w;
};

bool is_linear(ResizeMode mode) {
  return mode == ResizeMode::kLinear || mode == ResizeMode::kCorners;
}

Tap tap(ResizeMode mode, float scale, int64_t i, int64_t n, int64_t out) {
  if (is_linear(mode) && n == out) return {i, i, 0.0f};
  const bool centres = mode == ResizeMode::kLinear || mode == ResizeMode::kNearestExact;
  const float whole = static_cast<float>(i);
  float at = centres ? ::fmaf(scale, whole + 0.5f, -0.5f) : scale * whole;
  if (mode == ResizeMode::kNearestExact) at = at + 0.5f;
  if (!(at > 0.0f)) at = 0.0f;
  const int64_t last = n - 1;
  const int64_t lo = at < static_cast<float>(n) ? min64(static_cast<int64_t>(at), last) : last;
  if (!is_linear(mode)) return {lo, lo, 0.0f};
  const float w = at - static_cast<float>(lo);
  return {lo, min64(lo + 1, last), w < 0.0f ? 0.0f : (w < 1.0f ? w : 1.0f)};
}

struct Columns {
  const int32_t *lo, *hi;
  const float* w;
};

struct Job {
  const ResizeArgs* a;
  int64_t per;  // rows or planes in a piece
  Columns columns;
};

Job job_of(const ResizeArgs& a, int64_t elements) {
  int32_t* lo = static_cast<int32_t*>(a.work);
  int32_t* hi = lo + a.OW;
  float* w = reinterpret_cast<float*>(hi + a.OW);
  for (int64_t j = 0; j < a.OW; ++j) {
    const Tap t = tap(a.mode, a.scale_w, j, a.W, a.OW);
    lo[j] = static_cast<int32_t>(t.lo);
    hi[j] = static_cast<int32_t>(t.hi);
    w[j] = t.w;
  }
  return {&a, max64(1, kPieceElements / max64(1, elements)), {lo, hi, w}};
}

// What is done along a row: nothing, one element, or two neighbours weighted.
enum { kSame, kOne, kTwo };

template <int kColumns>
inline float value(const Columns& c, const float* p, int64_t j) {
  if (kColumns == kSame) return p[j];
  if (kColumns == kOne) return p[c.lo[j]];
  return (1.0f - c.w[j]) * p[c.lo[j]] + c.w[j] * p[c.hi[j]];
}

// y = (1 - h) of row p and h of row q; without q, row p alone.
template <int kColumns>
void blend(const Columns& c, const float* p, const float* q, float h, int64_t n,
           float* __restrict y) {
  if (q == nullptr) {
    for (int64_t j = 0; j < n; ++j) y[j] = value<kColumns>(c, p, j);
    return;
  }
  for (int64_t j = 0; j < n; ++j) {
    y[j] = (1.0f - h) * value<kColumns>(c, p, j) + h * value<kColumns>(c, q, j);
  }
}

void resize_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const ResizeArgs& a = *job.a;
  const int64_t from = piece * job.per, to = min64(from + job.per, a.planes * a.OH);
  const bool linear = is_linear(a.mode), same = linear && a.W == a.OW;
  const float* before = nullptr;
  for (int64_t row = from; row < to; ++row) {
    const Tap t = tap(a.mode, a.scale_h, row % a.OH, a.H, a.OH);
    const float* plane = a.x + row / a.OH * a.H * a.W;
    const float* p = plane + t.lo * a.W;
    const float* q = linear && a.H != a.OH ? plane + t.hi * a.W : nullptr;
    float* y = a.y + row * a.OW;
    if (same) {
      blend<kSame>(job.columns, p, q, t.w, a.OW, y);
    } else if (linear) {
      blend<kTwo>(job.columns, p, q, t.w, a.OW, y);
    } else if (p == before) {
      memcpy(y, y - a.OW, static_cast<size_t>(a.OW) * sizeof(float));
    } else {
      blend<kOne>(job.columns, p, q, t.w, a.OW, y);
    }
    before = p;
  }
}

template <int kColumns>
void spread(const Columns& c, const float* gy, float share, int64_t n, float* gx) {
  for (int64_t j = 0; j < n; ++j) {
    const float g = share * gy[j];
    if (kColumns == kSame) {
      gx[j] += g;
    } else if (kColumns == kOne) {
      gx[c.lo[j]] += g;
    } else {
      gx[c.lo[j]] += (1.0f - c.w[j]) * g;
      gx[c.hi[j]] += c.w[j] * g;
    }
  }
}

// A plane is summed by one thread, row after row.
void resize_back_planes(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const ResizeArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, a.planes), in = a.H * a.W;
  const bool linear = is_linear(a.mode);
  const auto add = !linear ? spread<kOne> : (a.W == a.OW ? spread<kSame> : spread<kTwo>);
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    float* gx = a.y + plane * in;
    memset(gx, 0, static_cast<size_t>(in) * sizeof(float));
    for (int64_t i = 0; i < a.OH; ++i) {
      const Tap t = tap(a.mode, a.scale_h, i, a.H, a.OH);
      const float* gy = a.x + (plane * a.OH + i) * a.OW;
      add(job.columns, gy, 1.0f - t.w, a.OW, gx + t.lo * a.W);
      if (linear && a.H != a.OH) add(job.columns, gy, t.w, a.OW, gx + t.hi * a.W);
    }
  }
}

}  // namespace

int64_t resize_work(const ResizeArgs& a) { return a.OW * 12; }

void resize(const ResizeArgs& a) {
  const Job job = job_of(a, a.OW);
  parallel_for(ceil_div(a.planes * a.OH, job.per), resize_rows, &job);
}

void resize_backward(const ResizeArgs& a) {
  const Job job = job_of(a, max64(a.H * a.W, a.OH * a.OW));
  parallel_for(ceil_div(a.planes, job.per), resize_back_planes, &job);
}

}  // namespace PYDL_ISA
}  // namespace pydl
