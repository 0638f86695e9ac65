// The baseline implementation of sort_keys.h; see there.
#include "core/sort_keys.h"

#include <algorithm>
#include <numeric>

namespace pydl {

void sort_by_key(const uint64_t* keys, int64_t* index, int64_t n) {
  std::iota(index, index + n, int64_t{0});
  // NOTE: std::stable_sort would allocate; the index as a second key gives the same order.
  std::sort(index, index + n, [keys](int64_t i, int64_t j) {
    return keys[i] != keys[j] ? keys[i] < keys[j] : i < j;
  });
}

}  // namespace pydl
