// A relu of what a product or a convolution has just made becomes part of its write-back: what was
// between them is neither written nor read.
#include <utility>

#include "core/args/conv.h"
#include "core/args/elementwise.h"
#include "core/args/gemm.h"
#include "core/passes/passes.h"

namespace pydl {

namespace {

Operand* output_of(Plan::Step* step) {
  Operand* found = nullptr;
  for (Operand& x : step->operands) {
    if (!x.written) continue;
    if (found != nullptr) return nullptr;
    found = &x;
  }
  return found;
}

// Has the step write its relu to y instead; false where it cannot.
bool take(const Recorded& r, Plan::Step* step, const Operand& x, const Operand& y) {
  Operand* out = output_of(step);
  if (out == nullptr || out->data != x.data || out->bytes != x.bytes) return false;
  float* to = static_cast<float*>(const_cast<void*>(y.data));
  if (GemmArgs* g = r.arguments_of<GemmArgs>(*step)) {
    if (g->act != Act::kNone || g->accumulate != 0) return false;
    g->act = Act::kRelu;
    g->c = to;
  } else if (Conv2dArgs* c = r.arguments_of<Conv2dArgs>(*step)) {
    if (step->op != "conv2d" || c->act != Act::kNone) return false;
    c->act = Act::kRelu;
    c->out = to;
  } else {
    return false;
  }
  out->data = y.data;
  out->block = y.block;
  step->op += "+relu";
  return true;
}

}  // namespace

void move_activations(const Recorded& r) {
  const Uses uses = uses_of(*r.steps);
  std::unordered_set<size_t> moved;
  for (size_t i = 0; i < r.steps->size(); ++i) {
    Plan::Step& step = (*r.steps)[i];
    if (step.op != "relu" || r.arguments_of<UnaryArgs>(step) == nullptr) continue;
    const Operand x = step.operands[0], y = step.operands[1];
    if (x.block == 0 || y.block == 0 || x.block == y.block || r.kept.count(x.block) > 0) continue;
    const std::vector<Use>& of_x = uses.at(x.block);
    if (of_x.size() != 2 || of_x[1].step != i || uses.at(y.block)[0].step != i) continue;
    if (take(r, &(*r.steps)[of_x[0].step], x, y)) moved.insert(i);
  }
  size_t at = 0;
  for (size_t i = 0; i < r.steps->size(); ++i) {
    if (moved.count(i) > 0) continue;
    if (at != i) (*r.steps)[at] = std::move((*r.steps)[i]);
    ++at;
  }
  r.steps->resize(at);
}

}  // namespace pydl
