// The end of a recording: the passes over the calls, and where the memory of the plan lies.
#include <string.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/arena.h"
#include "core/passes/layout.h"
#include "core/passes/passes.h"
#include "core/plan.h"

namespace pydl {

namespace {

// Where every block has addresses of its own. NOTE: no number that calls hold looks like them; as
// floats they are beyond 10^35, as two halves odd.
constexpr uint64_t kApart = 0x7a3b5d5900000000u;
constexpr size_t kAlign = 64;

size_t rounded(int64_t bytes) {
  return std::max(kAlign, (static_cast<size_t>(bytes) + kAlign - 1) / kAlign * kAlign);
}

struct Pass {
  const char* name;
  void (*run)(const Recorded&);
};
constexpr Pass kBefore[] = {{"dead_writes", drop_dead_writes}, {"epilogues", move_epilogues}};
constexpr Pass kAfter[] = {{"fuse", fuse_elementwise}, {"pairs", pair_products}};

bool named(const std::vector<std::string>& passes, const char* name) {
  return std::find(passes.begin(), passes.end(), name) != passes.end();
}

// The pointers of a call that lie in an operand move with it.
void move_pointers(char* call, size_t bytes, const std::vector<Operand>& operands,
                   const std::vector<std::ptrdiff_t>& by) {
  const char *low = operands[0].begin(), *high = operands[0].end();
  for (const Operand& x : operands) {
    low = std::min(low, x.begin());
    high = std::max(high, x.end());
  }
  for (size_t at = 0; at + sizeof(char*) <= bytes; at += sizeof(char*)) {
    const char* p;
    memcpy(&p, call + at, sizeof p);
    if (p < low || p >= high) continue;
    for (size_t k = 0; k < operands.size(); ++k) {
      if (p < operands[k].begin() || p >= operands[k].end()) continue;
      p += by[k];
      memcpy(call + at, &p, sizeof p);
      break;
    }
  }
}

}  // namespace

// Blocks lie elsewhere from now on; what is in them is not moved.
void Plan::relocate(const Addresses& to) {
  for (Step& step : steps_) {
    std::vector<Operand> own;
    std::vector<std::ptrdiff_t> by;
    const auto move = [&](Operand* x) {
      if (x->block == 0) return;
      own.push_back(*x);
      by.push_back(to.at(x->block) - blocks_.at(x->block).begin);
      x->data = x->begin() + by.back();
    };
    for (Operand& x : step.operands) move(&x);
    for (Operand& x : step.work) move(&x);
    if (!own.empty()) move_pointers(arguments_.data() + step.at, step.bytes, own, by);
  }
  for (auto& block : blocks_) block.second.begin = to.at(block.first);
}

// An array that points into memory of the plan without keeping it.
struct Plan::Pointer {
  Array* array;
  int64_t block, offset;
};

Plan::Pointer Plan::let_go(Array* x) {
  const std::shared_ptr<Storage> storage = x->storage;
  x->storage = std::make_shared<Storage>();
  x->storage->data = storage->data;
  x->storage->bytes = storage->bytes;
  return {x, storage->block, static_cast<char*>(x->data) - static_cast<char*>(storage->data)};
}

void Plan::finish(std::vector<Array> slots, const std::vector<Array*>& left, size_t results,
                  const std::vector<Array*>& passing, const std::vector<std::string>& passes) {
  if (!passes.empty()) {
    const std::unordered_set<Array*> each(left.begin(), left.end());
    std::vector<Pointer> pointers;
    for (Array* x : passing) {
      const bool own = x->storage->pool == pool_ && blocks_.count(x->storage->block) > 0;
      if (own && x->storage.use_count() == 1 && each.count(x) == 0) pointers.push_back(let_go(x));
    }
    const auto lock = lock_pools();
    improve({each.begin(), each.end()}, passes);
    for (const Pointer& x : pointers) {
      char* begin = const_cast<char*>(blocks_.at(x.block).begin);
      x.array->storage->data = begin;
      x.array->data = begin + x.offset;
    }
  }
  slots_ = std::move(slots);
  results_.clear();
  for (size_t i = 0; i < results; ++i) results_.push_back(*left[i]);
}

void Plan::improve(const std::vector<Array*>& left, const std::vector<std::string>& passes) {
  Arena& arena = plan_pool_arena(*pool_);
  Recorded r = {&steps_, &arguments_, &blocks_, {}};
  for (const Arena::Block& block : arena.blocks()) {
    if (blocks_.count(block.number) > 0) r.kept.insert(block.number);
  }
  Addresses real, apart;
  uint64_t at = kApart;
  for (const auto& block : blocks_) {
    real[block.first] = block.second.begin;
    apart[block.first] = reinterpret_cast<const char*>(at);
    at += rounded(block.second.bytes) + kAlign;
  }
  relocate(apart);
  for (const Pass& pass : kBefore) {
    if (named(passes, pass.name)) pass.run(r);
  }
  std::unordered_map<int64_t, int64_t> becomes;
  if (named(passes, "in_place")) becomes = reuse_in_place(r);
  for (const Pass& pass : kAfter) {
    if (named(passes, pass.name)) pass.run(r);
  }
  place_blocks(left, r.kept, becomes, real);
}

// Gives blocks their addresses, and moves what is left in some of them.
void Plan::place_blocks(const std::vector<Array*>& left, const std::unordered_set<int64_t>& kept,
                        const std::unordered_map<int64_t, int64_t>& becomes,
                        const Addresses& real) {
  Arena& arena = plan_pool_arena(*pool_);
  const auto root = [&](int64_t block) {
    for (auto it = becomes.find(block); it != becomes.end(); it = becomes.find(block)) {
      block = it->second;
    }
    return block;
  };
  // Where nobody else holds it, the memory of what is left may move.
  std::unordered_map<int64_t, long> holders;
  for (const Array* x : left) {
    if (x->storage->pool == pool_) ++holders[x->storage->block];
  }
  std::unordered_set<int64_t> movable;
  for (const Array* x : left) {
    const int64_t block = x->storage->block;
    const bool own = x->storage->pool == pool_ && kept.count(block) > 0;
    if (own && x->storage.use_count() == holders[block]) movable.insert(block);
  }
  std::vector<int64_t> numbers;
  std::vector<Life> lives;
  std::unordered_map<int64_t, size_t> index;
  const size_t last = steps_.empty() ? 0 : steps_.size() - 1;
  const Uses all = uses_of(steps_);
  for (const auto& uses : all) {
    if (kept.count(uses.first) > 0) continue;
    const auto known = index.emplace(root(uses.first), lives.size());
    if (known.second) {
      numbers.push_back(root(uses.first));
      lives.push_back({rounded(blocks_.at(uses.first).bytes), last, 0});
    }
    Life& life = lives[known.first->second];
    life.first = std::min(life.first, uses.second.front());
    life.last = std::max(life.last, uses.second.back());
  }
  std::vector<Extent> fixed;
  std::vector<Arena::Block> blocks;
  size_t top = top_before_;
  for (const Arena::Block& block : arena.blocks()) {
    if (movable.count(block.number) > 0) {
      // What is in it is of use until its first call of the next replay, which writes it.
      const auto uses = all.find(block.number);
      numbers.push_back(block.number);
      lives.push_back({block.bytes, uses == all.end() ? 0 : uses->second.front(), last});
    } else {
      fixed.push_back({block.begin, block.begin + block.bytes});
      blocks.push_back(block);
      top = std::max(top, block.begin + block.bytes);
    }
  }
  const Layout layout = lay_out(lives, fixed);
  Addresses to = real;  // of what is used no more, and of what is left and fixed
  for (size_t i = 0; i < numbers.size(); ++i) to[numbers[i]] = arena.base() + layout.begin[i];
  for (const auto& pair : becomes) to[pair.first] = to.at(root(pair.first));
  relocate(to);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (movable.count(numbers[i]) > 0) {
      blocks.push_back({numbers[i], layout.begin[i], lives[i].bytes});
    }
  }
  move_left(left, movable, to);
  arena.rearrange(blocks, std::max(top, layout.top));
}

void Plan::move_left(const std::vector<Array*>& left, const std::unordered_set<int64_t>& movable,
                     const Addresses& to) {
  std::unordered_map<Storage*, std::vector<char>> contents;
  for (const Array* x : left) {
    Storage* storage = x->storage.get();
    if (storage->pool != pool_ || movable.count(storage->block) == 0) continue;
    const char* begin = static_cast<const char*>(storage->data);
    contents.emplace(storage, std::vector<char>(begin, begin + storage->bytes));
  }
  for (Array* x : left) {
    Storage* storage = x->storage.get();
    if (contents.count(storage) == 0) continue;
    const auto offset = static_cast<char*>(x->data) - static_cast<char*>(storage->data);
    x->data = const_cast<char*>(to.at(storage->block)) + offset;
  }
  for (const auto& entry : contents) {
    entry.first->data = const_cast<char*>(to.at(entry.first->block));
    memcpy(entry.first->data, entry.second.data(), entry.second.size());
  }
}

}  // namespace pydl
