// Where the blocks of a plan lie: blocks that live at the same time apart, in as few bytes as a few
// simple orders of placing them can do.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <vector>

namespace pydl {

// A block from its first use to its last, both included.
struct Life {
  size_t bytes, first, last;
};
struct Extent {
  size_t begin, end;
};

struct Layout {
  std::vector<size_t> begin;  // of each block
  size_t top = 0;             // the end of the last one
};

// `fixed` is never available.
Layout lay_out(const std::vector<Life>& lives, const std::vector<Extent>& fixed);

}  // namespace pydl
