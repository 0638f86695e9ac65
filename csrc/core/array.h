// Array: a dense, row-major block of elements. Reshape and leading slices share the storage.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/limits.h"
#include "core/pool.h"

namespace pydl {

struct Array {
  std::shared_ptr<Storage> storage;
  void* data = nullptr;  // inside storage
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  int64_t size = 0;  // product of shape
  int64_t bytes() const { return size * kItemSize[static_cast<int>(dtype)]; }
};

// Product with every step checked. Throws std::invalid_argument where a dimension is negative,
// there are more than kMaxDims, or the bytes do not fit.
int64_t checked_size(const std::vector<int64_t>& shape, DType dtype);

Array empty(const std::vector<int64_t>& shape, DType dtype);

// The memory from element `offset` on, as `shape`. Throws where that leaves the array.
Array view(const Array& x, const std::vector<int64_t>& shape, int64_t offset);

// "float32 (8, 1, 28, 28)", for messages.
std::string describe(const Array& x);
std::string shape_string(const std::vector<int64_t>& shape);

}  // namespace pydl
