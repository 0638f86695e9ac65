// Plan: the list of the kernel calls of one training step, replayed without Python. Calls are noted
// as they run (see submit.h); arrays made meanwhile come from a pool of the plan's own, whose
// blocks are reused on replay as they were while recording.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/array.h"

namespace pydl {

// What a noted call reads or writes.
struct Operand {
  std::string name;  // of the kernel's argument
  DType dtype;
  std::vector<int64_t> shape;
  const void* data;
  int64_t bytes;
  bool written;
};

class Plan {
 public:
  struct Step {
    std::string op;
    std::vector<Operand> operands;
    void (*run)(const void*);
    size_t at;  // of its arguments
  };

  ~Plan();
  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // This thread's calls are noted from here on. New arrays come from a new pool, or from that of
  // another plan; the two then never run at the same time.
  void begin(const Plan* companion);
  // Calls that this thread submits until `end_patch` do not run, but take the places of the steps
  // from `first` on: the same kernels with other numbers.
  void begin_patch(size_t first);
  void end_patch();
  void pause();  // calls and arrays are nobody's for a while
  void resume();
  void end();

  void replay();
  std::vector<double> profile();  // a replay; seconds of each call
  // A replay from the bytes for each slot (null: they are there already) to a new array for each
  // result.
  void set_ends(std::vector<Array> slots, std::vector<Array> results);
  std::vector<Array> call(const std::vector<const void*>& inputs);

  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<Array>& slots() const { return slots_; }
  size_t size() const { return steps_.size(); }
  size_t bytes() const { return pool_ == nullptr ? 0 : plan_pool_bytes(*pool_); }  // of its memory
  bool owns(const Array& x) const { return pool_ != nullptr && x.storage->pool == pool_; }
  // Memory from outside of the plan that its calls write, as bytes.
  std::vector<Array> written() const;
  // Whether an address is none of the memory from outside.
  bool holds(const void* address) const;
  // A step that uses memory which nobody but plans holds any more, or null.
  const Step* stale() const;

  // By whoever prepares a call, before it runs.
  void describe(const char* op, std::vector<Operand> operands);
  Operand operand(const char* name, const Array& x, bool written);  // keeps the memory of x
  void keep(const std::shared_ptr<Storage>& storage);               // what noted calls point into
  // By submit.
  void note(void (*run)(const void*), const void* call, size_t bytes);
  void patch(void (*run)(const void*), const void* call, size_t bytes);

 private:
  void release();
  void run() const;
  const Step* user_of(const Storage& storage, bool writing) const;

  std::vector<Step> steps_;
  std::vector<char> arguments_;  // of all calls, behind one another
  Step next_;                    // what `describe` said of the call to come
  std::unordered_set<std::shared_ptr<Storage>> kept_;
  std::vector<Array> slots_, results_;
  std::shared_ptr<Pool> pool_;  // none before the first recording
  bool paused_ = false;
  size_t patched_ = 0;  // the next step to be replaced
  // Recording or replaying, on any thread: one flag for all plans of a pool.
  std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
};

Plan* recording_plan();  // of this thread, or null
Plan* patched_plan();    // the same

}  // namespace pydl
