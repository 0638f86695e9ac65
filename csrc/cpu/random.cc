// Random fills, permutations and dropout from the Philox stream of core/philox.h. A piece computes
// its own blocks of the stream, so the numbers do not depend on who computes them.
#include <stdint.h>

#include "core/philox.h"
#include "core/sort_keys.h"
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

// words[0..kTile) = the stream from word `first` (a multiple of 4) on.
void fill_words(Stream s, int64_t first, uint32_t* __restrict words) {
  const uint64_t counter = s.offset + static_cast<uint64_t>(first / 4);
  for (int64_t b = 0; b < kTile / 4; ++b) {
    philox4x32(s.seed, counter + static_cast<uint64_t>(b), words + 4 * b);
  }
}

// f(words, at, n) for tiles of the elements of a piece, `each` words per element.
template <class F>
inline void tiles(Stream s, int64_t piece, int64_t total, int64_t each, F f) {
  alignas(64) uint32_t words[kTile];
  const int64_t end = min64((piece + 1) * kPiece, total), step = kTile / each;
  for (int64_t i = piece * kPiece; i < end; i += step) {
    fill_words(s, i * each, words);
    f(words, i, min64(step, end - i));
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
    for (int64_t j = 0; j < kTile / 2; ++j) {
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

void dropout_piece(const void* ctx, int64_t piece, void*) {
  const DropoutArgs& a = *static_cast<const DropoutArgs*>(ctx);
  const uint32_t threshold = unit_threshold(a.p);
  const float scale = 1.0f / (1.0f - a.p);
  tiles(stream_of(a.state), piece, a.n, 1, [&](const uint32_t* words, int64_t at, int64_t n) {
    const float* x = a.x + at;
    float* y = a.y + at;
    uint8_t* __restrict mask = a.mask + at;
    for (int64_t i = 0; i < n; ++i) mask[i] = (words[i] >> 8) >= threshold ? 1 : 0;
    for (int64_t i = 0; i < n; i += kWidth) {
      const int64_t w = min64(kWidth, n - i);
      const Vec kept = load_tail(x + i, w) * set1(scale);
      store_tail(y + i, select(load_mask(mask + i, w), kept, set1(0.0f)), w);
    }
  });
}

void dropout_back_piece(const void* ctx, int64_t piece, void*) {
  const DropoutBackwardArgs& a = *static_cast<const DropoutBackwardArgs*>(ctx);
  const Vec scale = set1(1.0f / (1.0f - a.p));
  const int64_t end = min64((piece + 1) * kPiece, a.n);
  for (int64_t i = piece * kPiece; i < end; i += kWidth) {
    const int64_t w = min64(kWidth, end - i);
    const Vec kept = load_tail(a.gy + i, w) * scale;
    store_tail(a.gx + i, select(load_mask(a.mask + i, w), kept, set1(0.0f)), w);
  }
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
  parallel_for(ceil_div(a.n, kPiece), dropout_piece, &a);
  advance(a.state, a.n);
}

void dropout_backward(const DropoutBackwardArgs& a) {
  parallel_for(ceil_div(a.n, kPiece), dropout_back_piece, &a);
}

}  // namespace PYDL_ISA
}  // namespace pydl
