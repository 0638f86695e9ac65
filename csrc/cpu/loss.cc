// Cross entropy of logits (N, C, S) with class ids (N, S): log-softmax and the negative log
// likelihood in one kernel, unreduced, and its gradient. Formulas: core/kernels.h.
#include "core/args/loss.h"

#include "cpu/sliced.h"
#include "cpu/softmax_rows.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr float kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

inline float weight_of(const float* weight, int64_t c) { return weight ? weight[c] : 1.0f; }

float weight_sum(const float* weight, int64_t C) {
  if (weight == nullptr) return static_cast<float>(C);
  Vec sum = set1(0.0f);
  for (int64_t i = 0; i < C; i += kWidth) sum = sum + load_tail(weight + i, min64(kWidth, C - i));
  return reduce_add(sum);
}

// sum over c of w[c] * (log_sum - (x[c * stride] - m))
template <class T>
float sum_over_classes(const CrossEntropyArgs& a, const T* x, int64_t stride, float m,
                       float log_sum) {
  float total = 0.0f;
  if (stride != 1) {
    for (int64_t c = 0; c < a.C; ++c) {
      total += weight_of(a.weight, c) * (log_sum - (to_float(x[c * stride]) - m));
    }
    return total;
  }
  Vec sum = set1(0.0f);
  for (int64_t c = 0; c < a.C; c += kWidth) {
    const int64_t lanes = min64(kWidth, a.C - c);
    const Vec loss = set1(log_sum) - (load_filled(x + c, lanes, m) - set1(m));
    const Vec w = a.weight ? load_tail(a.weight + c, lanes) : load_filled(kOnes, lanes, 0.0f);
    sum = fma(w, loss, sum);
  }
  return reduce_add(sum);
}

// One prediction: x[c * stride], with its maximum m and log_sum = log sum e^(x - m).
template <class T>
void write_loss(const CrossEntropyArgs& a, const T* x, int64_t stride, int64_t at, float m,
                float log_sum) {
  const int64_t t = a.target[at];
  a.lse[at] = m + log_sum;
  if (t == a.ignore_index) {
    a.loss[at] = a.count[at] = 0.0f;
    return;
  }
  if (t < 0 || t >= a.C) {
    a.loss[at] = a.count[at] = NAN;
    return;
  }
  const float w = weight_of(a.weight, t);
  float loss = w * (log_sum - (to_float(x[t * stride]) - m));
  if (a.smoothing > 0.0f) {
    const float all = sum_over_classes(a, x, stride, m, log_sum);
    loss = (1.0f - a.smoothing) * loss + a.smoothing / static_cast<float>(a.C) * all;
  }
  a.loss[at] = loss;
  a.count[at] = w;
}

template <class T>
void rows_piece(const void* ctx, int64_t piece, void*) {
  const CrossEntropyArgs& a = *static_cast<const CrossEntropyArgs*>(ctx);
  const int64_t rows = row_cut(a.N, a.C, 1).outers, n0 = piece * rows;
  for (int64_t from = n0; from < min64(a.N, n0 + rows); from += kWidth) {
    const int64_t lanes = min64(kWidth, min64(a.N, n0 + rows) - from);
    float m[kWidth], sum[kWidth] = {};
    for (int64_t i = 0; i < lanes; ++i) {
      const T* x = as<T>(a.x) + (from + i) * a.C;
      m[i] = row_max(x, a.C);
      sum[i] = row_sum_exp(x, a.C, m[i]);
    }
    store(sum, log(load(sum)));
    for (int64_t i = 0; i < lanes; ++i) {
      write_loss(a, as<T>(a.x) + (from + i) * a.C, 1, from + i, m[i], sum[i]);
    }
  }
}

void tiles_piece(const void* ctx, int64_t piece, void* scratch) {
  const CrossEntropyArgs& a = *static_cast<const CrossEntropyArgs*>(ctx);
  const RowCut c = row_cut(a.N, a.C, a.S);
  const int64_t n0 = piece / c.tiles * c.outers, s0 = piece % c.tiles * c.tile;
  const int64_t width = min64(c.tile, a.S - s0);
  float* m = static_cast<float*>(scratch);
  float* sum = m + kTileWidth;
  for (int64_t n = n0; n < min64(a.N, n0 + c.outers); ++n) {
    const float* x = a.x + n * a.C * a.S + s0;
    tile_max(x, a.C, a.S, width, m);
    tile_sum_exp(x, a.C, a.S, width, m, sum, nullptr);
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i);
      store_tail(sum + i, log(load_tail(sum + i, lanes)), lanes);
    }
    for (int64_t i = 0; i < width; ++i) write_loss(a, x + i, a.S, n * a.S + s0 + i, m[i], sum[i]);
  }
}

// gx[c] = p * e^(x[c] - lse) - q * w[c] - (c == t ? r : 0)
struct Factors {
  float p, q, r;
};

Factors factors(const CrossEntropyBackwardArgs& a, float w_sum, int64_t at) {
  const int64_t t = a.target[at];
  if (t == a.ignore_index) return {0.0f, 0.0f, 0.0f};
  if (t < 0 || t >= a.C) return {NAN, NAN, 0.0f};
  const float each = a.smoothing / static_cast<float>(a.C);
  const float hit = (1.0f - a.smoothing) * weight_of(a.weight, t);
  const float gy = a.gy[at * a.gy_step];
  return {gy * (hit + each * w_sum), gy * each, gy * hit};
}

// Lanes whose p is 0 are ignored predictions: exactly 0, whatever x holds.
inline Vec gradient(Vec x, Vec lse, Vec p, Vec q, Vec w) {
  const Vec g = fma(p, exp(x - lse), neg(q * w));
  return select((p == set1(0.0f)) & (q == set1(0.0f)), set1(0.0f), g);
}

// v - r in lane i alone.
inline Vec less_in_lane(Vec v, int64_t i, float r) {
  static constexpr float kHot[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return select(load(kHot + 16 - i) == set1(1.0f), v - set1(r), v);
}

template <class T>
void backward_row(const CrossEntropyBackwardArgs& a, const Factors& f, int64_t n) {
  const T* x = as<T>(a.x) + n * a.C;
  T* gx = as<T>(a.gx) + n * a.C;
  const int64_t target = f.r != 0.0f ? a.target[n] : -1;
  const Vec lse = set1(a.lse[n]), p = set1(f.p), q = set1(f.q), one = set1(1.0f);
  for (int64_t i = 0; i < a.C; i += kWidth) {
    const int64_t lanes = min64(kWidth, a.C - i);
    const Vec w = a.weight ? load_tail(a.weight + i, lanes) : one;
    Vec g = gradient(load_tail(x + i, lanes), lse, p, q, w);
    if (target >= i && target < i + kWidth) g = less_in_lane(g, target - i, f.r);
    store_tail(gx + i, g, lanes);
  }
}

void backward_tile(const CrossEntropyBackwardArgs& a, float w_sum, int64_t n, int64_t s0,
                   int64_t width, float* p) {
  float* q = p + kTileWidth;
  float* r = q + kTileWidth;
  const int64_t at = n * a.S + s0;
  for (int64_t i = 0; i < width; ++i) {
    const Factors f = factors(a, w_sum, at + i);
    p[i] = f.p;
    q[i] = f.q;
    r[i] = f.r;
  }
  const float* x = a.x + n * a.C * a.S + s0;
  float* gx = a.gx + n * a.C * a.S + s0;
  for (int64_t c = 0; c < a.C; ++c) {
    const Vec w = set1(weight_of(a.weight, c));
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i);
      const Vec g = gradient(load_tail(x + c * a.S + i, lanes), load_tail(a.lse + at + i, lanes),
                             load_tail(p + i, lanes), load_tail(q + i, lanes), w);
      store_tail(gx + c * a.S + i, g, lanes);
    }
  }
  for (int64_t i = 0; i < width; ++i) {
    if (r[i] != 0.0f) gx[a.target[at + i] * a.S + i] -= r[i];
  }
}

template <class T>
void backward_rows_piece(const void* ctx, int64_t piece, void*) {
  const CrossEntropyBackwardArgs& a = *static_cast<const CrossEntropyBackwardArgs*>(ctx);
  const int64_t rows = row_cut(a.N, a.C, 1).outers, n0 = piece * rows;
  const float w_sum = weight_sum(a.weight, a.C);
  for (int64_t n = n0; n < min64(a.N, n0 + rows); ++n) {
    backward_row<T>(a, factors(a, w_sum, n), n);
  }
}

void backward_tiles_piece(const void* ctx, int64_t piece, void* scratch) {
  const CrossEntropyBackwardArgs& a = *static_cast<const CrossEntropyBackwardArgs*>(ctx);
  const RowCut c = row_cut(a.N, a.C, a.S);
  const int64_t n0 = piece / c.tiles * c.outers, s0 = piece % c.tiles * c.tile;
  const float w_sum = weight_sum(a.weight, a.C);
  for (int64_t n = n0; n < min64(a.N, n0 + c.outers); ++n) {
    backward_tile(a, w_sum, n, s0, min64(c.tile, a.S - s0), static_cast<float*>(scratch));
  }
}

}  // namespace

void cross_entropy(const CrossEntropyArgs& a) {
  if (is_half(a.dtype) && a.S > 1) {
    using Args = CrossEntropyArgs;
    const auto advance = [](Args* part, int64_t n) {
      part->target += n * part->S;
      part->loss += n * part->S;
      part->count += n * part->S;
      part->lse += n * part->S;
    };
    return run_sliced<Args>(
        {a, cross_entropy, &Args::N, advance, {{&Args::x, nullptr, a.C * a.S}}, 1, 0});
  }
  const PieceFn rows = of_type(a.dtype, rows_piece<float>, rows_piece<F16>, rows_piece<BF16>);
  parallel_for(row_cut(a.N, a.C, a.S).pieces, a.S > 1 ? tiles_piece : rows, &a);
}

void cross_entropy_backward(const CrossEntropyBackwardArgs& a) {
  if (is_half(a.dtype) && a.S > 1) {
    using Args = CrossEntropyBackwardArgs;
    const auto advance = [](Args* part, int64_t n) {
      part->gy += n * part->S * part->gy_step;
      part->target += n * part->S;
      part->lse += n * part->S;
    };
    const int64_t row = a.C * a.S;
    return run_sliced<Args>({a,
                             cross_entropy_backward,
                             &Args::N,
                             advance,
                             {{&Args::x, nullptr, row}, {nullptr, &Args::gx, row}},
                             2,
                             0});
  }
  const PieceFn rows = of_type(a.dtype, backward_rows_piece<float>, backward_rows_piece<F16>,
                               backward_rows_piece<BF16>);
  parallel_for(row_cut(a.N, a.C, a.S).pieces, a.S > 1 ? backward_tiles_piece : rows, &a);
}

}  // namespace PYDL_ISA
}  // namespace pydl
