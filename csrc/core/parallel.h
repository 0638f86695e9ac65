// The thread pool: one loop over pieces, nothing else. No OpenMP: it hangs after fork and meets a
// second runtime when torch or scikit-learn is imported.
#pragma once
#include <stdint.h>

namespace pydl {

// Bytes of scratch (64-byte aligned) that each thread hands to the pieces it runs: packing buffers
// and the like. Contents are undefined at the start of a piece.
constexpr int64_t kScratchBytes = 1 << 20;

// Behind it lie more, for a piece that calls a kernel, which uses the scratch itself: float32
// copies of what is of a half type.
constexpr int64_t kStagedFloats = 1 << 17;
inline float* staging_of(void* scratch) {
  return reinterpret_cast<float*>(static_cast<char*>(scratch) + kScratchBytes);
}

// Runs fn(ctx, i, scratch) for every i in [0, pieces), in any order, on the pool's threads and the
// caller. Pieces must not depend on each other. `pieces` must be a function of the problem alone.
// Nested calls, and calls while another thread uses the pool, run serially with the same result.
using PieceFn = void (*)(const void* ctx, int64_t piece, void* scratch);
void parallel_for(int64_t pieces, PieceFn fn, const void* ctx);

// Within its life what this thread runs is serial.
class Serially {
 public:
  Serially();
  ~Serially();
  Serially(const Serially&) = delete;
  Serially& operator=(const Serially&) = delete;

 private:
  bool before_;
};

void spin_pause();  // between two looks at what another thread does

int num_threads();
void set_num_threads(int n);  // n >= 1
int usable_cpus();            // by affinity and cgroup quota

}  // namespace pydl
