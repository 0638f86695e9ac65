#include "core/aside.h"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "core/parallel.h"

namespace pydl {

namespace {

constexpr int kSpins = 20000;  // some hundreds of microseconds before a thread sleeps

// Its one thread is never joined, and it is never freed: the process may end at any time.
class Runner {
 public:
  Runner() {
    std::thread([this] { work(); }).detach();
  }

  void start(Aside* job) {
    keep_off_this_cpu();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      jobs_.push_back(job);
      waiting_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_one();
  }

  void wait(const Aside& job) {
    for (int i = 0; i < kSpins; ++i) {
      if (job.done.load(std::memory_order_acquire)) return;
      spin_pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return job.done.load(std::memory_order_acquire); });
  }

 private:
  void work() {
    const Serially serially;
#if defined(__linux__)
    id_.store(static_cast<int>(::syscall(SYS_gettid)));
#endif
    for (;;) {
      for (int i = 0; i < kSpins && waiting_.load(std::memory_order_acquire) == 0; ++i) {
        spin_pause();
      }
      Aside* job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this] { return !jobs_.empty(); });
        job = jobs_.front();
        jobs_.pop_front();
        waiting_.fetch_sub(1);
      }
      try {
        job->run(job->ctx);
      } catch (...) {
        job->error = std::current_exception();
      }
      {
        std::lock_guard<std::mutex> lock(mutex_);
        job->done.store(true, std::memory_order_release);
      }
      done_.notify_all();
    }
  }

  // As for the workers of the pool: Linux would leave both on one CPU.
  void keep_off_this_cpu() {
#if defined(__linux__)
    const int cpu = ::sched_getcpu(), id = id_.load();
    cpu_set_t others;
    if (cpu == cpu_ || cpu < 0 || id == 0) return;
    if (::sched_getaffinity(0, sizeof others, &others) != 0) return;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) == 0) return;
    cpu_ = cpu;
    ::sched_setaffinity(id, sizeof others, &others);
#endif
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<Aside*> jobs_;
  std::atomic<int> waiting_{0};
  std::atomic<int> id_{0};
  int cpu_ = -1;
};

Runner* runner = nullptr;

// The child of a fork has no such thread, and what it was doing is lost.
void forget_runner_in_child() { runner = nullptr; }

}  // namespace

// NOTE: callers hold the GIL, so one at a time.
void start_aside(Aside* work) {
  if (runner == nullptr) {
    static const int registered = pthread_atfork(nullptr, nullptr, forget_runner_in_child);
    static_cast<void>(registered);
    runner = new Runner;
  }
  runner->start(work);
}

void wait_for(const Aside& work) {
  if (runner != nullptr) runner->wait(work);
}

}  // namespace pydl
