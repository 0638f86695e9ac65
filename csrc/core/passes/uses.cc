#include "core/passes/passes.h"

namespace pydl {

Uses uses_of(const std::vector<Plan::Step>& steps) {
  Uses uses;
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const Operand& x : steps[i].operands) {
      if (x.block != 0) uses[x.block].push_back(i);
    }
    for (const Operand& x : steps[i].work) uses[x.block].push_back(i);
  }
  return uses;
}

Operand* output_of(Plan::Step* step) {
  Operand* found = nullptr;
  for (Operand& x : step->operands) {
    if (!x.written) continue;
    if (found != nullptr) return nullptr;
    found = &x;
  }
  return found;
}

bool conflict(const Operand& a, const Operand& b) {
  return (a.written || b.written) && a.begin() < b.end() && b.begin() < a.end();
}

namespace {

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
      if (conflict(x, y)) return false;
    }
  }
  return true;
}

}  // namespace pydl
