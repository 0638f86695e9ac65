// Small products that need nothing of each other run side by side, each on one thread: two threads
// that share a small product lose a good part of it to the sharing.
#include <algorithm>
#include <utility>

#include "core/args/gemm.h"
#include "core/parallel.h"
#include "core/passes/passes.h"

namespace pydl {

namespace {

constexpr size_t kWindow = 24;      // calls that are looked through for the second of a pair
constexpr double kMostFlops = 6e6;  // of each
constexpr double kShared = 1.3e6;   // from here on a product alone takes several threads,
constexpr double kGain = 1.7;       // which are so many times as fast as one
constexpr double kStart = 2e5;      // operations in the time that a second thread takes to begin

struct Pair {
  KernelCall<GemmArgs> call[2];
};

void run_member(const void* ctx, int64_t i, void*) {
  run_kernel<GemmArgs>(&static_cast<const Pair*>(ctx)->call[i]);
}

void run_pair(const Pair& pair) { parallel_for(2, run_member, &pair); }

double flops_of(const GemmArgs& g) {
  return 2.0 * static_cast<double>(g.m * g.n) * static_cast<double>(g.k * g.batch);
}

double alone(double flops) { return flops <= kShared ? flops : kStart + flops / kGain; }

bool repays(const GemmArgs& a, const GemmArgs& b) {
  const double x = flops_of(a), y = flops_of(b);
  return x <= kMostFlops && y <= kMostFlops && kStart + std::max(x, y) < alone(x) + alone(y);
}

}  // namespace

void pair_products(const Recorded& r) {
  std::vector<Plan::Step>& steps = *r.steps;
  std::vector<Plan::Step> left;
  std::vector<bool> taken(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    if (taken[i]) continue;
    const GemmArgs* a = r.arguments_of<GemmArgs>(steps[i]);
    size_t j = i + 1;
    const size_t end = a == nullptr ? j : std::min(steps.size(), i + kWindow);
    for (; j < end; ++j) {
      const GemmArgs* b = taken[j] ? nullptr : r.arguments_of<GemmArgs>(steps[j]);
      if (b == nullptr || !repays(*a, *b)) continue;
      bool free = true;
      for (size_t k = i; k < j && free; ++k) free = taken[k] || independent(steps[k], steps[j]);
      if (free) break;
    }
    if (j < end) {
      taken[j] = true;
      Plan::Step& first = steps[i];
      const Plan::Step& second = steps[j];
      Pair pair;
      memcpy(&pair.call[0], r.call_of(first), sizeof pair.call[0]);
      memcpy(&pair.call[1], r.call_of(second), sizeof pair.call[1]);
      first.op += " | " + second.op;
      first.operands.insert(first.operands.end(), second.operands.begin(), second.operands.end());
      first.work.insert(first.work.end(), second.work.begin(), second.work.end());
      r.set_call(&first, run_pair, pair);
    }
    left.push_back(std::move(steps[i]));
  }
  steps = std::move(left);
}

}  // namespace pydl
