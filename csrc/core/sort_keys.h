// Sorting for kernels: ISA files may not include the STL (cpu/vec.h), so this is compiled apart.
#pragma once
#include <stdint.h>

namespace pydl {

// index[0..n) = the stable ascending argsort of keys[0..n).
void sort_by_key(const uint64_t* keys, int64_t* index, int64_t n);

}  // namespace pydl
