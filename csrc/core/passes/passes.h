// Passes over the recorded calls of a plan, each in a file of its own. They know memory by blocks:
// meanwhile every block has addresses that no other has, so that a call may be moved, and given
// another output, without regard to who is where. `lay_out` (layout.h) then says where blocks lie.
//
// None of them changes a bit of what a replay leaves behind.
#pragma once
#include <string.h>

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/submit.h"

namespace pydl {

struct Recorded {
  std::vector<Plan::Step>* steps;
  std::vector<char>* arguments;
  const std::unordered_map<int64_t, Plan::Block>* blocks;
  std::unordered_set<int64_t> kept;  // blocks that are read after the last call

  // Whether an operand is a block from its beginning to its end.
  bool whole(const Operand& x) const {
    const Plan::Block& block = blocks->at(x.block);
    return x.begin() == block.begin && x.bytes == block.bytes;
  }

  // The arguments of a call of this family, or null.
  template <class Args>
  Args* arguments_of(const Plan::Step& step) const {
    if (step.run != run_kernel<Args>) return nullptr;
    return &reinterpret_cast<KernelCall<Args>*>(arguments->data() + step.at)->args;
  }
  const char* call_of(const Plan::Step& step) const { return arguments->data() + step.at; }

  // Gives a step another call.
  template <class Args>
  void set_call(Plan::Step* step, void (*fn)(const Args&), const Args& args) const {
    const KernelCall<Args> call = {fn, args};
    step->run = run_kernel<Args>;
    step->bytes = sizeof call;
    step->at = (arguments->size() + 15) / 16 * 16;
    arguments->resize(step->at + sizeof call);
    memcpy(arguments->data() + step->at, &call, sizeof call);
  }
};

// The steps that use each block of the plan's own memory, once for every operand there.
using Uses = std::unordered_map<int64_t, std::vector<size_t>>;
Uses uses_of(const std::vector<Plan::Step>& steps);

// The only operand that a call writes, or null.
Operand* output_of(Plan::Step* step);

// Whether one of them writes what the other uses.
bool conflict(const Operand& a, const Operand& b);

// Whether two calls may change places: neither writes what the other uses, and neither is Python or
// a check, whose place is seen from outside.
bool independent(const Plan::Step& a, const Plan::Step& b);

void drop_dead_writes(const Recorded& r);
void move_epilogues(const Recorded& r);
void fuse_elementwise(const Recorded& r);
void pair_products(const Recorded& r);
// Changes no call, but says which blocks are to lie where another one ends (block -> that one).
std::unordered_map<int64_t, int64_t> reuse_in_place(const Recorded& r);

}  // namespace pydl
