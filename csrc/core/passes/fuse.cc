// Neighbouring elementwise calls over the same elements become one: some thousand elements go
// through all of them while they are in the cache, before the next ones are fetched.
#include <stddef.h>

#include <algorithm>
#include <utility>

#include "core/args/elementwise.h"
#include "core/args/movement.h"
#include "core/parallel.h"
#include "core/passes/passes.h"

namespace pydl {

namespace {

constexpr int64_t kChunk = 8192;        // elements that go through a chain at a time
constexpr int64_t kLeast = 8 * kChunk;  // fewer stay in the cache anyway
constexpr int kMostLinks = 8;
constexpr int kMostPointers = 3;
constexpr size_t kMostBytes = sizeof(KernelCall<BinaryArgs>);

// One call of a chain, and where in its arguments the number of elements and the pointers are.
struct Link {
  void (*run)(const void*);
  size_t bytes, n;
  struct Pointer {
    size_t at;
    int64_t step;  // bytes from one element to the next
  } pointer[kMostPointers];
  int pointers;
  alignas(16) char call[kMostBytes];

  void place(size_t at, int64_t step) { pointer[pointers++] = {at, step}; }
};

struct Chain {
  int64_t n;
  int count;
  Link link[kMostLinks];
};

void run_chunk(const void* ctx, int64_t piece, void*) {
  const Chain& chain = *static_cast<const Chain*>(ctx);
  const int64_t begin = piece * kChunk, n = std::min(kChunk, chain.n - begin);
  for (int i = 0; i < chain.count; ++i) {
    const Link& link = chain.link[i];
    alignas(16) char call[kMostBytes];
    memcpy(call, link.call, link.bytes);
    memcpy(call + link.n, &n, sizeof n);
    for (int k = 0; k < link.pointers; ++k) {
      const Link::Pointer& p = link.pointer[k];
      char* at;
      memcpy(&at, call + p.at, sizeof at);
      at += begin * p.step;
      memcpy(call + p.at, &at, sizeof at);
    }
    link.run(call);
  }
}

void run_chain(const Chain& chain) {
  parallel_for((chain.n + kChunk - 1) / kChunk, run_chunk, &chain);
}

template <class Args>
constexpr size_t member(size_t offset) {
  return offsetof(KernelCall<Args>, args) + offset;
}

// The call as a link over n elements, or false where it is not elementwise over dense arrays.
bool link_of(const Recorded& r, const Plan::Step& step, int64_t* n, Link* link) {
  *link = Link();
  link->run = step.run;
  link->bytes = step.bytes;
  if (step.bytes > kMostBytes) return false;
  if (const UnaryArgs* a = r.arguments_of<UnaryArgs>(step)) {
    const int64_t item = kItemSize[static_cast<int>(a->dtype)];
    *n = a->n;
    link->n = member<UnaryArgs>(offsetof(UnaryArgs, n));
    link->place(member<UnaryArgs>(offsetof(UnaryArgs, x)), item);
    link->place(member<UnaryArgs>(offsetof(UnaryArgs, y)), item);
  } else if (const UnaryBackwardArgs* b = r.arguments_of<UnaryBackwardArgs>(step)) {
    const int64_t item = kItemSize[static_cast<int>(b->dtype)];
    *n = b->n;
    link->n = member<UnaryBackwardArgs>(offsetof(UnaryBackwardArgs, n));
    link->place(member<UnaryBackwardArgs>(offsetof(UnaryBackwardArgs, gy)), item);
    link->place(member<UnaryBackwardArgs>(offsetof(UnaryBackwardArgs, s)), item);
    link->place(member<UnaryBackwardArgs>(offsetof(UnaryBackwardArgs, gx)), item);
  } else if (const BinaryArgs* c = r.arguments_of<BinaryArgs>(step)) {
    const int64_t item = kItemSize[static_cast<int>(c->dtype)];
    const int64_t out = kItemSize[static_cast<int>(step.operands.back().dtype)];
    if (c->ndim != 1) return false;
    *n = c->shape[0];
    link->n = member<BinaryArgs>(offsetof(BinaryArgs, shape));
    link->place(member<BinaryArgs>(offsetof(BinaryArgs, a)), item * c->a_stride[0]);
    link->place(member<BinaryArgs>(offsetof(BinaryArgs, b)), item * c->b_stride[0]);
    link->place(member<BinaryArgs>(offsetof(BinaryArgs, out)), out);
  } else if (const CastArgs* d = r.arguments_of<CastArgs>(step)) {
    *n = d->n;
    link->n = member<CastArgs>(offsetof(CastArgs, n));
    link->place(member<CastArgs>(offsetof(CastArgs, src)),
                kItemSize[static_cast<int>(d->src_dtype)]);
    link->place(member<CastArgs>(offsetof(CastArgs, dst)),
                kItemSize[static_cast<int>(d->dst_dtype)]);
  } else {
    return false;
  }
  memcpy(link->call, r.call_of(step), step.bytes);
  return true;
}

// What two calls share has to be the very same elements, so that a chunk of one needs but that
// chunk of the other. Returns whether they share anything that one of them writes.
bool share(const Plan::Step& a, const Plan::Step& b, bool* aligned) {
  bool found = false;
  for (const Operand& x : a.operands) {
    for (const Operand& y : b.operands) {
      if (!conflict(x, y)) continue;
      found = true;
      *aligned = *aligned && x.data == y.data && x.bytes == y.bytes;
    }
  }
  return found;
}

}  // namespace

void fuse_elementwise(const Recorded& r) {
  std::vector<Plan::Step> left;
  for (size_t i = 0; i < r.steps->size();) {
    Chain chain = {};
    size_t end = i;
    while (end < r.steps->size() && chain.count < kMostLinks) {
      int64_t n = 0;
      if (!link_of(r, (*r.steps)[end], &n, &chain.link[chain.count]) || n < kLeast) break;
      if (chain.count > 0 && n != chain.n) break;
      bool linked = end == i, aligned = true;
      for (size_t k = i; k < end; ++k) linked |= share((*r.steps)[k], (*r.steps)[end], &aligned);
      if (!linked || !aligned) break;
      chain.n = n;
      ++chain.count;
      ++end;
    }
    if (chain.count < 2) {
      left.push_back(std::move((*r.steps)[i++]));
      continue;
    }
    Plan::Step fused = (*r.steps)[i];
    fused.in_place = false;
    for (size_t k = i + 1; k < end; ++k) {
      const Plan::Step& step = (*r.steps)[k];
      fused.op += "+" + step.op;
      fused.operands.insert(fused.operands.end(), step.operands.begin(), step.operands.end());
    }
    r.set_call(&fused, run_chain, chain);
    left.push_back(std::move(fused));
    i = end;
  }
  *r.steps = std::move(left);
}

}  // namespace pydl
