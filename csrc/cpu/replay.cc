// Experience replay: appending steps, drawing rows, gathering their frames, and the tree of sums.
// Drawing and appending are serial: they are a microsecond's work, and their order decides the
// bits. Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015);
// Schaul et al., "Prioritized experience replay" (2016), appendix B.2.1 for the tree.
#include "core/args/replay.h"

#include <stdint.h>
#include <string.h>

#include "core/philox.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceBytes = 1 << 17;

// Rows [from, to) of an environment are in its ring.
struct Ring {
  int64_t from, to;
};

Ring ring(const ReplayRows& r, int64_t e) {
  const int64_t to = max64(0, min64(r.cursor[e], int64_t{1} << 62));
  return {max64(0, to - r.T), to};
}

// How many steps lie between a row and what it came to; 0 where that is not in the ring.
int64_t steps_of(const ReplayRows& r, int64_t e, int64_t row, int64_t to) {
  const uint8_t* flags = r.flags + e * r.T;
  for (int64_t m = 0; m < r.n_step; ++m) {
    if (row + m + 1 >= to) return 0;
    const uint8_t flag = flags[(row + m) % r.T];
    if ((flag & kAction) == 0) return 0;
    if ((flag & (kTerminated | kTruncated)) != 0) return m + 1;
  }
  return r.n_step;
}

bool can_be_drawn(const ReplayRows& r, int64_t e, int64_t row) {
  const Ring in = ring(r, e);
  return row - r.stack + 1 >= in.from && row < in.to && steps_of(r, e, row, in.to) > 0;
}

// ---- the tree ----------------------------------------------------------------------------------

void set_priority(float* tree, int64_t L, int64_t place, float priority) {
  int64_t i = L + place;
  tree[i] = priority;
  for (i /= 2; i > 0; i /= 2) tree[i] = tree[2 * i] + tree[2 * i + 1];
}

// The place where the sum of priorities passes `target`.
int64_t descend(const float* tree, int64_t L, double target) {
  int64_t i = 1;
  while (i < L) {
    const double left = static_cast<double>(tree[2 * i]);
    const bool right = (target >= left || !(left > 0)) && tree[2 * i + 1] > 0;
    target -= right ? left : 0.0;
    i = 2 * i + (right ? 1 : 0);
  }
  return i - L;
}

// ---- appending ---------------------------------------------------------------------------------

void append(const ReplayAddArgs& a, int64_t e, const char* frame, uint8_t flag, int64_t action,
            float reward) {
  const ReplayRows& r = a.rows;
  const int64_t row = ring(r, e).to, at = e * r.T + row % r.T;
  const int64_t bytes = a.frame * a.itemsize;
  memcpy(static_cast<char*>(a.frames) + at * bytes, frame, static_cast<size_t>(bytes));
  a.actions[at] = action;
  a.rewards[at] = reward;
  a.flags[at] = flag;
  a.cursor[e] = row + 1;
  if (a.tree == nullptr) return;
  set_priority(a.tree, a.L, at, 0.0f);
  const int64_t oldest = max64(0, row + 1 - r.T);  // its stack begins with rows that are gone
  for (int64_t i = oldest; oldest > 0 && i < min64(oldest + r.stack - 1, row); ++i) {
    set_priority(a.tree, a.L, e * r.T + i % r.T, 0.0f);
  }
  for (int64_t i = max64(oldest, row - r.n_step); i < row; ++i) {
    if (i + steps_of(r, e, i, row + 1) == row && can_be_drawn(r, e, i)) {
      set_priority(a.tree, a.L, e * r.T + i % r.T, a.tree[0]);
    }
  }
}

// ---- drawing -----------------------------------------------------------------------------------

struct Place {
  int64_t e, row;
};

// The row that lies in a place.
Place row_in(const ReplayRows& r, int64_t place) {
  const int64_t e = place / r.T, slot = place % r.T, from = ring(r, e).from;
  return {e, from + ((slot - from) % r.T + r.T) % r.T};
}

// The i-th of all rows, an environment after the other.
Place nth(const ReplayRows& r, int64_t i) {
  for (int64_t e = 0; e < r.N; ++e) {
    const Ring in = ring(r, e);
    if (i < in.to - in.from) return {e, in.from + i};
    i -= in.to - in.from;
  }
  return {-1, 0};
}

struct Words {
  uint64_t seed, offset;
  int64_t block;
  uint32_t word[4];
};

uint32_t word_at(Words* w, int64_t i) {
  if (w->block != i / 4) {
    w->block = i / 4;
    philox4x32(w->seed, w->offset + static_cast<uint64_t>(w->block), w->word);
  }
  return w->word[i % 4];
}

Place draw_alike(const ReplayDrawArgs& a, Words* words, int64_t b, int64_t total) {
  int64_t i = 0;
  for (int64_t t = 0; t < kReplayTries; ++t) {
    const uint64_t w = word_at(words, b * kReplayTries + t);
    i = static_cast<int64_t>((w * static_cast<uint64_t>(total)) >> 32);
    const Place p = nth(a.rows, i);
    if (can_be_drawn(a.rows, p.e, p.row)) return p;
  }
  for (int64_t t = 1; t <= total; ++t) {  // few can be drawn: the next one that can
    const Place p = nth(a.rows, (i + t) % total);
    if (can_be_drawn(a.rows, p.e, p.row)) return p;
  }
  return {-1, 0};
}

Place draw_by_priority(const ReplayDrawArgs& a, Words* words, int64_t b) {
  const double part = static_cast<double>(a.tree[1]) / static_cast<double>(a.B);
  const double u = static_cast<double>(unit_float(word_at(words, b)));
  const int64_t place = descend(a.tree, a.L, (static_cast<double>(b) + u) * part);
  if (place >= a.rows.N * a.rows.T) return {-1, 0};
  const Place p = row_in(a.rows, place);
  return can_be_drawn(a.rows, p.e, p.row) ? p : Place{-1, 0};
}

void describe(const ReplayDrawArgs& a, int64_t b, Place p) {
  const ReplayRows& r = a.rows;
  a.index[b] = a.next[b] = -1;
  a.action[b] = 0;
  a.reward[b] = a.discount[b] = 0.0f;
  a.priority[b] = 1.0f;
  if (p.e < 0) return;
  const int64_t base = p.e * r.T, steps = steps_of(r, p.e, p.row, ring(r, p.e).to);
  float sum = 0.0f, discount = 1.0f;
  for (int64_t m = 0; m < steps; ++m) {
    sum += discount * r.rewards[base + (p.row + m) % r.T];
    discount *= a.gamma;
  }
  const bool over = (r.flags[base + (p.row + steps - 1) % r.T] & kTerminated) != 0;
  a.index[b] = base + p.row % r.T;
  a.next[b] = base + (p.row + steps) % r.T;
  a.action[b] = r.actions[a.index[b]];
  a.reward[b] = sum;
  a.discount[b] = over ? 0.0f : discount;
  if (a.tree != nullptr) a.priority[b] = a.tree[a.L + a.index[b]];
}

// ---- frames ------------------------------------------------------------------------------------

struct StackJob {
  const ReplayStackArgs* a;
  int64_t per;  // frames of out in a piece
};

void stack_frames(const void* ctx, int64_t piece, void*) {
  const StackJob& job = *static_cast<const StackJob*>(ctx);
  const ReplayStackArgs& a = *job.a;
  const int64_t bytes = a.frame * a.itemsize;
  const int64_t to = min64((piece + 1) * job.per, a.B * a.stack);
  for (int64_t i = piece * job.per; i < to; ++i) {
    char* out = static_cast<char*>(a.out) + i * bytes;
    const int64_t place = a.index[i / a.stack];
    if (place < 0 || place >= a.N * a.T) {
      memset(out, 0, static_cast<size_t>(bytes));
      continue;
    }
    const int64_t e = place / a.T, back = a.stack - 1 - i % a.stack;
    const int64_t slot = ((place % a.T - back) % a.T + a.T) % a.T;
    memcpy(out, static_cast<const char*>(a.frames) + (e * a.T + slot) * bytes,
           static_cast<size_t>(bytes));
  }
}

}  // namespace

void replay_add(const ReplayAddArgs& a) {
  const ReplayRows& r = a.rows;
  const int64_t bytes = a.frame * a.itemsize;
  for (int64_t i = 0; i < a.K * r.N; ++i) {
    if (a.valid[i] == 0) continue;
    const int64_t e = i % r.N, before = ring(r, e).to - 1;
    const char* seen = static_cast<const char*>(a.observation) + i * r.stack * bytes;
    const char* last = static_cast<const char*>(a.last) + ((i + 1) * r.stack - 1) * bytes;
    const bool begins = before < 0 || (a.flags[e * r.T + before % r.T] & kAction) == 0;
    for (int64_t k = 0; begins && k + 1 < r.stack; ++k) append(a, e, seen + k * bytes, 0, 0, 0.0f);
    const uint8_t flag = static_cast<uint8_t>(kAction | (a.terminated[i] != 0 ? kTerminated : 0) |
                                              (a.truncated[i] != 0 ? kTruncated : 0));
    append(a, e, seen + (r.stack - 1) * bytes, flag, a.action[i], a.reward[i]);
    if (flag != kAction) append(a, e, last, 0, 0, 0.0f);
  }
}

void replay_draw(const ReplayDrawArgs& a) {
  Words words = {static_cast<uint64_t>(a.state[0]), static_cast<uint64_t>(a.state[1]), -1, {}};
  int64_t total = 0;
  for (int64_t e = 0; e < a.rows.N; ++e) total += ring(a.rows, e).to - ring(a.rows, e).from;
  const bool any = a.tree == nullptr ? total > 0 : a.tree[1] > 0;
  for (int64_t b = 0; b < a.B; ++b) {
    Place p = {-1, 0};
    if (any && a.tree == nullptr) p = draw_alike(a, &words, b, total);
    if (any && a.tree != nullptr) p = draw_by_priority(a, &words, b);
    describe(a, b, p);
  }
  const int64_t used = a.B * (a.tree == nullptr ? kReplayTries : 1);
  a.state[1] = static_cast<int64_t>(words.offset + static_cast<uint64_t>(ceil_div(used, 4)));
}

void replay_stack(const ReplayStackArgs& a) {
  const StackJob job = {&a, max64(1, kPieceBytes / max64(1, a.frame * a.itemsize))};
  parallel_for(ceil_div(a.B * a.stack, job.per), stack_frames, &job);
}

void replay_priorities(const ReplayPrioritiesArgs& a) {
  for (int64_t b = 0; b < a.B; ++b) {
    const int64_t place = a.index[b];
    const float p = a.priority[b];
    if (place < 0 || place >= a.places || !(p > 0.0f) || p > 3.4028235e38f) continue;
    if (!(a.tree[a.L + place] > 0.0f)) continue;
    if (p > a.tree[0]) a.tree[0] = p;
    set_priority(a.tree, a.L, place, p);
  }
}

}  // namespace PYDL_ISA
}  // namespace pydl
