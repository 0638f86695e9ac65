// Random fills, permutations and dropout from the Philox stream of core/philox.h. A piece computes
// its own blocks of the stream, so the numbers do not depend on who computes them.
#include "core/args/random.h"

#include <stdint.h>

#include "core/philox.h"
#include "core/sort_keys.h"
#include "cpu/halves.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 1 << 15;  // elements
constexpr int64_t kTile = 1024;      // words at a time, 4 KiB

struct Stream {
  uint64_t seed, offset;
};

Stream stream_of(const int64_t* state) {
  return {static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1])};
}

void advance(int64_t* state, int64_t words) {
  state[1] = static_cast<int64_t>(static_cast<uint64_t>(state[1]) +
                                  static_cast<uint64_t>(ceil_div(words, 4)));
}

// Several blocks at a time, one in each 64-bit lane. The low half of a lane is the word; the high
// half is left as it falls, since the widening multiplication looks at the low half alone.
#if defined(PYDL_ISA_AVX512)
constexpr int64_t kBlocks = 8;
using Lanes = __m512i;
inline Lanes all(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
inline Lanes ramp() { return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7); }
inline Lanes add(Lanes a, Lanes b) { return _mm512_add_epi64(a, b); }
inline Lanes multiply(Lanes a, Lanes b) { return _mm512_mul_epu32(a, b); }
inline Lanes high(Lanes a) { return _mm512_srli_epi64(a, 32); }
inline Lanes mix(Lanes a, Lanes b, Lanes c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
// 32-bit words from the low halves: c0 c1 c2 c3 of the first block, of the second, ...
inline void store_blocks(uint32_t* out, Lanes c0, Lanes c1, Lanes c2, Lanes c3) {
  const Lanes lo = _mm512_mask_shuffle_epi32(c0, 0xaaaa, c1, _MM_PERM_CCAA);
  const Lanes hi = _mm512_mask_shuffle_epi32(c2, 0xaaaa, c3, _MM_PERM_CCAA);
  const Lanes first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const Lanes second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(lo, first, hi));
  _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi64(lo, second, hi));
}
#elif defined(PYDL_ISA_AVX2)
constexpr int64_t kBlocks = 4;
using Lanes = __m256i;
inline Lanes all(uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
inline Lanes ramp() { return _mm256_setr_epi64x(0, 1, 2, 3); }
inline Lanes add(Lanes a, Lanes b) { return _mm256_add_epi64(a, b); }
inline Lanes multiply(Lanes a, Lanes b) { return _mm256_mul_epu32(a, b); }
inline Lanes high(Lanes a) { return _mm256_srli_epi64(a, 32); }
inline Lanes mix(Lanes a, Lanes b, Lanes c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
inline void store_blocks(uint32_t* out, Lanes c0, Lanes c1, Lanes c2, Lanes c3) {
  const Lanes lo = _mm256_blend_epi32(c0, _mm256_slli_epi64(c1, 32), 0xaa);
  const Lanes hi = _mm256_blend_epi32(c2, _mm256_slli_epi64(c3, 32), 0xaa);
  const Lanes even = _mm256_unpacklo_epi64(lo, hi), odd = _mm256_unpackhi_epi64(lo, hi);
  Lanes* to = reinterpret_cast<Lanes*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}
#endif

// words[0..count) = the stream from word `first` (a multiple of 4) on; up to a multiple of
// kGroup, which kTile is too, what follows is the stream as well.
constexpr int64_t kGroup = 32;
void fill_words(Stream s, int64_t first, int64_t count, uint32_t* __restrict words) {
  const int64_t blocks = ceil_div(count, kGroup) * kGroup / 4;
  const uint64_t counter = s.offset + static_cast<uint64_t>(first / 4);
#if defined(PYDL_ISA_AVX512) || defined(PYDL_ISA_AVX2)
  const Lanes m0 = all(kPhiloxM0), m1 = all(kPhiloxM1);
  for (int64_t b = 0; b < blocks; b += kBlocks) {
    Lanes c0 = add(all(counter + static_cast<uint64_t>(b)), ramp());
    Lanes c1 = high(c0), c2 = all(0), c3 = all(0);
    uint32_t k0 = static_cast<uint32_t>(s.seed), k1 = static_cast<uint32_t>(s.seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < kPhiloxRounds; ++round) {
      const Lanes p0 = multiply(c0, m0), p1 = multiply(c2, m1);
      c0 = mix(high(p1), c1, all(k0));
      c1 = p1;
      c2 = mix(high(p0), c3, all(k1));
      c3 = p0;
      k0 += kPhiloxW0;
      k1 += kPhiloxW1;
    }
    store_blocks(words + 4 * b, c0, c1, c2, c3);
  }
#else
  for (int64_t b = 0; b < blocks; ++b) {
    philox4x32(s.seed, counter + static_cast<uint64_t>(b), words + 4 * b);
  }
#endif
}

// Lanes as bits: element i is bit i % 8 of byte i / 8. i is a multiple of kWidth.
#if defined(PYDL_ISA_AVX512)
inline Mask at_least(const uint32_t* words, uint32_t threshold) {  // words >> 8 >= threshold
  const __m512i high = _mm512_srli_epi32(_mm512_loadu_si512(words), 8);
  return {_mm512_cmpge_epu32_mask(high, _mm512_set1_epi32(static_cast<int>(threshold)))};
}
// Keeps a load whole: the compiler would fold it into a masked operation, which is slow on memory.
inline Vec loaded(Vec v) {
  in_register(v);
  return v;
}
inline void store_bits(uint8_t* bits, int64_t i, Mask m, int64_t n) {
  const uint16_t b = m.m;
  memcpy(bits + i / 8, &b, n > 8 ? 2 : 1);
}
inline Mask load_bits(const uint8_t* bits, int64_t i, int64_t n) {
  uint16_t b = 0;
  memcpy(&b, bits + i / 8, n > 8 ? 2 : 1);
  return {b};
}
#elif defined(PYDL_ISA_AVX2)
inline Mask at_least(const uint32_t* words, uint32_t threshold) {
  const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  const __m256i below = _mm256_set1_epi32(static_cast<int>(threshold) - 1);
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_srli_epi32(w, 8), below))};
}
inline Vec loaded(Vec v) { return v; }
inline void store_bits(uint8_t* bits, int64_t i, Mask m, int64_t) {
  bits[i / 8] = static_cast<uint8_t>(_mm256_movemask_ps(m.m));
}
inline Mask load_bits(const uint8_t* bits, int64_t i, int64_t) {
  const __m256i place = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i b = _mm256_and_si256(_mm256_set1_epi32(bits[i / 8]), place);
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(b, place))};
}
#else
inline Mask at_least(const uint32_t* words, uint32_t threshold) {
  return test([=](int64_t i) { return (words[i] >> 8) >= threshold; });
}
inline Vec loaded(Vec v) { return v; }
inline void store_bits(uint8_t* bits, int64_t i, Mask m, int64_t n) {
  unsigned b = 0;
  for (int64_t k = 0; k < n; ++k) b |= static_cast<unsigned>(m.m[k]) << (i % 8 + k);
  bits[i / 8] = static_cast<uint8_t>(i % 8 == 0 ? b : bits[i / 8] | b);
}
inline Mask load_bits(const uint8_t* bits, int64_t i, int64_t) {
  return test([=](int64_t k) { return (bits[i / 8] >> (i % 8 + k) & 1) != 0; });
}
#endif

// f(words, at, n) for tiles of the elements of a piece, `each` words per element.
template <class F>
inline void tiles(Stream s, int64_t piece, int64_t total, int64_t each, F f) {
  alignas(64) uint32_t words[kTile];
  const int64_t end = min64((piece + 1) * kPiece, total), step = kTile / each;
  for (int64_t i = piece * kPiece; i < end; i += step) {
    const int64_t n = min64(step, end - i);
    fill_words(s, i * each, n * each, words);
    f(words, i, n);
  }
}

void uniform_piece(const void* ctx, int64_t piece, void*) {
  const RandomArgs& a = *static_cast<const RandomArgs*>(ctx);
  const float low = static_cast<float>(a.a), width = static_cast<float>(a.b) - low;
  tiles(stream_of(a.state), piece, a.n, 1, [&](const uint32_t* words, int64_t at, int64_t n) {
    float* __restrict out = static_cast<float*>(a.out) + at;
    for (int64_t i = 0; i < n; ++i) out[i] = low + width * unit_float(words[i]);
  });
}

void normal_piece(const void* ctx, int64_t piece, void*) {
  const RandomArgs& a = *static_cast<const RandomArgs*>(ctx);
  const double mean = a.a, deviation = a.b;
  tiles(stream_of(a.state), piece, a.n, 1, [&](const uint32_t* words, int64_t at, int64_t n) {
    alignas(64) float z[kTile];  // whole pairs, so that an odd n takes the first of its last pair
    for (int64_t j = 0; j < (n + 1) / 2; ++j) {
      double z0, z1;
      normal_pair(words[2 * j], words[2 * j + 1], &z0, &z1);
      z[2 * j] = static_cast<float>(mean + deviation * z0);
      z[2 * j + 1] = static_cast<float>(mean + deviation * z1);
    }
    memcpy(static_cast<float*>(a.out) + at, z, static_cast<size_t>(n) * sizeof(float));
  });
}

void int_piece(const void* ctx, int64_t piece, void*) {
  const RandomArgs& a = *static_cast<const RandomArgs*>(ctx);
  const uint64_t low = static_cast<uint64_t>(a.lo), range = static_cast<uint64_t>(a.hi) - low;
  tiles(stream_of(a.state), piece, a.n, 1, [&](const uint32_t* words, int64_t at, int64_t n) {
    int64_t* __restrict out = static_cast<int64_t*>(a.out) + at;
    for (int64_t i = 0; i < n; ++i) {
      out[i] = static_cast<int64_t>(low + ((static_cast<uint64_t>(words[i]) * range) >> 32));
    }
  });
}

void key_piece(const void* ctx, int64_t piece, void*) {
  const RandomArgs& a = *static_cast<const RandomArgs*>(ctx);
  tiles(stream_of(a.state), piece, a.n, 2, [&](const uint32_t* words, int64_t at, int64_t n) {
    uint64_t* __restrict keys = static_cast<uint64_t*>(a.work) + at;
    for (int64_t i = 0; i < n; ++i) {
      keys[i] = static_cast<uint64_t>(words[2 * i]) << 32 | words[2 * i + 1];
    }
  });
}

template <class T>
void dropout_piece(const void* ctx, int64_t piece, void*) {
  const DropoutArgs& a = *static_cast<const DropoutArgs*>(ctx);
  const uint32_t threshold = unit_threshold(a.p);
  const Vec scale = set1(1.0f / (1.0f - a.p)), zero = set1(0.0f);
  const T* x = as<T>(a.x);  // y may be x
  T* y = as<T>(a.y);
  uint8_t* __restrict mask = a.mask;
  const Output put(y, a.n);
  tiles(stream_of(a.state), piece, a.n, 1, [&](const uint32_t* words, int64_t at, int64_t n) {
    const auto step = [&](int64_t i, int64_t w) {
      const Mask kept = at_least(words + i, threshold);
      store_bits(mask, at + i, kept, w);
      put(y + at + i, select(kept, loaded(load_tail(x + at + i, w)) * scale, zero), w);
    };
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) step(i, kWidth);
    if (i < n) step(i, n - i);
  });
  put.done();
}

template <class T>
void dropout_back_piece(const void* ctx, int64_t piece, void*) {
  const DropoutBackwardArgs& a = *static_cast<const DropoutBackwardArgs*>(ctx);
  const Vec scale = set1(1.0f / (1.0f - a.p)), zero = set1(0.0f);
  const T* gy = as<T>(a.gy);
  T* gx = as<T>(a.gx);
  const uint8_t* __restrict mask = a.mask;
  const int64_t end = min64((piece + 1) * kPiece, a.n);
  const Output put(gx, a.n);
  const auto step = [&](int64_t i, int64_t w) {
    const Mask kept = load_bits(mask, i, w);
    put(gx + i, select(kept, loaded(load_tail(gy + i, w)) * scale, zero), w);
  };
  int64_t i = piece * kPiece;
  for (; i + kWidth <= end; i += kWidth) step(i, kWidth);
  if (i < end) step(i, end - i);
  put.done();
}

}  // namespace

void random(const RandomArgs& a) {
  const int64_t pieces = ceil_div(a.n, kPiece);
  switch (a.op) {
    case RandomOp::kUniform:
      parallel_for(pieces, uniform_piece, &a);
      break;
    case RandomOp::kNormal:
      parallel_for(pieces, normal_piece, &a);
      break;
    case RandomOp::kInt:
      parallel_for(pieces, int_piece, &a);
      break;
    case RandomOp::kPermutation:
      parallel_for(pieces, key_piece, &a);
      sort_by_key(static_cast<const uint64_t*>(a.work), static_cast<int64_t*>(a.out), a.n);
      break;
  }
  advance(a.state, a.op == RandomOp::kPermutation ? 2 * a.n : a.n);
}

void dropout(const DropoutArgs& a) {
  const PieceFn piece =
      of_type(a.dtype, dropout_piece<float>, dropout_piece<F16>, dropout_piece<BF16>);
  parallel_for(ceil_div(a.n, kPiece), piece, &a);
  advance(a.state, a.n);
}

void dropout_backward(const DropoutBackwardArgs& a) {
  const PieceFn piece = of_type(a.dtype, dropout_back_piece<float>, dropout_back_piece<F16>,
                                dropout_back_piece<BF16>);
  parallel_for(ceil_div(a.n, kPiece), piece, &a);
}

}  // namespace PYDL_ISA
}  // namespace pydl
