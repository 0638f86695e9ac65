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
float sum_over_classes(const CrossEntropyArgs& a, const float* x, int64_t stride, float m,
                       float log_sum) {
  float total = 0.0f;
  if (stride != 1) {
    for (int64_t c = 0; c < a.C; ++c) {
      total += weight_of(a.weight, c) * (log_sum - (x[c * stride] - m));
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
void write_loss(const CrossEntropyArgs& a, const float* x, int64_t stride, int64_t at, float m,
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
  float loss = w * (log_sum - (x[t * stride] - m));
  if (a.smoothing > 0.0f) {
    const float all = sum_over_classes(a, x, stride, m, log_sum);
    loss = (1.0f - a.smoothing) * loss + a.smoothing / static_cast<float>(a.C) * all;
  }
  a.loss[at] = loss;
  a.count[at] = w;
}

void forward_piece(const void* ctx, int64_t piece, void* scratch) {
  const CrossEntropyArgs& a = *static_cast<const CrossEntropyArgs*>(ctx);
  const RowCut c = row_cut(a.N, a.C, a.S);
  const int64_t n0 = piece / c.tiles * c.outers, s0 = piece % c.tiles * c.tile;
  const int64_t width = min64(c.tile, a.S - s0);
  float* m = static_cast<float*>(scratch);
  float* sum = m + kTileWidth;
  for (int64_t n = n0; n < min64(a.N, n0 + c.outers); ++n) {
    const float* x = a.x + n * a.C * a.S + s0;
    if (a.S == 1) {
      m[0] = row_max(x, a.C);
      sum[0] = row_sum_exp(x, a.C, m[0]);
    } else {
      tile_max(x, a.C, a.S, width, m);
      tile_sum_exp(x, a.C, a.S, width, m, sum, nullptr);
    }
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

void backward_row(const CrossEntropyBackwardArgs& a, const Factors& f, int64_t n) {
  const float* x = a.x + n * a.C;
  float* gx = a.gx + n * a.C;
  const Vec lse = set1(a.lse[n]), p = set1(f.p), q = set1(f.q), one = set1(1.0f);
  for (int64_t i = 0; i < a.C; i += kWidth) {
    const int64_t lanes = min64(kWidth, a.C - i);
    const Vec w = a.weight ? load_tail(a.weight + i, lanes) : one;
    store_tail(gx + i, gradient(load_tail(x + i, lanes), lse, p, q, w), lanes);
  }
  if (f.r != 0.0f) gx[a.target[n]] -= f.r;
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

void backward_piece(const void* ctx, int64_t piece, void* scratch) {
  const CrossEntropyBackwardArgs& a = *static_cast<const CrossEntropyBackwardArgs*>(ctx);
  const RowCut c = row_cut(a.N, a.C, a.S);
  const int64_t n0 = piece / c.tiles * c.outers, s0 = piece % c.tiles * c.tile;
  const float w_sum = weight_sum(a.weight, a.C);
  for (int64_t n = n0; n < min64(a.N, n0 + c.outers); ++n) {
    if (a.S == 1) {
      backward_row(a, factors(a, w_sum, n), n);
    } else {
      backward_tile(a, w_sum, n, s0, min64(c.tile, a.S - s0), static_cast<float*>(scratch));
    }
  }
}

}  // namespace

void cross_entropy(const CrossEntropyArgs& a) {
  if (is_half(a.dtype)) {
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
  parallel_for(row_cut(a.N, a.C, a.S).pieces, &forward_piece, &a);
}

void cross_entropy_backward(const CrossEntropyBackwardArgs& a) {
  if (is_half(a.dtype)) {
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
  parallel_for(row_cut(a.N, a.C, a.S).pieces, &backward_piece, &a);
}

}  // namespace PYDL_ISA
}  // namespace pydl
