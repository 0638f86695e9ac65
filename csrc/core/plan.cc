#include "core/plan.h"

#include <string.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "core/arena.h"
#include "core/aside.h"
#include "core/denormals.h"

namespace pydl {

namespace {

constexpr size_t kAlign = 16;  // of a call's arguments

thread_local Plan* recording = nullptr;
thread_local Plan* patched = nullptr;

// Holds `busy` of a plan that nobody records or replays.
class Busy {
 public:
  Busy(std::atomic<bool>* busy, const char* what) : busy_(busy) {
    if (recording != nullptr) {
      throw std::logic_error(std::string(what) + ": a plan is being recorded");
    }
    if (busy_->exchange(true)) throw std::logic_error(std::string(what) + ": the plan is in use");
  }
  ~Busy() { *busy_ = false; }

 private:
  std::atomic<bool>* busy_;
};

Array copy_of(const Array& x) {
  Array y = empty(x.shape, x.dtype);
  if (x.bytes() > 0) memcpy(y.data, x.data, static_cast<size_t>(x.bytes()));
  return y;
}

}  // namespace

Plan* recording_plan() { return recording; }

Plan* patched_plan() { return patched; }

// A run on the other thread.
struct Plan::Started {
  const Plan* plan;
  int64_t repeat;
  Busy busy;
  Aside aside;

  Started(const Plan* p, int64_t times)
      : plan(p), repeat(times), busy(p->busy_.get(), "Plan.start"), aside{go, this} {}

  static void go(void* self) {
    const Started& s = *static_cast<const Started*>(self);
    FlushDenormals flush;
    for (int64_t i = 0; i < s.repeat; ++i) {
      for (const Step& step : s.plan->steps_) {
        if (step.host == Host::kNone) step.run(s.plan->arguments_.data() + step.at);
      }
    }
  }
};

Plan::Plan() = default;

Plan::~Plan() {
  if (started_ != nullptr) wait_for(started_->aside);
  if (recording == this) end();
  release();
}

void Plan::release() {
  for (const auto& storage : kept_) --storage->plans;
  kept_.clear();
}

void Plan::begin(const Plan* companion) {
  if (recording != nullptr) throw std::logic_error("Plan.begin: a plan is already being recorded");
  // A new pool even of a plan that had one: arrays of its earlier recording are foreign now.
  const bool shares = companion != nullptr && companion->pool_ != nullptr;
  std::shared_ptr<Pool> pool = shares ? companion->pool_ : new_plan_pool();
  const std::shared_ptr<std::atomic<bool>> busy = shares ? companion->busy_ : busy_;
  if (busy->exchange(true)) throw std::logic_error("Plan.begin: the plan is in use");
  steps_.clear();
  arguments_.clear();
  slots_.clear();
  results_.clear();
  blocks_.clear();
  release();
  busy_ = busy;
  pool_ = std::move(pool);
  {
    const auto lock = lock_pools();
    const Arena& arena = plan_pool_arena(*pool_);
    top_before_ = arena.bytes();
    number_before_ = arena.taken();
  }
  recording = this;
  set_current_pool(pool_);
}

void Plan::pause() {
  if (recording != this) throw std::logic_error("Plan.pause: this plan is not being recorded");
  recording = nullptr;
  set_current_pool(nullptr);
  paused_ = true;
}

void Plan::resume() {
  if (!paused_ || recording != nullptr) throw std::logic_error("Plan.resume: it was not paused");
  paused_ = false;
  recording = this;
  set_current_pool(pool_);
}

void Plan::end() {
  if (recording != this) throw std::logic_error("Plan.end: this plan is not being recorded");
  recording = nullptr;
  set_current_pool(nullptr);
  *busy_ = false;
}

void Plan::describe(const char* op, std::vector<Operand> operands, bool in_place) {
  next_ = Step();
  next_.op = op;
  next_.operands = std::move(operands);
  next_.in_place = in_place;
}

void Plan::describe_work(const std::shared_ptr<Storage>& storage) {
  const auto bytes = static_cast<int64_t>(storage->bytes);
  next_.work = {{"work", DType::kU8, {bytes}, storage->data, bytes, true, block_of(*storage)}};
}

void Plan::note(void (*run)(const void*), const void* call, size_t bytes) {
  next_.run = run;
  next_.at = arguments_.size();
  next_.bytes = bytes;
  next_.number = steps_.size();
  arguments_.resize(next_.at + (bytes + kAlign - 1) / kAlign * kAlign);
  memcpy(arguments_.data() + next_.at, call, bytes);
  steps_.push_back(std::move(next_));
  next_ = Step();
}

Operand Plan::operand(const char* name, const Array& x, bool written) {
  keep(x.storage);
  return {name, x.dtype, x.shape, x.data, x.bytes(), written, block_of(*x.storage)};
}

// 0 of what is from outside, or from another plan of the same pool.
int64_t Plan::block_of(const Storage& storage) {
  if (storage.pool != pool_ || storage.block <= number_before_) return 0;
  const char* begin = static_cast<const char*>(storage.data);
  blocks_[storage.block] = {begin, static_cast<int64_t>(storage.bytes)};
  return storage.block;
}

void Plan::keep(const std::shared_ptr<Storage>& storage) {
  // The private pool's own blocks live as long as the plan does; keeping them here would make
  // all of them blocks that are left after the step, none of which another may overlap.
  if (storage->pool == pool_) return;
  if (kept_.insert(storage).second) ++storage->plans;
}

void Plan::begin_patch(size_t first) {
  patched_ = first;
  patched = this;
}

void Plan::end_patch() { patched = nullptr; }

void Plan::patch(void (*run)(const void*), const void* call, size_t bytes) {
  for (const Step& step : steps_) {
    if (step.number != patched_ || step.run != run) continue;
    memcpy(arguments_.data() + step.at, call, bytes);
    ++patched_;
    return;
  }
  throw std::invalid_argument("Plan.patch: not the kernels that were recorded");
}

// A step with an operand in `storage`, or null.
const Plan::Step* Plan::user_of(const Storage& storage, bool writing) const {
  const char* begin = static_cast<const char*>(storage.data);
  for (const Step& step : steps_) {
    for (const Operand& x : step.operands) {
      const char* data = static_cast<const char*>(x.data);
      const bool inside = data >= begin && data < begin + storage.bytes;
      if (inside && (x.written || !writing)) return &step;
    }
  }
  return nullptr;
}

const Plan::Step* Plan::stale() const {
  for (const auto& storage : kept_) {
    if (storage->bytes == 0 || storage.use_count() > storage->plans) continue;
    if (const Step* step = user_of(*storage, false)) return step;
  }
  return nullptr;
}

bool Plan::holds(const void* address) const {
  const char* at = static_cast<const char*>(address);
  for (const auto& storage : kept_) {
    const char* begin = static_cast<const char*>(storage->data);
    if (at >= begin && at < begin + storage->bytes) return false;
  }
  return true;
}

std::vector<Array> Plan::written() const {
  std::vector<Array> found;
  for (const auto& storage : kept_) {
    if (storage->bytes == 0 || user_of(*storage, true) == nullptr) continue;
    Array x;
    x.storage = storage;
    x.data = storage->data;
    x.dtype = DType::kU8;
    x.size = static_cast<int64_t>(storage->bytes);
    x.shape = {x.size};
    found.push_back(x);
  }
  return found;
}

void Plan::run() const {
  FlushDenormals flush;
  for (const Step& step : steps_) step.run(arguments_.data() + step.at);
}

void Plan::replay() {
  Busy busy(busy_.get(), "Plan.replay");
  run();
}

void Plan::put(const std::vector<const void*>& inputs) {
  if (stale() != nullptr) throw std::runtime_error("Plan.call: memory that it uses was freed");
  for (size_t i = 0; i < inputs.size() && i < slots_.size(); ++i) {
    if (inputs[i] == nullptr || slots_[i].bytes() == 0) continue;
    memcpy(slots_[i].data, inputs[i], static_cast<size_t>(slots_[i].bytes()));
  }
}

std::vector<Array> Plan::copies() const {
  std::vector<Array> results;
  results.reserve(results_.size());
  for (const Array& x : results_) results.push_back(copy_of(x));
  return results;
}

std::vector<Array> Plan::call(const std::vector<const void*>& inputs) {
  Busy busy(busy_.get(), "Plan.call");
  put(inputs);
  run();
  return copies();
}

void Plan::start(const std::vector<const void*>& inputs, int64_t repeat) {
  auto started = std::make_unique<Started>(this, repeat);
  put(inputs);
  call_hosts(Host::kBefore);
  started_ = std::move(started);
  start_aside(&started_->aside);
}

std::vector<Array> Plan::wait() {
  if (started_ == nullptr) throw std::logic_error("Plan.wait: it was not started");
  wait_for(started_->aside);
  const std::unique_ptr<Started> started = std::move(started_);
  if (started->aside.error != nullptr) std::rethrow_exception(started->aside.error);
  call_hosts(Host::kAfter);
  return copies();
}

void Plan::call_hosts(Host when) const {
  for (const Step& step : steps_) {
    if (step.host == when) step.run(arguments_.data() + step.at);
  }
}

bool Plan::can_start() const {
  bool after = false;
  for (const Step& step : steps_) {
    if (step.host == Host::kBefore && after) return false;
    after = after || step.host == Host::kAfter;
  }
  return true;
}

std::vector<double> Plan::profile() {
  using Clock = std::chrono::steady_clock;
  Busy busy(busy_.get(), "Plan.profile");
  FlushDenormals flush;
  std::vector<double> seconds;
  seconds.reserve(size());
  for (const Step& step : steps_) {
    const auto began = Clock::now();
    step.run(arguments_.data() + step.at);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - began).count());
  }
  return seconds;
}

}  // namespace pydl
