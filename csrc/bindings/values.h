// Checks of what arrays hold, where a kernel could only skip it. They go the way of a kernel call,
// so that a plan notes them and checks again on each replay, without the GIL: they throw C++
// exceptions.
#pragma once
#include <stdexcept>

#include "core/array.h"

namespace pydl {

// Python's ZeroDivisionError.
class DivisionByZero : public std::domain_error {
 public:
  using std::domain_error::domain_error;
};

// Every index in [low, end), or `*ignored` where that is given; std::out_of_range otherwise.
// NOTE: `op` (or null) and `name` are literals: a plan keeps the pointers.
void check_range(const char* op, const char* name, const Array& index, int64_t low, int64_t end,
                 const int64_t* ignored = nullptr);

// No element of integers that divide is 0; DivisionByZero otherwise.
void check_divisor(const char* op, const Array& b);

}  // namespace pydl
