#include "core/submit.h"

#include <stdexcept>

#include "core/denormals.h"

namespace pydl {

namespace {
thread_local Plan* recording = nullptr;
}

Plan* recording_plan() { return recording; }

void run_call(void (*run)(const void*), const void* call, size_t bytes) {
  {
    FlushDenormals flush;
    run(call);
  }
  if (recording != nullptr) recording->note(run, call, bytes);
}

Plan::~Plan() {
  if (recording == this) end();
}

void Plan::begin() {
  if (recording != nullptr) throw std::logic_error("Plan.begin: a plan is already being recorded");
  if (busy_.exchange(true)) throw std::logic_error("Plan.begin: the plan is in use");
  calls_.clear();
  kept_.clear();
  pool_ = new_pool();  // arrays of an earlier recording are foreign to this one
  recording = this;
  set_current_pool(pool_);
}

void Plan::end() {
  if (recording != this) throw std::logic_error("Plan.end: this plan is not being recorded");
  recording = nullptr;
  set_current_pool(nullptr);
  busy_ = false;
}

void Plan::note(void (*run)(const void*), const void* call, size_t bytes) {
  std::unique_ptr<char[]> copy(new char[bytes]);
  memcpy(copy.get(), call, bytes);
  calls_.push_back({run, std::move(copy)});
}

void Plan::keep(const std::shared_ptr<Storage>& storage) {
  // The private pool's own blocks live as long as the plan does; keeping them here would stop the
  // reuse that makes the memory plan.
  if (storage->pool != pool_) kept_.insert(storage);
}

void Plan::replay() {
  if (recording != nullptr) throw std::logic_error("Plan.replay: a plan is being recorded");
  if (busy_.exchange(true)) throw std::logic_error("Plan.replay: the plan is in use");
  struct Release {
    std::atomic<bool>& busy;
    ~Release() { busy = false; }
  } release{busy_};
  FlushDenormals flush;
  for (const Entry& entry : calls_) entry.run(entry.call.get());
}

}  // namespace pydl
