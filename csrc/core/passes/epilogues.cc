// A bias that is added to what a product has just made, and a relu of what a product or a
// convolution has just made, become part of its write-back: what was between them is neither
// written nor read.
#include <utility>

#include "core/args/conv.h"
#include "core/args/elementwise.h"
#include "core/args/gemm.h"
#include "core/passes/passes.h"

namespace pydl {

namespace {

// The calls of a plan while some are taken over by products.
class Epilogues {
 public:
  explicit Epilogues(const Recorded& r)
      : r_(r), steps_(*r.steps), uses_(uses_of(steps_)), taken_by_(steps_.size()) {
    for (size_t i = 0; i < steps_.size(); ++i) taken_by_[i] = i;
  }

  void run() {
    for (size_t i = 0; i < steps_.size(); ++i) {
      const Plan::Step& step = steps_[i];
      if (step.op == "add") {
        take_add(i, step.operands[0], step.operands[1]) ||
            take_add(i, step.operands[1], step.operands[0]);
      } else if (step.op == "relu") {
        take_relu(i);
      }
    }
    size_t at = 0;
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (taken_by_[i] != i) continue;
      if (at != i) steps_[at] = std::move(steps_[i]);
      ++at;
    }
    steps_.resize(at);
  }

 private:
  // The call that makes x, where x is read by call i alone and y begins there; or null.
  Plan::Step* maker_of(size_t i, const Operand& x, const Operand& y) {
    if (x.block == 0 || y.block == 0 || x.block == y.block || r_.kept.count(x.block) > 0) {
      return nullptr;
    }
    const std::vector<size_t>& of_x = uses_.at(x.block);
    if (of_x.size() != 2 || of_x[1] != i || uses_.at(y.block)[0] != i) return nullptr;
    Plan::Step& maker = steps_[taken_by_[of_x[0]]];
    const Operand* out = output_of(&maker);
    return out != nullptr && out->data == x.data && out->bytes == x.bytes ? &maker : nullptr;
  }

  // The maker writes y instead, and call i is part of it.
  void take(size_t i, Plan::Step* maker, const Operand& y) {
    Operand* out = output_of(maker);
    out->data = y.data;
    out->block = y.block;
    maker->op += "+" + steps_[i].op;
    taken_by_[i] = static_cast<size_t>(maker - steps_.data());
  }

  static float* floats(const Operand& x) { return static_cast<float*>(const_cast<void*>(x.data)); }

  // y = x + bias, where bias is a number for each column of x.
  bool take_add(size_t i, const Operand& x, const Operand& bias) {
    const Operand y = steps_[i].operands[2];
    Plan::Step* maker = maker_of(i, x, y);
    GemmArgs* g = maker == nullptr ? nullptr : r_.arguments_of<GemmArgs>(*maker);
    const BinaryArgs* add = r_.arguments_of<BinaryArgs>(steps_[i]);
    if (g == nullptr || add == nullptr || add->dtype != DType::kF32) return false;
    if (g->dtype != DType::kF32) return false;
    if (g->act != Act::kNone || g->accumulate != 0 || g->bias_axis != BiasAxis::kNone) return false;
    const int64_t rows = g->m * g->batch;
    const bool is_row = bias.bytes == g->n * static_cast<int64_t>(sizeof(float));
    const bool fits = rows == 1 ? add->ndim == 1 : add->ndim == 2 && along_rows(*add, rows, g->n);
    if (!is_row || !fits || written_since(bias, maker, i)) return false;
    g->bias_axis = BiasAxis::kCol;
    g->bias = floats(bias);
    g->c = floats(y);
    Operand added = bias;
    added.name = "bias";
    maker->operands.push_back(added);
    take(i, maker, y);
    return true;
  }

  static bool along_rows(const BinaryArgs& add, int64_t rows, int64_t cols) {
    const int64_t* a = add.a_stride[0] == 0 ? add.b_stride : add.a_stride;
    const int64_t* bias = add.a_stride[0] == 0 ? add.a_stride : add.b_stride;
    return add.shape[0] == rows && add.shape[1] == cols && a[0] == cols && a[1] == 1 &&
           bias[0] == 0 && bias[1] == 1;
  }

  bool written_since(const Operand& x, const Plan::Step* from, size_t end) const {
    for (const Plan::Step* step = from; step < steps_.data() + end; ++step) {
      for (const Operand& y : step->operands) {
        if (conflict(x, y)) return true;
      }
    }
    return false;
  }

  void take_relu(size_t i) {
    const Operand x = steps_[i].operands[0], y = steps_[i].operands[1];
    Plan::Step* maker = maker_of(i, x, y);
    const UnaryArgs* relu = r_.arguments_of<UnaryArgs>(steps_[i]);
    if (maker == nullptr || relu == nullptr) return;
    if (GemmArgs* g = r_.arguments_of<GemmArgs>(*maker)) {
      if (g->dtype != relu->dtype || g->act != Act::kNone || g->accumulate != 0) return;
      g->act = Act::kRelu;
      g->c = floats(y);
    } else if (Conv2dArgs* c = r_.arguments_of<Conv2dArgs>(*maker)) {
      if (maker->op != "conv2d" || relu->dtype != c->dtype || c->act != Act::kNone) return;
      c->act = Act::kRelu;
      c->out = floats(y);
    } else {
      return;
    }
    take(i, maker, y);
  }

  const Recorded& r_;
  std::vector<Plan::Step>& steps_;
  const Uses uses_;
  std::vector<size_t> taken_by_;  // itself, or the product that has become of it
};

}  // namespace

void move_epilogues(const Recorded& r) { Epilogues(r).run(); }

}  // namespace pydl
