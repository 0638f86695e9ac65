// The caching allocator. Freed blocks stay in their pool and are handed out again, so a training
// step asks the system for nothing after the first. A plan records into a pool of its own, an
// arena, whose blocks are numbered; in the end it lays them out anew (plan_finish.cc).
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <memory>
#include <mutex>

namespace pydl {

class Arena;
class Pool;

// Memory with an owner. Data of a pool goes back to it; data of somebody else (NumPy) is released
// by `release(owner)`.
struct Storage {
  void* data = nullptr;
  size_t bytes = 0;
  std::shared_ptr<Pool> pool;
  void (*release)(void*) = nullptr;
  void* owner = nullptr;
  std::atomic<int> plans{0};  // how many hold it
  int64_t block = 0;          // its number in the pool of a plan

  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  ~Storage();
};

struct MemoryStats {
  int64_t live = 0;    // bytes in use
  int64_t peak = 0;    // most bytes in use since reset_peak_memory
  int64_t cached = 0;  // bytes kept for reuse, all pools
  int64_t arrays = 0;  // blocks in use
  int64_t made = 0;    // blocks that were asked of the system so far, all pools
};

std::shared_ptr<Pool> new_plan_pool();      // throws std::bad_alloc
size_t plan_pool_bytes(const Pool& pool);   // of all its blocks, in use or not
Arena& plan_pool_arena(Pool& pool);         // to be used with the lock held
std::unique_lock<std::mutex> lock_pools();  // nothing comes from a pool or goes back to one

// The pool of this thread: the shared one, or a plan's while it records.
const std::shared_ptr<Pool>& current_pool();
void set_current_pool(std::shared_ptr<Pool> pool);  // null: the shared one

// 64-byte aligned, contents undefined. Throws std::bad_alloc.
std::shared_ptr<Storage> allocate(size_t bytes);

MemoryStats memory_stats();
void reset_peak_memory();
void empty_cache();                     // returns the shared pool's free blocks to the system
void fail_allocation_after(int64_t n);  // tests: the n-th allocation from now fails

}  // namespace pydl
