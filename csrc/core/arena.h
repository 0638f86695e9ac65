// Arena: one range of addresses that blocks are cut from, best fit first, and given back to. Only
// what has been touched costs memory. The pool of a plan: without size classes and in one piece;
// in the steps of benchmarks/, gaps took 12 to 60 % beyond the most in use at once.
#pragma once
#include <stddef.h>

#include <vector>

namespace pydl {

class Arena {
 public:
  Arena();  // throws std::bad_alloc
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* take(size_t bytes);              // a multiple of 64; throws std::bad_alloc
  void give(void* block, size_t bytes);  // cannot fail
  size_t bytes() const { return top_; }  // the most that was ever in use, gaps included

 private:
  struct Range {
    size_t begin, end;
  };
  char* base_;
  size_t top_ = 0;
  size_t live_ = 0;          // blocks
  std::vector<Range> free_;  // below top_, by address, none next to another
};

}  // namespace pydl
