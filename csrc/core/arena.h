// Arena: one range of addresses that blocks are cut from, best fit first, and given back to. Only
// what has been touched costs memory. The pool of a plan: without size classes and in one piece.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <unordered_map>
#include <vector>

namespace pydl {

class Arena {
 public:
  struct Block {
    int64_t number;  // counted from 1 as they were taken
    size_t begin, bytes;
  };

  Arena();  // throws std::bad_alloc
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* take(size_t bytes);              // a multiple of 64; throws std::bad_alloc
  void give(void* block, size_t bytes);  // cannot fail
  size_t bytes() const { return top_; }  // the most that was ever in use, gaps included
  int64_t taken() const { return number_; }
  char* base() const { return base_; }

  std::vector<Block> blocks() const;  // in use
  // Blocks in use are where they are said to be from now on, and `top` bytes are enough. The caller
  // has moved what is in them.
  void rearrange(const std::vector<Block>& blocks, size_t top);

 private:
  struct Range {
    size_t begin, end;
  };
  char* base_;
  size_t top_ = 0;
  int64_t number_ = 0;
  std::vector<Range> free_;                   // below top_, by address, none next to another
  std::unordered_map<size_t, Block> blocks_;  // in use, by where they begin
};

}  // namespace pydl
