// submit: the one road from a caller to a kernel. It runs the call, and where a Plan records, notes
// it there as well. A Plan is the list of calls of one training step, replayed without Python.
#pragma once
#include <stddef.h>
#include <string.h>

#include <atomic>
#include <memory>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "core/pool.h"

namespace pydl {

class Plan {
 public:
  ~Plan();
  void begin();  // this thread's calls are noted, its new arrays come from the private pool
  void end();
  void replay();
  size_t size() const { return calls_.size(); }

  void note(void (*run)(const void*), const void* call, size_t bytes);
  void keep(const std::shared_ptr<Storage>& storage);  // memory that noted calls point into

 private:
  struct Entry {
    void (*run)(const void*);
    std::unique_ptr<char[]> call;
  };
  std::vector<Entry> calls_;
  std::unordered_set<std::shared_ptr<Storage>> kept_;
  std::shared_ptr<Pool> pool_ = new_pool();
  std::atomic<bool> busy_{false};  // recording or replaying, on any thread
};

Plan* recording_plan();  // of this thread, or null

void run_call(void (*run)(const void*), const void* call, size_t bytes);

template <class Args>
void submit(void (*fn)(const Args&), const Args& args) {
  static_assert(std::is_trivially_copyable<Args>::value, "kernel arguments are plain data");
  struct Call {
    void (*fn)(const Args&);
    Args args;
  };
  const Call call = {fn, args};
  run_call(
      [](const void* p) {
        const Call* c = static_cast<const Call*>(p);
        c->fn(c->args);
      },
      &call, sizeof call);
}

}  // namespace pydl
