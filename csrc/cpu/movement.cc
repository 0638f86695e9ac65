// Kernels that move or convert elements: copy (strides on both sides), cast, fill, arange. No
// arithmetic on values. Transpositions go through 64 x 64 tiles of 16-byte register transposes.
#include "core/args/movement.h"

#include <string.h>

#include "cpu/kernels_isa.h"
#include "cpu/vec.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 65536;  // elements
template <class T>
constexpr int64_t kTile = sizeof(T) == 2 ? 128 : 64;

// ---- copy: the problem in normal form ----------------------------------------------------------

// Dimensions of size 1 dropped, sorted by falling destination stride, merged where both sides run
// on. There is always at least one.
struct Layout {
  int32_t ndim;
  int64_t shape[kMaxDims], src[kMaxDims], dst[kMaxDims];
};

inline int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

void insert(Layout* l, int64_t size, int64_t src, int64_t dst) {
  int32_t d = l->ndim++;
  for (; d > 0 && magnitude(l->dst[d - 1]) < magnitude(dst); --d) {
    l->shape[d] = l->shape[d - 1];
    l->src[d] = l->src[d - 1];
    l->dst[d] = l->dst[d - 1];
  }
  l->shape[d] = size;
  l->src[d] = src;
  l->dst[d] = dst;
}

Layout normalise(const CopyArgs& a) {
  Layout sorted = {}, l = {};
  for (int32_t d = 0; d < a.ndim; ++d) {
    if (a.shape[d] != 1) insert(&sorted, a.shape[d], a.src_stride[d], a.dst_stride[d]);
  }
  if (sorted.ndim == 0) insert(&sorted, 1, 1, 1);
  for (int32_t d = 0; d < sorted.ndim; ++d) {
    const int64_t n = sorted.shape[d], s = sorted.src[d], t = sorted.dst[d];
    const int32_t up = l.ndim - 1;
    if (up >= 0 && l.src[up] == s * n && l.dst[up] == t * n) {
      l.shape[up] *= n;
      l.src[up] = s;
      l.dst[up] = t;
    } else {
      l.shape[l.ndim] = n;
      l.src[l.ndim] = s;
      l.dst[l.ndim++] = t;
    }
  }
  return l;
}

void swap_dims(Layout* l, int32_t i, int32_t j) {
  int64_t* rows[3] = {l->shape, l->src, l->dst};
  for (int64_t* row : rows) {
    const int64_t t = row[i];
    row[i] = row[j];
    row[j] = t;
  }
}

// Offsets of outer index `i`, counted over the first `ndim` dimensions.
void locate(const Layout& l, int32_t ndim, int64_t i, int64_t* src, int64_t* dst) {
  *src = *dst = 0;
  for (int32_t d = ndim - 1; d >= 0; --d) {
    *src += (i % l.shape[d]) * l.src[d];
    *dst += (i % l.shape[d]) * l.dst[d];
    i /= l.shape[d];
  }
}

struct CopyContext {
  Layout l;
  const void* src;
  void* dst;
  int64_t rows;                    // rows or tiles of a piece
  int64_t outer, columns, chunks;  // by rows: how many; a piece takes a chunk of each
  int64_t tiles;                   // by tiles: how many
};

// ---- copy: row by row --------------------------------------------------------------------------

template <class T>
void copy_row(const T* src, T* dst, int64_t n, int64_t s, int64_t t) {
  if (s == 1 && t == 1) {
    memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (s == 0 && t == 1) {
    const T value = *src;
    for (int64_t i = 0; i < n; ++i) dst[i] = value;
  } else if (t == 1) {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[i * s];
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * t] = src[i * s];
  }
}

template <class T>
void copy_rows_piece(const void* ctx, int64_t piece, void*) {
  const CopyContext& c = *static_cast<const CopyContext*>(ctx);
  const Layout& l = c.l;
  const int32_t last = l.ndim - 1;
  const int64_t r0 = piece / c.chunks * c.rows, r1 = min64(c.outer, r0 + c.rows);
  const int64_t c0 = piece % c.chunks * c.columns, n = min64(l.shape[last] - c0, c.columns);
  int64_t s, t, index[kMaxDims];
  locate(l, last, r0, &s, &t);
  for (int64_t d = last - 1, i = r0; d >= 0; i /= l.shape[d--]) index[d] = i % l.shape[d];
  const T* src = static_cast<const T*>(c.src) + s + c0 * l.src[last];
  T* dst = static_cast<T*>(c.dst) + t + c0 * l.dst[last];
  for (int64_t r = r0; r < r1; ++r) {
    copy_row(src, dst, n, l.src[last], l.dst[last]);
    for (int32_t d = last - 1; d >= 0; --d) {  // the next row, as an odometer counts
      src += l.src[d];
      dst += l.dst[d];
      if (++index[d] < l.shape[d]) break;
      index[d] = 0;
      src -= l.shape[d] * l.src[d];
      dst -= l.shape[d] * l.dst[d];
    }
  }
}

template <class T>
void copy_rows(CopyContext* c) {
  const int32_t last = c->l.ndim - 1;
  if (last > 0 && c->l.shape[last] < 8 && c->l.shape[last - 1] > c->l.shape[last]) {
    swap_dims(&c->l, last - 1, last);  // few, long rows instead of many short ones
  }
  const int64_t cols = c->l.shape[last];
  c->outer = 1;
  for (int32_t d = 0; d < last; ++d) c->outer *= c->l.shape[d];
  c->columns = min64(cols, kPiece);
  c->chunks = ceil_div(cols, kPiece);
  c->rows = c->chunks > 1 ? 1 : max64(1, kPiece / cols);
  parallel_for(ceil_div(c->outer, c->rows) * c->chunks, &copy_rows_piece<T>, c);
}

// ---- copy: transposition -----------------------------------------------------------------------

#if defined(__SSE2__)
inline __m128i low(__m128i a, __m128i b, uint8_t) { return _mm_unpacklo_epi8(a, b); }
inline __m128i high(__m128i a, __m128i b, uint8_t) { return _mm_unpackhi_epi8(a, b); }
inline __m128i low(__m128i a, __m128i b, uint16_t) { return _mm_unpacklo_epi16(a, b); }
inline __m128i high(__m128i a, __m128i b, uint16_t) { return _mm_unpackhi_epi16(a, b); }
inline __m128i low(__m128i a, __m128i b, uint32_t) { return _mm_unpacklo_epi32(a, b); }
inline __m128i high(__m128i a, __m128i b, uint32_t) { return _mm_unpackhi_epi32(a, b); }
inline __m128i low(__m128i a, __m128i b, uint64_t) { return _mm_unpacklo_epi64(a, b); }
inline __m128i high(__m128i a, __m128i b, uint64_t) { return _mm_unpackhi_epi64(a, b); }

// dst[i][j] = src[j][i] for a square of 16 bytes a side. One perfect shuffle of rows k and
// k + side / 2 moves the top bit of the row number to the bottom of the column number; log2(side)
// of them exchange the two.
template <class T>
inline void transpose_square(const T* src, int64_t s, T* dst, int64_t t) {
  constexpr int kSide = 16 / sizeof(T);
  __m128i a[kSide], b[kSide];
  for (int k = 0; k < kSide; ++k) {
    a[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + k * s));
  }
  for (int stage = 1; stage < kSide; stage *= 2) {
    for (int k = 0; k < kSide / 2; ++k) {
      b[2 * k] = low(a[k], a[k + kSide / 2], T());
      b[2 * k + 1] = high(a[k], a[k + kSide / 2], T());
    }
    for (int k = 0; k < kSide; ++k) a[k] = b[k];
  }
  for (int k = 0; k < kSide; ++k) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + k * t), a[k]);
  }
}
#else
template <class T>
inline void transpose_square(const T* src, int64_t s, T* dst, int64_t t) {
  constexpr int kSide = 16 / sizeof(T);
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < kSide; ++j) dst[i * t + j] = src[j * s + i];
  }
}
#endif

// A tile of the last two dimensions (i: src runs, j: dst runs):
// dst[i * dst_stride + j] = src[j * src_stride + i] for i < m, j < n.
template <class T>
struct Tile {
  const T* src;
  T* dst;
  int64_t m, n;
};

template <class T>
Tile<T> tile_at(const CopyContext& c, int64_t tile) {
  const Layout& l = c.l;
  const int32_t di = l.ndim - 2, dj = l.ndim - 1;
  const int64_t tiles_i = ceil_div(l.shape[di], kTile<T>),
                tiles_j = ceil_div(l.shape[dj], kTile<T>);
  const int64_t i = tile % tiles_i * kTile<T>, j = tile / tiles_i % tiles_j * kTile<T>;
  int64_t src, dst;
  locate(l, di, tile / (tiles_i * tiles_j), &src, &dst);
  return {static_cast<const T*>(c.src) + src + j * l.src[dj] + i,
          static_cast<T*>(c.dst) + dst + i * l.dst[di] + j, min64(kTile<T>, l.shape[di] - i),
          min64(kTile<T>, l.shape[dj] - j)};
}

template <class T>
inline void prefetch(const T* p, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(p + i);
}

// To dense rows of kTile. Asks for the rows of the next tile: no hardware follows 64 streams.
template <class T>
void transpose_tile(const Tile<T>& a, const Tile<T>& next, int64_t s, T* buffer) {
  constexpr int64_t kSide = 16 / sizeof(T);
  const int64_t m0 = a.m - a.m % kSide, n0 = a.n - a.n % kSide;
  for (int64_t j = 0; j < n0; j += kSide) {
    for (int64_t k = j; k < min64(j + kSide, next.n); ++k) prefetch(next.src + k * s, next.m);
    for (int64_t i = 0; i < m0; i += kSide) {
      transpose_square(a.src + j * s + i, s, buffer + i * kTile<T> + j, kTile<T>);
    }
  }
  for (int64_t i = m0; i < a.m; ++i) {
    for (int64_t j = 0; j < n0; ++j) buffer[i * kTile<T> + j] = a.src[j * s + i];
  }
  for (int64_t j = n0; j < a.n; ++j) {
    for (int64_t i = 0; i < a.m; ++i) buffer[i * kTile<T> + j] = a.src[j * s + i];
  }
}

// A piece is a run of tiles. They pass through a dense buffer, for the rows of dst may all fall
// into one set of the cache.
template <class T>
void transpose_piece(const void* ctx, int64_t piece, void* scratch) {
  const CopyContext& c = *static_cast<const CopyContext*>(ctx);
  const int64_t s = c.l.src[c.l.ndim - 1], t = c.l.dst[c.l.ndim - 2];
  const int64_t first = piece * c.rows, end = min64(first + c.rows, c.tiles);
  T* buffer = static_cast<T*>(scratch);
  Tile<T> tile = tile_at<T>(c, first);
  for (int64_t k = 0; k < tile.m; ++k) prefetch(tile.dst + k * t, tile.n);
  for (int64_t i = first; i < end; ++i) {
    const Tile<T> next = tile_at<T>(c, min64(i + 1, end - 1));
    transpose_tile(tile, next, s, buffer);
    for (int64_t k = 0; k < tile.m; ++k) {
      memcpy(tile.dst + k * t, buffer + k * kTile<T>, static_cast<size_t>(tile.n) * sizeof(T));
      if (k < next.m) prefetch(next.dst + k * t, next.n);
    }
    tile = next;
  }
}

// The dimension over which src runs, if dst runs over the last and both are worth tiles; or -1.
int32_t transposed_dim(const Layout& l) {
  const int32_t last = l.ndim - 1;
  if (l.dst[last] != 1 || l.src[last] == 0 || l.shape[last] < 8) return -1;
  for (int32_t d = 0; d < last; ++d) {
    if (l.src[d] == 1 && l.shape[d] >= 8) return d;
  }
  return -1;
}

template <class T>
void copy_of(const CopyArgs& a) {
  CopyContext c = {};
  c.l = normalise(a);
  c.src = a.src;
  c.dst = a.dst;
  const int32_t d = transposed_dim(c.l), last = c.l.ndim - 1;
  if (d < 0) return copy_rows<T>(&c);
  for (int32_t i = d; i + 1 < last; ++i) swap_dims(&c.l, i, i + 1);
  c.tiles = ceil_div(c.l.shape[last - 1], kTile<T>) * ceil_div(c.l.shape[last], kTile<T>);
  for (int32_t i = 0; i + 1 < last; ++i) c.tiles *= c.l.shape[i];
  c.rows = kPiece / (kTile<T> * kTile<T>);
  parallel_for(ceil_div(c.tiles, c.rows), &transpose_piece<T>, &c);
}

// ---- cast --------------------------------------------------------------------------------------

constexpr int64_t kBlock = 2048;  // elements converted at a time where a half type takes part

// Saturates; NaN gives 0. `high` is the largest float that T can hold.
template <class T>
inline T truncate(float x, float low, float high, T highest) {
  const float y = x > low ? x : low;
  const T t = static_cast<T>(y < high ? y : high);
  return x != x ? T(0) : x > high ? highest : t;
}

struct Bool {
  uint8_t value;
};

template <class S, class D>
inline void convert(S x, D* y) {
  *y = static_cast<D>(x);
}
template <class S>
inline void convert(S x, Bool* y) {
  y->value = x != 0;
}
// By its bits: a comparison may take a denormal for 0.
inline void convert(float x, Bool* y) { y->value = bits_from_float(x) << 1 != 0; }
inline void convert(float x, int64_t* y) {
  *y = truncate<int64_t>(x, -9223372036854775808.0f, 9223371487098961920.0f, INT64_MAX);
}
inline void convert(float x, int32_t* y) {
  *y = truncate<int32_t>(x, -2147483648.0f, 2147483520.0f, INT32_MAX);
}
inline void convert(float x, uint8_t* y) { *y = truncate<uint8_t>(x, 0.0f, 255.0f, 255); }

template <class S, class D>
void convert_run(const void* src, void* dst, int64_t n) {
  const S* x = static_cast<const S*>(src);
  D* y = static_cast<D*>(dst);
  for (int64_t i = 0; i < n; ++i) convert(x[i], y + i);
}

template <class S>
void convert_from(DType to, const void* src, void* dst, int64_t n) {
  switch (to) {
    case DType::kI64:
      return convert_run<S, int64_t>(src, dst, n);
    case DType::kI32:
      return convert_run<S, int32_t>(src, dst, n);
    case DType::kU8:
      return convert_run<S, uint8_t>(src, dst, n);
    case DType::kBool:
      return convert_run<S, Bool>(src, dst, n);
    default:
      return convert_run<S, float>(src, dst, n);
  }
}

void convert_any(DType from, DType to, const void* src, void* dst, int64_t n) {
  switch (from) {
    case DType::kI64:
      return convert_from<int64_t>(to, src, dst, n);
    case DType::kI32:
      return convert_from<int32_t>(to, src, dst, n);
    case DType::kU8:
    case DType::kBool:
      return convert_from<uint8_t>(to, src, dst, n);
    default:
      return convert_from<float>(to, src, dst, n);
  }
}

// Denormals too.
template <class T>
void store_exact(T* p, Vec v, int64_t n) {
  store_tail(p, v, n);
}
#if defined(PYDL_ISA_AVX512)
template <>
void store_exact(BF16* p, Vec v, int64_t n) {
  _mm256_mask_storeu_epi16(p, lanes(n), narrow_exact(v));
}
#endif

// A half type to float32, or back. NOTE: lanes of NaN go by scalar code, since the hardware makes
// quiet ones of them.
template <class S, class D>
void convert_half(const S* x, D* y, int64_t n) {
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const Vec v = load_tail(x + i, lanes);
    store_exact(y + i, v, lanes);
    if (!any(is_nan(v))) continue;
    for (int64_t k = i; k < i + lanes; ++k) from_float(to_float(x[k]), y + k);
  }
}

// A half type on either side goes through float32 in `buffer` (2 * kBlock).
void convert_block(const CastArgs& a, int64_t first, int64_t n, float* buffer) {
  DType from = a.src_dtype;
  const int64_t src_size = kItemSize[static_cast<int>(from)];
  const int64_t dst_size = kItemSize[static_cast<int>(a.dst_dtype)];
  const void* src = static_cast<const char*>(a.src) + first * src_size;
  void* dst = static_cast<char*>(a.dst) + first * dst_size;
  if (is_half(from)) {
    float* to = a.dst_dtype == DType::kF32 ? static_cast<float*>(dst) : buffer;
    if (from == DType::kF16) {
      convert_half(static_cast<const F16*>(src), to, n);
    } else {
      convert_half(static_cast<const BF16*>(src), to, n);
    }
    if (to == dst) return;
    src = buffer;
    from = DType::kF32;
  }
  if (!is_half(a.dst_dtype)) return convert_any(from, a.dst_dtype, src, dst, n);
  if (from != DType::kF32) {
    convert_any(from, DType::kF32, src, buffer + kBlock, n);
    src = buffer + kBlock;
  }
  if (a.dst_dtype == DType::kF16) {
    convert_half(static_cast<const float*>(src), static_cast<F16*>(dst), n);
  } else {
    convert_half(static_cast<const float*>(src), static_cast<BF16*>(dst), n);
  }
}

void cast_piece(const void* ctx, int64_t piece, void* scratch) {
  const CastArgs& a = *static_cast<const CastArgs*>(ctx);
  const int64_t end = min64(a.n, (piece + 1) * kPiece);
  if (a.src_dtype == a.dst_dtype) {
    const int64_t size = kItemSize[static_cast<int>(a.src_dtype)], first = piece * kPiece * size;
    memcpy(static_cast<char*>(a.dst) + first, static_cast<const char*>(a.src) + first,
           static_cast<size_t>(end * size - first));
    return;
  }
  const bool half = is_half(a.src_dtype) || is_half(a.dst_dtype);
  const int64_t block = half ? kBlock : kPiece;
  for (int64_t i = piece * kPiece; i < end; i += block) {
    convert_block(a, i, min64(block, end - i), static_cast<float*>(scratch));
  }
}

// ---- fill, arange ------------------------------------------------------------------------------

template <class T>
void fill_range(const FillArgs& a, int64_t i, int64_t end) {
  const T value = static_cast<T>(a.bits);
  T* dst = static_cast<T*>(a.dst);
  for (; i < end; ++i) dst[i] = value;
}

void fill_piece(const void* ctx, int64_t piece, void*) {
  const FillArgs& a = *static_cast<const FillArgs*>(ctx);
  const int64_t i = piece * kPiece, end = min64(a.n, i + kPiece);
  switch (a.itemsize) {
    case 1:
      return fill_range<uint8_t>(a, i, end);
    case 2:
      return fill_range<uint16_t>(a, i, end);
    case 4:
      return fill_range<uint32_t>(a, i, end);
    default:
      return fill_range<uint64_t>(a, i, end);
  }
}

// Unsigned, so that running over the end wraps.
inline int64_t whole_at(const ArangeArgs& a, int64_t i) {
  return static_cast<int64_t>(static_cast<uint64_t>(a.istart) +
                              static_cast<uint64_t>(i) * static_cast<uint64_t>(a.istep));
}

void arange_piece(const void* ctx, int64_t piece, void*) {
  const ArangeArgs& a = *static_cast<const ArangeArgs*>(ctx);
  int64_t i = piece * kPiece;
  const int64_t end = min64(a.n, i + kPiece);
  if (a.dtype == DType::kI64) {
    for (int64_t* y = static_cast<int64_t*>(a.dst); i < end; ++i) y[i] = whole_at(a, i);
  } else if (a.dtype == DType::kI32) {
    for (int32_t* y = static_cast<int32_t*>(a.dst); i < end; ++i) {
      y[i] = static_cast<int32_t>(whole_at(a, i));
    }
  } else {
    for (float* y = static_cast<float*>(a.dst); i < end; ++i) {
      y[i] = static_cast<float>(a.start + static_cast<double>(i) * a.step);
    }
  }
}

}  // namespace

// ---- kernels -----------------------------------------------------------------------------------

void copy(const CopyArgs& a) {
  for (int32_t d = 0; d < a.ndim; ++d) {
    if (a.shape[d] == 0) return;
  }
  switch (a.itemsize) {
    case 1:
      return copy_of<uint8_t>(a);
    case 2:
      return copy_of<uint16_t>(a);
    case 4:
      return copy_of<uint32_t>(a);
    default:
      return copy_of<uint64_t>(a);
  }
}

void cast(const CastArgs& a) { parallel_for(ceil_div(a.n, kPiece), &cast_piece, &a); }

void fill(const FillArgs& a) { parallel_for(ceil_div(a.n, kPiece), &fill_piece, &a); }

void arange(const ArangeArgs& a) { parallel_for(ceil_div(a.n, kPiece), &arange_piece, &a); }

}  // namespace PYDL_ISA
}  // namespace pydl
