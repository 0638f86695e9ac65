#include "core/passes/passes.h"

namespace pydl {

Uses uses_of(const std::vector<Plan::Step>& steps) {
  Uses uses;
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const Operand& x : steps[i].operands) {
      if (x.block != 0) uses[x.block].push_back({i, &x});
    }
    for (const Operand& x : steps[i].work) uses[x.block].push_back({i, &x});
  }
  return uses;
}

namespace {

bool touches(const Operand& a, const Operand& b) {
  if (!a.written && !b.written) return false;
  return a.begin() < b.end() && b.begin() < a.end();
}

bool writes(const Plan::Step& step) {
  for (const Operand& x : step.operands) {
    if (x.written) return true;
  }
  return false;
}

}  // namespace

bool independent(const Plan::Step& a, const Plan::Step& b) {
  if (!writes(a) || !writes(b)) return false;
  for (const Operand& x : a.operands) {
    for (const Operand& y : b.operands) {
      if (touches(x, y)) return false;
    }
  }
  return true;
}

}  // namespace pydl
