#include "core/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "core/arena.h"

namespace pydl {

namespace {

constexpr size_t kAlign = 64;
constexpr size_t kHuge = size_t{2} << 20;  // blocks from here on ask for huge pages
constexpr int kBins = 192;

// Four sizes per power of two: at most a quarter of a block is unused.
int bin_of(size_t bytes) {
  if (bytes <= kAlign) return 0;
  const int log2 = 63 - __builtin_clzll(bytes - 1);  // 2^log2 < bytes <= 2^(log2+1)
  const int quarter = static_cast<int>(((bytes - 1) >> (log2 - 2)) & 3);
  return (log2 - 6) * 4 + quarter + 1;
}

size_t size_of_bin(int bin) {
  if (bin == 0) return kAlign;
  const int log2 = (bin - 1) / 4 + 6;
  const size_t quarter = static_cast<size_t>((bin - 1) % 4);
  return (size_t{1} << log2) + (quarter + 1) * (size_t{1} << (log2 - 2));
}

// One lock for all pools. It is held for some tens of nanoseconds, and taken around fork, so that
// a child never inherits it locked.
std::mutex& mutex() {
  static std::mutex* m = [] {
    pthread_atfork([] { mutex().lock(); }, [] { mutex().unlock(); }, [] { mutex().unlock(); });
    return new std::mutex;
  }();
  return *m;
}

MemoryStats stats;
std::atomic<int64_t> allocations_left{-1};
thread_local std::shared_ptr<Pool> private_pool;

}  // namespace

// Blocks by size class, which stay for reuse; or, for a plan, an arena.
class Pool {
 public:
  explicit Pool(bool in_one_piece) : arena_(in_one_piece ? new Arena : nullptr) {}
  ~Pool() { trim(); }

  // What a block of so many bytes takes up.
  size_t rounded(size_t bytes) const {
    if (arena_ == nullptr) return size_of_bin(bin_of(bytes));
    return bytes <= kAlign ? kAlign : (bytes + kAlign - 1) / kAlign * kAlign;
  }

  void* take(size_t bytes) {  // with the lock held; null where nothing is cached
    if (arena_ != nullptr) return arena_->take(rounded(bytes));
    const int bin = bin_of(bytes);
    auto& list = free_[bin];
    if (list.empty()) {
      reserve(bin);
      return nullptr;
    }
    void* block = list.back();
    list.pop_back();
    stats.cached -= static_cast<int64_t>(size_of_bin(bin));
    return block;
  }

  void give(size_t bytes, void* block) {  // with the lock held
    if (arena_ != nullptr) return arena_->give(block, rounded(bytes));
    const int bin = bin_of(bytes);
    free_[bin].push_back(block);
    stats.cached += static_cast<int64_t>(size_of_bin(bin));
  }

  Arena* arena() const { return arena_.get(); }

  void trim() {
    std::lock_guard<std::mutex> lock(mutex());
    for (int bin = 0; bin < kBins; ++bin) {
      for (void* block : free_[bin]) ::free(block);
      stats.cached -= static_cast<int64_t>(free_[bin].size() * size_of_bin(bin));
      made_[bin] -= free_[bin].size();
      free_[bin].clear();
    }
  }

 private:
  void reserve(int bin) {  // room for one more, so that give cannot fail
    auto& list = free_[bin];
    ++made_[bin];
    if (list.capacity() < made_[bin]) list.reserve(2 * made_[bin]);
  }

  std::unique_ptr<Arena> arena_;
  std::vector<void*> free_[kBins];
  size_t made_[kBins] = {};
};

namespace {

const std::shared_ptr<Pool>& shared_pool() {
  static auto* pool =
      new std::shared_ptr<Pool>(new Pool(false));  // never destroyed: see exit order
  return *pool;
}

void count(size_t bytes) {  // a block handed out, with the lock held
  stats.live += static_cast<int64_t>(bytes);
  if (stats.live > stats.peak) stats.peak = stats.live;
  ++stats.arrays;
}

void* system_block(size_t bytes) {
  void* data = nullptr;
  if (::posix_memalign(&data, bytes >= kHuge ? kHuge : kAlign, bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  if (bytes >= kHuge) ::madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

Storage::~Storage() {
  if (release != nullptr) release(owner);
  if (pool == nullptr) return;
  std::lock_guard<std::mutex> lock(mutex());
  pool->give(bytes, data);
  stats.live -= static_cast<int64_t>(pool->rounded(bytes));
  --stats.arrays;
}

std::shared_ptr<Pool> new_plan_pool() { return std::make_shared<Pool>(true); }

const std::shared_ptr<Pool>& current_pool() {
  return private_pool != nullptr ? private_pool : shared_pool();
}

void set_current_pool(std::shared_ptr<Pool> pool) { private_pool = std::move(pool); }

size_t plan_pool_bytes(const Pool& pool) {
  std::lock_guard<std::mutex> lock(mutex());
  return pool.arena()->bytes();
}

Arena& plan_pool_arena(Pool& pool) { return *pool.arena(); }

std::unique_lock<std::mutex> lock_pools() { return std::unique_lock<std::mutex>(mutex()); }

std::shared_ptr<Storage> allocate(size_t bytes) {
  if (allocations_left.load(std::memory_order_relaxed) >= 0 && allocations_left.fetch_sub(1) == 0) {
    throw std::bad_alloc();
  }
  if (bytes > (size_t{1} << 46)) throw std::bad_alloc();
  auto storage = std::make_shared<Storage>();
  const std::shared_ptr<Pool>& pool = current_pool();
  const size_t rounded = pool->rounded(bytes);
  void* data = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex());
    data = pool->take(bytes);
    if (data != nullptr) count(rounded);
    if (pool->arena() != nullptr) storage->block = pool->arena()->taken();
  }
  if (data == nullptr) {
    data = system_block(rounded);
    if (data == nullptr) {
      shared_pool()->trim();
      data = system_block(rounded);
    }
    if (data == nullptr) throw std::bad_alloc();
    std::lock_guard<std::mutex> lock(mutex());
    count(rounded);
    ++stats.made;
  }
  storage->data = data;
  storage->bytes = bytes;
  storage->pool = pool;
  return storage;
}

MemoryStats memory_stats() {
  std::lock_guard<std::mutex> lock(mutex());
  return stats;
}

void reset_peak_memory() {
  std::lock_guard<std::mutex> lock(mutex());
  stats.peak = stats.live;
}

void empty_cache() { shared_pool()->trim(); }

void fail_allocation_after(int64_t n) { allocations_left = n; }

}  // namespace pydl
