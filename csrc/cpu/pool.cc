// Max and average pooling of planes (H, W) to (OH, OW), forward and backward. Rows of the output
// are walked; columns whose window lies inside the plane go by vectors of neighbouring outputs
// (stride 1 or 2), the rest one by one. A maximum whose place nobody asks for goes down the columns
// first, then along the row. Rules at the edges are torch's.
#include "core/args/pool.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cpu/pool_2x2.h"
#include "cpu/pool_pieces.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// The columns whose windows lie wholly inside [0, W): the same for every row.
Span inner_columns(const PoolArgs& a) {
  const int64_t last = a.W - 1 - (a.KW - 1) * a.dil_w + a.pad_w;  // largest ow * stride_w
  const int64_t hi = last < 0 ? 0 : min64(last / a.stride_w + 1, a.OW);
  return {min64(ceil_div(a.pad_w, a.stride_w), hi), hi};
}

// The taps k of a window starting at `start` (may be negative) that hit [0, size).
Span taps(int64_t start, int64_t k, int64_t dil, int64_t size) {
  if (start >= 0 && start + (k - 1) * dil < size) return {0, k};
  const int64_t lo = start < 0 ? ceil_div(-start, dil) : 0;
  const int64_t hi = start >= size ? 0 : min64(k, ceil_div(size - start, dil));
  return {min64(lo, max64(hi, 0)), max64(hi, 0)};
}

template <int kStep>
inline Vec load_step(const float* p, int64_t n) {
  return kStep == 1 ? load_tail(p, n) : load_even(p, n);
}

// ---- max ---------------------------------------------------------------------------------------

// y, indices [ow] of one window.
void max_one(const PoolArgs& a, const float* x, int64_t h0, int64_t ow, float* y, int32_t* index) {
  const int64_t w0 = ow * a.stride_w - a.pad_w;
  const Span kh = taps(h0, a.KH, a.dil_h, a.H), kw = taps(w0, a.KW, a.dil_w, a.W);
  float best = -INFINITY;
  int64_t where = -1;
  for (int64_t i = kh.lo; i < kh.hi; ++i) {
    for (int64_t j = kw.lo; j < kw.hi; ++j) {
      const int64_t at = (h0 + i * a.dil_h) * a.W + w0 + j * a.dil_w;
      const float v = x[at];
      if (where < 0 || v > best || v != v) {
        best = v;
        where = at;
      }
    }
  }
  y[ow] = best;
  if (index != nullptr) index[ow] = static_cast<int32_t>(where);
}

// Outputs [cols.lo, cols.hi), all inside in W; kSide > 0 is a known KH = KW without dilation.
// `offset` is where the winner lies from the first tap of lane 0: a whole number in a float, so it
// must stay below 2^24.
template <int kStep, int kSide>
void max_span(const PoolArgs& a, const float* x, int64_t h0, Span kh, Span cols, float* y,
              int32_t* index) {
  static const float kRamp[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Vec lane = load(kRamp) * set1(static_cast<float>(kStep));
  const int64_t rows = kSide > 0 ? kSide : kh.hi - kh.lo, taps_w = kSide > 0 ? kSide : a.KW;
  const int64_t down = a.dil_h * a.W, right = kSide > 0 ? 1 : a.dil_w;
  for (int64_t ow = cols.lo; ow < cols.hi; ow += kWidth) {
    const int64_t n = min64(kWidth, cols.hi - ow);
    const int64_t first = (h0 + kh.lo * a.dil_h) * a.W + ow * kStep - a.pad_w;
    Vec best = load_step<kStep>(x + first, n), offset = set1(0.0f);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = i == 0 ? 1 : 0; j < taps_w; ++j) {
        const int64_t tap = i * down + j * right;
        const Vec v = load_step<kStep>(x + first + tap, n);
        const Mask stays = (v == v) & !(v > best);
        best = select(stays, best, v);
        offset = select(stays, offset, set1(static_cast<float>(tap)));
      }
    }
    store_tail(y + ow, best, n);
    if (index != nullptr) store_int(index + ow, offset + lane, static_cast<int32_t>(first), n);
  }
}

using SpanFn = void (*)(const PoolArgs&, const float*, int64_t, Span, Span, float*, int32_t*);

SpanFn span_for(const PoolArgs& a, Span kh) {
  const bool whole = kh.lo == 0 && kh.hi == a.KH && a.KH == a.KW && a.dil_h == 1 && a.dil_w == 1;
  if (a.stride_w == 1) return whole && a.KW == 3 ? max_span<1, 3> : max_span<1, 0>;
  if (whole && a.KW == 2) return max_span<2, 2>;
  return whole && a.KW == 3 ? max_span<2, 3> : max_span<2, 0>;
}

void max_row(const PoolArgs& a, Span inner, int64_t plane, int64_t oh) {
  const int64_t h0 = oh * a.stride_h - a.pad_h, row = (plane * a.OH + oh) * a.OW;
  const float* x = a.x + plane * a.H * a.W;
  float* y = a.y + row;
  int32_t* index = a.indices == nullptr ? nullptr : a.indices + row;
  const Span kh = taps(h0, a.KH, a.dil_h, a.H);
  const bool exact = (a.KH * a.dil_h + 1) * a.W < (1 << 24);
  if (kh.lo == kh.hi || a.stride_w > 2 || !exact) inner = {0, 0};
  for (int64_t ow = 0; ow < inner.lo; ++ow) max_one(a, x, h0, ow, y, index);
  span_for(a, kh)(a, x, h0, kh, inner, y, index);
  for (int64_t ow = inner.hi; ow < a.OW; ++ow) max_one(a, x, h0, ow, y, index);
}

void max_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const int64_t end = min64((piece + 1) * job.per, job.total);
  for (int64_t row = piece * job.per; row < end; ++row) {
    max_row(*job.a, job.inner, row / job.a->OH, row % job.a->OH);
  }
}

// ---- max without indices: first down the columns, then along the row ---------------------------

inline Vec larger(Vec best, Vec v) { return select((v == v) & !(v > best), best, v); }

// How many columns the windows of a row cover, padding included.
int64_t covered(const PoolArgs& a) { return (a.OW - 1) * a.stride_w + (a.KW - 1) * a.dil_w + 1; }

// columns [covered]: the largest of each column over the rows of the windows of a row of y.
void max_columns(const PoolArgs& a, const float* x, int64_t h0, float* columns) {
  const Span kh = taps(h0, a.KH, a.dil_h, a.H);
  const int64_t width = covered(a), end = kh.lo < kh.hi ? min64(width, a.pad_w + a.W) : 0;
  const int64_t begin = min64(a.pad_w, end);
  for (int64_t i = 0; i < begin; ++i) columns[i] = -INFINITY;
  for (int64_t i = begin; i < end; i += kWidth) {
    const int64_t n = min64(kWidth, end - i);
    const float* p = x + (h0 + kh.lo * a.dil_h) * a.W + i - a.pad_w;
    Vec best = load_tail(p, n);
    for (int64_t k = 1; k < kh.hi - kh.lo; ++k)
      best = larger(best, load_tail(p + k * a.dil_h * a.W, n));
    store_tail(columns + i, best, n);
  }
  for (int64_t i = end; i < width; ++i) columns[i] = -INFINITY;
}

template <int kStep>
void max_along(const PoolArgs& a, const float* columns, float* y) {
  for (int64_t ow = 0; ow < a.OW; ow += kWidth) {
    const int64_t n = min64(kWidth, a.OW - ow);
    Vec best = load_step<kStep>(columns + ow * kStep, n);
    for (int64_t j = 1; j < a.KW; ++j) {
      best = larger(best, load_step<kStep>(columns + ow * kStep + j * a.dil_w, n));
    }
    store_tail(y + ow, best, n);
  }
}

void max_along_any(const PoolArgs& a, const float* columns, float* y) {
  for (int64_t ow = 0; ow < a.OW; ++ow) {
    const float* p = columns + ow * a.stride_w;
    float best = p[0];
    for (int64_t j = 1; j < a.KW; ++j) {
      const float v = p[j * a.dil_w];
      if (v > best || v != v) best = v;
    }
    y[ow] = best;
  }
}

void max_rows_alone(const void* ctx, int64_t piece, void* scratch) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  float* columns = static_cast<float*>(scratch);
  const auto along = a.stride_w == 1   ? max_along<1>
                     : a.stride_w == 2 ? max_along<2>
                                       : max_along_any;
  const int64_t end = min64((piece + 1) * job.per, job.total);
  for (int64_t row = piece * job.per; row < end; ++row) {
    const int64_t h0 = row % a.OH * a.stride_h - a.pad_h;
    max_columns(a, a.x + row / a.OH * a.H * a.W, h0, columns);
    along(a, columns, a.y + row * a.OW);
  }
}

struct UnpoolJob {
  const UnpoolArgs* a;
  int64_t per;  // planes in a piece
};

// Planes of gradients in float32: their own memory, or a copy of each in the staging of a piece.
struct Wide {
  const float* gy;
  float* gx;
};
Wide wide_planes(const float* gy, int64_t, float* gx, int64_t, void*) { return {gy, gx}; }
template <class T>
Wide wide_planes(const T* gy, int64_t out, T*, int64_t in, void* scratch) {
  float* sums = staging_of(scratch);
  float* copy = sums + ceil_div(in, 16) * 16;
  widen_run(gy, out, copy);
  return {copy, sums};
}
void round_plane(const float*, int64_t, float*) {}
template <class T>
void round_plane(const float* sums, int64_t n, T* gx) {
  narrow_run(Output(gx, 0), sums, n, gx);
}

template <class T>
void max_back_planes(const void* ctx, int64_t piece, void* scratch) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total), in = a.H * a.W, out = a.OH * a.OW;
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    const T* gy = as<T>(a.x) + plane * out;
    const int32_t* __restrict index = a.indices + plane * out;
    T* gx = as<T>(a.y) + plane * in;
    if (spread_plane_2x2(a, gy, index, gx)) continue;
    const Wide w = wide_planes(gy, out, gx, in, scratch);
    float* __restrict sums = w.gx;
    const float* __restrict g = w.gy;
    memset(sums, 0, static_cast<size_t>(in) * sizeof(float));
    for (int64_t i = 0; i < out; ++i) {
      if (index[i] >= 0 && index[i] < in) sums[index[i]] += g[i];
    }
    round_plane(sums, in, gx);
  }
}

// A place named twice keeps the later element.
void unpool_planes(const void* ctx, int64_t piece, void*) {
  const UnpoolJob& job = *static_cast<const UnpoolJob*>(ctx);
  const UnpoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, a.planes);
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    float* __restrict y = a.y + plane * a.out;
    memset(y, 0, static_cast<size_t>(a.out) * sizeof(float));
    for (int64_t i = plane * a.in; i < (plane + 1) * a.in; ++i) {
      if (a.indices[i] >= 0 && a.indices[i] < a.out) y[a.indices[i]] = a.x[i];
    }
  }
}

// ---- average -----------------------------------------------------------------------------------

// Torch's rule: padding counts (if asked), what ceil_mode hangs over beyond it does not.
float divisor_of(const PoolArgs& a, int64_t h0, Span kh, int64_t w0, Span kw) {
  if (a.divisor != 0) return static_cast<float>(a.divisor);
  if (a.count_include_pad == 0) return static_cast<float>((kh.hi - kh.lo) * (kw.hi - kw.lo));
  const int64_t rows = min64(a.KH, a.H + a.pad_h - h0), cols = min64(a.KW, a.W + a.pad_w - w0);
  return static_cast<float>(rows * cols);
}

void average_one(const PoolArgs& a, const float* x, int64_t h0, Span kh, int64_t ow, float* y) {
  const int64_t w0 = ow * a.stride_w - a.pad_w;
  const Span kw = taps(w0, a.KW, 1, a.W);
  float sum = 0.0f;
  for (int64_t i = kh.lo; i < kh.hi; ++i) {
    for (int64_t j = kw.lo; j < kw.hi; ++j) sum += x[(h0 + i) * a.W + w0 + j];
  }
  const bool empty = kh.lo == kh.hi || kw.lo == kw.hi;
  y[ow] = empty ? 0.0f : sum / divisor_of(a, h0, kh, w0, kw);
}

template <int kStep>
void average_span(const PoolArgs& a, const float* x, int64_t h0, Span kh, Span cols, float* y) {
  const Vec divisor = set1(divisor_of(a, h0, kh, 0, {0, a.KW}));
  for (int64_t ow = cols.lo; ow < cols.hi; ow += kWidth) {
    const int64_t n = min64(kWidth, cols.hi - ow);
    const float* p = x + h0 * a.W + ow * kStep - a.pad_w;
    Vec sum = set1(0.0f);
    for (int64_t i = kh.lo; i < kh.hi; ++i) {
      for (int64_t j = 0; j < a.KW; ++j) sum = sum + load_step<kStep>(p + i * a.W + j, n);
    }
    store_tail(y + ow, sum / divisor, n);
  }
}

void average_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total);
  for (int64_t row = piece * job.per; row < end; ++row) {
    const int64_t h0 = row % a.OH * a.stride_h - a.pad_h;
    const float* x = a.x + row / a.OH * a.H * a.W;
    float* y = a.y + row * a.OW;
    const Span kh = taps(h0, a.KH, 1, a.H);
    const Span inner = kh.lo == kh.hi || a.stride_w > 2 ? Span{0, 0} : job.inner;
    for (int64_t ow = 0; ow < inner.lo; ++ow) average_one(a, x, h0, kh, ow, y);
    if (a.stride_w == 1) {
      average_span<1>(a, x, h0, kh, inner, y);
    } else {
      average_span<2>(a, x, h0, kh, inner, y);
    }
    for (int64_t ow = inner.hi; ow < a.OW; ++ow) average_one(a, x, h0, kh, ow, y);
  }
}

// gx of one window += its share, tap by tap; the window may hang over the left or right edge.
void spread_one(const PoolArgs& a, float gy, int64_t h0, Span kh, int64_t ow, float* gx) {
  const int64_t w0 = ow * a.stride_w - a.pad_w;
  const Span kw = taps(w0, a.KW, 1, a.W);
  const float share = gy / divisor_of(a, h0, kh, w0, kw);
  for (int64_t i = kh.lo; i < kh.hi; ++i) {
    for (int64_t j = kw.lo; j < kw.hi; ++j) gx[(h0 + i) * a.W + w0 + j] += share;
  }
}

// The same for windows [cols.lo, cols.hi), all inside in W, of stride 1: a tap of all at once.
void spread_span(const PoolArgs& a, const float* gy, int64_t h0, Span kh, Span cols, float* gx) {
  const Vec divisor = set1(divisor_of(a, h0, kh, 0, {0, a.KW}));
  for (int64_t ow = cols.lo; ow < cols.hi; ow += kWidth) {
    const int64_t n = min64(kWidth, cols.hi - ow);
    const Vec share = load_tail(gy + ow, n) / divisor;
    for (int64_t i = kh.lo; i < kh.hi; ++i) {
      float* to = gx + (h0 + i) * a.W + ow - a.pad_w;
      for (int64_t j = 0; j < a.KW; ++j) store_tail(to + j, load_tail(to + j, n) + share, n);
    }
  }
}

// The same for any stride.
void spread_strided(const PoolArgs& a, const float* gy, int64_t h0, Span kh, Span cols, float* gx) {
  const float divisor = divisor_of(a, h0, kh, 0, {0, a.KW});
  for (int64_t i = kh.lo; i < kh.hi; ++i) {
    float* row = gx + (h0 + i) * a.W - a.pad_w;
    for (int64_t ow = cols.lo; ow < cols.hi; ++ow) {
      const float share = gy[ow] / divisor;
      for (int64_t j = 0; j < a.KW; ++j) row[ow * a.stride_w + j] += share;
    }
  }
}

void average_back_planes(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total), in = a.H * a.W;
  const Span inner = job.inner;
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    float* gx = a.y + plane * in;
    memset(gx, 0, static_cast<size_t>(in) * sizeof(float));
    for (int64_t oh = 0; oh < a.OH; ++oh) {
      const float* gy = a.x + (plane * a.OH + oh) * a.OW;
      const int64_t h0 = oh * a.stride_h - a.pad_h;
      const Span kh = taps(h0, a.KH, 1, a.H);
      for (int64_t ow = 0; ow < inner.lo; ++ow) spread_one(a, gy[ow], h0, kh, ow, gx);
      (a.stride_w == 1 ? spread_span : spread_strided)(a, gy, h0, kh, inner, gx);
      for (int64_t ow = inner.hi; ow < a.OW; ++ow) spread_one(a, gy[ow], h0, kh, ow, gx);
    }
  }
}

// ---- windows of 2 x 2 side by side --------------------------------------------------------------

enum class Kind { kMax, kMaxIndices, kAverage };

template <Kind kKind, class T>
void rows_2x2(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, job.total);
  const Vec divisor = set1(a.divisor == 0 ? 4.0f : static_cast<float>(a.divisor));
  int64_t row = piece * job.per, oh = row % a.OH;
  const T* plane = as<T>(a.x) + row / a.OH * a.H * a.W;
  for (; row < end; ++row) {
    T* y = as<T>(a.y) + row * a.OW;
    int32_t* index = kKind == Kind::kMaxIndices ? a.indices + row * a.OW : nullptr;
    row_2x2(a, oh, (end - row) * a.OW,
            [&](int64_t at, int64_t i, int64_t n) __attribute__((always_inline)) {
              if constexpr (kKind == Kind::kAverage) {
                average_2x2(plane + at, a.W, divisor, n, y + i);
              } else {
                constexpr bool kIndices = kKind == Kind::kMaxIndices;
                max_2x2<kIndices>(plane + at, a.W, at, n, y + i, kIndices ? index + i : nullptr);
              }
            });
    if (++oh == a.OH) oh = 0, plane += a.H * a.W;
  }
}

template <Kind kKind>
void run_2x2(const PoolArgs& a) {
  const PieceFn fn =
      of_type(a.dtype, rows_2x2<kKind, float>, rows_2x2<kKind, F16>, rows_2x2<kKind, BF16>);
  run_rows(a, {0, 0}, 2 * a.W, fn);
}

template <class T>
void share_planes_2x2(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PoolArgs& a = *job.a;
  const Vec divisor = set1(a.divisor == 0 ? 4.0f : static_cast<float>(a.divisor));
  const int64_t end = min64((piece + 1) * job.per, job.total);
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    share_plane_2x2(a, as<T>(a.x) + plane * a.OH * a.OW, divisor, as<T>(a.y) + plane * a.H * a.W);
  }
}

}  // namespace

void max_pool(const PoolArgs& a) {
  if (is_2x2(a)) {
    return a.indices == nullptr ? run_2x2<Kind::kMax>(a) : run_2x2<Kind::kMaxIndices>(a);
  }
  if (is_half(a.dtype)) return run_half_planes(a, max_pool, false);
  const bool fits = covered(a) * static_cast<int64_t>(sizeof(float)) <= kScratchBytes;
  PieceFn rows = a.indices == nullptr && fits ? max_rows_alone : max_rows;
  run_rows(a, inner_columns(a), a.stride_h * a.W, rows);
}
void max_pool_backward(const PoolArgs& a) {
  const PieceFn fn =
      of_type(a.dtype, max_back_planes<float>, max_back_planes<F16>, max_back_planes<BF16>);
  run_planes(a, {0, 0}, fn);
}
void max_unpool(const UnpoolArgs& a) {
  const UnpoolJob job = {&a, max64(1, kPieceElements / max64(1, max64(a.in, a.out)))};
  parallel_for(ceil_div(a.planes, job.per), unpool_planes, &job);
}

void avg_pool(const PoolArgs& a) {
  if (is_2x2(a)) return run_2x2<Kind::kAverage>(a);
  if (is_half(a.dtype)) return run_half_planes(a, avg_pool, false);
  run_rows(a, inner_columns(a), a.stride_h * a.W, average_rows);
}
void avg_pool_backward(const PoolArgs& a) {
  if (is_2x2(a)) {
    const PieceFn fn =
        of_type(a.dtype, share_planes_2x2<float>, share_planes_2x2<F16>, share_planes_2x2<BF16>);
    return run_planes(a, {0, 0}, fn);
  }
  if (is_half(a.dtype)) return run_half_planes(a, avg_pool_backward, true);
  run_planes(a, inner_columns(a), average_back_planes);
}

}  // namespace PYDL_ISA
}  // namespace pydl
