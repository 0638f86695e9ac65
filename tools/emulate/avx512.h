// The AVX-512 intrinsics that the kernels use, made of plain loops, so that the tests of that table
// run on any machine (tools/emulate_avx512.sh). Slow; included before every AVX-512 source in a
// build with PYDL_EMULATE_AVX512, never otherwise. An intrinsic that is missing here does not
// build. Source: Intel Intrinsics Guide.
#pragma once
#pragma GCC system_header
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace emulated {

using F = __m512;
using I = __m512i;
using M = __mmask16;

// A register as elements of T.
template <class T, class V>
struct Lanes {
  static constexpr int kCount = 64 / sizeof(T);
  T x[kCount];
  Lanes() = default;
  explicit Lanes(V v) { memcpy(x, &v, sizeof x); }
  V vec() const {
    V v;
    memcpy(&v, x, sizeof x);
    return v;
  }
};
using Floats = Lanes<float, F>;
using Ints = Lanes<int32_t, I>;
using Uints = Lanes<uint32_t, I>;
using Longs = Lanes<uint64_t, I>;

template <class To, class Fn>
auto each(Fn fn) {
  To r;
  for (int i = 0; i < To::kCount; ++i) r.x[i] = fn(i);
  return r.vec();
}
template <class Fn>
M bits(Fn fn) {
  unsigned m = 0;
  for (int i = 0; i < 16; ++i) m |= static_cast<unsigned>(static_cast<bool>(fn(i))) << i;
  return static_cast<M>(m);
}
inline bool on(M m, int i) { return (m >> i & 1) != 0; }

// ---- memory

template <class V>
V load(const void* p) {
  V v;
  memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
void store(void* p, V v) {
  memcpy(p, &v, sizeof v);
}
template <class L, class V>
V load_masked(M m, const void* p) {
  L r = {};
  for (int i = 0; i < 16; ++i) {
    if (on(m, i)) memcpy(&r.x[i], static_cast<const char*>(p) + 4 * i, 4);
  }
  return r.vec();
}
template <class V>
void store_masked(void* p, M m, V v) {
  for (int i = 0; i < 16; ++i) {
    const int64_t at = 4 * i;
    if (on(m, i)) memcpy(static_cast<char*>(p) + at, reinterpret_cast<const char*>(&v) + at, 4);
  }
}
struct Bytes {
  uint8_t x[16];
  Bytes() = default;
  explicit Bytes(__m128i v) { memcpy(x, &v, 16); }
};
template <class Fn>
__m128i each_byte(Fn fn) {
  Bytes b;
  for (int i = 0; i < 16; ++i) b.x[i] = static_cast<uint8_t>(fn(i));
  return load<__m128i>(b.x);
}
inline void store_bytes(void* p, M m, __m128i v) {
  const Bytes b(v);
  for (int i = 0; i < 16; ++i) {
    if (on(m, i)) static_cast<uint8_t*>(p)[i] = b.x[i];
  }
}

// ---- halves, for what AVX2 has

inline __m256 half(F a, int k) {
  return load<__m256>(reinterpret_cast<const char*>(&a) + static_cast<int64_t>(32) * k);
}
template <class Fn>
F halves(Fn fn) {
  const __m256 v[2] = {fn(0), fn(1)};
  return load<F>(v);
}
inline F fmadd(F a, F b, F c) {
  return halves([&](int k) { return _mm256_fmadd_ps(half(a, k), half(b, k), half(c, k)); });
}

// ---- lanes

inline F shuffle_f32x4(F a, F b, int c) {
  const Floats x(a), y(b);
  return each<Floats>([&](int i) {
    const int from = c >> 2 * (i / 4) & 3;
    return (i < 8 ? x : y).x[4 * from + i % 4];
  });
}
inline F shuffle(F a, F b, int c) {
  const Floats x(a), y(b);
  return each<Floats>(
      [&](int i) { return (i % 4 < 2 ? x : y).x[i / 4 * 4 + (c >> 2 * (i % 4) & 3)]; });
}
inline F unpack(F a, F b, int high) {
  const Floats x(a), y(b);
  return each<Floats>(
      [&](int i) { return (i % 2 == 0 ? x : y).x[i / 4 * 4 + 2 * high + i % 4 / 2]; });
}
inline I mask_shuffle_epi32(I s, M m, I a, int c) {
  const Ints x(a), y(s);
  return each<Ints>(
      [&](int i) { return on(m, i) ? x.x[i / 4 * 4 + (c >> 2 * (i % 4) & 3)] : y.x[i]; });
}
inline F permute2(F a, I at, F b) {
  const Floats x(a), y(b);
  const Ints k(at);
  return each<Floats>([&](int i) { return (k.x[i] & 16 ? y : x).x[k.x[i] & 15]; });
}
inline I permute2_epi64(I a, I at, I b) {
  const Longs x(a), y(b), k(at);
  return each<Longs>([&](int i) { return (k.x[i] & 8 ? y : x).x[k.x[i] & 7]; });
}
inline F compress(M m, F a) {
  const Floats x(a);
  Floats r = {};
  for (int i = 0, n = 0; i < 16; ++i) {
    if (on(m, i)) r.x[n++] = x.x[i];
  }
  return r.vec();
}
inline F blend(M m, F a, F b) {
  const Floats x(a), y(b);
  return each<Floats>([&](int i) { return on(m, i) ? y.x[i] : x.x[i]; });
}

// ---- arithmetic

inline M compare(F a, F b, int op) {
  const Floats x(a), y(b);
  return bits([&](int i) {
    const float p = x.x[i], q = y.x[i];
    switch (op) {
      case _CMP_LT_OQ:
        return p < q;
      case _CMP_LE_OQ:
        return p <= q;
      case _CMP_GT_OQ:
        return p > q;
      case _CMP_GE_OQ:
        return p >= q;
      case _CMP_EQ_OQ:
        return p == q;
      case _CMP_UNORD_Q:
        return p != p || q != q;
      default:
        __builtin_trap();
    }
  });
}
inline F scalef(F a, F b) {  // for whole b
  const Floats x(a), y(b);
  return each<Floats>([&](int i) { return ldexpf(x.x[i], static_cast<int>(y.x[i])); });
}
inline F round_as(F a, int how) {
  const Floats x(a);
  return each<Floats>([&](int i) {
    const int mode = how & 3;
    if (mode == _MM_FROUND_TO_NEAREST_INT) return nearbyintf(x.x[i]);
    if (mode == _MM_FROUND_TO_NEG_INF) return floorf(x.x[i]);
    return mode == _MM_FROUND_TO_POS_INF ? ceilf(x.x[i]) : truncf(x.x[i]);
  });
}
template <class Fn>
float reduce(F a, Fn fn) {
  Floats x(a);
  for (int n = 8; n > 0; n /= 2) {
    for (int i = 0; i < n; ++i) x.x[i] = fn(x.x[i], x.x[i + n]);
  }
  return x.x[0];
}
inline float reduce_max(F a) {
  return reduce(a, [](float p, float q) { return p > q ? p : q; });
}
inline float reduce_min(F a) {
  return reduce(a, [](float p, float q) { return p < q ? p : q; });
}
inline I mul_epu32(I a, I b) {
  const Longs x(a), y(b);
  return each<Longs>([&](int i) { return (x.x[i] & 0xffffffffu) * (y.x[i] & 0xffffffffu); });
}
inline I ternary(I a, I b, I c, int table) {
  const Longs x(a), y(b), z(c);
  return each<Longs>([&](int i) {
    uint64_t r = 0;
    for (int k = 0; k < 8; ++k) {
      if (!(table >> k & 1)) continue;
      r |= (k & 4 ? x.x[i] : ~x.x[i]) & (k & 2 ? y.x[i] : ~y.x[i]) & (k & 1 ? z.x[i] : ~z.x[i]);
    }
    return r;
  });
}
template <class To, class Fn>
auto map_floats(F a, Fn fn) {
  const Floats x(a);
  return each<To>([&](int i) { return fn(x.x[i]); });
}
template <class L, class Fn>
I map_ints(I a, I b, Fn fn) {
  const L x(a), y(b);
  return each<L>([&](int i) { return fn(x.x[i], y.x[i]); });
}
inline F floats_of(I a) {
  const Ints x(a);
  return each<Floats>([&](int i) { return static_cast<float>(x.x[i]); });
}
inline I nearest_ints(F a) {
  return map_floats<Ints>(a, [](float x) { return _mm_cvtss_si32(_mm_set_ss(x)); });
}
inline I truncated_ints(F a) {
  return map_floats<Ints>(a, [](float x) { return _mm_cvttss_si32(_mm_set_ss(x)); });
}
inline M at_least(I a, I b) {
  const Uints x(a), y(b);
  return bits([&](int i) { return x.x[i] >= y.x[i]; });
}
template <class L, class... X>
I set_lanes(X... x) {
  L r;
  int i = 0;
  ((r.x[i++] = static_cast<decltype(r.x[0] + 0)>(x)), ...);
  return r.vec();
}

}  // namespace emulated

namespace emulated {

// ---- half types and pairs of bfloat16

using Shorts = Lanes<uint16_t, I>;

inline __m256i load_shorts(M m, const void* p) {
  uint16_t x[16] = {};
  for (int i = 0; i < 16; ++i) {
    if (on(m, i)) memcpy(x + i, static_cast<const char*>(p) + 2 * i, 2);
  }
  return load<__m256i>(x);
}
inline void store_shorts(void* p, M m, __m256i v) {
  uint16_t x[16];
  memcpy(x, &v, sizeof x);
  for (int i = 0; i < 16; ++i) {
    if (on(m, i)) memcpy(static_cast<char*>(p) + 2 * i, x + i, 2);
  }
}
inline I load_shorts(__mmask32 m, const void* p, int) {
  Shorts r = {};
  for (int i = 0; i < 32; ++i) {
    if ((m >> i & 1) != 0) memcpy(r.x + i, static_cast<const char*>(p) + 2 * i, 2);
  }
  return r.vec();
}
inline F of_halves(__m256i h) {
  const __m256 v[2] = {_mm256_cvtph_ps(_mm256_castsi256_si128(h)),
                       _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
  return load<F>(v);
}
inline __m256i as_halves(F a) {
  const __m128i v[2] = {_mm256_cvtps_ph(half(a, 0), _MM_FROUND_TO_NEAREST_INT),
                        _mm256_cvtps_ph(half(a, 1), _MM_FROUND_TO_NEAREST_INT)};
  return load<__m256i>(v);
}
inline I wide_shorts(__m256i h) {
  uint16_t x[16];
  memcpy(x, &h, sizeof x);
  return each<Uints>([&](int i) { return static_cast<uint32_t>(x[i]); });
}
inline __m256i low_shorts(I a) {
  const Uints x(a);
  uint16_t r[16];
  for (int i = 0; i < 16; ++i) r[i] = static_cast<uint16_t>(x.x[i]);
  return load<__m256i>(r);
}
inline I mask_add(I s, M m, I a, I b) {
  const Uints x(s), y(a), z(b);
  return each<Uints>([&](int i) { return on(m, i) ? y.x[i] + z.x[i] : x.x[i]; });
}
inline I mask_mov(I s, M m, I a) {
  const Uints x(s), y(a);
  return each<Uints>([&](int i) { return on(m, i) ? y.x[i] : x.x[i]; });
}
inline float of_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}
// The product of the high halves is added first, then that of the low ones.
inline float dot_pair(float sum, uint32_t a, uint32_t b) {
  sum = fmaf(of_bits(a & 0xffff0000u), of_bits(b & 0xffff0000u), sum);
  return fmaf(of_bits(a << 16), of_bits(b << 16), sum);
}
inline F dot_pairs(F sum, F a, F b) {
  const Floats s(sum);
  const Uints x(reinterpret_cast<I>(a)), y(reinterpret_cast<I>(b));
  return each<Floats>([&](int i) { return dot_pair(s.x[i], x.x[i], y.x[i]); });
}

// ---- AMX: tiles of 16 rows of 16 words

inline thread_local uint32_t tiles[8][16][16];

inline void tile_load(int t, const void* p, int64_t stride) {
  for (int i = 0; i < 16; ++i) memcpy(tiles[t][i], static_cast<const char*>(p) + i * stride, 64);
}
inline void tile_store(int t, void* p, int64_t stride) {
  for (int i = 0; i < 16; ++i) memcpy(static_cast<char*>(p) + i * stride, tiles[t][i], 64);
}
inline void tile_dot(int c, int a, int b) {
  for (int i = 0; i < 16; ++i) {
    for (int k = 0; k < 16; ++k) {
      for (int j = 0; j < 16; ++j) {
        const float sum = dot_pair(of_bits(tiles[c][i][j]), tiles[a][i][k], tiles[b][k][j]);
        memcpy(&tiles[c][i][j], &sum, 4);
      }
    }
  }
}

}  // namespace emulated

#define __m512bh __m512
#define _mm512_dpbf16_ps(s, a, b) emulated::dot_pairs(s, a, b)
#define _tile_zero(t) memset(emulated::tiles[t], 0, sizeof emulated::tiles[t])
#define _tile_loadd(t, p, stride) emulated::tile_load(t, p, stride)
#define _tile_stored(t, p, stride) emulated::tile_store(t, p, stride)
#define _tile_dpbf16ps(c, a, b) emulated::tile_dot(c, a, b)
#define _tile_loadconfig(p) static_cast<void>(p)
#define _tile_release() static_cast<void>(0)
#define _mm256_maskz_loadu_epi16(m, p) emulated::load_shorts(m, p)
#define _mm256_mask_storeu_epi16(p, m, v) emulated::store_shorts(p, m, v)
#define _mm512_maskz_loadu_epi16(m, p) emulated::load_shorts(m, p, 0)
#define _mm512_cvtph_ps(h) emulated::of_halves(h)
#define _mm512_cvtps_ph(a, how) emulated::as_halves(a)
#define _mm512_cvtepu16_epi32(h) emulated::wide_shorts(h)
#define _mm512_cvtepi32_epi16(a) emulated::low_shorts(a)
#define _mm512_test_epi32_mask(a, b) \
  emulated::bits([&](int i) { return (emulated::Uints(a).x[i] & emulated::Uints(b).x[i]) != 0; })
#define _mm512_mask_add_epi32(s, m, a, b) emulated::mask_add(s, m, a, b)
#define _mm512_mask_mov_epi32(s, m, a) emulated::mask_mov(s, m, a)
#define _mm512_setzero_ps() \
  __m512 {}

#define _mm512_loadu_ps(p) emulated::load<__m512>(p)
#define _mm512_loadu_si512(p) emulated::load<__m512i>(p)
#define _mm512_storeu_ps(p, v) emulated::store(p, v)
#define _mm512_storeu_si512(p, v) emulated::store(p, v)
#define _mm512_stream_ps(p, v) emulated::store(p, v)
#define _mm512_maskz_loadu_ps(m, p) emulated::load_masked<emulated::Floats, __m512>(m, p)
#define _mm512_maskz_loadu_epi32(m, p) emulated::load_masked<emulated::Ints, __m512i>(m, p)
#define _mm512_mask_storeu_ps(p, m, v) emulated::store_masked(p, m, v)
#define _mm512_mask_storeu_epi32(p, m, v) emulated::store_masked(p, m, v)
#define _mm_mask_storeu_epi8(p, m, v) emulated::store_bytes(p, m, v)
#define _mm_maskz_set1_epi8(m, c) \
  emulated::each_byte([&](int i) { return emulated::on(m, i) ? (c) : 0; })
#define _mm_maskz_loadu_epi8(m, p) \
  emulated::each_byte([&](int i) { return emulated::on(m, i) ? (p)[i] : 0; })
#define _mm_test_epi8_mask(a, b) \
  emulated::bits([&](int i) { return (emulated::Bytes(a).x[i] & emulated::Bytes(b).x[i]) != 0; })

#define _mm512_set1_ps(v) ((v) - __m512{})
#define _mm512_set1_epi32(v) \
  emulated::each<emulated::Ints>([&](int) { return static_cast<int32_t>(v); })
#define _mm512_set1_epi64(v) \
  emulated::each<emulated::Longs>([&](int) { return static_cast<uint64_t>(v); })
#define _mm512_setr_epi32(...) emulated::set_lanes<emulated::Ints>(__VA_ARGS__)
#define _mm512_setr_epi64(...) emulated::set_lanes<emulated::Longs>(__VA_ARGS__)
#define _mm512_castps_si512(a) reinterpret_cast<__m512i>(a)
#define _mm512_castsi512_ps(a) reinterpret_cast<__m512>(a)
#define _mm512_castps512_ps256(a) emulated::half(a, 0)
#define _mm512_castps512_ps128(a) _mm256_castps256_ps128(emulated::half(a, 0))
#define _mm512_extractf32x8_ps(a, k) emulated::half(a, k)

#define _mm512_add_ps(a, b) ((a) + (b))
#define _mm512_sub_ps(a, b) ((a) - (b))
#define _mm512_mul_ps(a, b) ((a) * (b))
#define _mm512_div_ps(a, b) ((a) / (b))
#define _mm512_fmadd_ps(a, b, c) emulated::fmadd(a, b, c)
#define _mm512_sqrt_ps(a) \
  emulated::halves([&](int k) { return _mm256_sqrt_ps(emulated::half(a, k)); })
#define _mm512_min_ps(a, b) \
  emulated::halves([&](int k) { return _mm256_min_ps(emulated::half(a, k), emulated::half(b, k)); })
#define _mm512_max_ps(a, b) \
  emulated::halves([&](int k) { return _mm256_max_ps(emulated::half(a, k), emulated::half(b, k)); })
#define _mm512_and_ps(a, b) \
  emulated::halves([&](int k) { return _mm256_and_ps(emulated::half(a, k), emulated::half(b, k)); })
#define _mm512_or_ps(a, b) \
  emulated::halves([&](int k) { return _mm256_or_ps(emulated::half(a, k), emulated::half(b, k)); })
#define _mm512_xor_ps(a, b) \
  emulated::halves([&](int k) { return _mm256_xor_ps(emulated::half(a, k), emulated::half(b, k)); })
#define _mm512_andnot_ps(a, b) \
  emulated::halves(            \
      [&](int k) { return _mm256_andnot_ps(emulated::half(a, k), emulated::half(b, k)); })
#define _mm512_abs_ps(a) emulated::map_floats<emulated::Floats>(a, [](float x) { return fabsf(x); })
#define _mm512_scalef_ps(a, b) emulated::scalef(a, b)
#define _mm512_roundscale_ps(a, how) emulated::round_as(a, how)
#define _mm512_reduce_max_ps(a) emulated::reduce_max(a)
#define _mm512_reduce_min_ps(a) emulated::reduce_min(a)
#define _mm512_cmp_ps_mask(a, b, op) emulated::compare(a, b, op)
#define _mm512_cmpge_epu32_mask(a, b) emulated::at_least(a, b)
#define _mm512_cvtepi32_ps(a) emulated::floats_of(a)
#define _mm512_cvtps_epi32(a) emulated::nearest_ints(a)
#define _mm512_cvttps_epi32(a) emulated::truncated_ints(a)

#define _mm512_add_epi32(a, b) \
  emulated::map_ints<emulated::Uints>(a, b, [](uint32_t x, uint32_t y) { return x + y; })
#define _mm512_sub_epi32(a, b) \
  emulated::map_ints<emulated::Uints>(a, b, [](uint32_t x, uint32_t y) { return x - y; })
#define _mm512_add_epi64(a, b) ((a) + (b))
#define _mm512_mul_epu32(a, b) emulated::mul_epu32(a, b)
#define _mm512_and_si512(a, b) ((a) & (b))
#define _mm512_or_si512(a, b) ((a) | (b))
#define _mm512_ternarylogic_epi64(a, b, c, table) emulated::ternary(a, b, c, table)
#define _mm512_slli_epi32(a, n) \
  emulated::map_ints<emulated::Uints>(a, a, [&](uint32_t x, uint32_t) { return x << (n); })
#define _mm512_srli_epi32(a, n) \
  emulated::map_ints<emulated::Uints>(a, a, [&](uint32_t x, uint32_t) { return x >> (n); })
#define _mm512_srli_epi64(a, n) \
  emulated::map_ints<emulated::Longs>(a, a, [&](uint64_t x, uint64_t) { return x >> (n); })

#define _mm512_mask_blend_ps(m, a, b) emulated::blend(m, a, b)
#define _mm512_maskz_compress_ps(m, a) emulated::compress(m, a)
#define _mm512_shuffle_f32x4(a, b, c) emulated::shuffle_f32x4(a, b, c)
#define _mm512_shuffle_ps(a, b, c) emulated::shuffle(a, b, c)
#define _mm512_permute_ps(a, c) emulated::shuffle(a, a, c)
#define _mm512_unpacklo_ps(a, b) emulated::unpack(a, b, 0)
#define _mm512_unpackhi_ps(a, b) emulated::unpack(a, b, 1)
#define _mm512_mask_shuffle_epi32(s, m, a, c) emulated::mask_shuffle_epi32(s, m, a, c)
#define _mm512_permutex2var_ps(a, at, b) emulated::permute2(a, at, b)
#define _mm512_permutex2var_epi64(a, at, b) emulated::permute2_epi64(a, at, b)
#define _kand_mask16(a, b) static_cast<__mmask16>((a) & (b))
#define _kor_mask16(a, b) static_cast<__mmask16>((a) | (b))
#define _knot_mask16(a) static_cast<__mmask16>(~(a))
