#include "core/array.h"

#include <stdexcept>

namespace pydl {

std::string shape_string(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::string describe(const Array& x) {
  return std::string(kDTypeName[static_cast<int>(x.dtype)]) + " " + shape_string(x.shape);
}

int64_t checked_size(const std::vector<int64_t>& shape, DType dtype) {
  if (shape.size() > static_cast<size_t>(kMaxDims)) {
    throw std::invalid_argument("shape " + shape_string(shape) + ": more than 8 dimensions");
  }
  int64_t size = 1;
  int64_t room = kItemSize[static_cast<int>(dtype)];  // bytes, zero dimensions counted as one
  for (int64_t n : shape) {
    if (n < 0) throw std::invalid_argument("shape " + shape_string(shape) + ": negative dimension");
    if (__builtin_mul_overflow(room, n > 0 ? n : 1, &room)) {
      throw std::invalid_argument("shape " + shape_string(shape) + ": too large");
    }
    size *= n;
  }
  return size;
}

Array empty(const std::vector<int64_t>& shape, DType dtype) {
  Array x;
  x.size = checked_size(shape, dtype);
  x.dtype = dtype;
  x.shape = shape;
  x.storage = allocate(static_cast<size_t>(x.bytes()));
  x.data = x.storage->data;
  return x;
}

Array view(const Array& x, const std::vector<int64_t>& shape, int64_t offset) {
  Array y = x;
  y.size = checked_size(shape, x.dtype);
  y.shape = shape;
  if (offset < 0 || offset > x.size || y.size > x.size - offset) {
    throw std::invalid_argument("view: " + shape_string(shape) + " at element " +
                                std::to_string(offset) + " leaves " + describe(x));
  }
  y.data = static_cast<char*>(x.data) + offset * kItemSize[static_cast<int>(x.dtype)];
  return y;
}

}  // namespace pydl
