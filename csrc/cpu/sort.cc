// The stable argsort of lines along the middle of (outer, n, inner). Elements become unsigned keys
// of the same order; short lines are sorted by insertion, long ones by radix, one byte a pass.
// Source: Knuth, The Art of Computer Programming 3, 5.2.1 S and 5.2.5 R.
#include "core/args/sort.h"

#include <string.h>

#include "cpu/kernels_isa.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kShort = 40;               // lines that insertion sorts faster
constexpr int64_t kPiece = 16384;            // elements
constexpr int64_t kScratchKeep = 64 * 1024;  // of the scratch, for the histograms

// A key and where it came from. Equal keys are never compared by place: both sorts are stable.
template <class Key>
struct Item {
  Key key;
  Key at;
};

inline uint32_t key_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return 0xffffffffu;
  if (x == 0.0f) return 0x80000000u;
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
inline uint32_t key_of(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }
inline uint32_t key_of(uint8_t x) { return x; }
inline uint64_t key_of(int64_t x) { return static_cast<uint64_t>(x) ^ (uint64_t{1} << 63); }

template <class Key>
void insertion_sort(Item<Key>* p, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const Item<Key> x = p[i];
    int64_t j = i;
    for (; j > 0 && x.key < p[j - 1].key; --j) p[j] = p[j - 1];
    p[j] = x;
  }
}

// Sorts p with the help of q; where the result is. A byte that all keys share costs nothing.
template <class Key>
const Item<Key>* radix_sort(Item<Key>* p, Item<Key>* q, int64_t n, uint32_t (*counts)[256]) {
  constexpr int kBytes = sizeof(Key);
  memset(counts, 0, kBytes * sizeof counts[0]);
  for (int64_t i = 0; i < n; ++i) {
    for (int b = 0; b < kBytes; ++b) ++counts[b][p[i].key >> (8 * b) & 255];
  }
  for (int b = 0; b < kBytes; ++b) {
    uint32_t* count = counts[b];
    if (count[p[0].key >> (8 * b) & 255] == static_cast<uint32_t>(n)) continue;
    uint32_t before = 0;
    for (int v = 0; v < 256; ++v) {
      const uint32_t c = count[v];
      count[v] = before;
      before += c;
    }
    for (int64_t i = 0; i < n; ++i) q[count[p[i].key >> (8 * b) & 255]++] = p[i];
    Item<Key>* other = p;
    p = q;
    q = other;
  }
  return p;
}

int64_t key_bytes(DType t) { return t == DType::kI64 ? 8 : 4; }

// Two buffers of items; a line that fits into a thread's scratch needs no work.
int64_t line_bytes(const ArgsortArgs& a) { return 4 * key_bytes(a.dtype) * a.n; }

int64_t lines_per_piece(const ArgsortArgs& a) { return max64(1, kPiece / max64(a.n, 1)); }

template <class T, class Key>
void sort_piece(const void* ctx, int64_t piece, void* scratch) {
  const ArgsortArgs& a = *static_cast<const ArgsortArgs*>(ctx);
  const int64_t each = lines_per_piece(a), lines = a.outer * a.inner;
  auto* counts = static_cast<uint32_t (*)[256]>(scratch);
  const Key flip = a.descending ? ~Key{0} : Key{0};
  for (int64_t line = piece * each; line < min64(lines, (piece + 1) * each); ++line) {
    const int64_t o = line / a.inner, i = line % a.inner;
    char* room = a.work != nullptr ? static_cast<char*>(a.work) + line * line_bytes(a)
                                   : static_cast<char*>(scratch) + kScratchKeep;
    auto* p = reinterpret_cast<Item<Key>*>(room);
    const T* x = static_cast<const T*>(a.x) + o * a.n * a.inner + i;
    for (int64_t k = 0; k < a.n; ++k) {
      p[k] = {static_cast<Key>(key_of(x[k * a.inner]) ^ flip), static_cast<Key>(k)};
    }
    const Item<Key>* sorted = p;
    if (a.n <= kShort) {
      insertion_sort(p, a.n);
    } else {
      sorted = radix_sort(p, p + a.n, a.n, counts);
    }
    int64_t* index = a.index + o * a.k * a.inner + i;
    for (int64_t k = 0; k < a.k; ++k) index[k * a.inner] = static_cast<int64_t>(sorted[k].at);
  }
}

}  // namespace

void argsort(const ArgsortArgs& a) {
  if (a.outer <= 0 || a.n <= 0 || a.inner <= 0) return;
  const int64_t pieces = ceil_div(a.outer * a.inner, lines_per_piece(a));
  switch (a.dtype) {
    case DType::kI64:
      return parallel_for(pieces, &sort_piece<int64_t, uint64_t>, &a);
    case DType::kI32:
      return parallel_for(pieces, &sort_piece<int32_t, uint32_t>, &a);
    case DType::kU8:
    case DType::kBool:
      return parallel_for(pieces, &sort_piece<uint8_t, uint32_t>, &a);
    default:
      return parallel_for(pieces, &sort_piece<float, uint32_t>, &a);
  }
}

int64_t argsort_work(const ArgsortArgs& a) {
  if (a.outer <= 0 || a.n <= 0 || a.inner <= 0) return 0;
  return line_bytes(a) <= kScratchBytes - kScratchKeep ? 0 : a.outer * a.inner * line_bytes(a);
}

}  // namespace PYDL_ISA
}  // namespace pydl
