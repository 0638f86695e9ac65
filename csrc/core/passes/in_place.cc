// An output of an elementwise call that begins its life where an input ends: it takes the memory of
// the input.
#include "core/passes/passes.h"

namespace pydl {

std::unordered_map<int64_t, int64_t> reuse_in_place(const Recorded& r) {
  const Uses uses = uses_of(*r.steps);
  std::unordered_map<int64_t, int64_t> becomes;
  std::unordered_set<int64_t> given;  // memory that an output has taken
  for (size_t i = 0; i < r.steps->size(); ++i) {
    Plan::Step& step = (*r.steps)[i];
    const Operand* out = step.in_place ? output_of(&step) : nullptr;
    if (out == nullptr || out->block == 0 || r.kept.count(out->block) > 0) continue;
    if (uses.at(out->block)[0] != i) continue;
    for (const Operand& x : step.operands) {
      if (x.written || x.block == 0 || x.block == out->block || r.kept.count(x.block) > 0) continue;
      const bool same = x.bytes == out->bytes && kItemSize[static_cast<int>(x.dtype)] ==
                                                     kItemSize[static_cast<int>(out->dtype)];
      if (!same || !r.whole(x) || !r.whole(*out)) continue;
      if (uses.at(x.block).back() != i || !given.insert(x.block).second) continue;
      becomes[out->block] = x.block;
      break;
    }
  }
  return becomes;
}

}  // namespace pydl
