// Experience replay: rows of N environments, each in a ring of T. The rules of all kernels:
// core/kernels.h.
//
// A row is what one step began with: the newest frame of the observation, the action, its reward,
// and how it ended. Rows without an action lie around an episode: before its first step the `stack
// - 1` older frames of the first observation, after its last step the observation it came to. So
// every observation is `stack` rows on end, and nothing is read across the end of an episode.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

enum RowFlag : uint8_t { kAction = 1, kTerminated = 2, kTruncated = 4 };

struct ReplayRows {
  int64_t N, T, stack, n_step;
  const int64_t* actions;  // (N, T)
  const float* rewards;    // (N, T)
  const uint8_t* flags;    // (N, T), of RowFlag
  const int64_t* cursor;   // (N): rows written so far; row r lies in place r % T
};

// Appends K steps of every environment, of each the valid ones. `tree`, where there is one, holds
// sums of priorities, float32 (2 L) with L the power of two that N * T fits in: tree[1] is the sum
// of all, the children of tree[i] are tree[2 i] and tree[2 i + 1], tree[L + p] belongs to place p
// (row r of environment e: e * T + r % T), and tree[0] is the largest priority so far, which new
// rows get. Priority 0: not to be drawn (no action, or what follows, or precedes, is not in the
// ring).
struct ReplayAddArgs {
  ReplayRows rows;
  int64_t itemsize, frame;  // elements of a frame
  int64_t L;                // 0 without a tree
  int64_t K;
  const void *observation, *last;  // (K, N, stack, frame); `last`: what the step came to
  const int64_t* action;           // (K, N)
  const float* reward;             // (K, N)
  const uint8_t *terminated, *truncated, *valid;  // (K, N) bool; valid: there was a step
  void* frames;                                   // (N, T, frame)
  int64_t* actions;
  float* rewards;
  uint8_t* flags;
  int64_t* cursor;
  float* tree;
};

// Draws B rows: alike likely, or by priority, one of each of B equal parts of the sum. For each:
// its place, the place of the newest frame of what it came to in n_step steps or at the end of the
// episode, its action, the sum of gamma^i times the i-th reward, gamma^steps or 0 where the episode
// terminated, and its priority (1 without a tree). Where nothing can be drawn the places are -1.
// Philox: without a tree kReplayTries words a row, with one a word.
constexpr int64_t kReplayTries = 32;
struct ReplayDrawArgs {
  ReplayRows rows;
  int64_t L, B;
  float gamma;
  const float* tree;
  int64_t* state;
  int64_t *index, *next, *action;
  float *reward, *discount, *priority;
};

// out (B, stack, frame): the frames up to place index[b], oldest first; zeros for places that are
// not in [0, N * T).
struct ReplayStackArgs {
  int64_t itemsize, frame, N, T, stack, B;
  const void* frames;
  const int64_t* index;
  void* out;
};

// New priorities of places, in the order of b; rows that are not to be drawn stay so. Priorities
// that are not positive and finite are left out.
struct ReplayPrioritiesArgs {
  int64_t L, places, B;
  const int64_t* index;
  const float* priority;
  float* tree;
};

}  // namespace pydl
