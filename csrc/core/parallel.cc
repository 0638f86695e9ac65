// A small pool: the caller opens a job, sleeping workers may join it, everybody takes the pieces of
// his share and then those that others have left, the caller closes the job and waits only for
// those who joined.
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <new>
#include <sstream>
#include <string>
#include <thread>

#include "core/denormals.h"

namespace pydl {

namespace {

constexpr int kSpins = 10000;  // some hundreds of microseconds before a thread sleeps
constexpr int kMaxThreads = 256;

struct FreeScratch {
  void operator()(void* p) const { ::free(p); }
};

void* scratch_of_this_thread() {
  thread_local std::unique_ptr<void, FreeScratch> scratch(
      ::aligned_alloc(64, kScratchBytes + kStagedFloats * sizeof(float)));
  if (scratch == nullptr) throw std::bad_alloc();
  return scratch.get();
}

// A run of pieces that one thread begins with. It is the same one in every job of so many pieces,
// so that what a thread wrote lies in its own caches when it is read: between caches that are not
// shared (two dies, two sockets) a line takes longer than from memory.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

// Keeps the workers off the CPU of whoever calls. Left alone, Linux often wakes a worker behind its
// caller, on the same CPU, and takes many milliseconds to move it: two threads ran like one.
class Placement {
 public:
  explicit Placement(int workers) : ids_(new std::atomic<int>[workers]()) {}

#if defined(__linux__)
  void enter(int worker) { ids_[worker].store(static_cast<int>(::syscall(SYS_gettid))); }
  void leave(int worker) { ids_[worker].store(0); }

  // By the caller, which may have been moved since its last call.
  void follow_caller(int workers) {
    const int cpu = ::sched_getcpu();
    if (cpu == cpu_ || cpu < 0) return;
    cpu_set_t others;
    if (::sched_getaffinity(0, sizeof others, &others) != 0) return;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) == 0) return;
    cpu_ = cpu;
    for (int i = 0; i < workers; ++i) {
      const int id = ids_[i].load();
      if (id == 0) {
        cpu_ = -1;  // not running yet: again at the next call
      } else {
        ::sched_setaffinity(id, sizeof others, &others);
      }
    }
  }
#else
  void enter(int) {}
  void leave(int) {}
  void follow_caller(int) {}
#endif

 private:
  std::unique_ptr<std::atomic<int>[]> ids_;  // of the threads; 0 before and after their time
  int cpu_ = -1;
};

class ThreadPool {
 public:
  explicit ThreadPool(int threads)
      : workers_(threads - 1), placement_(threads - 1), shares_(new Share[threads]) {
    for (int i = 0; i < workers_; ++i) {
      try {
        std::thread([this, i] { work(i); }).detach();
      } catch (const std::system_error&) {
        workers_ = i;  // ulimit -u: fewer threads, the same bits
      }
    }
  }

  void run(int64_t pieces, PieceFn fn, const void* ctx, void* scratch) {
    placement_.follow_caller(workers_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      fn_ = fn;
      ctx_ = ctx;
      const int64_t threads = workers_ + 1;
      for (int64_t t = 0; t < threads; ++t) {
        shares_[t].next.store(pieces * t / threads, std::memory_order_relaxed);
        shares_[t].end = pieces * (t + 1) / threads;
      }
      open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_.load() > 0) wake_.notify_all();
    take_pieces(0, fn, ctx, scratch);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      open_ = false;
    }
    for (int i = 0; i < kSpins && joined_.load(std::memory_order_acquire) > 0; ++i) spin_pause();
    if (joined_.load(std::memory_order_acquire) == 0) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return joined_.load() == 0; });
  }

  void stop() {  // workers leave; the pool itself is leaked, as they may still look at it
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
  }

 private:
  void take_pieces(int me, PieceFn fn, const void* ctx, void* scratch) {
    const int threads = workers_ + 1;
    for (int t = 0; t < threads; ++t) {
      Share& share = shares_[(me + t) % threads];
      for (;;) {
        const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        fn(ctx, i, scratch);
      }
    }
  }

  void wait_for_change(uint64_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (generation_.load(std::memory_order_acquire) != seen) return;
      spin_pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return generation_.load() != seen; });
    sleeping_.fetch_sub(1);
  }

  void work(int worker) {
    FlushDenormals flush;
    void* scratch = nullptr;
    try {
      scratch = scratch_of_this_thread();
    } catch (const std::bad_alloc&) {
      return;  // one thread less: nobody waits for a worker that has not joined
    }
    placement_.enter(worker);
    uint64_t seen = 0;
    for (;;) {
      wait_for_change(seen);
      PieceFn fn;
      const void* ctx;
      {
        std::lock_guard<std::mutex> lock(mutex_);
        if (stopping_) break;
        seen = generation_.load();
        if (!open_) continue;
        joined_.fetch_add(1);
        fn = fn_;
        ctx = ctx_;
      }
      take_pieces(worker + 1, fn, ctx, scratch);
      if (joined_.fetch_sub(1, std::memory_order_release) == 1) {
        std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
    placement_.leave(worker);
  }

  int workers_;
  Placement placement_;
  std::unique_ptr<Share[]> shares_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> joined_{0};
  std::atomic<int> sleeping_{0};
  bool open_ = false;
  bool stopping_ = false;
  PieceFn fn_ = nullptr;
  const void* ctx_ = nullptr;
};

// Whoever holds `busy` may use or replace `pool`; everybody else runs serially.
struct Global {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  ThreadPool* pool = nullptr;
};
Global global;
std::atomic<int> threads{0};  // 0: not chosen yet
thread_local bool inside = false;

int quota_of(const std::string& quota, const std::string& period) {
  if (quota.empty() || quota == "max" || quota[0] == '-') return kMaxThreads;
  const double cpus = std::atof(quota.c_str()) / std::max(1.0, std::atof(period.c_str()));
  return std::max(1, static_cast<int>(cpus + 0.5));
}

int cgroup_cpus() {
  std::string quota, period;
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  if (v2 >> quota >> period) return quota_of(quota, period);
  std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (q >> quota && p >> period) return quota_of(quota, period);
  return kMaxThreads;
}

// The child of a fork has none of its parent's threads and may hold its locks: start anew.
void forget_pool_in_child() {
  global.pool = nullptr;
  global.busy.clear();
}

}  // namespace

Serially::Serially() : before_(inside) { inside = true; }

Serially::~Serially() { inside = before_; }

void spin_pause() {
#if defined(__SSE__)
  _mm_pause();
#endif
}

int usable_cpus() {
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
#endif
  return std::min(std::max(1, cpus), std::min(cgroup_cpus(), kMaxThreads));
}

int num_threads() {
  int n = threads.load();
  if (n > 0) return n;
  const char* wanted = ::getenv("PYDL_NUM_THREADS");
  n = wanted != nullptr ? std::atoi(wanted) : 0;
  n = n >= 1 ? std::min(n, kMaxThreads) : usable_cpus();
  threads.store(n);
  return n;
}

void set_num_threads(int n) {
  while (global.busy.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  threads.store(std::min(std::max(1, n), kMaxThreads));
  if (global.pool != nullptr) global.pool->stop();
  global.pool = nullptr;
  global.busy.clear(std::memory_order_release);
}

void parallel_for(int64_t pieces, PieceFn fn, const void* ctx) {
  if (pieces <= 0) return;
  void* scratch = scratch_of_this_thread();
  const bool alone = pieces == 1 || inside || num_threads() == 1 ||
                     global.busy.test_and_set(std::memory_order_acquire);
  if (alone) {
    for (int64_t i = 0; i < pieces; ++i) fn(ctx, i, scratch);
    return;
  }
  if (global.pool == nullptr) {
    static const int registered = pthread_atfork(nullptr, nullptr, forget_pool_in_child);
    static_cast<void>(registered);
    global.pool = new ThreadPool(num_threads());
  }
  inside = true;
  global.pool->run(pieces, fn, ctx, scratch);
  inside = false;
  global.busy.clear(std::memory_order_release);
}

}  // namespace pydl
