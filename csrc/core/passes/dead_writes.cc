// Calls whose outputs nobody reads are dropped, and then those that only they have read from.
#include <utility>

#include "core/passes/passes.h"

namespace pydl {

void drop_dead_writes(const Recorded& r) {
  std::unordered_set<int64_t> read = r.kept;
  std::vector<Plan::Step> left;
  for (size_t i = r.steps->size(); i-- > 0;) {
    Plan::Step& step = (*r.steps)[i];
    bool writes = false, wanted = false;
    for (const Operand& x : step.operands) {
      if (!x.written) continue;
      writes = true;
      wanted = wanted || x.block == 0 || read.count(x.block) > 0;
    }
    if (writes && !wanted) continue;  // Python and checks write nothing
    for (const Operand& x : step.operands) {
      if (x.block != 0) read.insert(x.block);
    }
    left.push_back(std::move(step));
  }
  r.steps->assign(std::make_move_iterator(left.rbegin()), std::make_move_iterator(left.rend()));
}

}  // namespace pydl
