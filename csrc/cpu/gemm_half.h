// Products of half matrices: packing widens what it copies, the sums are float32, and each number
// of C is rounded once, as it is written.
//
// The five loops are those of gemm_packed.h, turned so that the sums of a piece of C stay in the
// scratch of its thread for all of k: a half C could not hold them. A piece packs its own rows of
// A, some hundred steps of k at a time; B is packed once, by all threads, where several pieces read
// it.
//
// Packed are words of 32 bits: a float each, or, where the machine multiplies pairs (gemm_dot.h),
// two bfloat16 that follow each other along k. Everything else is the same for both.
#pragma once
#include "cpu/gemm_amx.h"
#include "cpu/gemm_problem.h"
#include "cpu/gemm_row.h"
#include "cpu/halves.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kHalfDepth = 512;     // words
constexpr int64_t kHalfRows = 64;       // of a piece
constexpr int64_t kHalfPanels = 21;     // of a piece, as many as its sums have room for
constexpr double kHalfFlops = 2e6;      // worth a piece
constexpr int64_t kHalfPieces = 16;     // enough to share
constexpr int64_t kHalfNear = 1 << 17;  // words of B that stay in the second cache
constexpr int64_t kHalfGroup = 4;       // panels of a piece that packs B

// Scratch of a piece: its rows of A and a panel of B over some steps, and its sums.
constexpr int64_t kHalfA = (kHalfRows + kWidth) * (kHalfDepth + kWidth);
constexpr int64_t kHalfB = kTileCols * kHalfDepth;
static_assert((kHalfA + kHalfB + kHalfRows * kHalfPanels * kTileCols) * 4 <= kScratchBytes, "");

// ---- packing: `width` lanes of a matrix whose element (lane i, step k) is src[i * si + k * sk];
// from lane n on they are 0

// One float a word.
struct FloatWords : InRegisters {
  static constexpr int64_t kSteps = 1;  // of k in a word
  static int64_t words(int64_t k) { return k; }

  template <class T>
  static void pack(const T* src, int64_t si, int64_t sk, int64_t n, int64_t k, int64_t width,
                   Lanes to, float* dst) {
    if (sk == 1 && si != 1) {
      for (int64_t i = 0; i < width; i += kWidth) {
        const int64_t rows = max64(0, min64(kWidth, n - i));
        for (int64_t at = 0; at < k; at += kWidth) {
          const int64_t cols = min64(kWidth, k - at);
          Vec t[kWidth];
          for (int64_t r = 0; r < kWidth; ++r) {
            t[r] = r < rows ? load_tail(src + (i + r) * si + at, cols) : set1(0.0f);
          }
          transpose(t);
          float* panel = dst + i / kWidth * to.vec + at * to.step;
          for (int64_t j = 0; j < cols; ++j) store(panel + j * to.step, t[j]);
        }
      }
      return;
    }
    for (int64_t at = 0; at < k; ++at) {
      if (si == 1) prefetch_half_row(src + (at + kPackAhead) * sk, width, to);
      for (int64_t i = 0; i < width; i += kWidth) {
        const int64_t left = min64(kWidth, n - i);
        Vec v = set1(0.0f);
        if (left > 0 && si == 1) {
          v = load_tail(src + at * sk + i, left);
        } else if (left > 0) {
          T lane[kWidth] = {};
          for (int64_t r = 0; r < left; ++r) lane[r] = src[(i + r) * si + at * sk];
          v = load(lane);
        }
        store(dst + at * to.step + i / kWidth * to.vec, v);
      }
    }
  }

  // A row of k steps, which lie side by side.
  template <class T>
  static void copy(const T* src, int64_t k, float* dst) {
    widen_run(src, k, dst);
  }

  template <class WalkA, class WalkB>
  static void tile(int64_t r, int64_t vecs, int64_t k, const float* const* rows, WalkA a,
                   const float* b, WalkB walk, const TileOut& out) {
    run_tile(r, vecs, k, rows, a, b, walk, out);
  }
};

// ---- the problem -------------------------------------------------------------------------------

struct HalfPlan {
  int64_t panels;                            // that the sums of a piece have room for
  int64_t row_parts, col_parts, col_blocks;  // of a matrix of the batch; pieces of a column block
  bool shared;                               // B is packed for all pieces of a block
  int64_t k_parts;  // of the steps: pieces of a product that is one otherwise
  int64_t work;     // floats or words: B where it is shared, the sums of all parts
};

// Rows of a piece: more where k is short, so that what is packed of B serves all of them.
inline int64_t half_rows(int64_t m, int64_t words) {
  if (words > kHalfDepth) return kHalfRows;
  return max64(kHalfRows, min64(m, kHalfA / (words + kWidth) - kWidth));
}

inline int64_t half_pitch(const GemmArgs& g) { return ceil_div(g.n, kWidth) * kWidth; }

template <class Words>
HalfPlan make_half_plan(const GemmArgs& g) {
  const int64_t words = Words::words(g.k), panels = ceil_div(g.n, kTileCols);
  const int64_t rows = half_rows(g.m, words);
  HalfPlan plan = {};
  plan.panels = max64(1, kHalfRows * kHalfPanels / rows);
  plan.row_parts = ceil_div(g.m, rows);
  plan.col_parts = ceil_div(panels, plan.panels);
  plan.col_blocks = 1;
  plan.shared = plan.row_parts > 1 && g.n > kTileCols;
  if (plan.shared) {
    plan.col_blocks = ceil_div(plan.col_parts, 2);
    plan.col_parts = ceil_div(plan.col_parts, plan.col_blocks);
    const int64_t cols = ceil_div(ceil_div(g.n, kWidth), plan.col_blocks) * kWidth +
                         kTileCols;  // with room for blocks that are not alike
    plan.work = cols * words;
  }
  const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) *
                       static_cast<double>(g.k) * static_cast<double>(g.batch);
  const double want = flops / kHalfFlops;
  const bool near = words * g.n <= kHalfNear;
  const int64_t least = near ? kTileRows : 4 * kTileRows;  // rows that repay reading B
  plan.k_parts = 1;
  if (g.batch * plan.row_parts * plan.col_parts == 1 && words >= 2 * kHalfDepth) {
    plan.k_parts =
        min64(min64(kHalfPieces, words / kHalfDepth), max64(1, static_cast<int64_t>(want)));
  }
  if (plan.k_parts > 1) {
    plan.work = plan.k_parts * g.m * half_pitch(g);
    return plan;
  }
  while (plan.row_parts * plan.col_parts * plan.col_blocks * g.batch < kHalfPieces &&
         static_cast<double>(plan.row_parts * plan.col_parts * plan.col_blocks * g.batch) < want) {
    if (plan.col_parts * plan.col_blocks * 2 <= panels) {
      plan.col_parts *= 2;
    } else if (g.m / plan.row_parts >= 2 * least) {
      plan.row_parts *= 2;
    } else {
      break;
    }
  }
  return plan;
}

template <class T>
struct HalfBlock {
  GemmArgs g;
  HalfPlan plan;
  int64_t ai, ak, bk, bj;
  int64_t batch, j0, j1;  // columns of the block
  float* packed;          // B of the block, where it is shared

  const T* a(int64_t i, int64_t k) const {
    return reinterpret_cast<const T*>(g.a) + batch * g.a_batch + i * ai + k * ak;
  }
  const T* b(int64_t k, int64_t j) const {
    return reinterpret_cast<const T*>(g.b) + batch * g.b_batch + k * bk + j * bj;
  }
  T* c(int64_t i, int64_t j) const {
    return reinterpret_cast<T*>(g.c) + batch * g.c_batch + i * g.ldc + j;
  }
};

template <class T, class Words>
void pack_half_b(const void* ctx, int64_t piece, void*) {
  const HalfBlock<T>& x = *static_cast<const HalfBlock<T>*>(ctx);
  const Panels panels(x.j1 - x.j0);
  const int64_t end = min64(panels.count, (piece + 1) * kHalfGroup);
  for (int64_t q = piece * kHalfGroup; q < end; ++q) {
    const int64_t at = panels.begin(q) * kWidth, width = panels.width(q) * kWidth;
    Words::pack(x.b(0, x.j0 + at), x.bj, x.bk, min64(width, x.j1 - x.j0 - at), x.g.k, width,
                Lanes::of_panel(width), x.packed + at * Words::words(x.g.k));
  }
}

// Row i of C from its sums.
template <class T>
void finish_half_row(const HalfBlock<T>& x, const float* sums, int64_t i, int64_t j, int64_t n) {
  const GemmArgs& g = x.g;
  T* c = x.c(i, j);
  for (int64_t v = 0; v < n; v += kWidth) {
    const int64_t lanes = min64(kWidth, n - v);
    Vec s = load_tail(sums + v, lanes) * set1(g.alpha);
    if (g.accumulate) s = s + load_tail(c + v, lanes);
    if (g.bias_axis == BiasAxis::kRow) s = s + set1(g.bias[i]);
    if (g.bias_axis == BiasAxis::kCol) s = s + load_tail(g.bias + j + v, lanes);
    if (g.act == Act::kRelu) s = max(set1(0.0f), s);
    store_tail(c + v, s, lanes);
  }
}

// m rows of A over k steps, in the order in which tiles read them: as rows, where their steps lie
// side by side, otherwise in panels.
template <class T, class Words>
RowSource pack_half_a(const T* src, int64_t ai, int64_t ak, int64_t m, int64_t k, float* dst) {
  const int64_t words = Words::words(k), pitch = words + kWidth;
  if (ak == 1) {
    for (int64_t i = 0; i < m; ++i) Words::copy(src + i * ai, k, dst + i * pitch);
    return {dst, pitch, pitch * kWidth, 1};
  }
  if constexpr (Words::kByRows) {
    alignas(64) float panel[kWidth * kWidth];
    for (int64_t i = 0; i < m; i += kWidth) {
      for (int64_t w = 0; w < words; w += kWidth) {
        const int64_t k0 = w * Words::kSteps, some = min64(kWidth, words - w);
        Words::pack(src + i * ai + k0 * ak, ai, ak, min64(kWidth, m - i),
                    min64(k - k0, some * Words::kSteps), kWidth, Lanes::of_panel(kWidth), panel);
        Vec t[kWidth];
        for (int64_t q = 0; q < kWidth; ++q) t[q] = load(panel + min64(q, some - 1) * kWidth);
        transpose(t);
        for (int64_t q = 0; q < min64(kWidth, m - i); ++q) {
          store_tail(dst + (i + q) * pitch + w, t[q], some);
        }
      }
    }
    return {dst, pitch, pitch * kWidth, 1};
  }
  Words::pack(src, ai, ak, m, k, ceil_div(m, kWidth) * kWidth, {kWidth, panel_pitch(words)}, dst);
  return {dst, 1, panel_pitch(words), kWidth};
}

template <class T, class Words>
void multiply_half_piece(const void* ctx, int64_t piece, void* scratch) {
  HalfBlock<T> x = *static_cast<const HalfBlock<T>*>(ctx);
  const GemmArgs& g = x.g;
  const HalfPlan& plan = x.plan;
  const Panels all(x.j1 - x.j0);
  const int64_t col_part = piece % plan.col_parts;
  const int64_t row_part = piece / plan.col_parts % plan.row_parts;
  const int64_t k_part = plan.k_parts > 1 ? piece : 0;
  if (!plan.shared && plan.k_parts == 1) x.batch = piece / (plan.col_parts * plan.row_parts);
  const int64_t i0 = part_begin(g.m, plan.row_parts, row_part);
  const int64_t m = part_begin(g.m, plan.row_parts, row_part + 1) - i0;
  const int64_t q0 = part_begin(all.count, plan.col_parts, col_part);
  const int64_t q1 = part_begin(all.count, plan.col_parts, col_part + 1);
  const int64_t at0 = all.begin(q0) * kWidth, pitch = all.begin(q1) * kWidth - at0;
  float* packed_a = static_cast<float*>(scratch);
  float* packed_b = packed_a + kHalfA;
  float* sums = plan.k_parts > 1 ? x.packed + k_part * m * pitch : packed_b + kHalfB;
  const int64_t words = Words::words(g.k), depths = max64(1, ceil_div(words, kHalfDepth));
  const int64_t d0 = part_begin(depths, plan.k_parts, k_part);
  const int64_t d1 = part_begin(depths, plan.k_parts, k_part + 1);
  const int64_t tiles = ceil_div(m, Words::kRows);
  if (m <= 0 || q0 == q1) return;
  Words::begin();
  for (int64_t d = d0; d < d1; ++d) {
    const int64_t w0 = part_begin(words, depths, d), wc = part_begin(words, depths, d + 1) - w0;
    const int64_t k0 = w0 * Words::kSteps, kc = min64(g.k - k0, wc * Words::kSteps);
    const RowSource rows = pack_half_a<T, Words>(x.a(i0, k0), x.ai, x.ak, m, kc, packed_a);
    for (int64_t q = q0; q < q1; ++q) {
      const int64_t at = all.begin(q) * kWidth, vecs = all.width(q), width = vecs * kWidth;
      const float* b = x.packed + at * words + w0 * width;
      if (!plan.shared) {
        Words::pack(x.b(k0, x.j0 + at), x.bj, x.bk, min64(width, x.j1 - x.j0 - at), kc, width,
                    Lanes::of_panel(width), packed_b);
        b = packed_b;
      }
      for (int64_t u = 0; u < tiles; ++u) {
        const int64_t i = Words::split(m, tiles, u);
        const int64_t r = min64(m, Words::split(m, tiles, u + 1)) - i;
        const float* from[Words::kRows + 1];
        rows.find(i, max64(r, 2), from);  // of two the distance shows
        TileOut out;
        out.c = sums + i * pitch + at - at0;
        out.ldc = pitch;
        out.cols = width;
        out.add = d > d0;
        Words::tile(r, vecs, wc, from, Step{rows.step}, b, Step{width}, out);
      }
    }
  }
  Words::end();
  if (plan.k_parts > 1) return;
  const int64_t n = min64(pitch, x.j1 - x.j0 - at0);
  for (int64_t i = 0; i < m; ++i) finish_half_row(x, sums + i * pitch, i0 + i, x.j0 + at0, n);
}

// Rows of C from what the parts of k have summed up, in their order.
template <class T>
void finish_half_parts(const void* ctx, int64_t piece, void*) {
  const HalfBlock<T>& x = *static_cast<const HalfBlock<T>*>(ctx);
  const int64_t pitch = half_pitch(x.g), floats = x.g.m * pitch;
  const int64_t end = min64(x.g.m, (piece + 1) * kTileRows);
  for (int64_t i = piece * kTileRows; i < end; ++i) {
    float* row = x.packed + i * pitch;
    for (int64_t j = 0; j < pitch; j += kWidth) {
      Vec sum = load(row + j);
      for (int64_t s = 1; s < x.plan.k_parts; ++s) sum = sum + load(row + s * floats + j);
      store(row + j, sum);
    }
    finish_half_row(x, row, i, 0, x.g.n);
  }
}

// ---- one row times a large matrix that is contiguous along j -----------------------------------
// As in gemm_row.h: pieces are ranges of k, so that each reads one long run of memory.

inline int64_t half_ranges(const GemmArgs& g) {
  if (g.m != 1 || g.batch != 1 || g.trans_b || g.n == 1) return 0;
  const int64_t ranges = min64(64, g.n * g.k / (1 << 16));
  return ranges > 1 ? min64(ranges, g.k / kStreams) : 0;
}

template <class T, int K>
void add_half_rows(const T* a, int64_t ak, const T* b, int64_t bk, int64_t n, float* sums) {
  Vec av[K];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) av[k] = set1(to_float(a[k * ak]));
  for (int64_t j = 0; j < n; j += kWidth) {
    const int64_t lanes = min64(kWidth, n - j);
    Vec acc = load(sums + j);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) acc = fma(av[k], load_tail(b + k * bk + j, lanes), acc);
    store(sums + j, acc);
  }
}

template <class T>
void multiply_half_range(const void* ctx, int64_t piece, void*) {
  const HalfBlock<T>& x = *static_cast<const HalfBlock<T>*>(ctx);
  const GemmArgs& g = x.g;
  const int64_t ranges = half_ranges(g), pitch = half_pitch(g);
  float* sums = x.packed + piece * pitch;
  for (int64_t j = 0; j < pitch; j += kWidth) store(sums + j, set1(0.0f));
  int64_t k = part_begin(g.k, ranges, piece);
  const int64_t end = part_begin(g.k, ranges, piece + 1);
  for (; k + kStreams <= end; k += kStreams) {
    add_half_rows<T, kStreams>(x.a(0, k), x.ak, x.b(k, 0), x.bk, g.n, sums);
  }
  for (; k < end; ++k) add_half_rows<T, 1>(x.a(0, k), x.ak, x.b(k, 0), x.bk, g.n, sums);
}

template <class T>
void multiply_half_row(const HalfBlock<T>& x) {
  const int64_t ranges = half_ranges(x.g), pitch = half_pitch(x.g);
  parallel_for(ranges, multiply_half_range<T>, &x);
  for (int64_t s = 1; s < ranges; ++s) {
    for (int64_t j = 0; j < pitch; j += kWidth) {
      store(x.packed + j, load(x.packed + j) + load(x.packed + s * pitch + j));
    }
  }
  finish_half_row(x, x.packed, 0, 0, x.g.n);
}

// ---- few rows times a matrix that is contiguous along k ----------------------------------------
// Dots, as in gemm_thin.h. Few columns are few rows of the transposed product.

struct HalfDots {
  bool flip;
  int64_t few, many;    // rows of the product and its columns; no rows: not this way
  int64_t cols, parts;  // columns of a piece, pieces
};

inline HalfDots make_half_dots(const GemmArgs& g) {
  HalfDots x = {};
  const bool rows = g.m <= kMostRows && g.trans_b, columns = g.n <= kMostRows && !g.trans_a;
  const int64_t few = rows ? g.m : g.n;
  if ((!rows && !columns) || few * (g.k + kWidth) > kThinCopy) return x;
  x.flip = !rows;
  x.few = few;
  x.many = rows ? g.n : g.m;
  const double column = 2.0 * static_cast<double>(max64(1, g.k) * max64(8, few));
  const int64_t want = ceil_div(static_cast<int64_t>(kThinFlops / column), kDotPitch) * kDotPitch;
  x.cols = min64(x.many, max64(want, kDotPitch));
  x.parts = ceil_div(x.many, x.cols);
  return x;
}

template <int R, class T>
void half_dots(const HalfBlock<T>& x, const HalfDots& d, const float* rows, int64_t pitch,
               int64_t j, int64_t end) {
  if constexpr (R > 1) {
    if (d.few < R) return half_dots<R - 1>(x, d, rows, pitch, j, end);
  }
  constexpr int L = kDotColumns[R];
  for (; j < end; j += L) {
    const T* columns[L];
    for (int64_t l = 0; l < L; ++l) {
      const int64_t at = min64(j + l, end - 1);
      columns[l] = d.flip ? x.a(at, 0) : x.b(0, at);
    }
    float sums[R * kDotPitch];
    dot_tile<R, L>(x.g.k, rows, pitch, columns, sums, kDotPitch);
    const int64_t some = min64(L, end - j);
    if (!d.flip) {
      for (int64_t r = 0; r < R; ++r) finish_half_row(x, sums + r * kDotPitch, r, j, some);
      continue;
    }
    for (int64_t l = 0; l < some; ++l) {
      float row[R];
      for (int64_t r = 0; r < R; ++r) row[r] = sums[r * kDotPitch + l];
      finish_half_row(x, row, j + l, 0, R);
    }
  }
}

template <class T>
void half_dots_piece(const void* ctx, int64_t piece, void* scratch) {
  HalfBlock<T> x = *static_cast<const HalfBlock<T>*>(ctx);
  const HalfDots d = make_half_dots(x.g);
  x.batch = piece / d.parts;
  const int64_t pitch = ceil_div(x.g.k, kWidth) * kWidth, step = d.flip ? x.bk : x.ak;
  float* rows = static_cast<float*>(scratch);
  for (int64_t r = 0; r < d.few; ++r) {
    const T* from = d.flip ? x.b(0, r) : x.a(r, 0);
    if (step == 1) {
      widen_run(from, x.g.k, rows + r * pitch);
    } else {
      for (int64_t k = 0; k < x.g.k; ++k) rows[r * pitch + k] = to_float(from[k * step]);
    }
  }
  const int64_t j = piece % d.parts * d.cols;
  half_dots<kMostRows>(x, d, rows, pitch, j, min64(d.many, j + d.cols));
}

template <class T, class Words>
void multiply_halves(const GemmArgs& g) {
  HalfBlock<T> x = {};
  x.g = g;
  x.plan = make_half_plan<Words>(g);
  x.ai = g.trans_a ? 1 : g.lda;
  x.ak = g.trans_a ? g.lda : 1;
  x.bk = g.trans_b ? 1 : g.ldb;
  x.bj = g.trans_b ? g.ldb : 1;
  x.packed = static_cast<float*>(g.work);
  x.j1 = g.n;
  const HalfDots dots = make_half_dots(g);
  if (dots.few > 0) return parallel_for(dots.parts * g.batch, half_dots_piece<T>, &x);
  if (half_ranges(g) > 0) return multiply_half_row(x);
  if (x.plan.k_parts > 1) {
    parallel_for(x.plan.k_parts, multiply_half_piece<T, Words>, &x);
    return parallel_for(ceil_div(g.m, kTileRows), finish_half_parts<T>, &x);
  }
  const int64_t parts = x.plan.row_parts * x.plan.col_parts;
  if (!x.plan.shared) return parallel_for(parts * g.batch, multiply_half_piece<T, Words>, &x);
  const int64_t vecs = ceil_div(g.n, kWidth);
  for (x.batch = 0; x.batch < g.batch; ++x.batch) {
    for (int64_t q = 0; q < x.plan.col_blocks; ++q) {
      x.j0 = part_begin(vecs, x.plan.col_blocks, q) * kWidth;
      x.j1 = min64(g.n, part_begin(vecs, x.plan.col_blocks, q + 1) * kWidth);
      parallel_for(ceil_div(Panels(x.j1 - x.j0).count, kHalfGroup), pack_half_b<T, Words>, &x);
      parallel_for(parts, multiply_half_piece<T, Words>, &x);
    }
  }
}

inline void multiply_half(const GemmArgs& g) {
  if (g.dtype == DType::kF16) return multiply_halves<F16, FloatWords>(g);
#if defined(PYDL_HAS_DOT)
  if (has_amx_bf16()) return multiply_halves<BF16, AmxWords>(g);
  if (has_bf16_dot()) return multiply_halves<BF16, PairWords>(g);
#endif
  multiply_halves<BF16, FloatWords>(g);
}

inline int64_t half_work(const GemmArgs& g) {
  if (make_half_dots(g).few > 0) return 0;
  if (half_ranges(g) > 0) return half_ranges(g) * half_pitch(g) * 4;
#if defined(PYDL_HAS_DOT)
  if (g.dtype == DType::kBF16 && has_bf16_dot()) return make_half_plan<PairWords>(g).work * 4;
#endif
  return make_half_plan<FloatWords>(g).work * 4;
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
