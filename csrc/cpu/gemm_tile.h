// The micro-kernel of GEMM and convolution: a register tile of R rows by V vectors, C += A B, with
// its sizes per ISA, the panel packing that feeds it and its write-back. Not the loops around it.
// Source: Van Zee, van de Geijn, BLIS (2015): five loops around one micro-kernel.
//
// A is read by broadcasts through one pointer per row plus an offset per step of k, so that packed
// panels, plain rows and the shifted pixels of an image all feed the same code. B is read by
// vectors.
#pragma once
#include <stdint.h>
#include <string.h>

#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

#if defined(PYDL_ISA_AVX512)
constexpr int kTileRows = 8;  // 8 x 48: 24 accumulators, 3 of B, 1 of A, of 32 registers
constexpr int kTileVecs = 3;
constexpr int kTallRows = 12;  // of a tile that is one vector narrower
#elif defined(PYDL_ISA_AVX2)
constexpr int kTileRows = 4;  // 4 x 24: 12 accumulators, 3 of B, 1 of A, of 16 registers
constexpr int kTileVecs = 3;
constexpr int kTallRows = 6;
#else
constexpr int kTileRows = 4;  // 4 x 8: 8 accumulators; SSE needs two more for a product
constexpr int kTileVecs = 2;
constexpr int kTallRows = 4;
#endif
constexpr int64_t kTileCols = kTileVecs * kWidth;

// Vec, but for the scalar table a type that the compiler keeps in one register.
#if defined(PYDL_ISA_AVX512) || defined(PYDL_ISA_AVX2)
using Reg = Vec;
inline Reg reg_load(const float* p) { return load(p); }
inline void reg_store(float* p, Reg a) { store(p, a); }
inline Reg reg_set1(float x) { return set1(x); }
inline Reg reg_fma(Reg a, Reg b, Reg c) { return fma(a, b, c); }
inline Reg reg_load_tail(const float* p, int64_t n) { return load_tail(p, n); }
inline void reg_store_tail(float* p, Reg a, int64_t n) { store_tail(p, a, n); }
inline Reg reg_relu(Reg a) { return max(set1(0.0f), a); }
#else
typedef float Reg __attribute__((vector_size(4 * kWidth)));
inline Reg reg_load(const float* p) {
  Reg r;
  memcpy(&r, p, sizeof r);
  return r;
}
inline void reg_store(float* p, Reg a) { memcpy(p, &a, sizeof a); }
inline Reg reg_set1(float x) { return Reg{x, x, x, x}; }
inline Reg reg_fma(Reg a, Reg b, Reg c) { return a * b + c; }
inline Reg reg_load_tail(const float* p, int64_t n) {
  Reg r = {};
  memcpy(&r, p, static_cast<size_t>(n) * sizeof(float));
  return r;
}
inline void reg_store_tail(float* p, Reg a, int64_t n) {
  memcpy(p, &a, static_cast<size_t>(n) * sizeof(float));
}
inline Reg reg_relu(Reg a) { return a < 0.0f ? Reg{} : a; }
#endif

// Where step k is found in the rows of A, or in B.
struct Step {
  int64_t step;
  int64_t operator[](int64_t k) const { return k * step; }
};
struct Table {
  const int64_t* offset;
  int64_t operator[](int64_t k) const { return offset[k]; }
};

// C = act(alpha * (A B) + bias + (add ? C : 0)) for the tile's `cols` valid columns.
struct TileOut {
  float* c;
  int64_t ldc;
  int64_t cols;
  float alpha = 1.0f;
  bool add = false;
  bool relu = false;
  const float* row_bias = nullptr;  // of the tile's first row
  const float* col_bias = nullptr;  // of the tile's first column

  bool plain() const {
    return alpha == 1.0f && !add && !relu && row_bias == nullptr && col_bias == nullptr;
  }
};

// NOTE: max(0, x) keeps a NaN in x: the second operand wins.
inline void write_vec(const TileOut& t, int64_t r, int64_t v, Vec x) {
  float* c = t.c + r * t.ldc + v * kWidth;
  const int64_t n = min64(kWidth, t.cols - v * kWidth);
  x = x * set1(t.alpha);
  if (t.add) x = x + load_tail(c, n);
  if (t.row_bias) x = x + set1(t.row_bias[r]);
  if (t.col_bias) x = x + load_tail(t.col_bias + v * kWidth, n);
  if (t.relu) x = max(set1(0.0f), x);
  store_tail(c, x, n);
}

// Row r of a tile from its registers; its last vector has n <= kWidth lanes. In the order of
// write_vec.
template <int V>
inline void write_row(const TileOut& t, int64_t r, Reg (&x)[V], int64_t n) {
  constexpr int64_t kLast = (V - 1) * kWidth;
  float* c = t.c + r * t.ldc;
  const Reg alpha = reg_set1(t.alpha);
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) x[v] = x[v] * alpha;
  if (t.add) {
#pragma GCC unroll 2
    for (int v = 0; v < V - 1; ++v) x[v] = x[v] + reg_load(c + v * kWidth);
    x[V - 1] = x[V - 1] + reg_load_tail(c + kLast, n);
  }
  if (t.row_bias) {
    const Reg bias = reg_set1(t.row_bias[r]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) x[v] = x[v] + bias;
  }
  if (t.col_bias) {
#pragma GCC unroll 2
    for (int v = 0; v < V - 1; ++v) x[v] = x[v] + reg_load(t.col_bias + v * kWidth);
    x[V - 1] = x[V - 1] + reg_load_tail(t.col_bias + kLast, n);
  }
  if (t.relu) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) x[v] = reg_relu(x[v]);
  }
#pragma GCC unroll 2
  for (int v = 0; v < V - 1; ++v) reg_store(c + v * kWidth, x[v]);
  reg_store_tail(c + kLast, x[V - 1], n);
}

// NOTE: a loop that is not unrolled must not index x, which would then live in memory.
template <int R, int V>
inline void write_tile(const TileOut& t, Reg (&x)[R][V]) {
  const int64_t n = min64(kWidth, t.cols - (V - 1) * kWidth);
  if (n == kWidth && t.plain()) {
    float* c = t.c;
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r, c += t.ldc) {
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) reg_store(c + v * kWidth, x[r][v]);
    }
    return;
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) write_row<V>(t, r, x[r], n);
}

// C arrives while k runs; a short k would be over before.
constexpr int64_t kLongTile = 32;

inline void prefetch_tile(const float* c, int64_t ldc, int rows, int vecs) {
#pragma GCC unroll 1
  for (int r = 0; r < rows; ++r, c += ldc) {
    for (int v = 0; v < vecs; ++v) __builtin_prefetch(c + v * kWidth, 1);
  }
}

template <int R, int V, class WalkA, class WalkB>
__attribute__((noinline)) void tile(int64_t k, const float* const* rows, WalkA walk_a,
                                    const float* b, WalkB walk_b, const TileOut& to) {
  const TileOut out = to;  // a copy, which no store into C can change
  const float* a[R];
  Reg acc[R][V];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    a[r] = rows[r];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[r][v] = reg_set1(0.0f);
  }
  if (k >= kLongTile) prefetch_tile(out.c, out.ldc, R, V);
  for (int64_t i = 0; i < k; ++i) {
    const int64_t at = walk_a[i], bt = walk_b[i];
    Reg bv[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) bv[v] = reg_load(b + bt + v * kWidth);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Reg x = reg_set1(a[r][at]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[r][v] = reg_fma(x, bv[v], acc[r][v]);
    }
  }
  write_tile<R, V>(out, acc);
}

template <int R, class WalkA, class WalkB>
inline void tile_vecs(int64_t vecs, int64_t k, const float* const* rows, WalkA walk_a,
                      const float* b, WalkB walk_b, const TileOut& out) {
  if (vecs == 1) return tile<R, 1>(k, rows, walk_a, b, walk_b, out);
  if (vecs == kTileVecs) return tile<R, kTileVecs>(k, rows, walk_a, b, walk_b, out);
  tile<R, 2>(k, rows, walk_a, b, walk_b, out);
}

// C tile of r <= kTileRows rows by `vecs` <= kTileVecs vectors.
template <class WalkA, class WalkB>
inline void run_tile(int64_t r, int64_t vecs, int64_t k, const float* const* rows, WalkA walk_a,
                     const float* b, WalkB walk_b, const TileOut& out) {
  switch (r) {
    case 1:
      return tile_vecs<1>(vecs, k, rows, walk_a, b, walk_b, out);
    case 2:
      return tile_vecs<2>(vecs, k, rows, walk_a, b, walk_b, out);
    case 3:
      return tile_vecs<3>(vecs, k, rows, walk_a, b, walk_b, out);
    case 4:
      return tile_vecs<4>(vecs, k, rows, walk_a, b, walk_b, out);
#if defined(PYDL_ISA_AVX512)
    case 5:
      return tile_vecs<5>(vecs, k, rows, walk_a, b, walk_b, out);
    case 6:
      return tile_vecs<6>(vecs, k, rows, walk_a, b, walk_b, out);
    case 7:
      return tile_vecs<7>(vecs, k, rows, walk_a, b, walk_b, out);
    default:
      return tile_vecs<8>(vecs, k, rows, walk_a, b, walk_b, out);
#endif
  }
}

// The same of r <= tall_rows(vecs) rows: what is read of B from afar serves more of them.
inline int64_t tall_rows(int64_t vecs) { return vecs < kTileVecs ? kTallRows : kTileRows; }

template <int R = kTallRows, class WalkA, class WalkB>
inline void run_tall_tile(int64_t r, int64_t vecs, int64_t k, const float* const* rows,
                          WalkA walk_a, const float* b, WalkB walk_b, const TileOut& out) {
  if constexpr (R > kTileRows) {
    if (r < R) return run_tall_tile<R - 1>(r, vecs, k, rows, walk_a, b, walk_b, out);
    if (vecs == 1) return tile<R, 1>(k, rows, walk_a, b, walk_b, out);
    tile<R, kTileVecs - 1>(k, rows, walk_a, b, walk_b, out);
  } else {
    run_tile(r, vecs, k, rows, walk_a, b, walk_b, out);
  }
}

// `n` things in `parts` nearly equal parts: where part i begins.
inline int64_t part_begin(int64_t n, int64_t parts, int64_t i) {
  return i * (n / parts) + min64(i, n % parts);
}

// Columns cut into panels of at most kTileVecs vectors, of nearly equal width: 4 vectors are 2 + 2,
// not 3 + 1.
struct Panels {
  int64_t vecs;   // vectors over all columns
  int64_t count;  // panels
  explicit Panels(int64_t cols) : vecs(ceil_div(cols, kWidth)), count(ceil_div(vecs, kTileVecs)) {}
  int64_t begin(int64_t p) const { return part_begin(vecs, count, p); }  // in vectors
  int64_t width(int64_t p) const { return begin(p + 1) - begin(p); }     // in vectors
};

// Transposes a kWidth x kWidth block in registers.
#if defined(PYDL_ISA_AVX512)
inline void transpose(Vec (&r)[16]) {
  __m512 t[16];
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {  // 4 x 4 blocks within the 128-bit lanes
    const __m512 a = _mm512_unpacklo_ps(r[4 * g].v, r[4 * g + 1].v);
    const __m512 b = _mm512_unpackhi_ps(r[4 * g].v, r[4 * g + 1].v);
    const __m512 c = _mm512_unpacklo_ps(r[4 * g + 2].v, r[4 * g + 3].v);
    const __m512 d = _mm512_unpackhi_ps(r[4 * g + 2].v, r[4 * g + 3].v);
    t[4 * g] = _mm512_shuffle_ps(a, c, 0x44);
    t[4 * g + 1] = _mm512_shuffle_ps(a, c, 0xee);
    t[4 * g + 2] = _mm512_shuffle_ps(b, d, 0x44);
    t[4 * g + 3] = _mm512_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // lanes of the four groups
    const __m512 a = _mm512_shuffle_f32x4(t[j], t[4 + j], 0x88);
    const __m512 b = _mm512_shuffle_f32x4(t[j], t[4 + j], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0xdd);
    r[j].v = _mm512_shuffle_f32x4(a, c, 0x88);
    r[4 + j].v = _mm512_shuffle_f32x4(b, d, 0x88);
    r[8 + j].v = _mm512_shuffle_f32x4(a, c, 0xdd);
    r[12 + j].v = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}
#elif defined(PYDL_ISA_AVX2)
inline void transpose(Vec (&r)[8]) {
  __m256 t[8];
#pragma GCC unroll 2
  for (int g = 0; g < 2; ++g) {
    const __m256 a = _mm256_unpacklo_ps(r[4 * g].v, r[4 * g + 1].v);
    const __m256 b = _mm256_unpackhi_ps(r[4 * g].v, r[4 * g + 1].v);
    const __m256 c = _mm256_unpacklo_ps(r[4 * g + 2].v, r[4 * g + 3].v);
    const __m256 d = _mm256_unpackhi_ps(r[4 * g + 2].v, r[4 * g + 3].v);
    t[4 * g] = _mm256_shuffle_ps(a, c, 0x44);
    t[4 * g + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[4 * g + 2] = _mm256_shuffle_ps(b, d, 0x44);
    t[4 * g + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    r[j].v = _mm256_permute2f128_ps(t[j], t[4 + j], 0x20);
    r[4 + j].v = _mm256_permute2f128_ps(t[j], t[4 + j], 0x31);
  }
}
#else
inline void transpose(Vec (&r)[4]) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < i; ++j) {
      const float t = r[i].v[j];
      r[i].v[j] = r[j].v[i];
      r[j].v[i] = t;
    }
  }
}
#endif

// Rows r0.. of `src` (pitch `ld`), `rows` x `cols` <= kWidth x kWidth, transposed in registers.
inline void load_transposed(const float* src, int64_t ld, int64_t rows, int64_t cols,
                            Vec (&t)[kWidth]) {
  if (rows == kWidth && cols == kWidth) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kWidth; ++i) t[i] = load(src + i * ld);
  } else {
    for (int64_t i = 0; i < kWidth; ++i) {
      t[i] = i < rows ? load_tail(src + i * ld, cols) : set1(0.0f);
    }
  }
  transpose(t);
}

constexpr int64_t kPackAhead = 24;  // rows, into L2: in L1 rows a power of two apart would collide

// dst[k][width] = src[i * si + k * sk] for i in [0, n), k in [0, kc), zero for n <= i < width.
// One of the strides is 1, or both are what they are and the slow loop runs. width is a multiple
// of kWidth.
inline void pack_panel(const float* src, int64_t si, int64_t sk, int64_t n, int64_t kc,
                       int64_t width, float* dst) {
  if (si == 1) {
    for (int64_t k = 0; k < kc; ++k) {
      for (int64_t i = 0; i < width; i += kWidth) {
        const int64_t left = min64(kWidth, n - i);
        __builtin_prefetch(src + (k + kPackAhead) * sk + i, 0, 2);
        store(dst + k * width + i, left > 0 ? load_tail(src + k * sk + i, left) : set1(0.0f));
      }
    }
    return;
  }
  if (sk == 1) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t rows = max64(0, min64(kWidth, n - i));
      for (int64_t k = 0; k < kc; k += kWidth) {
        const int64_t cols = min64(kWidth, kc - k);
        Vec t[kWidth];
        load_transposed(src + i * si + k, si, rows, cols, t);
        if (cols == kWidth) {
#pragma GCC unroll 16
          for (int64_t j = 0; j < kWidth; ++j) store(dst + (k + j) * width + i, t[j]);
        } else {
          for (int64_t j = 0; j < cols; ++j) store(dst + (k + j) * width + i, t[j]);
        }
      }
    }
    return;
  }
  for (int64_t k = 0; k < kc; ++k) {
    for (int64_t i = 0; i < width; ++i) dst[k * width + i] = i < n ? src[i * si + k * sk] : 0.0f;
  }
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
