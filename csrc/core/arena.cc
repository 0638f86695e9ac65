#include "core/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace pydl {

namespace {
constexpr size_t kReserved = size_t{1} << 38;  // addresses, not memory
constexpr size_t kPage = size_t{1} << 16;      // of any system, or a multiple of it
constexpr size_t kHuge = size_t{4} << 20;      // an arena of this size asks for huge pages
}  // namespace

Arena::Arena() {
  void* base = ::mmap(nullptr, kReserved, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<char*>(base);
}

Arena::~Arena() { ::munmap(base_, kReserved); }

void* Arena::take(size_t bytes) {
  // As many ranges as there can be once all blocks are given back.
  const size_t live = blocks_.size();
  if (free_.capacity() < live + 2) free_.reserve(2 * live + 2);
  auto best = free_.end();
  for (auto range = free_.begin(); range != free_.end(); ++range) {
    const size_t size = range->end - range->begin;
    if (size >= bytes && (best == free_.end() || size < best->end - best->begin)) best = range;
  }
  const bool extends = best == free_.end() && !free_.empty() && free_.back().end == top_;
  const size_t begin = best != free_.end() ? best->begin : extends ? free_.back().begin : top_;
  if (bytes > kReserved - begin) throw std::bad_alloc();
  blocks_[begin] = {number_ + 1, begin, bytes};
  ++number_;
  if (best != free_.end()) {
    best->begin += bytes;
    if (best->begin == best->end) free_.erase(best);
    return base_ + begin;
  }
  if (extends) free_.pop_back();
#if defined(MADV_HUGEPAGE)
  if (top_ < kHuge && begin + bytes >= kHuge) ::madvise(base_, kReserved, MADV_HUGEPAGE);
#endif
  top_ = begin + bytes;
  return base_ + begin;
}

void Arena::give(void* block, size_t bytes) {
  const size_t begin = static_cast<size_t>(static_cast<char*>(block) - base_);
  const auto after = std::lower_bound(free_.begin(), free_.end(), begin,
                                      [](const Range& r, size_t at) { return r.begin < at; });
  const bool joins_before = after != free_.begin() && (after - 1)->end == begin;
  const bool joins_after = after != free_.end() && after->begin == begin + bytes;
  if (joins_before && joins_after) {
    (after - 1)->end = after->end;
    free_.erase(after);
  } else if (joins_before) {
    (after - 1)->end = begin + bytes;
  } else if (joins_after) {
    after->begin = begin;
  } else {
    free_.insert(after, {begin, begin + bytes});
  }
  blocks_.erase(begin);
}

std::vector<Arena::Block> Arena::blocks() const {
  std::vector<Block> found;
  found.reserve(blocks_.size());
  for (const auto& entry : blocks_) found.push_back(entry.second);
  return found;
}

void Arena::rearrange(const std::vector<Block>& blocks, size_t top) {
  std::vector<Block> sorted = blocks;
  std::sort(sorted.begin(), sorted.end(),
            [](const Block& a, const Block& b) { return a.begin < b.begin; });
  blocks_.clear();
  free_.clear();
  free_.reserve(2 * sorted.size() + 2);
  size_t at = 0;
  for (const Block& block : sorted) {
    if (block.begin > at) free_.push_back({at, block.begin});
    at = block.begin + block.bytes;
    blocks_[block.begin] = block;
  }
  if (top > at) free_.push_back({at, top});
  const size_t first = (top + kPage - 1) / kPage * kPage;
  if (top_ > first) ::madvise(base_ + first, top_ - first, MADV_DONTNEED);
  top_ = top;
}

}  // namespace pydl
