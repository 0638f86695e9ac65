// Plan: the list of the kernel calls of one training step, replayed without Python. Calls are noted
// as they run (see submit.h); arrays made meanwhile come from a pool of the plan's own, whose
// blocks get other addresses in the end, by the lives that they turned out to have (passes/).
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
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
  int64_t block = 0;  // of the plan's own memory, or 0

  const char* begin() const { return static_cast<const char*>(data); }
  const char* end() const { return begin() + bytes; }
};

class Plan {
 public:
  // A call back into Python, and when it is made where a run was started: before all kernels, or
  // when it is waited for.
  enum class Host { kNone, kBefore, kAfter };
  struct Step {
    std::string op;
    std::vector<Operand> operands;
    std::vector<Operand> work;  // its workspaces
    bool in_place = false;      // an output may lie where an input lies
    Host host = Host::kNone;
    void (*run)(const void*);
    size_t at, bytes;  // of its arguments
    size_t number;     // as recorded
  };
  // A block of the pool that belongs to this plan.
  struct Block {
    const char* begin;
    int64_t bytes;
  };

  ~Plan();
  Plan();
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
  // What was recorded is all of it: calls are improved by the passes named, and memory is laid out.
  // `left` are the arrays that are still there: results first, then others that the calls write. No
  // others may hold the same memory, or it stays where it is. `passing` are arrays that `patch`
  // will be told of; what they hold may be overwritten by later calls.
  void finish(std::vector<Array> slots, const std::vector<Array*>& left, size_t results,
              const std::vector<Array*>& passing, const std::vector<std::string>& passes);
  // A replay from the bytes for each slot (null: they are there already) to a new array for each
  // result.
  std::vector<Array> call(const std::vector<const void*>& inputs);
  // The same on a thread of its own (core/aside.h), so many times on end; `wait` gives the results
  // of the last time. Calls back into Python are made once, by `start` and `wait` themselves.
  void start(const std::vector<const void*>& inputs, int64_t repeat);
  bool can_start() const;  // no call of kBefore comes after one of kAfter
  std::vector<Array> wait();

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
  void describe(const char* op, std::vector<Operand> operands, bool in_place = false);
  void describe_host(Host when) { next_.host = when; }
  void describe_work(const std::shared_ptr<Storage>& storage);
  Operand operand(const char* name, const Array& x, bool written);  // keeps the memory of x
  void keep(const std::shared_ptr<Storage>& storage);               // what noted calls point into
  // By submit.
  void note(void (*run)(const void*), const void* call, size_t bytes);
  void patch(void (*run)(const void*), const void* call, size_t bytes);

 private:
  void release();
  void put(const std::vector<const void*>& inputs);
  void run() const;
  void call_hosts(Host when) const;
  std::vector<Array> copies() const;
  struct Started;
  int64_t block_of(const Storage& storage);
  struct Pointer;
  static Pointer let_go(Array* x);
  using Addresses = std::unordered_map<int64_t, const char*>;  // of blocks
  void improve(const std::vector<Array*>& left, const std::vector<std::string>& passes);
  void relocate(const Addresses& to);
  void place_blocks(const std::vector<Array*>& left, const std::unordered_set<int64_t>& kept,
                    const std::unordered_map<int64_t, int64_t>& becomes, const Addresses& real);
  void move_left(const std::vector<Array*>& left, const std::unordered_set<int64_t>& movable,
                 const Addresses& to);
  const Step* user_of(const Storage& storage, bool writing) const;

  std::vector<Step> steps_;
  std::vector<char> arguments_;  // of all calls, behind one another
  Step next_;                    // what `describe` said of the call to come
  std::unordered_set<std::shared_ptr<Storage>> kept_;
  std::unordered_map<int64_t, Block> blocks_;
  size_t top_before_ = 0;      // of the pool, which other plans of it need
  int64_t number_before_ = 0;  // of the blocks that they made
  std::vector<Array> slots_, results_;
  std::shared_ptr<Pool> pool_;  // none before the first recording
  bool paused_ = false;
  size_t patched_ = 0;  // the next step to be replaced
  // Recording or replaying, on any thread: one flag for all plans of a pool.
  std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<Started> started_;  // until `wait`
};

Plan* recording_plan();  // of this thread, or null
Plan* patched_plan();    // the same

}  // namespace pydl
